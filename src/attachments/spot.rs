//! One name in one open folder of a target: the only place where names are created, replaced or
//! removed. It promises that nothing is followed, that a new thing appears under its name by one
//! rename, and that only empty folders are ever removed.

use super::attributes::Place;
use super::inspect;
use super::restore::{Existing, Outcome, is_same_inode};
use crate::entry::Attribute;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::fmt::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

/// How often to try again where somebody else changes the same name at the same time.
const ATTEMPTS: usize = 16;
/// How the names of things begin that are not complete yet.
const UNFINISHED: &str = ".coffer-restore-";

/// A name in an open folder.
#[derive(Clone, Debug)]
pub struct Spot {
    parent: Arc<OwnedFd>,
    name: CString,
    unfinished: CString,
}

impl Spot {
    /// The spot of `name` in `parent`; `name` must be one valid path component. The unfinished name
    /// depends on it and on the target, by `salt`, so that the next run finds it, and that one which
    /// was backed up as if it were a file is not in the way of another target.
    pub fn new(parent: Arc<OwnedFd>, name: &[u8], salt: u64) -> Result<Spot> {
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
            return Err(Errno::INVAL);
        }
        let mut unfinished = UNFINISHED.to_owned();
        for byte in &blake3::hash(&[&salt.to_le_bytes(), name].concat()).as_bytes()[..16] {
            write!(unfinished, "{byte:02x}").map_err(|_| Errno::INVAL)?;
        }
        let name = CString::new(name).map_err(|_| Errno::INVAL)?;
        Ok(Spot { parent, name, unfinished: CString::new(unfinished).map_err(|_| Errno::INVAL)? })
    }

    /// What stands here.
    pub fn stat(&self) -> Result<Stat> {
        rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Where the symbolic link that stands here points to.
    pub fn link_target(&self) -> Result<Vec<u8>> {
        Ok(rustix::fs::readlinkat(&self.parent, &self.name, Vec::new())?.into_bytes())
    }

    /// Opens the file that stands here for reading, without blocking.
    pub fn open_file(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.parent, &self.name, flags, Mode::empty())
    }

    /// Pins what stands here, to look at it.
    pub fn pin_named(&self) -> Result<OwnedFd> {
        self.pin(&self.name)
    }

    /// The attributes of what stands here, which must be the one in `stat`.
    pub fn attributes(&self, stat: &Stat) -> Result<Vec<Attribute>> {
        let pinned = self.pin_named()?;
        if !is_same_inode(&rustix::fs::fstat(&pinned)?, stat) {
            return Err(Errno::STALE);
        }
        let path = format!("/proc/self/fd/{}", pinned.as_raw_fd());
        Place::<&OwnedFd>::Descriptor(path.as_bytes()).read()
    }

    /// Creates a folder for the owner only, or takes the one that stands here.
    pub fn make_folder(&self, existing: Existing) -> Result<Outcome> {
        for _ in 0..ATTEMPTS {
            match rustix::fs::mkdirat(&self.parent, &self.name, Mode::RWXU) {
                Ok(()) => return Ok(Outcome::Written),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            match self.stat() {
                Ok(stat) if inspect::file_type(&stat) == FileType::Directory => {
                    self.make_accessible(&stat);
                    return Ok(Outcome::Done);
                }
                Ok(_) if existing != Existing::Replace => return Err(Errno::EXIST),
                Ok(_) => match rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => {}
                    Err(error) => return Err(error),
                },
                Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::BUSY)
    }

    /// Lets the owner into a folder that an earlier run had finished. Its mode is set again at the
    /// end; if this fails, so will writing into it, which is then reported.
    fn make_accessible(&self, stat: &Stat) {
        if stat.st_mode & 0o700 == 0o700 || rustix::process::geteuid().is_root() {
            return;
        }
        let Ok(pinned) = self.pin_named() else { return };
        if rustix::fs::fstat(&pinned).is_ok_and(|now| is_same_inode(&now, stat)) {
            let path = format!("/proc/self/fd/{}", pinned.as_raw_fd());
            let _ = rustix::fs::chmod(path, Mode::from_raw_mode(stat.st_mode & 0o7777 | 0o700));
        }
    }

    fn pin(&self, name: &CString) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.parent, name, flags, Mode::empty())
    }

    /// Fails early with [`Errno::EXIST`] where something stands that must stay.
    pub fn check_free(&self, existing: Existing) -> Result<()> {
        match self.stat() {
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
            Ok(_) if existing != Existing::Replace => Err(Errno::EXIST),
            Ok(stat) if inspect::file_type(&stat) == FileType::Directory => self.remove_empty_folder(),
            Ok(_) => Ok(()),
        }
    }

    fn remove_empty_folder(&self) -> Result<()> {
        match rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR) {
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
            result => result,
        }
    }

    /// Creates an empty file under the unfinished name, writable for the owner only.
    pub fn create_unfinished_file(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.create_unfinished(|parent, name| {
            rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR)
        })
    }

    /// Calls `create` with the folder and the unfinished name, after removing the left-over of a
    /// killed run.
    pub fn create_unfinished<T>(&self, create: impl Fn(&OwnedFd, &CString) -> Result<T>) -> Result<T> {
        for _ in 0..ATTEMPTS {
            match create(&self.parent, &self.unfinished) {
                Err(Errno::EXIST) => {
                    match rustix::fs::unlinkat(&self.parent, &self.unfinished, AtFlags::empty()) {
                        Err(Errno::ISDIR) => {
                            rustix::fs::unlinkat(&self.parent, &self.unfinished, AtFlags::REMOVEDIR)?;
                        }
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(error) => return Err(error),
                    }
                }
                result => return result,
            }
        }
        Err(Errno::BUSY)
    }

    /// Pins the unfinished thing, to give it its metadata.
    pub fn pin_unfinished(&self) -> Result<OwnedFd> {
        self.pin(&self.unfinished)
    }

    /// Makes the unfinished name a hard link to what stands at `first`.
    pub fn link_unfinished(&self, first: &Spot) -> Result<()> {
        self.create_unfinished(|parent, name| {
            rustix::fs::linkat(&first.parent, &first.name, parent, name, AtFlags::empty())
        })
    }

    /// Removes the unfinished thing, if it is there.
    pub fn discard(&self) {
        let _ = rustix::fs::unlinkat(&self.parent, &self.unfinished, AtFlags::empty());
    }

    /// Gives the unfinished thing, which must be the one in `stat`, its name in one step.
    pub fn publish(&self, stat: &Stat, existing: Existing) -> Result<()> {
        let unfinished = rustix::fs::statat(&self.parent, &self.unfinished, AtFlags::SYMLINK_NOFOLLOW)?;
        if !is_same_inode(&unfinished, stat) {
            return Err(Errno::STALE);
        }
        if existing != Existing::Replace {
            return self.publish_if_free();
        }
        let rename = || rustix::fs::renameat(&self.parent, &self.unfinished, &self.parent, &self.name);
        match rename() {
            Err(Errno::ISDIR) => {
                self.remove_empty_folder()?;
                rename()?;
            }
            result => result?,
        }
        // Renaming one hard link over another of the same inode does nothing.
        if stat.st_nlink > 1 {
            self.discard();
        }
        Ok(())
    }

    fn publish_if_free(&self) -> Result<()> {
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&self.parent, &self.unfinished, &self.parent, &self.name, flags) {
            // A file system that cannot promise it: a hard link never replaces.
            Err(Errno::INVAL | Errno::NOSYS) => {
                let parent = &self.parent;
                rustix::fs::linkat(parent, &self.unfinished, parent, &self.name, AtFlags::empty())?;
                self.discard();
                Ok(())
            }
            result => result,
        }
    }
}
