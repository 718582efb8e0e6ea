//! The golden container of format version 1: made through the public API from fixed entropy and
//! times, it must restore for ever, and this release must make the same bytes again.

mod live;

use crate::{compare, specification};
use coffer::chunk_store::{ChunkStore, Settings, Writing, WritingOptions};
use coffer::chunking::{Cutter, Sizes};
use coffer::clock::Timestamp;
use coffer::container::commit::CommitOptions;
use coffer::container::create::{Creation, create};
use coffer::container::header::{Header, KeyFrame};
use coffer::container::layout::Prologue;
use coffer::container::{Access, Container};
use coffer::crypto::{
    Credential, Entropy, KdfCost, KeyTable, Keyring, NewSlot, ObjectKind, Secrets, SeededEntropy,
};
use coffer::entry::{Attribute, Content, Entry, EntryKind, EntryPath, Extent, Metadata};
use coffer::error::Result;
use coffer::ids::{ContainerId, FamilyId, SnapshotId};
use coffer::snapshot::{
    Catalog, ChunkRefs, Counts, Ledger, LedgerEntry, Level, ListWriter, ManifestReader, ManifestWriter,
    SnapshotRecord, SourceKind, SourceRecord,
};
use coffer::storage::{SimulatedDisk, Storage};
use rayon::ThreadPool;
use std::fmt::Write;
use std::sync::Arc;

/// The password of the golden container.
pub const PASSWORD: &str = "golden password";
/// The content of its key file.
pub const KEY_FILE: [u8; 32] = [0x4b; 32];

fn pool() -> Arc<ThreadPool> {
    Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("pool"))
}

fn time(day: i64) -> Timestamp {
    Timestamp { seconds: 1_767_222_000 + day * 86_400, nanoseconds: 7 }
}

fn options(day: i64) -> WritingOptions {
    WritingOptions {
        commit: CommitOptions { max_bytes: Some(64 << 20), time: time(day), read_back: true },
        level: 3,
    }
}

/// What opens the container by password.
pub fn password(text: &str) -> Credential {
    Credential::Password(text.as_bytes().to_vec().into())
}

/// What opens it by key file.
pub fn key_file() -> Credential {
    Credential::KeyFile(KEY_FILE.into())
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn dump(rows: u32) -> Vec<u8> {
    let row = |n: u32| {
        let hash = blake3::hash(&n.to_le_bytes());
        format!("INSERT INTO patient VALUES ({n},'Invented Name {}','{}');\n", n % 97, hash.to_hex())
    };
    (0..rows).map(row).collect::<String>().into_bytes()
}

/// Samples of 16 bits that change slowly, as a picture's do.
fn picture(seed: u64, length: usize) -> Vec<u8> {
    let mut value = 2000i32;
    let step = |byte: &u8| {
        value += i32::from(*byte % 9) - 4;
        (value as u16).to_le_bytes()
    };
    noise(seed, length / 2).iter().flat_map(step).collect()
}

/// One thing to be backed up: an entry without its chunks, and the bytes to cut.
struct Source {
    path: &'static [u8],
    kind: EntryKind,
    bytes: Vec<u8>,
    attributes: Vec<Attribute>,
}

fn source(path: &'static [u8], kind: EntryKind, bytes: Vec<u8>) -> Source {
    Source { path, kind, bytes, attributes: Vec::new() }
}

fn plain(path: &'static [u8], bytes: Vec<u8>) -> Source {
    let content = Content { size: bytes.len() as u64, ..Content::default() };
    let kind =
        if path.starts_with(b"database/") { EntryKind::Dump(content) } else { EntryKind::File(content) };
    source(path, kind, bytes)
}

/// The sources of snapshot `number`, in path order.
fn sources(number: u32) -> Vec<Source> {
    let hole = |offset, length| Extent { offset, length };
    let sparse = Content {
        size: 1_000_000,
        holes: vec![hole(0, 65_536), hole(81_920, 900_000)],
        ..Content::default()
    };
    let comment = Attribute { name: b"user.comment".to_vec(), value: b"left \xff upper".to_vec() };
    let mut all = vec![
        source(b"attachments/xray", EntryKind::Folder, vec![]),
        plain(b"attachments/xray/empty", vec![]),
        plain(b"attachments/xray/image.dcm", picture(1, 600_000)),
        source(b"attachments/xray/link", EntryKind::SymbolicLink(b"../elsewhere".to_vec()), vec![]),
        plain(b"attachments/xray/name \xfc.txt", b"a name that is not UTF-8\n".to_vec()),
        Source {
            attributes: vec![comment],
            ..plain(b"attachments/xray/notes.txt", b"crown, 2 visits\n".to_vec())
        },
        source(b"attachments/xray/pipe", EntryKind::Pipe, vec![]),
        plain(b"attachments/xray/scan.jpg", noise(2, 900_000)),
        source(
            b"attachments/xray/second name",
            EntryKind::HardLink(EntryPath(b"attachments/xray/scan.jpg".to_vec())),
            vec![],
        ),
        source(b"attachments/xray/sparse.img", EntryKind::File(sparse), noise(3, 34_464)),
    ];
    match number {
        1 => all.insert(8, plain(b"attachments/xray/scan.old", noise(4, 200_000))),
        _ => all.insert(3, plain(b"attachments/xray/ledger.csv", lines())),
    }
    all.push(plain(b"database/praxis.sql", dump(3000 + 20 * number)));
    all
}

/// A file of many short lines; each becomes a chunk, so that its list has a depth of 1.
fn lines() -> Vec<u8> {
    (0..1500)
        .map(|n| format!("{n};paid;{}\n", blake3::hash(&[n as u8, 9]).to_hex()))
        .collect::<String>()
        .into_bytes()
}

/// Cuts as a backup does, but for the file of lines.
fn pieces<'a>(path: &[u8], bytes: &'a [u8], key: &[u8; 32]) -> Vec<&'a [u8]> {
    if path.ends_with(b".csv") {
        return bytes.split_inclusive(|&b| b == b'\n').collect();
    }
    let sizes = if path.starts_with(b"database/") { Sizes::DUMP } else { Sizes::ATTACHMENT };
    let cutter = Cutter::new(key, sizes);
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(length) = cutter.cut(&bytes[at..], true) {
        pieces.push(&bytes[at..at + length]);
        at += length;
    }
    pieces
}

