//! How one scheme stands: its last runs, its proofs, and when it is due.

use super::past::{Past, is_about};
use crate::clock::Timestamp;
use crate::schedule::Slots;
use crate::schemes::config::{Config, Scheme, Span};
use crate::schemes::run::{RunOutcome, RunRecord, StepKind, StepRecord};
use crate::schemes::runner;
use crate::schemes::turn::Queued;
use crate::values::{parse_time, rfc3339};
use serde::Serialize;
use serde_json::{Map, Value};

/// How long after its slot a scheme is overdue unless it says otherwise, in seconds.
const USUAL_OVERDUE: i64 = 86_400;

/// After how long without a run a scheme that has no times needs a look, in seconds: a week, so that what
/// is meant for each working day is noticed, and what cron starts is not.
const BY_HAND_SECONDS: i64 = 7 * 86_400;

/// How a scheme stands.
#[derive(Clone, Debug, Serialize)]
pub struct SchemeStanding {
    /// Whether the daemon runs it.
    pub enabled: bool,
    /// The container that it saves to.
    pub to: String,
    /// The newest run that made a snapshot in which nothing is missing.
    pub last_success: Option<LastRun>,
    /// The newest run that made a snapshot in which something is missing, if none without came after it.
    pub last_partial: Option<LastRun>,
    /// How many such runs there were in a row.
    pub partial_runs: u64,
    /// The newest backup, if somebody has removed it since.
    pub removed: Option<Removed>,
    /// The newest run that ended or was cut off.
    pub last_run: Option<LastRun>,
    /// Since when a run goes on.
    pub running: Option<String>,
    /// What a run waits for.
    pub queued: Option<Queued>,
    /// The newest verification of everything.
    pub last_verify: Option<Proof>,
    /// The newest drill.
    pub last_drill: Option<Proof>,
    /// When it is due next.
    pub next: Option<String>,
    /// The slot that has had no good run for too long.
    pub overdue: Option<String>,
    /// Whether it has no times, nor says when it is overdue, and its last good run is long ago.
    pub by_hand_only: bool,
    /// Since when everything should have been verified.
    pub verify_overdue: bool,
    /// Since when a drill should have been held.
    pub drill_overdue: bool,
}

/// A run, for an answer.
#[derive(Clone, Debug, Serialize)]
pub struct LastRun {
    /// Its id.
    pub id: String,
    /// When it began.
    pub started: String,
    /// When it ended.
    pub finished: Option<String>,
    /// When it was last seen at work, if it was cut off.
    pub cut_off: Option<String>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: Option<u64>,
    /// How it ended.
    pub outcome: RunOutcome,
    /// The stable word for what it failed of.
    pub code: Option<String>,
    /// Bytes that its snapshot restores to.
    pub bytes: Option<u64>,
    /// Bytes that it added.
    pub added_bytes: Option<u64>,
    /// Files that could not be read.
    pub unreadable: Option<u64>,
    /// Whether its snapshot holds far less than the one before.
    pub is_shrunk: bool,
    /// The sources that do, by name.
    pub shrunk: Vec<crate::schemes::run::Shrunk>,
    /// Whether its snapshot holds nothing.
    pub is_void: bool,
}

/// A backup that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// When its run began.
    pub made: String,
    /// When its snapshot was removed.
    pub removed: String,
}

/// A verification or drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// When.
    pub time: String,
    /// How it ended.
    pub outcome: RunOutcome,
    /// How long recovery took, in milliseconds: of drills.
    pub recovery_ms: Option<u64>,
}

impl From<&RunRecord> for LastRun {
    fn from(run: &RunRecord) -> LastRun {
        let backup = run.steps_of(StepKind::Backup).last();
        let number = |name: &str| backup.and_then(|step| step.number(name));
        let unreadable = backup.and_then(|step| step.warnings.get("unreadable")?.as_u64());
        let worst = run.steps.iter().max_by_key(|step| step.outcome);
        let seconds = |text: &str| parse_time(text).ok().map(|time| time.seconds);
        let elapsed = run.finished.as_deref().and_then(seconds).zip(seconds(&run.started));
        LastRun {
            id: run.id.clone(),
            started: run.started.clone(),
            finished: run.finished.clone(),
            cut_off: run.cut_off.clone(),
            elapsed_ms: elapsed
                .and_then(|(end, start)| u64::try_from(end.saturating_sub(start)).ok())
                .map(|s| s * 1000),
            outcome: run.outcome,
            code: worst.and_then(|step| step.code.clone()),
            bytes: number("bytes"),
            added_bytes: number("added_bytes"),
            unreadable: unreadable.or(number("problems")).filter(|count| *count > 0),
            is_shrunk: backup.is_some_and(runner::is_shrunk),
            shrunk: backup.map(|backup| backup.shrunk.clone()).unwrap_or_default(),
            is_void: backup.is_some_and(StepRecord::is_void),
        }
    }
}

