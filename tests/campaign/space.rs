//! Bounded space: backups and prunes without end under a limit. What stays reads back, the file never
//! passes its limit, prunes end as they foretold, and nothing drifts.

use crate::world::*;
use coffer::chunk_store::{ChunkStore, Settings, WritingOptions};
use coffer::container::Access;
use coffer::error::{Kind, Result};
use coffer::operations::prune::{self, PruneOptions, PruneReport};
use coffer::progress::Progress;
use coffer::snapshot::Catalog;
use coffer::storage::{SimulatedDisk, Storage};

/// A backup that keeps the container's settings.
fn backup_within(store: &mut ChunkStore, before: &Expected, files: &[File]) -> Result<Expected> {
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
fn prune_of(
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
