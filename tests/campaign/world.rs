//! What every campaign stands on: a container on a simulated disk, backups into it with contents
//! that a seed determines, and the reading back of all of it. It promises that equal seeds give
//! equal runs, and that [`observe`] believes nothing that it has not read and compared.

use coffer::chunk_store::{ChunkStore, Settings, WritingOptions};
use coffer::clock::Timestamp;
use coffer::container::commit::CommitOptions;
use coffer::container::create::{Creation, create};
use coffer::container::header::{Header, KeyFrame};
use coffer::container::layout::Prologue;
use coffer::container::{Access, Container};
use coffer::crypto::{Keyring, ObjectKind, Secrets, SeededEntropy};
use coffer::entry::{Content, Entry, EntryKind, EntryPath, Metadata};
use coffer::error::{Error, Kind, Result};
use coffer::ids::{ContainerId, FamilyId, SnapshotId};
use coffer::snapshot::{
    Catalog, ChunkRefs, Counts, ListWriter, ManifestReader, ManifestWriter, SnapshotRecord,
};
use coffer::storage::SimulatedDisk;
use rayon::ThreadPool;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

#[path = "random.rs"]
mod random;

pub use random::{Random, scale, seed};

/// Segment size of every campaign container in bytes.
pub const SEGMENT: u64 = 1 << 20;
/// Parity sectors in each segment.
pub const PARITY: u64 = 8;
/// Bytes of a file that become one chunk.
pub const PIECE: usize = 40_000;

/// One worker thread, shared by all tests.
pub fn pool() -> Arc<ThreadPool> {
    static POOL: OnceLock<Arc<ThreadPool>> = OnceLock::new();
    POOL.get_or_init(|| Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool")))
        .clone()
}

/// The prologue of container number `number`.
pub fn prologue(number: u8) -> Prologue {
    Prologue {
        segment_bytes: SEGMENT as usize,
        parity_sectors: PARITY as u16,
        container: ContainerId([number; 16]),
        family: FamilyId([200; 16]),
        read_compatible: 0,
        compatible: 0,
    }
}

/// The keys of container number `number`; all share their secrets, as copies of a file do.
pub fn keyring(number: u8) -> Keyring {
    let secrets = Secrets::generate(&mut SeededEntropy::new(7)).expect("seeded");
    let prologue = prologue(number);
    Keyring::derive(&secrets, prologue.container, prologue.family)
}

/// A key table of sequence `sequence`: opaque at this level, but for that.
pub fn key_frame(sequence: u64) -> KeyFrame {
    let mut table = noise(sequence ^ 0x6b65_7973, 300);
    table[4..12].copy_from_slice(&sequence.to_le_bytes());
    KeyFrame::of(table)
}

/// Options of a commit.
pub fn commit_options() -> CommitOptions {
    CommitOptions {
        max_bytes: None,
        time: Timestamp { seconds: 1_700_000_000, nanoseconds: 0 },
        read_back: false,
    }
}

/// Options of a writing.
pub fn options() -> WritingOptions {
    WritingOptions { commit: commit_options(), level: 1 }
}

/// Incompressible bytes that `seed` determines.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// A new container on an empty disk.
pub fn create_on(disk: &SimulatedDisk) -> Result<ChunkStore> {
    create_numbered(disk, 1)
}

/// A new container number `number` on an empty disk.
pub fn create_numbered(disk: &SimulatedDisk, number: u8) -> Result<ChunkStore> {
    let creation = Creation {
        prologue: prologue(number),
        keys: key_frame(1),
        keyring: keyring(number),
        contents: vec![],
    };
    ChunkStore::open(create(Arc::new(disk.reopen()), creation, "campaign", pool(), commit_options())?)
}

/// Opens the container on `disk`.
pub fn open(disk: &SimulatedDisk, access: Access) -> Result<ChunkStore> {
    let header = Header::read(disk)?;
    let number = header.prologue.container.0[0];
    ChunkStore::open(Container::open(Arc::new(disk.reopen()), header, keyring(number), "campaign", access)?)
}

/// A file whose bytes a seed determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Determines bytes and path.
    pub seed: u64,
    /// Length in bytes.
    pub length: usize,
}

impl File {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        noise(self.seed, self.length)
    }

    /// Its path.
    pub fn path(&self) -> EntryPath {
        EntryPath(format!("attachments/{:020}", self.seed).into_bytes())
    }
}

/// Paths and hashes of a snapshot's files.
pub type Seen = BTreeMap<Vec<u8>, [u8; 32]>;

/// What the container must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Generation of the newest commit.
    pub generation: u64,
    /// The files of every snapshot, oldest first.
    pub snapshots: Vec<Vec<File>>,
}

impl Expected {
    /// What [`observe`] must see.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = |f: &File| (f.path().0, *blake3::hash(&f.bytes()).as_bytes());
        self.snapshots.iter().map(|files| files.iter().map(seen).collect()).collect()
    }
}

