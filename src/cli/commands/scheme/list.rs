//! `coffer scheme list`: every scheme, when it runs, and when it last did. It promises to read no
//! container: what it tells is the configuration and the records of runs.

use crate::cli::configured::Configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::Result;
use crate::schemes::config::Scheme;
use crate::schemes::daemon::{self, Driver};
use crate::schemes::history::History;
use crate::schemes::run::{RunOutcome, RunRecord, StepKind};
use crate::schemes::turn;
use crate::values::{format_count, format_minute, format_stored, parse_time, rfc3339};
use clap::Args;
use serde_json::json;
use std::path::Path;

/// Arguments of `coffer scheme list`.
#[derive(Debug, Args)]
pub struct List {}

impl List {
    /// Lists them.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let configured = Configured::load(context)?;
        let history = History::at(&configured.state);
        let zone = configured.config.practice.zone();
        let driver = daemon::driver(&configured.config, &configured.state, context.time(None));
        for (name, scheme) in &configured.config.scheme {
            let (runs, errors) = history.runs(name);
            errors.iter().for_each(|error| context.output.warning("history", error));
            tell(context, (name, scheme), (&configured.state, &driver), &runs, zone)?;
        }
        let count = configured.config.scheme.len() as u64;
        Ok(Outcome::done().with("schemes", count).summary(format_count(count, "scheme")))
    }
}

fn tell(
    context: &Context,
    (name, scheme): (&str, &Scheme),
    (state, driver): (&Path, &Driver),
    runs: &[RunRecord],
    zone: Option<&str>,
) -> Result<()> {
    let slots = scheme.slots(zone)?.filter(|_| scheme.enabled);
    let by_times = slots.and_then(|slots| slots.next_after(context.time(None))).map(rfc3339);
    let is_timed = by_times.is_some();
    let next = driver.next(name, by_times);
    let never = match (is_timed, driver) {
        (true, Driver::Nothing) => "never: nothing runs the schemes, see coffer status",
        (true, _) => "not known to the daemon, see coffer status",
        (false, _) => "never by itself",
    };
    let last = runs.iter().rev().find(|run| run.outcome != RunOutcome::Running);
    let running = runs.iter().rev().find(|run| run.outcome == RunOutcome::Running);
    let verified = newest(runs, StepKind::Verify);
    let drilled = newest(runs, StepKind::Drill);
    let outcome = last.and_then(|run| serde_json::to_value(run.outcome).ok());
    let people = |time: &str| format_stored(time, zone);
    let minute = |time: &str| parse_time(time).map_or_else(|_| time.to_owned(), |t| format_minute(t, zone));
    let shown = |time: Option<&str>| time.map_or_else(|| "never".to_owned(), people);
    let cut_off = last.and_then(|run| run.cut_off.as_deref());
    let how = cut_off.map(|time| format!("cut off at {}", people(time)));
    let last_shown = match (&last, how.as_deref().or(outcome.as_ref().and_then(serde_json::Value::as_str))) {
        (Some(run), Some(outcome)) => format!("{} ({outcome})", people(&run.started)),
        _ => "never".into(),
    };
    let off = if scheme.enabled { "" } else { ", switched off" };
    let queued = turn::queued(state, name);
    let now = running.map(|run| format!(", running since {}", people(&run.started))).unwrap_or_default();
    let waits = queued.as_ref().map(|queued| format!(", queued until `{}` is done", queued.behind));
    let now = now + &waits.unwrap_or_default();
    let source = scheme.source.get_ref().word();
    let to = scheme.to.get_ref();
    context.output.item(
        format_args!(
            "{name}{off}: {source} to {to}, {}{now}\n  last {last_shown}, next {}, verified {}, drilled {}",
            scheme.when(),
            next.as_deref().map_or_else(|| never.to_owned(), minute),
            shown(verified),
            shown(drilled),
        ),
        json!({ "scheme": name, "enabled": scheme.enabled, "source": source, "to": to,
            "when": scheme.when(), "last": last.map(|run| &run.started), "last_outcome": outcome,
            "cut_off": cut_off, "running": running.map(|run| &run.started), "queued": queued,
            "next": next, "verified": verified, "drilled": drilled }),
    );
    Ok(())
}

/// When the newest step of `kind` that went well began.
fn newest(runs: &[RunRecord], kind: StepKind) -> Option<&str> {
    let good = |run: &RunRecord| run.steps_of(kind).any(|step| step.outcome.is_good());
    runs.iter().rev().find(|run| good(run)).map(|run| run.started.as_str())
}
