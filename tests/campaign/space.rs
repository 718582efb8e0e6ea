//! Bounded space: backups and prunes without end under a limit. What stays reads back, the file never
//! passes its limit, prunes end as they foretold, and nothing drifts.

use crate::world::*;
use coffer::chunk_store::{ChunkStore, Settings, WritingOptions};
use coffer::container::Access;
use coffer::error::{Kind, Result};
use coffer::operations::prune::{self, PruneOptions, PruneReport};
use coffer::progress::Progress;
use coffer::snapshot::Catalog;
use coffer::storage::{FileStorage, SimulatedDisk, Storage};

/// A backup that keeps the container's settings.
pub fn backup_within(store: &mut ChunkStore, before: &Expected, files: &[File]) -> Result<Expected> {
    let mut catalog = Catalog::read(store)?;
    let settings = store.contents().settings.clone();
    let mut commit = commit_options();
    commit.max_bytes = settings.max_bytes;
    let mut writing = store.begin(pool(), WritingOptions { commit, level: 1 })?;
    let record = put_snapshot(store, files, &mut writing)?;
    catalog.snapshots.push(record);
    let committed = writing.finish(&catalog.encode(), b"", settings)?;
    store.install(committed);
    let mut after = before.clone();
    after.generation += 1;
    after.snapshots.push(files.to_vec());
    Ok(after)
}

/// Removes the snapshots numbered `victims` and demands that all comes as it was foretold.
pub fn prune_of(
    store: &mut ChunkStore,
    before: &Expected,
    victims: &[usize],
    options: &PruneOptions,
    place: &str,
) -> (Expected, PruneReport) {
    let catalog = Catalog::read(store).expect("catalog");
    let ids: Vec<_> = victims.iter().map(|v| catalog.snapshots[*v].id).collect();
    let plan = prune::plan(store, &ids, options, &Progress::default())
        .unwrap_or_else(|e| panic!("{place}: plan: {}", chain(&e)));
    let (freed, length) = (plan.freed_bytes, plan.file_bytes_after);
    let written = plan.written_bytes;
    let report = prune::apply(store, plan, pool(), &Progress::default())
        .unwrap_or_else(|e| panic!("{place}: prune: {}", chain(&e)));
    assert_eq!(report.freed_bytes, freed, "{place}");
    assert_eq!(report.file_bytes_after, length, "{place}: foretold another length");
    assert!(report.written_bytes <= written, "{place}: wrote {} of {written}", report.written_bytes);
    assert!(report.damaged_slots.is_empty() && report.held_generation.is_none(), "{place}: {report:?}");
    let mut after = before.clone();
    let mut number = 0;
    after.snapshots.retain(|_| {
        number += 1;
        !victims.contains(&(number - 1))
    });
    after.generation += report.commits;
    (after, report)
}

fn set_limit(store: &mut ChunkStore, before: &Expected, max_bytes: Option<u64>) -> Expected {
    let catalog = Catalog::read(store).expect("catalog");
    let writing = store.begin(pool(), options()).expect("begin");
    let committed =
        writing.finish(&catalog.encode(), b"", Settings { max_bytes, ..Settings::default() }).expect("set");
    store.install(committed);
    Expected { generation: before.generation + 1, ..before.clone() }
}

fn some_files(random: &mut Random, last: Option<&Vec<File>>, next: &mut u64) -> Vec<File> {
    let mut files: Vec<File> = last.cloned().unwrap_or_default();
    files.retain(|_| random.below(5) > 0);
    for _ in 0..random.below(5) {
        let length = [0, 700, 9_000, 45_000, 300_000, 900_000][random.below(6) as usize];
        files.push(File { seed: *next, length });
        *next += 1;
    }
    files
}

#[test]
fn backups_and_prunes_without_end_stay_within_the_limit() {
    let limit = (256 << 10) + 40 * SEGMENT;
    for run in 0..scale(2, 20) {
        let mut random = Random(seed().wrapping_add(run));
        let disk = SimulatedDisk::new();
        let mut store = create_on(&disk).expect("create");
        let mut state = Expected { generation: 1, snapshots: vec![] };
        state = set_limit(&mut store, &state, Some(limit));
        let mut next = 1;
        let (mut refused, mut longest) = (0, 0);
        for cycle in 0..scale(120, 500) {
            let place = format!("run {run}, cycle {cycle}");
            let files = some_files(&mut random, state.snapshots.last(), &mut next);
            match backup_within(&mut store, &state, &files) {
                Ok(after) => state = after,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::Full, "{place}: {}", chain(&error));
                    refused += 1;
                }
            }
            longest = longest.max(disk.len().expect("length"));
            assert!(longest <= limit, "{place}: longer than its limit");
            let many = state.snapshots.len();
            let victims: Vec<usize> = match many > 8 || random.below(4) == 0 {
                true => (0..many).filter(|_| random.below(3) == 0).collect(),
                false => Vec::new(),
            };
            let options = PruneOptions { shrink: random.below(3) > 0, ..PruneOptions::default() };
            (state, _) = prune_of(&mut store, &state, &victims, &options, &place);
            if cycle % 10 == 0 {
                drop(store);
                store = open(&disk, Access::Write).unwrap_or_else(|e| panic!("{place}: {}", chain(&e)));
                must_be(&store, &[&state], &place);
                segments_whole(&store, &place);
            }
        }
        assert!(refused < 40, "run {run}: {refused} backups did not fit");
        let everything: Vec<usize> = (0..state.snapshots.len()).collect();
        (state, _) = prune_of(&mut store, &state, &everything, &PruneOptions::default(), "all");
        must_be(&store, &[&state], "nothing is left");
        let slots = store.container().state().root.slot_count;
        assert!(slots <= 12, "run {run}: an empty container of {slots} slots");
    }
}

