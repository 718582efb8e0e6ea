//! Backups that suddenly hold little: a source folder whose medium is gone is an empty folder, and a
//! dropped table no error. It promises that such a backup is told and that nothing gives way to it, until
//! somebody runs the scheme by hand again, which says that it is meant.

use crate::schemes::run::{Cause, RunOutcome, RunRecord, StepKind, StepRecord};

/// The stable word for it.
const CODE: &str = "shrunk";
/// A backup that holds less than one part of this many of the one before has shrunk.
const PARTS: u64 = 4;

/// Whether `step`, of the run `now`, is a backup that shrank, after these `runs`, oldest first.
pub fn has_shrunk(step: &StepRecord, now: &RunRecord, runs: &[RunRecord]) -> bool {
    if step.step != StepKind::Backup || !step.outcome.is_good() {
        return false;
    }
    let earlier = runs.iter().rev().filter(|run| run.id != now.id);
    let mut backups = earlier
        .flat_map(|run| run.steps_of(StepKind::Backup))
        .filter(|earlier| earlier.outcome.is_good())
        .peekable();
    if now.cause == Cause::Manual && backups.peek().is_some_and(|last| is_marked(last)) {
        return false;
    }
    let before = backups.find(|earlier| !is_marked(earlier)).and_then(bytes);
    before.zip(bytes(step)).is_some_and(|(before, now)| now.saturating_mul(PARTS) < before)
}

/// Marks `step` as a backup that shrank.
pub fn mark(step: &mut StepRecord) {
    step.outcome = RunOutcome::Warnings;
    step.code = Some(CODE.into());
    step.warnings.insert(CODE.into(), 1.into());
}

/// Whether `step` was marked.
pub fn is_marked(step: &StepRecord) -> bool {
    step.code.as_deref() == Some(CODE)
}

fn bytes(step: &StepRecord) -> Option<u64> {
    step.result.get("bytes")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemes::run::examples;

    fn step(bytes: u64) -> StepRecord {
        let result = [("bytes".to_owned(), bytes.into())].into_iter().collect();
        StepRecord { result, ..examples::step(StepKind::Backup, "", RunOutcome::Done) }
    }

    fn run(id: &str, cause: Cause, steps: Vec<StepRecord>) -> RunRecord {
        RunRecord { cause, ..examples::run(id, RunOutcome::Running, steps) }
    }

    #[test]
    fn what_suddenly_holds_little_is_told_until_somebody_says_that_it_is_meant() {
        let (daily, by_hand) = (Cause::Schedule, Cause::Manual);
        let mut runs = vec![run("1", daily, vec![step(1000)])];
        assert!(!has_shrunk(&step(0), &run("0", daily, vec![]), &[]), "the first");
        assert!(!has_shrunk(&step(250), &run("2", daily, vec![]), &runs));
        assert!(has_shrunk(&step(249), &run("2", by_hand, vec![]), &runs), "also by hand, the first time");
        let mut marked = step(0);
        mark(&mut marked);
        assert_eq!((marked.outcome, is_marked(&marked)), (RunOutcome::Warnings, true));
        runs.push(run("2", daily, vec![marked]));
        assert!(has_shrunk(&step(0), &run("3", daily, vec![]), &runs), "every night");
        assert!(!has_shrunk(&step(900), &run("3", daily, vec![]), &runs), "all is back");
        assert!(!has_shrunk(&step(0), &run("3", by_hand, vec![]), &runs), "it is meant");
        assert!(has_shrunk(&step(0), &run("3", Cause::Timer, vec![]), &runs), "a timer accepts nothing");
        assert!(has_shrunk(&step(0), &run("3", Cause::Retry, vec![]), &runs));
        runs.push(run("3", by_hand, vec![step(0)]));
        assert!(!has_shrunk(&step(0), &run("4", daily, vec![]), &runs));
    }
}
