//! Operations together, on real folders and a container in memory: what a stranger would ask of a
//! backup, each promise by itself.

use super::backup::{BackupPlan, BackupReport, Source, backup};
use super::inspect::{Change, diff, statistics};
use super::repair;
use super::restore::{self, Need, RestorePlan};
use super::select::{Selection, Side};
use super::session::{Init, Parity, Session, init_storage, pool};
use crate::attachments::exclude::Excludes;
use crate::attachments::problem::ProblemKind;
use crate::attachments::restore::RestoreOptions;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::crypto::{KdfCost, NewSlot, ObjectKind, SeededEntropy};
use crate::entry::EntryKind;
use crate::error::{Kind, Result};
use crate::progress::Progress;
use crate::snapshot::{Catalog, ChunkRefs, Ledger, LedgerEntry, Level, ManifestReader, SnapshotRecord};
use crate::storage::SimulatedDisk;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod databases;
mod healing;
mod rekeying;
mod repairing;
mod retaining;
mod room;

fn new_session(disk: &SimulatedDisk) -> Session {
    let time = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };
    let slot = NewSlot { credential: None, label: String::new(), cost: KdfCost::TEST, created: time };
    let plan = Init {
        path: "test".into(),
        segment_bytes: Some(1 << 20),
        parity: Parity::Normal,
        max_bytes: None,
        retention: None,
        slot,
        time,
    };
    let pool = pool(1).expect("a pool");
    init_storage(&plan, Arc::new(disk.clone()), pool, &mut SeededEntropy::new(11)).expect("made")
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Backs up `img` and, if it stands there, `d.sql` of `folder`, as of `ahead` seconds from now.
fn plan(folder: &Path, ahead: i64) -> BackupPlan {
    let mut sources = vec![Source::Attachments { label: b"img".to_vec(), root: folder.join("img") }];
    if folder.join("d.sql").exists() {
        sources.push(Source::DumpFile { name: b"d.sql".to_vec(), path: folder.join("d.sql") });
    }
    BackupPlan {
        sources,
        excludes: Excludes::new(&[]).expect("none"),
        tags: Vec::new(),
        host: "test".into(),
        time: SystemClock.now().plus_seconds(ahead),
        level: 3,
        read_all: false,
        read_back: false,
        verifications: Vec::new(),
    }
}

fn run(session: &mut Session, plan: BackupPlan) -> BackupReport {
    backup(&mut session.store, plan, pool(1).expect("a pool"), &Progress::default()).expect("backed up")
}

fn to(target: &Path) -> RestorePlan {
    let options = RestoreOptions::default();
    RestorePlan {
        selection: Selection::default(),
        target: target.into(),
        options,
        compare: true,
        sync: false,
    }
}

/// Restores everything into `target`, which must succeed, compared.
fn restored(session: &Session, record: &SnapshotRecord, target: &Path) {
    let pool = pool(1).expect("a pool");
    let report =
        restore::restore(&session.store, record, &to(target), &pool, &Progress::default()).expect("restored");
    assert!(report.damaged.is_empty() && report.problems.is_empty(), "{report:?}");
    assert!(report.differences.is_empty() && report.wrong_contents.is_empty(), "{report:?}");
}

fn practice() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("img")).expect("a folder");
    for seed in 0..6 {
        std::fs::write(folder.path().join(format!("img/{seed}")), noise(seed, 400_000)).expect("a file");
    }
    std::fs::write(folder.path().join("d.sql"), noise(99, 9_000_000)).expect("a dump");
    folder
}

