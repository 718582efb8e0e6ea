//! Whether what should have been done was done: runs, verifications and drills, and the media of copies.

use super::findings::Findings;
use crate::cli::commands::rotation;
use crate::cli::context::Context;
use crate::clock::Timestamp;
use crate::schemes::config::{Config, Scheme, Span};
use crate::schemes::history::History;
use crate::schemes::run::{RunRecord, StepKind};
use crate::schemes::runner;
use crate::values::{format_time, parse_time};

/// How long after its slot a scheme may be without a good run, in seconds, unless it says so.
const OVERDUE_SECONDS: i64 = 86_400;

/// A scheme: run when it was due, verified and drilled as it says.
pub fn scheme(
    context: &Context,
    findings: &Findings,
    config: &Config,
    (name, scheme): (&str, &Scheme),
    history: &History,
) {
    let (runs, errors) = history.runs(name);
    errors.iter().for_each(|error| findings.attention("history", &error.to_string()));
    let now = context.time(None);
    if let Some(run) = runs
        .iter()
        .find(|run| began(run).is_some_and(|began| began.seconds > now.seconds.saturating_add(3600)))
    {
        findings.attention(
            "clock",
            &format!(
                "scheme `{name}`: a run began at {}, which is to come: is the clock of this machine right?",
                run.started
            ),
        );
    }
    let good = runs.iter().rev().find(|run| run.has_backup());
    let Some(last) = good.and_then(began) else {
        return findings.attention(
            "never-run",
            &format!("scheme `{name}` has made no backup yet: coffer scheme run {name}"),
        );
    };
    overdue(findings, config, (name, scheme), last, now);
    interval(findings, name, &runs, (StepKind::Verify, scheme.verify_every, "verify-overdue"), now);
    interval(findings, name, &runs, (StepKind::Drill, scheme.drill_every, "drill-overdue"), now);
}

fn began(run: &RunRecord) -> Option<Timestamp> {
    parse_time(&run.started).ok()
}

fn seconds(span: Span) -> i64 {
    i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX)
}

/// The newest slot that is older than what the scheme allows must have a run.
fn overdue(
    findings: &Findings,
    config: &Config,
    (name, scheme): (&str, &Scheme),
    last: Timestamp,
    now: Timestamp,
) {
    let zone = config.practice.zone();
    let Ok(Some(slots)) = scheme.slots(zone) else { return };
    let allowed = scheme.overdue_after.map_or(OVERDUE_SECONDS, seconds);
    let before = Timestamp { seconds: now.seconds.saturating_sub(allowed), ..now };
    match slots.last_due(before).filter(|due| last.seconds < due.seconds) {
        Some(due) => findings.attention(
            "overdue",
            &format!(
                "scheme `{name}`: due at {}, and the last good run was at {}",
                format_time(due),
                format_time(last)
            ),
        ),
        None => {
            findings.fine("run", &format!("scheme `{name}`: the last good run was at {}", format_time(last)))
        }
    }
}

/// Something that is to be done every so often.
fn interval(
    findings: &Findings,
    name: &str,
    runs: &[RunRecord],
    (kind, every, code): (StepKind, Option<Span>, &str),
    now: Timestamp,
) {
    let Some(every) = every else { return };
    let counts = if kind == StepKind::Verify { runner::is_full } else { runner::is_proof };
    let good = |run: &&RunRecord| run.steps_of(kind).any(counts);
    let since = |run: &RunRecord| began(run).map(|began| now.seconds.saturating_sub(began.seconds));
    // Before the first is due there is nothing to miss.
    let age = runs.iter().rev().find(good).and_then(since).or_else(|| runs.first().and_then(since));
    if age.is_some_and(|age| age > seconds(every)) {
        let days = seconds(every) / 86_400;
        findings.attention(
            code,
            &format!("scheme `{name}`: no {} in the last {days} days, as it should", kind.word()),
        );
    }
}

/// The rotation sets that it copies to are there.
pub fn rotation(context: &Context, findings: &Findings, name: &str, scheme: &Scheme) {
    for set in scheme.copy.iter().filter_map(|copying| copying.rotation.as_ref()) {
        if let Err(error) = rotation::sets(context).and_then(|sets| sets.get(set.get_ref())) {
            findings.broken("rotation", error.at(format!("scheme `{name}`")));
        }
    }
}
