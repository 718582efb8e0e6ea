//! Repair from what is elsewhere: a second copy, another container, the live sources; and repair
//! that is itself cut short.

use super::{new_session, noise, plan, practice, run};
use crate::clock::Timestamp;
use crate::container::Access;
use crate::crypto::ObjectKind;
use crate::entry::EntryPath;
use crate::ids::SnapshotId;
use crate::operations::keys;
use crate::operations::repair::{self, RepairReport, Sources};
use crate::operations::restore::chunk_kind;
use crate::operations::session::{Session, open_storage, pool};
use crate::operations::verify::verify;
use crate::progress::Progress;
use crate::snapshot::{Catalog, ChunkRefs, Level, ManifestReader};
use crate::storage::{SimulatedDisk, Storage};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn opened(disk: &SimulatedDisk, access: Access) -> Session {
    open_storage(Arc::new(disk.reopen()), &[], access, "test").expect("opens")
}

fn mended(disk: &SimulatedDisk, sources: &Sources) -> RepairReport {
    let mut session = opened(disk, Access::Write);
    let (pool, progress) = (pool(1).expect("a pool"), Progress::default());
    let survey = repair::survey(&session, &pool, &progress).expect("survey");
    let planned = repair::plan(&session, &survey, sources, &progress).expect("plan");
    let time = Timestamp { seconds: 1_800_000_000, nanoseconds: 0 };
    let done = repair::repair(&mut session, survey, sources, time, pool, &progress).expect("repair");
    assert_eq!(planned.taken_chunks > 0, done.taken_chunks > 0);
    done
}

/// Every content that can be read whole, by snapshot and path.
pub(super) fn readable(session: &Session) -> BTreeMap<(SnapshotId, EntryPath), [u8; 32]> {
    let store = &session.store;
    let mut found = BTreeMap::new();
    for record in Catalog::read(store).expect("a catalog").snapshots {
        let entries = ManifestReader::new(store, &record.manifest).into_iter().flatten();
        for entry in entries.map_while(Result::ok) {
            let Some(content) = entry.kind.content() else { continue };
            let mut hasher = blake3::Hasher::new();
            let Ok(mut chunks) = ChunkRefs::new(store, &content.chunks) else { continue };
            let whole = chunks.all(|chunk| {
                let bytes = chunk.and_then(|chunk| store.get(chunk_kind(&entry), &chunk));
                bytes.map(|bytes| hasher.update(&bytes)).is_ok()
            });
            if whole {
                found.insert((record.id, entry.path), *hasher.finalize().as_bytes());
            }
        }
    }
    found
}

fn is_sound(disk: &SimulatedDisk) -> bool {
    let session = opened(disk, Access::Read);
    let report = verify(&session.store, Level::Full, &pool(1).expect("a pool"), &Progress::default());
    let report = report.expect("verified");
    report.damaged.is_empty() && report.affected.is_empty()
}

/// Slots that hold chunks of one kind.
fn slots_with(session: &Session, kind: ObjectKind) -> BTreeSet<u32> {
    let holds = |slot: &u32| {
        let salvage = session.store.salvage(*slot, true).expect("readable");
        salvage.chunks.iter().any(|chunk| chunk.kind == kind)
    };
    session.store.live_slots().into_iter().filter(holds).collect()
}

/// Two snapshots of a small practice, its folder, and the file as it was.
fn two_nights() -> (tempfile::TempDir, SimulatedDisk, Vec<u8>) {
    let folder = practice();
    let disk = SimulatedDisk::new();
    let mut session = new_session(&disk);
    run(&mut session, plan(folder.path(), 0));
    std::fs::write(folder.path().join("img/new"), noise(50, 700_000)).expect("a file");
    run(&mut session, plan(folder.path(), 10));
    drop(session);
    let whole = disk.bytes();
    // Another disk: the first one's open file holds the writer's lock.
    (folder, SimulatedDisk::from_bytes(whole.clone()), whole)
}