fn entry(file: &File, writing: &mut coffer::chunk_store::Writing) -> Result<Entry> {
    let bytes = file.bytes();
    let pieces: Vec<&[u8]> = bytes.chunks(PIECE).collect();
    let mut list = ListWriter::default();
    for chunk in writing.put_batch(ObjectKind::Attachment, &pieces)? {
        list.push(chunk, writing)?;
    }
    let content = Content { size: bytes.len() as u64, holes: vec![], chunks: list.finish(writing)? };
    Ok(Entry { path: file.path(), kind: EntryKind::File(content), metadata: Metadata::default() })
}

/// Writes a manifest of `files` and the record that names it.
pub fn put_snapshot(
    store: &ChunkStore,
    files: &[File],
    writing: &mut coffer::chunk_store::Writing,
) -> Result<SnapshotRecord> {
    let keyring = store.container().base().keyring();
    let mut manifest = ManifestWriter::new(&keyring.cutter_key());
    let mut sorted = files.to_vec();
    sorted.sort();
    for file in &sorted {
        let entry = entry(file, writing)?;
        manifest.push(&entry, writing)?;
    }
    let (manifest, manifest_bytes) = manifest.finish(writing)?;
    let mut record = SnapshotRecord {
        id: SnapshotId::ZERO,
        generation: store.container().state().root.generation + 1,
        time: commit_options().time,
        host: "campaign".into(),
        tags: vec![],
        sources: vec![],
        counts: Counts::default(),
        manifest,
        manifest_bytes,
        origin: None,
    };
    record.seal_id(keyring);
    Ok(record)
}

/// One backup; what the container holds after it is acknowledged.
pub fn backup(
    store: &mut ChunkStore,
    before: &Expected,
    files: &[File],
    options: WritingOptions,
) -> Result<Expected> {
    let mut catalog = Catalog::read(store)?;
    let mut writing = store.begin(pool(), options)?;
    let record = put_snapshot(store, files, &mut writing)?;
    catalog.snapshots.push(record);
    let committed = writing.finish(&catalog.encode(), b"", Settings::default())?;
    store.install(committed);
    let mut after = before.clone();
    after.generation += 1;
    after.snapshots.push(files.to_vec());
    Ok(after)
}

/// A commit that changes nothing but drops the `drop` oldest snapshots from the catalog.
pub fn commit(
    store: &mut ChunkStore,
    before: &Expected,
    drop: usize,
    options: WritingOptions,
) -> Result<Expected> {
    let mut catalog = Catalog::read(store)?;
    let mut after = before.clone();
    let drop = drop.min(catalog.snapshots.len());
    catalog.snapshots.drain(..drop);
    after.snapshots.drain(..drop);
    after.generation += 1;
    let writing = store.begin(pool(), options)?;
    let committed = writing.finish(&catalog.encode(), b"", Settings::default())?;
    store.install(committed);
    Ok(after)
}

/// Reads one snapshot whole.
pub fn read_snapshot(store: &ChunkStore, record: &SnapshotRecord) -> Result<Seen> {
    let mut seen = Seen::new();
    for entry in ManifestReader::new(store, &record.manifest)? {
        let entry = entry?;
        let Some(content) = entry.kind.content() else { continue };
        let mut hasher = blake3::Hasher::new();
        let mut length = 0u64;
        for chunk in ChunkRefs::new(store, &content.chunks)? {
            let bytes = store.get(ObjectKind::Attachment, &chunk?)?;
            length += bytes.len() as u64;
            if length > content.size {
                break;
            }
            hasher.update(&bytes);
        }
        if length != content.size {
            return Err(Error::damaged(format!("{}: not as long as stated", entry.path)));
        }
        seen.insert(entry.path.0.clone(), *hasher.finalize().as_bytes());
    }
    Ok(seen)
}

/// Reads every snapshot whole.
pub fn observe(store: &ChunkStore) -> Result<Vec<Seen>> {
    Catalog::read(store)?.snapshots.iter().map(|record| read_snapshot(store, record)).collect()
}

/// Demands that `store` holds exactly one of `allowed`, and returns which.
pub fn must_be<'a>(store: &ChunkStore, allowed: &[&'a Expected], place: &str) -> &'a Expected {
    let generation = store.container().state().root.generation;
    let found = allowed.iter().find(|e| e.generation == generation);
    let Some(found) = found else {
        let wanted: Vec<u64> = allowed.iter().map(|e| e.generation).collect();
        panic!(
            "{place}: generation {generation} instead of {wanted:?}; notes {:?}",
            store.container().notes()
        );
    };
    let seen = observe(store).unwrap_or_else(|e| panic!("{place}: generation {generation}: {}", chain(&e)));
    assert!(seen == found.seen(), "{place}: generation {generation} reads back other bytes");
    found
}

/// Demands that every live segment is whole and opens whole.
pub fn segments_whole(store: &ChunkStore, place: &str) {
    for slot in store.live_slots() {
        let report = store.check_segment(slot).unwrap_or_else(|e| panic!("{place}: slot {slot}: {e}"));
        let whole = report.faults.is_empty() && report.lost_objects.is_empty() && !report.directory_lost;
        assert!(whole && report.health == coffer::container::segment::Health::Whole, "{place}: {report:?}");
    }
}

/// An error with its causes.
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// The kind of a result that must be an error.
pub fn kind_of<T>(result: Result<T>, place: &str) -> Kind {
    match result {
        Ok(_) => panic!("{place}: succeeded"),
        Err(error) => error.kind(),
    }
}
