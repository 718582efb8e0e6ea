//! Copies under failure: the destination loses power before every operation, each of its operations
//! fails in turn, and damage lies in the source. The destination holds whole snapshots, oldest first,
//! and takes the rest when the copy is run again; the source is never touched.

use crate::world::*;
use coffer::chunk_store::ChunkStore;
use coffer::container::Access;
use coffer::container::create::{Creation, create};
use coffer::crypto::{Keyring, Secrets, SeededEntropy};
use coffer::error::{Kind, Result};
use coffer::operations::copy::{CopyPlan, CopyReport, copy};
use coffer::progress::Progress;
use coffer::snapshot::{Catalog, Level};
use coffer::storage::{Fault, FaultError, Operation, SimulatedDisk};
use std::sync::Arc;

fn files(number: u64, count: u64, length: usize) -> Vec<File> {
    (0..count).map(|i| File { seed: number * 100 + i, length }).collect()
}

/// Three nights that share files, the first larger than a segment.
fn nights() -> (SimulatedDisk, Expected) {
    let disk = SimulatedDisk::new();
    let mut store = create_on(&disk).expect("create");
    let mut state = Expected { generation: 1, snapshots: vec![] };
    let mut all = files(1, 4, 350_000);
    for night in 2..5 {
        state = backup(&mut store, &state, &all, options()).expect("backup");
        all.extend(files(night, 2, 90_000));
        all.remove(0);
    }
    drop(store);
    (disk, state)
}

/// The keys of a container of another family.
fn stranger() -> Keyring {
    let secrets = Secrets::generate(&mut SeededEntropy::new(8)).expect("seeded");
    let prologue = prologue(3);
    Keyring::derive(&secrets, prologue.container, prologue.family)
}

/// A destination in the family, or in another.
fn destination(disk: &SimulatedDisk, is_family: bool) -> ChunkStore {
    if is_family {
        return create_numbered(disk, 2).expect("create");
    }
    let keyring = stranger();
    let creation = Creation { prologue: prologue(3), keys: key_frame(1), keyring, contents: vec![] };
    let storage = Arc::new(disk.reopen());
    ChunkStore::open(create(storage, creation, "campaign", pool(), commit_options()).expect("create"))
        .expect("opens")
}

fn open_destination(disk: &SimulatedDisk, is_family: bool, access: Access) -> Result<ChunkStore> {
    use coffer::container::{Container, header::Header};
    if is_family {
        return open(disk, access);
    }
    let header = Header::read(disk)?;
    ChunkStore::open(Container::open(Arc::new(disk.reopen()), header, stranger(), "campaign", access)?)
}

fn plan(commit_bytes: u64, verify: Option<Level>) -> CopyPlan {
    let time = commit_options().time;
    CopyPlan { snapshots: None, time, verify, verify_anyway: true, verifications: vec![], commit_bytes }
}

fn run(source: &ChunkStore, destination: &mut ChunkStore, plan: &CopyPlan) -> (Result<()>, CopyReport) {
    let mut report = CopyReport::default();
    let result = copy(source, destination, plan, &pool(), &Progress::default(), &mut report);
    (result, report)
}

/// Opens what a failure left: whole snapshots, oldest first, at least `least` of them; then the copy
/// is run again and everything is there.
fn goes_on(
    disk: &SimulatedDisk,
    is_family: bool,
    source: &ChunkStore,
    expected: &Expected,
    least: usize,
    place: &str,
) {
    let store = open_destination(disk, is_family, Access::Write);
    let mut store = store.unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
    let seen = observe(&store).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
    assert!(seen.len() >= least, "{place}: {} of {least} acknowledged snapshots", seen.len());
    assert!(seen == expected.seen()[..seen.len()], "{place}: other bytes");
    segments_whole(&store, place);
    let (result, report) = run(source, &mut store, &plan(u64::MAX, Some(Level::Full)));
    result.unwrap_or_else(|e| panic!("{place}: does not go on: {}", chain(&e)));
    let found = report.verified.expect("verified");
    assert!(found.damaged.is_empty() && found.affected.is_empty(), "{place}: {found:?}");
    assert_eq!(report.copied.len() + report.present.len(), expected.snapshots.len(), "{place}");
    assert!(observe(&store).expect("whole") == expected.seen(), "{place}: other bytes after going on");
}