fn destroy(disk: &SimulatedDisk, slot: u32) {
    let g = opened(disk, Access::Read).store.container().base().geometry;
    disk.corrupt(g.slot_offset(slot), g.segment_bytes as u64, |b| b.fill(0x5a));
}

#[test]
fn a_lost_header_zone_and_lost_superblocks_are_written_anew() {
    let (_folder, disk, whole) = two_nights();
    for range in [0..256 << 10, 4096..12288, 262_144..262_144 + (1 << 20), (128 << 10)..(256 << 10)] {
        let disk = SimulatedDisk::from_bytes(whole.clone());
        disk.corrupt(range.start, range.end - range.start, |b| b.fill(0));
        if range.start == 4096 {
            disk.corrupt((128 << 10) + 4096, 8192, |b| b.fill(0));
        }
        mended(&disk, &Sources::default());
        assert!(is_sound(&disk), "{range:?}");
        assert!(!mended(&disk, &Sources::default()).has_work(), "{range:?}: a second repair finds nothing");
        let header = crate::container::header::Header::read(&disk).expect("a header");
        assert_eq!((header.rotten.len(), header.superblocks(&disk).1), (0, 0), "{range:?}");
    }
    drop(disk);
}

#[test]
fn a_commit_without_its_catalog_is_given_up_when_told_to() {
    let (_folder, disk, _) = two_nights();
    let session = opened(&disk, Access::Read);
    let before = readable(&session);
    let (g, catalog) = (session.store.container().base().geometry, session.store.contents().catalog.parts[0]);
    for copy in catalog.copies {
        let start = g.slot_offset(copy.slot);
        disk.corrupt(start + u64::from(copy.offset), u64::from(catalog.length), |b| b.fill(0x11));
        for table in [g.first_table(), g.second_table()] {
            disk.corrupt(start + table.start as u64, table.len() as u64, |b| b.fill(0x11));
        }
    }
    drop(session);
    let mut session = opened(&disk, Access::Write);
    let (pool, progress) = (pool(1).expect("a pool"), Progress::default());
    let survey = repair::survey(&session, &pool, &progress).expect("survey");
    let time = Timestamp { seconds: 1_800_000_000, nanoseconds: 0 };
    let sources = Sources::default();
    let refused = repair::repair(&mut session, survey, &sources, time, pool.clone(), &progress);
    assert!(refused.expect_err("no catalog").remedy().is_some_and(|hint| hint.contains("--adopt")));
    session = repair::step_back(session).expect("the commit before stands");
    assert!(session.store.container().has_fallen_back());
    repair::adopt(&mut session, time, &pool).expect("adopted");
    drop(session);
    mended(&disk, &sources);
    assert!(is_sound(&disk));
    let after = readable(&opened(&disk, Access::Read));
    assert!(!after.is_empty() && after.len() < before.len());
    assert!(after.iter().all(|(key, value)| before.get(key) == Some(value)));
}

#[test]
fn an_index_that_is_gone_entirely_comes_back_from_the_directories() {
    let (_folder, disk, _) = two_nights();
    let session = opened(&disk, Access::Read);
    let before = readable(&session);
    let (store, g) = (&session.store, session.store.container().base().geometry);
    for run in &store.contents().runs {
        for part in run.fence.parts.iter().chain(&run.filter.parts) {
            for copy in part.copies {
                let at = g.slot_offset(copy.slot) + u64::from(copy.offset);
                disk.corrupt(at, u64::from(part.length), |b| b.fill(0x11));
            }
        }
    }
    // Without its tables no parity helps, either.
    for slot in store.contents().runs.iter().flat_map(|r| r.fence.slots().chain(r.filter.slots())) {
        for table in [g.first_table(), g.second_table()] {
            disk.corrupt(g.slot_offset(slot) + table.start as u64, table.len() as u64, |b| b.fill(0x11));
        }
    }
    drop(session);
    let report = mended(&disk, &Sources::default());
    assert!(!report.index_runs.is_empty() && !report.has_losses(), "{report:?}");
    assert!(is_sound(&disk));
    assert_eq!(readable(&opened(&disk, Access::Read)), before);
}