#[test]
fn unchanged_files_are_not_read_unless_they_were_fresh_or_it_is_asked() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    // As of a second from now: the files changed less than two seconds before.
    assert_eq!(run(&mut session, plan(folder.path(), 1)).record.counts.files_read, 6);
    assert_eq!(run(&mut session, plan(folder.path(), 100)).record.counts.files_read, 6, "too fresh then");
    assert_eq!(run(&mut session, plan(folder.path(), 200)).record.counts.files_read, 0);
    // Equal length and times, another inode.
    let one = folder.path().join("img/1");
    let modified = std::fs::metadata(&one).and_then(|m| m.modified()).expect("a time");
    std::fs::write(folder.path().join("new"), noise(77, 400_000)).expect("a file");
    std::fs::rename(folder.path().join("new"), &one).expect("renamed");
    std::fs::File::options().write(true).open(&one).and_then(|f| f.set_modified(modified)).expect("a time");
    assert_eq!(run(&mut session, plan(folder.path(), 300)).record.counts.files_read, 1);
    let report = run(&mut session, BackupPlan { read_all: true, ..plan(folder.path(), 400) });
    assert_eq!((report.record.counts.files_read, report.record.counts.new_bytes), (6, 0));
    restored(&session, &report.record, &folder.path().join("out"));
}

#[test]
fn a_folder_that_was_emptied_is_told_once_and_one_that_never_held_anything_is_not() {
    let folder = practice();
    std::fs::create_dir_all(folder.path().join("never")).expect("a folder");
    let mut session = new_session(&SimulatedDisk::new());
    let planned = |ahead| {
        let mut plan = plan(folder.path(), ahead);
        let never = Source::Attachments { label: b"never".to_vec(), root: folder.path().join("never") };
        plan.sources.push(never);
        plan
    };
    assert!(run(&mut session, planned(0)).problems.is_empty());
    std::fs::rename(folder.path().join("img"), folder.path().join("away")).expect("moved");
    // A folder is left of it, and a link: what a medium that is not there leaves.
    std::fs::create_dir_all(folder.path().join("img/lost+found")).expect("a folder");
    std::os::unix::fs::symlink("x", folder.path().join("img/link")).expect("a link");
    // Of another computer, whose folder of that name was always empty.
    let mut other = planned(5);
    other.host = "other".into();
    assert!(run(&mut session, other).problems.is_empty());
    let told = run(&mut session, planned(10));
    let said: Vec<_> = told.problems.iter().map(ToString::to_string).collect();
    assert!(
        matches!(&said[..], [one] if one.starts_with("attachments/img: holds no file or table any more")),
        "{said:?}"
    );
    assert!(!told.record.is_complete());
    assert!(run(&mut session, planned(20)).problems.is_empty(), "the next night it is known");
}

#[test]
fn owners_that_are_left_aside_are_counted() {
    let folder = practice();
    let root = rustix::process::geteuid();
    let given = std::os::unix::fs::chown(folder.path().join("img/3"), Some(4711), None).is_ok();
    let mut session = new_session(&SimulatedDisk::new());
    let record = run(&mut session, plan(folder.path(), 0)).record;
    for owners in [false, true] {
        let target = tempfile::tempdir().expect("a folder");
        let mut plan = to(&target.path().join("out"));
        plan.options.owners = owners && root.is_root();
        let pool = pool(1).expect("a pool");
        let report =
            restore::restore(&session.store, &record, &plan, &pool, &Progress::default()).expect("restored");
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        assert_eq!(report.other_owners, u64::from(given && !plan.options.owners), "as {root:?}");
    }
}

#[test]
fn a_file_that_never_stands_still_is_kept_named_and_read_again() {
    let folder = practice();
    std::fs::remove_file(folder.path().join("d.sql")).expect("removed");
    let mut session = new_session(&SimulatedDisk::new());
    let growing = folder.path().join("img/0");
    // More than is read ahead, so that reading takes as long as storing.
    std::fs::write(&growing, noise(5, 60_000_000)).expect("a file");
    let (begun, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let report = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = std::fs::File::options().append(true).open(&growing).expect("a file");
            while !stop.load(Ordering::Relaxed) {
                std::io::Write::write_all(&mut file, b"more").expect("appended");
                begun.store(true, Ordering::Relaxed);
            }
        });
        while !begun.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        let report = run(&mut session, plan(folder.path(), 100));
        stop.store(true, Ordering::Relaxed);
        report
    });
    let named: Vec<_> = report.problems.iter().map(|p| (p.path.to_string(), p.what)).collect();
    assert_eq!(named, [("attachments/img/0".to_owned(), ProblemKind::Changed)]);
    assert!(!report.record.is_complete());
    assert_eq!(Catalog::read(&session.store).expect("a catalog").snapshots.len(), 1, "the snapshot is kept");
    let next = run(&mut session, plan(folder.path(), 200));
    assert_eq!(next.record.counts.files_read, 1, "whatever its times say");
    restored(&session, &next.record, &folder.path().join("out"));
}

