//! What is told of a run, of the state of things, and of the week: the making of notices.
//!
//! It promises that a notice holds names of the configuration, fixed sentences, stable words, times and
//! numbers, and nothing else: the message of an error, whatever it says, never gets into one.

pub mod watch;
pub mod words;

use super::config::Occasion;
use super::notice::Notice;
use super::run::{RunOutcome, RunRecord, StepKind, StepRecord};
use crate::values::{format_count, format_duration, format_size, format_stored};
use serde_json::{Map, Value};
use std::time::Duration;

/// Numbers of results that are told.
const NUMBERS: &[&str] = &[
    "added_bytes",
    "affected_count",
    "bytes",
    "damaged",
    "dumps",
    "elapsed_ms",
    "file_bytes_after",
    "files",
    "freed_bytes",
    "problems",
    "recovery_ms",
    "stall_ms",
];

/// A name of the configuration; what is none is not told.
fn name(text: &str) -> Option<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!text.is_empty() && text.len() <= 64 && text.chars().all(is_name)).then_some(text)
}

/// A remedy as a sentence of this `scheme`: the command that is to be typed names it.
fn named(remedy: &str, scheme: Option<&str>) -> String {
    const COMMAND: &str = "coffer scheme run";
    match scheme.and_then(name) {
        Some(scheme) => remedy.replace(COMMAND, &format!("{COMMAND} {scheme}")),
        None => remedy.replace(COMMAND, &format!("{COMMAND} NAME")),
    }
}

fn notice(practice: Option<&str>, time: &str, occasion: Occasion, code: &str, title: String) -> Notice {
    Notice {
        occasion,
        code: code.into(),
        practice: practice.map(str::to_owned),
        scheme: None,
        time: time.into(),
        title,
        lines: Vec::new(),
        facts: Map::new(),
    }
}

/// The notice that `run` begins.
pub fn of_start(practice: Option<&str>, run: &RunRecord) -> Notice {
    let scheme = name(&run.scheme).unwrap_or("scheme");
    let title = format!("{scheme}: backup begins");
    let mut notice = notice(practice, &run.started, Occasion::Start, "start", title);
    notice.scheme = Some(scheme.into());
    notice.facts = facts(run);
    notice
}

/// The notice that a run of `scheme` could not begin, for a reason with the stable word `code`.
pub fn of_no_run(practice: Option<&str>, scheme: &str, time: &str, code: &str) -> Notice {
    let scheme = name(scheme).unwrap_or("scheme");
    let what = words::words(code);
    let title = format!("{scheme}: the backup could not begin: {}", what.happened);
    let mut notice = notice(practice, time, Occasion::Failure, "backup-failed", title);
    notice.scheme = Some(scheme.into());
    notice.lines = vec!["Nothing was saved.".into(), named(what.remedy, Some(scheme))];
    notice
}

/// The notices of `run`, which ended; `before` is the run of its scheme that ended before it. The first
/// good run after one that was not comes with a second notice, of recovery. Times are told in `zone`.
pub fn of_end(
    practice: Option<&str>,
    zone: Option<&str>,
    run: &RunRecord,
    before: Option<&RunRecord>,
) -> Vec<Notice> {
    let scheme = name(&run.scheme).unwrap_or("scheme");
    let time = run.finished.as_deref().unwrap_or(&run.started);
    let (occasion, code, what) = verdict(run);
    let mut first = notice(practice, time, occasion, code, format!("{scheme}: {what}"));
    first.scheme = Some(scheme.into());
    first.lines = lines(run);
    let cut_off = before.and_then(|before| before.cut_off.as_deref());
    first.lines.extend(cut_off.map(|time| {
        let time = format_stored(time, zone);
        format!("The run before was cut off at {time}: the program or the machine died.")
    }));
    first.facts = facts(run);
    let mut notices = vec![first];
    let is_good = |run: &RunRecord| run.has_backup() && run.outcome.is_good();
    if is_good(run) && before.is_some_and(|before| !is_good(before)) {
        let title = format!("{scheme}: backups work again");
        let mut again = notice(practice, time, Occasion::Recovery, "recovered", title);
        again.scheme = Some(scheme.into());
        again.lines = vec!["The run before did not end well; this one did.".into()];
        again.facts = facts(run);
        notices.push(again);
    }
    notices
}

/// Occasion, stable word and a few words for how `run` ended.
fn verdict(run: &RunRecord) -> (Occasion, &'static str, String) {
    let worst = run.steps.iter().max_by_key(|step| step.outcome);
    let code = words::known(worst.and_then(|step| step.code.as_deref()).unwrap_or("failed"));
    match (run.outcome, run.has_backup()) {
        (RunOutcome::Damage, _) => (Occasion::Failure, "damage", "damage was found in the backup".into()),
        (RunOutcome::Done, _) => (Occasion::Success, "success", "backup made".into()),
        (RunOutcome::Warnings, false) => {
            let what = "the backup holds nothing";
            (Occasion::Failure, "backup-failed", what.into())
        }
        (RunOutcome::Warnings, true) => {
            (Occasion::Warning, "partial", "backup made, and something needs a look".into())
        }
        (_, true) => {
            let what = worst.map_or("a step", |step| step.step.word());
            (Occasion::Warning, "step-failed", format!("backup made, but `{what}` failed after it"))
        }
        (_, false) => {
            let code = if code == "not-mounted" { "not-mounted" } else { "backup-failed" };
            let word = worst.and_then(|step| step.code.as_deref()).unwrap_or("failed");
            (Occasion::Failure, code, format!("backup failed: {}", words::words(word).happened))
        }
    }
}