fn put_source(source: Source, key: &[u8; 32], writing: &mut Writing) -> Result<Entry> {
    let mut list = ListWriter::default();
    let kind = match source.path.starts_with(b"database/") {
        true => ObjectKind::Database,
        false => ObjectKind::Attachment,
    };
    for chunk in writing.put_batch(kind, &pieces(source.path, &source.bytes, key))? {
        list.push(chunk, writing)?;
    }
    let chunks = list.finish(writing)?;
    let filled = |content: Content| Content { chunks: chunks.clone(), ..content };
    let (kind, is_dump) = match source.kind {
        EntryKind::Dump(content) => (EntryKind::Dump(filled(content)), true),
        EntryKind::File(content) => (EntryKind::File(filled(content)), false),
        other => (other, false),
    };
    let metadata = Metadata {
        mode: 0o640,
        uid: 1000,
        gid: 100,
        modified: time(-3),
        changed: time(-2),
        inode: source.path.len() as u64,
        attributes: source.attributes,
    };
    let metadata = if is_dump { Metadata::default() } else { metadata };
    Ok(Entry { path: EntryPath(source.path.to_vec()), kind, metadata })
}

fn backup(store: &mut ChunkStore, number: u32) -> Result<()> {
    let day = i64::from(number);
    let keyring = store.container().base().keyring();
    let key = keyring.cutter_key();
    let mut catalog = Catalog::read(store)?;
    let mut ledger = Ledger::read(store)?;
    let mut writing = store.begin(pool(), options(day))?;
    let mut manifest = ManifestWriter::new(&key);
    let mut counts = Counts::default();
    let mut live = match number {
        1 => Vec::new(),
        _ => live::entries(&key, &mut writing)?,
    };
    for source in sources(number) {
        if source.path.starts_with(b"database/") {
            for entry in live.drain(..) {
                manifest.push(&entry, &mut writing)?;
            }
        }
        counts.files += u64::from(matches!(source.kind, EntryKind::File(_)));
        let entry = put_source(source, &key, &mut writing)?;
        manifest.push(&entry, &mut writing)?;
    }
    let (manifest, manifest_bytes) = manifest.finish(&mut writing)?;
    let record =
        |kind, name: &str, origin: &str| SourceRecord { kind, name: name.into(), origin: origin.into() };
    let mut snapshot = SnapshotRecord {
        id: SnapshotId::ZERO,
        generation: store.container().state().root.generation + 1,
        time: time(day),
        host: "praxis".into(),
        tags: vec!["golden".into()],
        sources: vec![
            record(SourceKind::DumpFile, "praxis.sql", "/srv/dump/praxis.sql"),
            record(SourceKind::Attachments, "xray", "/srv/xray"),
        ],
        counts,
        manifest,
        manifest_bytes,
        origin: None,
    };
    snapshot.seal_id(keyring);
    catalog.snapshots.push(snapshot);
    ledger.add(LedgerEntry { time: time(day), level: Level::Full, generation: 1, segments: 3, damaged: 0 });
    let settings = Settings { max_bytes: Some(64 << 20), retention: None };
    let committed = writing.finish(&catalog.encode(), &ledger.encode(), settings)?;
    store.install(committed);
    Ok(())
}

