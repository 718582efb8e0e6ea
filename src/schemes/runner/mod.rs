//! A run of a scheme, from its turn at the container to the commands after it. It promises that the
//! record is kept before anything begins and after every step, that a step which fails undoes no backup,
//! that nothing is pruned from a container with damage or after a backup that shrank, and that the commands after a run are told how
//! it ended, whatever became of it.

mod ending;
pub mod plan;
mod shrink;
mod step;
mod wants;
pub mod words;

pub use ending::{exit_code, is_retryable};
pub use shrink::{is_marked as is_shrunk, sentence as what_shrank};
pub use wants::{is_full, is_proof, is_whole, last, wants};

use super::audit::AuditLog;
use super::config::Config;
use super::history::History;
use super::run::{Cause, RunOutcome, RunRecord, StepKind, StepRecord, VERSION};
use super::stop::Stop;
use super::turn;
use super::{destination, hooks};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::values::{parse_time, rfc3339};
use plan::{Place, RunPlan, Step, Work};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use step::Events;

/// The longest a command after a run may take once the run was asked to stop.
const AFTER_STOP: Duration = Duration::from_secs(15);

/// What a run works with.
pub struct Job<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The scheme.
    pub scheme: &'a str,
    /// The folder of state.
    pub state: &'a Path,
    /// The service manager's folder of credentials.
    pub credentials: Option<PathBuf>,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The wish to stop.
    pub stop: &'a Stop,
    /// Takes lines for the journal.
    pub journal: &'a (dyn Fn(&str) + Sync),
    /// Learns the record when the run begins.
    pub begun: &'a (dyn Fn(&RunRecord) + Sync),
}

/// Why and when.
#[derive(Clone, Debug)]
pub struct Order {
    /// What causes the run.
    pub cause: Cause,
    /// The time it was due.
    pub slot: Option<Timestamp>,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// The time of the snapshot, if not now.
    pub at: Option<Timestamp>,
    /// How long to wait for the turn; `None`: without end.
    pub longest_wait: Option<Duration>,
}

impl Job<'_> {
    /// Runs it, to the end or to where it had to stop; the record tells.
    ///
    /// Errors: [`Kind::Busy`] and [`Kind::Interrupted`] if its turn did not come; what keeps the record
    /// from being written. Then nothing was done.
    pub fn run(&self, order: &Order) -> Result<RunRecord> {
        let scheme = self.config.scheme(self.scheme)?;
        let path = &self.config.container(scheme.to.get_ref())?.path;
        let queued = |holder: &str| (self.journal)(&format!("{}: queued behind {holder}", self.scheme));
        let turn = turn::take(self.state, path, self.scheme, order.longest_wait, self.stop, &queued)?;
        let history = History::at(self.state);
        let (runs, damaged) = history.runs(self.scheme);
        damaged.iter().for_each(|error| (self.journal)(&format!("{}: {error}", self.scheme)));
        let now = order.at.unwrap_or_else(|| self.clock.now());
        let record = self.record(order, &runs, now);
        let events = Events::create(&history.events(self.scheme, &record.id))?;
        history.save(&record)?;
        (self.begun)(&record);
        let mut plan = self.plan(&runs, order, now);
        let copies = plan.as_mut().map(|plan| std::mem::take(&mut plan.copy_settings));
        let copy_settings = copies.unwrap_or_default();
        let mut running =
            Running { job: self, history: &history, record, events, copy_settings, halted: None };
        running.all(plan);
        drop(turn);
        Ok(running.record)
    }

    /// The commands of a run at this time.
    pub fn plan(&self, runs: &[RunRecord], order: &Order, now: Timestamp) -> Result<RunPlan> {
        let scheme = self.config.scheme(self.scheme)?;
        let place = Place { state: self.state, credentials: self.credentials.as_deref(), at: order.at };
        plan::plan(self.config, self.scheme, wants(scheme, runs, now), place)
    }

    fn record(&self, order: &Order, runs: &[RunRecord], now: Timestamp) -> RunRecord {
        let digits: String = rfc3339(Timestamp { nanoseconds: 0, ..now })
            .chars()
            .filter(|c| !matches!(c, '-' | ':'))
            .collect();
        let mut id = digits.clone();
        let mut number = 1;
        while runs.iter().any(|run| run.id == id) {
            number += 1;
            id = format!("{digits}-{number}");
        }
        let user = crate::mysql::sources::login_name().unwrap_or_else(|| "?".into());
        RunRecord {
            version: VERSION,
            id,
            scheme: self.scheme.into(),
            cause: order.cause,
            slot: order.slot.map(rfc3339),
            attempt: order.attempt,
            who: format!("{user}@{}", crate::operations::session::host_name()),
            started: rfc3339(now),
            finished: None,
            outcome: RunOutcome::Running,
            steps: Vec::new(),
            audit: None,
            cut_off: None,
        }
    }
}