#[test]
fn a_segment_whose_losses_have_whole_twins_is_given_up() {
    let (_folder, disk, whole) = two_nights();
    let before = readable(&opened(&disk, Access::Read));
    let g = opened(&disk, Access::Read).store.container().base().geometry;
    let metadata = slots_with(&opened(&disk, Access::Read), ObjectKind::Manifest);
    let mut dropped = 0;
    for slot in metadata {
        let disk = SimulatedDisk::from_bytes(whole.clone());
        // No table, so no parity; and one copy of each manifest chunk of the segment.
        let session = opened(&disk, Access::Read);
        for chunk in session.store.salvage(slot, true).expect("readable").chunks {
            let copies = session.store.locate(&chunk.id).expect("found");
            let own = copies.iter().find(|copy| copy.location.slot == slot).expect("listed");
            if chunk.kind == ObjectKind::Manifest {
                let at = g.slot_offset(slot) + u64::from(own.location.offset);
                disk.corrupt(at, u64::from(own.length), |b| b.fill(0x5a));
            }
        }
        for table in [g.first_table(), g.second_table()] {
            disk.corrupt(g.slot_offset(slot) + table.start as u64, table.len() as u64, |b| b.fill(0x11));
        }
        drop(session);
        if opened(&disk, Access::Read).store.container().has_fallen_back() {
            // It held both copies of the newest root: another story.
            continue;
        }
        let now = readable(&opened(&disk, Access::Read));
        let report = mended(&disk, &Sources::default());
        assert_eq!((now == before, report.beyond.len()), (true, 0), "slot {slot}: {report:?}");
        assert!(is_sound(&disk), "slot {slot}: {report:?}");
        assert_eq!(readable(&opened(&disk, Access::Read)), before);
        dropped += report.dropped.len();
        assert!(!mended(&disk, &Sources::default()).has_work(), "slot {slot}: a second repair finds nothing");
    }
    assert!(dropped > 0);
}

#[test]
fn what_is_lost_comes_back_from_a_copy_and_is_named_without() {
    let (_folder, disk, whole) = two_nights();
    let before = readable(&opened(&disk, Access::Read));
    let slots: Vec<u32> = opened(&disk, Access::Read).store.live_slots();
    for slot in &slots[..slots.len() - 2] {
        destroy(&disk, *slot);
    }
    let now = readable(&opened(&disk, Access::Read));
    assert!(now.len() < before.len());
    let alone = SimulatedDisk::from_bytes(disk.bytes());
    let report = mended(&alone, &Sources::default());
    let after = readable(&opened(&alone, Access::Read));
    assert!(now.iter().all(|(key, value)| after.get(key) == Some(value)), "nothing is lost by repair");
    let named: BTreeSet<_> =
        report.losses.affected.iter().filter_map(|a| Some((a.snapshot, a.path.clone()?))).collect();
    let lost: BTreeSet<_> = before.keys().filter(|key| !after.contains_key(key)).cloned().collect();
    assert_eq!(named, lost, "exactly what is lost is named");
    assert!(report.losses.chunks.values().all(|lost| !lost.users.is_empty()));
    let copy = opened(&SimulatedDisk::from_bytes(whole), Access::Read);
    for disk in [disk, alone] {
        let sources = Sources { copy: Some(&copy.store), is_live: false };
        let report = mended(&disk, &sources);
        assert!(report.taken_chunks > 0 && !report.has_losses(), "{report:?}");
        assert!(is_sound(&disk));
        assert_eq!(readable(&opened(&disk, Access::Read)), before);
        assert!(!mended(&disk, &sources).has_work());
    }
}