/// How `scheme` stands at `now`; `id` is the one that its container's file has now.
pub(super) fn stands(
    config: &Config,
    name: &str,
    scheme: &Scheme,
    past: &Past,
    id: Option<&str>,
    now: Timestamp,
) -> SchemeStanding {
    let runs = past.of(name);
    let ended = runs.iter().rev().find(|run| run.outcome != RunOutcome::Running);
    let running = runs.iter().rev().find(|run| run.outcome == RunOutcome::Running);
    // What another container holds is not where it is looked for.
    let here = |run: &RunRecord| {
        let to = scheme.to.get_ref();
        run.steps_of(StepKind::Backup).all(|step| step.target.as_ref().is_none_or(|target| target == to))
    };
    let is_left = |run: &RunRecord| here(run) && past.removed(run).is_none();
    let good = runs.iter().rev().find(|run| run.has_backup() && is_left(run));
    let complete = runs.iter().rposition(|run| run.has_complete_backup() && is_left(run));
    // What was removed for a newer one is not missed.
    let newest = runs.iter().rev().find(|run| run.has_backup() && here(run));
    let removed = newest.and_then(|run| Some((run, past.removed(run)?)));
    let since = complete.map_or(0, |at| at + 1);
    let is_kept = |run: &&RunRecord| run.steps_of(StepKind::Backup).any(|step| step.outcome.is_good());
    let partial: Vec<&RunRecord> =
        runs.iter().skip(since).filter(is_kept).filter(|run| is_left(run)).collect();
    let slots = scheme.slots(config.practice.zone()).ok().flatten().filter(|_| scheme.enabled);
    let known = past.id_of(config, scheme.to.get_ref());
    let id = known.as_deref().or(id);
    let verify = proof(past, name, StepKind::Verify, id);
    let drill = proof(past, name, StepKind::Drill, id);
    let first = runs.iter().find(|run| run.has_backup()).map(|run| run.started.as_str());
    // What was never proven counts from the first backup.
    let is_old = |proof: &Option<Proof>, every: Option<Span>| {
        let time = proof.as_ref().filter(|proof| proof.outcome.is_good()).map(|proof| proof.time.as_str());
        let since = time.or(first).and_then(|time| parse_time(time).ok());
        let every = every.map(seconds_of);
        every.zip(since).is_some_and(|(every, since)| since.seconds.saturating_add(every) < now.seconds)
    };
    SchemeStanding {
        enabled: scheme.enabled,
        to: scheme.to.get_ref().clone(),
        last_success: complete.and_then(|at| runs.get(at)).map(LastRun::from),
        last_partial: partial.last().copied().map(LastRun::from),
        partial_runs: partial.len() as u64,
        last_run: ended.map(LastRun::from),
        removed: removed.map(|(run, time)| Removed { made: run.started.clone(), removed: time.into() }),
        running: running.map(|run| run.started.clone()),
        queued: past.queued.get(name).cloned(),
        next: slots.as_ref().and_then(|slots| slots.next_after(now)).map(rfc3339),
        overdue: match &slots {
            Some(slots) => overdue(slots, scheme, runs, good, now),
            None => since_good(good, scheme.overdue_after.map(seconds_of), now).map(rfc3339),
        },
        by_hand_only: slots.is_none()
            && scheme.overdue_after.is_none()
            && since_good(good, Some(BY_HAND_SECONDS), now).is_some(),
        verify_overdue: is_old(&verify, scheme.verify_every),
        drill_overdue: is_old(&drill, scheme.drill_every),
        last_verify: verify,
        last_drill: drill,
    }
}

fn seconds_of(span: Span) -> i64 {
    i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX)
}

/// When `patience` after the last good run was over, if it is.
fn since_good(good: Option<&RunRecord>, patience: Option<i64>, now: Timestamp) -> Option<Timestamp> {
    let until = parse_time(&good?.started).ok()?.seconds.checked_add(patience?)?;
    (until < now.seconds).then_some(Timestamp { seconds: until, nanoseconds: 0 })
}

/// The newest slot that should have had a good run by now and has none.
fn overdue(
    slots: &Slots,
    scheme: &Scheme,
    runs: &[RunRecord],
    good: Option<&RunRecord>,
    now: Timestamp,
) -> Option<String> {
    let patience = scheme.overdue_after.map_or(USUAL_OVERDUE, seconds_of);
    let slot = slots.last_due(now.plus_seconds(patience.saturating_neg()))?;
    let seconds = |run: &RunRecord| parse_time(&run.started).ok().map(|time| time.seconds);
    let is_made = good.and_then(seconds).is_some_and(|started| started >= slot.seconds);
    // A scheme that never ran is judged by having no backup, not by slots before it was there.
    let is_new = runs.is_empty();
    (!is_made && !is_new).then(|| rfc3339(slot))
}

/// The newest verification of everything, or drill, of the container `id`: by a run of the scheme, or by
/// hand.
fn proof(past: &Past, name: &str, kind: StepKind, id: Option<&str>) -> Option<Proof> {
    let is_whole = |numbers: &Map<String, Value>| kind != StepKind::Verify || runner::is_whole(numbers);
    let recovery = |numbers: &Map<String, Value>| numbers.get("recovery_ms").and_then(Value::as_u64);
    let done = |outcome: RunOutcome| outcome.is_good() || outcome == RunOutcome::Damage;
    let here = |step: &StepRecord| {
        let of = step.result.get("container").and_then(Value::as_str);
        of.is_none() || id.is_none() || of == id
    };
    let steps = past.of(name).iter().flat_map(|run| run.steps_of(kind)).filter(|step| here(step));
    let counts = |outcome: RunOutcome, numbers| done(outcome) && is_whole(numbers);
    let steps = steps.filter(|step| counts(step.outcome, &step.result)).map(|step| Proof {
        time: step.started.clone(),
        outcome: step.outcome,
        recovery_ms: recovery(&step.result),
    });
    let acts = past.acts.iter().filter(|act| act.what == kind.word());
    let acts = acts.filter(|act| id.is_some_and(|id| is_about(act, id)));
    let acts = acts.filter_map(|act| {
        let outcome = RunOutcome::of_exit_code(act.exit_code?);
        let proof = || Proof { time: act.time.clone(), outcome, recovery_ms: recovery(&act.facts) };
        counts(outcome, &act.facts).then(proof)
    });
    steps
        .chain(acts)
        .filter_map(|proof| Some((parse_time(&proof.time).ok()?, proof)))
        .max_by_key(|p| p.0)
        .map(|p| p.1)
}
