//! Entries: the backed-up things, as the stream that backup writes and restore reads. The
//! structures promise one canonical encoding, defined in `format-spec/manifest.md`, and one
//! order: by path, component by component.

pub mod database;

use crate::clock::Timestamp;
use crate::codec::{Decode, Encode};
use crate::ids::ChunkId;
use database::{DatabaseRecord, ObjectRecord, ServerRecord, TableRecord};
use std::cmp::Ordering;

/// A path inside a snapshot: components of arbitrary bytes (no NUL, no `/`, not `.` or `..`, not
/// empty) joined by `/`. The first component is `database` or `attachments`.
#[derive(Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct EntryPath(pub Vec<u8>);

impl EntryPath {
    /// The components, first to last.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/')
    }

    /// Whether every component is one that may be restored.
    pub fn is_valid(&self) -> bool {
        self.components().all(|c| !c.is_empty() && c != b"." && c != b".." && !c.contains(&0))
    }

    /// This path with one more component.
    pub fn join(&self, component: &[u8]) -> EntryPath {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + component.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(component);
        EntryPath(bytes)
    }

    /// The last component.
    pub fn name(&self) -> &[u8] {
        self.components().next_back().unwrap_or(&[])
    }

    /// The path without its last component; `None` for a path of one component.
    pub fn parent(&self) -> Option<EntryPath> {
        self.0.iter().rposition(|&b| b == b'/').map(|at| EntryPath(self.0[..at].to_vec()))
    }

    /// Whether this path is `prefix` or lies below it.
    pub fn starts_with(&self, prefix: &[u8]) -> bool {
        self.0.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl Ord for EntryPath {
    /// Component by component, each by bytes: the order of a depth-first walk with sorted names.
    fn cmp(&self, other: &Self) -> Ordering {
        // A separator sorts before every byte that a component can hold.
        let key = |&b: &u8| if b == b'/' { 0u16 } else { u16::from(b) + 1 };
        self.0.iter().map(key).cmp(other.0.iter().map(key))
    }
}

impl PartialOrd for EntryPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for EntryPath {
    /// As [`write_escaped`] does.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write_escaped(&self.0, f)
    }
}

