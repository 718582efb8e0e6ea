//! The store against the simulated disk: what is put comes back, once, after many commits.

use super::*;
use crate::container::tests::{OPTIONS, new_container, open, pool};
use crate::container::{Access, layout};
use crate::storage::SimulatedDisk;

fn options() -> WritingOptions {
    WritingOptions { commit: OPTIONS, level: 3 }
}

fn plain(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn put(
    store: &mut ChunkStore,
    kind: ObjectKind,
    seeds: std::ops::Range<u64>,
    length: usize,
) -> Vec<ChunkRef> {
    let mut writing = store.begin(pool(), options()).expect("begin");
    let chunks: Vec<Vec<u8>> = seeds.map(|s| plain(s, length)).collect();
    let refs = writing.put_batch(kind, &chunks.iter().map(Vec::as_slice).collect::<Vec<_>>()).expect("put");
    let committed = writing.finish(b"catalog", b"", Settings::default()).expect("finish");
    store.install(committed);
    refs
}

#[test]
fn chunks_survive_many_commits_and_merges() {
    let disk = SimulatedDisk::new();
    let mut store = ChunkStore::open(new_container(&disk)).expect("store");
    let mut all = Vec::new();
    for night in 0..40 {
        let kind = if night % 2 == 0 { ObjectKind::Database } else { ObjectKind::Manifest };
        let refs = put(&mut store, kind, night * 50..night * 50 + 60 - night, 700);
        all.extend(refs.into_iter().map(|r| (kind, r)));
        assert!(store.contents().runs.len() <= 8);
    }
    drop(store);
    let store = ChunkStore::open(open(&disk, Access::Read).expect("open")).expect("store");
    for (kind, chunk) in &all {
        let bytes = store.get(*kind, chunk).expect("get");
        assert_eq!(bytes.len(), 700);
        let copies = if *kind == ObjectKind::Manifest { 2 } else { 1 };
        assert_eq!(store.locate(&chunk.id).expect("locate").len(), copies, "stored once, manifests twice");
    }
    assert_eq!(
        store.read_stream(ObjectKind::Catalog, &store.contents().catalog, 100).expect("catalog"),
        b"catalog"
    );
    assert!(store.locate(&ChunkId([9; 32])).expect("locate").is_empty());
}

#[test]
fn kinds_do_not_mix() {
    let disk = SimulatedDisk::new();
    let mut store = ChunkStore::open(new_container(&disk)).expect("store");
    let chunk = put(&mut store, ObjectKind::Database, 0..1, 5000)[0];
    assert!(store.get(ObjectKind::Database, &chunk).is_ok());
    assert!(store.get(ObjectKind::Attachment, &chunk).is_err());
}

#[test]
fn whole_segments_check_and_lost_chunks_are_named() {
    let disk = SimulatedDisk::new();
    let mut store = ChunkStore::open(new_container(&disk)).expect("store");
    let refs = put(&mut store, ObjectKind::Database, 0..20, 200_000);
    let whole: u64 =
        store.live_slots().iter().map(|s| store.check_segment(*s).expect("check").chunk_count).sum();
    assert_eq!(whole, 20);
    let entry = store.locate(&refs[3].id).expect("locate")[0];
    let g = store.container().base().geometry;
    // More bad sectors than parity can mend, all within this chunk.
    let start =
        (g.slot_offset(entry.location.slot) + u64::from(entry.location.offset)).next_multiple_of(4096);
    disk.corrupt(start, 12 * 4096, |b| b.iter_mut().for_each(|b| *b ^= 1));
    assert!(store.get(ObjectKind::Database, &refs[3]).is_err());
    let report = store.check_segment(entry.location.slot).expect("check");
    assert_eq!(report.faults.iter().map(|f| f.id).collect::<Vec<_>>(), [refs[3].id]);
    assert!(store.get(ObjectKind::Database, &refs[4]).is_ok());
}

#[test]
fn a_lost_index_is_answered_by_the_directories() {
    let disk = SimulatedDisk::new();
    let mut store = ChunkStore::open(new_container(&disk)).expect("store");
    let refs = put(&mut store, ObjectKind::Database, 0..20, 3000);
    let fence = store.index.fence(&store, 0).expect("fence").to_vec();
    for location in fence[0].part.copies {
        let at = store.container().base().geometry.slot_offset(location.slot) + u64::from(location.offset);
        // Beyond parity: spoil the tables too.
        disk.corrupt(at, 64, |b| b.fill(0));
        let slot = store.container().base().geometry.slot_offset(location.slot);
        let g = store.container().base().geometry;
        for table in [g.first_table(), g.second_table()] {
            disk.corrupt(slot + table.start as u64, table.len() as u64, |b| b.fill(1));
        }
    }
    assert_eq!(layout::FORMAT_VERSION, 1);
    let store = ChunkStore::open(store.into_container()).expect("store");
    assert_eq!(store.get(ObjectKind::Database, &refs[0]).expect("get"), plain(0, 3000));
    assert!(store.index.is_rebuilt());
}

#[test]
fn a_rebuilt_index_keeps_chunks_whose_directory_is_lost() {
    let disk = SimulatedDisk::new();
    let mut store = ChunkStore::open(new_container(&disk)).expect("store");
    let refs = put(&mut store, ObjectKind::Database, 0..20, 200_000);
    let slot = store.locate(&refs[0].id).expect("locate")[0].location.slot;
    // The trailer and all parity: the directory cannot be found, yet every chunk is whole.
    let g = store.container().base().geometry;
    let at = |offset: usize| g.slot_offset(slot) + offset as u64;
    disk.corrupt(at(g.trailer().start), 52, |b| b.fill(1));
    disk.corrupt(at(g.parity().start), g.parity().len() as u64, |b| b.iter_mut().for_each(|b| *b ^= 1));
    assert!(store.check_segment(slot).expect("check").directory_lost);
    assert_eq!(store.get(ObjectKind::Database, &refs[0]).expect("before"), plain(0, 200_000));
    let mut writing = store.begin(pool(), options()).expect("begin");
    writing.rebuild_index();
    let committed = writing.finish(b"catalog", b"", Settings::default()).expect("finish");
    store.install(committed);
    for (seed, chunk) in refs.iter().enumerate() {
        let bytes = store.get(ObjectKind::Database, chunk).expect("a rebuild never loses what was whole");
        assert_eq!(bytes, plain(seed as u64, 200_000));
    }
}
