//! What an operation tells while it runs. It promises to cost next to nothing and to decide
//! nothing: whoever listens (a terminal, a log, nobody) is the caller's business.

use crate::error::{Error, Kind, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Counters of a running operation and the wish to stop it, shared between threads.
#[derive(Debug, Default)]
pub struct Progress {
    /// Things (files, tables, segments) done.
    pub items: AtomicU64,
    /// Bytes done.
    pub bytes: AtomicU64,
    /// Things to do, 0 while unknown.
    pub total_items: AtomicU64,
    /// Bytes to do, 0 while unknown.
    pub total_bytes: AtomicU64,
    stop: AtomicBool,
    waits: AtomicUsize,
}

/// A wait for somebody else, until it is dropped.
#[derive(Debug)]
pub struct Waiting<'a>(&'a Progress);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waits.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Progress {
    /// Counts `items` and `bytes` as done.
    pub fn advance(&self, items: u64, bytes: u64) {
        self.items.fetch_add(items, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// States how much there is to do.
    pub fn expect(&self, items: u64, bytes: u64) {
        self.total_items.store(items, Ordering::Relaxed);
        self.total_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Asks the operation to stop at the next safe point.
    pub fn interrupt(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Fails with [`Kind::Interrupted`] once somebody asked to stop.
    pub fn check(&self) -> Result<()> {
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Interrupted, "interrupted")),
            false => Ok(()),
        }
    }

    /// Until the returned value is dropped, the operation waits for somebody else (a lock, a server) and
    /// may not come to look whether it is to stop. Only where the end of the process costs nothing but
    /// this wait, whatever other threads of the operation do meanwhile.
    pub fn waiting(&self) -> Waiting<'_> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// Whether it waits in that way.
    pub fn is_waiting(&self) -> bool {
        self.waits.load(Ordering::Relaxed) > 0
    }
}