impl std::fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Whether a character is seen only by what it does to others: controls, line ends, and what turns the
/// direction of writing.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes name bytes for people: no control character of a file name reaches a terminal, and no two
/// names look the same for that. Bytes that are no UTF-8 and ASCII controls become `\xNN`, other
/// characters `\u{N}`.
pub fn write_escaped(bytes: &[u8], f: &mut impl std::fmt::Write) -> std::fmt::Result {
    for piece in bytes.utf8_chunks() {
        for c in piece.valid().chars() {
            match c {
                '\\' | '\0'..='\x1f' | '\x7f' => write!(f, "\\x{:02x}", c as u32)?,
                c if is_hidden(c) => write!(f, "\\u{{{:x}}}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        for byte in piece.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

/// One backed-up thing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Where it stands in the snapshot.
    pub path: EntryPath,
    /// What it is, with what belongs to that.
    pub kind: EntryKind,
    /// Mode, owner, times, attributes. All zero and empty for what belongs to a live database.
    pub metadata: Metadata,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EntryKind {
    /// A database dump: a file, a command's output or standard input.
    Dump(Content),
    /// A folder.
    Folder,
    /// A regular file.
    File(Content),
    /// A symbolic link and the bytes it points to.
    SymbolicLink(Vec<u8>),
    /// Another name of the file at this path, which comes earlier in the stream.
    HardLink(EntryPath),
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A block device with its number (`st_rdev`).
    BlockDevice(u64),
    /// A character device with its number (`st_rdev`).
    CharacterDevice(u64),
    /// The server that databases were read from.
    Server(Box<ServerRecord>),
    /// A live database.
    Database(Box<DatabaseRecord>),
    /// A table of a live database, with its rows.
    Table(Box<TableRecord>),
    /// Another object of a live database.
    Object(Box<ObjectRecord>),
}

impl EntryKind {
    /// The content, where the kind has one.
    pub fn content(&self) -> Option<&Content> {
        match self {
            EntryKind::Dump(content) | EntryKind::File(content) => Some(content),
            EntryKind::Table(table) => Some(&table.content),
            _ => None,
        }
    }

    /// Every content it has, to be changed, in the order of [`EntryKind::contents`].
    pub fn contents_mut(&mut self) -> impl Iterator<Item = &mut Content> {
        match self {
            EntryKind::Dump(content) | EntryKind::File(content) => Some(content),
            EntryKind::Table(table) => Some(&mut table.content),
            _ => None,
        }
        .into_iter()
    }

    /// Every content the kind has: what marking walks, so that whatever an entry names stays.
    pub fn contents(&self) -> impl Iterator<Item = &Content> {
        self.content().into_iter()
    }

    /// The word for this kind in output.
    pub fn word(&self) -> &'static str {
        match self {
            EntryKind::Dump(_) => "dump",
            EntryKind::Folder => "folder",
            EntryKind::File(_) => "file",
            EntryKind::SymbolicLink(_) => "link",
            EntryKind::HardLink(_) => "hard-link",
            EntryKind::Pipe => "pipe",
            EntryKind::Socket => "socket",
            EntryKind::BlockDevice(_) => "block-device",
            EntryKind::CharacterDevice(_) => "character-device",
            EntryKind::Server(_) => "server",
            EntryKind::Database(_) => "database",
            EntryKind::Table(_) => "table",
            EntryKind::Object(object) => object.kind.word(),
        }
    }
}

/// The bytes of a file or dump: its length, the holes in it, and the chunks of the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Content {
    /// Length of the file in bytes, holes included.
    pub size: u64,
    /// Holes in rising order, not touching; the chunks hold the bytes between them.
    pub holes: Vec<Extent>,
    /// The chunks of everything that is not a hole.
    pub chunks: ChunkList,
}

impl Content {
    /// Bytes that the chunks hold: the size without the holes; `None` if the holes do not fit.
    pub fn data_bytes(&self) -> Option<u64> {
        let mut end = 0u64;
        let mut holes = 0u64;
        for hole in &self.holes {
            if hole.length == 0 || hole.offset < end {
                return None;
            }
            end = hole.offset.checked_add(hole.length)?;
            holes += hole.length;
        }
        (end <= self.size).then(|| self.size - holes)
    }
}

/// A range of bytes in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Extent {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// A sequence of chunks: directly, or as chunks that hold further references.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ChunkList {
    /// 0: the references name data. N: they name list chunks of depth N - 1.
    pub depth: u8,
    /// The references, in order.
    pub chunks: Vec<ChunkRef>,
}

/// One chunk: its name and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct ChunkRef {
    /// The chunk's id.
    pub id: ChunkId,
    /// Length of its plaintext in bytes.
    pub length: u32,
}

/// What a file system keeps beside a thing's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Metadata {
    /// Permission bits with set-user-id, set-group-id and sticky: `st_mode & 0o7777`.
    pub mode: u32,
    /// Owner's number.
    pub uid: u32,
    /// Group's number.
    pub gid: u32,
    /// Last change of the content.
    pub modified: Timestamp,
    /// Last change of content or attributes; only compared, never restored.
    pub changed: Timestamp,
    /// Inode number; only compared, never restored.
    pub inode: u64,
    /// Extended attributes (POSIX ACLs among them) by name, sorted.
    pub attributes: Vec<Attribute>,
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Attribute {
    /// Full name with its namespace, such as `user.comment` or `system.posix_acl_access`.
    pub name: Vec<u8>,
    /// The value's bytes.
    pub value: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(s: &str) -> EntryPath {
        EntryPath(s.into())
    }

    #[test]
    fn order_is_that_of_a_sorted_walk() {
        let sorted = ["a", "a/b", "a/b/c", "a/b-", "a/\u{e9}", "a b", "a-b", "b"].map(path);
        assert!(sorted.is_sorted());
        assert!(path("a-b") > path("a/z"));
        let lowest = EntryPath(b"a/\x01".to_vec());
        assert!(path("a") < lowest && lowest < EntryPath(b"a\x01".to_vec()));
    }

    #[test]
    fn names_that_escape_are_invalid() {
        for bad in ["", "a//b", "../x", "a/./b", "a/..", "/a", "a/"] {
            assert!(!path(bad).is_valid(), "{bad}");
        }
        assert!(path("attachments/x/.../y").is_valid());
        assert!(!EntryPath(b"a\0b".to_vec()).is_valid());
    }

    #[test]
    fn display_escapes_what_a_terminal_must_not_see() {
        assert_eq!(EntryPath(b"a\x1b[0m\xff\\".to_vec()).to_string(), "a\\x1b[0m\\xff\\x5c");
    }

    #[test]
    fn holes_must_fit() {
        let hole = |offset, length| Extent { offset, length };
        let content = |size, holes| Content { size, holes, ..Content::default() };
        assert_eq!(content(10, vec![hole(0, 4), hole(6, 4)]).data_bytes(), Some(2));
        assert_eq!(content(10, vec![hole(4, 4), hole(0, 4)]).data_bytes(), None);
        assert_eq!(content(10, vec![hole(8, 4)]).data_bytes(), None);
        assert_eq!(content(10, vec![hole(8, u64::MAX)]).data_bytes(), None);
    }
}
