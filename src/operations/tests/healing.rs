//! Damage, healing and what is read again, on the simulated disk and temporary folders.

use crate::attachments::exclude::Excludes;
use crate::attachments::restore::RestoreOptions;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::container::Access;
use crate::crypto::{Credential, KdfCost, NewSlot, SeededEntropy};
use crate::operations::backup::{BackupPlan, BackupReport, Source, backup};
use crate::operations::repair;
use crate::operations::restore::{RestorePlan, RestoreReport, restore};
use crate::operations::select::{Selection, Side};
use crate::operations::session::{Init, Parity, Session, init_storage, open_storage, pool};
use crate::operations::verify::verify;
use crate::progress::Progress;
use crate::snapshot::{Catalog, Level};
use crate::storage::SimulatedDisk;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

fn credentials() -> [Credential; 1] {
    [Credential::KeyFile(Zeroizing::new([3; 32]))]
}

pub(super) fn made(disk: &SimulatedDisk, parity: Parity) -> Session {
    let [credential] = credentials();
    let slot = NewSlot {
        credential: Some(credential),
        label: "test".into(),
        cost: KdfCost::TEST,
        created: Timestamp::default(),
    };
    let plan = Init {
        path: "test.coffer".into(),
        segment_bytes: Some(1 << 20),
        parity,
        max_bytes: None,
        retention: None,
        slot,
        time: Timestamp::default(),
    };
    let pool = pool(2).expect("pool");
    init_storage(&plan, Arc::new(disk.reopen()), pool, &mut SeededEntropy::new(5)).expect("init")
}

fn opened(disk: &SimulatedDisk, access: Access) -> Session {
    open_storage(Arc::new(disk.reopen()), &credentials(), access, "test").expect("open")
}

fn planned(folder: &Path, time: Timestamp, read_all: bool) -> BackupPlan {
    BackupPlan {
        sources: vec![
            Source::Attachments { label: b"files".to_vec(), root: folder.join("files") },
            Source::DumpFile { name: b"all.sql".to_vec(), path: folder.join("all.sql") },
        ],
        excludes: Excludes::none(),
        tags: vec![],
        host: "test".into(),
        time,
        level: 3,
        read_all,
        read_back: true,
        verifications: vec![],
    }
}

fn backed_up(session: &mut Session, folder: &Path, time: Timestamp, read_all: bool) -> BackupReport {
    let plan = planned(folder, time, read_all);
    backup(&mut session.store, plan, pool(2).expect("pool"), &Progress::default()).expect("backup")
}

