//! Containers with valid keys whose plaintext lies: builders that seal anything into any place, and
//! the worst cases by name. A reader answers each with an error, soon, and in bounded memory.

use crate::targets::{look_at_disk, raw_open};
use crate::world::*;
use coffer::chunk_store::{ChunkStore, Settings};
use coffer::codec::encode;
use coffer::container::Access;
use coffer::container::checksums::write_tables;
use coffer::container::header::Header;
use coffer::container::layout::SegmentHeader;
use coffer::container::parity::write_parity;
use coffer::container::root::{CommitRoot, Location, PartRef, StreamRef};
use coffer::container::segment::{Placed, Plan, assemble, open_directory};
use coffer::container::superblock::{RootPointer, Superblock};
use coffer::crypto::{Credential, KdfCost, KeyTable, NewSlot, ObjectKind, Place, Secrets, SeededEntropy};
use coffer::entry::ChunkRef;
use coffer::ids::{ChunkId, ContainerId, SegmentId};
use coffer::storage::{SimulatedDisk, Storage};
use std::sync::OnceLock;

fn base() -> &'static (Vec<u8>, Expected, CommitRoot, Vec<u8>) {
    static BASE: OnceLock<(Vec<u8>, Expected, CommitRoot, Vec<u8>)> = OnceLock::new();
    BASE.get_or_init(|| {
        let disk = SimulatedDisk::new();
        let mut store = create_on(&disk).expect("create");
        let files = [1, 2, 3].map(|seed| File { seed, length: 50_000 });
        let state = Expected { generation: 1, snapshots: vec![] };
        let state = backup(&mut store, &state, &files, options()).expect("backup");
        let list = coffer::snapshot::Catalog::read(&store).expect("catalog").snapshots[0].manifest.clone();
        let manifest = list.chunks.iter().flat_map(|c| store.get(ObjectKind::Manifest, c).expect("chunk"));
        let manifest = manifest.collect();
        let root = store.container().state().root.clone();
        drop(store);
        (disk.bytes(), state, root, manifest)
    })
}

/// A small sound container.
pub fn base_image() -> &'static [u8] {
    &base().0
}

/// What it holds.
pub fn base_state() -> &'static Expected {
    &base().1
}

/// Its root.
pub fn base_root() -> CommitRoot {
    base().2.clone()
}

/// The stream of its manifest.
pub fn base_manifest() -> Vec<u8> {
    base().3.clone()
}

/// An encoded key table with a clear slot.
pub fn key_table_bytes() -> Vec<u8> {
    let mut entropy = SeededEntropy::new(1);
    let secrets = Secrets::generate(&mut entropy).expect("seeded");
    let slot = NewSlot {
        credential: None::<Credential>,
        label: "x".into(),
        cost: KdfCost::TEST,
        created: commit_options().time,
    };
    KeyTable::create(&secrets, ContainerId([1; 16]), &slot, &mut entropy).expect("table").encode()
}

/// The base container whose newest root is `payload`, at generation `generation`, in a segment of
/// its own at the end; both superblock slots say so.
pub fn with_root(payload: &[u8], generation: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::from_bytes(base_image().to_vec());
    let header = Header::read(&disk).expect("header");
    let (g, keys) = (header.geometry, keyring(1));
    let slot = g.slots_in(base_image().len() as u64);
    let offset = g.objects().start as u32;
    let hash = keys.root_hash(payload);
    let id =
        SegmentHeader { epoch: keys.epoch(), container: ContainerId([1; 16]), id: SegmentId([0xaa; 16]) };
    let object = |offset| Placed {
        kind: Some(ObjectKind::CommitRoot),
        offset,
        content: hash.0,
        payload: payload.to_vec(),
    };
    let length = object(0).sealed_length() as u32;
    if length as usize > g.objects().len() / 2 {
        return disk;
    }
    let plan =
        Plan { header: id, generation, objects: vec![object(offset)], directory_offset: offset + length };
    let segment = assemble(&g, &keys, plan);
    disk.write_at(g.slot_offset(slot), &segment.bytes).expect("written");
    let pointer = RootPointer { copies: [Location { slot, offset }; 2], length, hash };
    for generation in [generation, generation ^ 1] {
        let block = Superblock {
            container: ContainerId([1; 16]),
            generation,
            epoch: keys.epoch(),
            slot_count: slot + 1,
            slot_map: base_root().slot_map,
            closing: vec![(slot, segment.table_hash)],
        };
        Header::write_superblock(&disk, generation, &block.encode(&pointer, &keys).expect("fits"))
            .expect("written");
    }
    disk
}

