//! Restores entries beneath one folder. It promises that nothing outside that folder is written or
//! changed, whatever links stand in it or appear while it works; that each file appears complete
//! under its name or not at all; that a folder with something in it is never removed; and that what
//! could not be restored is a named [`Problem`]. A restore that was killed can be run again: it
//! recognises what is done ([`Target::entry_is_done`]) and overwrites its own left-overs.
//!
//! Folders must be created in path order. Everything else may be called from several threads.

use super::apply::{Node, allowed_mode, apply};
use super::attributes::is_own;
use super::beneath::Beneath;
use super::folder_tree::FolderTree;
use super::inspect;
use super::problem::{Problem, ProblemKind};
use super::spot::Spot;
use crate::entry::{Entry, EntryKind, EntryPath, Metadata};
use crate::error::{Error, Kind, Result};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What to do where something stands already that is not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Existing {
    /// Put the restored thing in its place. Folders are merged, or removed if they are empty.
    #[default]
    Replace,
    /// Leave it and report it as [`ProblemKind::Kept`].
    Keep,
    /// Stop with an error.
    Fail,
}

/// How to restore.
#[derive(Clone, Copy, Debug)]
pub struct RestoreOptions {
    /// What to do with what stands there already.
    pub existing: Existing,
    /// Whether things get the owner and group they had.
    pub owners: bool,
}

impl Default for RestoreOptions {
    /// Replaces; sets owners if run by root.
    fn default() -> Self {
        RestoreOptions { existing: Existing::Replace, owners: rustix::process::geteuid().is_root() }
    }
}

impl RestoreOptions {
    /// Whether a thing that had this metadata comes to belong to whoever restores it, and had another
    /// owner or group.
    pub fn leaves_owner(&self, metadata: &Metadata) -> bool {
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        !self.owners && *metadata != Metadata::default() && (metadata.uid, metadata.gid) != own
    }
}

/// What became of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Written,
    /// It stood there already, the same.
    Done,
    /// Something else stands there and was kept; a problem says so.
    Kept,
    /// It could not be restored; a problem says so.
    Failed,
}

/// The folder that entries are restored into.
#[derive(Debug)]
pub struct Target {
    pub(super) inner: Arc<Inner>,
}

/// What a target shares with its writers.
#[derive(Debug)]
pub(super) struct Inner {
    pub beneath: Beneath,
    pub options: RestoreOptions,
    root: PathBuf,
    /// What tells this target's unfinished names from those of others.
    salt: u64,
    problems: Mutex<Vec<Problem>>,
    folders: Mutex<FolderTree>,
    /// Paths that do not hold what the snapshot has, so that no hard link is made to them.
    lost: Mutex<HashSet<EntryPath>>,
}

impl Target {
    /// Opens the folder `root`, creating it (and missing folders above it) for the owner only.
    pub fn open(root: &Path, options: RestoreOptions) -> Result<Target> {
        let created = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(root);
        created.map_err(|e| cannot_open(root, e))?;
        Target::open_existing(root, options)
    }

    /// Opens the folder `root`, which must exist: for comparing.
    pub fn open_existing(root: &Path, options: RestoreOptions) -> Result<Target> {
        let beneath = Beneath::new(root).map_err(|e| cannot_open(root, e.into()))?;
        Ok(Target { inner: Arc::new(Inner::new(root, beneath, options)) })
    }

    /// The same on a kernel without `openat2`.
    #[cfg(test)]
    pub fn open_by_component(root: &Path, options: RestoreOptions) -> Target {
        let beneath = Beneath::new(root).unwrap().by_component();
        Target { inner: Arc::new(Inner::new(root, beneath, options)) }
    }

    /// Whether an earlier run finished this entry. For a file: size, content time, mode, attributes and,
    /// if owners are restored, owner are equal; a file gets its time before it gets its name, so equal
    /// means complete. Never for folders and for entries without a time.
    pub fn entry_is_done(&self, entry: &Entry) -> Result<bool> {
        let Some(spot) = self.inner.existing_spot(&entry.path) else { return Ok(false) };
        let Ok(stat) = spot.stat() else { return Ok(false) };
        self.inner.is_same(entry, &spot, &stat)
    }

