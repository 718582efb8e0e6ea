//! What was done so far, as far as an answer needs it: the runs of each scheme and the acts of people.

use crate::clock::Timestamp;
use crate::schemes::audit::{self, AuditLog, Entry};
use crate::schemes::config::Config;
use crate::schemes::history::History;
use crate::schemes::run::{RunRecord, StepKind, StepRecord};
use crate::schemes::turn::{self, Queued};
use crate::values::parse_time;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// How far clocks may differ.
const TOLERANCE_SECONDS: i64 = 600;

/// The fact of an act that holds the beginnings of the ids of snapshots that it removed.
const REMOVED: &str = "removed";

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

    /// Whether the last removal of snapshots from the container `id` left none, as far as people did it,
    /// and nothing was backed up there since `made`.
    pub fn is_emptied(&self, id: &str, made: &str) -> bool {
        let last = self.acts.iter().rev().find(|act| act.what == "prune" && is_done(act, id));
        let later = |act: &&Entry| parse_time(&act.time).ok() >= parse_time(made).ok();
        last.filter(later).is_some_and(|act| act.facts.get("kept").and_then(Value::as_u64) == Some(0))
    }

    /// When the snapshot that `run` made was removed from its container, if the log knows of it.
    pub fn removed(&self, run: &RunRecord) -> Option<&str> {
        let (id, snapshot) = run.steps_of(StepKind::Backup).find_map(|step| {
            let text = |name: &str| step.result.get(name).and_then(Value::as_str);
            Some((text("container")?, text("snapshot")?))
        })?;
        let names = |act: &&Entry| {
            let removed = act.facts.get(REMOVED).and_then(Value::as_array).into_iter().flatten();
            removed.filter_map(Value::as_str).any(|short| !short.is_empty() && snapshot.starts_with(short))
        };
        let acts = self.acts.iter().filter(|act| act.what == "prune" && is_done(act, id));
        acts.rev().find(names).map(|act| act.time.as_str())
    }

    /// The runs of `scheme`, oldest first.
    pub fn of(&self, scheme: &str) -> &[RunRecord] {
        self.runs.get(scheme).map(Vec::as_slice).unwrap_or_default()
    }

    /// What runs made in the container that the configuration calls `name`, backups and copies, oldest
    /// first.
    pub fn made_in<'a>(&'a self, config: &'a Config, name: &str) -> Vec<Made<'a>> {
        let to = |scheme: &str| config.scheme.get(scheme).is_some_and(|s| s.to.get_ref() == name);
        let steps = self.runs.iter().flat_map(|(scheme, runs)| runs.iter().map(move |run| (scheme, run)));
        let steps = steps.flat_map(|(scheme, run)| run.steps.iter().map(move |step| (scheme, run, step)));
        let is_here = |scheme: &str, step: &StepRecord| match &step.target {
            Some(target) => target == name,
            None => to(scheme),
        };
        let mut made: Vec<Made> = steps
            .filter(|(scheme, _, step)| step.outcome.is_good() && is_here(scheme, step))
            .filter_map(|(_, run, step)| Made::of(run, step))
            .collect();
        made.sort_by_key(|made| made.time);
        made
    }

    /// The id of the container that is called `name`: as the newest run that made something there says.
    pub fn id_of(&self, config: &Config, name: &str) -> Option<String> {
        self.made_in(config, name).iter().rev().find_map(|made| made.container).map(str::to_owned)
    }
}

/// Whether `act` was done to the container `id`. Names of files say nothing: others may have the same.
pub(super) fn is_about(act: &Entry, id: &str) -> bool {
    act.facts.get("container").and_then(Value::as_str) == Some(id)
}

fn is_done(act: &Entry, id: &str) -> bool {
    act.exit_code == Some(0) && is_about(act, id)
}

/// What a run made of a container.
pub(super) struct Made<'a> {
    /// When (RFC 3339).
    pub time: &'a str,
    /// The id of the container.
    pub container: Option<&'a str>,
    /// The number of its newest commit then.
    pub generation: Option<u64>,
    /// Length of the file then: of backups.
    pub file_bytes: Option<u64>,
    /// Whether snapshots were copied there rather than made.
    pub is_copy: bool,
}

impl<'a> Made<'a> {
    /// What `step` of `run` made; a copy tells of the container that it wrote apart from the one it read.
    fn of(run: &'a RunRecord, step: &'a StepRecord) -> Option<Made<'a>> {
        let (is_copy, container, generation) = match step.step {
            StepKind::Backup => (false, "container", "generation"),
            StepKind::Copy => (true, "to_container", "to_generation"),
            _ => return None,
        };
        let container = step.result.get(container).and_then(Value::as_str);
        Some(Made {
            time: run.finished.as_deref().unwrap_or(&run.started),
            container,
            generation: step.number(generation),
            file_bytes: step.number("file_bytes_after").filter(|_| !is_copy),
            is_copy,
        })
        .filter(|made| !made.is_copy || made.container.is_some())
    }
}
