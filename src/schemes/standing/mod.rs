//! How the practice stands: are we protected? It promises an answer from what is on this machine
//! alone (the history, the audit log, the clear part of each container's file), without any secret,
//! and that "protected" is never said while a scheme has no good backup, its container is not what the
//! last run made, or that run is too old.

mod container;
mod forecast;
mod judge;
mod looked;
mod past;
mod scheme;

pub use container::{ContainerStanding, FileState};
pub use forecast::{Forecast, forecast};
pub use looked::Looked;
pub use scheme::{LastRun, Proof, SchemeStanding};

use super::audit::{self, AuditLog};
use super::config::Config;
use super::history::History;
use super::notify::{self, Kept};
use crate::clock::Timestamp;
use crate::values::rfc3339;
use past::Past;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Every scheme has a good, recent backup, and nothing needs a look.
    Protected,
    /// There are backups, and something needs a look.
    Attention,
    /// Something is not backed up, or the backup is not there.
    NotProtected,
}

/// Why the answer is not better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// How bad it is.
    pub answer: Answer,
    /// The stable word, as in notices.
    pub code: &'static str,
    /// The scheme it is about.
    pub scheme: Option<String>,
    /// The container it is about.
    pub container: Option<String>,
    /// What it is, for people.
    pub text: String,
}

/// How all stands.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// As of when (RFC 3339).
    pub time: String,
    /// The practice.
    pub practice: Option<String>,
    /// The zone of its times; `None`: that of the machine.
    pub zone: Option<String>,
    /// The answer.
    pub answer: Answer,
    /// Why it is not better.
    pub reasons: Vec<Reason>,
    /// The schemes, by name.
    pub schemes: BTreeMap<String, SchemeStanding>,
    /// The containers that schemes save to, by name.
    pub containers: BTreeMap<String, ContainerStanding>,
    /// What last came of each way to tell people.
    pub notify: BTreeMap<String, Kept>,
}

/// How everything that `config` names stands at `now`, with its folder of state `state`.
pub fn standing(config: &Config, state: &Path, now: Timestamp) -> Standing {
    let mut past = Past::read(config, state);
    let later = past.set_aside_future(now);
    let containers = container::all(config, state, &past, now);
    let schemes: BTreeMap<String, SchemeStanding> = config
        .scheme
        .iter()
        .map(|(name, scheme)| (name.clone(), scheme::stands(config, name, scheme, &past, now)))
        .collect();
    let mut notify = notify::kept(state);
    notify.retain(|name, _| config.notify.contains_key(name));
    let mut reasons = judge::reasons(config, &schemes, &containers, &notify);
    reasons.extend(past.unreadable.iter().map(|text| Reason {
        answer: Answer::Attention,
        code: "history",
        scheme: None,
        container: None,
        text: text.clone(),
    }));
    if later > 0 {
        let text = format!("{later} runs are dated later than now: the clock was wrong; they do not count");
        let answer = Answer::Attention;
        reasons.push(Reason { answer, code: "clock", scheme: None, container: None, text });
    }
    if let Some(text) = chain(state) {
        let answer = Answer::Attention;
        reasons.push(Reason { answer, code: "audit", scheme: None, container: None, text });
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.answer));
    let answer = reasons.iter().map(|reason| reason.answer).max().unwrap_or(Answer::Protected);
    let practice = config.practice.name.clone();
    let zone = config.practice.zone().map(str::to_owned);
    Standing { time: rfc3339(now), practice, zone, answer, reasons, schemes, containers, notify }
}

/// What is wrong with the audit log.
fn chain(state: &Path) -> Option<String> {
    let (line, what) = audit::verify(&AuditLog::at(state), &History::at(state).witnesses()).ok()?.broken?;
    Some(format!("the audit log is broken at line {line}, which {what}"))
}

impl Standing {
    /// Whether there are backups to go back to, with nothing missing in the newest of each scheme.
    pub fn is_protected(&self) -> bool {
        self.answer != Answer::NotProtected && !self.is_in_part()
    }

    /// Whether something is missing in the newest backup of a scheme.
    pub fn is_in_part(&self) -> bool {
        self.reasons.iter().any(|reason| reason.code == judge::PARTIAL)
    }
}

impl Answer {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Protected => "protected",
            Answer::Attention => "attention",
            Answer::NotProtected => "not-protected",
        }
    }
}
