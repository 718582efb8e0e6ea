//! Gives a restored thing its metadata. It promises to work on a descriptor only, so that nothing
//! but the restored thing is changed; to set the content time last; to read everything back; and to
//! name what could not be set instead of failing. A set-user-id or set-group-id bit is never given
//! to a thing that belongs to somebody else than it did.

use super::attributes::{Place, is_own};
use super::inspect;
use super::problem::ProblemKind;
use crate::clock::Timestamp;
use crate::entry::Metadata;
use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::{Errno, Result};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Set-user-id and set-group-id.
pub const SET_ID_BITS: u32 = 0o6000;

/// The thing to be changed.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    /// Opened for reading or writing: a file or folder.
    Opened(BorrowedFd<'a>),
    /// Opened by `O_PATH` without following: anything.
    Pinned(BorrowedFd<'a>),
}

impl Node<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Node::Opened(fd) | Node::Pinned(fd) => fd.as_fd(),
        }
    }

    /// The path of the descriptor itself, which leads to the pinned thing and no further.
    fn own_path(&self) -> String {
        format!("/proc/self/fd/{}", self.fd().as_raw_fd())
    }

    fn set_owner(&self, uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match self {
            Node::Opened(fd) => rustix::fs::fchown(fd, uid, gid),
            Node::Pinned(fd) => rustix::fs::chownat(fd, c"", uid, gid, AtFlags::EMPTY_PATH),
        }
    }

    fn set_mode(&self, mode: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Node::Opened(fd) => rustix::fs::fchmod(fd, mode),
            Node::Pinned(_) => rustix::fs::chmod(self.own_path(), mode),
        }
    }

    fn set_modified(&self, modified: Timestamp) -> Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: modified.seconds,
                tv_nsec: modified.nanoseconds.min(999_999_999).into(),
            },
        };
        match self {
            Node::Opened(fd) => rustix::fs::futimens(fd, &times),
            Node::Pinned(fd) => match rustix::fs::utimensat(fd, c"", &times, AtFlags::EMPTY_PATH) {
                // Kernels before 5.8 take no empty path here.
                Err(Errno::INVAL) => {
                    rustix::fs::utimensat(rustix::fs::CWD, self.own_path(), &times, AtFlags::empty())
                }
                result => result,
            },
        }
    }

    /// Sets the attributes of `metadata` and removes those that the place gave and it has not.
    /// Capabilities are given, like set-user-id, only to what belongs to whom it did.
    fn set_attributes(&self, metadata: &Metadata, is_owned: bool) -> Result<()> {
        let path = self.own_path();
        let place = match self {
            Node::Opened(fd) => Place::Opened(fd),
            Node::Pinned(_) => Place::Descriptor(path.as_bytes()),
        };
        let mut result = Ok(());
        for present in place.read().unwrap_or_default() {
            let is_wanted = metadata.attributes.iter().any(|wanted| wanted.name == present.name);
            if is_own(&present) && !is_wanted {
                result = result.and(place.remove(&present.name));
            }
        }
        for attribute in &metadata.attributes {
            result = result.and(match attribute.name == b"security.capability" && !is_owned {
                true => Err(Errno::PERM),
                false => place.set(attribute),
            });
        }
        result
    }
}

/// Gives `node` the metadata, the owner only if `owners`; calls `note` for each part that the thing
/// does not have in the end. Returns what `stat` then says; fails only if it says nothing.
pub fn apply(
    node: Node,
    metadata: &Metadata,
    owners: bool,
    mut note: impl FnMut(ProblemKind, Option<Errno>),
) -> Result<Stat> {
    let before = rustix::fs::fstat(node.fd())?;
    let mut is_owned = has_owner(&before, metadata);
    let mut errors = [None; 4];
    if owners && !is_owned {
        errors[0] = node.set_owner(metadata.uid, metadata.gid).err();
        is_owned = errors[0].is_none();
    }
    errors[1] = node.set_attributes(metadata, is_owned).err();
    let is_link = inspect::file_type(&before) == FileType::Symlink;
    if !is_link {
        let mode = if is_owned { metadata.mode & 0o7777 } else { metadata.mode & 0o7777 & !SET_ID_BITS };
        errors[2] = node.set_mode(mode).err();
    }
    errors[3] = node.set_modified(metadata.modified).err();
    let now = rustix::fs::fstat(node.fd())?;
    let parts = [
        (ProblemKind::OwnerNotRestored, !owners || has_owner(&now, metadata)),
        (ProblemKind::AttributesNotRestored, errors[1].is_none()),
        (ProblemKind::ModeNotRestored, is_link || now.st_mode & 0o7777 == metadata.mode),
        (ProblemKind::TimeNotRestored, inspect::modified(&now) == metadata.modified),
    ];
    for ((kind, is_right), error) in parts.into_iter().zip(errors) {
        if !is_right {
            note(kind, error);
        }
    }
    Ok(now)
}

fn has_owner(stat: &Stat, metadata: &Metadata) -> bool {
    (stat.st_uid, stat.st_gid) == (metadata.uid, metadata.gid)
}

/// The mode that a thing with the owner in `stat` may be given.
pub fn allowed_mode(metadata: &Metadata, stat: &Stat) -> u32 {
    match has_owner(stat, metadata) {
        true => metadata.mode & 0o7777,
        false => metadata.mode & 0o7777 & !SET_ID_BITS,
    }
}
