//! What is due beside the backup, from the history.

use super::plan::Wants;
use crate::clock::Timestamp;
use crate::schemes::config::Scheme;
use crate::schemes::run::{RunOutcome, RunRecord, StepKind, StepRecord};
use crate::values::parse_time;
use serde_json::{Map, Value};
use std::time::Duration;

/// A run at the same time of day must not miss what is due by seconds.
const SLACK: i64 = 12 * 3600;

/// What is due at `now` after `runs`.
pub fn wants(scheme: &Scheme, runs: &[RunRecord], now: Timestamp) -> Wants {
    let is_due = |every: Option<Duration>, kind, counts: fn(&StepRecord) -> bool| {
        let Some(every) = every else { return false };
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        match last(runs, kind, counts) {
            Some(then) => now.seconds.saturating_sub(then.seconds).saturating_add(SLACK) >= every,
            None => true,
        }
    };
    Wants {
        full_verification: is_due(scheme.verify_every.map(|span| span.0), StepKind::Verify, is_full),
        drill: is_due(scheme.drill_every.map(|span| span.0), StepKind::Drill, is_proof),
    }
}

/// When a step of that kind that counts was last done.
pub fn last(runs: &[RunRecord], kind: StepKind, counts: fn(&StepRecord) -> bool) -> Option<Timestamp> {
    let steps = runs.iter().rev().flat_map(|run| run.steps_of(kind));
    steps.filter(|step| counts(step)).filter_map(|step| parse_time(&step.started).ok()).max()
}

/// Whether everything was verified and found whole. Where damage is, it is looked for again.
pub fn is_full(step: &StepRecord) -> bool {
    step.outcome == RunOutcome::Done && is_whole(&step.result)
}

/// Whether a verification with these numbers was one of everything: all at once and in full, or the share
/// that ends a round.
pub fn is_whole(numbers: &Map<String, Value>) -> bool {
    match numbers.get("share").and_then(Value::as_f64) {
        Some(share) => {
            let is_round = numbers.get("round_complete").and_then(Value::as_bool) == Some(true);
            is_round || share >= 100.0
        }
        None => numbers.get("level").is_none_or(|level| level == "full"),
    }
}

/// Whether a drill proved something.
pub fn is_proof(step: &StepRecord) -> bool {
    matches!(step.outcome, RunOutcome::Done | RunOutcome::Warnings)
}
