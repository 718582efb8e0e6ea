//! The catalog: one record a snapshot, oldest first, and the pins (`format-spec/manifest.md`, Catalog).

use crate::chunk_store::ChunkStore;
use crate::clock::Timestamp;
use crate::codec::{self, Decode, Encode};
use crate::crypto::{Keyring, ObjectKind};
use crate::entry::ChunkList;
use crate::error::{Error, Kind, Result};
use crate::ids::{ContainerId, SnapshotId};
use std::collections::HashSet;

/// Longest catalog that is read: 64 MiB, some hundred thousand snapshots.
const MAX_CATALOG_BYTES: usize = codec::LIMIT_BYTES;

/// Where a part of a snapshot came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SourceKind {
    /// A dump file.
    DumpFile,
    /// The output of a command.
    DumpCommand,
    /// Standard input.
    StandardInput,
    /// A folder of attachments.
    Attachments,
    /// A live database, read from its server.
    Database,
}

impl SourceKind {
    /// The word for it in output.
    pub fn word(self) -> &'static str {
        match self {
            SourceKind::DumpFile => "dump",
            SourceKind::DumpCommand => "dump-command",
            SourceKind::StandardInput => "standard-input",
            SourceKind::Attachments => "attachments",
            SourceKind::Database => "database",
        }
    }
}

/// One source of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SourceRecord {
    /// What it is.
    pub kind: SourceKind,
    /// Its name in the snapshot: a dump's file name or an attachment label.
    pub name: Vec<u8>,
    /// Where it was: a path, or a command. For people only.
    pub origin: Vec<u8>,
}

/// What a snapshot holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counts {
    /// Dumps and database objects.
    pub dumps: u64,
    /// Regular files, hard links among them counted once.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Links, pipes, sockets, devices.
    pub others: u64,
    /// Bytes of dumps.
    pub database_bytes: u64,
    /// Bytes of files.
    pub attachment_bytes: u64,
    /// Files read for this snapshot; the rest were recognised as unchanged.
    pub files_read: u64,
    /// Plaintext bytes that no earlier snapshot had.
    pub new_bytes: u64,
    /// What those took, packed.
    pub added_bytes: u64,
    /// Files and folders that could not be read or changed while they were; 0: complete.
    pub problems: u64,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SnapshotRecord {
    /// Its name, the same in every copy.
    pub id: SnapshotId,
    /// The commit that made it or brought it here.
    pub generation: u64,
    /// When the backup began.
    pub time: Timestamp,
    /// The machine it was made on.
    pub host: String,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Its sources.
    pub sources: Vec<SourceRecord>,
    /// Its numbers.
    pub counts: Counts,
    /// Its manifest.
    pub manifest: ChunkList,
    /// Length of the manifest in bytes.
    pub manifest_bytes: u64,
    /// The container it was made in, if that is another: then it is a copy.
    pub origin: Option<ContainerId>,
}

impl SnapshotRecord {
    /// Computes the id from everything else; for a snapshot that is made here.
    pub fn seal_id(&mut self, keyring: &Keyring) {
        self.id = SnapshotId::ZERO;
        let hash = keyring.content_hash(ObjectKind::Catalog, &codec::encode(self));
        self.id.0.copy_from_slice(&hash[..SnapshotId::LEN]);
    }

    /// Whether everything that was asked for was read.
    pub fn is_complete(&self) -> bool {
        self.counts.problems == 0
    }

    /// Bytes that a full restore writes.
    pub fn restored_bytes(&self) -> u64 {
        self.counts.database_bytes.saturating_add(self.counts.attachment_bytes)
    }
}

/// What keeps a snapshot from being removed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pin {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// When it was pinned.
    pub time: Timestamp,
    /// Why, in words for people; may be empty.
    pub reason: String,
}

/// All snapshots, in commit order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Catalog {
    /// The records.
    pub snapshots: Vec<SnapshotRecord>,
    /// The pins, at most one a snapshot, in the order in which they were set.
    pub pins: Vec<Pin>,
}

impl Catalog {
    /// Reads the catalog of an open store.
    pub fn read(store: &ChunkStore) -> Result<Catalog> {
        let stream = &store.contents().catalog;
        if stream.bytes == 0 {
            return Ok(Catalog::default());
        }
        codec::decode(&store.read_stream(ObjectKind::Catalog, stream, MAX_CATALOG_BYTES)?, "catalog")
    }

    /// The bytes to store; none for an empty catalog.
    pub fn encode(&self) -> Vec<u8> {
        if self.snapshots.is_empty() && self.pins.is_empty() { Vec::new() } else { codec::encode(self) }
    }

    /// The pin of a snapshot.
    pub fn pin(&self, snapshot: &SnapshotId) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.snapshot == *snapshot)
    }

    /// Takes snapshots out; their order stays.
    ///
    /// [`Kind::Usage`] if one is pinned, [`Kind::NotFound`] if one is not there; then none is taken out.
    pub fn remove(&mut self, victims: &[SnapshotId]) -> Result<()> {
        for id in victims {
            if self.pin(id).is_some() {
                return Err(Error::new(Kind::Usage, format!("snapshot {id}: is pinned"))
                    .hint("coffer unpin lets go of it"));
            }
            if !self.snapshots.iter().any(|s| s.id == *id) {
                return Err(Error::new(Kind::NotFound, format!("no snapshot {id}")));
            }
        }
        let victims: HashSet<&SnapshotId> = victims.iter().collect();
        self.snapshots.retain(|s| !victims.contains(&s.id));
        Ok(())
    }

    /// The snapshot called `id`.
    pub fn find(&self, id: &SnapshotId) -> Option<&SnapshotRecord> {
        self.snapshots.iter().find(|s| s.id == *id)
    }

    /// The newest snapshot that has exactly these sources by kind and name, else the newest of all:
    /// the one to compare with.
    pub fn parent_for(&self, sources: &[SourceRecord]) -> Option<&SnapshotRecord> {
        let same = |s: &&SnapshotRecord| {
            let equal = |(a, b): (&SourceRecord, &SourceRecord)| a.kind == b.kind && a.name == b.name;
            s.sources.len() == sources.len() && s.sources.iter().zip(sources).all(equal)
        };
        self.snapshots.iter().rev().find(same).or(self.snapshots.last())
    }
}