fn lines(run: &RunRecord) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let bad = run.steps.iter().filter(|step| !matches!(step.outcome, RunOutcome::Done | RunOutcome::Skipped));
    for step in bad {
        if matches!(step.outcome, RunOutcome::Warnings) {
            lines.extend(partial(step));
            continue;
        }
        let code = match step.outcome {
            RunOutcome::Damage => "damaged",
            RunOutcome::Interrupted | RunOutcome::CutOff => "interrupted",
            _ => step.code.as_deref().unwrap_or("failed"),
        };
        let words = words::words(code);
        lines.push(format!("{} [{}]: {}.", place(step), words::known(code), words.happened));
        lines.push(match run.has_backup() && step.outcome != RunOutcome::Damage {
            true => "The backup itself is kept.".to_owned(),
            false => words.means.into(),
        });
        lines.push(named(words.remedy, Some(&run.scheme)));
    }
    if let Some(step) = run.steps_of(StepKind::Backup).find(|step| step.outcome.is_good()) {
        let number = |name: &str| step.result.get(name).and_then(Value::as_u64);
        let took = format_duration(Duration::from_millis(step.elapsed_ms));
        let mut line = format!("The backup took {took}");
        number("bytes").iter().for_each(|bytes| line += &format!(", holds {}", format_size(*bytes)));
        number("added_bytes").iter().for_each(|bytes| line += &format!(", added {}", format_size(*bytes)));
        lines.push(line + ".");
    }
    let drill = run.steps_of(StepKind::Drill).find(|step| step.outcome.is_good());
    let recovery = drill.and_then(|step| step.result.get("recovery_ms")?.as_u64());
    if let Some(ms) = recovery {
        lines.push(format!("A trial restore took {}.", format_duration(Duration::from_millis(ms))));
    }
    lines
}

fn place(step: &StepRecord) -> String {
    match step.target.as_deref().and_then(name) {
        Some(target) => format!("Step `{}` ({target})", step.step.word()),
        None => format!("Step `{}`", step.step.word()),
    }
}

fn partial(step: &StepRecord) -> Vec<String> {
    let mut counts: std::collections::BTreeMap<&str, u64> = Default::default();
    for (code, count) in &step.warnings {
        *counts.entry(words::warning(code)).or_default() += count.as_u64().unwrap_or(1);
    }
    let counts: Vec<String> = counts.iter().map(|(code, count)| format!("{count} {code}")).collect();
    let what = if counts.is_empty() { "warnings".to_owned() } else { counts.join(", ") };
    let means = match step.step {
        StepKind::Backup => "The backup is kept; what is missing in it is named in the run's own record.",
        StepKind::Drill => "What was tried came back; something could not be tried.",
        _ => "It was done, and something needs a look.",
    };
    vec![format!("{}: {what}.", place(step)), means.into(), "Look with: coffer status; coffer report".into()]
}

/// The numbers of `run`, by step.
fn facts(run: &RunRecord) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("run".into(), run.id.chars().filter(char::is_ascii_alphanumeric).collect::<String>().into());
    facts.insert("attempt".into(), run.attempt.into());
    facts.insert("cause".into(), serde_json::to_value(run.cause).unwrap_or_default());
    facts.insert("outcome".into(), serde_json::to_value(run.outcome).unwrap_or_default());
    let steps: Vec<Value> = run.steps.iter().map(of_step).collect();
    facts.insert("steps".into(), steps.into());
    facts
}

fn of_step(step: &StepRecord) -> Value {
    let mut fields = Map::new();
    fields.insert("step".into(), step.step.word().into());
    fields.insert("target".into(), step.target.as_deref().and_then(name).into());
    fields.insert("outcome".into(), serde_json::to_value(step.outcome).unwrap_or_default());
    fields.insert("exit_code".into(), step.exit_code.into());
    fields.insert("code".into(), step.code.as_deref().map(words::known).into());
    fields.insert("elapsed_ms".into(), step.elapsed_ms.into());
    for number in NUMBERS {
        if let Some(value) = step.result.get(*number).filter(|value| value.is_number()) {
            fields.insert((*number).into(), value.clone());
        }
    }
    fields.into()
}

/// A notice that tells nothing but that it came through.
pub fn of_test(practice: Option<&str>, time: &str) -> Notice {
    let title = "Coffer: this is a test".to_owned();
    let mut notice = notice(practice, time, Occasion::Success, "test", title);
    notice.lines = vec![
        "This is a test of Coffer's notices. If you can read it, this way to tell you works.".into(),
        "Nothing has happened, and nothing is to be done.".into(),
    ];
    notice
}

/// The week in short: how many runs of each scheme ended how.
pub fn of_week<'a>(
    practice: Option<&str>,
    time: &str,
    answer: &str,
    runs: impl Iterator<Item = (&'a str, &'a [RunRecord])>,
) -> Notice {
    let mut notice =
        notice(practice, time, Occasion::Digest, "digest", format!("Coffer, the week in short: {answer}"));
    for (scheme, runs) in runs {
        let Some(scheme) = name(scheme) else { continue };
        let count = |outcome: fn(&RunRecord) -> bool| runs.iter().filter(|run| outcome(run)).count() as u64;
        let good = count(RunRecord::has_backup);
        let partial = count(|run| run.has_backup() && run.outcome != RunOutcome::Done);
        let failed = count(|run| !run.has_backup() && run.outcome != RunOutcome::Running);
        notice.lines.push(format!(
            "{scheme}: {}, {partial} of them with something to look at; {failed} failed.",
            format_count(good, "backup")
        ));
        let numbers = serde_json::json!({ "backups": good, "partial": partial, "failed": failed });
        notice.facts.insert(scheme.into(), numbers);
    }
    notice.lines.push("Are we protected? coffer status says so, and why.".into());
    notice
}

#[cfg(test)]
mod tests;
