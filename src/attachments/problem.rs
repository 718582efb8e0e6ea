//! What could not be read or restored completely: named, never fatal by itself. It promises that
//! every loss on either end carries the path it happened to, what was lost and why.

use crate::entry::EntryPath;
use std::fmt;
use std::io;

/// What is wrong with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// Could not be opened or read; it is not in the backup.
    Unreadable,
    /// Was listed, but gone when it was to be read; it is not in the backup.
    Vanished,
    /// Was replaced by another kind of thing before it could be read; it is not in the backup.
    Replaced,
    /// Changed while being read; what was read is kept.
    Changed,
    /// Became shorter while being read; what was read is kept.
    Shrunk,
    /// A dump that does not end as its own maker ends it; what there is is kept.
    CutOff,
    /// A dump in which another begins before the first ended; what there is is kept.
    CutOffWithin,
    /// A packed dump whose packing does not end; what there is is kept.
    PackingCutOff,
    /// A packed dump that does not unpack; what there is is kept.
    PackingDamaged,
    /// A dump of text with a hole of zero bytes in it; what there is is kept.
    Torn,
    /// A source without any file or table, of which the snapshot before held some.
    Emptied,
    /// The folder itself is in the backup; what it holds, or part of it, is not.
    UnreadableFolder,
    /// In the backup, without some or all of its extended attributes.
    AttributesUnreadable,
    /// The name or path cannot be kept (see [`crate::limits::MAX_PATH_BYTES`]) or restored.
    NameInvalid,
    /// Could not be written.
    NotRestored,
    /// Something else stands in its place and was kept.
    Kept,
    /// Restored, with another owner or group than it had.
    OwnerNotRestored,
    /// Restored, without some or all of its extended attributes.
    AttributesNotRestored,
    /// Restored, with other permission bits than it had.
    ModeNotRestored,
    /// Restored, with another time than it had.
    TimeNotRestored,
}

impl ProblemKind {
    /// The words for people, to stand after the path.
    pub fn words(self) -> &'static str {
        match self {
            ProblemKind::Unreadable => "cannot be read",
            ProblemKind::Vanished => "vanished before it was read",
            ProblemKind::Replaced => "was replaced by something else before it was read",
            ProblemKind::Changed => "changed while it was read",
            ProblemKind::Shrunk => "became shorter while it was read",
            ProblemKind::CutOff => "ends before its last line, `-- Dump completed`: the dump was cut off",
            ProblemKind::CutOffWithin => {
                "begins again before its last line, `-- Dump completed`: the dump was cut off there"
            }
            ProblemKind::PackingCutOff => "ends before its packing does: the dump was cut off",
            ProblemKind::PackingDamaged => "does not unpack: the dump is damaged",
            ProblemKind::Torn => "has a hole of zero bytes in its text: the dump is damaged",
            ProblemKind::Emptied => {
                "holds no file or table any more, and in the snapshot before it held some"
            }
            ProblemKind::UnreadableFolder => "folder cannot be listed completely",
            ProblemKind::AttributesUnreadable => "extended attributes cannot be read",
            ProblemKind::NameInvalid => "name or path cannot be used",
            ProblemKind::NotRestored => "cannot be restored",
            ProblemKind::Kept => "not restored: something else stands there and was kept",
            ProblemKind::OwnerNotRestored => "owner cannot be restored",
            ProblemKind::AttributesNotRestored => "extended attributes cannot be restored",
            ProblemKind::ModeNotRestored => "permission bits cannot be restored",
            ProblemKind::TimeNotRestored => "time cannot be restored",
        }
    }

    /// Whether bytes or names are lost: `false` where the thing itself is whole.
    pub fn is_loss(self) -> bool {
        use ProblemKind as K;
        !matches!(
            self,
            K::AttributesUnreadable
                | K::OwnerNotRestored
                | K::AttributesNotRestored
                | K::Emptied
                | K::ModeNotRestored
                | K::TimeNotRestored
        )
    }
}

/// One thing that is not, or not completely, as it should be.
#[derive(Debug)]
pub struct Problem {
    /// The thing's path in the snapshot.
    pub path: EntryPath,
    /// What is wrong with it.
    pub what: ProblemKind,
    /// What the operating system said, where it said something.
    pub error: Option<io::Error>,
}

impl Problem {
    /// A problem with no word from the operating system.
    pub fn new(path: &EntryPath, what: ProblemKind) -> Self {
        Problem { path: path.clone(), what, error: None }
    }

    /// A problem because of `error`.
    pub fn io(path: &EntryPath, what: ProblemKind, error: impl Into<io::Error>) -> Self {
        Problem { path: path.clone(), what, error: Some(error.into()) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what.words())?;
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}
