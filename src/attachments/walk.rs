//! Walks a source folder into entries. It promises every name beneath the root exactly once, in
//! [`EntryPath`] order, as an [`Entry`] or as a named [`Problem`], with bounded descriptors and
//! stack, and memory for the names of one folder per level.
//!
//! Symbolic links are kept as links, never followed (only the root itself may be one). Mounted file
//! systems are entered. What is excluded is left out silently. Reading access times is avoided
//! where the system allows.

use super::attributes::Place;
use super::exclude::Excludes;
use super::file::Handle;
use super::folder::Folder;
use super::inspect;
use super::links::HardLinks;
use super::names::Names;
use super::problem::{Problem, ProblemKind};
use crate::entry::{Attribute, Entry, EntryKind, EntryPath};
use crate::error::{Error, Kind, Result};
use crate::limits::MAX_PATH_BYTES;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// A folder to back up and the label under which the snapshot keeps it.
#[derive(Clone, Debug)]
pub struct Source {
    /// One path component; the root becomes `attachments/LABEL`.
    pub label: Vec<u8>,
    /// The folder.
    pub root: PathBuf,
}

impl Source {
    /// The root's path in the snapshot.
    pub fn path(&self) -> EntryPath {
        EntryPath(b"attachments".to_vec()).join(&self.label)
    }
}

/// What the walk comes upon.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "entries are the rule, problems the exception")]
pub enum Found {
    /// A thing, with the handle to read it if it is a regular file. Of a file's content only the size is known:
    /// whoever reads the file fills it in, and takes the metadata of [`super::file::OpenFile`],
    /// which are newer. If the first name of a hard link could not be kept, its later names,
    /// which come without a handle, are lost too and must be reported.
    Entry(Entry, Option<Handle>),
    /// Something that is not in the backup, or not completely.
    Problem(Problem),
}

/// The walk over one source.
#[derive(Debug)]
pub struct Walk {
    excludes: Excludes,
    links: HardLinks,
    levels: Vec<Level>,
    /// Path of the current folder or of the thing being looked at.
    path: Vec<u8>,
    root_length: usize,
    ready: VecDeque<Found>,
    buffer: Vec<u8>,
}

/// A folder that is being walked.
#[derive(Debug)]
struct Level {
    folder: Arc<Folder>,
    names: Names,
    next: usize,
    path_length: usize,
}

impl Walk {
    /// Opens and lists the root; fails with [`Kind::Source`] if it is missing, not a folder or
    /// unreadable, and with [`Kind::Usage`] if the label is not one valid path component.
    pub fn new(source: &Source, excludes: Excludes, links: &HardLinks) -> Result<Walk> {
        let path = source.path();
        if !path.is_valid() || source.label.contains(&b'/') {
            return Err(Error::new(Kind::Usage, format!("label `{path}` is not one valid name")));
        }
        let failed = |error: Errno| {
            let message = format!("source folder {} cannot be read", source.root.display());
            Error::io(Kind::Source, message, error.into())
        };
        let (folder, stat) = Folder::root(&source.root).map_err(failed)?;
        let mut walk = Walk {
            excludes,
            links: links.clone(),
            levels: Vec::new(),
            root_length: path.0.len(),
            path: path.0,
            ready: VecDeque::new(),
            buffer: Vec::new(),
        };
        walk.enter(folder, &stat).map_err(failed)?;
        Ok(walk)
    }

    /// Emits the open folder and makes its names the next to be looked at. Fails if nothing of it
    /// can be listed.
    fn enter(&mut self, folder: Arc<Folder>, stat: &Stat) -> rustix::io::Result<()> {
        let fd = folder.descriptor()?;
        let (names, listed) = Names::read(&fd, &mut self.buffer);
        if names.get(0).is_none() {
            listed?;
        }
        let attributes = Place::Opened(&fd).read();
        self.emit(stat, EntryKind::Folder, attributes, None);
        if let Err(error) = listed {
            self.problem(ProblemKind::UnreadableFolder, error);
        }
        self.levels.push(Level { folder, names, next: 0, path_length: self.path.len() });
        Ok(())
    }

    /// Looks at the next name; `false` at the end of the walk.
    fn step(&mut self) -> bool {
        let Some(level) = self.levels.last_mut() else { return false };
        self.path.truncate(level.path_length);
        let Some(name) = level.names.get(level.next).map(CStr::to_owned) else {
            self.leave();
            return true;
        };
        level.next += 1;
        let folder = level.folder.clone();
        match folder.descriptor() {
            Ok(fd) => self.look(&folder, &fd, name),
            Err(error) => {
                self.problem(ProblemKind::UnreadableFolder, error);
                self.leave();
            }
        }
        true
    }

    fn leave(&mut self) {
        if let (Some(left), Some(level)) = (self.levels.pop(), self.levels.last()) {
            level.folder.reopen_from(&left.folder);
        }
    }

