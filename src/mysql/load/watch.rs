//! A watch over connections that load. It promises that a load ends when somebody asks for it, though
//! the server is in the middle of a long statement, and when the server's disk is full: some engines
//! then wait for room for ever instead of failing.

use super::session::{self, tolerate};
use crate::mysql::connection::Connection;
use crate::mysql::options::ServerOptions;
use crate::progress::Progress;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often it looks.
const PAUSE: Duration = Duration::from_millis(200);
/// How long nothing may move on a disk without room.
const PATIENCE: Duration = Duration::from_secs(8);
/// A disk with less than this has no room.
const NO_ROOM_BYTES: u64 = 4 << 20;

/// The connections, and what is known of them.
#[derive(Default)]
pub struct Watch {
    ids: Mutex<Vec<u32>>,
    is_over: AtomicBool,
    is_full: AtomicBool,
}

impl Watch {
    /// Takes a connection under watch.
    pub fn add(&self, conn: &Connection) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).push(conn.id());
    }

    /// Ends the watch.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Whether the connections were ended because the server's disk is full.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Acquire)
    }

    /// Watches until the end; `folder` is the server's data folder if it is one of this machine.
    pub fn run(&self, options: &ServerOptions, folder: Option<PathBuf>, progress: &Progress) {
        let (mut moved, mut bytes) = (Instant::now(), 0);
        while !self.is_over.load(Ordering::Acquire) {
            std::thread::sleep(PAUSE);
            let now = progress.bytes.load(Ordering::Relaxed);
            let has_room =
                || folder.as_ref().and_then(|f| free_bytes(f)).is_none_or(|free| free >= NO_ROOM_BYTES);
            if now != bytes || has_room() {
                (moved, bytes) = (Instant::now(), now);
            }
            let is_full = moved.elapsed() > PATIENCE;
            if is_full || progress.check().is_err() {
                self.is_full.store(is_full, Ordering::Release);
                self.kill(options);
                return;
            }
        }
    }

    /// Ends the watched connections; one that cannot be ended will end by itself or not.
    fn kill(&self, options: &ServerOptions) {
        let Ok(mut conn) = session::open(options) else { return };
        for id in self.ids.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if tolerate(conn.execute(&format!("KILL CONNECTION {id}"))).is_err() {
                return;
            }
        }
    }
}

/// Bytes that are free where `folder` stands.
pub fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    rustix::fs::statvfs(folder).ok().map(|s| s.f_bavail.saturating_mul(s.f_frsize))
}

/// The data folder of a server of this machine, if it can be seen.
pub fn data_folder(conn: &mut Connection) -> crate::error::Result<Option<PathBuf>> {
    let folder = PathBuf::from(conn.value("SELECT @@datadir")?.unwrap_or_default());
    Ok((conn.is_local() && folder.join("mysql").is_dir()).then_some(folder))
}
