//! Writes files and special things of a target. It promises that a file gets its name only when it
//! is complete, with its size, attributes and times, and that one which is given up leaves nothing.

use super::apply::Node;
use super::inspect;
use super::problem::{Problem, ProblemKind};
use super::restore::{Inner, Outcome, Target};
use super::spot::Spot;
use crate::entry::{Entry, EntryKind, EntryPath, Metadata};
use crate::error::{Error, Kind, Result};
use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

impl Target {
    /// Begins a file or dump. `None` if it cannot be written or something there is kept, which is
    /// then a problem. An entry without metadata, as dumps are, becomes a file for its owner only
    /// with the present time. Fails if the medium is full or fails, and under
    /// [`super::restore::Existing::Fail`].
    pub fn begin_file(&self, entry: &Entry) -> Result<Option<FileWriter>> {
        let Some(content) = entry.kind.content() else {
            return Err(Error::new(Kind::Failed, format!("{} is not a file", entry.path)));
        };
        let begun = self.inner.spot(&entry.path).and_then(|spot| {
            spot.check_free(self.inner.options.existing)?;
            let fd = spot.create_unfinished_file()?;
            Ok((spot, fd))
        });
        match begun {
            Ok((spot, fd)) => Ok(Some(FileWriter {
                inner: self.inner.clone(),
                spot,
                file: File::from(fd),
                path: entry.path.clone(),
                metadata: entry.metadata.clone(),
                size: content.size,
                is_published: false,
            })),
            Err(error) => self.inner.settle(&entry.path, error).map(|_| None),
        }
    }

    /// Creates a link, pipe, socket or device. A hard link needs its first name restored before.
    pub fn create_other(&self, entry: &Entry) -> Result<Outcome> {
        if let EntryKind::HardLink(first) = &entry.kind
            && self.inner.is_lost(first)
        {
            self.inner.note(Problem::io(&entry.path, ProblemKind::NotRestored, Errno::NOENT));
            return Ok(Outcome::Failed);
        }
        match self.inner.spot(&entry.path).and_then(|spot| self.inner.create(entry, &spot)) {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.inner.settle(&entry.path, error),
        }
    }
}

impl Inner {
    fn create(&self, entry: &Entry, spot: &Spot) -> rustix::io::Result<Outcome> {
        if let Ok(stat) = spot.stat()
            && self.is_same(entry, spot, &stat).unwrap_or(false)
        {
            return Ok(Outcome::Done);
        }
        spot.check_free(self.options.existing)?;
        self.create_unfinished(entry, spot)?;
        let published = spot.pin_unfinished().and_then(|pinned| {
            let stat = match entry.kind {
                EntryKind::HardLink(_) => rustix::fs::fstat(&pinned)?,
                _ => self.apply(&entry.path, Node::Pinned(pinned.as_fd()), &entry.metadata)?,
            };
            spot.publish(&stat, self.options.existing)
        });
        if published.is_err() {
            spot.discard();
        }
        published.map(|()| Outcome::Written)
    }

    fn create_unfinished(&self, entry: &Entry, spot: &Spot) -> rustix::io::Result<()> {
        let node = |kind, number| {
            let mode = Mode::RUSR | Mode::WUSR;
            spot.create_unfinished(|parent, name| rustix::fs::mknodat(parent, name, kind, mode, number))
        };
        match &entry.kind {
            EntryKind::SymbolicLink(target) => {
                spot.create_unfinished(|parent, name| rustix::fs::symlinkat(target.as_slice(), parent, name))
            }
            EntryKind::HardLink(first) => {
                let first = self.existing_spot(first).ok_or(Errno::NOENT)?;
                match inspect::file_type(&first.stat()?) {
                    FileType::Directory => Err(Errno::ISDIR),
                    _ => spot.link_unfinished(&first),
                }
            }
            EntryKind::Pipe => node(FileType::Fifo, 0),
            EntryKind::Socket => node(FileType::Socket, 0),
            EntryKind::BlockDevice(number) => node(FileType::BlockDevice, *number),
            EntryKind::CharacterDevice(number) => node(FileType::CharacterDevice, *number),
            EntryKind::Dump(_) | EntryKind::File(_) | EntryKind::Folder => Err(Errno::INVAL),
            EntryKind::Server(_) | EntryKind::Database(_) | EntryKind::Table(_) | EntryKind::Object(_) => {
                Err(Errno::INVAL)
            }
        }
    }
}

/// A file that is being written, at any offsets and from any thread. Dropped without
/// [`FileWriter::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct FileWriter {
    inner: Arc<Inner>,
    spot: Spot,
    file: File,
    path: EntryPath,
    metadata: Metadata,
    size: u64,
    is_published: bool,
}

impl FileWriter {
    /// Writes `bytes` at `offset`. What is never written stays a hole. Fails with
    /// [`Kind::Damaged`] beyond the entry's size, [`Kind::Full`] if no space is left.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(Error::damaged(format!("{}: more content than its size", self.path)));
        }
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|e| self.inner.failure(&self.path, "cannot be written", e))
    }

    /// Gives the file its size, metadata and name.
    pub fn finish(mut self) -> Result<Outcome> {
        match self.complete() {
            Ok(()) => Ok(Outcome::Written),
            Err(error) => self.inner.settle(&self.path, error),
        }
    }

    /// The same for a file whose length was not known when it was begun (an entry of `u64::MAX`
    /// bytes): it has `size`.
    pub fn finish_at(mut self, size: u64) -> Result<Outcome> {
        self.size = size;
        self.finish()
    }

    fn complete(&mut self) -> rustix::io::Result<()> {
        // The size must not reach the medium before the data, or the next run after a power cut
        // would take the file for complete. File systems see to that, except for a hole at the end.
        let length = inspect::size(&rustix::fs::fstat(&self.file)?);
        if length < self.size {
            if length > 0 {
                rustix::fs::fdatasync(&self.file)?;
            }
            rustix::fs::ftruncate(&self.file, self.size)?;
        }
        let stat = match self.metadata == Metadata::default() {
            true => rustix::fs::fstat(&self.file)?,
            false => self.inner.apply(&self.path, Node::Opened(self.file.as_fd()), &self.metadata)?,
        };
        if inspect::size(&stat) != self.size {
            return Err(Errno::STALE);
        }
        self.spot.publish(&stat, self.inner.options.existing)?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.is_published {
            self.inner.lose(&self.path);
            self.spot.discard();
        }
    }
}
