//! Copies between containers in memory: what arrives, what is moved, and what a failure leaves.

use super::*;
use crate::attachments::exclude::Excludes;
use crate::container::Access;
use crate::crypto::{KdfCost, NewSlot, ObjectKind, SeededEntropy};
use crate::entry::{Content, Entry, EntryKind, Metadata};
use crate::operations::backup::{BackupPlan, Source, backup};
use crate::operations::restore::chunk_kind;
use crate::operations::session::{Init, Parity, Session, init_related, open_storage, pool};
use crate::snapshot::{ChunkRefs, Counts, ListWriter, ManifestReader, ManifestWriter};
use crate::storage::{Fault, FaultError, Operation, SimulatedDisk};
use std::collections::BTreeMap;
use std::path::Path;

mod losses;

const TIME: Timestamp = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };

fn init(path: &str) -> Init {
    let slot = NewSlot { credential: None, label: String::new(), cost: KdfCost::TEST, created: TIME };
    Init {
        path: path.into(),
        segment_bytes: Some(1 << 20),
        parity: Parity::Normal,
        max_bytes: None,
        retention: None,
        slot,
        time: TIME,
    }
}

fn made(disk: &SimulatedDisk, seed: u64, relative: Option<&Session>) -> Session {
    let entropy = &mut SeededEntropy::new(seed);
    init_related(&init("test"), relative, Arc::new(disk.reopen()), threads(), entropy).expect("made")
}

fn opened(disk: &SimulatedDisk) -> Session {
    open_storage(Arc::new(disk.reopen()), &[], Access::Write, "test").expect("opens")
}

fn threads() -> Arc<ThreadPool> {
    pool(2).expect("a pool")
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn night(session: &mut Session, folder: &Path, number: i64) -> SnapshotRecord {
    let plan = BackupPlan {
        sources: vec![
            Source::DumpFile { name: b"d.sql".to_vec(), path: folder.join("d.sql") },
            Source::Attachments { label: b"img".to_vec(), root: folder.join("img") },
        ],
        excludes: Excludes::new(&[]).expect("none"),
        tags: vec!["night".into()],
        host: "server".into(),
        time: TIME.plus_seconds(number * 86_400),
        level: 3,
        read_all: true,
        read_back: false,
        verifications: Vec::new(),
    };
    backup(&mut session.store, plan, threads(), &Progress::default()).expect("backed up").record
}

/// Three nights: a large dump that changes a little, files that stay, one that is new each night.
fn practice(disk: &SimulatedDisk) -> (tempfile::TempDir, Session) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("img")).expect("a folder");
    for seed in 0..5 {
        std::fs::write(folder.path().join(format!("img/{seed}")), noise(seed, 300_000)).expect("a file");
    }
    std::fs::write(folder.path().join("img/empty"), b"").expect("a file");
    let mut session = made(disk, 1, None);
    for number in 0..3 {
        let mut dump = noise(77, 6_000_000);
        dump[number * 1000..number * 1000 + 8].copy_from_slice(b"changed!");
        std::fs::write(folder.path().join("d.sql"), dump).expect("a dump");
        let new = noise(900 + number as u64, 1_500_000);
        std::fs::write(folder.path().join(format!("img/new{number}")), new).expect("a file");
        night(&mut session, folder.path(), number as i64);
    }
    (folder, session)
}

type Contents = Vec<BTreeMap<String, (u64, [u8; 32])>>;

/// Every content of every snapshot, read whole.
fn contents(store: &ChunkStore) -> Contents {
    let mut all = Vec::new();
    for record in Catalog::read(store).expect("a catalog").snapshots {
        let mut found = BTreeMap::new();
        for entry in ManifestReader::new(store, &record.manifest).expect("a manifest") {
            let entry = entry.expect("an entry");
            let mut hasher = blake3::Hasher::new();
            hasher.update(&crate::codec::encode(&entry.metadata));
            for content in entry.kind.contents() {
                let bytes = content.data_bytes().expect("fits");
                for chunk in ChunkRefs::of_length(store, &content.chunks, bytes).expect("a list") {
                    let chunk = chunk.expect("a chunk");
                    hasher.update(&store.get(chunk_kind(&entry), &chunk).expect("whole"));
                }
            }
            let size = entry.kind.contents().map(|c| c.size).sum();
            found.insert(entry.path.to_string(), (size, *hasher.finalize().as_bytes()));
        }
        all.push(found);
    }
    all
}