/// A run under way.
struct Running<'a> {
    job: &'a Job<'a>,
    history: &'a History,
    record: RunRecord,
    events: Events,
    /// What the containers that copies go to are to be like, by name.
    copy_settings: BTreeMap<String, Vec<OsString>>,
    /// Why the steps that are left are not done.
    halted: Option<&'static str>,
}

impl Running<'_> {
    fn all(&mut self, plan: Result<RunPlan>) {
        let mut outcome;
        match plan {
            Ok(plan) => {
                for hook in &plan.before {
                    self.step(hook);
                }
                self.ready(plan.settings.as_deref());
                for step in &plan.steps {
                    self.step(step);
                }
                outcome = self.outcome();
                for hook in &plan.after {
                    let is_good = self.after(hook, outcome);
                    outcome = if is_good { outcome } else { outcome.max(RunOutcome::Warnings) };
                }
            }
            Err(error) => {
                self.failed(StepKind::Backup, &error);
                outcome = self.outcome();
            }
        }
        // Not before: whoever dies among the commands after it did not end.
        self.record.outcome = outcome;
        self.record.finished = Some(rfc3339(self.job.clock.now()));
        self.save();
    }

    /// What must hold before the backup: the medium is there, and its container is as configured.
    fn ready(&mut self, settings: Option<&[OsString]>) {
        if self.halted.is_some() || self.job.stop.is_asked() {
            return;
        }
        let scheme_to =
            self.job.config.scheme(self.job.scheme).ok().map(|scheme| scheme.to.get_ref().clone());
        let checked = self.job.config.scheme(self.job.scheme).and_then(|scheme| {
            let name = scheme.to.get_ref();
            destination::check(name, self.job.config.container(name)?)
        });
        let result = match (checked, settings) {
            (Ok(()), Some(settings)) => self.configure(StepKind::Backup, scheme_to, settings),
            (checked, _) => checked.map_err(|error| self.failure(StepKind::Backup, &error)),
        };
        if let Err(step) = result {
            self.keep(*step);
            self.halted = Some("the container cannot be used");
        }
    }

    /// Has `coffer set` done if it would change something.
    fn configure(
        &mut self,
        kind: StepKind,
        target: Option<String>,
        settings: &[OsString],
    ) -> std::result::Result<(), Box<StepRecord>> {
        let step = Step { kind, target, work: Work::Command(settings.to_vec()) };
        let mut dry = settings.to_vec();
        dry.push("--dry-run".into());
        let (found, whole) = step::command(self.job, &step, &dry, &mut self.events);
        if found.outcome != RunOutcome::Done {
            return Err(Box::new(found));
        }
        let differs = |name: &str| whole.get(&format!("{name}_before")) != whole.get(name);
        if differs("max_bytes") || differs("retention") {
            (self.job.journal)(&format!(
                "{}: the container gets what the configuration says",
                self.job.scheme
            ));
            let (done, _) = step::command(self.job, &step, settings, &mut self.events);
            if done.outcome != RunOutcome::Done {
                return Err(Box::new(done));
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) {
        if self.job.stop.is_asked() {
            self.halted.get_or_insert("it was asked to stop");
        }
        let is_prune = step.kind == StepKind::Prune;
        let damage = (is_prune && self.has_damage()).then_some("damage was found, so nothing is dropped");
        let shrunk = (is_prune && self.has_shrunk()).then_some("the backup shrank, so nothing is dropped");
        let uncopied =
            (is_prune && !self.is_copied(step)).then_some("there is no copy, so nothing is dropped");
        let why = self.halted.or(damage).or(shrunk).or(uncopied);
        if let Some(why) = why {
            // What kept the backup from its beginning stands in its place.
            if step.kind != StepKind::Backup || self.record.steps_of(StepKind::Backup).next().is_none() {
                let record = self.blank(step.kind, step.target.clone(), RunOutcome::Skipped);
                self.keep(StepRecord { message: Some(why.into()), ..record });
            }
            return;
        }
        let mut record = match self.prepared(step) {
            Ok(()) => match &step.work {
                Work::Command(words) => step::command(self.job, step, words, &mut self.events).0,
                Work::Hook(hook) => {
                    let told = self.told(None);
                    self.hook(step, hook, &told, None, Some(self.job.stop))
                }
            },
            Err(failed) => *failed,
        };
        let is_backup = step.kind == StepKind::Backup;
        if is_backup {
            let (scheme, runs) =
                (self.job.config.scheme(self.job.scheme).ok(), self.history.runs(self.job.scheme).0);
            shrink::judge(&mut record, &self.record, &runs, scheme);
        }
        let is_good = record.outcome.is_good();
        self.halted = match step.kind {
            StepKind::Before if !is_good => Some("a command before it failed"),
            StepKind::Backup if !is_good => Some("there is no backup"),
            _ => self.halted,
        };
        self.keep(record);
    }

    /// Whether a copy went well to the container that `step` is about, if one goes there.
    fn is_copied(&self, step: &Step) -> bool {
        let copies = self.record.steps_of(StepKind::Copy).filter(|copy| copy.target == step.target);
        copies.last().is_none_or(|copy| copy.outcome.is_good())
    }

    /// What must hold before `step`: of a copy, its container is there and as configured.
    fn prepared(&mut self, step: &Step) -> std::result::Result<(), Box<StepRecord>> {
        self.reachable(step).map_err(|error| {
            let failure = self.failure(step.kind, &error);
            Box::new(StepRecord { target: step.target.clone(), ..*failure })
        })?;
        let target = step.target.as_ref().filter(|_| step.kind == StepKind::Copy);
        match target.and_then(|name| self.copy_settings.get(name).cloned()) {
            Some(settings) => self.configure(step.kind, step.target.clone(), &settings),
            None => Ok(()),
        }
    }

    /// Whether the container that a copy goes to is there.
    fn reachable(&self, step: &Step) -> Result<()> {
        match (step.kind, &step.target) {
            (StepKind::Copy, Some(name)) => match self.job.config.container.get(name) {
                Some(place) if is_to(step, &place.path) => destination::check(name, place),
                _ => Ok(()),
            },
            (StepKind::Drill, _) => {
                let folder = plan::reports(self.job.state);
                crate::storage::state_file::create_private(&folder).map_err(|cause| {
                    Error::io(Kind::Failed, format!("{}: folder of reports", folder.display()), cause)
                })
            }
            _ => Ok(()),
        }
    }

    fn hook(
        &mut self,
        step: &Step,
        hook: &super::config::Hook,
        told: &hooks::Told,
        longest: Option<Duration>,
        stop: Option<&Stop>,
    ) -> StepRecord {
        let mut record = self.blank(step.kind, step.target.clone(), RunOutcome::Done);
        let began = Instant::now();
        let events = &mut self.events;
        let ended = hooks::run(hook, told, longest, stop, &mut |line| events.said(step.kind, line));
        record.elapsed_ms = began.elapsed().as_millis() as u64;
        match ended {
            Ok(0) => record.exit_code = Some(0),
            Ok(code) => {
                record.outcome = RunOutcome::Failed;
                record.exit_code = Some(code);
                record.code = Some("hook-failed".into());
                record.message = Some(format!("the command ended with exit code {code}"));
            }
            Err((code, message)) => {
                let is_stopped = code == "interrupted";
                record.outcome = if is_stopped { RunOutcome::Interrupted } else { RunOutcome::Failed };
                record.code = Some(code.into());
                record.message = Some(message);
            }
        }
        record
    }

    /// Runs a command after a run that came to `outcome`; whether it went well.
    fn after(&mut self, step: &Step, outcome: RunOutcome) -> bool {
        let Work::Hook(hook) = &step.work else { return true };
        let told = self.told(Some(outcome));
        let longest = self.job.stop.is_asked().then_some(AFTER_STOP);
        let record = self.hook(step, hook, &told, longest, None);
        let is_good = record.outcome == RunOutcome::Done;
        self.keep(record);
        is_good
    }

    /// What a hook learns; the whole run once there is an outcome.
    fn told(&self, outcome: Option<RunOutcome>) -> hooks::Told {
        let mut variables: Vec<(&'static str, std::ffi::OsString)> = vec![
            ("COFFER_SCHEME", self.job.scheme.into()),
            ("COFFER_RUN", self.record.id.clone().into()),
            ("COFFER_CAUSE", word(self.record.cause).into()),
            ("COFFER_ATTEMPT", self.record.attempt.to_string().into()),
        ];
        let Some(outcome) = outcome else { return hooks::Told { variables, input: None } };
        let mut run = RunRecord { outcome, ..self.record.clone() };
        // They may be many, and what a variable holds is limited.
        run.steps.iter_mut().for_each(|step| step.sources = Default::default());
        let text = serde_json::to_vec(&run).unwrap_or_default();
        variables.push(("COFFER_OUTCOME", word(outcome).into()));
        variables.push(("COFFER_EXIT_CODE", exit_code(&run).to_string().into()));
        let backup = run.steps_of(StepKind::Backup).find(|step| step.outcome.is_good());
        let snapshot = backup.and_then(|step| step.result.get("snapshot")?.as_str());
        variables.push(("COFFER_SNAPSHOT", snapshot.unwrap_or_default().into()));
        variables.push(("COFFER_RUN_JSON", String::from_utf8_lossy(&text).into_owned().into()));
        hooks::Told { variables, input: Some(text) }
    }

    /// The outcome, from the steps.
    fn outcome(&self) -> RunOutcome {
        let worst =
            self.record.steps.iter().map(|step| step.outcome).filter(|o| *o != RunOutcome::Skipped).max();
        match worst {
            _ if self.job.stop.is_asked() && self.has_unfinished() => RunOutcome::Interrupted,
            Some(worst) => worst,
            None => RunOutcome::Failed,
        }
    }

    /// Whether a step was not done because of the wish to stop.
    fn has_unfinished(&self) -> bool {
        self.record
            .steps
            .iter()
            .any(|step| matches!(step.outcome, RunOutcome::Interrupted | RunOutcome::Skipped))
    }

    fn has_damage(&self) -> bool {
        self.record.steps.iter().any(|step| step.outcome == RunOutcome::Damage)
    }

    fn has_shrunk(&self) -> bool {
        self.record.steps.iter().any(shrink::is_marked)
    }

    fn blank(&self, kind: StepKind, target: Option<String>, outcome: RunOutcome) -> StepRecord {
        step::blank(kind, target, outcome, self.job.clock.now())
    }

    fn failure(&self, kind: StepKind, error: &Error) -> Box<StepRecord> {
        let mut record = self.blank(kind, None, RunOutcome::Failed);
        record.exit_code = Some(step::exit_code(error.kind()));
        record.code = Some(error.kind().code().into());
        let hint = error.remedy().map(|hint| format!("; {hint}")).unwrap_or_default();
        record.message = Some(format!("{error}{hint}"));
        Box::new(record)
    }

    fn failed(&mut self, kind: StepKind, error: &Error) {
        let record = self.failure(kind, error);
        self.keep(*record);
    }

    fn keep(&mut self, step: StepRecord) {
        let how = word(step.outcome);
        let message = step.message.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        (self.job.journal)(&format!("{}: {} {how}{message}", self.job.scheme, step.step.word()));
        self.record.steps.push(step);
        self.save();
    }

    fn save(&mut self) {
        let head = AuditLog::at(self.job.state).head();
        self.record.audit = head.or(self.record.audit.take());
        if let Err(error) = self.history.save(&self.record) {
            (self.job.journal)(&format!("{}: {error}", self.job.scheme));
        }
    }
}

fn is_to(step: &Step, path: &Path) -> bool {
    let mut word = std::ffi::OsString::from("--to=");
    word.push(path);
    matches!(&step.work, Work::Command(words) if words.contains(&word))
}

/// When a run began.
pub fn started(run: &RunRecord) -> Option<Timestamp> {
    parse_time(&run.started).ok()
}

/// The word that `--json` writes for `value`.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}
