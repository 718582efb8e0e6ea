//! The container against the simulated disk: commits, power loss at every operation, damage.

use super::commit::{CommitOptions, Stream};
use super::create::{Creation, create};
use super::geometry::{Geometry, tests::prologue};
use super::header::{Header, KeyFrame};
use super::layout::{self, HALF_BYTES, HEADER_BYTES, SUPERBLOCK_0_OFFSET, SUPERBLOCK_1_OFFSET};
use super::rooms::Room;
use super::root::PartRef;
use super::superblock::Superblock;
use super::{Access, Container};
use crate::clock::Timestamp;
use crate::crypto::{Keyring, ObjectKind, Secrets, SeededEntropy};
use crate::error::{Kind, Result};
use crate::storage::SimulatedDisk;
use rayon::ThreadPool;
use std::sync::Arc;

pub(crate) const OPTIONS: CommitOptions =
    CommitOptions { max_bytes: None, time: Timestamp { seconds: 1, nanoseconds: 0 }, read_back: false };

pub(crate) fn keyring() -> Keyring {
    let prologue = prologue(1 << 20, 8);
    let secrets = Secrets::generate(&mut SeededEntropy::new(7)).expect("seeded");
    Keyring::derive(&secrets, prologue.container, prologue.family)
}

pub(crate) fn pool() -> Arc<ThreadPool> {
    Arc::new(rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("pool"))
}

/// A key table, as far as a container looks into it.
fn key_frame(sequence: u64) -> KeyFrame {
    let mut table = vec![sequence as u8; 300];
    table[4..12].copy_from_slice(&sequence.to_le_bytes());
    KeyFrame::of(table)
}

pub(crate) fn new_container(disk: &SimulatedDisk) -> Container {
    let creation =
        Creation { prologue: prologue(1 << 20, 8), keys: key_frame(1), keyring: keyring(), contents: vec![] };
    create(Arc::new(disk.clone()), creation, "test", pool(), OPTIONS).expect("create")
}

pub(crate) fn open(disk: &SimulatedDisk, access: Access) -> Result<Container> {
    let header = Header::read(disk)?;
    Container::open(Arc::new(disk.reopen()), header, keyring(), "test", access)
}

mod racing;

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Commits `count` chunks of `length` bytes and one part whose reference is kept in the contents.
pub(crate) fn commit(container: &mut Container, seed: u64, count: u64, length: usize) -> Result<()> {
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

/// Overwrites both copies of both superblock slots with what `before` held.
fn take_back_superblocks(disk: &SimulatedDisk, before: &[u8]) {
    for half in [0, HALF_BYTES] {
        let at = half + SUPERBLOCK_0_OFFSET;
        let old = &before[at as usize..at as usize + 8192];
        disk.corrupt(at, 8192, |b| b.copy_from_slice(old));
    }
}

#[test]
fn an_attempt_that_was_given_up_is_not_adopted_for_its_successor() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    commit(&mut container, 1, 3, 1000).expect("commit");
    let before = disk.bytes();
    // Killed before its superblock: segments as large and as many as can be.
    commit(&mut container, 2, 12, 100_000).expect("commit");
    take_back_superblocks(&disk, &before);
    drop(container);
    let disk = { disk }.reopen();
    let mut container = open(&disk, Access::Write).expect("open");
    assert_eq!(check(&container), 1);
    // Its successor has the same parent and begins in the same slots with the same segment ids.
    commit(&mut container, 3, 0, 0).expect("commit");
    take_back_superblocks(&disk, &before);
    let slot = if container.state().root.generation.is_multiple_of(2) {
        SUPERBLOCK_0_OFFSET
    } else {
        SUPERBLOCK_1_OFFSET
    };
    for half in [0, HALF_BYTES] {
        disk.corrupt(half + slot, 4096, |b| b.fill(0x55));
    }
    drop(container);
    let container = open(&disk, Access::Write).expect("open");
    assert_eq!(check(&container), 3, "the acknowledged commit is the one that is found");
    assert_ne!(container.state().pointer.copies[0], container.state().pointer.copies[1]);
}

#[test]
fn a_forks_commit_is_not_adopted_for_the_one_that_was_acknowledged() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    commit(&mut container, 1, 3, 1000).expect("commit");
    drop(container);
    let before = disk.bytes();
    // Two copies of the file, each written on: the same parent, slots and segment ids.
    let [mine, other] = [2, 3].map(|seed| {
        let disk = SimulatedDisk::from_bytes(before.clone());
        let mut container = open(&disk, Access::Write).expect("open");
        commit(&mut container, seed, 3, 1000).expect("commit");
        let slot = container.state().pointer.copies[0].slot;
        (container.base().geometry.slot_offset(slot) as usize, disk.bytes())
    });
    assert_eq!(mine.0, other.0);
    let disk = SimulatedDisk::from_bytes(mine.1);
    disk.corrupt(mine.0 as u64, 1 << 20, |b| b.copy_from_slice(&other.1[other.0..][..1 << 20]));
    let container = open(&disk, Access::Write).expect("open");
    assert_eq!(check(&container), 1);
    assert!(container.has_fallen_back(), "{:?}", container.notes());
    assert_eq!(container.begin(pool(), OPTIONS).err().map(|e| e.kind()), Some(Kind::Damaged));
}

