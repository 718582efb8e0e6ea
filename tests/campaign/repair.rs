//! Damage, then repair: what was readable before is readable after, exactly what is not is named, a
//! whole copy gives everything back, and a repair that loses power at any operation loses nothing else.

use crate::damage::large;
use crate::world::*;
use coffer::chunk_store::ChunkStore;
use coffer::container::Access;
use coffer::container::header::Header;
use coffer::container::layout::{HALF_BYTES, HEADER_BYTES};
use coffer::crypto::{Secrets, SeededEntropy};
use coffer::error::{Kind, Result};
use coffer::ids::SnapshotId;
use coffer::operations::repair::{self, RepairReport, Sources};
use coffer::operations::session::Session;
use coffer::progress::Progress;
use coffer::snapshot::{Catalog, ChunkRefs, ManifestReader};
use coffer::storage::SimulatedDisk;
use std::collections::{BTreeMap, BTreeSet};

/// Hashes of the files that can be read whole, by snapshot and path.
type Readable = BTreeMap<(SnapshotId, Vec<u8>), [u8; 32]>;

fn readable(store: &ChunkStore) -> Result<Readable> {
    let mut found = Readable::new();
    for record in Catalog::read(store)?.snapshots {
        let entries = ManifestReader::new(store, &record.manifest).into_iter().flatten();
        for entry in entries.map_while(Result::ok) {
            let Some(content) = entry.kind.content() else { continue };
            let mut hasher = blake3::Hasher::new();
            let Ok(mut chunks) = ChunkRefs::new(store, &content.chunks) else { continue };
            let whole = chunks.all(|chunk| {
                let bytes = chunk.and_then(|c| store.get(coffer::crypto::ObjectKind::Attachment, &c));
                bytes.map(|bytes| hasher.update(&bytes)).is_ok()
            });
            if whole {
                found.insert((record.id, entry.path.0), *hasher.finalize().as_bytes());
            }
        }
    }
    Ok(found)
}

fn repaired(disk: &SimulatedDisk, copy: Option<&ChunkStore>) -> Result<RepairReport> {
    let secrets = Secrets::generate(&mut SeededEntropy::new(7))?;
    let mut session = Session { store: open(disk, Access::Write)?, secrets, slot: 1, is_encrypted: true };
    let progress = Progress::default();
    let survey = repair::survey(&session, &pool(), &progress)?;
    let sources = Sources { copy, is_live: false };
    repair::repair(&mut session, survey, &sources, commit_options().time, pool(), &progress)
}

/// One to four wounds.
fn wound(disk: &SimulatedDisk, random: &mut Random) -> String {
    let header = Header::read(disk).expect("header");
    let live = open(disk, Access::Read).expect("whole").live_slots();
    let mut story = String::new();
    for _ in 0..1 + random.below(4) {
        let slot = live[random.below(live.len() as u64) as usize];
        let start = header.geometry.slot_offset(slot);
        match random.below(7) {
            0 => {
                disk.corrupt(start, SEGMENT, |b| b.fill(0));
                story += &format!("slot {slot} zeroed; ");
            }
            1 => {
                let (first, count) = (random.below(200), 1 + random.below(50));
                disk.corrupt(start + first * 4096, count * 4096, |b| b.iter_mut().for_each(|b| *b ^= 0x3c));
                story += &format!("{count} sectors from {first} of slot {slot}; ");
            }
            2 | 3 => {
                let sectors: BTreeSet<u64> = (0..1 + random.below(20)).map(|_| random.below(256)).collect();
                sectors.iter().for_each(|s| disk.corrupt(start + s * 4096, 4096, |b| b.fill(0xff)));
                story += &format!("sectors {sectors:?} of slot {slot}; ");
            }
            4 => {
                [1, 255].iter().for_each(|s| disk.corrupt(start + s * 4096, 4096, |b| b.fill(1)));
                disk.corrupt(start + random.below(256) * 4096, 4096, |b| b.fill(1));
                story += &format!("tables and a sector of slot {slot}; ");
            }
            5 => {
                let half = random.below(2) * HALF_BYTES;
                disk.corrupt(half, HALF_BYTES, |b| b.fill(0));
                story += &format!("header half at {half}; ");
            }
            _ => {
                let at = HEADER_BYTES + random.below(SEGMENT / 4096) * 4096;
                disk.corrupt(at, 4096, |b| b.fill(0));
                story += &format!("key segment at {at}; ");
            }
        }
    }
    story
}