fn plan() -> CopyPlan {
    CopyPlan {
        snapshots: None,
        time: TIME,
        verify: Some(Level::Full),
        verify_anyway: true,
        verifications: Vec::new(),
        commit_bytes: COMMIT_BYTES,
    }
}

fn copied(source: &Session, destination: &mut Session, plan: &CopyPlan) -> Result<CopyReport> {
    let mut report = CopyReport::default();
    let (store, progress) = (&mut destination.store, Progress::default());
    copy(&source.store, store, plan, &threads(), &progress, &mut report).map(|()| report)
}

fn is_sound(report: &CopyReport) -> bool {
    report.verified.as_ref().is_some_and(|found| found.damaged.is_empty() && found.affected.is_empty())
}

/// Destroys the segment in `slot` beyond what parity mends.
fn destroy(disk: &SimulatedDisk, session: &Session, slot: u32) {
    let g = session.store.container().base().geometry;
    disk.corrupt(g.slot_offset(slot) + 16384, g.segment_bytes as u64 - 32768, |b| b.fill(0x5a));
}

/// The slots of the chunks of one entry.
fn slots_of(session: &Session, record: &SnapshotRecord, path: &str) -> Vec<u32> {
    let store = &session.store;
    let entries = ManifestReader::new(store, &record.manifest).expect("a manifest");
    let entry = entries.map(|e| e.expect("an entry")).find(|e| e.path.to_string() == path).expect("there");
    let mut slots = Vec::new();
    for content in entry.kind.contents() {
        for chunk in ChunkRefs::new(store, &content.chunks).expect("a list") {
            let found = store.locate(&chunk.expect("a chunk").id).expect("found");
            slots.extend(found.iter().map(|e| e.location.slot));
        }
    }
    slots
}

#[test]
fn copies_restore_the_same_within_a_family_and_into_another() {
    let disk = SimulatedDisk::new();
    let (folder, mut source) = practice(&disk);
    let before = disk.bytes();
    let theirs = Catalog::read(&source.store).expect("a catalog");
    for relative in [true, false] {
        let place = SimulatedDisk::new();
        let mut destination = made(&place, 2, relative.then_some(&source));
        let expected = missing(&source.store, &destination.store, &plan(), &Progress::default());
        let report = copied(&source, &mut destination, &plan()).expect("copied");
        assert!(is_sound(&report) && report.left_out.is_empty(), "{report:?}");
        assert_eq!((report.is_family, report.copied.len()), (relative, 3));
        assert_eq!(contents(&destination.store), contents(&source.store));
        let here = Catalog::read(&destination.store).expect("a catalog");
        for (there, own) in here.snapshots.iter().zip(&theirs.snapshots) {
            assert_eq!(there.origin, Some(source.store.container().base().container));
            let same = SnapshotRecord { origin: None, generation: own.generation, ..there.clone() };
            let same = match relative {
                true => same,
                false => {
                    let manifest = own.manifest.clone();
                    SnapshotRecord { manifest, manifest_bytes: own.manifest_bytes, ..same }
                }
            };
            assert_eq!(same, *own, "nothing of the snapshot itself changes");
        }
        if relative {
            let expected = expected.expect("reckoned");
            let moved = (report.statistics.new_chunk_count, report.statistics.new_plain_bytes);
            assert_eq!((expected.chunks, expected.plain_bytes), moved);
        }
        // Nothing came since: nothing is verified, and nothing is written.
        let generation = destination.store.container().state().root.generation;
        let idle = CopyPlan { verify_anyway: false, ..plan() };
        assert!(copied(&source, &mut destination, &idle).expect("copied").verified.is_none());
        assert_eq!(destination.store.container().state().root.generation, generation);
        // What is there already is skipped, and the verification is in the ledger.
        drop(destination);
        let mut destination = opened(&place);
        assert_eq!(Ledger::read(&destination.store).expect("a ledger").entries.len(), 1);
        let again = copied(&source, &mut destination, &plan()).expect("copied");
        assert_eq!((again.copied.len(), again.present.len()), (0, 3));
        assert_eq!(again.statistics, WriteStatistics::default());
    }
    assert!(disk.bytes() == before, "the source is not touched");
    // The next night moves what is new, and little else.
    let place = SimulatedDisk::new();
    for relative in [true, false] {
        let mut destination = made(&place, 3, relative.then_some(&source));
        copied(&source, &mut destination, &plan()).expect("copied");
        std::fs::write(folder.path().join("img/late"), noise(5000 + u64::from(relative), 700_000))
            .expect("a file");
        night(&mut source, folder.path(), 3 + i64::from(relative));
        let report = copied(&source, &mut destination, &plan()).expect("copied");
        assert!((700_000..760_000).contains(&report.statistics.new_plain_bytes), "{:?}", report.statistics);
        assert_eq!(contents(&destination.store), contents(&source.store));
    }
}

