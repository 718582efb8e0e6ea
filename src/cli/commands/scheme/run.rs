//! `coffer scheme run`: a scheme, now, by hand or by a timer. It promises the same steps, record and
//! exit code as a run by the daemon, and to wait for its turn where the daemon is at the container.

use crate::cli::args::usage;
use crate::cli::configured::Configured;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::clock::{Clock, FixedClock, SystemClock, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::schemes::history::History;
use crate::schemes::notice::Teller;
use crate::schemes::notify::Channels;
use crate::schemes::run::{Cause, RunOutcome, RunRecord, StepRecord};
use crate::schemes::runner::plan::{Step, Work};
use crate::schemes::runner::{self, Job, Order, words};
use crate::schemes::standing::{Standing, standing};
use crate::schemes::stop::Stop;
use crate::schemes::{notices, prometheus};
use crate::values::{format_duration, parse_time, rfc3339};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `coffer scheme run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The scheme
    name: String,
    /// Time of the snapshot, instead of now: 2026-01-31T18:30:00+01:00
    #[arg(long, value_name = "TIME", value_parser = usage(parse_time))]
    at: Option<Timestamp>,
    /// A timer runs it, nobody looks on: what failed is tried again as the scheme says, and a backup that
    /// shrank is never taken for meant
    #[arg(long)]
    unattended: bool,
}

impl Run {
    /// Runs it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let configured = Configured::load(context)?;
        context.is_about(&self.name);
        let scheme = configured.config.scheme(&self.name)?;
        let stop = Arc::new(Stop::default());
        let clock: Box<dyn Clock> = match self.at {
            Some(time) => Box::new(FixedClock(time)),
            None => Box::new(SystemClock),
        };
        let wait = context.globals.lock_wait;
        let journal = context.output.journal();
        let order = Order {
            cause: if self.unattended { Cause::Timer } else { Cause::Manual },
            slot: None,
            attempt: 1,
            at: self.at,
            longest_wait: Some(wait).filter(|wait| !wait.is_zero()),
        };
        let retries = if self.unattended { scheme.retries } else { 0 };
        let job = Job {
            config: &configured.config,
            scheme: &self.name,
            state: &configured.state,
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(Into::into),
            clock: &*clock,
            stop: &stop,
            journal: &|line| journal(line),
            begun: &|run| {
                let notice = notices::of_start(configured.config.practice.name.as_deref(), run);
                let channels = Channels::of(&configured.config, &configured.state);
                channels.tell(&notice, Some(run)).iter().for_each(|line| journal(line));
            },
        };
        if context.globals.dry_run {
            return would(context, &job, &order, clock.now());
        }
        forward(context, &stop)?;
        let mut order = order;
        loop {
            let run = self.attempt(context, &configured, &job, &order, retries)?;
            if !is_tried_again(&run, &order, retries) || stop.wait(scheme.retry_after.0) {
                return concluded(&configured, &run);
            }
            order = Order { cause: Cause::Retry, attempt: order.attempt.saturating_add(1), ..order };
        }
    }

    /// One run, and telling people of it.
    fn attempt(
        &self,
        context: &Context,
        configured: &Configured,
        job: &Job<'_>,
        order: &Order,
        retries: u32,
    ) -> Result<RunRecord> {
        let before = History::at(&configured.state).last_ended(&self.name);
        let channels = Channels::of(&configured.config, &configured.state);
        let practice = &configured.config.practice;
        let run = job.run(order).inspect_err(|error| {
            if self.unattended && error.kind() != Kind::Interrupted {
                let time = rfc3339(context.time(None));
                let code = error.kind().code();
                let notice = notices::of_no_run(practice.name.as_deref(), &self.name, &time, code);
                channels.tell(&notice, None).iter().for_each(|line| context.output.warning("notify", line));
            }
        })?;
        let mut notices = notices::of_end(practice.name.as_deref(), practice.zone(), &run, before.as_ref());
        if let (Some(first), true) = (notices.first_mut(), is_tried_again(&run, order, retries)) {
            let after = configured.config.scheme(&self.name)?.retry_after.0;
            first.lines.push(format!("It is tried again in {}.", format_duration(after)));
        }
        for notice in notices.iter().filter(|_| run.outcome != RunOutcome::Interrupted) {
            channels.tell(notice, Some(&run)).iter().for_each(|line| context.output.warning("notify", line));
        }
        let found = standing(&configured.config, &configured.state, context.time(None));
        publish(context, configured, &found);
        if self.unattended {
            watch(context, configured, &found);
        }
        Ok(run)
    }
}

/// Whether a run that failed is made once more, as the daemon would.
fn is_tried_again(run: &RunRecord, order: &Order, retries: u32) -> bool {
    run.outcome == RunOutcome::Failed && order.attempt <= retries && runner::is_retryable(run)
}

/// Writes what other programs watch.
fn publish(context: &Context, configured: &Configured, found: &Standing) {
    if let Some(path) = &configured.config.status.prometheus
        && let Err(error) = prometheus::write(found, path)
    {
        context.output.warning("prometheus", &error);
    }
}

/// Tells what only time brings about, where no daemon does.
fn watch(context: &Context, configured: &Configured, found: &Standing) {
    let (due, kept) = notices::watch::Memory::load(&configured.state).due(found, &|_| false);
    if let Err(cause) = kept {
        context.output.warning("notify", format!("what was told is not kept: {cause}"));
    }
    let channels = Channels::of(&configured.config, &configured.state);
    for notice in &due {
        channels.tell(notice, None).iter().for_each(|line| context.output.warning("notify", line));
    }
}

/// Passes the wish to stop on to the run.
fn forward(context: &Context, stop: &Arc<Stop>) -> Result<()> {
    let (progress, stop) = (Arc::clone(context.progress()), Arc::clone(stop));
    let pause = std::time::Duration::from_millis(100);
    let watch = move || {
        while progress.check().is_ok() {
            std::thread::sleep(pause);
        }
        stop.ask();
    };
    std::thread::Builder::new()
        .name("stop".into())
        .spawn(watch)
        .map(|_| ())
        .map_err(|cause| Error::io(Kind::Failed, "a thread cannot be started", cause))
}

/// Shows the commands of a run.
fn would(context: &Context, job: &Job<'_>, order: &Order, now: Timestamp) -> Result<Outcome> {
    let runs = History::at(job.state).runs(job.scheme).0;
    let plan = job.plan(&runs, order, now)?;
    let show = |step: &Step| {
        let line = match &step.work {
            Work::Command(arguments) => format!("coffer {}", words::line(arguments)),
            Work::Hook(hook) => hook.command.clone(),
        };
        let item = json!({ "step": step.kind, "target": step.target, "command": line });
        context.output.item(format_args!("{}: {line}", step.kind.word()), item);
    };
    plan.before.iter().for_each(show);
    for settings in plan.settings.iter().chain(plan.copy_settings.values()) {
        let line = format!("coffer {}", words::line(settings));
        context.output.item(format_args!("settings, if they differ: {line}"), json!({ "command": line }));
    }
    plan.steps.iter().chain(&plan.after).for_each(show);
    Ok(Outcome::done().with("scheme", job.scheme).summary(format!("scheme `{}` would run", job.scheme)))
}

fn step(step: &StepRecord) -> Value {
    json!({
        "step": step.step,
        "target": step.target,
        "outcome": step.outcome,
        "exit_code": step.exit_code,
        "code": step.code,
        "message": step.message,
    })
}

/// The end of the command, from the record of the run.
fn concluded(configured: &Configured, run: &RunRecord) -> Result<Outcome> {
    let code = runner::exit_code(run);
    let status = match code {
        0 => Status::Done,
        3 => Status::Warnings,
        4 => Status::Damage,
        code => return Err(failure(configured, run, code)),
    };
    let worst = run.steps.iter().filter(|step| step.outcome == run.outcome).find_map(|s| s.message.as_ref());
    let more = worst.map(|text| format!(": {text}")).unwrap_or_default();
    Ok(Outcome::new(status)
        .with("scheme", &run.scheme)
        .with("run", &run.id)
        .with("outcome", run.outcome)
        .with("events", events(configured, run).display().to_string())
        .with("steps", run.steps.iter().map(step).collect::<Vec<_>>())
        .summary(format!("scheme `{}`, run {}: {}{more}", run.scheme, run.id, word(run.outcome))))
}

fn word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::Skipped => "skipped",
        RunOutcome::Running => "running",
        RunOutcome::Warnings => "done with warnings",
        RunOutcome::Interrupted => "interrupted",
        RunOutcome::CutOff => "cut off",
        RunOutcome::Failed => "the backup is kept, and something after it failed",
        RunOutcome::Damage => "damage was found",
    }
}

/// Where everything is that the steps of a run said, with the names of files.
fn events(configured: &Configured, run: &RunRecord) -> PathBuf {
    History::at(&configured.state).events(&run.scheme, &run.id)
}

fn failure(configured: &Configured, run: &RunRecord, code: i32) -> Error {
    let kind = match code {
        2 => Kind::Usage,
        10 => Kind::NotFound,
        11 => Kind::Busy,
        12 => Kind::WrongKey,
        13 => Kind::Database,
        14 => Kind::Destination,
        15 => Kind::NotAContainer,
        130 => Kind::Interrupted,
        _ => Kind::Failed,
    };
    let failed = run.steps.iter().find(|step| step.outcome == RunOutcome::Failed);
    let kind = match failed.and_then(|step| step.code.as_deref()) {
        Some("not-mounted") => Kind::NotMounted,
        Some("full") => Kind::Full,
        Some("source") => Kind::Source,
        _ => kind,
    };
    let events = events(configured, run);
    let told = failed.and_then(|step| told(&events, step));
    let what = match (failed, &told) {
        (None, _) => "it was interrupted".to_owned(),
        (Some(step), told) => {
            let message = told.as_ref().map(|told| told.message.as_str()).or(step.message.as_deref());
            format!("{}: {}", object(configured, step), message.unwrap_or("it failed"))
        }
    };
    let hint = told.and_then(|told| told.hint).map(|hint| format!("{hint}; ")).unwrap_or_default();
    Error::new(kind, format!("scheme `{}`, run {}: {what}", run.scheme, run.id))
        .hint(format!("{hint}all that the run said is in {}", events.display()))
}

/// What a step did, and to which file.
fn object(configured: &Configured, step: &StepRecord) -> String {
    let target = step.target.as_deref().unwrap_or_default();
    match configured.config.container.get(target) {
        Some(place) => format!("{} of container `{target}`, {}", step.step.word(), place.path.display()),
        None if target.is_empty() => step.step.word().to_owned(),
        None => format!("{} {target}", step.step.word()),
    }
}

/// What a command said of its failure.
#[derive(serde::Deserialize)]
struct Told {
    code: String,
    message: String,
    #[serde(default)]
    causes: Vec<String>,
    hint: Option<String>,
}

/// The failure of `step` in its own words: records keep no names of files, and here is who asked.
fn told(events: &Path, step: &StepRecord) -> Option<Told> {
    if step.code.as_deref() == Some("no-database") {
        return None;
    }
    let text = std::fs::read_to_string(events).ok()?;
    let errors = text.lines().rev().filter_map(|line| {
        let mut event: Value = serde_json::from_str(line).ok()?;
        serde_json::from_value::<Told>(event.get_mut("error")?.take()).ok()
    });
    let mut told = errors.into_iter().find(|told| Some(&told.code) == step.code.as_ref())?;
    for cause in std::mem::take(&mut told.causes) {
        told.message += &format!(": {cause}");
    }
    Some(told)
}
