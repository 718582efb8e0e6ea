//! One run of the daemon's, in a thread of its own. It promises that where the scheme stands is kept
//! before the first step and right after the last, before anybody is told.

use super::{Setup, Standing, Wake, notices};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Kind};
use crate::schemes::history::History;
use crate::schemes::notice::Notice;
use crate::schemes::run::{RunOutcome, RunRecord};
use crate::schemes::runner::{Job, Order, is_retryable};
use crate::schemes::scheduler::{Due, Next, Position, Positions, Timing};
use crate::schemes::stop::Stop;
use crate::values::rfc3339;
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
                let notices = notices::ended(&self.setup.config, &run, before.as_ref(), next, now);
                for line in notices.iter().flat_map(|notice| self.setup.teller.tell(notice, Some(&run))) {
                    (self.journal)(&format!("{}: {line}", self.name));
                }
            }
            Err(error) => self.never_ran(&error),
        }
    }

    fn never_ran(&self, error: &Error) {
        (self.journal)(&format!("{}: {error}", self.name));
        if error.kind() == Kind::Interrupted {
            // It waited for its turn; the slot stays open for the next start.
            return;
        }
        self.start_counts();
        let next = self.end(RunOutcome::Failed, true);
        let code = error.kind().code();
        let occasion = crate::schemes::config::Occasion::Failure;
        let now = self.clock.now();
        let mut notice = notices::blank(&self.setup.config, Some(&self.name), occasion, code, now);
        notice.title = format!("backup `{}` could not begin", self.name);
        notice.lines.push(error.to_string());
        if let Next::Again(at) = next {
            notice.lines.push(format!("it is tried again at {}", crate::values::format_time(at)));
        }
        self.setup.teller.tell(&notice, None);
    }

    fn begun(&self, run: &RunRecord) {
        self.start_counts();
        let _ = self.wake.send(Wake::Begun(self.name.clone()));
        let notice = notices::start(&self.setup.config, run, self.clock.now());
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
