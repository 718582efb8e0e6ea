//! Locks on single bytes of an open file (`format-spec/container.md`, Locks). It promises
//! that a lock which cannot be had is told apart from one that the file system cannot give, and
//! that the list of foreign locks is complete for the range.

use super::Lock;
use super::kernel::{Ask, ask_lock};
use std::fs::File;
use std::io;

/// Takes or changes the lock on one byte without waiting; see [`super::Storage::lock`].
pub(super) fn take(file: &File, byte: u64, exclusive: bool) -> io::Result<Lock> {
    super::range_end(byte, 1)?;
    match ask_lock(file, Ask::Take { exclusive }, byte, 1) {
        Ok(_) => Ok(Lock::Acquired),
        Err(error) if is_unsupported(&error) => Ok(Lock::Unsupported),
        Err(error) => match error.raw_os_error() {
            Some(libc::EAGAIN | libc::EACCES) => Ok(Lock::Busy),
            _ => Err(error),
        },
    }
}

/// Gives the lock on one byte back.
pub(super) fn release(file: &File, byte: u64) {
    // Closing the file would release it anyway; there is nothing a caller could do on failure.
    let _ = ask_lock(file, Ask::Release, byte, 1);
}

/// Every byte of `first..first + count` that other open files hold, ascending.
pub(super) fn held_by_others(file: &File, first: u64, count: u64) -> io::Result<Vec<u64>> {
    let end = super::range_end(first, count)?;
    let mut held = Vec::new();
    // The kernel names *a* conflicting lock, not the lowest, so both sides of it are asked again.
    let mut unknown = vec![(first, end)];
    while let Some((from, to)) = unknown.pop() {
        if from >= to {
            continue;
        }
        let answer = ask_lock(file, Ask::Find, from, to - from).map_err(|error| {
            if is_unsupported(&error) { io::ErrorKind::Unsupported.into() } else { error }
        })?;
        let Some((start, length)) = answer else { continue };
        let stop = if length == 0 { to } else { start.saturating_add(length).min(to) };
        let start = start.max(from);
        held.extend(start..stop);
        unknown.push((from, start));
        unknown.push((stop.max(start), to));
    }
    held.sort_unstable();
    held.dedup();
    Ok(held)
}

/// Whether the failure says that the file system or system has no such locks.
fn is_unsupported(error: &io::Error) -> bool {
    const NONE: [i32; 5] = [libc::ENOLCK, libc::EINVAL, libc::ENOTSUP, libc::EOPNOTSUPP, libc::ENOSYS];
    error.kind() == io::ErrorKind::Unsupported
        || error.raw_os_error().is_some_and(|code| NONE.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_apart() {
        for code in [libc::ENOLCK, libc::EINVAL, libc::EOPNOTSUPP, libc::ENOSYS] {
            assert!(is_unsupported(&io::Error::from_raw_os_error(code)), "{code}");
        }
        for code in [libc::EAGAIN, libc::EACCES, libc::EBADF, libc::EIO] {
            assert!(!is_unsupported(&io::Error::from_raw_os_error(code)), "{code}");
        }
    }

    #[test]
    fn a_byte_beyond_the_largest_offset_is_refused() {
        let file = tempfile::tempfile().expect("a file");
        assert_eq!(take(&file, u64::MAX, true).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(held_by_others(&file, 1 << 62, u64::MAX).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
