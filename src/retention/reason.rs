//! Why a snapshot is kept or dropped, for people and for programs.

use super::policy::{EVERY, Period};
use crate::ids::SnapshotId;
use std::fmt;

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Kept: it is pinned.
    Pinned,
    /// Kept: none of its series is newer.
    Newest,
    /// Kept: none of its series that is complete is newer.
    NewestComplete,
    /// Kept: one of the last verified.
    Verified,
    /// Kept: younger than the minimum age.
    Young,
    /// Kept: the policy was asked about others only.
    NotSelected,
    /// Kept: made shortly before the newest.
    Within,
    /// Kept: the last of a period that a rule keeps.
    Last {
        /// The rule's period.
        every: Period,
        /// Which one.
        label: String,
    },
    /// Dropped: a later one stands for the period.
    Superseded {
        /// The rule's period.
        every: Period,
        /// Which one.
        label: String,
        /// By whom.
        by: SnapshotId,
    },
    /// Dropped: a rule keeps fewer periods.
    Beyond {
        /// The rule's period.
        every: Period,
        /// How many it keeps.
        count: u32,
    },
    /// Dropped: made too long before the newest.
    NotWithin,
    /// Dropped: somebody named it.
    Named,
    /// Dropped: the oldest give way until the file is as small as asked for.
    Size,
}

impl Reason {
    /// Whether it is a reason to keep.
    pub fn keeps(&self) -> bool {
        use Reason::{Beyond, Named, NotWithin, Size, Superseded};
        !matches!(self, Superseded { .. } | Beyond { .. } | NotWithin | Named | Size)
    }

    /// Whether it keeps even when space is short.
    pub fn protects(&self) -> bool {
        use Reason::{Newest, NewestComplete, NotSelected, Pinned, Verified, Young};
        matches!(self, Pinned | Newest | NewestComplete | Verified | Young | NotSelected)
    }

    /// The stable word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::Pinned => "pinned",
            Reason::Newest => "newest",
            Reason::NewestComplete => "newest-complete",
            Reason::Verified => "verified",
            Reason::Young => "young",
            Reason::NotSelected => "not-selected",
            Reason::Within => "within",
            Reason::Last { every, .. } => every.word(),
            Reason::Superseded { .. } => "superseded",
            Reason::Beyond { .. } => "beyond",
            Reason::NotWithin => "not-within",
            Reason::Named => "named",
            Reason::Size => "size",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Pinned => f.write_str("pinned"),
            Reason::Newest => f.write_str("newest"),
            Reason::NewestComplete => f.write_str("newest complete"),
            Reason::Verified => f.write_str("verified"),
            Reason::Young => f.write_str("below the minimum age"),
            Reason::NotSelected => f.write_str("not asked about"),
            Reason::Within => f.write_str("within"),
            Reason::Last { every: Period::Commit, .. } => f.write_str("last"),
            Reason::Last { every, label } => write!(f, "{} {label}", every.word()),
            Reason::Superseded { every, label, by } => {
                let mut by = by.to_string();
                by.truncate(8);
                write!(f, "{} {label} is {by}", every.word())
            }
            Reason::Beyond { every: Period::Commit, count } => write!(f, "not one of the last {count}"),
            // A rule that keeps every period has none beyond.
            Reason::Beyond { every, count: EVERY } => write!(f, "not {}", every.word()),
            Reason::Beyond { every, count } => write!(f, "beyond {count} {}", every.word()),
            Reason::NotWithin => f.write_str("not within"),
            Reason::Named => f.write_str("named"),
            Reason::Size => f.write_str("makes room"),
        }
    }
}
