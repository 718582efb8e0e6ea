//! When a scheme runs: a state machine that is told the time and what became of each run, and that
//! answers whether to run. Pure; the state is kept in a file after each change. It promises at most one
//! run to completion for each slot, whatever the clock does, that after a sleep only the newest missed
//! slot is caught up, once, and that a run which was broken off is tried again a bounded number of times.

mod stored;

pub use stored::Positions;

use super::config::{Config, Scheme};
use super::run::{Cause, RunOutcome};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::schedule::Slots;
use serde::{Deserialize, Serialize};

/// How late a run may begin and still be on time, in seconds.
const ON_TIME: i64 = 120;
/// How far ahead of the clock what was taken may be, in seconds, before the clock was wrong then.
const AHEAD: i64 = 86_400;
/// How often one slot is tried again after its run was broken off.
const MAX_BROKEN: u32 = 5;
/// How many slots that were taken are remembered.
const REMEMBERED: usize = 64;

/// What a scheme's configuration says about when it runs.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Its slots; `None`: only when it is asked for.
    pub slots: Option<Slots>,
    /// How often a run that failed is tried again.
    pub retries: u32,
    /// How long is waited before that, in seconds.
    pub retry_after: i64,
    /// The schedule in words: another schedule has others.
    pub words: String,
}

impl Timing {
    /// The timing of `scheme`.
    pub fn of(config: &Config, scheme: &Scheme) -> Result<Timing> {
        let zone = config.practice.zone();
        let slots = scheme.slots(zone)?;
        let calendar = scheme.calendar.as_ref().map(|calendar| calendar.get_ref());
        let words = format!("{:?} {:?} {calendar:?} {zone:?}", scheme.days, scheme.times);
        let retry_after = i64::try_from(scheme.retry_after.0.as_secs()).unwrap_or(i64::MAX);
        Ok(Timing { slots, retries: scheme.retries, retry_after, words })
    }
}

/// Where a scheme stands. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// When it was first seen.
    since: i64,
    /// The words of the schedule that its slots come from.
    schedule: String,
    /// Slots up to here are not considered.
    floor: i64,
    /// The slots that were taken last, oldest first.
    taken: Vec<i64>,
    /// The slot that is not finished.
    open: Option<Open>,
}

/// A slot that was taken and is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    slot: i64,
    is_late: bool,
    /// How many runs began.
    attempts: u32,
    /// How many of them failed.
    failed: u32,
    /// How many of them were broken off.
    broken: u32,
    is_running: bool,
    /// When the next attempt may begin.
    not_before: i64,
}

/// A run that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The time it was due.
    pub slot: Timestamp,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// What causes it.
    pub cause: Cause,
}

/// What becomes of a slot after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is finished.
    Settled,
    /// It is tried again at this time.
    Again(Timestamp),
    /// It failed as often as it may.
    GivenUp,
}

impl Position {
    /// A scheme that is seen for the first time: slots before `now` are not its.
    pub fn new(now: Timestamp) -> Position {
        Position {
            since: now.seconds,
            schedule: String::new(),
            floor: now.seconds,
            taken: Vec::new(),
            open: None,
        }
    }

    /// The slots come from the schedule of these words from now on: those of another before `now` are
    /// not caught up.
    pub fn follow(&mut self, schedule: &str, now: Timestamp) {
        if self.schedule != schedule {
            if !self.schedule.is_empty() {
                self.floor = self.floor.max(now.seconds);
            }
            self.schedule = schedule.to_owned();
        }
    }

    /// What passes while a scheme is switched off is not caught up.
    pub fn pass_disabled(&mut self, timing: &Timing, now: Timestamp) {
        self.open = None;
        let slot = timing.slots.as_ref().and_then(|slots| slots.last_due(now));
        self.floor = self.floor.max(slot.map_or(self.floor, |slot| slot.seconds));
    }

    /// The slot of a run that never ended.
    pub fn unfinished(&self) -> Option<Timestamp> {
        let open = self.open.filter(|open| open.is_running)?;
        Some(Timestamp { seconds: open.slot, nanoseconds: 0 })
    }

