//! Which part of a container is verified next, so that a small share each night proves all of it in
//! turn. It promises that what was not proven for longest comes first, that damage is looked at again
//! every time until it is gone, and that a round counts as a verification of everything only when every
//! segment that is live at its end was proven within it. Like all that this machine remembers, its
//! memory is dispensable: without it a round begins anew.

use super::client_state::ClientState;
use crate::chunk_store::ChunkStore;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ids::ContainerId;
use crate::storage::state_file;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

/// Version of the file.
const VERSION: u32 = 1;
const DAY: i64 = 86_400;

/// The memory of rounds over one container.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rounds {
    version: u32,
    /// The round under way, from 1.
    round: u64,
    segments: BTreeMap<String, Seen>,
    #[serde(skip)]
    file: PathBuf,
}

/// What is known of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Seen {
    /// The round that last proved it.
    round: u64,
    /// When it was proven, or first seen; in seconds since 1970, 0 if never.
    time: i64,
}

/// How far the rounds are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Segments that are live.
    pub live: u64,
    /// Those that the round still has to prove.
    pub left: u64,
    /// Whether this share ended the round: everything was proven.
    pub is_complete: bool,
    /// Days since the segment that waits longest was proven or written; `None` if that is not known.
    pub oldest_days: Option<i64>,
}

