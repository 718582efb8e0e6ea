//! Folders of a source, opened by descriptor and reopened when needed. It promises that a folder is
//! always reached through the folders it was found in and never through a symbolic link, that at most [`OPEN_FOLDERS`] descriptors (and the root's) stay
//! open however deep or wide the tree is and however long a handle is kept, and that a path longer
//! than the system's limit is no obstacle.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::{Errno, Result};
use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Most descriptors of folders that one walk keeps open.
pub const OPEN_FOLDERS: usize = 64;
/// On the way down to a reopened folder, this many of its nearest ancestors stay open too.
const REOPENED_ANCESTORS: usize = 8;

/// One folder of a source.
#[derive(Debug)]
pub struct Folder {
    parent: Option<Arc<Folder>>,
    name: CString,
    identity: (u64, u64),
    opened: Mutex<Option<Arc<OwnedFd>>>,
    pool: Arc<Pool>,
}

/// The folders that are open, oldest first.
#[derive(Debug, Default)]
struct Pool {
    open: Mutex<VecDeque<Weak<Folder>>>,
}

impl Pool {
    fn keep(&self, folder: &Arc<Folder>) {
        let mut open = locked(&self.open);
        open.push_back(Arc::downgrade(folder));
        while open.len() > OPEN_FOLDERS {
            if let Some(oldest) = open.pop_front().and_then(|weak| weak.upgrade()) {
                *locked(&oldest.opened) = None;
            }
        }
    }
}

impl Folder {
    /// Opens the root of a source, which may be reached through symbolic links.
    pub fn root(path: &Path) -> Result<(Arc<Folder>, Stat)> {
        let fd = open_quietly(CWD, path, OFlags::DIRECTORY)?;
        let stat = rustix::fs::fstat(&fd)?;
        let folder = Folder {
            parent: None,
            name: CString::default(),
            identity: (stat.st_dev, stat.st_ino),
            opened: Mutex::new(Some(Arc::new(fd))),
            pool: Arc::default(),
        };
        Ok((Arc::new(folder), stat))
    }

    /// Opens the folder `name` in this one.
    pub fn child(self: &Arc<Self>, name: &CStr) -> Result<(Arc<Folder>, Stat)> {
        let fd = open_quietly(&self.descriptor()?, name, OFlags::DIRECTORY | OFlags::NOFOLLOW)?;
        let stat = rustix::fs::fstat(&fd)?;
        let folder = Arc::new(Folder {
            parent: Some(self.clone()),
            name: name.to_owned(),
            identity: (stat.st_dev, stat.st_ino),
            opened: Mutex::new(Some(Arc::new(fd))),
            pool: self.pool.clone(),
        });
        self.pool.keep(&folder);
        Ok((folder, stat))
    }

    /// This folder's descriptor, reopened by its path if need be. (Its inode is not compared: some
    /// file systems number a folder anew when nobody has it open.)
    pub fn descriptor(self: &Arc<Self>) -> Result<Arc<OwnedFd>> {
        let mut closed = Vec::new();
        let mut at = self;
        let mut fd = loop {
            if let Some(fd) = locked(&at.opened).clone() {
                break fd;
            }
            closed.push(at);
            at = at.parent.as_ref().ok_or(Errno::STALE)?;
        };
        while let Some(folder) = closed.pop() {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
            fd = Arc::new(open_quietly(&fd, folder.name.as_c_str(), flags)?);
            if closed.len() < REOPENED_ANCESTORS {
                folder.keep_open(&fd);
            }
        }
        Ok(fd)
    }

    /// Reopens this folder, if it is closed, as the parent of its open child `below`; quietly does
    /// nothing if that is not possible.
    pub fn reopen_from(self: &Arc<Self>, below: &Folder) {
        if locked(&self.opened).is_some() {
            return;
        }
        let Some(child) = locked(&below.opened).clone() else { return };
        let Ok(parent) = open_quietly(&child, c"..", OFlags::DIRECTORY) else { return };
        // A child that was moved has another parent.
        if rustix::fs::fstat(&parent).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == self.identity) {
            self.keep_open(&Arc::new(parent));
        }
    }

    fn keep_open(self: &Arc<Self>, fd: &Arc<OwnedFd>) {
        *locked(&self.opened) = Some(fd.clone());
        self.pool.keep(self);
    }

    /// What `name` in this folder is, links not followed.
    pub fn stat(self: &Arc<Self>, name: &CStr) -> Result<Stat> {
        rustix::fs::statat(self.descriptor()?, name, AtFlags::SYMLINK_NOFOLLOW)
    }
}

impl Drop for Folder {
    /// Frees a long chain of parents in a loop, because recursion would overflow the stack.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(folder) = next {
            next = Arc::into_inner(folder).and_then(|mut last| last.parent.take());
        }
    }
}

/// Opens for reading without changing the access time where that is allowed.
pub fn open_quietly<Fd: AsFd, P: rustix::path::Arg + Copy>(
    dir: Fd,
    name: P,
    flags: OFlags,
) -> Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(&dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => rustix::fs::openat(&dir, name, flags, Mode::empty()),
        result => result,
    }
}

/// A lock whose holder cannot leave broken data behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
