//! Reads one file of a source. It promises to read the file that was found or nothing, never to
//! block on a pipe or follow a link, to leave holes unread, and to tell afterwards whether what was
//! read can be trusted to be one state of the file.

use super::attributes::Place;
use super::folder::{Folder, open_quietly};
use super::inspect;
use super::problem::{Problem, ProblemKind};
use super::walk::kind_of_loss;
use crate::entry::{EntryPath, Extent, Metadata};
use rustix::fs::{FileType, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Most holes kept of one file, so that its entry stays far below
/// [`crate::limits::MAX_ENTRY_BYTES`]; beyond them, holes are read as zeros.
pub const MAX_HOLES: usize = 1 << 16;

/// A file that was found and can be opened later, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    folder: Arc<Folder>,
    name: CString,
    path: EntryPath,
    identity: (u64, u64),
    has_other_names: bool,
}

impl Handle {
    pub(super) fn new(folder: Arc<Folder>, name: CString, path: EntryPath, stat: &Stat) -> Self {
        let identity = (stat.st_dev, stat.st_ino);
        Handle { folder, name, path, identity, has_other_names: stat.st_nlink > 1 }
    }

    /// The file's path in the snapshot.
    pub fn path(&self) -> &EntryPath {
        &self.path
    }

    /// Opens the file. A regular file that has since replaced it under the same name, as programs
    /// do when they save, is as good, unless other names are links to the one that was found.
    pub fn open(&self) -> Result<OpenFile, Problem> {
        let problem = |what, error: Errno| Problem::io(&self.path, what, error);
        let folder = self.folder.descriptor().map_err(|e| problem(kind_of_loss(e), e))?;
        let fd = open_file(&folder, &self.name).map_err(|error| match error {
            Errno::LOOP | Errno::NXIO | Errno::ISDIR => problem(ProblemKind::Replaced, error),
            _ => problem(kind_of_loss(error), error),
        })?;
        let stat = rustix::fs::fstat(&fd).map_err(|e| problem(ProblemKind::Unreadable, e))?;
        let is_other = (stat.st_dev, stat.st_ino) != self.identity;
        if inspect::file_type(&stat) != FileType::RegularFile || (is_other && self.has_other_names) {
            return Err(Problem::new(&self.path, ProblemKind::Replaced));
        }
        let holes = holes(&fd, &stat).map_err(|e| problem(ProblemKind::Unreadable, e))?;
        Ok(OpenFile { path: self.path.clone(), file: File::from(fd), stat, holes, next_hole: 0, position: 0 })
    }
}

/// Opens a file of a folder without following, blocking or touching its access time.
pub(super) fn open_file(folder: &impl AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    open_quietly(folder, name, OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY)
}

/// An open file, read from its beginning to the size it had when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    path: EntryPath,
    file: File,
    stat: Stat,
    holes: Vec<Extent>,
    next_hole: usize,
    position: u64,
}

impl OpenFile {
    /// Size in bytes at the time of opening, holes included.
    pub fn size(&self) -> u64 {
        inspect::size(&self.stat)
    }

    /// The metadata at the time of opening; a problem beside it if the attributes are not complete.
    pub fn metadata(&self) -> (Metadata, Option<Problem>) {
        let mut metadata = inspect::metadata(&self.stat);
        match Place::Opened(&self.file).read() {
            Ok(attributes) => {
                metadata.attributes = attributes;
                (metadata, None)
            }
            Err(error) => (metadata, Some(Problem::io(&self.path, ProblemKind::AttributesUnreadable, error))),
        }
    }

    /// The holes at the time of opening, as [`crate::entry::Content::holes`] wants them.
    pub fn holes(&self) -> &[Extent] {
        &self.holes
    }