/// A snapshot of one file of `count` small chunks, whose list is lists of lists.
fn long_file(session: &mut Session, count: u32) -> SnapshotRecord {
    let store = &session.store;
    let commit = CommitOptions { max_bytes: None, time: TIME, read_back: false };
    let mut writing = store.begin(threads(), WritingOptions { commit, level: 1 }).expect("begun");
    let pieces: Vec<[u8; 32]> = (0..count).map(|n| *blake3::hash(&n.to_le_bytes()).as_bytes()).collect();
    let slices: Vec<&[u8]> = pieces.iter().map(|piece| &piece[..]).collect();
    let mut list = ListWriter::default();
    for chunk in writing.put_batch(ObjectKind::Attachment, &slices).expect("put") {
        list.push(chunk, &mut writing).expect("listed");
    }
    let chunks = list.finish(&mut writing).expect("listed");
    assert!(chunks.depth > 0);
    let content = Content { size: u64::from(count) * 32, holes: Vec::new(), chunks };
    let path = EntryPath(b"attachments/long".to_vec());
    let entry = Entry { path, kind: EntryKind::File(content), metadata: Metadata::default() };
    let mut manifest = ManifestWriter::new(&store.container().base().keyring().cutter_key());
    manifest.push(&entry, &mut writing).expect("written");
    let (manifest, manifest_bytes) = manifest.finish(&mut writing).expect("written");
    let mut catalog = Catalog::read(store).expect("a catalog");
    let mut record = SnapshotRecord {
        id: SnapshotId::ZERO,
        generation: writing.generation(),
        time: TIME,
        host: "server".into(),
        tags: Vec::new(),
        sources: Vec::new(),
        counts: Counts::default(),
        manifest,
        manifest_bytes,
        origin: None,
    };
    record.seal_id(store.container().base().keyring());
    catalog.snapshots.push(record.clone());
    let settings = store.contents().settings.clone();
    let committed = writing.finish(&catalog.encode(), b"", settings).expect("committed");
    session.store.install(committed);
    record
}

#[test]
fn a_long_file_goes_over_in_several_commits() {
    let mut source = made(&SimulatedDisk::new(), 1, None);
    long_file(&mut source, 20_000);
    for relative in [true, false] {
        for commit_bytes in [COMMIT_BYTES, 1, 300_000] {
            let mut destination = made(&SimulatedDisk::new(), 2, relative.then_some(&source));
            let plan = CopyPlan { commit_bytes, ..plan() };
            let report = copied(&source, &mut destination, &plan).expect("copied");
            assert!(is_sound(&report));
            assert_eq!(contents(&destination.store), contents(&source.store));
            let commits = destination.store.container().state().root.generation - 2;
            assert_eq!(commits > 2, commit_bytes < COMMIT_BYTES, "{commits} commits");
        }
        // A file that grew: what it had is known by name, and its end is new.
        let mut destination = made(&SimulatedDisk::new(), 3, relative.then_some(&source));
        copied(&source, &mut destination, &plan()).expect("copied");
        long_file(&mut source, 20_100 + 100 * u32::from(relative));
        let report = copied(&source, &mut destination, &plan()).expect("copied");
        assert!(report.statistics.new_chunk_count < 300, "{:?}", report.statistics);
        assert_eq!(contents(&destination.store), contents(&source.store));
    }
}

#[test]
fn a_copy_of_a_copy_comes_home_as_it_was() {
    let disk = SimulatedDisk::new();
    let (_folder, source) = practice(&disk);
    let mut other = made(&SimulatedDisk::new(), 2, None);
    copied(&source, &mut other, &plan()).expect("copied");
    let mut home = made(&SimulatedDisk::new(), 3, Some(&source));
    let report = copied(&other, &mut home, &plan()).expect("copied");
    assert!(is_sound(&report) && !report.is_family);
    let records = |store: &ChunkStore| Catalog::read(store).expect("a catalog").snapshots;
    for (back, own) in records(&home.store).iter().zip(records(&source.store)) {
        assert_eq!((back.id, &back.manifest), (own.id, &own.manifest), "names follow from bytes alone");
        assert_eq!(back.origin, Some(source.store.container().base().container), "the first home");
    }
    let direct = copied(&source, &mut home, &plan()).expect("copied");
    assert_eq!((direct.copied.len(), direct.present.len()), (0, 3));
}

