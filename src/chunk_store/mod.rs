//! Chunks by id: put, get, index. The only floor that names, packs and unpacks payloads
//! (`format-spec/manifest.md`, Chunks). It promises that a chunk handed out is the chunk
//! that was asked for (its id is computed again), and that equal chunks are stored once.

mod filter;
mod index;
mod marks;
mod moving;
mod packing;
mod run;
mod salvage;
mod segments;
mod taking;
mod writing;

pub use index::IndexEntry;
pub use marks::{Marks, SlotUse};
pub use moving::{Move, Moved};
pub use packing::Packers;
pub use salvage::{Packed, Salvage, copies_of};
pub use segments::{ChunkFault, SegmentReport};
pub use taking::TakenChunk;
pub use writing::{Committed, WriteStatistics, Writing, WritingOptions, metadata_estimate};

use crate::codec::{self, Decode, Encode};
use crate::container::Container;
use crate::container::checksums::TableHash;
use crate::container::root::{PartRef, StreamRef};
use crate::crypto::ObjectKind;
use crate::entry::ChunkRef;
use crate::error::{Error, Result};
use crate::ids::ChunkId;
use crate::limits::MAX_CHUNK_BYTES;
use crate::retention::Policy;
use filter::Filter;
use index::Index;
use run::RunRef;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, OnceLock};

/// What the commit root keeps for this floor and those above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Contents {
    /// The index: sorted runs, largest first.
    pub runs: Vec<RunRef>,
    /// The catalog of snapshots.
    pub catalog: StreamRef,
    /// The ledger of verifications.
    pub ledger: StreamRef,
    /// Settings of the container.
    pub settings: Settings,
}

/// Settings that travel with the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Settings {
    /// Longest the file may become in bytes; `None`: as long as the disk allows.
    pub max_bytes: Option<u64>,
    /// What to keep when somebody prunes, or when a backup must make room; `None`: everything.
    pub retention: Option<Policy>,
}

/// An open container as a store of chunks.
pub struct ChunkStore {
    container: Container,
    contents: Contents,
    index: Index,
    table_hashes: OnceLock<BTreeMap<u32, TableHash>>,
    packers: Packers,
    /// Buffers of a segment's length, used again by whoever checks segments.
    segments: Mutex<Vec<Vec<u8>>>,
}

impl ChunkStore {
    /// Reads what a container's root says of its chunks. Costs the same at any size: the index
    /// itself is read when it is asked.
    pub fn open(container: Container) -> Result<ChunkStore> {
        let contents = contents_of(&container)?;
        let index = Index::new(&contents.runs);
        let table_hashes = OnceLock::new();
        Ok(ChunkStore {
            container,
            contents,
            index,
            table_hashes,
            packers: Packers::default(),
            segments: Mutex::default(),
        })
    }

    /// The container below.
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// The container below, for changing its keys.
    pub fn container_mut(&mut self) -> &mut Container {
        &mut self.container
    }

    /// Gives the container back.
    pub fn into_container(self) -> Container {
        self.container
    }

    /// Catalog, ledger, settings.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Publishes a finished commit in this handle.
    pub fn install(&mut self, committed: Committed) {
        self.index = Index::new(&committed.contents.runs);
        self.contents = committed.contents;
        self.table_hashes = OnceLock::new();
        self.container.install(committed.state);
    }

    /// Where the chunk `id` lies: each copy once; empty if the container does not hold it.
    pub fn locate(&self, id: &ChunkId) -> Result<Vec<IndexEntry>> {
        self.index.find(self, id)
    }

    /// Whether index pages were lost, so that the directories answer in their place.
    pub fn index_is_lost(&self) -> bool {
        self.index.is_rebuilt()
    }

    /// Slots in which these runs of the index lie.
    pub fn index_slots(&self, runs: std::ops::Range<usize>) -> Result<HashSet<u32>> {
        let mut slots = HashSet::new();
        for number in runs {
            let run = &self.contents.runs[number];
            slots.extend(run.fence.slots().chain(run.filter.slots()));
            let fence = self.index.fence(self, number)?;
            slots.extend(fence.iter().flat_map(|p| p.part.copies.iter().map(|l| l.slot)));
        }
        Ok(slots)
    }

    /// Reads the whole index; what is wrong with which run.
    pub fn check_index(&self) -> Vec<(usize, Error)> {
        self.index.check(self)
    }

    /// The chunk's bytes, proven by its id.
    ///
    /// Errors: [`crate::error::Kind::Damaged`] if no copy is whole or the index does not know it.
    pub fn get(&self, kind: ObjectKind, chunk: &ChunkRef) -> Result<Vec<u8>> {
        let mut last = None;
        for entry in self.locate(&chunk.id)? {
            match self.get_at(kind, chunk, &entry) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::damaged(format!("chunk {} is not in the index", chunk.id))))
    }

    fn get_at(&self, kind: ObjectKind, chunk: &ChunkRef, entry: &IndexEntry) -> Result<Vec<u8>> {
        let payload = self.container.read(kind, entry.location, entry.length)?;
        let bytes = self.packers.unpack(&payload, MAX_CHUNK_BYTES)?;
        let id = self.container.base().keyring().chunk_id(kind, &bytes);
        match id == chunk.id && bytes.len() == chunk.length as usize {
            true => Ok(bytes),
            false => Err(Error::damaged(format!("chunk {}: the bytes stored for it are others", chunk.id))),
        }
    }

    /// Reads a metadata stream that [`Writing::finish`] wrote, at most `limit` bytes of it.
    pub fn read_stream(&self, kind: ObjectKind, stream: &StreamRef, limit: usize) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for part in &stream.parts {
            out.extend_from_slice(&self.read_part(kind, part)?);
            if out.len() > limit {
                return Err(Error::damaged(format!("{}: longer than {limit} bytes", kind.name())));
            }
        }
        match out.len() as u64 == stream.bytes {
            true => Ok(out),
            false => Err(Error::damaged(format!("{}: has another length than stated", kind.name()))),
        }
    }

    pub(crate) fn read_part(&self, kind: ObjectKind, part: &PartRef) -> Result<Vec<u8>> {
        let payload = self.container.read_part(kind, part)?;
        self.packers.unpack(&payload, MAX_CHUNK_BYTES)
    }

    /// Chunk copies of all live segments, as the segment table counts them.
    pub fn chunk_count(&self) -> u64 {
        self.container.state().table.iter().filter(|r| r.live).map(|r| u64::from(r.chunk_count)).sum()
    }
}

fn contents_of(container: &Container) -> Result<Contents> {
    let state = container.state();
    if state.root.contents.is_empty() {
        return Ok(Contents::default());
    }
    let contents: Contents = codec::decode(&state.root.contents, "contents of the commit root")?;
    // No run can list more than the file can hold, nor its filter be larger than for twice that.
    let slots = state.table.len() as u64;
    let most = (slots * container.base().geometry.segment_bytes as u64 / LEAST_CHUNK_BYTES).max(1 << 20);
    let filter = Filter::bytes_for(2 * most) as u64;
    match contents.runs.iter().all(|run| run.count <= most && run.filter.bytes <= filter) {
        true => Ok(contents),
        false => Err(Error::damaged("contents of the commit root: an index larger than the file")),
    }
}

/// Bytes of the file that one line of the index stands for at the least, lines of segments that are
/// gone included.
const LEAST_CHUNK_BYTES: u64 = 8;

#[cfg(test)]
mod tests;
