//! Rotation of keys, whole, interrupted and cut short at every operation of the disk.

use super::repairing::readable;
use super::{noise, plan, run};
use crate::clock::Timestamp;
use crate::container::Access;
use crate::crypto::{Credential, KdfCost, NewSlot, SeededEntropy};
use crate::error::{Kind, Result};
use crate::operations::keys;
use crate::operations::prune::{self, PruneOptions};
use crate::operations::rekeying::{self, RotationReport};
use crate::operations::session::{Init, Parity, Session, init_storage, open_storage, pool};
use crate::operations::verify::verify;
use crate::progress::Progress;
use crate::snapshot::{Catalog, Level};
use crate::storage::{SimulatedDisk, Storage};
use std::sync::Arc;
use zeroize::Zeroizing;

const TIME: Timestamp = Timestamp { seconds: 1_800_000_000, nanoseconds: 0 };

fn key(number: u8) -> Credential {
    Credential::KeyFile(Zeroizing::new([number; 32]))
}

fn slot(number: u8) -> NewSlot {
    NewSlot { credential: Some(key(number)), label: String::new(), cost: KdfCost::TEST, created: TIME }
}

fn opened(disk: &SimulatedDisk, number: u8, access: Access) -> Result<Session> {
    open_storage(Arc::new(disk.reopen()), &[key(number)], access, "test")
}

/// A container with two snapshots that keys 1 and 2 open, and its file.
fn made() -> (tempfile::TempDir, SimulatedDisk) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("img")).expect("a folder");
    for seed in 0..20 {
        std::fs::write(folder.path().join(format!("img/{seed}")), noise(seed, 500_000)).expect("a file");
    }
    let disk = SimulatedDisk::new();
    let plan_of = Init {
        path: "test".into(),
        segment_bytes: Some(1 << 20),
        parity: Parity::Normal,
        max_bytes: None,
        retention: None,
        slot: slot(1),
        time: TIME,
    };
    let pool = pool(1).expect("a pool");
    let mut entropy = SeededEntropy::new(5);
    let made = init_storage(&plan_of, Arc::new(disk.reopen()), pool.clone(), &mut entropy);
    let mut session = made.expect("made");
    keys::add(&mut session, &slot(2), pool, &mut SeededEntropy::new(6)).expect("added");
    run(&mut session, plan(folder.path(), 0));
    std::fs::write(folder.path().join("img/new"), noise(50, 700_000)).expect("a file");
    run(&mut session, plan(folder.path(), 10));
    (folder, disk)
}

fn started(session: &mut Session, credentials: &[Credential], drops: bool) -> Result<Vec<u32>> {
    rekeying::start(session, credentials, drops, TIME, pool(1)?, &mut SeededEntropy::new(7))
}

fn ended(session: &mut Session, progress: &Progress) -> Result<RotationReport> {
    rekeying::go_on(session, TIME, &pool(1)?, &mut SeededEntropy::new(8), progress)
}

fn is_sound(session: &Session) -> bool {
    let report = verify(&session.store, Level::Full, &pool(1).expect("a pool"), &Progress::default());
    let report = report.expect("verified");
    report.damaged.is_empty() && report.affected.is_empty()
}

