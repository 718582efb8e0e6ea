//! One run of the daemon's, in a thread of its own. It promises that where the scheme stands is kept
//! before the first step and right after the last, before anybody is told.

use super::{Setup, Standing, Wake};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Kind};
use crate::schemes::config::Config;
use crate::schemes::history::History;
use crate::schemes::notice::Notice;
use crate::schemes::run::{RunOutcome, RunRecord};
use crate::schemes::runner::{Job, Order, is_retryable};
use crate::schemes::scheduler::{Due, Next, Position, Positions, Timing};
use crate::schemes::standing::{self, standing};
use crate::schemes::stop::Stop;
use crate::schemes::{notices, prometheus};
use crate::values::{format_minute, rfc3339};
use std::path::PathBuf;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};

/// A run under way.
pub(super) struct Under {
    pub name: String,
    pub due: Due,
    pub setup: Arc<Setup>,
    pub standing: Standing,
    pub positions: Positions,
    pub state: PathBuf,
    pub credentials: Option<PathBuf>,
    pub clock: Arc<dyn Clock>,
    pub at: Option<Timestamp>,
    pub stop: Arc<Stop>,
    pub journal: Arc<dyn Fn(&str) + Send + Sync>,
    pub wake: Sender<Wake>,
}

/// Tells `notices` in a thread of its own: no way of telling keeps a run.
pub(super) fn tell(
    setup: Arc<Setup>,
    journal: Arc<dyn Fn(&str) + Send + Sync>,
    notices: Vec<Notice>,
    run: Option<RunRecord>,
) {
    let work = move || {
        for notice in &notices {
            setup.teller.tell(notice, run.as_ref()).iter().for_each(|line| journal(line));
        }
    };
    // Without a thread nobody is told; the record says it all the same.
    let _ = std::thread::Builder::new().name("tell".into()).spawn(work);
}

/// A run that came to its end just before the daemon did is not made again.
pub(super) fn reconcile(position: &mut Position, timing: &Timing, runs: &[RunRecord], now: Timestamp) {
    let Some(slot) = position.unfinished().map(rfc3339) else { return };
    let last = runs.iter().rev().find(|run| run.slot.as_deref() == Some(slot.as_str()));
    if let Some(run) = last.filter(|run| run.finished.is_some()) {
        position.end(timing, run.outcome, is_retryable(run), now);
    }
}

/// Writes what other programs watch.
pub(super) fn publish(config: &Config, found: &standing::Standing, journal: &dyn Fn(&str)) {
    if let Some(path) = &config.status.prometheus
        && let Err(error) = prometheus::write(found, path)
    {
        journal(&error.to_string());
    }
}

/// What becomes of a slot after a run that failed, for people.
fn again(next: Next, zone: Option<&str>) -> Option<String> {
    match next {
        Next::Again(at) => Some(format!("It is tried again at {}.", format_minute(at, zone))),
        Next::GivenUp => Some("It is not tried again before its next time.".into()),
        Next::Settled => None,
    }
}

impl Under {
    /// Runs it, keeps where it stands, and tells people.
    pub(super) fn run(&self) {
        let journal: &(dyn Fn(&str) + Sync) = &|line| (self.journal)(line);
        let job = Job {
            config: &self.setup.config,
            scheme: &self.name,
            state: &self.state,
            credentials: self.credentials.clone(),
            clock: &*self.clock,
            stop: &self.stop,
            journal,
            begun: &|run| self.begun(run),
        };
        let before = History::at(&self.state).last_ended(&self.name);
        let order = Order {
            cause: self.due.cause,
            slot: Some(self.due.slot),
            attempt: self.due.attempt,
            at: self.at,
            longest_wait: None,
        };
        match job.run(&order) {
            Ok(run) => {
                let next = self.end(run.outcome, is_retryable(&run));
                let now = self.clock.now();
                self.tell_end(&run, before.as_ref(), next);
                let found = standing(&self.setup.config, &self.state, now);
                publish(&self.setup.config, &found, &|line| (self.journal)(line));
            }
            Err(error) => self.never_ran(&error),
        }
    }

    fn tell_end(&self, run: &RunRecord, before: Option<&RunRecord>, next: Next) {
        if run.outcome == RunOutcome::Interrupted {
            // It is made again at the next start.
            return;
        }
        let practice = &self.setup.config.practice;
        let mut all = notices::of_end(practice.name.as_deref(), practice.zone(), run, before);
        if let Some(first) = all.first_mut() {
            first.lines.extend(again(next, practice.zone()));
        }
        for line in all.iter().flat_map(|notice| self.setup.teller.tell(notice, Some(run))) {
            (self.journal)(&format!("{}: {line}", self.name));
        }
    }

    fn never_ran(&self, error: &Error) {
        (self.journal)(&format!("{}: {}", self.name, super::causes(error)));
        if error.kind() == Kind::Interrupted {
            // It waited for its turn; the slot stays open for the next start.
            return;
        }
        self.start_counts();
        let next = self.end(RunOutcome::Failed, true);
        let practice = &self.setup.config.practice;
        let (time, code) = (rfc3339(self.clock.now()), error.kind().code());
        let mut notice = notices::of_no_run(practice.name.as_deref(), &self.name, &time, code);
        notice.lines.extend(again(next, practice.zone()));
        self.setup.teller.tell(&notice, None);
    }

    fn begun(&self, run: &RunRecord) {
        self.start_counts();
        let _ = self.wake.send(Wake::Begun(self.name.clone()));
        let notice = notices::of_start(self.setup.config.practice.name.as_deref(), run);
        tell(Arc::clone(&self.setup), Arc::clone(&self.journal), vec![notice], Some(run.clone()));
    }

    fn start_counts(&self) {
        let mut all = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = all.get_mut(&self.name) {
            position.begin();
            self.keep(position);
        }
    }

    fn end(&self, outcome: RunOutcome, is_retryable: bool) -> Next {
        let mut all = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(position), Some(timing)) = (all.get_mut(&self.name), self.setup.timings.get(&self.name))
        else {
            return Next::Settled;
        };
        let next = position.end(timing, outcome, is_retryable, self.clock.now());
        self.keep(position);
        next
    }

    fn keep(&self, position: &Position) {
        if let Err(error) = self.positions.save(&self.name, position) {
            (self.journal)(&format!("{}: {error}", self.name));
        }
    }
}