/// Slots that hold the chunks of one side of a snapshot.
fn slots_of(session: &Session, record: &SnapshotRecord, kind: ObjectKind) -> BTreeSet<u32> {
    let store = &session.store;
    let mut slots = BTreeSet::new();
    for entry in ManifestReader::new(store, &record.manifest).expect("a manifest") {
        let entry = entry.expect("an entry");
        let is_dump = matches!(entry.kind, EntryKind::Dump(_));
        let Some(content) = entry.kind.content().filter(|_| is_dump == (kind == ObjectKind::Database)) else {
            continue;
        };
        for chunk in ChunkRefs::new(store, &content.chunks).expect("a list") {
            slots.extend(
                store.locate(&chunk.expect("a chunk").id).expect("found").iter().map(|e| e.location.slot),
            );
        }
    }
    slots
}

#[test]
fn a_database_lies_in_segments_of_its_own() {
    let folder = practice();
    for seed in 0..40 {
        std::fs::write(folder.path().join(format!("img/more{seed}")), noise(1000 + seed, 300_000))
            .expect("file");
    }
    let disk = SimulatedDisk::new();
    let mut session = new_session(&disk);
    let record = run(&mut session, plan(folder.path(), 0)).record;
    let database = slots_of(&session, &record, ObjectKind::Database);
    let attachments = slots_of(&session, &record, ObjectKind::Attachment);
    let shared = database.intersection(&attachments).count();
    assert!(database.len() > 8 && attachments.len() > 12, "{database:?} {attachments:?}");
    // What is left of both at the end of a commit is packed together; everything else is apart.
    assert!(shared <= 2, "{shared} of {} segments hold both", database.len());
    // Without any segment that holds attachments alone, the database comes back all the same.
    let g = session.store.container().base().geometry;
    let metadata: BTreeSet<u32> = session
        .store
        .contents()
        .catalog
        .slots()
        .chain(session.store.contents().runs[0].fence.slots())
        .collect();
    for slot in attachments.difference(&database).filter(|s| !metadata.contains(s)) {
        disk.corrupt(g.slot_offset(*slot), g.segment_bytes as u64, |b| b.fill(0x5a));
    }
    let selection = Selection { only: Some(Side::Database), paths: Vec::new() };
    let out = folder.path().join("out");
    let plan = RestorePlan { selection, ..to(&out) };
    let pool = pool(1).expect("a pool");
    let report =
        restore::restore(&session.store, &record, &plan, &pool, &Progress::default()).expect("restored");
    assert!(report.damaged.is_empty() && report.wrong_contents.is_empty(), "{report:?}");
    assert_eq!(std::fs::read(out.join("database/d.sql")).expect("a dump"), noise(99, 9_000_000));
}

#[test]
fn the_need_of_a_restore_is_exact_and_asked_first() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    let record = run(&mut session, plan(folder.path(), 0)).record;
    let out = folder.path().join("out");
    let need = |session: &Session| restore::need(&session.store, &record, &to(&out)).expect("reckoned");
    let first = need(&session);
    assert_eq!(first.data_bytes, 9_000_000 + 6 * 400_000);
    let blocks = |bytes: u64| bytes.next_multiple_of(4096);
    let files = blocks(9_000_000) + 6 * blocks(400_000);
    assert!((files..=files + 4 * 4096).contains(&first.space_bytes), "{first:?}");
    restored(&session, &record, &out);
    std::fs::remove_file(out.join("attachments/img/3")).expect("removed");
    let second = need(&session);
    assert!((blocks(400_000)..=blocks(400_000) + 4 * 4096).contains(&second.space_bytes), "{second:?}");
    let nowhere = folder.path().join("nowhere");
    let error = Need { space_bytes: u64::MAX, ..first }.check(&nowhere).expect_err("no disk is as large");
    assert_eq!(error.kind(), Kind::Full);
    assert!(!nowhere.exists());
}

