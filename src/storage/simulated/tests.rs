//! What the simulated disk must do, and the test of the tester: a planted bug is found, its cure
//! passes.

use super::*;
use std::collections::BTreeSet;

const ONCE: Fault = Fault { error: FaultError::Io, sticky: false };
const STICKY: Fault = Fault { error: FaultError::Io, sticky: true };

fn read(disk: &SimulatedDisk, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    disk.read_at(offset, &mut bytes).expect("readable");
    bytes
}

#[test]
fn an_unsynced_write_may_be_lost_torn_or_kept_and_a_synced_one_never() {
    let disk = SimulatedDisk::from_bytes(vec![1; 4096]);
    disk.write_at(0, &[2; 1024]).unwrap();
    disk.sync().unwrap();
    disk.write_at(2048, &[3; 1536]).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let bytes = disk.crash(seed).bytes();
        assert_eq!(&bytes[..2048], [[2; 1024], [1; 1024]].concat(), "seed {seed}: synced");
        assert_eq!(&bytes[3584..], [1; 512], "seed {seed}: never written");
        let sectors: Vec<u8> = bytes[2048..3584].chunks(512).map(|sector| sector[0]).collect();
        assert!(bytes[2048..3584].chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        seen.insert(sectors);
    }
    assert_eq!(seen.len(), 8, "each of 3 sectors old or new: {seen:?}");
    assert_eq!(disk.crash(99).bytes(), disk.crash(99).bytes(), "seeds replay");
    disk.sync().unwrap();
    let synced = disk.bytes();
    assert!((0..200).all(|seed| disk.crash(seed).bytes() == synced));
}

#[test]
fn a_sector_is_never_a_mixture_of_writes_that_never_was() {
    let disk = SimulatedDisk::from_bytes(vec![0; 512]);
    let mut legal = vec![disk.bytes()];
    for (offset, byte) in [(0, 1), (100, 2), (50, 3)] {
        disk.write_at(offset, &[byte; 200]).unwrap();
        legal.push(disk.bytes());
    }
    let seen: BTreeSet<_> = (0..200).map(|seed| disk.crash(seed).bytes()).collect();
    assert_eq!(seen, legal.into_iter().collect());
}

#[test]
fn the_length_survives_on_its_own() {
    let disk = SimulatedDisk::from_bytes(vec![1; 1000]);
    disk.write_at(5000, &[2; 1000]).unwrap();
    let mut lengths = BTreeSet::new();
    for seed in 0..100 {
        let bytes = disk.crash(seed).bytes();
        assert_eq!(&bytes[..1000], [1; 1000]);
        assert!(bytes[1000..bytes.len().min(5000)].iter().all(|&byte| byte == 0), "a hole is zeros");
        assert!(bytes.iter().skip(5000).all(|&byte| byte == 0 || byte == 2));
        lengths.insert(bytes.len());
    }
    assert!(lengths.contains(&1000) && lengths.contains(&6000), "{lengths:?}");
    assert!(lengths.iter().any(|len| (1001..6000).contains(len)) && lengths.len() > 10);
    assert_eq!((lengths.first(), lengths.last()), (Some(&1000), Some(&6000)));

    let short = disk.crash(4);
    short.set_len(6000).unwrap();
    assert_eq!(short.bytes(), [vec![1; 1000], vec![0; 5000]].concat(), "bytes beyond the end are gone");

    disk.sync().unwrap();
    disk.set_len(10).unwrap();
    let lengths: BTreeSet<_> = (0..100).map(|seed| disk.crash(seed).bytes().len()).collect();
    assert!(lengths.contains(&10) && lengths.contains(&6000), "a cut may be lost: {lengths:?}");
    let lost = disk.crash(0).bytes();
    assert_eq!((lost[0], lost[5999]), (1, 2), "and the bytes with it");
    disk.set_len(600).unwrap();
    assert_eq!(disk.bytes(), [vec![1; 10], vec![0; 590]].concat(), "cut bytes do not come back");
    disk.sync().unwrap();
    assert_eq!(disk.crash(1).bytes(), disk.bytes());
}