    /// Creates a folder, or takes the one that stands there, whatever [`Existing`] says: folders are
    /// merged. Its metadata follow in [`Target::finish`]. Something else that stands there is
    /// replaced (a link without being followed), kept or refused.
    pub fn create_folder(&self, entry: &Entry) -> Result<Outcome> {
        let result =
            self.inner.spot(&entry.path).and_then(|spot| spot.make_folder(self.inner.options.existing));
        match result {
            Ok(outcome) => {
                if outcome == Outcome::Written {
                    self.inner.beneath.forget(&entry.path.0);
                }
                locked(&self.inner.folders).add(&entry.path, entry.metadata.clone());
                Ok(outcome)
            }
            Err(error) => self.inner.settle(&entry.path, error),
        }
    }

    /// The problems so far; they are not told again.
    pub fn take_problems(&self) -> Vec<Problem> {
        std::mem::take(&mut *locked(&self.inner.problems))
    }

    /// Gives all folders their metadata, deepest first, and brings everything to the medium if
    /// `sync` is set. Returns all problems of the restore. Fails if the medium fails.
    pub fn finish(self, sync: bool) -> Result<Vec<Problem>> {
        let folders = std::mem::take(&mut *locked(&self.inner.folders));
        folders.visit_upwards(|path, metadata| self.inner.finish_folder(&path, metadata))?;
        let synced = if sync { self.inner.beneath.sync() } else { Ok(()) };
        synced.map_err(|e| {
            self.inner.failure(&EntryPath(Vec::new()), "cannot be brought to the medium", e.into())
        })?;
        Ok(self.take_problems())
    }
}

impl Inner {
    fn new(root: &Path, beneath: Beneath, options: RestoreOptions) -> Inner {
        Inner {
            salt: beneath.salt(),
            beneath,
            options,
            root: root.to_owned(),
            problems: Mutex::default(),
            folders: Mutex::default(),
            lost: Mutex::default(),
        }
    }

