//! Damage: one bit in every byte, then more than parity mends. A flip is found by the keyless scrub or
//! lies where the format says nothing is; it heals; what is read never changes. Beyond parity the
//! lost chunks are exactly those whose sealed bytes changed. Nothing ever panics.

use crate::world::*;
use coffer::chunk_store::ChunkStore;
use coffer::container::Access;
use coffer::container::header::Header;
use coffer::container::layout::{
    HALF_BYTES, HEADER_BYTES, KEY_FRAME_TABLE, KEY_TABLE_OFFSET, SUPERBLOCK_1_OFFSET, SegmentHeader,
};
use coffer::container::scrub::{LiveSegments, check};
use coffer::container::segment::{Health, open_directory};
use coffer::crypto::ObjectKind;
use coffer::entry::ChunkRef;
use coffer::ids::ChunkId;
use coffer::storage::{SimulatedDisk, Storage};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const SECTOR: usize = 4096;

fn files(number: u64, count: u64, length: usize) -> Vec<File> {
    (0..count).map(|i| File { seed: number * 100 + i, length }).collect()
}

/// The smallest container with one file.
fn small() -> (SimulatedDisk, Expected) {
    let disk = SimulatedDisk::new();
    let mut store = create_on(&disk).expect("create");
    let state = Expected { generation: 1, snapshots: vec![] };
    let state = backup(&mut store, &state, &files(1, 2, 90_000), options()).expect("backup");
    (disk, state)
}

/// A container with full data segments, shared ones, and free ones. With the image of its last
/// state but one.
pub fn large(number: u8) -> (Vec<u8>, Vec<u8>, Expected) {
    let disk = SimulatedDisk::new();
    let mut store = create_numbered(&disk, number).expect("create");
    let mut state = Expected { generation: 1, snapshots: vec![] };
    state = backup(&mut store, &state, &files(1, 4, 600_000), options()).expect("backup");
    state = backup(&mut store, &state, &files(2, 3, 50_000), options()).expect("backup");
    let before = disk.bytes();
    state = backup(&mut store, &state, &files(3, 3, 400_000), options()).expect("backup");
    drop(store);
    (disk.bytes(), before, state)
}

/// Slots whose segments the keyless scrub finds fault with, or why it cannot look.
fn scrub(disk: &SimulatedDisk) -> Result<BTreeMap<u32, Health>, String> {
    let header = Header::read(disk).map_err(|e| chain(&e))?;
    let live = LiveSegments::read(disk, &header).map_err(|e| chain(&e))?;
    let mut buffer = Vec::new();
    let found =
        live.hashes.iter().map(|(slot, hash)| (*slot, check(disk, &header, *slot, *hash, &mut buffer)));
    Ok(found.filter(|(_, health)| *health != Health::Whole).collect())
}

/// Whether the header zone or the key segment is known to be damaged.
fn header_rotten(disk: &SimulatedDisk) -> bool {
    let header = Header::read(disk).expect("one copy survives");
    !header.rotten.is_empty() || header.superblocks(disk).1 > 0
}

/// Whether the format says that nothing is at this offset of the header zone or key segment.
fn is_unused(offset: u64) -> bool {
    let table = KEY_TABLE_OFFSET..KEY_TABLE_OFFSET + (KEY_FRAME_TABLE + key_frame(1).table.len()) as u64;
    let (within, superblocks) = match offset < HEADER_BYTES {
        true => (offset % HALF_BYTES, true),
        false => ((offset - HEADER_BYTES) % (SEGMENT / 2), false),
    };
    let used = within < SECTOR as u64
        || (superblocks && within < SUPERBLOCK_1_OFFSET + SECTOR as u64)
        || table.contains(&within);
    !used
}

#[test]
fn one_bit_anywhere_in_header_and_key_segment() {
    let (disk, state) = small();
    let mut random = Random(seed() ^ 3);
    let dense = |offset: u64| !is_unused(offset);
    let stride = scale(509, 1);
    let mut flips = 0u64;
    for offset in 0..HEADER_BYTES + SEGMENT {
        if !dense(offset) && offset % stride != 0 {
            continue;
        }
        let bit = 1u8 << random.below(8);
        disk.corrupt(offset, 1, |b| b[0] ^= bit);
        assert_eq!(header_rotten(&disk), !is_unused(offset), "bit {bit:#x} at {offset}");
        if flips.is_multiple_of(scale(199, 19)) {
            let place = format!("bit {bit:#x} at {offset}");
            must_be(
                &open(&disk, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e))),
                &[&state],
                &place,
            );
            must_be(
                &open(&disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e))),
                &[&state],
                &place,
            );
        }
        disk.corrupt(offset, 1, |b| b[0] ^= bit);
        flips += 1;
    }
    println!("{flips} flips");
}

