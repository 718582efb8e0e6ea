//! A container in a regular file. It promises never to follow a path into a folder, pipe or device,
//! never to replace a file that exists, and to name the path in every failure to open one.

use super::{Lock, Storage, kernel, lock, range_end};
use crate::error::{Error, Kind, Result};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

/// An open regular file.
#[derive(Debug)]
pub struct FileStorage {
    file: File,
    path: PathBuf,
}

impl FileStorage {
    /// Creates a new, empty, readable and writable file that only its owner may read.
    ///
    /// [`Kind::Usage`] if anything (even a dangling link) has that name. The name itself is durable
    /// only after [`sync_folder_of`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)) {
            Ok(descriptor) => Ok(FileStorage { file: descriptor.into(), path: path.to_owned() }),
            Err(Errno::EXIST) => Err(Error::new(Kind::Usage, format!("{} already exists", path.display()))
                .hint("choose another name; an existing file is never overwritten")),
            Err(error) => {
                Err(Error::io(Kind::Destination, format!("cannot create {}", path.display()), error.into()))
            }
        }
    }

    /// Opens an existing regular file, following links, for reading and, if asked, for writing.
    ///
    /// [`Kind::NotFound`] if there is none, [`Kind::NotAContainer`] if it is something else (which
    /// is not opened, so a pipe cannot block), [`Kind::Destination`] if the system refuses.
    pub fn open(path: impl AsRef<Path>, writable: bool) -> Result<Self> {
        let path = path.as_ref();
        let refused = |error: io::Error| {
            let kind =
                if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Destination };
            Error::io(kind, format!("cannot open {}", path.display()), error)
        };
        let seen = std::fs::metadata(path).map_err(refused)?;
        if !seen.is_file() {
            return Err(not_regular(path, describe(seen.file_type())));
        }
        let access = if writable { OFlags::RDWR } else { OFlags::RDONLY };
        // The name may have become a pipe since: do not wait for its other end, and look again.
        let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let descriptor = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))
            .map_err(|error| refused(error.into()))?;
        let stat = rustix::fs::fstat(&descriptor).map_err(|error| refused(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_regular(path, "no longer a regular file"));
        }
        rustix::fs::fcntl_setfl(&descriptor, OFlags::empty()).map_err(|error| refused(error.into()))?;
        Ok(FileStorage { file: descriptor.into(), path: path.to_owned() })
    }

    /// The path it was opened by, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Storage for FileStorage {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        range_end(offset, buffer.len() as u64)?;
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        range_end(offset, bytes.len() as u64)?;
        self.file.write_all_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        range_end(bytes, 0)?;
        self.file.set_len(bytes)
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        let end = range_end(offset, length)?;
        if length == 0 || allocate_blocks(&self.file, offset, length)? || self.len()? >= end {
            return Ok(());
        }
        self.file.set_len(end)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<()> {
        range_end(offset, length)?;
        if length == 0 { Ok(()) } else { punch_blocks(&self.file, offset, length) }
    }

    fn start_writeback(&self, offset: u64, length: u64) {
        if length > 0 {
            kernel::start_writeback(&self.file, offset, length);
        }
    }

    fn drop_cache(&self, offset: u64, length: u64) {
        drop_pages(&self.file, offset, length);
    }

    fn lock(&self, byte: u64, exclusive: bool) -> io::Result<Lock> {
        lock::take(&self.file, byte, exclusive)
    }

    fn unlock(&self, byte: u64) {
        lock::release(&self.file, byte);
    }

    fn locked_by_others(&self, first: u64, count: u64) -> io::Result<Vec<u64>> {
        lock::held_by_others(&self.file, first, count)
    }
}

/// Makes the name of `path` durable: syncs the folder it stands in.
///
/// File systems that cannot sync a folder (some network ones) are taken at their word.
pub fn sync_folder_of(path: impl AsRef<Path>) -> Result<()> {
    let folder = match path.as_ref().parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    match synced {
        Err(error) if !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTSUP)) => {
            Err(Error::io(Kind::Destination, format!("cannot sync folder {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}

/// Gives a range real blocks; `false` where the system or file system cannot.
#[cfg(target_os = "linux")]
fn allocate_blocks(file: &File, offset: u64, length: u64) -> io::Result<bool> {
    use rustix::fs::{FallocateFlags, fallocate};
    let given = rustix::io::retry_on_intr(|| fallocate(file, FallocateFlags::empty(), offset, length));
    match given {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Gives a range real blocks; `false` where the system or file system cannot.
#[cfg(not(target_os = "linux"))]
fn allocate_blocks(_: &File, _: u64, _: u64) -> io::Result<bool> {
    Ok(false)
}

/// Frees the blocks of a range, where that is possible.
#[cfg(target_os = "linux")]
fn punch_blocks(file: &File, offset: u64, length: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::io::retry_on_intr(|| fallocate(file, flags, offset, length)) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Frees the blocks of a range, where that is possible.
#[cfg(not(target_os = "linux"))]
fn punch_blocks(_: &File, _: u64, _: u64) -> io::Result<()> {
    Ok(())
}

/// Forgets the clean cached pages of a range.
#[cfg(target_os = "linux")]
fn drop_pages(file: &File, offset: u64, length: u64) {
    if let Some(length) = std::num::NonZeroU64::new(length) {
        // A hint: a system that ignores it only makes the read-back weaker.
        let _ = rustix::fs::fadvise(file, offset, Some(length), rustix::fs::Advice::DontNeed);
    }
}

/// Forgets the clean cached pages of a range.
#[cfg(not(target_os = "linux"))]
fn drop_pages(_: &File, _: u64, _: u64) {}

/// What a path is, when it is not a regular file.
fn describe(kind: std::fs::FileType) -> &'static str {
    match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

/// The refusal of anything but a regular file.
fn not_regular(path: &Path, what: &str) -> Error {
    Error::new(Kind::NotAContainer, format!("{} is {what}", path.display()))
        .hint("a container is a regular file")
}

#[cfg(test)]
mod tests;