    /// Reads the next bytes that are not in a hole into `buffer`, as many as fit and as there are.
    /// Fewer than fit, or 0, are the end of the file.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let end = self.skip_holes();
            let room = end.saturating_sub(self.position).min((buffer.len() - filled) as u64) as usize;
            if room == 0 {
                break;
            }
            match self.file.read_at(&mut buffer[filled..filled + room], self.position) {
                Ok(0) => break,
                Ok(read) => {
                    filled += read;
                    self.position += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Moves past the holes at the position; returns the end of the data that follows.
    fn skip_holes(&mut self) -> u64 {
        while let Some(hole) = self.holes.get(self.next_hole) {
            if self.position < hole.offset {
                return hole.offset;
            }
            self.position = hole.offset + hole.length;
            self.next_hole += 1;
        }
        self.size()
    }

    /// Tells what became of the file while it was read. To be called after the last read.
    pub fn finish(mut self) -> io::Result<FileEnd> {
        let now = rustix::fs::fstat(&self.file)?;
        self.skip_holes();
        let is_short = self.position < self.size();
        let size = if is_short { self.position } else { self.size() };
        let change = if is_short || inspect::size(&now) < self.size() {
            Change::Shrunk
        } else if inspect::size(&now) == self.size()
            && inspect::modified(&now) == inspect::modified(&self.stat)
            && inspect::changed(&now) == inspect::changed(&self.stat)
        {
            Change::Same
        } else {
            Change::Changed
        };
        self.holes.retain(|hole| hole.offset < size);
        Ok(FileEnd { path: self.path, change, size, holes: self.holes, metadata: inspect::metadata(&now) })
    }
}

/// Whether a file stayed the same while it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Size, content time and attribute time are what they were.
    Same,
    /// Something was changed: what was read may mix several states.
    Changed,
    /// The file became shorter: what was read may mix several states, or be cut.
    Shrunk,
}

/// The end of reading a file.
#[derive(Debug)]
pub struct FileEnd {
    path: EntryPath,
    /// What happened meanwhile.
    pub change: Change,
    /// The size that the bytes read and the holes make up: [`crate::entry::Content::size`].
    pub size: u64,
    /// The holes within that size: [`crate::entry::Content::holes`].
    pub holes: Vec<Extent>,
    /// The metadata at the end, without attributes.
    pub metadata: Metadata,
}

impl FileEnd {
    /// The problem to report, if the file did not stay the same.
    pub fn problem(&self) -> Option<Problem> {
        match self.change {
            Change::Same => None,
            Change::Changed => Some(Problem::new(&self.path, ProblemKind::Changed)),
            Change::Shrunk => Some(Problem::new(&self.path, ProblemKind::Shrunk)),
        }
    }
}

/// The holes of a file, looked for only where fewer blocks are in use than the size needs.
fn holes(fd: &OwnedFd, stat: &Stat) -> rustix::io::Result<Vec<Extent>> {
    let size = inspect::size(stat);
    let mut holes = Vec::new();
    if inspect::allocated(stat) >= size {
        return Ok(holes);
    }
    let mut position = 0;
    while position < size && holes.len() < MAX_HOLES {
        let (start, end) = match next_hole(fd, position, size) {
            Ok(Some(hole)) => hole,
            Ok(None) => break,
            // This file system knows no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => break,
            Err(error) => return Err(error),
        };
        holes.push(Extent { offset: start, length: end - start });
        position = end;
    }
    Ok(holes)
}

/// Start and end of the first hole at or after `position`, within `size`.
fn next_hole(fd: &OwnedFd, position: u64, size: u64) -> rustix::io::Result<Option<(u64, u64)>> {
    let seek = |to| match rustix::fs::seek(fd, to) {
        Err(Errno::NXIO) => Ok(size),
        result => result.map(|at| at.min(size)),
    };
    let start = seek(SeekFrom::Hole(position))?;
    if start >= size {
        return Ok(None);
    }
    let end = seek(SeekFrom::Data(start))?;
    Ok((end > start).then_some((start, end)))
}