#[test]
fn the_latest_is_the_latest_in_whatever_order_snapshots_come() {
    let (_folder, source) = practice(&SimulatedDisk::new());
    let ids = |store: &ChunkStore| -> Vec<SnapshotId> {
        Catalog::read(store).expect("a catalog").snapshots.iter().map(|s| s.id).collect()
    };
    let all = ids(&source.store);
    let mut destination = made(&SimulatedDisk::new(), 2, Some(&source));
    for chosen in [vec![all[2]], vec![all[0]], all.clone()] {
        let one = CopyPlan { snapshots: Some(chosen), verify: None, ..plan() };
        copied(&source, &mut destination, &one).expect("copied");
    }
    assert_eq!(ids(&destination.store), all);
    assert_eq!(contents(&destination.store), contents(&source.store));
}

#[test]
fn unchanged_files_are_not_read_again_whatever_the_family() {
    for relative in [true, false] {
        let disk = SimulatedDisk::new();
        let (folder, mut source) = practice(&disk);
        let mut destination = made(&SimulatedDisk::new(), 2, relative.then_some(&source));
        let first = copied(&source, &mut destination, &plan()).expect("copied").copied[0].clone();
        std::fs::write(folder.path().join("img/late"), noise(4000, 300_000)).expect("a file");
        night(&mut source, folder.path(), 9);
        // The dump's first night is lost in the source, but the destination has it.
        let theirs = Catalog::read(&source.store).expect("a catalog").snapshots;
        assert_eq!(theirs[0].id, first.id);
        let mut slots = slots_of(&source, &theirs[3], "attachments/img/new0");
        slots.sort_unstable();
        slots.dedup();
        let late = slots_of(&source, &theirs[3], "attachments/img/late");
        slots.iter().filter(|slot| !late.contains(slot)).for_each(|slot| destroy(&disk, &source, *slot));
        let report = copied(&source, &mut destination, &plan()).expect("copied");
        assert!(is_sound(&report) && report.left_out.is_empty(), "family {relative}: {:?}", report.left_out);
        assert_eq!(report.copied.len(), 1);
    }
}

#[test]
fn a_container_is_not_copied_into_itself_or_its_bytes() {
    let disk = SimulatedDisk::new();
    let (_folder, source) = practice(&disk);
    let twin = SimulatedDisk::from_bytes(disk.bytes());
    let mut destination = opened(&twin);
    let error = copied(&source, &mut destination, &plan()).expect_err("refused");
    assert_eq!(error.kind(), Kind::Usage);
    let unknown = CopyPlan { snapshots: Some(vec![SnapshotId([9; 16])]), ..plan() };
    let mut other = made(&SimulatedDisk::new(), 2, None);
    assert_eq!(copied(&source, &mut other, &unknown).expect_err("refused").kind(), Kind::NotFound);
}

#[test]
fn an_export_is_one_whole_snapshot_or_nothing() {
    let disk = SimulatedDisk::new();
    let (folder, source) = practice(&disk);
    let theirs = Catalog::read(&source.store).expect("a catalog").snapshots;
    let progress = Progress::default();
    for new_family in [false, true] {
        let path = folder.path().join(format!("out-{new_family}.coffer"));
        let mut init = init(path.to_str().expect("text"));
        init.segment_bytes = None;
        let plan = ExportPlan { init, new_family, snapshot: theirs[1].clone() };
        let (session, report) =
            export(&source, plan, &threads(), &mut SeededEntropy::new(5), &progress).expect("exported");
        assert!(is_sound(&report) && report.is_family != new_family);
        assert_eq!(contents(&session.store), contents(&source.store)[1..2]);
        let length = std::fs::metadata(&path).expect("a file").len();
        assert_eq!(length, session.store.container().file_bytes());
        assert!(length < 21 << 20, "{length} bytes for 9 MB of data");
    }
    let slot = slots_of(&source, &theirs[2], "attachments/img/new2")[0];
    destroy(&disk, &source, slot);
    let path = folder.path().join("lost.coffer");
    let init = init(path.to_str().expect("text"));
    let plan = ExportPlan { init, new_family: false, snapshot: theirs[2].clone() };
    let error =
        export(&source, plan, &threads(), &mut SeededEntropy::new(6), &progress).err().expect("refused");
    assert_eq!(error.kind(), Kind::Damaged);
    let left = std::fs::read_dir(folder.path()).expect("listed");
    let names: Vec<_> = left.map(|e| e.expect("an entry").file_name().into_string().expect("text")).collect();
    assert!(!names.iter().any(|name| name.contains("lost")), "{names:?}");
}