#[test]
fn after_a_rotation_nothing_is_sealed_as_before_and_dropped_keys_open_nothing() {
    let (folder, disk) = made();
    let mut session = opened(&disk, 1, Access::Write).expect("opens");
    let before = readable(&session);
    let (bytes, chunks) = (session.store.container().file_bytes(), session.store.chunk_count());
    let refused = started(&mut session, &[key(1)], false);
    assert_eq!(refused.map_err(|e| e.kind()), Err(Kind::WrongKey), "slot 2 is not dropped unasked");
    assert_eq!(session.secrets.current_epoch(), 1);
    assert_eq!(started(&mut session, &[key(1)], true).expect("started"), [2]);
    // What is new is sealed anew at once.
    std::fs::write(folder.path().join("img/later"), noise(51, 600_000)).expect("a file");
    run(&mut session, plan(folder.path(), 20));
    let middle = readable(&session);
    let report = ended(&mut session, &Progress::default()).expect("ended");
    assert!(report.is_finished && report.left.is_empty() && report.moved_segments > 9, "{report:?}");
    assert_eq!(session.secrets.epochs().collect::<Vec<_>>(), [2]);
    assert!(rekeying::old_segments(&session).is_empty());
    let after = session.store.container().file_bytes();
    assert!(after < bytes + bytes / 2 + (8 << 20), "{bytes} bytes became {after}");
    // Twelve of the new files' chunks aside, no copy is kept twice.
    assert!(session.store.chunk_count() <= chunks + 24, "{chunks} {}", session.store.chunk_count());
    drop(session);
    assert_eq!(opened(&disk, 2, Access::Read).map(drop).map_err(|e| e.kind()), Err(Kind::WrongKey));
    let mut session = opened(&disk, 1, Access::Write).expect("opens");
    assert!(is_sound(&session));
    assert_eq!(readable(&session), middle);
    assert!(before.iter().all(|(key, value)| middle.get(key) == Some(value)));
    // Nothing is left to do.
    let again = ended(&mut session, &Progress::default()).expect("again");
    assert_eq!((again.moved_segments, again.is_finished), (0, true));
    // Another rotation, with all keys: none is dropped.
    assert!(started(&mut session, &[key(1)], false).expect("started").is_empty());
    ended(&mut session, &Progress::default()).expect("ended");
    assert_eq!(session.secrets.epochs().collect::<Vec<_>>(), [3]);
}

#[test]
fn an_interrupted_rotation_goes_on_and_the_predecessor_always_opens() {
    let (_folder, disk) = made();
    let mut session = opened(&disk, 2, Access::Write).expect("opens");
    let before = readable(&session);
    started(&mut session, &[key(1), key(2)], false).expect("started");
    let progress = Progress::default();
    progress.interrupt();
    assert_eq!(ended(&mut session, &progress).map_err(|e| e.kind()), Err(Kind::Interrupted));
    drop(session);
    for number in [1, 2] {
        assert_eq!(readable(&opened(&disk, number, Access::Read).expect("opens")), before);
    }
    let mut session = opened(&disk, 1, Access::Write).expect("opens");
    assert!(rekeying::is_pending(&session) && !rekeying::old_segments(&session).is_empty());
    assert!(ended(&mut session, &Progress::default()).expect("ended").is_finished);
    let copies = session.store.container().state().pointer.copies;
    let g = session.store.container().base().geometry;
    drop(session);
    let broken = SimulatedDisk::from_bytes(disk.bytes());
    for copy in copies {
        broken.corrupt(g.slot_offset(copy.slot), g.segment_bytes as u64, |b| b.fill(0));
    }
    let session = opened(&broken, 1, Access::Read).expect("opens");
    assert!(session.store.container().has_fallen_back());
    assert_eq!(readable(&session), before, "the predecessor needs no old secret");
}

#[test]
fn a_rotation_that_is_cut_short_anywhere_opens_and_goes_on() {
    let (_folder, disk) = made();
    let before = readable(&opened(&disk, 1, Access::Read).expect("opens"));
    let disk = SimulatedDisk::from_bytes(disk.bytes());
    disk.record();
    {
        let mut session = opened(&disk, 1, Access::Write).expect("opens");
        started(&mut session, &[key(1)], true).expect("started");
        ended(&mut session, &Progress::default()).expect("ended");
    }
    let points: Vec<_> = disk.crash_points().collect();
    assert!(points.len() > 50);
    let first = points.len().min(40);
    for (number, point) in points.iter().enumerate() {
        // The change of the table at both ends is looked at closely, the long way between in samples.
        let is_end = number < first || number + 40 > points.len();
        if !is_end && number % 7 != 0 {
            continue;
        }
        let variant = if number % 3 == 0 { 1 } else { 6 + number as u64 };
        let place = format!("operation {}, variant {variant}", point.operation);
        let image = point.image(variant);
        let mut session = opened(&image, 1, Access::Write).unwrap_or_else(|e| panic!("{place}: {e}"));
        assert!(!session.store.container().has_fallen_back(), "{place}");
        assert!(readable(&session) == before, "{place}");
        if number % 9 == 0 {
            if session.secrets.current_epoch() == 1 {
                started(&mut session, &[key(1)], true).expect("started");
            }
            assert!(ended(&mut session, &Progress::default()).expect("ended").is_finished, "{place}");
            assert_eq!(session.secrets.epochs().collect::<Vec<_>>(), [2], "{place}");
            drop(session);
            let session = opened(&image, 1, Access::Read).expect("opens");
            assert!(readable(&session) == before && is_sound(&session), "{place}");
            assert!(opened(&image, 2, Access::Read).is_err(), "{place}");
        }
    }
    assert!(!disk.is_empty().expect("a length"));
}

