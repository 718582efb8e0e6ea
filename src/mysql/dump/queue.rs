//! Work on several connections at once. It promises that the first failure stops all, and that it is
//! the one which is told.

use super::rows::Watch;
use super::step::{Step, Stop};
use crate::error::{Error, Kind};
use crate::mysql::connection::Connection;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Does `work` for each job, jobs in order, on as many threads as there are connections. Results come
/// in no order.
pub fn on_all<J: Send, T: Send>(
    readers: &mut [Connection],
    jobs: Vec<J>,
    watch: &Watch,
    work: impl Fn(&mut Connection, J) -> Step<T> + Sync,
) -> Step<Vec<T>> {
    let jobs = Mutex::new(VecDeque::from(jobs));
    let results = Mutex::new(Vec::new());
    let failure: Mutex<Option<Stop>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for reader in readers {
            scope.spawn(|| {
                while !watch.stop.load(Ordering::Relaxed) {
                    let Some(job) = held(&jobs).pop_front() else { return };
                    match work(reader, job) {
                        Ok(result) => held(&results).push(result),
                        Err(stop) => {
                            // The others fail because of this one.
                            watch.stop.store(true, Ordering::Relaxed);
                            held(&failure).get_or_insert(stop);
                            return;
                        }
                    }
                }
            });
        }
    });
    let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    let left = jobs.into_inner().unwrap_or_else(PoisonError::into_inner).len();
    match failure {
        Some(stop) => Err(stop),
        None if left > 0 => Err(Error::new(Kind::Interrupted, "tables are left unread").into()),
        None => Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// What a mutex holds; whoever panicked with it left it whole.
pub fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
