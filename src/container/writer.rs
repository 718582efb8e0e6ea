//! Segments on their way to the disk: assembled by the thread pool in any order, written by one
//! thread. It promises bounded memory (a fixed number in flight) and that the first failure stops
//! everything: nothing is written after it, and [`SegmentWriter::finish`] reports it.

use super::Base;
use super::checksums::TableHash;
use super::segment::{Assembled, Plan, assemble};
use crate::error::{Error, Kind, Result};
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rayon::ThreadPool;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Bytes of assembled segments that may be in flight.
const IN_FLIGHT_BYTES: usize = 24 << 20;

/// What is known of a segment once it is written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Its slot.
    pub slot: u32,
    /// Authentication tag of its directory.
    pub directory_tag: [u8; 16],
    /// Hash of its checksum table.
    pub table_hash: TableHash,
}

type Failure = Arc<Mutex<Option<Error>>>;

/// The way to the disk.
pub struct SegmentWriter {
    base: Arc<Base>,
    pool: Arc<ThreadPool>,
    permits: Sender<()>,
    queue: Sender<(u32, Assembled)>,
    thread: JoinHandle<Vec<Written>>,
    failure: Failure,
    submitted: usize,
}

impl SegmentWriter {
    /// Starts the writing thread.
    pub fn start(base: Arc<Base>, pool: Arc<ThreadPool>) -> Result<SegmentWriter> {
        let in_flight = (IN_FLIGHT_BYTES / base.geometry.segment_bytes).clamp(2, 16);
        let (permits, release) = bounded(in_flight);
        let (queue, incoming) = unbounded();
        let failure = Failure::default();
        let (thread_base, thread_failure) = (base.clone(), failure.clone());
        let thread = std::thread::Builder::new()
            .name("coffer-write".into())
            .spawn(move || write_all(&thread_base, &incoming, &release, &thread_failure))
            .map_err(|e| Error::io(Kind::Failed, "writing thread: not started", e))?;
        Ok(SegmentWriter { base, pool, permits, queue, thread, failure, submitted: 0 })
    }

    /// Hands a segment over; waits while too many are in flight.
    pub fn submit(&mut self, slot: u32, plan: Plan) -> Result<()> {
        if let Some(error) = take(&self.failure) {
            return Err(error);
        }
        if self.permits.send(()).is_err() {
            return Err(Error::new(Kind::Failed, "writing thread: ended early"));
        }
        self.submitted += 1;
        let (base, queue) = (self.base.clone(), self.queue.clone());
        self.pool.spawn(move || {
            let assembled = assemble(&base.geometry, &base.keyring, plan);
            // The receiver only goes away when the whole commit is being dropped.
            let _ = queue.send((slot, assembled));
        });
        Ok(())
    }

    /// Waits until everything is written and tells what was.
    pub fn finish(self) -> Result<Vec<Written>> {
        drop(self.queue);
        let written = self.thread.join().map_err(|_| Error::new(Kind::Failed, "writing thread: panicked"))?;
        match take(&self.failure) {
            Some(error) => Err(error),
            // The failure was handed out by an earlier submit.
            None if written.len() < self.submitted => {
                Err(Error::new(Kind::Poisoned, "writing thread: an earlier write failed"))
            }
            None => Ok(written),
        }
    }
}

fn take(failure: &Failure) -> Option<Error> {
    failure.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn write_all(
    base: &Base,
    incoming: &Receiver<(u32, Assembled)>,
    release: &Receiver<()>,
    failure: &Failure,
) -> Vec<Written> {
    let mut written = Vec::new();
    let mut failed = false;
    for (slot, segment) in incoming {
        if !failed {
            match base.write_segment(slot, &segment.bytes) {
                Ok(()) => written.push(Written {
                    slot,
                    directory_tag: segment.directory_tag,
                    table_hash: segment.table_hash,
                }),
                Err(error) => {
                    failed = true;
                    *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
            }
        }
        let _ = release.recv();
    }
    written
}