#[test]
fn a_damaged_segment_keeps_the_old_secret_until_it_is_repaired() {
    let (_folder, disk) = made();
    let session = opened(&disk, 1, Access::Read).expect("opens");
    let g = session.store.container().base().geometry;
    let slot = session.store.live_slots()[1];
    drop(session);
    disk.corrupt(g.slot_offset(slot) + 20 * 4096, 30 * 4096, |b| b.fill(9));
    let mut session = opened(&disk, 1, Access::Write).expect("opens");
    let held = readable(&session);
    started(&mut session, &[key(1), key(2)], false).expect("started");
    let report = ended(&mut session, &Progress::default()).expect("ended");
    assert_eq!((report.left.as_slice(), report.is_finished), (&[slot][..], false));
    assert_eq!(session.secrets.epochs().count(), 2);
    assert_eq!(readable(&session), held);
}

/// Removes the older of the two snapshots.
fn pruned(session: &mut Session) -> Result<()> {
    let catalog = Catalog::read(&session.store)?;
    let plan = prune::plan(
        &session.store,
        &[catalog.snapshots[0].id],
        &PruneOptions::default(),
        &Progress::default(),
    )?;
    prune::apply(&mut session.store, plan, pool(1)?, &Progress::default()).map(drop)
}

#[test]
fn a_rotation_on_a_full_disk_leaves_room_for_a_prune_wherever_it_stops() {
    let (_folder, disk) = made();
    let before = readable(&opened(&disk, 1, Access::Read).expect("opens"));
    let (mut refused, mut stops) = (0, 0);
    for spare in 0..8 {
        let disk = SimulatedDisk::from_bytes(disk.bytes());
        let capacity = Some(disk.allocated_bytes() + spare * (700 << 10));
        disk.set_capacity(capacity);
        disk.record();
        {
            let mut session = opened(&disk, 1, Access::Write).expect("opens");
            let ended = started(&mut session, &[key(1)], true)
                .and_then(|_| ended(&mut session, &Progress::default()));
            match ended {
                Ok(report) => assert!(report.is_finished),
                Err(error) => assert_eq!(error.kind(), Kind::Full, "{error}"),
            }
            refused += usize::from(rekeying::is_pending(&session));
        }
        let mut generation = 0;
        for point in disk.crash_points() {
            let image = point.image(1);
            let mut session = opened(&image, 1, Access::Write).expect("opens");
            let reached = session.store.container().state().root.generation;
            // One stop in each commit.
            if reached == generation {
                continue;
            }
            generation = reached;
            stops += 1;
            image.set_capacity(capacity);
            let place = format!("spare {spare}, operation {}, commit {generation}", point.operation);
            pruned(&mut session).unwrap_or_else(|error| panic!("{place}: {error}"));
            drop(session);
            let session = opened(&image, 1, Access::Read).expect("opens");
            assert!(is_sound(&session), "{place}");
            let left = readable(&session);
            assert!(left.iter().all(|(key, value)| before.get(key) == Some(value)), "{place}");
        }
    }
    assert!(refused > 0 && stops > 20, "{refused} rotations met a full disk, {stops} stops");
}
