//! Random operations against a naive model: a list of snapshots, each a list of files. Reopening,
//! power loss, failing disks and damage within parity are mixed in; after each step the container
//! must read back as the model says.

use crate::world::*;
use coffer::chunk_store::ChunkStore;
use coffer::container::Access;
use coffer::storage::{Fault, FaultError, Operation, SimulatedDisk, Storage};

struct World {
    disk: SimulatedDisk,
    store: Option<ChunkStore>,
    state: Expected,
    next: u64,
}

impl World {
    fn new() -> World {
        let disk = SimulatedDisk::new();
        let store = Some(create_on(&disk).expect("create"));
        World { disk, store, state: Expected { generation: 1, snapshots: vec![] }, next: 1 }
    }

    fn store(&mut self, place: &str) -> &mut ChunkStore {
        let disk = &self.disk;
        let open = || open(disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        self.store.get_or_insert_with(open)
    }

    /// New files and some of the last snapshot's.
    fn files(&mut self, random: &mut Random) -> Vec<File> {
        let mut files: Vec<File> = self.state.snapshots.last().cloned().unwrap_or_default();
        files.retain(|_| random.below(3) > 0);
        for _ in 0..random.below(4) {
            let length = [0, 1, 300, 45_000, 700_000][random.below(5) as usize];
            files.push(File { seed: self.next, length });
            self.next += 1;
        }
        files
    }

    fn change(&mut self, random: &mut Random, place: &str) -> coffer::error::Result<Expected> {
        let before = self.state.clone();
        let files = self.files(random);
        let drop = random.below(3) as usize;
        let which = random.below(4);
        let store = self.store(place);
        match which {
            0 => commit(store, &before, drop, options()),
            1 => {
                let sequence = store.container().header().keys.sequence + 1;
                store.container_mut().write_keys(key_frame(sequence))?;
                commit(store, &before, 0, options())
            }
            _ => backup(store, &before, &files, options()),
        }
    }

    fn step(&mut self, kind: u64, random: &mut Random, place: &str) {
        match kind {
            // A change, acknowledged.
            0..=3 => {
                self.state = self.change(random, place).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)))
            }
            // Another process.
            4 => self.store = None,
            // A change beside a reader.
            5 => {
                let reader =
                    open(&self.disk, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
                let before = self.state.clone();
                for _ in 0..2 {
                    self.state =
                        self.change(random, place).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
                }
                must_be(&reader, &[&before], &format!("{place}, the reader"));
            }
            // An abandoned backup.
            6 => {
                let files = self.files(random);
                let store = self.store(place);
                let mut writing = store.begin(pool(), options()).expect("begin");
                put_snapshot(store, &files, &mut writing).expect("put");
            }
            7 => self.lose_power(random, place),
            8 => self.fail(random, place),
            _ => self.rot(random),
        }
    }

    /// Power fails at any moment of a change.
    fn lose_power(&mut self, random: &mut Random, place: &str) {
        self.store(place);
        self.disk.record();
        let before = self.state.clone();
        let after = self.change(random, place).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        self.store = None;
        let points: Vec<_> = self.disk.crash_points().collect();
        let point = &points[random.below(points.len() as u64) as usize];
        let acknowledged = point.operation == self.disk.operations();
        self.disk = point.image(random.next() % 1000);
        let both = [&before, &after];
        let store = open(&self.disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        self.state = must_be(&store, if acknowledged { &both[1..] } else { &both }, place).clone();
    }

    /// Any operation of a change fails.
    fn fail(&mut self, random: &mut Random, place: &str) {
        self.store(place);
        let class = [Operation::Write, Operation::Sync, Operation::Resize][random.below(3) as usize];
        let fault = Fault { error: FaultError::Io, sticky: random.below(2) == 0 };
        let before = self.state.clone();
        self.disk.fail_at(1 + random.below(6), class, fault);
        let outcome = self.change(random, place);
        self.disk.clear_faults();
        self.store = None;
        // A change that failed may have got as far as its superblock: then it is in flight.
        match outcome {
            Ok(after) => self.state = after,
            Err(_) => {
                let store =
                    open(&self.disk, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
                let generation = store.container().state().root.generation;
                if generation != before.generation {
                    assert_eq!(generation, before.generation + 1, "{place}");
                    self.adopt(&store, place);
                }
            }
        }
    }

    /// Takes over what a failed change left, if it is whole.
    fn adopt(&mut self, store: &ChunkStore, place: &str) {
        assert!(observe(store).is_ok(), "{place}: in flight, yet not whole");
        // The model cannot know the files of a change that failed: go back to the state before.
        self.disk = SimulatedDisk::new();
        *self = World { next: self.next, ..World::new() };
    }

    /// Rot within parity, in any slot and in one half of the header.
    fn rot(&mut self, random: &mut Random) {
        let length = self.disk.len().expect("length");
        let slots = (length - (256 << 10)) / SEGMENT;
        let slot = random.below(slots);
        for _ in 0..1 + random.below(2) {
            let at = (256 << 10) + slot * SEGMENT + random.below(SEGMENT);
            self.disk.corrupt(at, 600, |b| b.iter_mut().for_each(|b| *b ^= 0x11));
        }
        self.heal_by_rewriting();
    }

    /// Repair is not a matter of this floor: later rot starts from a whole file again.
    fn heal_by_rewriting(&mut self) {
        self.store = None;
        let store = open(&self.disk, Access::Read).expect("within parity");
        must_be(&store, &[&self.state], "after rot");
        let base = store.container().base();
        let g = base.geometry;
        for slot in store.live_slots() {
            let id = store.container().state().table[slot as usize].id;
            let (bytes, _) = base.read_mended(slot, Some(id)).expect("mended");
            self.disk.corrupt(g.slot_offset(slot), SEGMENT, |b| b.copy_from_slice(&bytes));
        }
    }
}

/// Drives a world by bytes: the first eight are the seed, the others choose the steps.
pub fn run(data: &[u8]) {
    let mut first = [0; 8];
    data.iter().zip(&mut first).for_each(|(from, to)| *to = *from);
    let mut random = Random(u64::from_le_bytes(first));
    let mut world = World::new();
    for (number, byte) in data.iter().take(24).enumerate() {
        let place = format!("step {number} of {data:?}");
        world.step(u64::from(byte % 10), &mut random, &place);
        let state = world.state.clone();
        must_be(world.store(&place), &[&state], &place);
    }
    world.store = None;
    let store = open(&world.disk, Access::Read).expect("opens at the end");
    segments_whole(&store, "at the end");
}

#[test]
fn the_container_is_a_list_of_snapshots() {
    for run_number in 0..scale(25, 3_000) {
        let mut random = Random(seed().wrapping_add(run_number));
        let data: Vec<u8> = (0..30).map(|_| random.next() as u8).collect();
        run(&data);
    }
}
