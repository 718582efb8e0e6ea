//! The container against the simulated disk: commits, power loss at every operation, damage.

use super::commit::{CommitOptions, Stream};
use super::create::{Creation, create};
use super::geometry::tests::prologue;
use super::header::{Header, KeyFrame};
use super::root::PartRef;
use super::{Access, Container};
use crate::clock::Timestamp;
use crate::crypto::{Keyring, ObjectKind, Secrets, SeededEntropy};
use crate::error::Result;
use crate::storage::SimulatedDisk;
use rayon::ThreadPool;
use std::sync::Arc;

pub(crate) const OPTIONS: CommitOptions =
    CommitOptions { max_bytes: None, time: Timestamp { seconds: 1, nanoseconds: 0 }, read_back: false };

fn keyring() -> Keyring {
    let prologue = prologue(1 << 20, 8);
    let secrets = Secrets::generate(&mut SeededEntropy::new(7)).expect("seeded");
    Keyring::derive(&secrets, prologue.container, prologue.family)
}

pub(crate) fn pool() -> Arc<ThreadPool> {
    Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool"))
}

pub(crate) fn new_container(disk: &SimulatedDisk) -> Container {
    let creation = Creation {
        prologue: prologue(1 << 20, 8),
        keys: KeyFrame { sequence: 1, table: vec![5; 300] },
        keyring: keyring(),
        contents: vec![],
    };
    create(Arc::new(disk.clone()), creation, "test", pool(), OPTIONS).expect("create")
}

pub(crate) fn open(disk: &SimulatedDisk, access: Access) -> Result<Container> {
    let header = Header::read(disk)?;
    Container::open(Arc::new(disk.reopen()), header, keyring(), "test", access)
}

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Commits `count` chunks of `length` bytes and one part whose reference is kept in the contents.
fn commit(container: &mut Container, seed: u64, count: u64, length: usize) -> Result<()> {
    let mut commit = container.begin(pool(), OPTIONS)?;
    for i in 0..count {
        let plain = bytes(seed * 1000 + i, length);
        let id = container.base().keyring.chunk_id(ObjectKind::Database, &plain);
        commit.put_chunk(Stream::Database, ObjectKind::Database, id, plain)?;
    }
    commit.close_chunks(2000)?;
    assert_eq!(commit.take_placed().len() as u64, count);
    let part = commit.put_part(ObjectKind::Catalog, bytes(seed, 1000))?;
    let state = commit.finish(crate::codec::encode(&(seed, part)), std::iter::empty())?;
    container.install(state);
    Ok(())
}

/// Reads back what [`commit`] wrote last and returns its seed.
fn check(container: &Container) -> u64 {
    let contents = &container.state().root.contents;
    if contents.is_empty() {
        return 0;
    }
    let (seed, part): (u64, PartRef) = crate::codec::decode(contents, "test contents").expect("contents");
    assert_eq!(container.read_part(ObjectKind::Catalog, &part).expect("part")[..], bytes(seed, 1000));
    seed
}

#[test]
fn what_was_committed_is_read_back() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    for seed in 1..6 {
        commit(&mut container, seed, 30, 100_000).expect("commit");
        assert_eq!(check(&container), seed);
        assert_eq!(check(&open(&disk, Access::Read).expect("open")), seed);
    }
}

#[test]
fn an_empty_night_reuses_segments() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    commit(&mut container, 1, 0, 0).expect("commit");
    let length = disk.bytes().len();
    for seed in 2..20 {
        commit(&mut container, seed, 0, 0).expect("commit");
    }
    assert!(disk.bytes().len() <= length + (3 << 20), "{} after {length}", disk.bytes().len());
}

#[test]
fn power_loss_leaves_the_old_or_the_new_state() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    commit(&mut container, 1, 12, 100_000).expect("commit");
    for seed in 2..5 {
        disk.record();
        commit(&mut container, seed, 12, 100_000).expect("commit");
        let mut seen = [false; 2];
        for (index, point) in disk.crash_points().enumerate() {
            for variant in 0..6 {
                let image = point.image(index as u64 * 31 + variant);
                let mut reopened =
                    open(&image, Access::Write).unwrap_or_else(|e| panic!("op {index}/{variant}: {e}"));
                let found = check(&reopened);
                assert!(found == seed || found == seed - 1, "op {index}: {found}");
                seen[usize::from(found == seed)] = true;
                if variant == 0 {
                    commit(&mut reopened, 99, 1, 10).expect("writable after recovery");
                }
            }
        }
        assert_eq!(seen, [true; 2], "both outcomes occur");
    }
}

#[test]
fn a_second_writer_is_refused_and_readers_are_spared() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    commit(&mut container, 1, 3, 1000).expect("commit");
    assert_eq!(open(&disk, Access::Write).err().map(|e| e.kind()), Some(crate::error::Kind::Busy));
    let reader = open(&disk, Access::Read).expect("reader");
    for seed in 2..8 {
        commit(&mut container, seed, 0, 0).expect("commit beside a reader");
        assert_eq!(check(&reader), 1);
    }
}

#[test]
fn bad_sectors_up_to_parity_are_healed() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    commit(&mut container, 1, 0, 0).expect("commit");
    let slot = container.state().pointer.copies[0].slot;
    drop(container);
    let start = Header::read(&disk).expect("header").geometry.slot_offset(slot);
    for sector in 0..8u64 {
        disk.corrupt(start + sector * 4096, 4096, |b| b.fill(0xAA));
    }
    let container = open(&disk, Access::Read).expect("healed");
    assert_eq!(check(&container), 1);
    assert_eq!(container.healed_slots(), [slot]);
}