#[test]
fn statistics_tell_what_each_snapshot_alone_holds_and_diff_what_differs() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    let first = run(&mut session, plan(folder.path(), 0)).record;
    std::fs::remove_file(folder.path().join("img/0")).expect("removed");
    std::fs::write(folder.path().join("img/new"), noise(50, 700_000)).expect("a file");
    let second = run(&mut session, plan(folder.path(), 10)).record;
    let all = statistics(&session.store).expect("statistics");
    let alone: Vec<u64> = all.alone.iter().map(|(_, bytes)| *bytes).collect();
    // Incompressible: what is stored is what was read, and a little for each chunk.
    assert!((400_000..410_000).contains(&alone[0]) && (700_000..715_000).contains(&alone[1]), "{alone:?}");
    assert_eq!(all.unique_bytes, 9_000_000 + 6 * 400_000 + 700_000);
    assert_eq!(all.restored_bytes, first.restored_bytes() + second.restored_bytes());
    let mut lines = Vec::new();
    diff(&session.store, &first, &second, |l| lines.push((l.path.to_string(), l.change))).expect("compared");
    lines.retain(|(_, change)| *change != Change::Metadata);
    let (gone, new) = ("attachments/img/0".to_owned(), "attachments/img/new".to_owned());
    assert_eq!(lines, [(gone, Change::Removed), (new, Change::Added)]);
}

#[test]
fn verifications_reach_the_ledger_with_the_next_backup() {
    let folder = practice();
    let mut session = new_session(&SimulatedDisk::new());
    let time = Timestamp { seconds: 5, nanoseconds: 0 };
    let entry = LedgerEntry { time, level: Level::Full, generation: 1, segments: 3, damaged: 0 };
    run(&mut session, BackupPlan { verifications: vec![entry, entry], ..plan(folder.path(), 0) });
    run(&mut session, plan(folder.path(), 10));
    assert_eq!(Ledger::read(&session.store).expect("a ledger").entries, [entry], "once, and it stays");
}

#[test]
fn lost_index_pages_are_made_anew_by_repair() -> Result<()> {
    let folder = practice();
    let disk = SimulatedDisk::new();
    let mut session = new_session(&disk);
    let record = run(&mut session, plan(folder.path(), 0)).record;
    let g = session.store.container().base().geometry;
    let record_of = |session: &Session| Catalog::read(&session.store).map(|c| c.snapshots.len());
    let filter = session.store.contents().runs[0].filter.parts[0];
    for copy in filter.copies {
        let at = g.slot_offset(copy.slot) + u64::from(copy.offset);
        disk.corrupt(at, u64::from(filter.length), |b| b.fill(0x11));
        for table in [g.first_table(), g.second_table()] {
            let at = g.slot_offset(copy.slot) + table.start as u64;
            disk.corrupt(at, table.len() as u64, |b| b.fill(0x11));
        }
    }
    session.store = crate::chunk_store::ChunkStore::open(session.store.into_container())?;
    let (pool, progress) = (pool(1)?, Progress::default());
    let found = repair::survey(&session, &pool, &progress)?;
    let done =
        repair::repair(&mut session, found, &repair::Sources::default(), record.time, pool, &progress)?;
    assert_eq!(done.index_runs, [0]);
    assert!(session.store.check_index().is_empty());
    assert_eq!(record_of(&session)?, 1);
    restored(&session, &record, &folder.path().join("out"));
    Ok(())
}