    /// When the scheme was first seen.
    pub fn since(&self) -> Timestamp {
        Timestamp { seconds: self.since, nanoseconds: 0 }
    }

    /// To be called once when a daemon starts: a run that never ended was broken off.
    pub fn resume(&mut self, now: Timestamp) {
        let Some(open) = self.open.as_mut().filter(|open| open.is_running) else { return };
        open.is_running = false;
        open.broken += 1;
        open.not_before = now.seconds;
        if open.broken > MAX_BROKEN {
            self.open = None;
        }
    }

    /// Takes the newest slot that is due, if there is one; what is returned is worth a warning. After
    /// this, [`Position::due`] tells what to run.
    pub fn tick(&mut self, timing: &Timing, now: Timestamp) -> Option<&'static str> {
        let mut warning = None;
        if self.floor > now.seconds.saturating_add(AHEAD) {
            self.floor = now.seconds;
            warning = Some("the clock was far ahead when this scheme last ran; its slots count from now on");
        }
        if let Some(open) = &mut self.open {
            // A clock that was set back must not put the next attempt off.
            open.not_before = open.not_before.min(now.seconds.saturating_add(timing.retry_after));
            if open.is_running {
                return warning;
            }
        }
        let Some(slot) = timing.slots.as_ref().and_then(|slots| slots.last_due(now)) else { return warning };
        if slot.seconds > self.floor {
            self.floor = slot.seconds;
            if !self.taken.contains(&slot.seconds) {
                self.take(slot.seconds, now);
            }
        }
        warning
    }

    fn take(&mut self, slot: i64, now: Timestamp) {
        self.taken.push(slot);
        let surplus = self.taken.len().saturating_sub(REMEMBERED);
        self.taken.drain(..surplus);
        let is_late = now.seconds.saturating_sub(slot) > ON_TIME;
        let not_before = now.seconds;
        let open = Open { slot, is_late, attempts: 0, failed: 0, broken: 0, is_running: false, not_before };
        self.open = Some(open);
    }

    /// What is to be run at `now`.
    pub fn due(&self, now: Timestamp) -> Option<Due> {
        let open = self.open.as_ref().filter(|open| !open.is_running && open.not_before <= now.seconds)?;
        let cause = match (open.attempts, open.is_late) {
            (0, false) => Cause::Schedule,
            (0, true) => Cause::CatchUp,
            _ => Cause::Retry,
        };
        let slot = Timestamp { seconds: open.slot, nanoseconds: 0 };
        Some(Due { slot, attempt: open.attempts.saturating_add(1), cause })
    }

    /// The run that is due begins.
    pub fn begin(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_running = true;
            open.attempts = open.attempts.saturating_add(1);
        }
    }

    /// The run that began ended with `outcome`.
    pub fn end(&mut self, timing: &Timing, outcome: RunOutcome, is_retryable: bool, now: Timestamp) -> Next {
        let Some(open) = &mut self.open else { return Next::Settled };
        open.is_running = false;
        let (wait, is_left) = match outcome {
            RunOutcome::Interrupted | RunOutcome::CutOff | RunOutcome::Running => {
                open.broken += 1;
                (0, open.broken <= MAX_BROKEN)
            }
            RunOutcome::Failed => {
                open.failed += 1;
                (timing.retry_after, is_retryable && open.failed <= timing.retries)
            }
            _ => {
                self.open = None;
                return Next::Settled;
            }
        };
        if !is_left {
            self.open = None;
            return Next::GivenUp;
        }
        open.not_before = now.seconds.saturating_add(wait);
        Next::Again(now.plus_seconds(wait))
    }

    /// When something may next be due after `now`.
    pub fn next(&self, timing: &Timing, now: Timestamp) -> Option<Timestamp> {
        let again = self.open.map(|open| Timestamp { seconds: open.not_before, nanoseconds: 0 });
        let from = now.max(Timestamp { seconds: self.floor.min(now.seconds + AHEAD), nanoseconds: 0 });
        let slot = timing.slots.as_ref().and_then(|slots| slots.next_after(from));
        again.into_iter().chain(slot).min()
    }
}

#[cfg(test)]
mod tests;
