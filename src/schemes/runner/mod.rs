//! A run of a scheme, from its turn at the container to its record. It promises that nothing begins
//! before its turn and before the record is kept.

mod ending;
pub mod plan;
mod running;
mod shrink;
mod step;
mod wants;
pub mod words;

pub use ending::{exit_code, is_retryable};
pub use shrink::{is_marked as is_shrunk, sentence as what_shrank};
pub use wants::{is_full, is_proof, is_whole, last, wants};

use super::config::Config;
use super::history::History;
use super::run::{Cause, RunOutcome, RunRecord, VERSION};
use super::stop::Stop;
use super::turn;
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::values::{parse_time, rfc3339};
use plan::{Place, RunPlan};
use running::Running;
use std::path::{Path, PathBuf};
use std::time::Duration;
use step::Events;

/// What a run works with.
pub struct Job<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The scheme.
    pub scheme: &'a str,
    /// The folder of state.
    pub state: &'a Path,
    /// The service manager's folder of credentials.
    pub credentials: Option<PathBuf>,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The wish to stop.
    pub stop: &'a Stop,
    /// Takes lines for the journal.
    pub journal: &'a (dyn Fn(&str) + Sync),
    /// Learns the record when the run begins.
    pub begun: &'a (dyn Fn(&RunRecord) + Sync),
}

/// Why and when.
#[derive(Clone, Debug)]
pub struct Order {
    /// What causes the run.
    pub cause: Cause,
    /// The time it was due.
    pub slot: Option<Timestamp>,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// The time of the snapshot, if not now.
    pub at: Option<Timestamp>,
    /// How long to wait for the turn; `None`: without end.
    pub longest_wait: Option<Duration>,
}

impl Job<'_> {
    /// Runs it, to the end or to where it had to stop; the record tells.
    ///
    /// Errors: [`crate::error::Kind::Busy`] and [`crate::error::Kind::Interrupted`] if its turn did not come; what keeps the record
    /// from being written. Then nothing was done.
    pub fn run(&self, order: &Order) -> Result<RunRecord> {
        let scheme = self.config.scheme(self.scheme)?;
        let path = &self.config.container(scheme.to.get_ref())?.path;
        let queued = |holder: &str| (self.journal)(&format!("{}: queued behind {holder}", self.scheme));
        let turn = turn::take(self.state, path, self.scheme, order.longest_wait, self.stop, &queued)?;
        let history = History::at(self.state);
        let (runs, damaged) = history.runs(self.scheme);
        damaged.iter().for_each(|error| (self.journal)(&format!("{}: {error}", self.scheme)));
        let now = order.at.unwrap_or_else(|| self.clock.now());
        let record = self.record(order, &runs, now);
        let events = Events::create(&history.events(self.scheme, &record.id))?;
        history.save(&record)?;
        (self.begun)(&record);
        let plan = self.plan(&runs, order, now);
        let record = Running::new(self, &history, record, events).all(plan);
        drop(turn);
        Ok(record)
    }

    /// The commands of a run at this time.
    pub fn plan(&self, runs: &[RunRecord], order: &Order, now: Timestamp) -> Result<RunPlan> {
        let scheme = self.config.scheme(self.scheme)?;
        let place = Place { state: self.state, credentials: self.credentials.as_deref(), at: order.at };
        plan::plan(self.config, self.scheme, wants(scheme, runs, now), place)
    }

    fn record(&self, order: &Order, runs: &[RunRecord], now: Timestamp) -> RunRecord {
        let digits: String = rfc3339(Timestamp { nanoseconds: 0, ..now })
            .chars()
            .filter(|c| !matches!(c, '-' | ':'))
            .collect();
        let mut id = digits.clone();
        let mut number = 1;
        while runs.iter().any(|run| run.id == id) {
            number += 1;
            id = format!("{digits}-{number}");
        }
        let user = crate::mysql::sources::login_name().unwrap_or_else(|| "?".into());
        RunRecord {
            version: VERSION,
            id,
            scheme: self.scheme.into(),
            cause: order.cause,
            slot: order.slot.map(rfc3339),
            attempt: order.attempt,
            who: format!("{user}@{}", crate::operations::session::host_name()),
            started: rfc3339(now),
            finished: None,
            outcome: RunOutcome::Running,
            steps: Vec::new(),
            audit: None,
            cut_off: None,
        }
    }
}

/// When a run began.
pub fn started(run: &RunRecord) -> Option<Timestamp> {
    parse_time(&run.started).ok()
}