    fn look(&mut self, folder: &Arc<Folder>, fd: &OwnedFd, name: CString) {
        self.path.push(b'/');
        self.path.extend_from_slice(name.to_bytes());
        if self.path.len() > MAX_PATH_BYTES || name.to_bytes().contains(&b'/') {
            return self.problem(ProblemKind::NameInvalid, Errno::NAMETOOLONG);
        }
        let stat = match folder.stat(&name) {
            Ok(stat) => stat,
            Err(error) => return self.problem(kind_of_loss(error), error),
        };
        let is_folder = inspect::file_type(&stat) == FileType::Directory;
        if self.excludes.matches(&self.path[self.root_length + 1..], is_folder) {
            return;
        }
        match is_folder {
            true => self.look_at_folder(folder, fd, &name, &stat),
            false => self.look_at_other(folder, fd, name, &stat),
        }
    }

    fn look_at_folder(&mut self, parent: &Arc<Folder>, fd: &OwnedFd, name: &CStr, stat: &Stat) {
        let entered = parent.child(name).and_then(|(folder, stat)| self.enter(folder, &stat));
        match entered {
            Ok(()) => {}
            Err(error @ Errno::NOENT) => self.problem(ProblemKind::Vanished, error),
            Err(error @ (Errno::NOTDIR | Errno::LOOP)) => self.problem(ProblemKind::Replaced, error),
            Err(error) => {
                let attributes = attributes_of(fd, name, stat);
                self.emit(stat, EntryKind::Folder, attributes, None);
                self.problem(ProblemKind::UnreadableFolder, error);
            }
        }
    }

    fn look_at_other(&mut self, folder: &Arc<Folder>, fd: &OwnedFd, name: CString, stat: &Stat) {
        let path = EntryPath(self.path.clone());
        let kind = match inspect::file_type(stat) {
            FileType::Symlink => match rustix::fs::readlinkat(fd, &name, Vec::new()) {
                Ok(target) => EntryKind::SymbolicLink(target.into_bytes()),
                Err(error @ Errno::INVAL) => return self.problem(ProblemKind::Replaced, error),
                Err(error) => return self.problem(kind_of_loss(error), error),
            },
            _ => match inspect::kind(stat) {
                Some(kind) => kind,
                None => return self.problem(ProblemKind::Unreadable, Errno::OPNOTSUPP),
            },
        };
        let attributes = attributes_of(fd, &name, stat);
        match self.links.first_path(stat, &path) {
            Some(first) => self.emit(stat, EntryKind::HardLink(first), attributes, None),
            None => {
                let is_file = matches!(kind, EntryKind::File(_));
                let handle = is_file.then(|| Handle::new(folder.clone(), name, path, stat));
                self.emit(stat, kind, attributes, handle);
            }
        }
    }

    fn emit(
        &mut self,
        stat: &Stat,
        kind: EntryKind,
        attributes: rustix::io::Result<Vec<Attribute>>,
        handle: Option<Handle>,
    ) {
        let mut metadata = inspect::metadata(stat);
        let failed = match attributes {
            Ok(attributes) => {
                metadata.attributes = attributes;
                None
            }
            Err(error) => Some(error),
        };
        let entry = Entry { path: EntryPath(self.path.clone()), kind, metadata };
        self.ready.push_back(Found::Entry(entry, handle));
        if let Some(error) = failed {
            self.problem(ProblemKind::AttributesUnreadable, error);
        }
    }

    fn problem(&mut self, what: ProblemKind, error: Errno) {
        let path = EntryPath(self.path.clone());
        self.ready.push_back(Found::Problem(Problem::io(&path, what, error)));
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while self.ready.is_empty() && self.step() {}
        self.ready.pop_front()
    }
}

/// Whether a thing that cannot be looked at is gone or only closed to us.
pub(super) fn kind_of_loss(error: Errno) -> ProblemKind {
    match error {
        Errno::NOENT | Errno::STALE => ProblemKind::Vanished,
        _ => ProblemKind::Unreadable,
    }
}

/// The attributes of `name` in the folder `fd`, links not followed and nothing opened: by way of
/// `/proc`, which is cheaper than opening. Without `/proc`, regular files are opened.
fn attributes_of(fd: &OwnedFd, name: &CStr, stat: &Stat) -> rustix::io::Result<Vec<Attribute>> {
    let path = [format!("/proc/self/fd/{}/", fd.as_raw_fd()).as_bytes(), name.to_bytes()].concat();
    match Place::<&OwnedFd>::Path(&path).read() {
        Err(Errno::NOENT | Errno::NOTDIR) if !std::path::Path::new("/proc/self/fd").exists() => {
            match inspect::file_type(stat) {
                FileType::RegularFile => Place::Opened(super::file::open_file(fd, name)?).read(),
                _ => Ok(Vec::new()),
            }
        }
        Err(Errno::NOENT) => Ok(Vec::new()),
        attributes => attributes,
    }
}
