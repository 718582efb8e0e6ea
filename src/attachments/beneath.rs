//! Opens folders beneath one root. It promises that no symbolic link below the root is followed and
//! nothing outside it is reached, whatever stands there and however it changes meanwhile: the
//! kernel resolves each path with `RESOLVE_BENEATH` and `RESOLVE_NO_SYMLINKS`, or, where it does
//! not know them, each component is opened by itself without following. Paths may be longer than
//! the system's limit.

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Folders that stay open because the next thing is likely to stand in one of them.
const OPEN_FOLDERS: usize = 32;
/// Most bytes of a path that are resolved at once; the system's limit is 4096.
const PIECE_BYTES: usize = 3000;

/// A root and the folders recently opened below it.
#[derive(Debug)]
pub struct Beneath {
    root: Arc<OwnedFd>,
    by_component: bool,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    /// Path and descriptor, most recently used last.
    folders: VecDeque<(Box<[u8]>, Arc<OwnedFd>)>,
    /// One folder of each file system that was met.
    systems: Vec<(u64, Arc<OwnedFd>)>,
}

impl Beneath {
    /// Opens `root`, which may itself be reached through symbolic links.
    pub fn new(root: &Path) -> Result<Beneath> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = Arc::new(rustix::fs::openat(rustix::fs::CWD, root, flags, Mode::empty())?);
        // A kernel or a filter that refuses the call refuses it for the root too.
        let by_component = in_one_go(&root, b".").is_err();
        Ok(Beneath { root, by_component, open: Mutex::default() })
    }

    /// The same, resolving component by component as on a kernel without `openat2`.
    #[cfg(test)]
    pub fn by_component(mut self) -> Beneath {
        self.by_component = true;
        self
    }

    /// A number that stays the same for this root and differs for others.
    pub fn salt(&self) -> u64 {
        rustix::fs::fstat(&self.root).map_or(0, |stat| stat.st_ino ^ stat.st_dev.rotate_left(32))
    }

    /// Opens the folder at `path`, a valid [`crate::entry::EntryPath`] or empty for the root.
    /// [`Errno::LOOP`] or [`Errno::NOTDIR`]: something that is not a folder stands on the way.
    pub fn folder(&self, path: &[u8]) -> Result<Arc<OwnedFd>> {
        let (mut fd, mut done) = self.nearest(path);
        while done < path.len() {
            let from = if done == 0 { 0 } else { done + 1 };
            let end = piece_end(path, from, self.by_component);
            fd = Arc::new(match self.by_component {
                true => one_component(&fd, &path[from..end])?,
                false => in_one_go(&fd, &path[from..end])?,
            });
            done = end;
            self.keep(&path[..done], &fd)?;
        }
        Ok(fd)
    }

    /// Forgets the folder at `path` and all below it, because something else was put there.
    pub fn forget(&self, path: &[u8]) {
        self.open().folders.retain(|(known, _)| !is_at_or_below(known, path));
    }

    /// Brings everything written beneath the root to the medium.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::syncfs(&self.root)?;
        let systems = std::mem::take(&mut self.open().systems);
        let root = rustix::fs::fstat(&self.root)?.st_dev;
        systems.iter().filter(|(system, _)| *system != root).try_for_each(|(_, fd)| rustix::fs::syncfs(fd))
    }

    /// The open folder that is `path` or its nearest ancestor, and the length of its path.
    fn nearest(&self, path: &[u8]) -> (Arc<OwnedFd>, usize) {
        let mut open = self.open();
        let candidates = open.folders.iter().enumerate();
        let found = candidates.filter(|(_, (known, _))| is_at_or_below(path, known));
        let Some((index, _)) = found.max_by_key(|(_, (known, _))| known.len()) else {
            return (self.root.clone(), 0);
        };
        let Some(item) = open.folders.remove(index) else { return (self.root.clone(), 0) };
        let result = (item.1.clone(), item.0.len());
        open.folders.push_back(item);
        result
    }

    fn keep(&self, path: &[u8], fd: &Arc<OwnedFd>) -> Result<()> {
        let system = rustix::fs::fstat(fd)?.st_dev;
        let mut open = self.open();
        if !open.systems.iter().any(|(known, _)| *known == system) {
            open.systems.push((system, fd.clone()));
        }
        open.folders.push_back((path.into(), fd.clone()));
        if open.folders.len() > OPEN_FOLDERS {
            open.folders.pop_front();
        }
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_at_or_below(path: &[u8], ancestor: &[u8]) -> bool {
    path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Where the piece that begins at `from` ends: one component, or as many as fit in a piece.
fn piece_end(path: &[u8], from: usize, by_component: bool) -> usize {
    let next = |at: usize| path[at..].iter().position(|&b| b == b'/').map_or(path.len(), |i| at + i);
    let mut end = next(from);
    while !by_component && end < path.len() && next(end + 1) - from <= PIECE_BYTES {
        end = next(end + 1);
    }
    end
}

fn in_one_go(fd: &OwnedFd, path: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(fd, path, flags, Mode::empty(), resolve) {
            // The tree was renamed while it was resolved.
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

fn one_component(fd: &OwnedFd, name: &[u8]) -> Result<OwnedFd> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(fd, name, flags, Mode::empty())
}