fn new_container(disk: &SimulatedDisk) -> Result<Container> {
    let mut entropy = SeededEntropy::new(2026);
    let (mut container, mut family) = (ContainerId::ZERO, FamilyId::ZERO);
    entropy.fill(&mut container.0)?;
    entropy.fill(&mut family.0)?;
    let secrets = Secrets::generate(&mut entropy)?;
    let slot = |credential, label: &str| NewSlot {
        credential: Some(credential),
        label: label.into(),
        cost: KdfCost { memory_kib: 64, passes: 1, lanes: 2 },
        created: time(0),
    };
    let mut keys = KeyTable::create(&secrets, container, &slot(password(PASSWORD), "office"), &mut entropy)?;
    keys.add(&secrets, container, &slot(key_file(), "nightly"), &mut entropy)?;
    let creation = Creation {
        prologue: Prologue {
            segment_bytes: 1 << 20,
            parity_sectors: 8,
            container,
            family,
            read_compatible: 0,
            compatible: 0,
        },
        keys: KeyFrame::of(keys.encode()),
        keyring: Keyring::derive(&secrets, container, family),
        contents: vec![],
    };
    create(Arc::new(disk.clone()), creation, "golden", pool(), options(0).commit)
}

/// Makes the golden container anew.
fn made() -> Vec<u8> {
    let disk = SimulatedDisk::new();
    let mut store = ChunkStore::open(new_container(&disk).expect("created")).expect("store");
    backup(&mut store, 1).expect("first snapshot");
    backup(&mut store, 2).expect("second snapshot");
    drop(store);
    disk.bytes()
}

/// The golden container as stored.
pub fn stored() -> Vec<u8> {
    let path = specification().join("vectors/golden-v1.coffer.zst");
    let packed = std::fs::read(path).expect("golden-v1.coffer.zst");
    zstd::bulk::decompress(&packed, 256 << 20).expect("unpacked")
}

/// Opens a container's bytes with a credential.
pub fn open(disk: &SimulatedDisk, credential: &Credential) -> Result<ChunkStore> {
    let header = Header::read(disk)?;
    let container = header.prologue.container;
    let (secrets, _) =
        KeyTable::decode(&header.keys.table)?.unlock(container, std::slice::from_ref(credential))?;
    let keyring = Keyring::derive(&secrets, container, header.prologue.family);
    let storage: Arc<dyn Storage> = Arc::new(disk.reopen());
    ChunkStore::open(Container::open(storage, header, keyring, "golden", Access::Read)?)
}

/// One line for each entry of snapshot `number`; for those that cannot be read, the path alone.
pub fn restored(
    store: &ChunkStore,
    number: usize,
    snapshot: &SnapshotRecord,
) -> Vec<(String, Option<String>)> {
    let reader = match ManifestReader::new(store, &snapshot.manifest) {
        Ok(reader) => reader,
        Err(_) => return vec![(format!("{number} all"), None)],
    };
    let line = |entry: Result<Entry>| match entry {
        Ok(entry) => {
            let described = describe(store, &entry).ok();
            (format!("{number} {}", entry.path), described)
        }
        Err(_) => (format!("{number} rest"), None),
    };
    reader.map(line).collect()
}

