//! What was done so far, as far as an answer needs it: the runs of each scheme and the acts of people.

use crate::clock::Timestamp;
use crate::schemes::audit::{self, AuditLog, Entry};
use crate::schemes::config::Config;
use crate::schemes::history::History;
use crate::schemes::run::{RunRecord, StepKind};
use crate::schemes::turn::{self, Queued};
use crate::values::parse_time;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// How far clocks may differ.
const TOLERANCE_SECONDS: i64 = 600;

/// Runs and acts.
pub(super) struct Past {
    /// Runs by scheme, oldest first.
    pub runs: BTreeMap<String, Vec<RunRecord>>,
    /// The audit log.
    pub acts: Vec<Entry>,
    /// What schemes wait for now.
    pub queued: BTreeMap<String, Queued>,
    /// What could not be read.
    pub unreadable: Vec<String>,
}

impl Past {
    /// Reads all of it; what cannot be read hides nothing else.
    pub fn read(config: &Config, state: &Path) -> Past {
        let (history, log) = (History::at(state), AuditLog::at(state));
        let mut unreadable = Vec::new();
        let mut runs = BTreeMap::new();
        for name in config.scheme.keys() {
            let (found, errors) = history.runs(name);
            unreadable.extend(errors.iter().map(ToString::to_string));
            runs.insert(name.clone(), found);
        }
        let acts = audit::entries(&log).unwrap_or_else(|error| {
            unreadable.push(error.to_string());
            Vec::new()
        });
        let queued = |name: &String| Some((name.clone(), turn::queued(state, name)?));
        let queued = config.scheme.keys().filter_map(queued).collect();
        Past { runs, acts, queued, unreadable }
    }

    /// Sets aside runs that are dated later than `now`, which a clock that was wrong made: they would
    /// hide all that came after them. How many there are.
    pub fn set_aside_future(&mut self, now: Timestamp) -> usize {
        let is_past = |run: &RunRecord| {
            parse_time(&run.started).is_ok_and(|time| time <= now.plus_seconds(TOLERANCE_SECONDS))
        };
        let count = |runs: &BTreeMap<String, Vec<RunRecord>>| runs.values().map(Vec::len).sum::<usize>();
        let before = count(&self.runs);
        self.runs.values_mut().for_each(|runs| runs.retain(is_past));
        before - count(&self.runs)
    }

    /// Whether the last removal of snapshots from the container whose file has this name left none, as
    /// far as people did it, and nothing was backed up there since `made`.
    pub fn is_emptied(&self, file: &str, made: &str) -> bool {
        let is_removal = |act: &&Entry| {
            act.what == "prune" && act.exit_code == Some(0) && act.object.as_deref() == Some(file)
        };
        let last = self.acts.iter().rev().find(is_removal);
        let later = |act: &&Entry| parse_time(&act.time).ok() >= parse_time(made).ok();
        last.filter(later).is_some_and(|act| act.facts.get("kept").and_then(Value::as_u64) == Some(0))
    }

    /// The runs of `scheme`, oldest first.
    pub fn of(&self, scheme: &str) -> &[RunRecord] {
        self.runs.get(scheme).map(Vec::as_slice).unwrap_or_default()
    }

    /// When each backup to `container` ended well, and the numbers of its result, oldest first.
    pub fn backups_to<'a>(&'a self, config: &'a Config, container: &str) -> Vec<Made<'a>> {
        let to = |name: &str| config.scheme.get(name).is_some_and(|s| s.to.get_ref() == container);
        let mut made: Vec<Made> = self
            .runs
            .iter()
            .filter(|(name, _)| to(name))
            .flat_map(|(_, runs)| runs)
            .flat_map(|run| run.steps_of(StepKind::Backup).map(move |step| (run, step)))
            .filter(|(_, step)| step.outcome.is_good())
            .map(|(run, step)| Made {
                time: run.finished.as_deref().unwrap_or(&run.started),
                result: &step.result,
            })
            .collect();
        made.sort_by_key(|made| made.time);
        made
    }
}

/// A backup that was made.
pub(super) struct Made<'a> {
    /// When (RFC 3339).
    pub time: &'a str,
    /// The numbers of its result.
    pub result: &'a serde_json::Map<String, serde_json::Value>,
}
