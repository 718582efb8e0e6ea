//! What is sealed and where: the kinds of object and their place. Both are bound into every
//! sealed object (`format-spec/crypto.md`, Object kinds and Sealed objects).

use crate::error::Error;
use crate::ids::{ContainerId, SegmentId};
use std::fmt;

/// Bytes that sealing adds: a nonce of 12 in front, a tag of 16 behind.
pub const SEAL_OVERHEAD: usize = NONCE_BYTES + TAG_BYTES;
/// Length of the nonce in front of a sealed object.
pub(super) const NONCE_BYTES: usize = 12;
/// Length of the tag behind a sealed object.
pub(super) const TAG_BYTES: usize = 16;
/// The format version that is bound into every sealed object.
pub(super) const FORMAT_VERSION: u8 = 1;
/// Length of the associated data.
pub(super) const ASSOCIATED_BYTES: usize = 46;

/// The kind of an object; bound into its name, key and associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// A piece of a database dump.
    Database = 1,
    /// A piece of an attachment file.
    Attachment = 2,
    /// A piece of a manifest, the canonical entry stream.
    Manifest = 3,
    /// A list of chunks.
    List = 4,
    /// A page of the chunk index.
    IndexPage = 5,
    /// The fence table of an index run.
    IndexFence = 6,
    /// The filter of an index run.
    IndexFilter = 7,
    /// The catalog of snapshots.
    Catalog = 8,
    /// The table of segments.
    SegmentTable = 9,
    /// The ledger of verifications.
    Ledger = 10,
    /// The directory of one segment.
    Directory = 11,
    /// The trailer of one segment.
    Trailer = 12,
    /// The root of a commit.
    CommitRoot = 13,
    /// The sealed part of a superblock.
    Superblock = 14,
}

impl ObjectKind {
    /// Every kind, in the order of its number.
    pub const ALL: [ObjectKind; 14] = [
        ObjectKind::Database,
        ObjectKind::Attachment,
        ObjectKind::Manifest,
        ObjectKind::List,
        ObjectKind::IndexPage,
        ObjectKind::IndexFence,
        ObjectKind::IndexFilter,
        ObjectKind::Catalog,
        ObjectKind::SegmentTable,
        ObjectKind::Ledger,
        ObjectKind::Directory,
        ObjectKind::Trailer,
        ObjectKind::CommitRoot,
        ObjectKind::Superblock,
    ];

    /// The word for people.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Database => "database chunk",
            ObjectKind::Attachment => "attachment chunk",
            ObjectKind::Manifest => "manifest chunk",
            ObjectKind::List => "chunk list",
            ObjectKind::IndexPage => "index page",
            ObjectKind::IndexFence => "index fence table",
            ObjectKind::IndexFilter => "index filter",
            ObjectKind::Catalog => "catalog",
            ObjectKind::SegmentTable => "segment table",
            ObjectKind::Ledger => "ledger",
            ObjectKind::Directory => "segment directory",
            ObjectKind::Trailer => "segment trailer",
            ObjectKind::CommitRoot => "commit root",
            ObjectKind::Superblock => "superblock",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<u8> for ObjectKind {
    type Error = Error;

    /// The kind of that number, or [`crate::error::Kind::Damaged`].
    fn try_from(number: u8) -> Result<Self, Error> {
        usize::from(number)
            .checked_sub(1)
            .and_then(|index| ObjectKind::ALL.get(index).copied())
            .ok_or_else(|| Error::damaged(format!("object kind {number} is unknown")))
    }
}

/// The place of a sealed object. An object opens nowhere but where it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// What the object is.
    pub kind: ObjectKind,
    /// The epoch whose keys seal it.
    pub epoch: u32,
    /// The segment that holds it; zero for what lies outside segments.
    pub segment: SegmentId,
    /// Byte offset of the sealed object inside its segment.
    pub offset: u32,
}

impl Place {
    /// The associated data for an object of `sealed_len` bytes in `container`.
    pub(super) fn associated(&self, container: &ContainerId, sealed_len: u32) -> [u8; ASSOCIATED_BYTES] {
        let mut bytes = [0; ASSOCIATED_BYTES];
        bytes[0] = self.kind as u8;
        bytes[1] = FORMAT_VERSION;
        bytes[2..18].copy_from_slice(&container.0);
        bytes[18..22].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[22..38].copy_from_slice(&self.segment.0);
        bytes[38..42].copy_from_slice(&self.offset.to_le_bytes());
        bytes[42..46].copy_from_slice(&sealed_len.to_le_bytes());
        bytes
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {} of segment {}", self.kind, self.offset, self.segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_numbers_agree() {
        for number in 0..=u8::MAX {
            match ObjectKind::try_from(number) {
                Ok(kind) => assert_eq!(kind as u8, number),
                Err(_) => assert!(number == 0 || number > 14, "{number}"),
            }
        }
    }
}