/// Snapshots whose files are spread over each other's segments, the oldest one large: dropping it
/// leaves holes in many segments, at the end of the file none.
pub fn fragmented(disk: &SimulatedDisk) -> (ChunkStore, Expected) {
    let mut store = create_on(disk).expect("create");
    let mut state = Expected { generation: 1, snapshots: vec![] };
    let old: Vec<File> = (0..60).map(|seed| File { seed, length: 110_000 }).collect();
    state = backup_within(&mut store, &state, &old).expect("first");
    for night in 1..4u64 {
        let mut files: Vec<File> = old.iter().copied().filter(|f| f.seed % 4 == night % 4).collect();
        files.extend((0..3).map(|i| File { seed: 1000 * night + i, length: 200_000 }));
        state = backup_within(&mut store, &state, &files).expect("night");
    }
    (store, state)
}

/// Options under which the fragmented store is cleaned when one of its snapshots goes: three quarters of
/// its segments stay live, which by itself nobody would write anew for.
pub fn thorough() -> PruneOptions {
    PruneOptions { clean_below: 90, ..PruneOptions::default() }
}

#[test]
fn a_prune_gives_back_what_it_says_and_little_more_is_left() {
    let disk = SimulatedDisk::new();
    let (mut store, state) = fragmented(&disk);
    let before = disk.len().expect("length");
    let (state, report) = prune_of(&mut store, &state, &[0, 1], &PruneOptions::default(), "two");
    must_be(&store, &[&state], "after");
    segments_whole(&store, "after");
    let live: u64 = state.seen().iter().map(|s| s.len() as u64).sum();
    assert!(live > 0 && report.freed_bytes > 3_000_000, "{report:?}");
    let length = disk.len().expect("length");
    assert!(length + report.freed_bytes <= before + 2 * SEGMENT, "{before} to {length}: {report:?}");
    assert!(report.written_bytes < 2 * report.freed_bytes + 8 * SEGMENT, "{report:?}");
    let idle = prune::plan(&store, &[], &PruneOptions::default(), &Progress::default()).expect("plan");
    assert!(!idle.has_work() && idle.freed_bytes == 0, "nothing is left to do: {idle:?}");
}

#[test]
fn equal_prunes_give_equal_bytes_with_any_number_of_threads() {
    let disk = SimulatedDisk::new();
    drop(fragmented(&disk));
    let prune_with = |threads: usize| {
        let disk = SimulatedDisk::from_bytes(disk.bytes());
        let mut store = open(&disk, Access::Write).expect("opens");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let victims = [Catalog::read(&store).expect("catalog").snapshots[0].id];
        let options = PruneOptions::default();
        let plan = prune::plan(&store, &victims, &options, &Progress::default()).expect("plan");
        prune::apply(&mut store, plan, std::sync::Arc::new(pool), &Progress::default()).expect("prune");
        blake3::hash(&disk.bytes())
    };
    assert_eq!(prune_with(1), prune_with(5));
}

#[test]
fn a_prune_works_without_a_free_byte() {
    let disk = SimulatedDisk::new();
    let (mut store, mut state) = fragmented(&disk);
    let mut night = 5000;
    disk.set_capacity(Some(disk.allocated_bytes() + 3 * SEGMENT));
    let mut add = |store: &mut ChunkStore, state: &Expected, length| {
        night += 1;
        backup_within(store, state, &[File { seed: night, length }])
    };
    loop {
        match add(&mut store, &state, 700_000) {
            Ok(after) => state = after,
            Err(error) => break assert_eq!(error.kind(), Kind::Full, "{}", chain(&error)),
        }
    }
    disk.set_capacity(Some(disk.allocated_bytes()));
    let length = disk.len().expect("length");
    let (after, report) = prune_of(&mut store, &state, &[0, 1], &PruneOptions::default(), "full");
    state = after;
    must_be(&store, &[&state], "full");
    assert!(report.file_bytes_after < length && report.freed_bytes > 0, "{report:?}");
    state = add(&mut store, &state, 700_000).expect("there is room again");
    must_be(&store, &[&state], "room again");
}