fn describe(store: &ChunkStore, entry: &Entry) -> Result<String> {
    let live = live::describe(store, &entry.kind)?;
    if !live.is_empty() {
        return Ok(live);
    }
    let mut line = entry.kind.word().to_owned();
    match &entry.kind {
        EntryKind::SymbolicLink(target) => write!(line, " -> {}", String::from_utf8_lossy(target)),
        EntryKind::HardLink(path) => write!(line, " = {path}"),
        _ => Ok(()),
    }
    .expect("text");
    if let Some(content) = entry.kind.content() {
        let bytes = bytes_of(store, &entry.kind, content)?;
        write!(line, " {} {}", bytes.len(), blake3::hash(&bytes).to_hex()).expect("text");
    }
    let m = &entry.metadata;
    write!(line, " {:o} {}:{} {}", m.mode, m.uid, m.gid, m.modified.seconds).expect("text");
    for attribute in &m.attributes {
        let value: String = attribute.value.iter().map(|b| format!("{b:02x}")).collect();
        write!(line, " {}={value}", String::from_utf8_lossy(&attribute.name)).expect("text");
    }
    Ok(line)
}

/// The whole file, holes as zeros.
fn bytes_of(store: &ChunkStore, kind: &EntryKind, content: &Content) -> Result<Vec<u8>> {
    let object = match kind {
        EntryKind::Dump(_) => ObjectKind::Database,
        _ => ObjectKind::Attachment,
    };
    let mut data = Vec::new();
    for chunk in ChunkRefs::new(store, &content.chunks)? {
        data.extend(store.get(object, &chunk?)?);
    }
    let mut out = Vec::new();
    let mut rest = data.as_slice();
    for hole in &content.holes {
        let (before, after) = rest.split_at(hole.offset as usize - out.len());
        out.extend_from_slice(before);
        out.resize(out.len() + hole.length as usize, 0);
        rest = after;
    }
    out.extend_from_slice(rest);
    assert_eq!(out.len() as u64, content.size, "length");
    Ok(out)
}

fn listing(store: &ChunkStore) -> String {
    let mut out = String::from(
        "# What golden-v1.coffer restores to: snapshot, path, kind, target or length and BLAKE3, mode,\n\
         # owner, seconds of last change, attributes. Password: golden password. Key file: 4b × 32.\n\
         # Server: vendor, version, consistency. Database: name, collation. View: name, BLAKE3 of its statement.\n\
         # Table: rows; checksum as stored (16 bytes); BLAKE3 of all cells, row by row, each as its length + 1\n\
         # (8 bytes, little-endian; 0: NULL) and its bytes.\n",
    );
    let root = &store.container().state().root;
    writeln!(out, "generation {}", root.generation).expect("text");
    for (index, snapshot) in Catalog::read(store).expect("catalog").snapshots.iter().enumerate() {
        writeln!(out, "\nsnapshot {} {} {}", index + 1, snapshot.id, snapshot.time.seconds).expect("text");
        for (path, line) in restored(store, index + 1, snapshot) {
            writeln!(out, "{path}: {}", line.expect(&path)).expect("text");
        }
    }
    out
}

#[test]
fn the_golden_container_restores_for_ever() {
    let path = specification().join("vectors/golden-v1.coffer.zst");
    if !path.exists() && std::env::var_os("COFFER_WRITE_VECTORS").is_some() {
        std::fs::write(&path, zstd::bulk::compress(&made(), 19).expect("packed")).expect("written");
    }
    let disk = SimulatedDisk::from_bytes(stored());
    for credential in [password(PASSWORD), key_file()] {
        let store = open(&disk, &credential).expect("opens");
        assert!(store.container().notes().is_empty(), "{:?}", store.container().notes());
        compare("golden-v1.txt", listing(&store).as_bytes());
        for slot in store.live_slots() {
            let report = store.check_segment(slot).expect("checked");
            assert!(report.faults.is_empty() && report.lost_objects.is_empty() && !report.directory_lost);
        }
    }
}

/// Goes with a release: another compressor or packing order may give other, equally good bytes.
#[test]
fn this_release_makes_the_golden_container_again() {
    let (made, stored) = (made(), stored());
    assert_eq!(made.len(), stored.len());
    let first = made.iter().zip(&stored).position(|(a, b)| a != b);
    assert_eq!(first, None, "first byte that differs");
}
