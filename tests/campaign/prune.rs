//! Prunes that go wrong: power loss and failing disks at every moment, processes that are killed, damage
//! in what stays, and being told to stop. What was there is there, whole, and the next prune finishes.

use crate::power::predecessor;
use crate::space::{backup_within, fragmented, open_file, prune_of, thorough};
use crate::world::*;
use coffer::chunk_store::ChunkStore;
use coffer::container::Access;
use coffer::error::Kind;
use coffer::ids::ChunkId;
use coffer::operations::prune::{PruneOptions, apply, plan};
use coffer::progress::Progress;
use coffer::snapshot::Catalog;
use coffer::storage::{Fault, FaultError, Operation, SimulatedDisk, Storage};

#[test]
fn power_may_fail_at_any_moment_of_a_prune() {
    let base = SimulatedDisk::new();
    let (store, before) = fragmented(&base);
    drop(store);
    let disk = SimulatedDisk::from_bytes(base.bytes());
    let mut store = open(&disk, Access::Write).expect("opens");
    disk.record();
    let (after, report) = prune_of(&mut store, &before, &[0], &thorough(), "whole");
    drop(store);
    assert!(report.commits >= 3 && report.moved_bytes > 0, "a prune of one piece: {report:?}");
    let mut earlier = Expected { generation: before.generation - 1, ..before.clone() };
    earlier.snapshots.pop();
    let mut states = vec![before.clone()];
    states.extend(
        (1..=report.commits).map(|n| Expected { generation: before.generation + n, ..after.clone() }),
    );
    let mut random = Random(seed() ^ 3);
    let points: Vec<_> = disk.crash_points().collect();
    let offset = random.below(scale(4, 1)) as usize;
    for point in points.iter().skip(offset).step_by(scale(4, 1) as usize) {
        for variant in [0, 1, 6, 7 + random.below(1 << 40), 7 + random.below(1 << 40)] {
            let place = format!("prune, operation {}, variant {variant}", point.operation);
            let image = point.image(variant);
            let all: Vec<&Expected> = states.iter().collect();
            let known: Vec<&Expected> = states.iter().chain([&earlier]).collect();
            predecessor(&image, &known, &place);
            let mut store = open(&image, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
            assert!(!store.container().has_fallen_back(), "{place}: {:?}", store.container().notes());
            let state = must_be(&store, &all, &place).clone();
            let victims: &[usize] = if state.snapshots.len() == before.snapshots.len() { &[0] } else { &[] };
            let (state, _) = prune_of(&mut store, &state, victims, &thorough(), &place);
            must_be(&store, &[&state], &place);
            segments_whole(&store, &place);
            let length = image.len().expect("length");
            assert!(length <= report.file_bytes_after + 3 * SEGMENT, "{place}: {length} bytes are left");
        }
    }
}

#[test]
fn any_operation_of_a_prune_may_fail() {
    let base = SimulatedDisk::new();
    let (store, before) = fragmented(&base);
    drop(store);
    for class in [Operation::Write, Operation::Sync, Operation::Resize, Operation::Read] {
        let stride = if class == Operation::Read { scale(41, 5) } else { scale(2, 1) };
        for nth in (1..).step_by(stride as usize) {
            let place = format!("{class:?} {nth}");
            let disk = SimulatedDisk::from_bytes(base.bytes());
            let mut store = open(&disk, Access::Write).expect("opens");
            let victims = [Catalog::read(&store).expect("catalog").snapshots[0].id];
            disk.fail_at(nth, class, Fault { error: FaultError::Io, sticky: false });
            let options = thorough();
            let outcome = plan(&store, &victims, &options, &Progress::default())
                .and_then(|plan| apply(&mut store, plan, pool(), &Progress::default()));
            if !disk.fault_fired() {
                assert!(outcome.is_ok(), "{place}: fails without a fault");
                break;
            }
            disk.clear_faults();
            drop(store);
            let mut store = open(&disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
            let generation = store.container().state().root.generation;
            let mut after = Expected { generation, ..before.clone() };
            if generation > before.generation {
                after.snapshots.remove(0);
            }
            must_be(&store, &[&after], &place);
            let victims: &[usize] = if generation > before.generation { &[] } else { &[0] };
            let (after, _) = prune_of(&mut store, &after, victims, &thorough(), &place);
            must_be(&store, &[&after], &place);
        }
    }
}

fn length_of(seed: u64) -> usize {
    20_000 + (seed * 7_919 % 180_000) as usize
}

/// What the killed process does, when it is one: backups and prunes without end.
#[test]
fn victim_of_kill() {
    let Some(path) = std::env::var_os("COFFER_KILLED") else { return };
    let mut store = open_file(std::path::Path::new(&path));
    loop {
        let next = store.container().state().root.generation * 10;
        let seeds = (next..next + 6).chain((next.saturating_sub(60)..next).step_by(9));
        let files: Vec<File> = seeds.map(|seed| File { seed, length: length_of(seed) }).collect();
        backup_within(&mut store, &Expected::default(), &files).expect("backup");
        let catalog = Catalog::read(&store).expect("catalog");
        let old = catalog.snapshots.len().saturating_sub(4);
        let victims: Vec<_> = catalog.snapshots[..old].iter().map(|s| s.id).collect();
        let plan = plan(&store, &victims, &PruneOptions::default(), &Progress::default());
        let plan = plan.expect("plan");
        apply(&mut store, plan, pool(), &Progress::default()).expect("prune");
    }
}

#[test]
fn a_killed_process_leaves_every_snapshot_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("killed.coffer");
    let disk = SimulatedDisk::new();
    drop(create_on(&disk).expect("create"));
    std::fs::write(&path, disk.bytes()).expect("written");
    let mut random = Random(seed() ^ 4);
    let mut last = 1;
    for round in 0..scale(12, 500) {
        let mut child = std::process::Command::new(std::env::current_exe().expect("own path"))
            .args(["--exact", "prune::victim_of_kill"])
            .env("COFFER_KILLED", &path)
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("started");
        std::thread::sleep(std::time::Duration::from_millis(60 + random.below(250)));
        child.kill().expect("killed");
        child.wait().expect("gone");
        let store = open_file(&path);
        let place = format!("kill {round}");
        assert!(!store.container().has_fallen_back(), "{place}: {:?}", store.container().notes());
        let generation = store.container().state().root.generation;
        assert!(generation >= last, "{place}: back from {last} to {generation}");
        last = generation;
        segments_whole(&store, &place);
        for snapshot in observe(&store).unwrap_or_else(|e| panic!("{place}: {}", chain(&e))) {
            for (path, hash) in snapshot {
                let number = String::from_utf8_lossy(&path["attachments/".len()..]).into_owned();
                let seed: u64 = number.parse().expect("a number");
                let bytes = File { seed, length: length_of(seed) }.bytes();
                assert_eq!(hash, *blake3::hash(&bytes).as_bytes(), "{place}: {seed} reads back others");
            }
        }
    }
    assert!(last > 10, "only {last} commits before all those kills");
}

/// Makes one chunk unreadable in all its copies, beyond parity, and nothing else.
fn destroy(disk: &SimulatedDisk, store: &ChunkStore, id: &ChunkId) {
    let g = store.container().base().geometry;
    for copy in store.locate(id).expect("located") {
        let at = g.slot_offset(copy.location.slot);
        disk.corrupt(at + u64::from(copy.location.offset), u64::from(copy.length), |b| b.fill(9));
        for range in [g.first_table(), g.second_table(), g.parity()] {
            disk.corrupt(at + range.start as u64, range.len() as u64, |b| b.fill(7));
        }
    }
}

#[test]
fn a_manifest_that_cannot_be_read_stops_a_prune_unless_it_goes_itself() {
    let disk = SimulatedDisk::new();
    let (store, state) = fragmented(&disk);
    let catalog = Catalog::read(&store).expect("catalog");
    destroy(&disk, &store, &catalog.snapshots[1].manifest.chunks[0].id);
    drop(store);
    let mut store = open(&disk, Access::Write).expect("opens");
    let operations = disk.operations();
    let options = PruneOptions::default();
    let refused = plan(&store, &[catalog.snapshots[0].id], &options, &Progress::default());
    assert_eq!(kind_of(refused, "a staying manifest is lost"), Kind::Damaged);
    assert_eq!(disk.operations(), operations, "nothing is written");
    let (after, _) = prune_of(&mut store, &state, &[0, 1], &options, "with the lost one");
    must_be(&store, &[&after], "with the lost one");
}

#[test]
fn a_segment_with_a_lost_chunk_stays_and_the_rest_goes() {
    let disk = SimulatedDisk::new();
    let (store, state) = fragmented(&disk);
    let lost = File { seed: 5, length: 110_000 };
    let keyring = store.container().base().keyring();
    let id = keyring.chunk_id(coffer::crypto::ObjectKind::Attachment, &lost.bytes()[..PIECE]);
    destroy(&disk, &store, &id);
    drop(store);
    let mut store = open(&disk, Access::Write).expect("opens");
    let catalog = Catalog::read(&store).expect("catalog");
    let victims = [catalog.snapshots[0].id];
    let options = thorough();
    let plan = plan(&store, &victims, &options, &Progress::default()).expect("plan");
    let report = apply(&mut store, plan, pool(), &Progress::default()).expect("prune");
    assert_eq!(report.damaged_slots.len(), 1, "{report:?}");
    let catalog = Catalog::read(&store).expect("catalog");
    let left = state.seen().split_off(1);
    for (record, seen) in catalog.snapshots.iter().zip(left) {
        match read_snapshot(&store, record) {
            Ok(read) => assert_eq!(read, seen),
            Err(error) => assert!(seen.contains_key(&lost.path().0), "{}", chain(&error)),
        }
    }
}

#[test]
fn a_prune_that_is_stopped_is_finished_by_the_next() {
    let disk = SimulatedDisk::new();
    let (mut store, state) = fragmented(&disk);
    let victims = [Catalog::read(&store).expect("catalog").snapshots[0].id];
    let options = PruneOptions::default();
    let plan = plan(&store, &victims, &options, &Progress::default()).expect("plan");
    let foretold = plan.file_bytes_after;
    let progress = Progress::default();
    progress.interrupt();
    let stopped = apply(&mut store, plan.clone(), pool(), &progress);
    assert_eq!(kind_of(stopped, "stopped"), Kind::Interrupted);
    must_be(&store, &[&state], "stopped before anything");
    // Stopped from another thread, somewhere on the way.
    let progress = Progress::default();
    let stopped = std::thread::scope(|scope| {
        scope.spawn(|| {
            while progress.items.load(std::sync::atomic::Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            progress.interrupt();
        });
        apply(&mut store, plan, pool(), &progress)
    });
    assert!(stopped.is_ok() || stopped.is_err_and(|e| e.kind() == Kind::Interrupted));
    let generation = store.container().state().root.generation;
    let mut after = Expected { generation, ..state };
    after.snapshots.remove(0);
    let (after, report) = prune_of(&mut store, &after, &[], &options, "the rest");
    must_be(&store, &[&after], "the rest");
    assert!(report.file_bytes_after <= foretold + 2 * SEGMENT);
}