#[test]
fn what_is_lost_comes_back_from_the_sources_as_far_as_they_are_what_they_were() {
    let (folder, disk, _) = two_nights();
    let session = opened(&disk, Access::Read);
    let before = readable(&session);
    let data: BTreeSet<u32> = slots_with(&session, ObjectKind::Database)
        .into_iter()
        .chain(slots_with(&session, ObjectKind::Attachment))
        .collect();
    let metadata = slots_with(&session, ObjectKind::Manifest);
    let newest = session.store.contents().catalog.slots().collect::<BTreeSet<_>>();
    drop(session);
    for slot in data.iter().filter(|slot| !metadata.contains(slot) && !newest.contains(slot)) {
        destroy(&disk, *slot);
    }
    let lost: Vec<String> = {
        let now = readable(&opened(&disk, Access::Read));
        before.keys().filter(|key| !now.contains_key(key)).map(|(_, path)| path.to_string()).collect()
    };
    assert!(lost.iter().any(|path| path == "database/d.sql") && lost.len() > 4, "{lost:?}");
    let gone = lost.iter().find(|path| path.starts_with("attachments/img/")).expect("a file");
    let file = folder.path().join(gone.trim_start_matches("attachments/"));
    let kept = std::fs::read(&file).expect("a file");
    std::fs::write(&file, noise(123, kept.len())).expect("another file");
    let sources = Sources { copy: None, is_live: true };
    let report = mended(&disk, &sources);
    let named: BTreeSet<String> =
        report.losses.affected.iter().filter_map(|a| Some(a.path.as_ref()?.to_string())).collect();
    assert_eq!(named, BTreeSet::from([gone.clone()]), "only the file that is another by now");
    std::fs::write(&file, kept).expect("the file again");
    let report = mended(&disk, &sources);
    assert!(!report.has_losses(), "{report:?}");
    assert!(is_sound(&disk));
    assert_eq!(readable(&opened(&disk, Access::Read)), before);
}

#[test]
fn a_container_of_another_family_gives_what_it_holds_in_equal_pieces() {
    let folder = practice();
    std::fs::remove_file(folder.path().join("d.sql")).expect("removed");
    for seed in 0..6 {
        std::fs::write(folder.path().join(format!("img/{seed}")), noise(seed, 100_000)).expect("a file");
    }
    let (disk, other) = (SimulatedDisk::new(), SimulatedDisk::new());
    let mut session = new_session(&disk);
    run(&mut session, plan(folder.path(), 0));
    let mut stranger = super::healing::made(&other, crate::operations::session::Parity::Normal);
    run(&mut stranger, plan(folder.path(), 0));
    let before = readable(&session);
    let g = session.store.container().base().geometry;
    let copies = slots_with(&session, ObjectKind::Attachment);
    drop(session);
    let disk = SimulatedDisk::from_bytes(disk.bytes());
    for slot in copies {
        // All but the ends, where the metadata of this small container lies twice.
        disk.corrupt(g.slot_offset(slot) + 10 * 4096, 100 * 4096, |b| b.fill(0x77));
    }
    let report = mended(&disk, &Sources { copy: Some(&stranger.store), is_live: false });
    assert!(report.taken_chunks > 0 && !report.has_losses(), "{report:?}");
    assert_eq!(readable(&opened(&disk, Access::Read)), before);
    assert!(is_sound(&disk));
}