fn restored(session: &Session, target: &Path, selection: Selection) -> RestoreReport {
    let catalog = Catalog::read(&session.store).expect("catalog");
    let plan = RestorePlan {
        selection,
        target: target.into(),
        options: RestoreOptions::default(),
        compare: true,
        sync: false,
    };
    let record = catalog.snapshots.last().expect("a snapshot");
    restore(&session.store, record, &plan, &pool(2).expect("pool"), &Progress::default()).expect("restore")
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// A folder of six files and a dump.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("folder");
    std::fs::create_dir(dir.path().join("files")).expect("folder");
    for i in 0..6 {
        std::fs::write(dir.path().join(format!("files/{i}")), noise(i, 300_000)).expect("file");
    }
    std::fs::write(dir.path().join("all.sql"), noise(9, 400_000)).expect("dump");
    dir
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn is_whole(disk: &SimulatedDisk) -> bool {
    let session = opened(disk, Access::Read);
    let report = verify(&session.store, Level::Full, &pool(2).expect("pool"), &Progress::default());
    report.expect("verify").damaged.is_empty()
}

fn mended(disk: &SimulatedDisk) -> repair::RepairReport {
    let mut session = opened(disk, Access::Write);
    let (pool, progress) = (pool(2).expect("pool"), Progress::default());
    let survey = repair::survey(&session, &pool, &progress).expect("survey");
    let sources = repair::Sources::default();
    let plan = repair::plan(&session, &survey, &sources, &progress).expect("plan");
    let done = repair::repair(&mut session, survey, &sources, now(), pool, &progress).expect("repair");
    assert_eq!((&plan.healed, &plan.dropped, &plan.beyond), (&done.healed, &done.dropped, &done.beyond));
    assert_eq!(plan.losses, done.losses, "told before");
    done
}

#[test]
fn files_at_rest_are_not_read_again_and_fresh_ones_are() {
    let (disk, dir) = (SimulatedDisk::new(), tree());
    let mut session = made(&disk, Parity::Normal);
    let later = now().plus_seconds(10);
    assert_eq!(backed_up(&mut session, dir.path(), now(), false).record.counts.files_read, 6);
    // All changed within two seconds of that backup: none is trusted.
    assert_eq!(backed_up(&mut session, dir.path(), later, false).record.counts.files_read, 6);
    let third = backed_up(&mut session, dir.path(), later, false).record;
    assert_eq!((third.counts.files_read, third.counts.files), (0, 6));
    assert_eq!(backed_up(&mut session, dir.path(), later, true).record.counts.files_read, 6);
    // Same size and the old time: the change of the attributes tells.
    let file = dir.path().join("files/2");
    let before = std::fs::metadata(&file).expect("stat").modified().expect("time");
    std::fs::write(&file, noise(77, 300_000)).expect("write");
    std::fs::File::options().write(true).open(&file).expect("open").set_modified(before).expect("time");
    let changed = backed_up(&mut session, dir.path(), later.plus_seconds(1), false).record;
    assert_eq!(changed.counts.files_read, 1);
    let out = tempfile::tempdir().expect("folder");
    let report = restored(&session, out.path(), Selection::default());
    assert!(report.differences.is_empty() && report.wrong_contents.is_empty());
    let back = std::fs::read(out.path().join("attachments/files/2")).expect("restored");
    assert_eq!(back, noise(77, 300_000));
}

#[test]
fn every_share_of_parity_heals_as_much_as_it_says() {
    for (parity, heals) in [(Parity::None, 0), (Parity::Normal, 8), (Parity::Double, 16)] {
        let (disk, dir) = (SimulatedDisk::new(), tree());
        let mut session = made(&disk, parity);
        backed_up(&mut session, dir.path(), now(), false);
        let geometry = session.store.container().base().geometry;
        assert_eq!(geometry.parity_sectors, heals as usize);
        let slot = session.store.live_slots()[0];
        drop(session);
        let first = geometry.slot_offset(slot) + geometry.objects().start as u64;
        disk.corrupt(first, heals * 4096, |b| b.iter_mut().for_each(|b| *b ^= 0x55));
        assert_eq!(is_whole(&disk), heals == 0);
        let out = tempfile::tempdir().expect("folder");
        let report = restored(&opened(&disk, Access::Read), out.path(), Selection::default());
        assert!(report.damaged.is_empty(), "{parity:?}: {:?}", report.damaged);
        disk.corrupt(first + heals * 4096, 4096, |b| b.iter_mut().for_each(|b| *b ^= 0x55));
        let out = tempfile::tempdir().expect("folder");
        let report = restored(&opened(&disk, Access::Read), out.path(), Selection::default());
        assert!(!report.damaged.is_empty(), "{parity:?}: one sector more is too many");
    }
}

#[test]
fn repair_writes_healed_segments_anew_and_leaves_nothing_to_mend() {
    let (disk, dir) = (SimulatedDisk::new(), tree());
    let mut session = made(&disk, Parity::Normal);
    backed_up(&mut session, dir.path(), now(), false);
    let geometry = session.store.container().base().geometry;
    let slots = session.store.live_slots();
    drop(session);
    for slot in &slots {
        disk.corrupt(geometry.slot_offset(*slot) + 9 * 4096, 3 * 4096, |b| b.fill(0));
    }
    disk.corrupt(0, 4096, |b| b.fill(0));
    disk.corrupt(4096, 4096, |b| b.fill(0));
    assert!(!is_whole(&disk));
    let report = mended(&disk);
    assert_eq!(report.healed, slots);
    assert!(report.beyond.is_empty() && report.moved_chunks > 0);
    assert!(is_whole(&disk));
    assert!(!mended(&disk).has_work(), "a second repair finds nothing");
    let out = tempfile::tempdir().expect("folder");
    let report = restored(&opened(&disk, Access::Read), out.path(), Selection::default());
    assert_eq!((report.damaged.len(), report.wrong_contents.len()), (0, 0));
}

#[test]
fn a_lost_header_zone_comes_back_from_the_key_segment() {
    let (disk, dir) = (SimulatedDisk::new(), tree());
    let mut session = made(&disk, Parity::Normal);
    backed_up(&mut session, dir.path(), now(), false);
    drop(session);
    disk.corrupt(0, 256 << 10, |b| b.fill(0xff));
    let out = tempfile::tempdir().expect("folder");
    let report = restored(&opened(&disk, Access::Read), out.path(), Selection::default());
    assert!(report.damaged.is_empty() && report.wrong_contents.is_empty());
    mended(&disk);
    assert!(is_whole(&disk));
}

#[test]
fn a_database_alone_is_read_from_its_own_segments() {
    let (disk, dir) = (SimulatedDisk::new(), tree());
    // Enough of both that each stream fills segments of its own.
    std::fs::write(dir.path().join("all.sql"), noise(10, 5_000_000)).expect("dump");
    for i in 10..16 {
        std::fs::write(dir.path().join(format!("files/{i}")), noise(i, 900_000)).expect("file");
    }
    let mut session = made(&disk, Parity::None);
    backed_up(&mut session, dir.path(), now(), false);
    let geometry = session.store.container().base().geometry;
    let record = Catalog::read(&session.store).expect("catalog").snapshots.remove(0);
    let mut attachments = Vec::new();
    let mut database = Vec::new();
    for entry in crate::operations::inspect::list(&session.store, &record, None).expect("list") {
        let entry = entry.expect("entry");
        let Some(content) = entry.kind.content() else { continue };
        for chunk in crate::snapshot::ChunkRefs::new(&session.store, &content.chunks).expect("chunks") {
            let copy = session.store.locate(&chunk.expect("chunk").id).expect("locate")[0];
            match entry.kind {
                crate::entry::EntryKind::Dump(_) => database.push(copy.location.slot),
                _ => attachments.push(copy.location.slot),
            }
        }
    }
    attachments.retain(|slot| !database.contains(slot));
    drop(session);
    assert!(!attachments.is_empty());
    // Destroying every segment of attachments alone costs the database nothing.
    for slot in attachments {
        disk.corrupt(geometry.slot_offset(slot), geometry.segment_bytes as u64, |b| b.fill(0));
    }
    let out = tempfile::tempdir().expect("folder");
    let session = opened(&disk, Access::Read);
    let only = Selection { only: Some(Side::Database), paths: vec![] };
    let report = restored(&session, out.path(), only);
    assert!(report.damaged.is_empty() && report.wrong_contents.is_empty());
    let whole = restored(&session, &out.path().join("all"), Selection::default());
    assert!(!whole.damaged.is_empty(), "the attachments are lost, and named");
    assert_eq!(std::fs::read(out.path().join("database/all.sql")).expect("dump"), noise(10, 5_000_000));
}

#[test]
fn a_damaged_newest_commit_is_not_written_over_until_told_to() {
    let (disk, dir) = (SimulatedDisk::new(), tree());
    let mut session = made(&disk, Parity::Normal);
    backed_up(&mut session, dir.path(), now(), false);
    std::fs::write(dir.path().join("files/new"), noise(50, 10_000)).expect("file");
    backed_up(&mut session, dir.path(), now().plus_seconds(60), false);
    let geometry = session.store.container().base().geometry;
    let root = session.store.container().state().pointer.copies;
    drop(session);
    for copy in root {
        disk.corrupt(geometry.slot_offset(copy.slot), geometry.segment_bytes as u64, |b| b.fill(0));
    }
    let mut session = opened(&disk, Access::Write);
    assert!(session.store.container().has_fallen_back());
    assert_eq!(Catalog::read(&session.store).expect("catalog").snapshots.len(), 1);
    let refused = crate::operations::keys::commit_nothing(&mut session, now(), pool(1).expect("pool"));
    assert_eq!(refused.map_err(|e| e.kind()), Err(crate::error::Kind::Damaged));
    session.store.container_mut().adopt_state();
    backed_up(&mut session, dir.path(), now().plus_seconds(120), false);
    drop(session);
    let session = opened(&disk, Access::Read);
    assert!(!session.store.container().has_fallen_back());
    assert_eq!(Catalog::read(&session.store).expect("catalog").snapshots.len(), 2);
    let out = tempfile::tempdir().expect("folder");
    let report = restored(&session, out.path(), Selection::default());
    assert!(report.damaged.is_empty() && report.wrong_contents.is_empty());
}

#[test]
fn after_damage_was_found_a_backup_trusts_nothing_unproven() {
    let (disk, dir) = (SimulatedDisk::new(), tree());
    let mut session = made(&disk, Parity::None);
    backed_up(&mut session, dir.path(), now().plus_seconds(10), false);
    let geometry = session.store.container().base().geometry;
    // Lost in this segment: chunks of files that have not changed since.
    let slot = session.store.live_slots()[0];
    disk.corrupt(geometry.slot_offset(slot) + 8 * 4096, 40 * 4096, |b| b.iter_mut().for_each(|b| *b ^= 9));
    let found = verify(&session.store, Level::Full, &pool(1).expect("pool"), &Progress::default());
    let found = found.expect("verify");
    assert!(!found.affected.is_empty());
    let note = crate::snapshot::LedgerEntry {
        time: now(),
        level: Level::Full,
        generation: found.generation,
        segments: found.segments,
        damaged: found.damaged.len() as u64,
    };
    let mut plan = planned(dir.path(), now().plus_seconds(20), false);
    plan.verifications = vec![note];
    let report = backup(&mut session.store, plan, pool(2).expect("pool"), &Progress::default());
    let report = report.expect("backup");
    assert_eq!(report.record.counts.files_read, 6);
    assert!(report.notes.iter().any(|n| n.contains("found damage")));
    let out = tempfile::tempdir().expect("folder");
    let report = restored(&session, out.path(), Selection::default());
    assert_eq!((report.damaged.len(), report.wrong_contents.len()), (0, 0));
}
