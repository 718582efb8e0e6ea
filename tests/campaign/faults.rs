//! Failing disks: the Nth write, sync, resize or read fails, once or from then on; syncs that fail
//! and forget; disks and files that are full at every size. A failure is never acknowledged, closes
//! the handle for writing where bytes are in doubt, and leaves the old state whole.

use crate::world::*;
use coffer::chunk_store::{ChunkStore, WritingOptions};
use coffer::container::Access;
use coffer::error::{Kind, Result};
use coffer::storage::{Fault, FaultError, Operation, SimulatedDisk, Storage};

const WORK: [Work; 5] = [Work::Backup, Work::Large, Work::Empty, Work::Drop, Work::Keys];

#[derive(Clone, Copy, Debug)]
enum Work {
    Backup,
    Large,
    Empty,
    Drop,
    Keys,
}

fn files(number: u64, count: u64, length: usize) -> Vec<File> {
    (0..count).map(|i| File { seed: number * 100 + i, length }).collect()
}

fn work(work: Work, store: &mut ChunkStore, before: &Expected, options: WritingOptions) -> Result<Expected> {
    match work {
        Work::Backup => backup(store, before, &files(50, 3, 30_000), options),
        Work::Large => backup(store, before, &files(60, 6, 600_000), options),
        Work::Empty => commit(store, before, 0, options),
        Work::Drop => commit(store, before, 1, options),
        Work::Keys => {
            let sequence = store.container().header().keys.sequence + 1;
            store.container_mut().write_keys(key_frame(sequence))?;
            commit(store, before, 0, options)
        }
    }
}

fn base() -> (Vec<u8>, Expected) {
    let disk = SimulatedDisk::new();
    let mut store = create_on(&disk).expect("create");
    let mut state = Expected { generation: 1, snapshots: vec![] };
    for night in 1..4 {
        state = backup(&mut store, &state, &files(night, 2, 200_000), options()).expect("backup");
    }
    drop(store);
    (disk.bytes(), state)
}

