//! The simulated disk against a real file: equal operations, equal bytes, lengths and failures.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write(u64, usize, u8),
    SetLen(u64),
    Allocate(u64, u64),
    Punch(u64, u64),
    Read(u64, usize),
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    // Beyond 60000 lie offsets near and past the largest one.
    let offset = prop_oneof![
        8 => 0..60_000_u64,
        2 => (0..15_u64).prop_map(|sector| sector * 4096),
        1 => (0..20_u64).prop_map(|back| u64::MAX - back),
    ];
    prop_oneof![
        4 => (offset.clone(), 0..9_000_usize, 1..=255_u8).prop_map(|(at, length, byte)| Step::Write(at, length, byte)),
        2 => offset.clone().prop_map(Step::SetLen),
        1 => (offset.clone(), 0..9_000_u64).prop_map(|(at, length)| Step::Allocate(at, length)),
        2 => (offset.clone(), 0..9_000_u64).prop_map(|(at, length)| Step::Punch(at, length)),
        2 => (offset, 0..9_000_usize).prop_map(|(at, length)| Step::Read(at, length)),
        1 => Just(Step::Sync),
    ]
}

/// What a step gives: the bytes read, or the kind of failure.
fn apply(storage: &dyn Storage, step: &Step) -> std::result::Result<Vec<u8>, io::ErrorKind> {
    let mut bytes = Vec::new();
    let outcome = match *step {
        Step::Write(offset, length, byte) => storage.write_at(offset, &vec![byte; length]),
        Step::SetLen(len) => storage.set_len(len),
        Step::Allocate(offset, length) => storage.allocate(offset, length),
        Step::Punch(offset, length) => storage.punch(offset, length),
        Step::Read(offset, length) => {
            bytes = vec![0; length];
            storage.read_at(offset, &mut bytes)
        }
        Step::Sync => storage.sync(),
    };
    outcome.map(|()| bytes).map_err(|error| error.kind())
}

/// Whether files here can have holes: without them a punched range keeps its bytes.
fn has_holes(folder: &std::path::Path) -> bool {
    let probe = FileStorage::create(folder.join("probe")).expect("a file");
    let mut byte = [1];
    probe.write_at(0, &[1; 8192]).expect("written");
    probe.punch(0, 4096).expect("punched");
    probe.read_at(0, &mut byte).expect("read");
    byte == [0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_simulated_disk_behaves_as_a_file(steps in prop::collection::vec(step(), 1..40)) {
        let folder = tempfile::tempdir().expect("a folder");
        prop_assume!(has_holes(folder.path()));
        let file = FileStorage::create(folder.path().join("file")).expect("a file");
        let disk = SimulatedDisk::new();
        disk.record();
        for (index, step) in steps.iter().enumerate() {
            prop_assert_eq!(apply(&file, step), apply(&disk, step), "step {}: {:?}", index, step);
            prop_assert_eq!(file.len().unwrap(), disk.len().unwrap(), "step {}: {:?}", index, step);
        }
        let bytes = disk.bytes();
        prop_assert!(std::fs::read(file.path()).unwrap() == bytes);
        let last = disk.crash_points().last().expect("at least one");
        prop_assert_eq!(last.operation, disk.operations());
        prop_assert!(last.image(1).bytes() == bytes, "all changes add up to the cache");
        for seed in 0..10 {
            prop_assert!(last.image(seed).bytes() == disk.crash(seed).bytes(), "one model of loss");
        }
        disk.sync().unwrap();
        prop_assert!(disk.durable_bytes() == bytes, "a sync keeps everything");
    }
}
