//! What people are told of a run, in words. It promises to name no file and no patient.

use crate::clock::Timestamp;
use crate::schemes::config::{Config, Occasion};
use crate::schemes::notice::Notice;
use crate::schemes::run::{RunOutcome, RunRecord, StepKind};
use crate::schemes::scheduler::Next;
use crate::values::{format_size, format_time, rfc3339};
use serde_json::{Map, Value, json};

/// A notice about `scheme` without lines.
pub fn blank(
    config: &Config,
    scheme: Option<&str>,
    occasion: Occasion,
    code: &str,
    now: Timestamp,
) -> Notice {
    Notice {
        occasion,
        code: code.into(),
        practice: config.practice.name.clone(),
        scheme: scheme.map(str::to_owned),
        time: rfc3339(now),
        title: String::new(),
        lines: Vec::new(),
        facts: Map::new(),
    }
}

/// That a run begins.
pub fn start(config: &Config, run: &RunRecord, now: Timestamp) -> Notice {
    let title = format!("backup `{}` begins", run.scheme);
    Notice { title, ..blank(config, Some(&run.scheme), Occasion::Start, "start", now) }
}

/// What is to be told of a run that ended; `before` is the run before it.
pub fn ended(
    config: &Config,
    run: &RunRecord,
    before: Option<&RunRecord>,
    next: Next,
    now: Timestamp,
) -> Vec<Notice> {
    let (occasion, code, title) = match run.outcome {
        RunOutcome::Done => (Occasion::Success, "done", format!("backup `{}` is done", run.scheme)),
        RunOutcome::Warnings | RunOutcome::Skipped => {
            (Occasion::Warning, "warnings", format!("backup `{}` is kept, with warnings", run.scheme))
        }
        RunOutcome::Interrupted | RunOutcome::Running => return Vec::new(),
        RunOutcome::Damage => (Occasion::Failure, "damaged", format!("damage was found by `{}`", run.scheme)),
        RunOutcome::Failed if run.has_backup() => {
            let title = format!("backup `{}` is kept, and something after it failed", run.scheme);
            (Occasion::Failure, failed_code(run), title)
        }
        RunOutcome::Failed => {
            (Occasion::Failure, failed_code(run), format!("backup `{}` FAILED", run.scheme))
        }
    };
    let mut notice = blank(config, Some(&run.scheme), occasion, code, now);
    notice.title = title;
    notice.lines = lines(run);
    match next {
        Next::Again(at) => notice.lines.push(format!("it is tried again at {}", format_time(at))),
        Next::GivenUp => notice.lines.push("it is not tried again before its next time".into()),
        Next::Settled => {}
    }
    notice.facts = facts(run);
    let is_recovery = run.outcome.is_good() && before.is_some_and(|run| !run.outcome.is_good());
    let recovery = is_recovery.then(|| Notice {
        occasion: Occasion::Recovery,
        code: "recovered".into(),
        title: format!("backup `{}` works again", run.scheme),
        ..notice.clone()
    });
    std::iter::once(notice).chain(recovery).collect()
}

fn failed_code(run: &RunRecord) -> &str {
    let failed = run.steps.iter().find(|step| step.outcome == RunOutcome::Failed);
    failed.and_then(|step| step.code.as_deref()).unwrap_or("failed")
}

fn lines(run: &RunRecord) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &run.steps {
        let of = step.target.as_ref().map(|target| format!(" ({target})")).unwrap_or_default();
        let added =
            step.result.get("added_bytes").and_then(Value::as_u64).filter(|_| step.step == StepKind::Backup);
        let added = added.map(|bytes| format!(", {} added", format_size(bytes))).unwrap_or_default();
        let said = step.message.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        lines.push(format!("{}{of}: {}{added}{said}", step.step.word(), word(step.outcome)));
        for (code, count) in &step.warnings {
            lines.push(format!("  {count} × {code}"));
        }
    }
    lines
}

/// An outcome for people.
fn word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::Skipped => "not done",
        RunOutcome::Running => "not ended",
        RunOutcome::Warnings => "done, with warnings",
        RunOutcome::Interrupted => "interrupted",
        RunOutcome::Failed => "FAILED",
        RunOutcome::Damage => "DAMAGE",
    }
}

fn facts(run: &RunRecord) -> Map<String, Value> {
    let facts = [
        ("run", json!(run.id)),
        ("cause", json!(run.cause)),
        ("attempt", json!(run.attempt)),
        ("outcome", json!(run.outcome)),
        ("has_backup", json!(run.has_backup())),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