#[test]
fn power_lost_anywhere_in_a_copy_loses_no_whole_snapshot() {
    let (disk, expected) = nights();
    let before = disk.bytes();
    let source = open(&disk, Access::Read).expect("opens");
    let mut random = Random(seed() ^ 0xc0);
    let mut images = 0;
    for (is_family, commit_bytes) in [(true, u64::MAX), (true, 1), (false, u64::MAX), (false, 1)] {
        let place = SimulatedDisk::new();
        let mut store = destination(&place, is_family);
        place.record();
        // Each snapshot by itself, to know when it was acknowledged.
        let catalog = Catalog::read(&source).expect("a catalog");
        let mut acknowledged = Vec::new();
        for record in &catalog.snapshots {
            let one = CopyPlan { snapshots: Some(vec![record.id]), ..plan(commit_bytes, None) };
            run(&source, &mut store, &one).0.expect("copied");
            acknowledged.push(place.operations());
        }
        drop(store);
        let stride = scale(5, 1) as usize;
        let offset = random.below(stride as u64) as usize;
        for point in place.crash_points().skip(offset).step_by(stride) {
            let least = acknowledged.iter().filter(|at| **at <= point.operation).count();
            for variant in [0, 6, 7 + random.below(1 << 40)].into_iter().take(scale(2, 3) as usize) {
                let image = point.image(variant);
                let at = format!("family {is_family}, {commit_bytes}: {}, {variant}", point.operation);
                goes_on(&image, is_family, &source, &expected, least, &at);
                images += 1;
            }
        }
    }
    println!("{images} images, seed {}", seed());
    assert!(images > 40, "only {images} images");
    assert!(disk.bytes() == before, "the source is not touched");
}

#[test]
fn the_nth_failure_of_the_destination_loses_no_whole_snapshot() {
    let (disk, expected) = nights();
    let source = open(&disk, Access::Read).expect("opens");
    let before = disk.bytes();
    let classes = [Operation::Write, Operation::Sync, Operation::Resize];
    for (class, error) in
        classes.into_iter().flat_map(|c| [(c, FaultError::Io), (c, FaultError::StorageFull)])
    {
        for is_family in [true, false] {
            let stride = if class == Operation::Write { scale(4, 1) } else { scale(2, 1) };
            for nth in (1..).step_by(stride as usize) {
                let at = format!("{class:?} {nth}, {error:?}, family {is_family}");
                let place = SimulatedDisk::new();
                let mut store = destination(&place, is_family);
                place.fail_at(nth, class, Fault { error, sticky: nth % 2 == 0 });
                let (result, report) = run(&source, &mut store, &plan(1, None));
                drop(store);
                if !place.fault_fired() {
                    assert!(result.is_ok(), "{at}: fails without a fault");
                    break;
                }
                place.clear_faults();
                if let Err(error) = &result {
                    let fits = [Kind::Destination, Kind::Full, Kind::Poisoned].contains(&error.kind());
                    assert!(fits, "{at}: {:?} {}", error.kind(), chain(error));
                }
                assert!(report.left_out.is_empty(), "{at}: taken for damage of the source");
                goes_on(&place.crash(nth), is_family, &source, &expected, report.copied.len(), &at);
            }
        }
    }
    assert!(disk.bytes() == before, "the source is not touched");
}

/// A read of the source that fails is healed, or costs the snapshot and is named; never anything else.
#[test]
fn the_nth_read_of_the_source_fails() {
    let (disk, expected) = nights();
    for is_family in [true, false] {
        let mut named = 0;
        for sticky in [false, true] {
            for nth in (1..).step_by(scale(17, 3) as usize) {
                let at = format!("read {nth}, sticky {sticky}, family {is_family}");
                let bad = SimulatedDisk::from_bytes(disk.bytes());
                let source = open(&bad, Access::Read).expect("opens");
                let place = SimulatedDisk::new();
                let mut store = destination(&place, is_family);
                bad.fail_at(nth, Operation::Read, Fault { error: FaultError::Io, sticky });
                let (result, report) = run(&source, &mut store, &plan(u64::MAX, Some(Level::Full)));
                if !bad.fault_fired() {
                    break;
                }
                bad.clear_faults();
                match result {
                    Err(error) => {
                        let fits = [Kind::Damaged, Kind::Source, Kind::Destination].contains(&error.kind());
                        assert!(fits, "{at}: {}", chain(&error));
                    }
                    Ok(()) => {
                        let all = report.copied.len() + report.left_out.len();
                        assert_eq!(all, expected.snapshots.len(), "{at}");
                        assert!(report.verified.expect("verified").damaged.is_empty(), "{at}");
                        named += report.left_out.len();
                    }
                }
                drop((store, source));
                // Another process: this one may remember what it could not read.
                let source = open(&bad, Access::Read).expect("opens");
                let mut store = open_destination(&place, is_family, Access::Write).expect("opens");
                let (result, _) = run(&source, &mut store, &plan(u64::MAX, Some(Level::Full)));
                result.unwrap_or_else(|e| panic!("{at}: {}", chain(&e)));
                assert!(observe(&store).expect("whole") == expected.seen(), "{at}: other bytes");
            }
        }
        assert!(named > 0, "no read mattered");
    }
}