#[test]
fn holes_read_as_zeros_and_may_be_lost() {
    let disk = SimulatedDisk::from_bytes(vec![1; 20_000]);
    disk.punch(4000, 9000).unwrap();
    let punched = [vec![1; 4000], vec![0; 9000], vec![1; 7000]].concat();
    assert_eq!(disk.bytes(), punched);
    assert_eq!(disk.allocated_bytes(), 5 * 4096 - 2 * 4096);
    assert_eq!(disk.crash(0).bytes(), vec![1; 20_000]);
    assert_eq!(disk.crash(1).bytes(), punched);
    disk.punch(100, 5).unwrap();
    disk.punch(30_000, 5).unwrap();
    assert_eq!(disk.len().unwrap(), 20_000);
    disk.sync().unwrap();
    assert_eq!(disk.crash(0).bytes(), disk.bytes());
}

#[test]
fn a_failed_sync_loses_what_waited_and_later_ones_lie() {
    let disk = SimulatedDisk::from_bytes(vec![1; 4096]);
    disk.write_at(0, &[2; 512]).unwrap();
    disk.fail_at(1, Operation::Sync, ONCE);
    assert_eq!(disk.sync().unwrap_err().raw_os_error(), Some(libc::EIO));
    assert_eq!(read(&disk, 0, 1), [2], "the cache stays new");
    disk.write_at(1024, &[3; 512]).unwrap();
    disk.sync().expect("the retry succeeds");
    assert_eq!(disk.bytes()[0], 2);
    let after = disk.crash(1).bytes();
    assert_eq!((after[0], after[1024]), (1, 3), "the medium kept the old bytes");
    disk.drop_cache(0, 4096);
    assert_eq!(disk.bytes(), after, "and shows them once the cache is gone");

    disk.set_failed_sync_keeps(true);
    disk.write_at(0, &[4; 512]).unwrap();
    disk.fail_at(1, Operation::Sync, ONCE);
    assert!(disk.sync().is_err());
    disk.sync().unwrap();
    assert_eq!(disk.durable_bytes()[0], 4);
}

