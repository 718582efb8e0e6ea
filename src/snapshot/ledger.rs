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

    /// Whether the newest verification found damage: then nothing held is trusted unproven.
    pub fn last_found_damage(&self) -> bool {
        self.entries.iter().max_by_key(|entry| entry.time).is_some_and(|entry| entry.damaged > 0)
    }

    /// The bytes to store; none for an empty ledger.
    pub fn encode(&self) -> Vec<u8> {
        if self.entries.is_empty() { Vec::new() } else { codec::encode(self) }
    }
}
