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
pub use scheme::{LastRun, Proof, Removed, SchemeStanding};

use super::audit::{self, AuditLog};
use super::config::Config;
use super::history::History;
use super::notify::{self, Kept};
use crate::clock::Timestamp;
use crate::error::Kind;
use crate::values::{format_count, rfc3339};
use past::Past;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
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
        .map(|(name, scheme)| {
            let id = containers.get(scheme.to.get_ref()).and_then(|found| found.id.as_deref());
            (name.clone(), scheme::stands(config, name, scheme, &past, id, now))
        })
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
        let (count, are) = (format_count(later as u64, "run"), if later == 1 { "is" } else { "are" });
        let text = format!("{count} {are} dated later than now: the clock was wrong; that does not count");
        let answer = Answer::Attention;
        reasons.push(Reason { answer, code: "clock", scheme: None, container: None, text });
    }
    let is_run = past.runs.values().any(|runs| !runs.is_empty());
    let own = [("audit", chain(state, is_run)), ("state", refusal(state))];
    for (code, text) in own.into_iter().filter_map(|(code, text)| Some((code, text?))) {
        reasons.push(Reason { answer: Answer::Attention, code, scheme: None, container: None, text });
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.answer));
    let answer = reasons.iter().map(|reason| reason.answer).max().unwrap_or(Answer::Protected);
    let practice = config.practice.name.clone();
    let zone = config.practice.zone().map(str::to_owned);
    Standing { time: rfc3339(now), practice, zone, answer, reasons, schemes, containers, notify }
}

/// What is wrong with the audit log; there must be one where runs were made.
fn chain(state: &Path, is_run: bool) -> Option<String> {
    let found = match audit::verify(&AuditLog::at(state), &History::at(state).witnesses()) {
        Ok(found) => found,
        Err(error) if error.kind() != Kind::NotFound => return Some(format!("the audit log: {error}")),
        Err(_) => {
            return is_run.then(|| "there is no audit log, though there are runs: was it removed?".into());
        }
    };
    match (found.broken, found.head_fault) {
        (Some((line, what)), _) => Some(format!("the audit log is broken at line {line}, which {what}")),
        (None, Some(what)) => Some(format!("the second copy of the audit log's head {what}")),
        (None, None) => None,
    }
}

/// Why nothing can be kept in the folder of state, as far as whoever asks may know.
fn refusal(state: &Path) -> Option<String> {
    let is_own = std::fs::metadata(state).ok()?.uid() == rustix::process::geteuid().as_raw();
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    let refused = rustix::fs::access(state, access).err()?;
    cannot_begin(state, refused, is_own)
}

fn cannot_begin(state: &Path, refused: rustix::io::Errno, is_own: bool) -> Option<String> {
    let is_meant = match refused {
        rustix::io::Errno::ROFS => true,
        // Others than its owner run nothing here.
        rustix::io::Errno::ACCESS => is_own,
        _ => false,
    };
    is_meant.then(|| format!("no run can begin: {} cannot be written", state.display()))
}

impl Standing {
    /// Adds what was found elsewhere; the answer becomes no better by it.
    pub fn add(&mut self, reason: Reason) {
        self.answer = self.answer.max(reason.answer);
        self.reasons.push(reason);
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.answer));
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn a_folder_that_cannot_be_written_is_said_by_whom_it_concerns() {
        let said = |refused, is_own| cannot_begin(Path::new("/state"), refused, is_own).is_some();
        assert!(said(Errno::ROFS, false) && said(Errno::ACCESS, true));
        assert!(!said(Errno::ACCESS, false) && !said(Errno::NOSYS, true));
        let state = tempfile::tempdir().expect("folder");
        assert_eq!(refusal(state.path()), None);
        assert_eq!(refusal(&state.path().join("none")), None);
    }
}