#[test]
fn what_a_reader_holds_is_spared_and_given_back_later() {
    let disk = SimulatedDisk::new();
    let (mut store, state) = fragmented(&disk);
    let reader = open(&disk, Access::Read).expect("a reader");
    let victims = [Catalog::read(&store).expect("catalog").snapshots[0].id];
    let options = thorough();
    let plan = prune::plan(&store, &victims, &options, &Progress::default()).expect("plan");
    let foretold = plan.file_bytes_after;
    let report = prune::apply(&mut store, plan, pool(), &Progress::default()).expect("prune");
    assert_eq!(report.held_generation, Some(state.generation), "{report:?}");
    must_be(&reader, &[&state], "the reader's snapshots");
    segments_whole(&reader, "the reader's segments");
    let mut after = Expected { generation: state.generation + report.commits, ..state.clone() };
    after.snapshots.remove(0);
    must_be(&store, &[&after], "beside the reader");
    drop(reader);
    let (after, _) = prune_of(&mut store, &after, &[], &options, "later");
    must_be(&store, &[&after], "later");
    let length = disk.len().expect("length");
    assert!(length <= foretold + 2 * SEGMENT, "{length} instead of {foretold}");
}

#[test]
fn a_file_shrinks_to_what_is_asked_or_says_what_it_needs() {
    let base = SimulatedDisk::new();
    let (mut store, mut state) = fragmented(&base);
    (state, _) = prune_of(&mut store, &state, &[0], &PruneOptions::default(), "first");
    drop(store);
    let full = base.len().expect("length");
    let mut refused = 0;
    for slots in (6..full / SEGMENT).rev() {
        let max = (256 << 10) + slots * SEGMENT;
        let disk = SimulatedDisk::from_bytes(base.bytes());
        let mut store = open(&disk, Access::Write).expect("opens");
        let options = PruneOptions { max_bytes: Some(max), ..PruneOptions::default() };
        match prune::plan(&store, &[], &options, &Progress::default()) {
            Ok(plan) => {
                assert!(plan.file_bytes_after <= max && refused == 0, "{slots} slots");
                let report = prune::apply(&mut store, plan, pool(), &Progress::default()).expect("prune");
                assert!(disk.len().expect("length") <= max, "{slots} slots");
                must_be(
                    &store,
                    &[&Expected { generation: state.generation + report.commits, ..state.clone() }],
                    "shrunk",
                );
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Usage, "{}", chain(&error));
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}

/// A real file in a file system of a few megabytes that is full to the last byte. Needs the right to
/// mount; says so where that is missing.
#[test]
fn a_prune_works_on_a_full_file_system() {
    let folder = tempfile::tempdir().expect("a folder");
    let mount = |words: &[&str]| std::process::Command::new("mount").args(words).arg(folder.path()).status();
    if !mount(&["-t", "tmpfs", "-o", "size=24m", "coffer-test"]).is_ok_and(|s| s.success()) {
        println!("no right to mount a file system: not tested");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let disk = SimulatedDisk::new();
        let (store, mut state) = fragmented(&disk);
        drop(store);
        let path = folder.path().join("full.coffer");
        std::fs::write(&path, disk.bytes()).expect("written");
        let mut store = open_file(&path);
        let mut night = 9000;
        let full = loop {
            night += 1;
            match backup_within(&mut store, &state, &[File { seed: night, length: 800_000 }]) {
                Ok(after) => state = after,
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), Kind::Full, "{}", chain(&full));
        // Not a byte is left.
        let rest = std::fs::File::create(folder.path().join("rest")).expect("a file");
        let mut at = 0;
        while std::os::unix::fs::FileExt::write_at(&rest, &[1; 4096], at).is_ok_and(|n| n > 0) {
            at += 4096;
        }
        let length = std::fs::metadata(&path).expect("there").len();
        let (after, _) = prune_of(&mut store, &state, &[0, 1], &PruneOptions::default(), "tmpfs");
        must_be(&store, &[&after], "tmpfs");
        assert!(std::fs::metadata(&path).expect("there").len() < length);
    });
    let _ = std::process::Command::new("umount").arg(folder.path()).status();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

pub fn open_file(path: &std::path::Path) -> ChunkStore {
    use coffer::container::{Container, header::Header};
    let storage = FileStorage::open(path, true).expect("opens");
    let header = Header::read(&storage).expect("header");
    let container =
        Container::open(std::sync::Arc::new(storage), header, keyring(1), "campaign", Access::Write);
    ChunkStore::open(container.expect("opens")).expect("store")
}