#[test]
fn commits_that_superblocks_name_are_not_forgotten_for_an_older_one() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    let first = disk.bytes();
    commit(&mut container, 1, 12, 100_000).expect("commit");
    commit(&mut container, 2, 12, 100_000).expect("commit");
    drop(container);
    // Both superblocks are whole, but all that was written after the first commit is gone.
    let later = disk.bytes();
    let disk = SimulatedDisk::from_bytes(first);
    take_back_superblocks(&disk, &later);
    let before = disk.bytes();
    let container = open(&disk, Access::Write).expect("open");
    assert_eq!(check(&container), 0);
    assert!(container.has_fallen_back());
    assert_eq!(container.begin(pool(), OPTIONS).err().map(|e| e.kind()), Some(Kind::Damaged));
    drop(container);
    assert_eq!(disk.bytes(), before, "the superblocks stay: they are evidence");
}

#[test]
fn a_future_version_is_told_from_rot_and_from_nothing() {
    let disk = SimulatedDisk::new();
    let kind = |disk: &SimulatedDisk| Header::read(disk).err().map(|e| e.kind());
    new_container(&disk);
    let mut sector = prologue(1 << 20, 8).encode();
    sector[layout::PROLOGUE_VERSION] = 2;
    layout::put_check(&mut sector);
    disk.corrupt(0, 4096, |b| b[904] ^= 1);
    assert_eq!(kind(&disk), None, "three copies are left");
    for base in [HALF_BYTES, HEADER_BYTES, HEADER_BYTES + (1 << 19)] {
        disk.corrupt(base, 4096, |b| b.copy_from_slice(&sector));
    }
    assert_eq!(kind(&disk), Some(Kind::FutureVersion));
}

#[test]
fn reserved_bytes_of_a_superblock_are_zero() {
    let disk = SimulatedDisk::new();
    let container = new_container(&disk);
    let (slots, _) = container.header().superblocks(&disk);
    let (block, mut sector) = slots[1].clone().expect("superblock 1");
    assert!(Superblock::decode(&sector, &block.container).is_some());
    sector[layout::SUPERBLOCK_RESERVED] = 1;
    layout::put_check(&mut sector);
    assert!(Superblock::decode(&sector, &block.container).is_none());
}

#[test]
fn the_longest_chunk_fits_beside_the_most_parity() {
    for log2 in 20..=26 {
        let bytes = 1 << log2;
        let most = (bytes / crate::limits::SECTOR_BYTES / layout::PARITY_SHARE) as u16;
        let sector = prologue(bytes, most).encode();
        let g = Geometry::of(&layout::Prologue::decode(&sector).expect("legal"));
        let sealed = crate::limits::MAX_CHUNK_BYTES + 5 + crate::crypto::SEAL_OVERHEAD;
        assert!(Room::new(&g).fits(sealed, 1), "2^{log2}");
        assert!(layout::Prologue::decode(&prologue(bytes, most + 1).encode()).is_err());
    }
}

#[test]
fn metadata_written_before_the_end_is_read_back_too() {
    let disk = SimulatedDisk::new();
    let container = new_container(&disk);
    let mut commit = container.begin(pool(), OPTIONS).expect("begin");
    for i in 0..12 {
        let plain = bytes(i, 100_000);
        let id = container.base().keyring.chunk_id(ObjectKind::Manifest, &plain);
        commit.put_chunk(Stream::Metadata, ObjectKind::Manifest, id, plain).expect("put");
    }
    let slot = commit.take_placed()[0].location.slot;
    let at = container.base().geometry.slot_offset(slot) as usize;
    while disk.bytes().get(at..at + 8) != Some(&layout::SEGMENT_MAGIC) {
        std::thread::yield_now();
    }
    disk.corrupt(at as u64 + 40_960, 1, |b| b[0] ^= 1);
    let error = commit.finish(vec![], std::iter::empty()).expect_err("the medium lies");
    assert_eq!(error.kind(), Kind::Destination);
}

#[test]
fn keys_that_changed_while_a_slow_unlock_ran_are_taken_as_they_are_now() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    let stale = Header::read(&disk).expect("header");
    container.write_keys(key_frame(2)).expect("keys");
    commit(&mut container, 1, 1, 10).expect("the root names them");
    drop(container);
    let disk = { disk }.reopen();
    for access in [Access::Read, Access::Write] {
        let opened = Container::open(Arc::new(disk.reopen()), stale.clone(), keyring(), "test", access);
        assert_eq!(opened.expect("no forgery").header().keys.sequence, 2, "{access:?}");
    }
    // An older table in the file itself still is one, also in a frame that says to be newer.
    for sequence in [1, 2, 99] {
        let forged = KeyFrame { sequence, ..stale.keys.clone() };
        stale.clone().write_keys(&disk, forged).expect("written");
        let read = Header::read(&disk).and_then(|_| open(&disk, Access::Read).map(drop));
        assert_eq!(read.map_err(|e| e.kind()), Err(Kind::Damaged), "{sequence}");
    }
}

#[test]
fn a_change_of_the_keys_that_was_cut_short_is_no_damage_and_is_ended_by_the_next_writer() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    disk.record();
    container.write_keys(key_frame(2)).expect("keys");
    drop(container);
    let mut cut = 0;
    for point in disk.crash_points() {
        let image = point.image(1);
        let header = Header::read(&image).expect("a header");
        assert_eq!(header.rotten, [""; 0], "operation {}", point.operation);
        cut += usize::from(!header.outdated.is_empty());
        let reader = open(&image, Access::Read).expect("opens");
        assert_eq!(reader.header().outdated, header.outdated);
        assert_eq!(reader.notes().is_empty(), header.outdated.is_empty(), "{:?}", reader.notes());
        drop(reader);
        drop(open(&image, Access::Write).expect("opens"));
        let ended = Header::read(&image).expect("a header");
        assert_eq!((ended.keys, ended.outdated, ended.rotten), (header.keys, vec![], vec![]));
    }
    assert!(cut >= 3, "{cut} images with older copies");
}
