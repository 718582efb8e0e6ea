//! What the end of a run means: the exit code of a command for it, and whether it may go better later.

use crate::schemes::run::{RunOutcome, RunRecord, StepKind};

/// Whether a run that failed may go better later: nothing was saved, and what stood in the way may go
/// away by itself.
pub fn is_retryable(run: &RunRecord) -> bool {
    let failed = run.steps.iter().find(|step| step.outcome == RunOutcome::Failed);
    let may_pass = failed.is_none_or(|step| {
        // An older file stands where a newer one was: that needs a person.
        let needs_somebody = step.code.as_deref() == Some("rollback");
        let may_end = matches!(step.exit_code, None | Some(1 | 11 | 13 | 14));
        step.step == StepKind::Before || may_end && !needs_somebody
    });
    !run.has_backup() && may_pass
}

/// The exit code of a run, as of a command.
pub fn exit_code(run: &RunRecord) -> i32 {
    let of = |outcome| run.steps.iter().find(|step| step.outcome == outcome).and_then(|step| step.exit_code);
    match run.outcome {
        RunOutcome::Done | RunOutcome::Skipped => 0,
        RunOutcome::Warnings => 3,
        RunOutcome::Damage => 4,
        RunOutcome::Interrupted | RunOutcome::CutOff | RunOutcome::Running => 130,
        // The snapshot is kept.
        RunOutcome::Failed if run.has_backup() => 3,
        RunOutcome::Failed => {
            let failed = run.steps.iter().find(|step| step.outcome == RunOutcome::Failed);
            let is_hook = failed.is_some_and(|step| step.step == StepKind::Before);
            of(RunOutcome::Failed).filter(|code| !is_hook && (1..=15).contains(code)).unwrap_or(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemes::run::{StepRecord, examples};

    #[test]
    fn an_older_container_in_its_place_is_not_tried_again() {
        let failed = |code: &str| {
            let step = examples::step(StepKind::Backup, "", RunOutcome::Failed);
            let step = StepRecord { exit_code: Some(1), code: Some(code.into()), ..step };
            is_retryable(&examples::run("1", RunOutcome::Failed, vec![step]))
        };
        assert!(failed("failed") && !failed("rollback"));
    }
}
