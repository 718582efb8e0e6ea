//! Room under a limit: what a backup drops and what it spares, limits that are lowered, and readers
//! beside a prune, on real folders.

use super::{new_session, noise, plan, restored};
use crate::container::Access;
use crate::error::{Error, Kind};
use crate::operations::backup::{BackupReport, Source, backup, backup_making_room};
use crate::operations::prune::{self, PruneOptions};
use crate::operations::session::{Session, least_bytes, open_storage, pool};
use crate::operations::settings::{self, check_max_bytes};
use crate::progress::Progress;
use crate::snapshot::{Catalog, Ledger};
use crate::storage::{SimulatedDisk, Storage};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A folder whose only file is new each night.
fn write_night(folder: &Path, night: u64, length: usize) {
    std::fs::create_dir_all(folder.join("img")).expect("a folder");
    std::fs::write(folder.join("img/one"), noise(1000 + night, length)).expect("a file");
}

fn limited(disk: &SimulatedDisk, slots: u32) -> (Session, u64) {
    let mut session = new_session(disk);
    let g = session.store.container().base().geometry;
    let limit = g.file_bytes(slots);
    let time = session.store.container().state().root.time;
    settings::change(&mut session, time, pool(1).expect("a pool"), |s| s.max_bytes = Some(limit))
        .expect("limited");
    (session, limit)
}

/// All but the newest two may go.
fn all_but_two(catalog: &Catalog, _: &Ledger) -> Vec<crate::ids::SnapshotId> {
    let count = catalog.snapshots.len().saturating_sub(2);
    catalog.snapshots[..count].iter().map(|s| s.id).collect()
}

fn with_room(session: &mut Session, folder: &Path, ahead: i64) -> Result<BackupReport, Error> {
    let pool = pool(1).expect("a pool");
    backup_making_room(&mut session.store, plan(folder, ahead), &all_but_two, pool, &Progress::default())
}

#[test]
fn a_backup_makes_room_for_itself_and_never_passes_the_limit() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = SimulatedDisk::new();
    let (mut session, limit) = limited(&disk, 30);
    let mut dropped = 0;
    for night in 0..20 {
        write_night(folder.path(), night, 4_000_000);
        let report = with_room(&mut session, folder.path(), 100 * night as i64).expect("backed up");
        dropped += report.dropped.len();
        assert!(disk.len().expect("length") <= limit, "night {night}");
        assert!(report.dropped.len() <= 3, "night {night}: {} dropped at once", report.dropped.len());
        restored(&session, &report.record, &folder.path().join(format!("out{night}")));
    }
    let catalog = Catalog::read(&session.store).expect("catalog");
    assert_eq!(catalog.snapshots.len() + dropped, 20);
    assert!(catalog.snapshots.len() >= 3, "more was dropped than was needed");
    for record in &catalog.snapshots {
        restored(&session, record, &folder.path().join(format!("again{}", record.id)));
    }
}

#[test]
fn what_does_not_fit_is_refused_and_everything_kept_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = SimulatedDisk::new();
    let (mut session, limit) = limited(&disk, 30);
    for night in 0..2 {
        write_night(folder.path(), night, 7_000_000);
        with_room(&mut session, folder.path(), 100 * night as i64).expect("backed up");
    }
    write_night(folder.path(), 2, 20_000_000);
    let error = with_room(&mut session, folder.path(), 300).expect_err("refused");
    assert_eq!(error.kind(), Kind::Full, "{error}");
    assert!(error.message().contains("needs more than"), "{error}");
    assert!(error.remedy().is_some_and(|hint| hint.contains("the policy lets no snapshot go")), "{error:?}");
    assert!(disk.len().expect("length") <= limit);
    let catalog = Catalog::read(&session.store).expect("catalog");
    assert_eq!(catalog.snapshots.len(), 2);
    for record in &catalog.snapshots {
        restored(&session, record, &folder.path().join(format!("out{}", record.id)));
    }
    // Without a policy nothing is dropped at all.
    let pool = pool(1).expect("a pool");
    let error = backup(&mut session.store, plan(folder.path(), 400), pool, &Progress::default());
    assert_eq!(error.expect_err("refused").kind(), Kind::Full);
}

