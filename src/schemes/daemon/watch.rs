//! The week in short, on Mondays. It promises that it is told once, also over restarts.

use crate::clock::Timestamp;
use crate::schemes::audit::AuditLog;
use crate::schemes::config::Config;
use crate::schemes::history::History;
use crate::schemes::notice::Notice;
use crate::schemes::notices;
use crate::schemes::run::RunRecord;
use crate::schemes::runner::started;
use crate::storage::state_file;
use crate::values::rfc3339;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Version of the file.
const VERSION: u32 = 1;
const DAY: i64 = 86_400;
/// The time of day of the digest, in seconds after midnight.
const DIGEST: i64 = 7 * 3600;

/// What was told on which day, `STATE/told.json`. Lost, it is told again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Told {
    version: u32,
    days: BTreeMap<String, String>,
}

impl Told {
    fn file(state: &Path) -> PathBuf {
        state.join("told.json")
    }

    /// What is kept of it.
    pub fn load(state: &Path) -> Told {
        let text = std::fs::read(Told::file(state)).unwrap_or_default();
        serde_json::from_slice(&text).ok().filter(|told: &Told| told.version == VERSION).unwrap_or_default()
    }

    /// Whether `thing` is still to be told on `day`; from now on it is told.
    pub fn is_new(&mut self, state: &Path, thing: &str, day: &str) -> bool {
        if self.days.get(thing).is_some_and(|told| told == day) {
            return false;
        }
        self.version = VERSION;
        self.days.insert(thing.to_owned(), day.to_owned());
        if let Ok(text) = serde_json::to_vec(self) {
            let _ = state_file::replace(&Told::file(state), &text);
        }
        true
    }
}

/// Whether the digest is due at `now`: on Mondays, in the morning of the practice; the Monday.
pub fn digest_day(config: &Config, now: Timestamp) -> Option<String> {
    let zone = config.practice.zone();
    let mondays = crate::schedule::Slots::weekly(Some(1), &[(DIGEST / 60) as u16], zone).ok()?;
    let slot = mondays.last_due(now).filter(|slot| now.seconds - slot.seconds < DAY / 2)?;
    mondays.day(slot).map(|day| day.to_string())
}

/// The week before `now` in short.
pub fn digest(config: &Config, state: &Path, answer: &str, now: Timestamp) -> Notice {
    let week = now.plus_seconds(-7 * DAY);
    let history = History::at(state);
    let of = |name: &String| {
        let mut runs = history.runs(name).0;
        runs.retain(|run| started(run).is_some_and(|time| time > week));
        (name.clone(), runs)
    };
    let runs: Vec<(String, Vec<RunRecord>)> = config.scheme.keys().map(of).collect();
    let runs = runs.iter().map(|(name, runs)| (name.as_str(), runs.as_slice()));
    let mut notice = notices::of_week(config.practice.name.as_deref(), &rfc3339(now), answer, runs);
    // Kept elsewhere, it witnesses for the log.
    if let Some(head) =
        AuditLog::at(state).head().filter(|head| head.hash.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        let line =
            format!("Keep this for the audit log: coffer audit verify --head {}:{}", head.number, head.hash);
        notice.lines.push(line);
    }
    notice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::parse_time;

    #[test]
    fn the_digest_is_due_on_monday_mornings_and_told_once() {
        let text = "version = 1\n[practice]\ntime-zone = \"Europe/Berlin\"\n";
        let config = Config::parse(text, "t").expect("good");
        let day = |time: &str| digest_day(&config, parse_time(time).expect("time"));
        assert_eq!(day("2026-11-23T05:59:00Z"), None);
        assert_eq!(day("2026-11-23T06:00:00Z").as_deref(), Some("2026-11-23"));
        assert_eq!(day("2026-11-24T06:00:00Z"), None);
        let state = tempfile::tempdir().expect("folder");
        assert!(Told::load(state.path()).is_new(state.path(), "digest", "2026-11-23"));
        assert!(!Told::load(state.path()).is_new(state.path(), "digest", "2026-11-23"));
        assert!(Told::load(state.path()).is_new(state.path(), "digest", "2026-11-30"));
        let digest =
            digest(&config, state.path(), "protected", parse_time("2026-11-23T06:00:00Z").expect("time"));
        assert_eq!(digest.code, "digest");
    }
}
