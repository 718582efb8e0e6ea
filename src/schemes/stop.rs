//! The wish that runs stop. It promises that whoever waits is woken at once.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether to stop. Once said, it stays said.
#[derive(Debug, Default)]
pub struct Stop {
    is_asked: Mutex<bool>,
    asked: Condvar,
}

impl Stop {
    /// Asks everybody to stop.
    pub fn ask(&self) {
        *self.is_asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.asked.notify_all();
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        *self.is_asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits that long, or until somebody asks; whether somebody did.
    pub fn wait(&self, longest: Duration) -> bool {
        let end = Instant::now() + longest;
        let mut is_asked = self.is_asked.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_asked {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            is_asked = self.asked.wait_timeout(is_asked, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *is_asked
    }
}