/// The base container with other contents in a sound root.
pub fn with_contents(contents: &[u8]) -> SimulatedDisk {
    let root = CommitRoot { generation: 9, contents: contents.to_vec(), ..base_root() };
    with_root(&encode(&root), 9)
}

/// The base container after a commit whose closing segment has another directory and trailer.
pub fn with_segment(change: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) -> SimulatedDisk {
    let disk = SimulatedDisk::from_bytes(base_image().to_vec());
    let store = open(&disk, Access::Read).expect("opens");
    let slot = store.container().state().pointer.copies[0].slot;
    let (g, keys) = (store.container().base().geometry, keyring(1));
    drop(store);
    let start = g.slot_offset(slot) as usize;
    let mut bytes = base_image()[start..start + SEGMENT as usize].to_vec();
    let header = SegmentHeader::decode(&bytes).expect("header");
    let (trailer, entries) = open_directory(&g, &keys, &header, &bytes).expect("directory");
    let (mut directory, plain_directory_bytes) = (encode(&entries), trailer.directory_length as usize - 28);
    let mut plain_trailer = Vec::new();
    for field in
        [trailer.directory_offset, trailer.directory_length, trailer.root_offset, trailer.root_length]
    {
        plain_trailer.extend(field.to_le_bytes());
    }
    plain_trailer.extend(trailer.generation.to_le_bytes());
    change(&mut directory, &mut plain_trailer);
    directory.resize(plain_directory_bytes, 0);
    plain_trailer.resize(24, 0);
    let mut seal = |kind, offset: usize, plain: &[u8]| {
        let range = offset..offset + plain.len() + 28;
        let target = &mut bytes[range];
        target[12..12 + plain.len()].copy_from_slice(plain);
        let place = Place { kind, epoch: header.epoch, segment: header.id, offset: offset as u32 };
        keys.seal(&place, &keys.content_hash(kind, plain), target);
    };
    seal(ObjectKind::Directory, trailer.directory_offset as usize, &directory);
    seal(ObjectKind::Trailer, g.trailer().start, &plain_trailer);
    write_parity(&g, &mut bytes);
    write_tables(&g, &header, &mut bytes);
    disk.write_at(start as u64, &bytes).expect("written");
    // The index is lost as well, so that the directories are asked.
    disk
}