    /// The place of `path`, with missing folders on the way created for the owner only.
    pub fn spot(&self, path: &EntryPath) -> rustix::io::Result<Spot> {
        if !path.is_valid() {
            return Err(Errno::INVAL);
        }
        let parent = path.parent().unwrap_or(EntryPath(Vec::new()));
        match self.beneath.folder(&parent.0) {
            Ok(fd) => Spot::new(fd, path.name(), self.salt),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                self.make_folders(&parent)?;
                Spot::new(self.beneath.folder(&parent.0)?, path.name(), self.salt)
            }
            Err(error) => Err(error),
        }
    }

    /// The place of `path` if the folder that holds it exists.
    pub fn existing_spot(&self, path: &EntryPath) -> Option<Spot> {
        let parent = path.is_valid().then(|| path.parent().unwrap_or(EntryPath(Vec::new())))?;
        Spot::new(self.beneath.folder(&parent.0).ok()?, path.name(), self.salt).ok()
    }

    fn make_folders(&self, path: &EntryPath) -> rustix::io::Result<()> {
        let ends = path.0.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at);
        let mut from = 0;
        for end in ends.chain([path.0.len()]) {
            let parent = self.beneath.folder(&path.0[..from.max(1) - 1])?;
            let spot = Spot::new(parent, &path.0[from..end], self.salt)?;
            if spot.make_folder(self.options.existing)? == Outcome::Written {
                self.beneath.forget(&path.0[..end]);
            }
            from = end + 1;
        }
        Ok(())
    }

    fn finish_folder(&self, path: &EntryPath, metadata: &Metadata) -> Result<()> {
        match self.beneath.folder(&path.0) {
            Ok(fd) => self.apply(path, Node::Opened(fd.as_fd()), metadata).map(|_| ()),
            Err(error) => Err(error),
        }
        .or_else(|error| self.settle(path, error).map(|_| ()))
    }

    /// Gives a thing its metadata, names what it could not be given, and tells how it is now.
    pub fn apply(&self, path: &EntryPath, node: Node, metadata: &Metadata) -> rustix::io::Result<Stat> {
        apply(node, metadata, self.options.owners, |what, error| {
            self.note(Problem { path: path.clone(), what, error: error.map(Into::into) });
        })
    }

    /// Whether what stands at `spot` is what `entry` would restore.
    pub fn is_same(&self, entry: &Entry, spot: &Spot, stat: &Stat) -> Result<bool> {
        let metadata = &entry.metadata;
        let is_link = matches!(entry.kind, EntryKind::SymbolicLink(_));
        let same_metadata = inspect::modified(stat) == metadata.modified
            && *metadata != Metadata::default()
            && (is_link || stat.st_mode & 0o7777 == allowed_mode(metadata, stat))
            && (!self.options.owners || (stat.st_uid, stat.st_gid) == (metadata.uid, metadata.gid));
        let has_same = || same_metadata && has_attributes(metadata, spot, stat);
        Ok(match (&entry.kind, inspect::file_type(stat)) {
            (EntryKind::File(content) | EntryKind::Dump(content), FileType::RegularFile) => {
                has_same() && inspect::size(stat) == content.size
            }
            (EntryKind::SymbolicLink(target), FileType::Symlink) => {
                has_same() && spot.link_target().is_ok_and(|found| found == *target)
            }
            (EntryKind::HardLink(first), _) => {
                self.stat_of(first).is_some_and(|first| is_same_inode(&first, stat))
            }
            (EntryKind::Pipe, FileType::Fifo) | (EntryKind::Socket, FileType::Socket) => has_same(),
            (EntryKind::BlockDevice(number), FileType::BlockDevice)
            | (EntryKind::CharacterDevice(number), FileType::CharacterDevice) => {
                has_same() && stat.st_rdev == *number
            }
            _ => false,
        })
    }

    fn stat_of(&self, path: &EntryPath) -> Option<Stat> {
        self.existing_spot(path)?.stat().ok()
    }

    /// Whether the thing at `path` is known not to be what the snapshot has.
    pub fn is_lost(&self, path: &EntryPath) -> bool {
        locked(&self.lost).contains(path)
    }

    /// Remembers that the thing at `path` is not what the snapshot has.
    pub fn lose(&self, path: &EntryPath) {
        locked(&self.lost).insert(path.clone());
    }

    /// Adds a problem.
    pub fn note(&self, problem: Problem) {
        if problem.what.is_loss() {
            self.lose(&problem.path);
        }
        locked(&self.problems).push(problem);
    }

    /// Decides what an error about one entry means: the end of the restore or a problem.
    pub fn settle(&self, path: &EntryPath, error: Errno) -> Result<Outcome> {
        let what = match error {
            Errno::EXIST | Errno::NOTEMPTY if self.options.existing == Existing::Keep => ProblemKind::Kept,
            Errno::EXIST if self.options.existing == Existing::Fail => return Err(self.exists(path)),
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO | Errno::ROFS => {
                return Err(self.failure(path, "cannot be written", error.into()));
            }
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => {
                return Err(self.failure(path, "cannot be written", error.into()));
            }
            _ if !path.is_valid() => ProblemKind::NameInvalid,
            _ => ProblemKind::NotRestored,
        };
        self.note(Problem::io(path, what, error));
        Ok(if what == ProblemKind::Kept { Outcome::Kept } else { Outcome::Failed })
    }

    /// An error that ends the restore.
    pub fn failure(&self, path: &EntryPath, what: &str, cause: std::io::Error) -> Error {
        Error::io(Kind::Destination, format!("{}/{path} {what}", self.root.display()), cause)
    }

    fn exists(&self, path: &EntryPath) -> Error {
        Error::new(Kind::Failed, format!("{}/{path} exists already", self.root.display()))
            .hint("restore into an empty folder, or choose to keep or replace what exists")
    }
}

pub(super) fn is_same_inode(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

fn cannot_open(root: &Path, error: std::io::Error) -> Error {
    Error::io(Kind::Destination, format!("target folder {} cannot be used", root.display()), error)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether what stands at `spot` has the attributes of its own that `metadata` names, and no others.
fn has_attributes(metadata: &Metadata, spot: &Spot, stat: &Stat) -> bool {
    let wanted = metadata.attributes.iter().filter(|attribute| is_own(attribute));
    spot.attributes(stat).is_ok_and(|found| found.iter().filter(|attribute| is_own(attribute)).eq(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_or_failing_medium_ends_the_restore_and_a_refusal_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path(), RestoreOptions::default()).unwrap();
        let path = EntryPath(b"a/b".to_vec());
        for (error, kind) in [
            (Errno::NOSPC, Kind::Full),
            (Errno::DQUOT, Kind::Full),
            (Errno::FBIG, Kind::Full),
            (Errno::IO, Kind::Destination),
            (Errno::ROFS, Kind::Destination),
        ] {
            let failure = target.inner.settle(&path, error).unwrap_err();
            assert_eq!(failure.kind(), kind);
            assert!(failure.message().ends_with("/a/b cannot be written"));
        }
        assert_eq!(target.inner.settle(&path, Errno::ACCESS).unwrap(), Outcome::Failed);
        assert!(target.inner.is_lost(&path));
    }
}
