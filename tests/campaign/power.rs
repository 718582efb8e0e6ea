//! Power loss: every sequence of up to three operations, crashed before every operation on the
//! disk. What was acknowledged must be there, or what was in flight, whole; the predecessor, too,
//! must still open where both superblocks stand; and writing must go on.

use crate::space::prune_of;
use crate::world::*;
use coffer::chunk_store::ChunkStore;
use coffer::container::Access;
use coffer::container::header::Header;
use coffer::operations::prune::PruneOptions;
use coffer::storage::{SimulatedDisk, Storage};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A backup of some files, two of them known.
    Backup,
    /// A backup of more than a segment.
    Large,
    /// A commit without anything.
    Empty,
    /// A commit that drops the oldest snapshot.
    Drop,
    /// A new key table and a commit that names it.
    Keys,
    /// A commit that is abandoned after two segments were written.
    Abort,
    /// Two commits beside a reader that keeps reading.
    Pinned,
    /// A prune of the oldest snapshot: several commits.
    Prune,
}

const STEPS: [Step; 8] =
    [Step::Backup, Step::Large, Step::Empty, Step::Drop, Step::Keys, Step::Abort, Step::Pinned, Step::Prune];

/// States and how many operations the disk had seen when each was acknowledged.
type Acknowledged = Vec<(u64, Expected)>;

fn files(number: u64, count: u64, length: usize) -> Vec<File> {
    (0..count).map(|i| File { seed: number * 100 + i, length: length + 1000 * i as usize }).collect()
}

fn perform(step: Step, number: u64, disk: &SimulatedDisk, store: &mut ChunkStore, states: &mut Acknowledged) {
    let before = states.last().expect("a first state").1.clone();
    let mut acknowledge = |state: Expected| states.push((disk.operations(), state));
    match step {
        Step::Backup => {
            let mut all = files(number, 3, 30_000);
            all.extend(files(1, 2, 30_000));
            acknowledge(backup(store, &before, &all, options()).expect("backup"));
        }
        Step::Large => {
            acknowledge(backup(store, &before, &files(number, 4, 600_000), options()).expect("backup"))
        }
        Step::Empty => acknowledge(commit(store, &before, 0, options()).expect("commit")),
        Step::Drop => acknowledge(commit(store, &before, 1, options()).expect("commit")),
        Step::Keys => {
            let sequence = store.container().header().keys.sequence + 1;
            store.container_mut().write_keys(key_frame(sequence)).expect("keys");
            acknowledge(commit(store, &before, 0, options()).expect("commit"));
        }
        Step::Abort => {
            let mut writing = store.begin(pool(), options()).expect("begin");
            put_snapshot(store, &files(number, 10, 600_000), &mut writing).expect("put");
        }
        Step::Pinned => {
            let reader = open(disk, Access::Read).expect("reader");
            let first = commit(store, &before, 1, options()).expect("commit");
            acknowledge(first.clone());
            acknowledge(backup(store, &first, &files(number, 2, 50_000), options()).expect("backup"));
            must_be(&reader, &[&before], "a reader beside two commits");
        }
        Step::Prune => {
            let victims: &[usize] = if before.snapshots.is_empty() { &[] } else { &[0] };
            let options = PruneOptions::default();
            let (after, report) = prune_of(store, &before, victims, &options, "prune");
            // The commits before its last are acknowledged to nobody.
            for left in (0..report.commits).rev() {
                acknowledge(Expected { generation: after.generation - left, ..after.clone() });
            }
        }
    }
}

/// A container with two snapshots, its state, and the state before.
struct Base(Vec<u8>, Expected, Expected);

fn base() -> Base {
    let disk = SimulatedDisk::new();
    let mut store = create_on(&disk).expect("create");
    let state = Expected { generation: 1, snapshots: vec![] };
    let before = backup(&mut store, &state, &files(1, 3, 30_000), options()).expect("backup");
    let state = backup(&mut store, &before, &files(2, 3, 30_000), options()).expect("backup");
    drop(store);
    Base(disk.bytes(), state, before)
}

/// The states that a crash at `operation` may leave: the last acknowledged, and those of the operation
/// that was under way.
fn allowed(states: &Acknowledged, operation: u64) -> Vec<&Expected> {
    let last = states.iter().rposition(|(at, _)| *at <= operation).expect("a first state");
    let next = states.get(last + 1).map(|(at, _)| *at);
    let under_way = states[last + 1..].iter().take_while(|(at, _)| Some(*at) == next);
    states[last..=last].iter().chain(under_way).map(|(_, state)| state).collect()
}

