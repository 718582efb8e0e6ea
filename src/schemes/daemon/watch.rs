//! What should have been and was not: overdue backups, verifications and drills; and the week in short.
//! It promises that each is told once a day at most, also over restarts, and that a daemon which only
//! just began to know a scheme does not call it late.

use super::notices::blank;
use crate::clock::Timestamp;
use crate::schemes::config::{Config, Occasion, Scheme};
use crate::schemes::notice::Notice;
use crate::schemes::run::{RunOutcome, RunRecord, StepKind};
use crate::schemes::runner::{is_full, is_proof, last, started};
use crate::schemes::scheduler::Timing;
use crate::storage::state_file;
use crate::values::format_time;
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

/// A scheme as the watch sees it.
pub struct Watched<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the configuration says.
    pub scheme: &'a Scheme,
    /// Its slots.
    pub timing: &'a Timing,
    /// When it was first seen.
    pub since: Timestamp,
    /// Its runs, oldest first.
    pub runs: &'a [RunRecord],
}

fn seconds(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// What of `watched` is overdue at `now`, by the name of the thing.
pub fn overdue(config: &Config, watched: &Watched<'_>, now: Timestamp) -> Vec<(String, Notice)> {
    let grace = watched.scheme.overdue_after.map_or(DAY, |span| seconds(span.0));
    let mut found = Vec::new();
    let mut add = |thing: &str, last: Option<Timestamp>| {
        let code = format!("{thing}-overdue");
        let mut notice = blank(config, Some(watched.name), Occasion::Overdue, &code, now);
        notice.title = format!("{thing} of `{}` is overdue", watched.name);
        notice.lines.push(match last {
            Some(last) => format!("the last good one was on {}", format_time(last)),
            None => "there never was a good one".into(),
        });
        found.push((format!("{}/{thing}", watched.name), notice));
    };
    let good = watched.runs.iter().rev().find(|run| run.has_backup()).and_then(started);
    let deadline = now.plus_seconds(-grace);
    let slot = watched.timing.slots.as_ref().and_then(|slots| slots.last_due(deadline));
    if slot.is_some_and(|slot| slot > watched.since && good.is_none_or(|good| good < slot)) {
        add("backup", good);
    }
    let every = [
        ("verification", watched.scheme.verify_every, last(watched.runs, StepKind::Verify, is_full)),
        ("drill", watched.scheme.drill_every, last(watched.runs, StepKind::Drill, is_proof)),
    ];
    for (thing, every, last) in every {
        let Some(every) = every.map(|span| seconds(span.0)) else { continue };
        let from = last.unwrap_or(watched.since);
        if now.seconds.saturating_sub(from.seconds) > every.saturating_add(grace) {
            add(thing, last);
        }
    }
    found
}

/// Whether the digest is due at `now`: on Mondays, in the morning of the practice; the Monday.
pub fn digest_day(config: &Config, now: Timestamp) -> Option<String> {
    let zone = config.practice.zone();
    let mondays = crate::schedule::Slots::weekly(Some(1), &[(DIGEST / 60) as u16], zone).ok()?;
    let slot = mondays.last_due(now).filter(|slot| now.seconds - slot.seconds < DAY / 2)?;
    mondays.day(slot).map(|day| day.to_string())
}

/// The week before `now` in short.
pub fn digest<'a>(config: &Config, schemes: impl Iterator<Item = Watched<'a>>, now: Timestamp) -> Notice {
    let mut notice = blank(config, None, Occasion::Digest, "digest", now);
    notice.title = "the backups of the week".into();
    for watched in schemes {
        let week = now.plus_seconds(-7 * DAY);
        let runs = watched.runs.iter().filter(|run| started(run).is_some_and(|time| time > week));
        let (mut all, mut good, mut bad) = (0, 0, 0);
        for run in runs {
            all += 1;
            good += usize::from(run.has_backup());
            bad += usize::from(matches!(run.outcome, RunOutcome::Failed | RunOutcome::Damage));
        }
        let last = watched.runs.iter().rev().find(|run| run.has_backup()).and_then(started);
        let last = last.map_or("never".to_owned(), format_time);
        notice.lines.push(format!(
            "{}: {all} runs, {good} with a good backup, {bad} with something that failed; the last good one: {last}",
            watched.name
        ));
        notice
            .facts
            .insert(watched.name.to_owned(), serde_json::json!({ "runs": all, "good": good, "failed": bad }));
    }
    notice
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::parse_time;

    #[test]
    fn what_is_late_is_told_once_a_day_and_never_too_early() {
        let text = "version = 1\n[practice]\ntime-zone = \"UTC\"\n[container.c]\npath = \"/c\"\nencryption = false\n\
                    [scheme.n]\nsource = \"attachments\"\nattachments = [\"/a\"]\nto = \"c\"\ntimes = [\"22:00\"]\n\
                    verify-every = \"7d\"\n";
        let config = Config::parse(text, "t").expect("good");
        let scheme = config.scheme("n").expect("there");
        let timing = Timing::of(&config, scheme).expect("good");
        let at = |text: &str| parse_time(text).expect("time");
        let since = at("2026-11-20T23:00:00Z");
        let things = |now: &str| {
            let watched = Watched { name: "n", scheme, timing: &timing, since, runs: &[] };
            overdue(&config, &watched, at(now)).into_iter().map(|(thing, _)| thing).collect::<Vec<_>>()
        };
        assert!(things("2026-11-22T21:59:00Z").is_empty(), "its first slot is not a day old");
        assert_eq!(things("2026-11-22T22:00:00Z"), ["n/backup"]);
        assert_eq!(things("2026-11-28T23:00:01Z"), ["n/backup", "n/verification"]);
        let state = tempfile::tempdir().expect("folder");
        let mut told = Told::load(state.path());
        assert!(told.is_new(state.path(), "n/backup", "2026-11-22"));
        let mut told = Told::load(state.path());
        assert!(!told.is_new(state.path(), "n/backup", "2026-11-22"));
        assert!(told.is_new(state.path(), "n/backup", "2026-11-23"));
        assert_eq!(digest_day(&config, at("2026-11-23T06:59:00Z")), None);
        assert_eq!(digest_day(&config, at("2026-11-23T07:00:00Z")).as_deref(), Some("2026-11-23"));
        assert_eq!(digest_day(&config, at("2026-11-24T07:00:00Z")), None);
    }
}