#[test]
fn one_bit_anywhere_in_the_segments() {
    let (disk, state) = small();
    let mut random = Random(seed() ^ 4);
    let header = Header::read(&disk).expect("header");
    let live = LiveSegments::read(&disk, &header).expect("live");
    let g = header.geometry;
    let stride = scale(811, 1);
    let mut flips = 0u64;
    for (slot, hash) in &live.hashes {
        let mut buffer = Vec::new();
        assert_eq!(check(&disk, &header, *slot, *hash, &mut buffer), Health::Whole);
        for at in 0..SEGMENT {
            // Every byte of the parts that hold structure; the rest are bytes like any other.
            let at_place = at as usize;
            let heads = [0..60, g.first_table().start..g.first_table().start + 64, g.trailer()];
            if at % stride != 0 && !heads.iter().any(|part| part.contains(&at_place)) {
                continue;
            }
            let offset = g.slot_offset(*slot) + at;
            let bit = 1u8 << random.below(8);
            disk.corrupt(offset, 1, |b| b[0] ^= bit);
            let health = check(&disk, &header, *slot, *hash, &mut buffer);
            assert_eq!(health, Health::Healed(1), "bit {bit:#x} at {at} of slot {slot}");
            if flips.is_multiple_of(scale(47, 17)) {
                let place = format!("bit {bit:#x} at {at} of slot {slot}");
                let store = open(&disk, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
                must_be(&store, &[&state], &place);
                let report = store.check_segment(*slot).expect("report");
                assert!(
                    report.faults.is_empty() && report.health == Health::Healed(1),
                    "{place}: {report:?}"
                );
            }
            disk.corrupt(offset, 1, |b| b[0] ^= bit);
            flips += 1;
        }
    }
    println!("{flips} flips");
}

/// One copy of a chunk and where its sealed bytes lie in the file.
struct Copy {
    id: ChunkId,
    kind: ObjectKind,
    slot: u32,
    bytes: Range<usize>,
}

/// Every chunk copy of a whole container, and where each segment's directory lies.
fn copies(store: &ChunkStore, image: &[u8]) -> (Vec<Copy>, BTreeMap<u32, [Range<usize>; 2]>) {
    let base = store.container().base();
    let g = base.geometry;
    let (mut all, mut directories) = (Vec::new(), BTreeMap::new());
    for slot in store.live_slots() {
        let start = g.slot_offset(slot) as usize;
        let bytes = &image[start..start + SEGMENT as usize];
        let header = SegmentHeader::decode(bytes).expect("header");
        let (trailer, entries) = open_directory(&g, base.keyring(), &header, bytes).expect("directory");
        let at = |offset: u32, length: u32| start + offset as usize..start + (offset + length) as usize;
        let trailer_at = start + g.trailer().start..start + g.trailer().end;
        directories.insert(slot, [at(trailer.directory_offset, trailer.directory_length), trailer_at]);
        for e in entries.iter().filter(|e| (1..=4).contains(&e.kind)) {
            let kind = ObjectKind::try_from(e.kind).expect("kind");
            all.push(Copy { id: ChunkId(e.content), kind, slot, bytes: at(e.offset, e.length) });
        }
    }
    (all, directories)
}

/// The file as it is read after parity did what it can.
fn mended(disk: &SimulatedDisk, whole: &[u8], live: &BTreeSet<u32>) -> Vec<u8> {
    let mut now = disk.bytes();
    now.resize(whole.len(), 0);
    let g = Header::read(disk).expect("header").geometry;
    for slot in live {
        let start = g.slot_offset(*slot) as usize;
        let differs =
            |r: &Range<usize>| now[start + r.start..start + r.end] != whole[start + r.start..start + r.end];
        let bad = g.covered().filter(|s| differs(&(s * SECTOR..(s + 1) * SECTOR))).count();
        let table = [g.first_table(), g.second_table()].iter().any(|t| !differs(t));
        if table && bad <= PARITY as usize {
            now[start..start + SEGMENT as usize].copy_from_slice(&whole[start..start + SEGMENT as usize]);
        }
    }
    now
}

/// Checks a damaged image against the whole one it came from.
fn judge(disk: &SimulatedDisk, whole: &[u8], state: &Expected, place: &str) {
    let original = SimulatedDisk::from_bytes(whole.to_vec());
    let reference = open(&original, Access::Read).expect("whole");
    let (all, directories) = copies(&reference, whole);
    let live: BTreeSet<u32> = reference.live_slots().into_iter().collect();
    let raw = {
        let mut raw = disk.bytes();
        raw.resize(whole.len().max(raw.len()), 0);
        raw
    };
    match scrub(disk) {
        Ok(found) => {
            for slot in &live {
                let at = reference.container().base().geometry.slot_offset(*slot) as usize;
                let same = raw[at..at + SEGMENT as usize] == whole[at..at + SEGMENT as usize];
                assert_eq!(
                    found.contains_key(slot),
                    !same,
                    "{place}: scrub of slot {slot}: {:?}",
                    found.get(slot)
                );
            }
        }
        Err(_) => assert!(raw[..whole.len()] != *whole, "{place}: a whole file cannot be scrubbed"),
    }
    let Ok(store) = open(disk, Access::Read) else { return };
    if store.container().state().root.generation != state.generation {
        // Fallen back: nothing wrong may be read all the same.
        if let Ok(seen) = observe(&store) {
            let wanted = state.seen();
            assert!(
                seen.len() <= wanted.len() && seen[..] == wanted[..seen.len()],
                "{place}: fallen back to other bytes"
            );
        }
        return;
    }
    let now = mended(disk, whole, &live);
    let lost = |copy: &&Copy| now[copy.bytes.clone()] != whole[copy.bytes.clone()];
    for slot in &live {
        let named: BTreeSet<ChunkId> =
            all.iter().filter(|c| c.slot == *slot).filter(lost).map(|c| c.id).collect();
        let directory = directories[slot].iter().any(|r| now[r.clone()] != whole[r.clone()]);
        match store.check_segment(*slot) {
            Ok(report) => {
                let faults: BTreeSet<ChunkId> = report.faults.iter().map(|f| f.id).collect();
                assert_eq!(report.directory_lost, directory, "{place}: directory of slot {slot}");
                assert!(
                    directory || faults == named,
                    "{place}: slot {slot}: {faults:?} instead of {named:?}"
                );
            }
            Err(_) => assert!(directory, "{place}: slot {slot} cannot be checked"),
        }
    }
    let mut by_id: BTreeMap<ChunkId, Vec<&Copy>> = BTreeMap::new();
    all.iter().for_each(|copy| by_id.entry(copy.id).or_default().push(copy));
    for (id, copies) in by_id {
        let wanted = reference_bytes(&reference, copies[0]);
        let chunk = ChunkRef { id, length: wanted.len() as u32 };
        match store.get(copies[0].kind, &chunk) {
            Ok(bytes) => {
                assert!(bytes == wanted, "{place}: chunk {id} reads back other bytes");
                assert!(!copies.iter().all(&lost), "{place}: chunk {id} is read from nowhere");
            }
            Err(e) => {
                assert!(copies.iter().all(&lost), "{place}: chunk {id} is there, yet {}", chain(&e))
            }
        }
    }
    if let Ok(seen) = observe(&store) {
        assert!(seen == state.seen(), "{place}: other bytes are read");
    }
}

/// A chunk's bytes from the whole container; its length is only known by trying the payload.
fn reference_bytes(store: &ChunkStore, copy: &Copy) -> Vec<u8> {
    let entry = store.locate(&copy.id).expect("index")[0];
    let payload = store.container().read(copy.kind, entry.location, entry.length).expect("payload");
    coffer::chunk_store::Packers::default().unpack(&payload, 768 << 10).expect("unpacked")
}

#[test]
fn beyond_parity_the_victims_are_exact() {
    let (whole, _, state) = large(1);
    let mut random = Random(seed() ^ 5);
    let slots = (whole.len() as u64 - HEADER_BYTES) / SEGMENT;
    for round in 0..scale(60, 5_000) {
        let disk = SimulatedDisk::from_bytes(whole.clone());
        let slot = 1 + random.below(slots - 1);
        let start = HEADER_BYTES + slot * SEGMENT;
        let place = match round % 4 {
            // A run of sectors, just mendable or just not.
            0 => {
                let count = PARITY + random.below(2);
                let first = random.below(256 - count);
                disk.corrupt(start + first * 4096, count * 4096, |b| b.iter_mut().for_each(|b| *b ^= 0x55));
                format!("round {round}: {count} sectors from {first} of slot {slot}")
            }
            1 => {
                let sectors: BTreeSet<u64> =
                    (0..PARITY - 1 + random.below(6)).map(|_| random.below(256)).collect();
                sectors.iter().for_each(|s| disk.corrupt(start + s * 4096, 4096, |b| b.fill(0)));
                format!("round {round}: sectors {sectors:?} of slot {slot}")
            }
            2 => {
                disk.corrupt(start, SEGMENT, |b| b.fill(0));
                format!("round {round}: slot {slot} zeroed")
            }
            _ => {
                let sectors: BTreeSet<u64> = (0..1 + random.below(12)).map(|_| random.below(256)).collect();
                sectors.iter().for_each(|s| disk.make_unreadable(start + s * 4096, 512));
                let place = format!("round {round}: sectors {sectors:?} of slot {slot} unreadable");
                if sectors.len() <= PARITY as usize && !(sectors.contains(&1) && sectors.contains(&255)) {
                    let store =
                        open(&disk, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
                    must_be(&store, &[&state], &place);
                }
                continue;
            }
        };
        judge(&disk, &whole, &state, &format!("seed {}, {place}", seed()));
    }
}

#[test]
fn segments_out_of_place_are_lost_and_nothing_else() {
    let (whole, before, state) = large(1);
    let (foreign, _, _) = large(2);
    // Two copies of the older state, both written on.
    let fork = |number: u64| {
        let disk = SimulatedDisk::from_bytes(before.clone());
        let mut store = open(&disk, Access::Write).expect("opens");
        let state = Expected { generation: 3, snapshots: state.snapshots[..2].to_vec() };
        let state = backup(&mut store, &state, &files(number, 3, 400_000), options()).expect("backup");
        drop(store);
        (disk.bytes(), state)
    };
    let (forked, _) = fork(9);
    let (_, twin) = fork(3);
    assert_eq!(twin, state);
    let slots = (whole.len() as u64 - HEADER_BYTES) / SEGMENT;
    let range =
        |slot: u64| (HEADER_BYTES + slot * SEGMENT) as usize..(HEADER_BYTES + (slot + 1) * SEGMENT) as usize;
    let step = scale(1, 1);
    for a in (1..slots).step_by(step as usize) {
        for (what, source) in [("older", &before), ("foreign", &foreign), ("forked", &forked)] {
            let Some(bytes) = source.get(range(a)) else { continue };
            let disk = SimulatedDisk::from_bytes(whole.clone());
            disk.corrupt(range(a).start as u64, SEGMENT, |b| b.copy_from_slice(bytes));
            judge(&disk, &whole, &state, &format!("slot {a} from the {what} file"));
        }
        for b in (1..slots).filter(|b| *b != a) {
            if (a * 31 + b) % scale(5, 1) != 0 {
                continue;
            }
            let disk = SimulatedDisk::from_bytes(whole.clone());
            disk.corrupt(range(a).start as u64, SEGMENT, |bytes| bytes.copy_from_slice(&whole[range(b)]));
            judge(&disk, &whole, &state, &format!("slot {b} copied over {a}"));
            disk.corrupt(range(b).start as u64, SEGMENT, |bytes| bytes.copy_from_slice(&whole[range(a)]));
            judge(&disk, &whole, &state, &format!("slots {a} and {b} swapped"));
        }
    }
}

/// A single sector that was written to the wrong place is within parity, wherever it came from.
#[test]
fn misdirected_sectors_heal() {
    let (whole, before, state) = large(1);
    let slots = (whole.len() as u64 - HEADER_BYTES) / SEGMENT;
    let mut random = Random(seed() ^ 6);
    for round in 0..scale(200, 20_000) {
        let to = HEADER_BYTES + SEGMENT + random.below((slots - 1) * 256) * 4096;
        // The same sector of another segment, the same place in the older file, or any sector.
        let from = match round % 3 {
            0 => HEADER_BYTES + (1 + random.below(slots - 1)) * SEGMENT + (to - HEADER_BYTES) % SEGMENT,
            1 => to,
            _ => random.below(whole.len() as u64 / 4096) * 4096,
        };
        // Half of the rounds hit the first sector, where the header is.
        let first = |at: u64| at - (at - HEADER_BYTES) % SEGMENT;
        let (to, from) =
            if round % 2 == 0 && from >= HEADER_BYTES { (first(to), first(from)) } else { (to, from) };
        let source = if round % 3 == 1 { &before } else { &whole };
        let Some(sector) = source.get(from as usize..from as usize + 4096) else { continue };
        let disk = SimulatedDisk::from_bytes(whole.clone());
        disk.corrupt(to, 4096, |b| b.copy_from_slice(sector));
        let place = format!("seed {}, round {round}: sector at {from} over {to}", seed());
        let store = open(&disk, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        must_be(&store, &[&state], &place);
        let found = scrub(&disk).unwrap_or_else(|e| panic!("{place}: {e}"));
        assert!(found.values().all(|h| matches!(h, Health::Healed(_))), "{place}: {found:?}");
    }
}

#[test]
fn truncated_and_extended_files() {
    let (whole, _, state) = large(1);
    let step = scale(37 * 4096, 4096);
    let mut cut = 0;
    while cut < whole.len() as u64 {
        let disk = SimulatedDisk::from_bytes(whole[..cut as usize].to_vec());
        let place = format!("cut to {cut}");
        match Header::read(&disk) {
            Ok(_) => judge(&disk, &whole, &state, &place),
            Err(_) => {
                assert!(cut < KEY_TABLE_OFFSET + (64 << 10), "{place}: one half of the header is there")
            }
        }
        if let Ok(mut store) = open(&disk, Access::Write) {
            // Writing on is refused or leaves a container that opens.
            if commit(&mut store, &state, 0, options()).is_ok() {
                drop(store);
                assert!(open(&disk, Access::Read).is_ok(), "{place}: written on, then lost");
            }
        }
        cut += step;
    }
    for extra in [1, 4096, SEGMENT - 1, SEGMENT, 3 * SEGMENT + 5] {
        let disk = SimulatedDisk::from_bytes(whole.clone());
        disk.write_at(whole.len() as u64, &noise(extra, extra as usize)).expect("extended");
        judge(&disk, &whole, &state, &format!("longer by {extra}"));
        let mut store = open(&disk, Access::Write).expect("opens");
        let after = commit(&mut store, &state, 0, options()).expect("written on");
        must_be(&store, &[&after], "after an extension");
        let slots = store.container().state().root.slot_count;
        assert_eq!(disk.len().expect("length"), store.container().base().geometry.file_bytes(slots));
    }
}

/// Superblocks may all be lost: the newest commit is found by its root, though sectors of its own
/// segments are bad. If they are worse than that, its predecessor opens, says so and is not written.
#[test]
fn lost_superblocks() {
    let (whole, _, state) = large(1);
    let original = SimulatedDisk::from_bytes(whole.clone());
    let store = open(&original, Access::Read).expect("whole");
    let copies = store.container().state().pointer.copies;
    drop(store);
    for (lost, bad) in (1..4u64).flat_map(|lost| [0, 1, 5, PARITY, PARITY + 1].map(|bad| (lost, bad))) {
        let place = format!("superblocks {lost:#b} lost, {bad} bad sectors in each closing segment");
        let disk = SimulatedDisk::from_bytes(whole.clone());
        for slot in (0..2).filter(|slot| lost & (1 << slot) != 0) {
            for half in [0, HALF_BYTES] {
                disk.corrupt(half + 4096 * (1 + slot), 4096, |b| b.fill(0x33));
            }
        }
        for location in copies {
            // The header, the trailer, and sectors between.
            let start = HEADER_BYTES + u64::from(location.slot) * SEGMENT;
            // Beyond parity, the root itself is spared: without it nothing tells that there was a commit.
            let sectors =
                if bad > PARITY { [2, 3, 4, 5, 6, 7, 8, 9, 10] } else { [0, 246, 2, 3, 4, 5, 6, 7, 8] };
            for sector in &sectors[..bad as usize] {
                disk.corrupt(start + sector * 4096, 4096, |b| b.fill(0x44));
            }
        }
        if bad <= PARITY {
            let store = open(&disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
            must_be(&store, &[&state], &place);
            continue;
        }
        if lost == 2 {
            // The newest superblock stands, and its root: this is damage like any other.
            continue;
        }
        let mut store = open(&disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        let before = Expected { generation: state.generation - 1, snapshots: state.snapshots[..2].to_vec() };
        must_be(&store, &[&before], &place);
        assert!(
            commit(&mut store, &before, 0, options()).is_err(),
            "{place}: written over the damaged commit"
        );
    }
}
