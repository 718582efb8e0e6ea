//! The record of a run: what was done, step by step, and how each ended. It promises to hold no names
//! of files and nothing of patients, so that it can be shown to anybody who may see the practice's
//! evidence.

use super::audit::Head;
use crate::operations::backup::figures::Figures;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the record.
pub const VERSION: u32 = 1;

/// One execution of a scheme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`VERSION`].
    pub version: u32,
    /// Its id: the time it began, `20261122T220000Z`, and a number if there were several.
    pub id: String,
    /// The scheme.
    pub scheme: String,
    /// What caused it.
    pub cause: Cause,
    /// The time it was due, if it was (RFC 3339).
    pub slot: Option<String>,
    /// Which attempt for that time it is, from 1.
    pub attempt: u32,
    /// Who caused it: `user@machine`.
    pub who: String,
    /// When it began (RFC 3339).
    pub started: String,
    /// When it ended; `None` while it runs, and for ever if it was cut off.
    pub finished: Option<String>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// Its steps, in order.
    pub steps: Vec<StepRecord>,
    /// The newest line of the audit log when the record was kept: the record is a witness of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Head>,
    /// When it was last seen at work, of a run that was cut off (RFC 3339): found when it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<String>,
}

/// What causes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It was its time.
    Schedule,
    /// Its time had passed while nothing could run.
    CatchUp,
    /// An earlier attempt failed or was broken off.
    Retry,
    /// A timer of the service manager, or cron: nobody looks on.
    Timer,
    /// Somebody asked for it.
    Manual,
}

/// How a run or a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    /// All was done.
    Done,
    /// A step was not done because of another.
    Skipped,
    /// It runs; so the record stands on the disk, too, if it was killed.
    Running,
    /// The backup is kept, and something needs a look.
    Warnings,
    /// It was asked to stop.
    Interrupted,
    /// It began, never ended and runs no more: the program or the machine died. No run writes this; it
    /// is found when a record is read.
    CutOff,
    /// It failed.
    Failed,
    /// Damage was found.
    Damage,
}

impl RunOutcome {
    /// Whether there is a snapshot that a person can rely on.
    pub fn is_good(self) -> bool {
        matches!(self, RunOutcome::Done | RunOutcome::Warnings)
    }

    /// What the exit code of a command means.
    pub fn of_exit_code(code: i32) -> RunOutcome {
        match code {
            0 => RunOutcome::Done,
            3 => RunOutcome::Warnings,
            4 => RunOutcome::Damage,
            130 => RunOutcome::Interrupted,
            _ => RunOutcome::Failed,
        }
    }
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// What it was.
    pub step: StepKind,
    /// The container, rotation set or hook that it was about, by the name in the configuration.
    pub target: Option<String>,
    /// When it began (RFC 3339).
    pub started: String,
    /// How many milliseconds it took.
    pub elapsed_ms: u64,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The exit code of its command.
    pub exit_code: Option<i32>,
    /// The stable word for what it failed of.
    pub code: Option<String>,
    /// What it failed of, and what to do; without names of files.
    pub message: Option<String>,
    /// How many warnings it gave, by their stable words.
    pub warnings: Map<String, Value>,
    /// The numbers of its result, by the names that `--json` gives them.
    pub result: Map<String, Value>,
    /// What each source of a backup held; of tables those that are not small.
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub sources: Figures,
    /// The sources that hold far less than before, by name, with what is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shrunk: Vec<Shrunk>,
}

/// A source that holds far less than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shrunk {
    /// The source: `database NAME`, `table DATABASE.NAME`, `folder LABEL`; or all of the backup.
    pub source: String,
    /// What became of it.
    pub what: String,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// A command before.
    Before,
    /// Making the snapshot, and reading back what was written.
    Backup,
    /// Restarting the database server.
    Restart,
    /// Verifying a share of the older data, or all.
    Verify,
    /// Retention.
    Prune,
    /// A copy to another container.
    Copy,
    /// A trial restore.
    Drill,
    /// A command after.
    After,
}

impl StepKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            StepKind::Before => "before",
            StepKind::Backup => "backup",
            StepKind::Restart => "restart",
            StepKind::Verify => "verify",
            StepKind::Prune => "prune",
            StepKind::Copy => "copy",
            StepKind::Drill => "drill",
            StepKind::After => "after",
        }
    }
}

impl StepRecord {
    /// A step that began at `started` (RFC 3339), without any finding.
    pub fn blank(step: StepKind, target: Option<String>, started: String, outcome: RunOutcome) -> StepRecord {
        StepRecord {
            step,
            target,
            started,
            elapsed_ms: 0,
            outcome,
            exit_code: None,
            code: None,
            message: None,
            warnings: Map::new(),
            result: Map::new(),
            sources: Figures::default(),
            shrunk: Vec::new(),
        }
    }

    /// A number of its result.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.result.get(name).and_then(Value::as_u64)
    }

    /// Whether it is a backup that was kept with warnings and holds nothing at all.
    pub fn is_void(&self) -> bool {
        let counts = ["bytes", "files", "dumps"].map(|name| self.number(name));
        let is_nothing = counts.iter().all(|count| count.unwrap_or(0) == 0) && counts[0].is_some();
        self.step == StepKind::Backup && self.outcome == RunOutcome::Warnings && is_nothing
    }
}

impl RunRecord {
    /// The steps of that kind.
    pub fn steps_of(&self, kind: StepKind) -> impl Iterator<Item = &StepRecord> {
        self.steps.iter().filter(move |step| step.step == kind)
    }

    /// Whether it made a snapshot that holds something, whatever became of the steps after; it may lack
    /// files.
    pub fn has_backup(&self) -> bool {
        self.steps_of(StepKind::Backup).any(|step| step.outcome.is_good() && !step.is_void())
    }

    /// Whether it made a snapshot in which nothing is missing.
    pub fn has_complete_backup(&self) -> bool {
        self.steps_of(StepKind::Backup).any(|step| step.outcome == RunOutcome::Done)
    }
}

/// Records to begin with, for tests.
#[cfg(test)]
pub mod examples {
    use super::*;

    /// A step at `time` that ended as `outcome`, without numbers.
    pub fn step(kind: StepKind, time: &str, outcome: RunOutcome) -> StepRecord {
        let blank = StepRecord::blank(kind, Some("night".into()), time.into(), outcome);
        StepRecord { elapsed_ms: 1, exit_code: Some(0), ..blank }
    }

    /// A run at `time`, which is its id, too, that did not end.
    pub fn run(time: &str, outcome: RunOutcome, steps: Vec<StepRecord>) -> RunRecord {
        RunRecord {
            version: VERSION,
            id: time.into(),
            scheme: "nightly".into(),
            cause: Cause::Schedule,
            slot: None,
            attempt: 1,
            who: "root@office".into(),
            started: time.into(),
            finished: None,
            outcome,
            steps,
            audit: None,
            cut_off: None,
        }
    }
}
