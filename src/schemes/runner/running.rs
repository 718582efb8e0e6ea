//! A run under way, step by step. It promises that the record is kept after every step, that a step
//! which fails undoes no backup, that nothing is pruned from a container with damage, after a backup that
//! shrank or before its copy, and that the commands after a run are told how it ended, whatever became
//! of it.

use super::plan::{self, RunPlan, Step, Work};
use super::step::{self, Events};
use super::{Job, exit_code, shrink};
use crate::error::{Error, Kind, Result};
use crate::schemes::audit::AuditLog;
use crate::schemes::config::Hook;
use crate::schemes::history::History;
use crate::schemes::run::{RunOutcome, RunRecord, StepKind, StepRecord};
use crate::schemes::stop::Stop;
use crate::schemes::{destination, hooks};
use crate::values::rfc3339;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest a command after a run may take once the run was asked to stop.
const AFTER_STOP: Duration = Duration::from_secs(15);

/// A run under way.
pub(super) struct Running<'a> {
    job: &'a Job<'a>,
    history: &'a History,
    record: RunRecord,
    events: Events,
    /// What the containers that copies go to are to be like, by name.
    copy_settings: BTreeMap<String, Vec<OsString>>,
    /// Why the steps that are left are not done.
    halted: Option<&'static str>,
}

impl<'a> Running<'a> {
    /// A run of which nothing is done yet but its record, which is kept.
    pub fn new(job: &'a Job<'a>, history: &'a History, record: RunRecord, events: Events) -> Running<'a> {
        Running { job, history, record, events, copy_settings: BTreeMap::new(), halted: None }
    }

    /// Does all that is planned; without a plan that is what the run failed of. Gives the record.
    pub fn all(mut self, plan: Result<RunPlan>) -> RunRecord {
        let mut outcome;
        match plan {
            Ok(mut plan) => {
                self.copy_settings = std::mem::take(&mut plan.copy_settings);
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
        self.record
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
        hook: &Hook,
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
        let mut variables: Vec<(&'static str, OsString)> = vec![
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
    let mut word = OsString::from("--to=");
    word.push(path);
    matches!(&step.work, Work::Command(words) if words.contains(&word))
}

/// The word that `--json` writes for `value`.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}