#[test]
fn the_nth_operation_fails_once_or_from_then_on() {
    let disk = SimulatedDisk::new();
    disk.fail_at(2, Operation::Write, ONCE);
    assert!(disk.write_at(0, &[1]).is_ok() && !disk.fault_fired());
    disk.sync().unwrap();
    assert!(disk.write_at(0, &[2]).is_err() && disk.fault_fired());
    assert!(disk.write_at(0, &[3]).is_ok());
    disk.clear_faults();
    disk.fail_at(3, Operation::Any, Fault { error: FaultError::StorageFull, ..STICKY });
    assert!(disk.read_at(0, &mut [0]).is_ok() && disk.set_len(5).is_ok());
    assert_eq!(disk.allocate(0, 9).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(disk.punch(0, 1).is_err() && disk.sync().is_err() && disk.read_at(0, &mut [0]).is_err());
    assert_eq!(disk.len().unwrap(), 5);
}

#[test]
fn a_failed_write_may_leave_nothing_half_or_all() {
    let left: BTreeSet<_> = (0..3)
        .map(|earlier| {
            let disk = SimulatedDisk::from_bytes(vec![0; 100]);
            (0..earlier).for_each(|_| disk.sync().unwrap());
            disk.fail_at(1, Operation::Write, ONCE);
            disk.write_at(0, &[1; 100]).unwrap_err();
            disk.bytes().iter().filter(|&&byte| byte == 1).count()
        })
        .collect();
    assert_eq!(left, BTreeSet::from([0, 50, 100]));
}

#[test]
fn blocks_run_out_but_not_the_allocated_ones() {
    let disk = SimulatedDisk::new();
    disk.set_capacity(Some(5 * 4096));
    disk.allocate(0, 4 * 4096).unwrap();
    disk.set_len(100 * 4096).expect("a hole takes no blocks");
    let full = disk.write_at(50 * 4096, &[1; 3 * 4096]).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(read(&disk, 50 * 4096, 8192), [vec![1; 4096], vec![0; 4096]].concat(), "what fits");
    disk.write_at(0, &[2; 4 * 4096]).expect("the allocated blocks are ours");
    disk.punch(4096, 4096).unwrap();
    disk.write_at(60 * 4096, &[3; 10]).expect("the hole's block");
    assert!(disk.write_at(4096, &[4]).is_err(), "a hole must be filled anew");
    assert!(disk.allocate(200 * 4096, 1).is_err());
    assert_eq!(disk.allocated_bytes(), 5 * 4096);

    disk.set_capacity(None);
    disk.set_length_limit(Some(100 * 4096 + 10));
    let long = disk.write_at(100 * 4096, &[5; 20]).unwrap_err();
    assert_eq!(long.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(disk.len().unwrap(), 100 * 4096 + 10);
    assert_eq!(disk.set_len(1 << 40).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn rot_and_bad_sectors() {
    let disk = SimulatedDisk::from_bytes(vec![1; 2048]);
    disk.corrupt(700, 5000, |bytes| bytes[0] ^= 0x80);
    assert_eq!((disk.bytes()[700], disk.durable_bytes()[700], disk.len().unwrap()), (0x81, 0x81, 2048));
    disk.make_unreadable(600, 1);
    let mut byte = [0];
    assert_eq!(disk.read_at(1023, &mut byte).unwrap_err().raw_os_error(), Some(libc::EIO));
    assert!(disk.read_at(511, &mut byte).is_ok() && disk.read_at(1024, &mut byte).is_ok());
    disk.write_at(600, &[1]).unwrap();
    assert!(disk.read_at(600, &mut byte).is_err(), "half a sector heals nothing");
    disk.write_at(512, &[1; 512]).unwrap();
    assert!(disk.read_at(600, &mut byte).is_ok());
    assert_eq!(disk.read_at(2047, &mut [0; 2]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn locks_belong_to_open_files() {
    let first = SimulatedDisk::new();
    let clone = first.clone();
    let second = first.reopen();
    let byte = 1 << 62;
    assert_eq!(first.lock(byte, true).unwrap(), Lock::Acquired);
    assert_eq!(clone.lock(byte, true).unwrap(), Lock::Acquired);
    assert_eq!(second.lock(byte, false).unwrap(), Lock::Busy);
    assert_eq!(second.locked_by_others(byte - 5, 10).unwrap(), [byte]);
    assert!(first.locked_by_others(byte - 5, 10).unwrap().is_empty());
    assert_eq!(first.lock(byte, false).unwrap(), Lock::Acquired);
    assert_eq!(second.lock(byte, false).unwrap(), Lock::Acquired);
    assert_eq!(second.lock(byte, true).unwrap(), Lock::Busy);
    drop(first);
    assert_eq!(second.lock(byte, true).unwrap(), Lock::Busy, "a clone keeps the file open");
    drop(clone);
    assert_eq!(second.lock(byte, true).unwrap(), Lock::Acquired);
    second.unlock(byte);
    assert_eq!(second.reopen().lock(byte, true).unwrap(), Lock::Acquired);
    second.set_locks_supported(false);
    assert_eq!(second.lock(byte, true).unwrap(), Lock::Unsupported);
    assert_eq!(second.locked_by_others(0, 1).unwrap_err().kind(), io::ErrorKind::Unsupported);
}

/// A toy container: data sectors at 4096, their version in a root sector at 0.
fn commit(disk: &SimulatedDisk, version: u8, sync_between: bool) {
    disk.write_at(u64::from(version) * 4096, &[version; 4096]).unwrap();
    if sync_between {
        disk.sync().unwrap();
    }
    disk.write_at(0, &[version; 512]).unwrap();
    disk.sync().unwrap();
}

/// The crash images in which the toy container lies: an acknowledged version is gone, or the root
/// names data that are not there.
fn lies(sync_between: bool) -> (usize, usize) {
    let disk = SimulatedDisk::from_bytes(vec![0; 512]);
    disk.record();
    let mut acknowledged = Vec::new();
    for version in 1..=3 {
        commit(&disk, version, sync_between);
        acknowledged.push((disk.operations(), version));
    }
    let (mut images, mut lies) = (0, 0);
    for point in disk.crash_points() {
        let promised = acknowledged.iter().filter(|(at, _)| *at <= point.operation);
        let promised = promised.map(|(_, version)| *version).max().unwrap_or(0);
        for seed in 0..40 {
            let crashed = point.image(seed);
            let version = read(&crashed, 0, 1)[0];
            let mut data = [0; 4096];
            let there = version == 0
                || crashed.read_at(u64::from(version) * 4096, &mut data).is_ok() && data == [version; 4096];
            images += 1;
            lies += usize::from(version < promised || !there);
        }
    }
    (images, lies)
}

#[test]
fn a_missing_sync_is_found_and_a_present_one_never_blamed() {
    let (images, found) = lies(false);
    assert_eq!(images, 40 * (3 * 3 + 1));
    assert!(found > 20, "only {found} of {images} images show the planted bug");
    assert_eq!(lies(true), (40 * (4 * 3 + 1), 0));
}

#[test]
fn crash_points_follow_the_run() {
    let disk = SimulatedDisk::new();
    disk.write_at(0, &[1; 512]).unwrap();
    assert_eq!(disk.crash_points().map(|point| point.operation).collect::<Vec<_>>(), [1]);
    disk.record();
    disk.sync().unwrap();
    disk.write_at(512, &[2; 512]).unwrap();
    disk.fail_at(1, Operation::Sync, ONCE);
    disk.sync().unwrap_err();
    let points: Vec<_> = disk.crash_points().map(|point| (point.operation, point.unsynced_count())).collect();
    assert_eq!(points, [(1, 1), (2, 0), (3, 1), (4, 0)]);
    for point in disk.crash_points() {
        let everything = point.image(1).bytes();
        assert_eq!(everything.len(), [512, 512, 1024, 512][point.operation as usize - 1]);
    }
    assert_eq!(disk.durable_bytes(), [1; 512]);
}

#[test]
fn a_retried_sync_is_found_and_a_stopped_writer_never_blamed() {
    for retries in [true, false] {
        let mut lies = 0;
        for nth in 1..=7 {
            let disk = SimulatedDisk::from_bytes(vec![0; 4096]);
            disk.fail_at(nth, Operation::Sync, ONCE);
            let sync = || disk.sync().or_else(|error| if retries { disk.sync() } else { Err(error) });
            let commit = |version: u8| -> io::Result<()> {
                disk.write_at(u64::from(version) * 4096, &[version; 4096])?;
                sync()?;
                disk.write_at(0, &[version; 512])?;
                sync()
            };
            let acknowledged = (1..=3).take_while(|version| commit(*version).is_ok()).last().unwrap_or(0);
            assert_eq!(disk.fault_fired(), nth < 7, "the loop over n ends");
            for seed in 0..20 {
                let crashed = disk.crash(seed);
                let version = read(&crashed, 0, 1)[0];
                let mut data = [0; 4096];
                let whole = version == 0
                    || crashed.read_at(u64::from(version) * 4096, &mut data).is_ok()
                        && data == [version; 4096];
                lies += usize::from(version < acknowledged || !whole);
            }
        }
        assert_eq!(lies > 0, retries, "{lies} lies");
    }
}