/// Opens an image for writing as a user would after the crash, checks everything, and goes on.
fn recover(image: &SimulatedDisk, allowed: &[&Expected], go_on: bool, place: &str) {
    image.record();
    let mut store = open(image, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
    // A crash is not rot: no superblock may stand whose commit does not.
    assert!(!store.container().has_fallen_back(), "{place}: {:?}", store.container().notes());
    let state = must_be(&store, allowed, place).clone();
    let wrote = image.operations();
    if wrote > 0 {
        // Opening wrote: power fails again at every operation of that.
        for point in image.crash_points() {
            for variant in [0, 1, 2, 6, 11] {
                let nested = point.image(variant);
                let place = format!("{place}, again at {} of opening, variant {variant}", point.operation);
                let store = open(&nested, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
                must_be(&store, allowed, &place);
            }
        }
    }
    if go_on {
        let after = backup(&mut store, &state, &files(777, 2, 20_000), options())
            .unwrap_or_else(|e| panic!("{place}: no commit after recovery: {}", chain(&e)));
        drop(store);
        let store =
            open(image, Access::Read).unwrap_or_else(|e| panic!("{place}: after a commit: {}", chain(&e)));
        must_be(&store, &[&after], &format!("{place}, after a commit"));
        segments_whole(&store, place);
        let slots = store.container().state().root.slot_count;
        let length = store.container().base().geometry.file_bytes(slots);
        assert_eq!(image.len().expect("length"), length, "{place}: the file is as long as its table says");
    }
}

/// Where both superblock slots stand with different generations, the older state must open as well
/// when the newer one's root is destroyed.
pub fn predecessor(image: &SimulatedDisk, states: &[&Expected], place: &str) {
    let header = Header::read(image).expect("header");
    let (slots, _) = header.superblocks(image);
    let generations: Vec<u64> = slots.iter().flatten().map(|(block, _)| block.generation).collect();
    let [a, b] = generations[..] else { return };
    let store = open(image, Access::Read).expect("opened before");
    if a == b || store.container().state().root.generation != a.max(b) {
        return;
    }
    let copies = store.container().state().pointer.copies;
    drop(store);
    let broken = SimulatedDisk::from_bytes(image.bytes());
    for location in copies {
        broken.corrupt(header.geometry.slot_offset(location.slot), SEGMENT, |bytes| bytes.fill(0));
    }
    let store = open(&broken, Access::Read).unwrap_or_else(|e| panic!("{place}: predecessor: {}", chain(&e)));
    assert!(store.container().has_fallen_back(), "{place}: and it says so");
    must_be(&store, states, &format!("{place}, predecessor"));
}

/// Crashes the last step of a sequence everywhere. Returns the number of images.
fn crash_last(base: &Base, steps: &[Step], variants: &[u64], random: &mut Random) -> u64 {
    let disk = SimulatedDisk::from_bytes(base.0.clone());
    let mut store = open(&disk, Access::Write).expect("base opens");
    let mut states: Acknowledged = vec![(0, base.1.clone())];
    let (last, prefix) = steps.split_last().expect("a step");
    for (index, step) in prefix.iter().enumerate() {
        perform(*step, 10 + index as u64, &disk, &mut store, &mut states);
    }
    disk.record();
    perform(*last, 20, &disk, &mut store, &mut states);
    drop(store);
    let mut images = 0;
    for point in disk.crash_points() {
        let count = if point.unsynced_count() == 0 { 1 } else { variants.len() };
        for variant in &variants[..count] {
            let variant = if *variant < 7 { *variant } else { 7 + random.below(1 << 40) };
            let place = format!("{steps:?}, operation {}, variant {variant}", point.operation);
            let image = point.image(variant);
            let allowed = allowed(&states, point.operation);
            let go_on = images % scale(4, 1) == 0;
            if go_on {
                let known: Vec<&Expected> = states.iter().map(|(_, s)| s).chain([&base.2]).collect();
                predecessor(&image, &known, &place);
            }
            recover(&image, &allowed, go_on, &place);
            images += 1;
        }
    }
    images
}

fn sequences() -> Vec<Vec<Step>> {
    let mut all: Vec<Vec<Step>> = Vec::new();
    for a in STEPS {
        all.push(vec![a]);
        for b in STEPS {
            all.push(vec![a, b]);
            all.extend(STEPS.map(|c| vec![a, b, c]));
        }
    }
    all
}

#[test]
fn sequences_of_three_operations_survive() {
    let base = base();
    let mut random = Random(seed());
    let share = scale(9, 1) as usize;
    let variants: Vec<u64> = (0..scale(5, 24))
        .map(|i| [0, 6, 9, 1, 9, 2, 3, 4, 5].get(i as usize).copied().unwrap_or(9))
        .collect();
    let offset = random.below(share as u64) as usize;
    let mut images = 0;
    for (number, steps) in sequences().iter().enumerate() {
        if steps.len() < 2 || number % share == offset {
            images += crash_last(&base, steps, &variants, &mut random);
        }
    }
    println!("{images} images, seed {}", seed());
    assert!(images > 1000, "only {images} images");
}

#[test]
fn a_container_in_the_making_opens_whole_or_not_at_all() {
    let mut random = Random(seed() ^ 1);
    let disk = SimulatedDisk::new();
    disk.record();
    drop(create_on(&disk).expect("create"));
    let made = Expected { generation: 1, snapshots: vec![] };
    let mut opened = 0;
    for point in disk.crash_points() {
        for variant in 0..scale(16, 200) {
            let variant = if variant < 7 { variant } else { 7 + random.below(1 << 40) };
            let image = point.image(variant);
            let place = format!("create, operation {}, variant {variant}", point.operation);
            match open(&image, Access::Write) {
                Ok(store) => {
                    drop(store);
                    recover(&image, &[&made], true, &place);
                    opened += 1;
                }
                Err(_) => assert!(point.operation < disk.operations(), "{place}: acknowledged, yet gone"),
            }
        }
    }
    assert!(opened > 0);
}

/// Two crashes: a first attempt is lost after much of it was synced, a second one from the same
/// parent loses power while its superblock is being written. Nothing of the first may show.
#[test]
fn a_second_attempt_never_mixes_with_the_first() {
    let base = base();
    let mut random = Random(seed() ^ 2);
    let shapes = [(4, 600_000), (3, 30_000), (12, 90_000), (0, 0)];
    let mut images = 0;
    for (first, second) in shapes.iter().flat_map(|a| shapes.map(|b| (*a, b))) {
        let disk = SimulatedDisk::from_bytes(base.0.clone());
        let mut store = open(&disk, Access::Write).expect("opens");
        disk.record();
        backup(&mut store, &base.1, &files(30, first.0, first.1), options()).expect("first attempt");
        drop(store);
        // The last four moments: written, synced, superblock half written, written and not synced.
        let points: Vec<_> = disk.crash_points().collect();
        for point in points.iter().rev().skip(1).take(4) {
            let image = point.image(random.next() % 9);
            let Ok(mut store) = open(&image, Access::Write) else { panic!("opens") };
            let survived = store.container().state().root.generation > base.1.generation;
            if survived {
                continue;
            }
            image.record();
            let after =
                backup(&mut store, &base.1, &files(40, second.0, second.1), options()).expect("second");
            drop(store);
            for (index, late) in image.crash_points().enumerate() {
                for variant in 0..scale(9, 40) {
                    let variant = if variant < 7 { variant } else { 7 + random.below(1 << 40) };
                    let crashed = late.image(variant);
                    let place = format!("{first:?} then {second:?}, {index}, {variant}");
                    let acknowledged = late.operation == image.operations();
                    let both = [&base.1, &after];
                    recover(&crashed, if acknowledged { &both[1..] } else { &both }, variant == 8, &place);
                    images += 1;
                }
                // And with the older superblock torn in both copies, whatever the crash did.
                let torn = late.image(1);
                let header = Header::read(&torn).expect("header");
                for slot in [4096, 8192] {
                    let torn = SimulatedDisk::from_bytes(torn.bytes());
                    let decoded = header.superblocks(&torn).0;
                    let generation = decoded[usize::from(slot == 8192)].as_ref().map(|(b, _)| b.generation);
                    let newest = decoded.iter().flatten().map(|(b, _)| b.generation).max();
                    if generation == newest && newest > Some(base.1.generation) {
                        continue;
                    }
                    torn.corrupt(slot, 100, |b| b.fill(9));
                    torn.corrupt(slot + (128 << 10), 100, |b| b.fill(9));
                    let place = format!("{first:?} then {second:?}, {index}, slot at {slot} torn");
                    if let Ok(store) = open(&torn, Access::Read) {
                        let generation = store.container().state().root.generation;
                        if generation == base.1.generation + 1 {
                            assert!(observe(&store).is_ok(), "{place}: adopted, yet not whole");
                        }
                    }
                }
            }
        }
    }
    assert!(images > 200, "only {images} images");
}
