//! The ledger: what was verified when, kept in the container (`format-spec/manifest.md`, Ledger).

use crate::chunk_store::ChunkStore;
use crate::clock::Timestamp;
use crate::codec::{self, Decode, Encode};
use crate::crypto::ObjectKind;
use crate::error::Result;

/// How thorough a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Level {
    /// Superblocks, commit root, manifests, index, segment table.
    Quick,
    /// Every live sector's checksum; needs no key.
    Scrub,
    /// Every live chunk opened, unpacked and named again.
    Full,
}

impl Level {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Level::Quick => "quick",
            Level::Scrub => "scrub",
            Level::Full => "full",
        }
    }
}

/// One verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LedgerEntry {
    /// When it ended.
    pub time: Timestamp,
    /// How thorough it was.
    pub level: Level,
    /// The generation it looked at.
    pub generation: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Damaged objects that were found; 0: all is well.
    pub damaged: u64,
}

impl LedgerEntry {
    /// Whether this one, noted after `damage`, proves that it is no more. A clock may have been set back
    /// between the two; a later commit is later all the same.
    fn clears(&self, damage: &LedgerEntry) -> bool {
        let is_later = self.time >= damage.time || self.generation > damage.generation;
        self.damaged == 0 && self.level >= damage.level && is_later
    }
}

/// The verifications, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Ledger {
    /// The entries.
    pub entries: Vec<LedgerEntry>,
}

/// Most entries kept: several years of nightly verifications.
const MAX_ENTRIES: usize = 4096;

impl Ledger {
    /// Reads the ledger of an open store.
    pub fn read(store: &ChunkStore) -> Result<Ledger> {
        let stream = &store.contents().ledger;
        if stream.bytes == 0 {
            return Ok(Ledger::default());
        }
        codec::decode(&store.read_stream(ObjectKind::Ledger, stream, codec::LIMIT_BYTES)?, "ledger")
    }

    /// Adds an entry unless it is there already; the oldest give way beyond some thousands.
    pub fn add(&mut self, entry: LedgerEntry) {
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
            let surplus = self.entries.len().saturating_sub(MAX_ENTRIES);
            self.entries.drain(..surplus);
        }
    }

    /// Whether a verification found damage that none as thorough has seen gone since: then nothing held is
    /// trusted unproven.
    pub fn has_unproven_damage(&self) -> bool {
        let later = |at: usize| self.entries.get(at + 1..).unwrap_or_default().iter();
        let mut found = self.entries.iter().enumerate().filter(|(_, entry)| entry.damaged > 0);
        found.any(|(at, damage)| !later(at).any(|entry| entry.clears(damage)))
    }

    /// The bytes to store; none for an empty ledger.
    pub fn encode(&self) -> Vec<u8> {
        if self.entries.is_empty() { Vec::new() } else { codec::encode(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(entries: &[(i64, Level, u64, u64)]) -> Ledger {
        let entry = |&(seconds, level, generation, damaged): &(i64, Level, u64, u64)| LedgerEntry {
            time: Timestamp { seconds, nanoseconds: 0 },
            level,
            generation,
            segments: 1,
            damaged,
        };
        Ledger { entries: entries.iter().map(entry).collect() }
    }

    #[test]
    fn damage_is_gone_only_once_something_as_thorough_has_seen_that() {
        let (quick, scrub, full) = (Level::Quick, Level::Scrub, Level::Full);
        let is_distrusted = |entries: &[_]| ledger(entries).has_unproven_damage();
        assert!(!is_distrusted(&[]) && !is_distrusted(&[(1, full, 5, 0)]));
        assert!(is_distrusted(&[(1, full, 5, 2), (2, quick, 5, 0)]), "quick proves no data");
        assert!(is_distrusted(&[(1, full, 5, 2), (2, scrub, 5, 0)]));
        assert!(!is_distrusted(&[(1, full, 5, 2), (2, quick, 5, 0), (3, full, 6, 0)]));
        assert!(!is_distrusted(&[(1, scrub, 5, 2), (2, full, 5, 0)]));
        assert!(is_distrusted(&[(1, full, 5, 0), (2, scrub, 5, 1)]));
        assert!(is_distrusted(&[(9, full, 5, 2), (2, full, 5, 0)]), "another machine's, from before");
        assert!(!is_distrusted(&[(9, full, 5, 2), (2, full, 6, 0)]), "the clock was set back");
        assert!(is_distrusted(&[(1, full, 5, 2), (2, full, 6, 0), (3, quick, 7, 1)]));
    }
}
