//! A short look at the bytes of a container, each time that it is asked how all stands: a share of its
//! live segments, without its secret (`format-spec/container.md`, Verification). It promises that each
//! look goes on where the last one ended, and that what was found damaged is looked at first until it is
//! mended (`STATE/looked.json`; lost or not writable, a look begins anywhere). It replaces no
//! verification: it says nothing of what it has not read, and opens nothing.

use crate::container::glance::{Bounds, Glance, glance};
use crate::container::header::Header;
use crate::container::scrub::LiveSegments;
use crate::error::Result;
use crate::storage::{FileStorage, state_file};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How much is read of one container.
const BOUNDS: Bounds = Bounds { bytes: 512 << 20, time: Duration::from_secs(1) };
/// How often it is looked again while commits are made meanwhile.
const TIMES: usize = 3;
/// Most damaged segments that are remembered of one container.
const MAX_BAD: usize = 1000;
const VERSION: u32 = 1;
const FILE: &str = "looked.json";

/// What a short look found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Segments that were read.
    pub segments: u64,
    /// Live segments that there are.
    pub of: u64,
    /// Segments, and copies of what stands in the header zone, with damage that can be mended.
    pub mendable: u64,
    /// Segments with damage that cannot.
    pub lost: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Stored {
    version: u32,
    containers: BTreeMap<String, Place>,
}

/// Where the next look goes on, and the slots of damaged segments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    next: u64,
    bad: BTreeSet<u32>,
}

/// Looks at the container at `path`; `None` if that cannot be done now.
pub(super) fn look(path: &Path, state: &Path) -> Option<Looked> {
    (0..TIMES).find_map(|_| once(path, state).ok().flatten())
}

/// One look; `None` if commits outran it.
fn once(path: &Path, state: &Path) -> Result<Option<Looked>> {
    let storage = FileStorage::open(path, false)?;
    let header = Header::read(&storage)?;
    let live = LiveSegments::read(&storage, &header)?;
    let id = header.prologue.container.to_string();
    let before = read(state);
    let anywhere =
        || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64);
    let known = before.containers.get(&id).cloned();
    let known = known.unwrap_or_else(|| Place { next: anywhere(), bad: BTreeSet::new() });
    let found = glance(&storage, &header, &live, &known.bad, known.next, BOUNDS);
    let (_, rotten) = header.superblocks(&storage);
    if LiveSegments::read(&storage, &header)?.generation != live.generation {
        return Ok(None);
    }
    remember(state, before, id, &found);
    Ok(Some(Looked {
        segments: found.segments,
        of: found.of,
        mendable: (found.mendable.len() + header.rotten.len() + rotten) as u64,
        lost: found.lost.len() as u64,
    }))
}

fn read(state: &Path) -> Stored {
    let text = std::fs::read(state.join(FILE)).unwrap_or_default();
    serde_json::from_slice::<Stored>(&text).ok().filter(|s| s.version == VERSION).unwrap_or_default()
}

/// Keeps what the next look needs; who may not write there looks anew each time.
fn remember(state: &Path, before: Stored, id: String, found: &Glance) {
    let mut after = Stored { version: VERSION, ..before.clone() };
    let bad = found.lost.iter().chain(&found.mendable).copied().take(MAX_BAD).collect();
    after.containers.insert(id, Place { next: if found.is_whole() { 0 } else { found.next }, bad });
    if after != before
        && state.is_dir()
        && let Ok(text) = serde_json::to_vec(&after)
    {
        let _ = state_file::replace(&state.join(FILE), &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_look_knows_where_the_last_one_ended_and_what_was_bad() {
        let state = tempfile::tempdir().expect("folder");
        let share = Glance { segments: 2, of: 9, next: 5, mendable: [7].into(), lost: [3].into() };
        remember(state.path(), Stored::default(), "c".into(), &share);
        let kept = read(state.path());
        assert_eq!(kept.containers["c"], Place { next: 5, bad: [3, 7].into() });
        let whole = Glance { segments: 9, of: 9, next: 14, ..Glance::default() };
        remember(state.path(), kept, "c".into(), &whole);
        assert_eq!(read(state.path()).containers["c"], Place::default(), "all had their turn, and are whole");
        let elsewhere = state.path().join("none");
        remember(&elsewhere, Stored::default(), "c".into(), &share);
        assert!(!elsewhere.exists(), "a look makes no folder");
    }
}
