//! Tells how a restored tree differs from the entries it came from. It promises to read beneath the
//! target only, to follow no link, and to name every difference in kind, size, mode, owner, time,
//! link target, device number and attributes. The bytes of files are the caller's to compare, with
//! the file from [`Target::open_for_reading`].

use super::inspect;
use super::problem::{Problem, ProblemKind};
use super::restore::{Inner, Target, is_same_inode};
use super::spot::Spot;
use crate::clock::Timestamp;
use crate::entry::{Attribute, Entry, EntryKind, EntryPath, Metadata};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;
use std::fmt;
use std::fs::File;

/// One way in which what stands in the target is not what the entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Nothing stands there.
    Missing,
    /// It is of another kind: the word expected.
    Kind(&'static str),
    /// Size in bytes: expected, found.
    Size(u64, u64),
    /// Permission bits: expected, found.
    Mode(u32, u32),
    /// Owner and group: expected, found.
    Owner((u32, u32), (u32, u32)),
    /// Time of the last change: expected, found.
    Modified(Timestamp, Timestamp),
    /// The symbolic link points elsewhere.
    LinkTarget,
    /// It is not another name of the file it should be.
    HardLink,
    /// The device has another number: expected, found.
    Device(u64, u64),
    /// Extended attributes that differ, by name.
    Attributes(Vec<Vec<u8>>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing => f.write_str("missing"),
            Difference::Kind(word) => write!(f, "not a {word}"),
            Difference::Size(expected, found) => write!(f, "{found} bytes, expected {expected}"),
            Difference::Mode(expected, found) => write!(f, "mode {found:04o}, expected {expected:04o}"),
            Difference::Owner(expected, found) => {
                write!(f, "owner {}:{}, expected {}:{}", found.0, found.1, expected.0, expected.1)
            }
            Difference::Modified(expected, found) => write!(
                f,
                "changed at {}.{:09}, expected {}.{:09}",
                found.seconds, found.nanoseconds, expected.seconds, expected.nanoseconds
            ),
            Difference::LinkTarget => f.write_str("points elsewhere"),
            Difference::HardLink => f.write_str("not the same file as its other name"),
            Difference::Device(expected, found) => write!(f, "device {found}, expected {expected}"),
            Difference::Attributes(names) => {
                f.write_str("other attributes:")?;
                names.iter().try_for_each(|name| {
                    f.write_str(" ")?;
                    crate::entry::write_escaped(name, f)
                })
            }
        }
    }
}

impl Target {
    /// How what stands at the entry's path differs from it, bytes of files aside. Owners are
    /// compared only if the options say that they are restored; an entry without metadata only by
    /// kind and size. What cannot be looked at is a problem.
    pub fn compare(&self, entry: &Entry) -> Result<Vec<Difference>, Problem> {
        let problem = |error: Errno| Problem::io(&entry.path, ProblemKind::Unreadable, error);
        let Some(spot) = self.inner.existing_spot(&entry.path) else {
            return Ok(vec![Difference::Missing]);
        };
        let stat = match spot.stat() {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(vec![Difference::Missing]),
            Err(error) => return Err(problem(error)),
        };
        if let EntryKind::HardLink(first) = &entry.kind {
            return Ok(self.inner.compare_link(first, &stat));
        }
        let mut found = compare_kind(&entry.kind, &spot, &stat).map_err(problem)?;
        if entry.metadata != Metadata::default() && !matches!(found[..], [Difference::Kind(_)]) {
            found.extend(compare_metadata(&entry.metadata, &stat, self.inner.options.owners));
            found.extend(compare_attributes(&entry.metadata, &spot, &stat).map_err(problem)?);
        }
        Ok(found)
    }

    /// Opens the regular file at `path` for reading, following nothing.
    pub fn open_for_reading(&self, path: &EntryPath) -> Result<File, Problem> {
        let problem = |error: Errno| Problem::io(path, ProblemKind::Unreadable, error);
        let spot = self.inner.existing_spot(path).ok_or(Errno::NOENT).map_err(problem)?;
        let fd = spot.open_file().map_err(problem)?;
        match inspect::file_type(&rustix::fs::fstat(&fd).map_err(problem)?) {
            FileType::RegularFile => Ok(File::from(fd)),
            _ => Err(problem(Errno::INVAL)),
        }
    }
}

impl Inner {
    fn compare_link(&self, first: &EntryPath, stat: &Stat) -> Vec<Difference> {
        match self.existing_spot(first).and_then(|spot| spot.stat().ok()) {
            Some(first) if is_same_inode(&first, stat) => Vec::new(),
            _ => vec![Difference::HardLink],
        }
    }
}

fn compare_kind(kind: &EntryKind, spot: &Spot, stat: &Stat) -> rustix::io::Result<Vec<Difference>> {
    let difference = match (kind, inspect::file_type(stat)) {
        (EntryKind::File(content) | EntryKind::Dump(content), FileType::RegularFile) => {
            let size = inspect::size(stat);
            (size != content.size).then_some(Difference::Size(content.size, size))
        }
        (EntryKind::SymbolicLink(target), FileType::Symlink) => {
            (spot.link_target()? != *target).then_some(Difference::LinkTarget)
        }
        (EntryKind::BlockDevice(number), FileType::BlockDevice)
        | (EntryKind::CharacterDevice(number), FileType::CharacterDevice) => {
            (stat.st_rdev != *number).then_some(Difference::Device(*number, stat.st_rdev))
        }
        (EntryKind::Folder, FileType::Directory)
        | (EntryKind::Pipe, FileType::Fifo)
        | (EntryKind::Socket, FileType::Socket) => None,
        _ => Some(Difference::Kind(kind.word())),
    };
    Ok(difference.into_iter().collect())
}

fn compare_metadata(expected: &Metadata, stat: &Stat, owners: bool) -> Vec<Difference> {
    let found = inspect::metadata(stat);
    let mut differences = Vec::new();
    if found.mode != expected.mode && inspect::file_type(stat) != FileType::Symlink {
        differences.push(Difference::Mode(expected.mode, found.mode));
    }
    if owners && (found.uid, found.gid) != (expected.uid, expected.gid) {
        differences.push(Difference::Owner((expected.uid, expected.gid), (found.uid, found.gid)));
    }
    if found.modified != expected.modified {
        differences.push(Difference::Modified(expected.modified, found.modified));
    }
    differences
}

fn compare_attributes(
    expected: &Metadata,
    spot: &Spot,
    stat: &Stat,
) -> rustix::io::Result<Option<Difference>> {
    let found = spot.attributes(stat)?;
    let expected = &expected.attributes;
    let is_only_in = |one: &[Attribute], other: &[Attribute]| -> Vec<Vec<u8>> {
        one.iter().filter(|a| !other.contains(a)).map(|a| a.name.clone()).collect()
    };
    let mut names = is_only_in(expected, &found);
    // What the place gives of itself (labels of a security module) is no difference.
    names.extend(is_only_in(&found, expected).into_iter().filter(|name| !name.starts_with(b"security.")));
    names.sort();
    names.dedup();
    Ok((!names.is_empty()).then_some(Difference::Attributes(names)))
}