#[test]
fn a_command_is_run_again_with_more_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = SimulatedDisk::new();
    let (mut session, limit) = limited(&disk, 30);
    for night in 0..4 {
        write_night(folder.path(), night, 4_000_000);
        with_room(&mut session, folder.path(), 100 * night as i64).expect("backed up");
    }
    let dump = folder.path().join("big");
    std::fs::write(&dump, noise(5, 12_000_000)).expect("a file");
    let mut larger = plan(folder.path(), 900);
    let command = format!("cat {}", dump.display());
    larger.sources = vec![Source::DumpCommand { name: b"big.sql".to_vec(), command }];
    let pool = pool(1).expect("a pool");
    let report = backup_making_room(&mut session.store, larger, &all_but_two, pool, &Progress::default())
        .expect("fits");
    assert!(!report.dropped.is_empty() && report.dropped.len() <= 2, "{:?}", report.dropped);
    assert!(disk.len().expect("length") <= limit);
}

#[test]
fn a_limit_below_the_length_shrinks_the_file_or_says_what_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = SimulatedDisk::new();
    let mut session = new_session(&disk);
    let mut records = Vec::new();
    for night in 0..8 {
        write_night(folder.path(), night, 4_000_000);
        let pool = pool(1).expect("a pool");
        let plan = plan(folder.path(), 100 * night as i64);
        records.push(backup(&mut session.store, plan, pool, &Progress::default()).expect("fits").record);
    }
    let g = session.store.container().base().geometry;
    let (time, least) = (records[0].time, least_bytes(&g));
    let tight = check_max_bytes(&session, Some(least)).expect_err("live data need more");
    assert_eq!(tight.kind(), Kind::Usage, "{tight}");
    assert!(tight.message().contains("what stays needs"), "{tight}");
    let victims: Vec<_> = records[..6].iter().map(|r| r.id).collect();
    let options = PruneOptions { time, shrink: false, ..PruneOptions::default() };
    let plan = prune::plan(&session.store, &victims, &options, &Progress::default()).expect("plan");
    let pool = pool(1).expect("a pool");
    prune::apply(&mut session.store, plan, pool.clone(), &Progress::default()).expect("prune");
    assert!(disk.len().expect("length") > least, "it was told not to shrink");
    check_max_bytes(&session, Some(least)).expect("now it fits");
    settings::change(&mut session, time, pool, |s| s.max_bytes = Some(least)).expect("set");
    assert!(disk.len().expect("length") <= least);
    for record in &records[6..] {
        restored(&session, record, &folder.path().join(format!("out{}", record.id)));
    }
}

#[test]
fn readers_read_on_while_snapshots_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = SimulatedDisk::new();
    let (mut session, limit) = limited(&disk, 60);
    for night in 0..4 {
        write_night(folder.path(), night, 2_000_000);
        with_room(&mut session, folder.path(), 100 * night as i64).expect("backed up");
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (disk, done, folder) = (&disk, &done, folder.path());
            scope.spawn(move || {
                let mut round = 0;
                while !done.load(Ordering::SeqCst) || round == 0 {
                    let storage = Arc::new(disk.reopen());
                    let session = match open_storage(storage, &[], Access::Read, "reader") {
                        Ok(session) => session,
                        Err(error) if error.kind() == Kind::Busy => continue,
                        Err(error) => panic!("{error}"),
                    };
                    let catalog = Catalog::read(&session.store).expect("catalog");
                    for record in &catalog.snapshots {
                        let out = folder.join(format!("out{reader}.{round}.{}", record.id));
                        restored(&session, record, &out);
                        std::fs::remove_dir_all(&out).expect("removed");
                    }
                    round += 1;
                }
            });
        }
        for night in 4..14 {
            write_night(folder.path(), night, 2_000_000);
            with_room(&mut session, folder.path(), 100 * night as i64).expect("backed up");
            let catalog = Catalog::read(&session.store).expect("catalog");
            let victims = all_but_two(&catalog, &Ledger::default());
            let options = PruneOptions::default();
            let plan = prune::plan(&session.store, &victims, &options, &Progress::default()).expect("plan");
            let pool = pool(1).expect("a pool");
            prune::apply(&mut session.store, plan, pool, &Progress::default()).expect("prune");
            assert!(disk.len().expect("length") <= limit);
        }
        done.store(true, Ordering::SeqCst);
    });
}
