//! Gives a restored thing its metadata. It promises to work on a descriptor only, so that nothing
//! but the restored thing is changed; to set the content time last; to read everything back; and to
//! name what could not be set instead of failing. A set-user-id or set-group-id bit is never given
//! to a thing that belongs to somebody else than it did.

use super::attributes::Place;
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
    fn set_attributes(&self, metadata: &Metadata) -> Result<()> {
        let path = self.own_path();
        let place = match self {
            Node::Opened(fd) => Place::Opened(fd),
            Node::Pinned(_) => Place::Descriptor(path.as_bytes()),
        };
        let mut result = Ok(());
        for present in place.read().unwrap_or_default() {
            let is_ours =
                present.name.starts_with(b"user.") || present.name.starts_with(b"system.posix_acl_");
            let is_wanted = metadata.attributes.iter().any(|wanted| wanted.name == present.name);
            if is_ours && !is_wanted {
                result = result.and(place.remove(&present.name));
            }
        }
        for attribute in &metadata.attributes {
            result = result.and(place.set(attribute));
        }
        result
    }
}

/// Gives `node` the metadata, the owner only if `owners`; calls `note` for each part that the thing
/// does not have in the end.
pub fn apply(
    node: Node,
    metadata: &Metadata,
    owners: bool,
    mut note: impl FnMut(ProblemKind, Option<Errno>),
) {
    let mut errors = [None; 4];
    if owners {
        errors[0] = node.set_owner(metadata.uid, metadata.gid).err();
    }
    errors[1] = node.set_attributes(metadata).err();
    let Ok(before) = rustix::fs::fstat(node.fd()) else { return };
    let mode = allowed_mode(metadata, &before);
    let is_link = inspect::file_type(&before) == FileType::Symlink;
    if !is_link {
        errors[2] = node.set_mode(mode).err();
    }
    errors[3] = node.set_modified(metadata.modified).err();
    let Ok(now) = rustix::fs::fstat(node.fd()) else { return };
    let same_owner = (now.st_uid, now.st_gid) == (metadata.uid, metadata.gid);
    let same_mode = is_link || now.st_mode & 0o7777 == metadata.mode;
    let is_right =
        [!owners || same_owner, errors[1].is_none(), same_mode, inspect::modified(&now) == metadata.modified];
    let kinds = [
        ProblemKind::OwnerNotRestored,
        ProblemKind::AttributesNotRestored,
        ProblemKind::ModeNotRestored,
        ProblemKind::TimeNotRestored,
    ];
    for ((kind, error), is_right) in kinds.into_iter().zip(errors).zip(is_right) {
        if !is_right {
            note(kind, error);
        }
    }
}

/// The mode that a thing with the owner in `stat` may be given.
pub fn allowed_mode(metadata: &Metadata, stat: &Stat) -> u32 {
    match (stat.st_uid, stat.st_gid) == (metadata.uid, metadata.gid) {
        true => metadata.mode & 0o7777,
        false => metadata.mode & 0o7777 & !SET_ID_BITS,
    }
}