#[test]
fn repair_never_reduces_what_restores_and_names_the_rest() {
    let (whole, _, _) = large(1);
    let mut random = Random(seed() ^ 21);
    let original = open(&SimulatedDisk::from_bytes(whole.clone()), Access::Read).expect("whole");
    let all = readable(&original).expect("whole");
    let (mut healed, mut dropped, mut lossy, mut refused) = (0, 0, 0, 0);
    for round in 0..scale(60, 20_000) {
        let disk = SimulatedDisk::from_bytes(whole.clone());
        let place = format!("seed {}, round {round}: {}", seed(), wound(&disk, &mut random));
        let Ok(store) = open(&disk, Access::Read) else { continue };
        let fallen_back = store.container().has_fallen_back();
        let Ok(before) = readable(&store) else { continue };
        drop(store);
        let with = SimulatedDisk::from_bytes(disk.bytes());
        let report = match repaired(&disk, None) {
            Ok(report) => report,
            Err(error) => {
                assert!(fallen_back && error.kind() == Kind::Damaged, "{place}: {}", chain(&error));
                refused += 1;
                let after = readable(&open(&disk, Access::Read).expect("opens")).expect("read");
                assert!(after == before, "{place}: refused, yet changed");
                continue;
            }
        };
        if fallen_back {
            continue;
        }
        let store = open(&disk, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        let after = readable(&store).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        assert!(before.iter().all(|(key, hash)| after.get(key) == Some(hash)), "{place}: reduced");
        named_exactly(&all, &after, &report, &place);
        drop(store);
        let again = repaired(&disk, None).unwrap_or_else(|e| panic!("{place}: again: {}", chain(&e)));
        assert!(!again.has_work(), "{place}: a second repair finds {again:?}");
        let report = repaired(&with, Some(&original)).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        assert!(!report.has_losses(), "{place}: a whole copy leaves {report:?}");
        let store = open(&with, Access::Read).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
        assert!(readable(&store).expect("read") == all, "{place}: a whole copy gives back everything");
        segments_whole(&store, &place);
        healed += usize::from(!again.has_losses());
        dropped += report.dropped.len();
        lossy += usize::from(again.has_losses());
    }
    println!("{healed} healed, {lossy} with losses, {dropped} segments given up, {refused} refused");
    assert!(healed > 5 && lossy > 5 && dropped > 5, "{healed} {lossy} {dropped}");
}

/// What is missing is named; what is there is not.
fn named_exactly(all: &Readable, after: &Readable, report: &RepairReport, place: &str) {
    let lost: BTreeSet<_> = all.keys().filter(|key| !after.contains_key(*key)).cloned().collect();
    let broken: BTreeSet<SnapshotId> =
        report.losses.affected.iter().filter(|a| a.path.is_none()).map(|a| a.snapshot).collect();
    let named: BTreeSet<_> = report
        .losses
        .affected
        .iter()
        .filter_map(|a| Some((a.snapshot, a.path.clone()?.0)))
        .filter(|(snapshot, _)| !broken.contains(snapshot))
        .collect();
    let lost: BTreeSet<_> = lost.into_iter().filter(|(snapshot, _)| !broken.contains(snapshot)).collect();
    assert_eq!(named, lost, "{place}: what is named is what is lost");
    assert_eq!(report.losses.chunks.is_empty(), report.losses.affected.is_empty(), "{place}");
}

#[test]
fn repair_survives_power_loss() {
    let (whole, _, _) = large(1);
    let mut random = Random(seed() ^ 22);
    let original = open(&SimulatedDisk::from_bytes(whole.clone()), Access::Read).expect("whole");
    let all = readable(&original).expect("whole");
    let mut images = 0;
    let mut round = 0;
    while images < scale(150, 100_000) {
        round += 1;
        let disk = SimulatedDisk::from_bytes(whole.clone());
        let story = format!("seed {}, round {round}: {}", seed(), wound(&disk, &mut random));
        let Ok(store) = open(&disk, Access::Read) else { continue };
        if store.container().has_fallen_back() {
            continue;
        }
        let Ok(before) = readable(&store) else { continue };
        drop(store);
        let copy = random.below(2) == 0;
        let copy = copy.then_some(&original);
        let disk = SimulatedDisk::from_bytes(disk.bytes());
        disk.record();
        repaired(&disk, copy).unwrap_or_else(|e| panic!("{story}: {}", chain(&e)));
        let after = readable(&open(&disk, Access::Read).expect("opens")).expect("read");
        assert!(copy.is_none() || after == all, "{story}");
        for point in disk.crash_points() {
            let variant = [0, 1, 2, 6, 7 + random.below(1 << 40)][random.below(5) as usize];
            let image = point.image(variant);
            let place = format!("{story}, operation {}, variant {variant}", point.operation);
            let store = open(&image, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
            let now = readable(&store).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
            assert!(before.iter().all(|(key, hash)| now.get(key) == Some(hash)), "{place}: reduced");
            drop(store);
            if images % scale(5, 2) == 0 {
                repaired(&image, copy).unwrap_or_else(|e| panic!("{place}: again: {}", chain(&e)));
                let now = readable(&open(&image, Access::Read).expect("opens")).expect("read");
                assert!(now == after, "{place}: another end");
            }
            images += 1;
        }
    }
    println!("{images} images of {round} repairs");
}