/// The base container after a commit whose index is one run of the given page and filter.
pub fn with_index(page: &[u8], filter: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> SimulatedDisk {
    with_runs(page, filter, change, 2, 1)
}

fn with_runs(
    page: &[u8],
    filter: &[u8],
    change: impl FnOnce(&mut Vec<u8>),
    count: u64,
    runs: usize,
) -> SimulatedDisk {
    let disk = SimulatedDisk::from_bytes(base_image().to_vec());
    let container = raw_open(&disk).expect("opens");
    let packers = coffer::chunk_store::Packers::default();
    let mut commit = container.begin(pool(), commit_options()).expect("begin");
    commit.close_chunks(10_000).expect("closed");
    let mut put = |kind, bytes: &[u8]| -> PartRef {
        let payload = packers.pack(3, bytes).expect("packed");
        commit.put_part(kind, payload).expect("put")
    };
    let stream = |part: PartRef, bytes: &[u8]| StreamRef { bytes: bytes.len() as u64, parts: vec![part] };
    let part = put(ObjectKind::IndexPage, page);
    let mut fence = encode(&vec![(ChunkId([0; 32]), part); 2]);
    change(&mut fence);
    let fence_ref = stream(put(ObjectKind::IndexFence, &fence), &fence);
    let filter_ref = stream(put(ObjectKind::IndexFilter, filter), filter);
    let run = (count, fence_ref, filter_ref);
    let contents = (vec![run; runs], StreamRef::default(), StreamRef::default(), Settings::default());
    commit.finish(encode(&contents), std::iter::empty()).expect("committed");
    disk
}

/// Puts chunks of any kind and bytes into the store.
pub fn put_raw(store: &mut ChunkStore, kind: ObjectKind, pieces: &[&[u8]]) -> Vec<ChunkRef> {
    let mut writing = store.begin(pool(), options()).expect("begin");
    let refs = writing.put_batch(kind, pieces).expect("put");
    let committed = writing.finish(b"", b"", Default::default()).expect("committed");
    store.install(committed);
    refs
}

/// Runs a case and demands that it ends soon.
fn soon(name: &str, case: impl FnOnce()) {
    let began = std::time::Instant::now();
    case();
    assert!(began.elapsed().as_secs() < 30, "{name}: took {:?}", began.elapsed());
}

fn root_case(name: &str, change: impl FnOnce(&mut CommitRoot)) {
    soon(name, || {
        let mut root = CommitRoot { generation: 8, ..base_root() };
        change(&mut root);
        let generation = root.generation;
        look_at_disk(&with_root(&encode(&root), generation));
    });
}

#[test]
fn the_builders_build_what_opens() {
    let disk = with_root(&encode(&CommitRoot { generation: 8, ..base_root() }), 8);
    let store = open(&disk, Access::Read).expect("opens");
    assert_eq!(observe(&store).expect("read"), base_state().seen());
    let disk = with_segment(|_, _| {});
    assert_eq!(observe(&open(&disk, Access::Read).expect("opens")).expect("read"), base_state().seen());
    let disk = with_index(&[1; 48], &[0xff; 32], |_| {});
    assert!(open(&disk, Access::Read).expect("opens").locate(&ChunkId([1; 32])).is_ok());
}

#[test]
fn roots_that_lie() {
    root_case("last generation", |r| r.generation = u64::MAX);
    root_case("last but one", |r| r.generation = u64::MAX - 1);
    root_case("generation 0", |r| r.generation = 0);
    root_case("closing", |r| r.closing = [9; 32]);
    root_case("no slots", |r| r.slot_count = 0);
    let part = base_root().segment_table.parts[0];
    for slots in [u32::MAX, 1_500_000, 1_400_000] {
        root_case("many slots, one part over and over", |r| {
            r.slot_count = slots;
            let bytes = u64::from(slots) * 49;
            let parts = (bytes / (240 << 10) + 1).min(8000) as usize;
            r.segment_table = StreamRef { bytes, parts: vec![part; parts] };
        });
    }
    root_case("a table elsewhere", |r| {
        r.segment_table.parts[0].copies = [Location { slot: 1, offset: u32::MAX }; 2]
    });
    root_case("the root as its own table", |r| r.segment_table.parts[0].length = 60);
    root_case("slot maps everywhere", |r| {
        r.slot_map = vec![[Location { slot: u32::MAX, offset: 0 }; 2]; 1000]
    });
    root_case("key sequence", |r| r.key_table_sequence = u64::MAX);
}

#[test]
fn tables_that_lie() {
    use coffer::container::layout::HEADER_BYTES;
    use coffer::container::root::{SegmentRecord, encode_table};
    // A commit through the front door whose table says what it likes.
    let original = base_root();
    let disk = SimulatedDisk::from_bytes(base_image().to_vec());
    let table = open(&disk, Access::Read).expect("opens").container().state().table.clone();
    let mutations: [fn(&mut SegmentRecord); 7] = [
        |r| r.live = false,
        |r| r.live = true,
        |r| r.generation = u64::MAX,
        |r| r.chunk_count = u32::MAX,
        |r| r.epoch = u32::MAX,
        |r| r.id = SegmentId([1; 16]),
        |r| r.directory_tag = [9; 16],
    ];
    for (number, mutate) in mutations.iter().enumerate() {
        let mut table = table.clone();
        table.iter_mut().for_each(mutate);
        let bytes = encode_table(&table);
        let disk = SimulatedDisk::from_bytes(base_image().to_vec());
        let container = raw_open(&disk).expect("opens");
        let mut commit = container.begin(pool(), commit_options()).expect("begin");
        commit.close_chunks(10_000).expect("closed");
        let stream = commit.put_stream(ObjectKind::SegmentTable, &bytes).expect("put");
        commit.finish(vec![], std::iter::empty()).expect("committed");
        drop(container);
        let image = disk.bytes();
        let root = CommitRoot { generation: 8, segment_table: stream, ..original.clone() };
        let payload = encode(&root);
        let lying = with_root(&payload, 8);
        // The table's parts lie in segments of the commit above.
        for slot in 1..(image.len() as u64 - HEADER_BYTES) / SEGMENT {
            let at = HEADER_BYTES + slot * SEGMENT;
            if at + SEGMENT <= base_image().len() as u64 {
                lying.write_at(at, &image[at as usize..(at + SEGMENT) as usize]).expect("written");
            }
        }
        soon(&format!("table {number}"), || look_at_disk(&lying));
    }
}

#[test]
fn contents_and_indexes_that_lie() {
    let stream = |bytes, parts| StreamRef { bytes, parts };
    let part = base_root().segment_table.parts[0];
    let none = StreamRef::default();
    for (name, contents) in [
        (
            "huge counts",
            encode(&(
                vec![(u64::MAX, none.clone(), none.clone()); 9],
                none.clone(),
                none.clone(),
                Settings::default(),
            )),
        ),
        (
            "huge streams",
            encode(&(
                Vec::<(u64, StreamRef, StreamRef)>::new(),
                stream(u64::MAX, vec![part; 500]),
                stream(u64::MAX, vec![]),
                Settings { max_bytes: Some(0), retention: None },
            )),
        ),
        (
            "many runs",
            encode(&(
                vec![(0u64, none.clone(), none.clone()); 5000],
                none.clone(),
                none.clone(),
                Settings::default(),
            )),
        ),
        ("no length", vec![0xff; 40]),
        ("one byte", vec![1]),
    ] {
        soon(name, || look_at_disk(&with_contents(&contents)));
    }
    for (count, runs) in [(u64::MAX, 2), (1 << 40, 1), (1 << 20, 8), (0, 3)] {
        soon("run counts", || look_at_disk(&with_runs(&[7; 96], &[0xff; 32], |_| {}, count, runs)));
    }
    soon("odd filter", || look_at_disk(&with_index(&[7; 96], &[1; 33], |_| {})));
    soon("odd page", || look_at_disk(&with_index(&[7; 97], &[1; 32], |_| {})));
    soon("no page", || look_at_disk(&with_index(&[], &[1; 32], |_| {})));
    soon("fence of nothing", || look_at_disk(&with_index(&[7; 96], &[1; 32], |fence| fence.truncate(8))));
    soon("falling fence", || {
        look_at_disk(&with_index(&[7; 96], &[0xff; 32], |fence| fence[8] = 0xff));
    });
}

#[test]
fn lists_that_never_end() {
    let disk = SimulatedDisk::from_bytes(base_image().to_vec());
    let mut store = open(&disk, Access::Write).expect("opens");
    for leaf in [&b""[..], b"x"] {
        let mut refs = put_raw(&mut store, ObjectKind::Manifest, &[leaf]);
        for _ in 0..5 {
            let list = encode(&refs[0]).repeat(20_000);
            refs = put_raw(&mut store, ObjectKind::List, &[&list]);
        }
        let list = coffer::entry::ChunkList { depth: 5, chunks: refs };
        soon("a manifest of 20000^5 chunks", || {
            let reader = coffer::snapshot::ManifestReader::new(&store, &list).expect("starts");
            assert!(reader.last().is_some_and(|entry| entry.is_err()), "it ends with an error");
        });
        soon("a file of 20000^5 chunks", || {
            let refs = coffer::snapshot::ChunkRefs::of_length(&store, &list, 1000).expect("starts");
            assert!(refs.last().is_some_and(|chunk| chunk.is_err()), "it ends with an error");
        });
    }
}
