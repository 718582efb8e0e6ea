//! Failures on order. It promises that the nth operation of a class fails as asked, once or from
//! then on, and that a test can tell whether it ever came to that.

use std::io;

/// A class of operations, for counting and failing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `read_at`.
    Read,
    /// `write_at`.
    Write,
    /// `set_len` and `allocate`.
    Resize,
    /// `punch`.
    Punch,
    /// `sync`.
    Sync,
    /// All of these.
    Any,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// The medium refuses (EIO).
    Io,
    /// No space is left (ENOSPC, [`io::ErrorKind::StorageFull`]).
    StorageFull,
}

/// A failure to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the caller is told.
    pub error: FaultError,
    /// Whether every later operation of the class fails too.
    pub sticky: bool,
}

/// The failures that were ordered.
#[derive(Default)]
pub(super) struct Faults(Vec<Armed>);

struct Armed {
    class: Operation,
    /// Operations of the class still to pass; at 0 it has fired.
    remaining: u64,
    fault: Fault,
}

impl Faults {
    /// Orders a failure of the nth operation from now on; the first is 1.
    pub(super) fn arm(&mut self, nth: u64, class: Operation, fault: Fault) {
        self.0.push(Armed { class, remaining: nth.max(1), fault });
    }

    /// Whether any ordered failure has happened.
    pub(super) fn fired(&self) -> bool {
        self.0.iter().any(|armed| armed.remaining == 0)
    }

    /// Counts an operation; the error it must fail with, if any.
    pub(super) fn check(&mut self, operation: Operation) -> io::Result<()> {
        let mut outcome = Ok(());
        for armed in &mut self.0 {
            if armed.class != operation && armed.class != Operation::Any {
                continue;
            }
            let again = armed.remaining == 0 && armed.fault.sticky;
            let now = armed.remaining == 1;
            armed.remaining = armed.remaining.saturating_sub(1);
            if now || again {
                outcome = Err(armed.fault.error.as_error());
            }
        }
        outcome
    }
}

impl FaultError {
    /// The failure as the system would report it.
    pub(super) fn as_error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            FaultError::Io => libc::EIO,
            FaultError::StorageFull => libc::ENOSPC,
        })
    }
}