#[test]
fn a_file_that_was_cut_off_is_made_whole_from_a_copy() {
    let (_folder, disk, whole) = two_nights();
    let session = opened(&disk, Access::Read);
    let before = readable(&session);
    let g = session.store.container().base().geometry;
    // A live segment of data at the end of the file: what is behind the cut.
    let roots = session.store.container().state().pointer.copies.map(|copy| copy.slot);
    let last = roots.into_iter().max().expect("two");
    let later = session.store.live_slots().into_iter().filter(|slot| *slot > last).count();
    drop(session);
    let copy = opened(&SimulatedDisk::from_bytes(whole.clone()), Access::Read);
    let sources = Sources { copy: Some(&copy.store), is_live: false };
    // Cut within the last live segment: at best parity heals it, else the copy does.
    let live = copy.store.live_slots();
    let end = g.slot_offset(*live.last().expect("live")) + g.segment_bytes as u64 - 40 * 4096;
    let disk = SimulatedDisk::from_bytes(whole[..end as usize].to_vec());
    let report = mended(&disk, &sources);
    assert!(report.restored_bytes > 0 && !report.has_losses(), "{later} {report:?}");
    assert!(is_sound(&disk));
    assert_eq!(readable(&opened(&disk, Access::Read)), before);
}

#[test]
fn a_repair_that_is_cut_short_loses_nothing_and_can_be_run_again() {
    let (_folder, disk, whole) = two_nights();
    let before = readable(&opened(&disk, Access::Read));
    let copy = opened(&SimulatedDisk::from_bytes(whole), Access::Read);
    let g = copy.store.container().base().geometry;
    let slots = copy.store.live_slots();
    destroy(&disk, slots[1]);
    disk.corrupt(g.slot_offset(slots[2]) + 9 * 4096, 30 * 4096, |b| b.fill(3));
    disk.corrupt(g.slot_offset(slots[3]) + 9 * 4096, 3 * 4096, |b| b.fill(3));
    disk.corrupt(0, 4096, |b| b.fill(0));
    let now = readable(&opened(&disk, Access::Read));
    assert!(now.len() < before.len());
    for copy in [None, Some(&copy.store)] {
        let sources = Sources { copy, is_live: false };
        let disk = SimulatedDisk::from_bytes(disk.bytes());
        disk.record();
        mended(&disk, &sources);
        let after = readable(&opened(&disk, Access::Read));
        for (number, point) in disk.crash_points().enumerate() {
            let variant = if number % 4 == 0 { 0 } else { 6 + number as u64 };
            let place = format!("operation {}, variant {variant}", point.operation);
            let image = point.image(variant);
            let cut = readable(&opened(&image, Access::Read));
            assert!(now.iter().all(|(key, value)| cut.get(key) == Some(value)), "{place}: loses");
            if number % 5 == 0 {
                mended(&image, &sources);
                assert_eq!(readable(&opened(&image, Access::Read)), after, "{place}");
                assert!(!mended(&image, &sources).has_work(), "{place}: run again");
            }
        }
        assert_eq!(after == before, copy.is_some());
    }
    assert!(!disk.is_empty().expect("a length"));
}

#[test]
fn a_damaged_root_of_the_commit_before_is_left_behind() {
    let (_folder, disk, _) = two_nights();
    let mut session = opened(&disk, Access::Write);
    let (time, pool) = (Timestamp { seconds: 1_800_000_000, nanoseconds: 0 }, pool(1).expect("a pool"));
    let mut copy = Default::default();
    for _ in 0..2 {
        copy = session.store.container().state().pointer.copies[0];
        keys::commit_nothing(&mut session, time, pool.clone()).expect("committed");
    }
    let g = session.store.container().base().geometry;
    assert!(!session.store.live_slots().contains(&copy.slot), "nothing else is there");
    drop(session);
    disk.corrupt(g.slot_offset(copy.slot) + u64::from(copy.offset), 8, |b| b.fill(0x5a));
    let is_whole = || {
        let session = opened(&disk, Access::Read);
        session.store.container().ancestry();
        let report = verify(&session.store, Level::Full, &pool, &Progress::default()).expect("verified");
        report.damaged.is_empty()
    };
    assert!(!is_whole());
    let report = mended(&disk, &Sources::default());
    assert_eq!((report.outdated.as_slice(), report.has_losses()), (&[copy.slot][..], false), "{report:?}");
    assert!(is_whole());
    assert!(!mended(&disk, &Sources::default()).has_work());
}
