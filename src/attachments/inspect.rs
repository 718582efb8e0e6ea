//! From what `stat` says to what an [`Entry`](crate::entry::Entry) keeps. It promises that nothing
//! is rounded: all times keep their nanoseconds, all numbers their width.

use crate::clock::Timestamp;
use crate::entry::{Content, EntryKind, Metadata};
use rustix::fs::{FileType, Stat};

/// The part of an entry's metadata that `stat` tells; the attributes are left empty.
pub fn metadata(stat: &Stat) -> Metadata {
    Metadata {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        modified: modified(stat),
        changed: changed(stat),
        inode: stat.st_ino,
        attributes: Vec::new(),
    }
}

/// When the content was last changed.
pub fn modified(stat: &Stat) -> Timestamp {
    timestamp(stat.st_mtime, stat.st_mtime_nsec)
}

/// When content or attributes were last changed.
pub fn changed(stat: &Stat) -> Timestamp {
    timestamp(stat.st_ctime, stat.st_ctime_nsec)
}

/// What kind of thing this is.
pub fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// The entry kind of something that is neither a folder nor a symbolic link; `None` for a file type
/// that has no entry. Of a file's content only the size is known.
pub fn kind(stat: &Stat) -> Option<EntryKind> {
    match file_type(stat) {
        FileType::RegularFile => Some(EntryKind::File(Content { size: size(stat), ..Content::default() })),
        FileType::Fifo => Some(EntryKind::Pipe),
        FileType::Socket => Some(EntryKind::Socket),
        FileType::BlockDevice => Some(EntryKind::BlockDevice(stat.st_rdev)),
        FileType::CharacterDevice => Some(EntryKind::CharacterDevice(stat.st_rdev)),
        _ => None,
    }
}

/// Bytes of the medium in use.
pub fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512)
}

/// Size in bytes.
pub fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

fn timestamp(seconds: i64, nanoseconds: impl TryInto<u32>) -> Timestamp {
    Timestamp { seconds, nanoseconds: nanoseconds.try_into().unwrap_or(0) }
}