/// After a failure: the process goes away, the next one opens and finds the old state or the one in
/// flight, whole, and writes on; so after a power loss, which may be all that remains.
fn next_process(disk: &SimulatedDisk, allowed: &[&Expected], place: &str) {
    disk.clear_faults();
    for crash in [None, Some(0), Some(1), Some(12), Some(13)] {
        let disk = crash.map_or_else(|| SimulatedDisk::from_bytes(disk.bytes()), |seed| disk.crash(seed));
        let place = format!("{place}, then {crash:?}");
        let mut store = open(&disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        let state = must_be(&store, allowed, &place).clone();
        let after = backup(&mut store, &state, &files(90, 1, 30_000), options())
            .unwrap_or_else(|e| panic!("{place}: not writable: {}", chain(&e)));
        drop(store);
        let store = open(&disk, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        must_be(&store, &[&after], &place);
        segments_whole(&store, &place);
    }
}

/// The same on the disk itself, whose cache may show what the medium never got.
fn next_process_on_same_cache(disk: &SimulatedDisk, allowed: &[&Expected], place: &str) {
    disk.clear_faults();
    let mut store = open(disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
    let state = must_be(&store, allowed, place).clone();
    let after = backup(&mut store, &state, &files(91, 1, 30_000), options())
        .unwrap_or_else(|e| panic!("{place}: not writable: {}", chain(&e)));
    drop(store);
    for seed in [0, 1, 14] {
        let crashed = disk.crash(seed);
        let place = format!("{place}, acknowledged on a doubtful cache, power loss {seed}");
        let store = open(&crashed, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        must_be(&store, &[&after], &place);
        segments_whole(&store, &place);
    }
}

fn each_nth(class: Operation, error: FaultError, sticky: bool, stride: u64) {
    let base = base();
    for kind in WORK {
        for nth in (1..).step_by(stride as usize) {
            let place = format!("{kind:?}, {class:?} {nth}, sticky {sticky}, {error:?}");
            let disk = SimulatedDisk::from_bytes(base.0.clone());
            let mut store = open(&disk, Access::Write).expect("opens");
            let after = work(kind, &mut store, &base.1, options());
            let after = after.unwrap_or_else(|e| panic!("{place}: without a fault: {}", chain(&e)));
            drop(store);

            let disk = SimulatedDisk::from_bytes(base.0.clone());
            let mut store = open(&disk, Access::Write).expect("opens");
            disk.fail_at(nth, class, Fault { error, sticky });
            let outcome = work(kind, &mut store, &base.1, options());
            if !disk.fault_fired() {
                assert!(outcome.is_ok(), "{place}: fails without a fault");
                break;
            }
            let failed = outcome.is_err();
            if let Err(error) = &outcome {
                let fits = [Kind::Destination, Kind::Full, Kind::Damaged].contains(&error.kind());
                assert!(fits, "{place}: {:?} {}", error.kind(), chain(error));
            }
            disk.clear_faults();
            if failed && matches!(class, Operation::Write | Operation::Sync) {
                let again = commit(&mut store, &base.1, 0, options());
                assert_eq!(kind_of(again, &place), Kind::Poisoned, "{place}: the handle goes on");
            }
            drop(store);
            let both = [&base.1, &after];
            let allowed = if failed { &both[..] } else { &both[1..] };
            next_process(&disk, allowed, &place);
            if class == Operation::Sync || class == Operation::Write {
                next_process_on_same_cache(&disk, allowed, &place);
            }
        }
    }
}

#[test]
fn the_nth_write_fails() {
    for sticky in [false, true] {
        each_nth(Operation::Write, FaultError::Io, sticky, 1);
    }
    each_nth(Operation::Write, FaultError::StorageFull, true, scale(3, 1));
}

#[test]
fn the_nth_sync_fails_and_forgets() {
    for sticky in [false, true] {
        each_nth(Operation::Sync, FaultError::Io, sticky, 1);
    }
}

#[test]
fn the_nth_resize_or_read_fails() {
    for sticky in [false, true] {
        each_nth(Operation::Resize, FaultError::Io, sticky, 1);
        each_nth(Operation::Resize, FaultError::StorageFull, sticky, 1);
        each_nth(Operation::Read, FaultError::Io, sticky, scale(5, 1));
    }
}

#[test]
fn opening_a_disk_that_fails_to_read_is_an_error_or_right() {
    let base = base();
    for sticky in [false, true] {
        for nth in 1..40 {
            let disk = SimulatedDisk::from_bytes(base.0.clone());
            disk.fail_at(nth, Operation::Read, Fault { error: FaultError::Io, sticky });
            let opened = open(&disk, Access::Read);
            disk.clear_faults();
            if let Ok(store) = opened {
                must_be(&store, &[&base.1], &format!("read {nth} failed while opening, sticky {sticky}"));
            }
        }
    }
}

/// A limit of any size: an acknowledged commit, or [`Kind::Full`] with everything as it was.
fn full(limit: impl Fn(&SimulatedDisk, Option<u64>), capped: bool) {
    let base = base();
    let length = base.0.len() as u64;
    let step = scale(SEGMENT / 2 + 4096, SEGMENT / 16 + 4096);
    for kind in WORK {
        let (mut fitted, mut refused) = (0, 0);
        let mut extra = 0;
        while extra < 12 * SEGMENT && fitted < 3 {
            let place = format!("{kind:?}, room for {extra} bytes");
            let disk = SimulatedDisk::from_bytes(base.0.clone());
            disk.allocate(0, length).expect("blocks");
            let mut store = open(&disk, Access::Write).expect("opens");
            let mut tight = options();
            match capped {
                true => tight.commit.max_bytes = Some(length + extra),
                false => limit(&disk, Some(length + extra)),
            }
            match work(kind, &mut store, &base.1, tight) {
                Ok(after) => {
                    fitted += 1;
                    must_be(&store, &[&after], &place);
                    assert!(disk.len().expect("length") <= length + extra, "{place}: grew past it");
                    let slots = store.container().state().root.slot_count;
                    let whole = store.container().base().geometry.file_bytes(slots);
                    assert_eq!(disk.len().expect("length"), whole, "{place}: as long as its table says");
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.kind(), Kind::Full, "{place}: {}", chain(&error));
                    assert_eq!(
                        disk.len().expect("length"),
                        length,
                        "{place}: the file is longer than before"
                    );
                    limit(&disk, None);
                    if error_poisons(&mut store, &base.1) {
                        drop(store);
                        store = open(&disk, Access::Write).expect("opens again");
                        must_be(&store, &[&base.1], &place);
                        backup(&mut store, &base.1, &files(70, 2, 90_000), options())
                            .unwrap_or_else(|e| panic!("{place}: space returned, yet {}", chain(&e)));
                    }
                    let store = {
                        drop(store);
                        open(&disk, Access::Read).expect("opens")
                    };
                    segments_whole(&store, &place);
                }
            }
            extra += step;
        }
        assert!(fitted > 0, "{kind:?} never fits");
        let small = matches!(kind, Work::Empty | Work::Drop | Work::Keys);
        assert!(
            !small || refused == 0,
            "{kind:?} is refused on a full disk {refused} times: the reserve is not used"
        );
    }
}

/// Whether the handle refuses to go on; if not, it must go on well.
fn error_poisons(store: &mut ChunkStore, before: &Expected) -> bool {
    match commit(store, before, 0, options()) {
        Ok(after) => {
            must_be(store, &[&after], "after space returned");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::Poisoned);
            true
        }
    }
}

#[test]
fn a_full_disk_is_a_clean_error() {
    full(SimulatedDisk::set_capacity, false);
}

#[test]
fn a_limit_on_the_length_is_a_clean_error() {
    full(SimulatedDisk::set_length_limit, false);
}

#[test]
fn the_cap_is_a_clean_error() {
    full(|_, _| {}, true);
}

/// On a full disk small commits go on for ever, from the reserve.
#[test]
fn pruning_works_on_a_full_disk() {
    let (bytes, mut state) = base();
    let disk = SimulatedDisk::from_bytes(bytes);
    let mut store = open(&disk, Access::Write).expect("opens");
    for night in 0..12 {
        state = backup(&mut store, &state, &files(200 + night, 3, 150_000), options()).expect("backup");
    }
    let length = disk.len().expect("length");
    disk.allocate(0, length).expect("blocks");
    disk.set_capacity(Some(disk.allocated_bytes()));
    for round in 0..30 {
        state = commit(&mut store, &state, usize::from(round % 3 == 0), options())
            .unwrap_or_else(|e| panic!("commit {round} on a full disk: {}", chain(&e)));
        must_be(&store, &[&state], "on a full disk");
    }
    assert!(disk.len().expect("length") <= length);
}