impl Rounds {
    /// What this machine remembers of `container`.
    pub fn load(state: &ClientState, container: &ContainerId) -> Rounds {
        let file = state.folder().join(format!("{container}.share.json"));
        let kept = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Rounds>(&text).ok());
        match kept.filter(|rounds| rounds.version == VERSION && rounds.round > 0) {
            Some(rounds) => Rounds { file, ..rounds },
            None => Rounds { version: VERSION, round: 1, segments: BTreeMap::new(), file },
        }
    }

    /// Keeps it.
    pub fn keep(&self) -> Result<()> {
        let failed = |cause: std::io::Error| {
            Error::io(Kind::Failed, format!("{}: state not written", self.file.display()), cause)
        };
        let text = serde_json::to_vec(self).map_err(|cause| failed(cause.into()))?;
        self.file.parent().map_or(Ok(()), state_file::create_private).map_err(failed)?;
        state_file::replace(&self.file, &text).map_err(failed)
    }

    /// The slots to verify now: `percent` of a hundred of the live segments, at least one.
    pub fn choose(&mut self, store: &ChunkStore, percent: f64, now: Timestamp) -> Vec<u32> {
        let live = store.live_segments().into_iter();
        self.choose_of(live.map(|(slot, id)| (slot, id.to_string())).collect(), percent, now)
    }

    fn choose_of(&mut self, live: Vec<(u32, String)>, percent: f64, now: Timestamp) -> Vec<u32> {
        let known: HashSet<&String> = live.iter().map(|(_, id)| id).collect();
        let is_first = self.segments.is_empty();
        self.segments.retain(|id, _| known.contains(id));
        // What is written anew was read back: it waits from now on, behind what waits already.
        let new = match is_first {
            true => Seen { round: 0, time: 0 },
            false => Seen { round: self.round - 1, time: now.seconds },
        };
        let mut waiting: Vec<(Seen, u32)> =
            live.iter().map(|(slot, id)| (*self.segments.entry(id.clone()).or_insert(new), *slot)).collect();
        waiting.sort_unstable();
        let share = (live.len() as f64 * percent / 100.0).ceil() as usize;
        waiting.into_iter().take(share.clamp(1, live.len().max(1))).map(|(_, slot)| slot).collect()
    }

    /// Notes that the segments in `slots` were looked at, those in `unproven` in vain.
    pub fn note(&mut self, store: &ChunkStore, slots: &[u32], unproven: &[u32], now: Timestamp) -> Standing {
        let live = store.live_segments().into_iter();
        self.note_of(live.map(|(slot, id)| (slot, id.to_string())).collect(), slots, unproven, now)
    }

    fn note_of(
        &mut self,
        live: Vec<(u32, String)>,
        slots: &[u32],
        unproven: &[u32],
        now: Timestamp,
    ) -> Standing {
        let slots: HashSet<&u32> = slots.iter().collect();
        for (slot, id) in &live {
            if slots.contains(slot) {
                let seen = match unproven.contains(slot) {
                    true => Seen { round: 0, time: 0 },
                    false => Seen { round: self.round, time: now.seconds },
                };
                self.segments.insert(id.clone(), seen);
            }
        }
        let left = self.segments.values().filter(|seen| seen.round < self.round).count() as u64;
        let oldest = self.segments.values().map(|seen| seen.time).min();
        let oldest =
            oldest.filter(|time| *time > 0).map(|time| now.seconds.saturating_sub(time).max(0) / DAY);
        let is_complete = left == 0;
        if is_complete {
            self.round = self.round.saturating_add(1);
        }
        Standing { live: live.len() as u64, left, is_complete, oldest_days: oldest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(ids: std::ops::Range<u32>) -> Vec<(u32, String)> {
        ids.map(|slot| (slot, format!("{slot:08x}"))).collect()
    }

    fn time(day: i64) -> Timestamp {
        Timestamp { seconds: (20_000 + day) * DAY, nanoseconds: 0 }
    }

    fn anew(folder: &std::path::Path) -> Rounds {
        Rounds::load(&ClientState::at(folder), &ContainerId([1; 16]))
    }

    #[test]
    fn a_share_each_night_proves_all_in_turn_though_the_container_grows() {
        let folder = tempfile::tempdir().expect("folder");
        let mut proven = HashSet::new();
        for night in 0..20 {
            let mut rounds = anew(folder.path());
            let all = live(0..100 + night as u32);
            let slots = rounds.choose_of(all.clone(), 5.0, time(night));
            assert!(slots.len() >= 5);
            proven.extend(slots.iter().copied());
            let standing = rounds.note_of(all, &slots, &[], time(night));
            let is_known = (0..100).all(|slot| proven.contains(&slot));
            assert_eq!(standing.oldest_days.is_some(), is_known, "{standing:?}");
            rounds.keep().expect("kept");
        }
        assert!((0..100).all(|slot| proven.contains(&slot)), "100 / 5 nights");
    }

    #[test]
    fn a_round_is_complete_when_all_that_lives_was_proven_in_it() {
        let folder = tempfile::tempdir().expect("folder");
        let mut rounds = anew(folder.path());
        let mut complete = Vec::new();
        for night in 0..12 {
            // A segment is written in the third night.
            let all = live(0..if night < 2 { 10 } else { 11 });
            let slots = rounds.choose_of(all.clone(), 20.0, time(night));
            complete.push(rounds.note_of(all, &slots, &[], time(night)).is_complete);
        }
        let ends: Vec<usize> =
            complete.iter().enumerate().filter(|(_, end)| **end).map(|(at, _)| at).collect();
        assert_eq!(ends, [4, 8], "2 + 2 + 3 + 3 and the new one, then 3 + 3 + 3 + 2");
    }

    #[test]
    fn damage_is_looked_at_every_time_and_no_round_ends_with_it() {
        let folder = tempfile::tempdir().expect("folder");
        let mut rounds = anew(folder.path());
        for night in 0..10 {
            let slots = rounds.choose_of(live(0..4), 50.0, time(night));
            assert!(night == 0 || slots.contains(&1), "{slots:?}");
            let standing = rounds.note_of(live(0..4), &slots, &[1], time(night));
            assert!(!standing.is_complete && standing.left >= 1);
        }
        let slots = rounds.choose_of(live(0..4), 50.0, time(11));
        rounds.note_of(live(0..4), &slots, &[], time(11));
        assert!(rounds.choose_of(Vec::new(), 5.0, time(12)).is_empty());
    }
}
