//! The two Linux calls that no safe crate wraps: open-file-description locks and
//! `sync_file_range`. It promises that every `unsafe` of this folder is here, one line each;
//! elsewhere than on 64-bit Linux both answer [`io::ErrorKind::Unsupported`].

use std::fs::File;
use std::io;

/// What to ask of the kernel's lock table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Take or change a lock: shared, or exclusive.
    Take { exclusive: bool },
    /// Give a lock back.
    Release,
    /// Find one lock of another open file within the range.
    Find,
}

/// A range that another open file has locked: first byte and byte count (0 means without end).
pub(super) type Held = (u64, u64);

/// Asks about the bytes `first..first + count`; only [`Ask::Find`] ever answers with a range.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(super) fn ask_lock(file: &File, ask: Ask, first: u64, count: u64) -> io::Result<Option<Held>> {
    use std::os::fd::AsRawFd;
    super::range_end(first, count)?;
    let (command, kind) = match ask {
        Ask::Take { exclusive: true } => (libc::F_OFD_SETLK, libc::F_WRLCK),
        Ask::Take { exclusive: false } => (libc::F_OFD_SETLK, libc::F_RDLCK),
        Ask::Release => (libc::F_OFD_SETLK, libc::F_UNLCK),
        // An exclusive lock conflicts with every other, so this finds shared ones too.
        Ask::Find => (libc::F_OFD_GETLK, libc::F_WRLCK),
    };
    let mut range = libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: first as libc::off_t,
        l_len: count as libc::off_t,
        l_pid: 0,
    };
    loop {
        // SAFETY: the descriptor is open for the whole call, and the kernel reads and writes
        // nothing but the one `flock` that `range` owns.
        #[allow(unsafe_code)]
        let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, &mut range) };
        if answer == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let found = ask == Ask::Find && range.l_type != libc::F_UNLCK as libc::c_short;
    Ok(found.then(|| (range.l_start.max(0) as u64, range.l_len.max(0) as u64)))
}

/// Begins writing a range of the page cache to the medium, without waiting; failures are ignored.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(super) fn start_writeback(file: &File, offset: u64, length: u64) {
    use std::os::fd::AsRawFd;
    if super::range_end(offset, length).is_err() {
        return;
    }
    // SAFETY: takes a descriptor that is open for the whole call and three integers; no memory.
    #[allow(unsafe_code)]
    let _ = unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            offset as libc::off_t,
            length as libc::off_t,
            libc::SYNC_FILE_RANGE_WRITE,
        )
    };
}

/// No such locks here.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(super) fn ask_lock(_: &File, _: Ask, _: u64, _: u64) -> io::Result<Option<Held>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No such hint here.
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(super) fn start_writeback(_: &File, _: u64, _: u64) {}
