//! Copies that meet damage, failing disks and full ones: what is kept, and what is named.

use super::*;

#[test]
fn a_snapshot_that_is_damaged_is_named_and_left_out() {
    for relative in [true, false] {
        let disk = SimulatedDisk::new();
        let (_folder, source) = practice(&disk);
        let theirs = Catalog::read(&source.store).expect("a catalog").snapshots;
        // A file that is new with the third night, in segments that hold nothing older.
        let older: Vec<u32> =
            (0..3).flat_map(|n| slots_of(&source, &theirs[1], &format!("attachments/img/{n}"))).collect();
        let new = slots_of(&source, &theirs[2], "attachments/img/new2");
        let slot = *new.iter().find(|slot| !older.contains(slot)).expect("a segment of its own");
        destroy(&disk, &source, slot);
        let mut destination = made(&SimulatedDisk::new(), 2, relative.then_some(&source));
        let report = copied(&source, &mut destination, &plan()).expect("goes on");
        assert_eq!(report.left_out.len(), 1, "{report:?}");
        assert_eq!(report.left_out[0].snapshot, theirs[2].id);
        let path = report.left_out[0].path.as_ref().expect("a path").to_string();
        assert_eq!(path, "attachments/img/new2");
        assert!(is_sound(&report) && report.copied.len() == 2);
        assert_eq!(contents(&destination.store).len(), 2);
    }
}

#[test]
fn an_interrupted_copy_goes_on_where_it_stopped() {
    let disk = SimulatedDisk::new();
    let (_folder, source) = practice(&disk);
    let all = contents(&source.store);
    for relative in [true, false] {
        let whole = {
            let mut destination = made(&SimulatedDisk::new(), 2, relative.then_some(&source));
            copied(&source, &mut destination, &plan()).expect("copied").statistics
        };
        let small = CopyPlan { commit_bytes: 1, verify: None, ..plan() };
        let mut interrupted = 0;
        for nth in [2, 14, 20, 26, 32, 40] {
            let place = SimulatedDisk::new();
            let mut destination = made(&place, 2, relative.then_some(&source));
            place.fail_at(nth, Operation::Write, Fault { error: FaultError::Io, sticky: true });
            let result = copied(&source, &mut destination, &small);
            drop(destination);
            place.clear_faults();
            let mut destination = opened(&place);
            match result {
                Ok(_) => continue,
                Err(error) => assert_eq!(error.kind(), Kind::Destination, "{error}"),
            }
            interrupted += 1;
            let kept = contents(&destination.store);
            assert_eq!(kept, all[..kept.len()], "whole snapshots, oldest first");
            let report = copied(&source, &mut destination, &plan()).expect("goes on");
            assert!(is_sound(&report), "write {nth}: {:?}", report.verified);
            assert_eq!(contents(&destination.store), all);
            if nth > 20 {
                let (now, whole) = (report.statistics.new_plain_bytes, whole.new_plain_bytes);
                assert!(now < whole * 3 / 4, "write {nth}: {now} of {whole} again");
            }
        }
        assert!(interrupted >= 3);
    }
}

#[test]
fn a_full_destination_keeps_what_it_has() {
    let disk = SimulatedDisk::new();
    let (_folder, source) = practice(&disk);
    let (all, before) = (contents(&source.store), disk.bytes());
    let mut seen = std::collections::BTreeSet::new();
    for room in [1, 9, 11, 13, 15, 17, 40] {
        let place = SimulatedDisk::new();
        let mut destination = made(&place, 2, Some(&source));
        place.set_capacity(Some(place.allocated_bytes() + (room << 20)));
        let progress = Progress::default();
        let mut report = CopyReport::default();
        let one = CopyPlan { verify: None, ..plan() };
        let result = copy(&source.store, &mut destination.store, &one, &threads(), &progress, &mut report);
        if let Err(error) = &result {
            assert_eq!(error.kind(), Kind::Full, "{error}");
        }
        place.set_capacity(None);
        let kept = contents(&opened_after(destination, &place).store);
        assert_eq!(kept, all[..report.copied.len()], "what is reported is there");
        seen.insert((result.is_ok(), kept.len()));
    }
    assert!(seen.contains(&(true, 3)) && seen.contains(&(false, 0)) && seen.len() > 2, "{seen:?}");
    assert!(disk.bytes() == before, "the source is not touched");
}

fn opened_after(session: Session, disk: &SimulatedDisk) -> Session {
    drop(session);
    opened(disk)
}

#[test]
fn what_a_damaged_destination_lost_comes_again_with_the_next_snapshot() {
    for relative in [true, false] {
        let disk = SimulatedDisk::new();
        let (folder, mut source) = practice(&disk);
        let place = SimulatedDisk::new();
        let mut destination = made(&place, 2, relative.then_some(&source));
        let report = copied(&source, &mut destination, &CopyPlan { verify: None, ..plan() }).expect("copied");
        let slot = slots_of(&destination, &report.copied[2], "attachments/img/3")[0];
        destroy(&place, &destination, slot);
        night(&mut source, folder.path(), 20);
        let full = copied(&source, &mut destination, &CopyPlan { snapshots: Some(vec![]), ..plan() });
        assert!(!is_sound(&full.expect("verified")), "the damage is found");
        let report = copied(&source, &mut destination, &plan()).expect("copied");
        let found = report.verified.as_ref().expect("verified");
        let last = report.copied.last().expect("one").id;
        let lost = found.affected.iter().filter(|a| a.snapshot == last).count();
        assert_eq!(lost, 0, "family {relative}: the new snapshot is whole");
        if relative {
            assert!(found.affected.is_empty(), "one family: the old snapshots are whole again, too");
        }
    }
}
