//! The evidence of a period, to print and to keep: what ran, what failed, what was proven, who did what,
//! and what is missing.
//!
//! It promises to speak of readiness, to say what is missing as plainly as what is there, to name no
//! file of the practice, and to carry the head of the audit log, so that paper witnesses for it. Coffer
//! deletes no record that it is made of.

mod evidence;
mod page;
mod period;
#[cfg(test)]
mod tests;

pub use evidence::Evidence;
pub use page::html;
pub use period::{Period, instant};

use super::audit::{self, AuditLog, Entry, Head};
use super::config::Config;
use super::history::History;
use super::run::{RunOutcome, RunRecord, StepKind};
use super::standing::{self, ContainerStanding, Reason};
use crate::clock::Timestamp;
use crate::operations::session::host_name;
use crate::values::{parse_time, rfc3339};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the report's form.
pub const FORM: u32 = 1;

/// The evidence of a period.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`FORM`].
    pub form: u32,
    /// The practice.
    pub practice: Option<String>,
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// When the report was made.
    pub made: String,
    /// The machine that it was made on.
    pub machine: String,
    /// The version of the program.
    pub program: &'static str,
    /// How all stands when the report is made, in a word.
    pub answer: &'static str,
    /// Why that is not better.
    pub reasons: Vec<Reason>,
    /// The schemes, by name.
    pub schemes: BTreeMap<String, SchemeReport>,
    /// The containers, by name, when the report is made.
    pub containers: BTreeMap<String, ContainerStanding>,
    /// What people and schemes did in the period.
    pub acts: Vec<Entry>,
    /// The newest line of the audit log.
    pub head: Option<Head>,
    /// What is wrong with the audit log.
    pub chain: Option<String>,
    /// What the rules ask for, with what there is and what is missing.
    pub evidence: Vec<Evidence>,
}

/// A scheme in a period.
#[derive(Clone, Debug, Default, Serialize)]
pub struct SchemeReport {
    /// Runs.
    pub runs: u64,
    /// Those of them with everything done.
    pub done: u64,
    /// Those with a backup that is kept, and something to look at.
    pub partial: u64,
    /// Those without a backup.
    pub failed: u64,
    /// Those that were cut off: the machine or program died.
    pub broken_off: u64,
    /// Those that go on.
    pub running: u64,
    /// Days with a slot that no good backup followed before the next.
    pub gaps: Vec<String>,
    /// How many verifications ran, and how many found damage.
    pub verifications: (u64, u64),
    /// How often retention was applied.
    pub prunes: u64,
    /// Copies to other containers, and how many failed.
    pub copies: (u64, u64),
    /// Drills: when, how each ended, and how long recovery took in milliseconds.
    pub drills: Vec<(String, RunOutcome, Option<u64>)>,
    /// The runs that did not end well: when, and the stable word.
    pub troubles: Vec<(String, RunOutcome, String)>,
}

/// The report of `period` on what `config` names, as of `now`.
pub fn report(config: &Config, state: &Path, period: &Period, now: Timestamp) -> Report {
    let (history, log) = (History::at(state), AuditLog::at(state));
    let stands = standing::standing(config, state, now);
    let schemes: BTreeMap<String, SchemeReport> = config
        .scheme
        .keys()
        .map(|name| (name.clone(), of_scheme(config, name, &history.runs(name).0, period, now)))
        .collect();
    let is_within = |time: &str| parse_time(time).is_ok_and(|time| period.holds(time));
    let mut acts = audit::entries(&log).unwrap_or_default();
    let all_acts = acts.clone();
    acts.retain(|act| is_within(&act.time));
    let verified = audit::verify(&log, &history.witnesses());
    let head = verified.as_ref().ok().and_then(|verified| verified.head.clone());
    let chain = match verified.map(|verified| verified.broken) {
        Ok(None) => None,
        Ok(Some((line, what))) => Some(format!("line {line} {what}")),
        Err(error) => Some(error.message().to_owned()),
    };
    let facts =
        evidence::Facts { config, schemes: &schemes, acts: &all_acts, period, chain: chain.as_deref() };
    let evidence = evidence::evidence(&facts);
    Report {
        form: FORM,
        practice: config.practice.name.clone(),
        from: period.first_day(),
        to: period.last_day(),
        made: rfc3339(Timestamp { nanoseconds: 0, ..now }),
        machine: host_name(),
        program: env!("CARGO_PKG_VERSION"),
        answer: stands.answer.word(),
        reasons: stands.reasons,
        schemes,
        containers: stands.containers,
        acts,
        head,
        chain,
        evidence,
    }
}

fn of_scheme(
    config: &Config,
    name: &str,
    runs: &[RunRecord],
    period: &Period,
    now: Timestamp,
) -> SchemeReport {
    let mut found = SchemeReport::default();
    let is_within = |run: &&RunRecord| parse_time(&run.started).is_ok_and(|time| period.holds(time));
    for run in runs.iter().filter(is_within) {
        found.add(run);
    }
    if let Some(scheme) = config.scheme.get(name).filter(|scheme| scheme.enabled) {
        let slots = scheme.slots(config.practice.zone()).ok().flatten();
        found.gaps = slots.map(|slots| period.gaps(&slots, runs, now)).unwrap_or_default();
    }
    found
}

impl SchemeReport {
    fn add(&mut self, run: &RunRecord) {
        self.runs += 1;
        match (run.outcome, run.has_backup()) {
            (RunOutcome::Running, _) => self.running += 1,
            (RunOutcome::CutOff, _) => self.broken_off += 1,
            (RunOutcome::Done, _) => self.done += 1,
            (_, true) => self.partial += 1,
            (_, false) => self.failed += 1,
        }
        if !matches!(run.outcome, RunOutcome::Done | RunOutcome::Running) {
            let worst = run.steps.iter().max_by_key(|step| step.outcome);
            let code = worst.and_then(|step| step.code.as_deref()).map(super::notices::words::known);
            self.troubles.push((run.started.clone(), run.outcome, code.unwrap_or("-").into()));
        }
        for step in run.steps.iter().filter(|step| step.outcome != RunOutcome::Skipped) {
            let is_bad = !step.outcome.is_good();
            match step.step {
                StepKind::Verify => {
                    self.verifications.0 += 1;
                    self.verifications.1 += u64::from(step.outcome == RunOutcome::Damage);
                }
                StepKind::Prune => self.prunes += u64::from(!is_bad),
                StepKind::Copy => {
                    self.copies.0 += 1;
                    self.copies.1 += u64::from(is_bad);
                }
                StepKind::Drill => {
                    let recovery = step.result.get("recovery_ms").and_then(serde_json::Value::as_u64);
                    self.drills.push((step.started.clone(), step.outcome, recovery));
                }
                _ => {}
            }
        }
    }
}
