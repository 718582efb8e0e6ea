//! What nobody does but time brings about: backups, verifications and drills that are overdue, space
//! that runs out, media that are gone. It promises that each is told when it begins, and again once a
//! day while it lasts (`STATE/watch.json`); a lost or damaged memory tells once more, never less.

use super::{name, notice};
use crate::clock::Timestamp;
use crate::schemes::config::Occasion;
use crate::schemes::notice::Notice;
use crate::schemes::standing::{Reason, Standing};
use crate::storage::state_file;
use crate::values::{format_stored, parse_time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// After how long it is told again, in seconds.
const AGAIN: i64 = 86_400;
/// Runs begin a little earlier or later each day.
const SLACK: i64 = 1800;
const FILE: &str = "watch.json";

/// What was told, by what it is about, and when (seconds since 1970).
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told(BTreeMap<String, i64>);

/// What was told, in memory and, where that can be written, in a file.
pub struct Memory {
    file: PathBuf,
    told: Told,
    kept: Told,
}

/// The reasons that no run tells of, with their occasions.
fn occasion(code: &str) -> Option<Occasion> {
    match code {
        "overdue" | "no-backup" | "verify-overdue" | "drill-overdue" => Some(Occasion::Overdue),
        "space" => Some(Occasion::Space),
        "container-missing"
        | "container-unreadable"
        | "container-short"
        | "container-damaged"
        | "no-snapshot"
        | "no-scheme"
        | "damage"
        | "rollback"
        | "cut-off" => Some(Occasion::Failure),
        // Runs tell of these themselves.
        "backup-failed" | "warnings" | "partial" | "notify" | "not-mounted" => None,
        _ => Some(Occasion::Warning),
    }
}

impl Memory {
    /// What was told according to the folder `state`.
    pub fn load(state: &Path) -> Memory {
        let file = state.join(FILE);
        let kept: Told =
            std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Memory { file, told: kept.clone(), kept }
    }

    /// The notices that `standing` calls for now and that were not told of late, without those that
    /// somebody else `will_tell`; they count as told.
    ///
    /// Errors: none of its own; an error of the file is returned beside the notices, which are not told
    /// again for that.
    pub fn due(
        &mut self,
        standing: &Standing,
        will_tell: &dyn Fn(&Reason) -> bool,
    ) -> (Vec<Notice>, io::Result<()>) {
        let now = parse_time(&standing.time).map_or(0, |time: Timestamp| time.seconds);
        let mut told = Told::default();
        let mut notices = Vec::new();
        for reason in &standing.reasons {
            let Some(occasion) = occasion(reason.code) else { continue };
            let about = reason.scheme.as_deref().or(reason.container.as_deref()).unwrap_or_default();
            let key = format!("{} {about}", reason.code);
            let last = self.told.0.get(&key).copied().filter(|last| *last <= now);
            if will_tell(reason) {
                last.into_iter().for_each(|last| _ = told.0.insert(key.clone(), last));
                continue;
            }
            let is_due = last.is_none_or(|last| now.saturating_sub(last) >= AGAIN - SLACK);
            told.0.insert(key, if is_due { now } else { last.unwrap_or(now) });
            if is_due {
                notices.push(of_reason(standing, reason, occasion));
            }
        }
        self.told = told;
        (notices, self.keep())
    }

    fn keep(&mut self) -> io::Result<()> {
        if self.kept == self.told {
            return Ok(());
        }
        self.file.parent().map_or(Ok(()), state_file::create_private)?;
        state_file::replace(&self.file, &serde_json::to_vec(&self.told)?)?;
        self.kept = self.told.clone();
        Ok(())
    }
}

fn of_reason(standing: &Standing, reason: &Reason, occasion: Occasion) -> Notice {
    let about = reason.scheme.as_deref().or(reason.container.as_deref()).and_then(name).unwrap_or("Coffer");
    let (what, remedy) = words(reason.code);
    let zone = standing.zone.as_deref();
    let title = format!("{about}: {what}");
    let mut notice = notice(standing.practice.as_deref(), &standing.time, occasion, reason.code, title);
    notice.scheme = reason.scheme.as_deref().and_then(name).map(str::to_owned);
    let scheme = reason.scheme.as_ref().and_then(|scheme| standing.schemes.get(scheme));
    if let Some(last) = scheme.and_then(|scheme| scheme.last_success.as_ref()) {
        notice
            .lines
            .push(format!("The last complete backup began at {}.", format_stored(&last.started, zone)));
        notice.facts.insert("last_success".into(), last.started.clone().into());
    }
    let container = reason.container.as_ref().and_then(|container| standing.containers.get(container));
    if let Some(forecast) = container.and_then(|container| container.forecast) {
        if let Some(days) = forecast.days {
            notice.lines.push(format!("At its present growth the space will last about {days} days."));
        }
        notice.facts.insert("forecast".into(), serde_json::to_value(forecast).unwrap_or_default());
    }
    notice.lines.push(super::named(remedy, reason.scheme.as_deref()));
    notice
}

/// What it is, and what to do.
fn words(code: &str) -> (&'static str, &'static str) {
    match code {
        "overdue" => (
            "no good backup when there should be one",
            "Look whether this machine was on and the backup disk connected; then run: coffer scheme run",
        ),
        "no-backup" => ("there is no good backup yet", "Make the first one: coffer scheme run"),
        "cut-off" => (
            "the last run was cut off",
            "Look whether this machine was switched off or short of memory; then run: coffer scheme run",
        ),
        "verify-overdue" => ("a full verification is overdue", "Run: coffer verify --level full"),
        "drill-overdue" => ("a trial restore is overdue", "Run: coffer drill"),
        "space" => (
            "the space will not last",
            "Make room on the disk, raise the maximum size, or keep fewer snapshots: coffer prune",
        ),
        "container-missing" => (
            "the backup file is not there",
            "Look whether it was moved or deleted; a copy can take its place.",
        ),
        "container-damaged" => (
            "the backup file is damaged",
            "Keep the file. Run: coffer verify, which says what the damage touches; then: coffer repair",
        ),
        "container-worn" => (
            "a part of the backup file is damaged, and can still be mended",
            "Run: coffer repair. Look at the disk: it may be dying.",
        ),
        "container-unreadable" => {
            ("the backup file cannot be read", "Look at the disk; then run: coffer verify")
        }
        "container-short" => (
            "the backup file was cut off",
            "Keep the file. Run: coffer verify, which says what is lost; a copy can take its place.",
        ),
        "damage" => (
            "damage was found in the backup",
            "Run: coffer verify, which says what it touches; then: coffer repair. Keep the file.",
        ),
        "no-snapshot" => (
            "all snapshots were removed from the backup file",
            "Find out who did it: coffer audit list. Make a backup now: coffer scheme run",
        ),
        "no-scheme" => ("no scheme is switched on", "Nothing is backed up: coffer scheme enable"),
        "rollback" => (
            "the backup file is older than it should be",
            "Somebody put an older state or another file in its place; put the right one there.",
        ),
        "audit" => (
            "the audit log was changed",
            "Run: coffer audit verify; compare with the head on the last printed report.",
        ),
        _ => ("something needs a look", "Run: coffer status, which says what it is."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemes::standing::Answer;

    fn standing(time: &str, code: &'static str) -> Standing {
        let scheme = Some("nightly".to_owned());
        let reason =
            Reason { answer: Answer::NotProtected, code, scheme, container: None, text: String::new() };
        Standing {
            time: time.into(),
            practice: None,
            zone: None,
            answer: Answer::NotProtected,
            reasons: vec![reason],
            schemes: BTreeMap::new(),
            containers: BTreeMap::new(),
            notify: BTreeMap::new(),
        }
    }

    #[test]
    fn what_lasts_is_told_once_a_day_though_nothing_can_be_kept() {
        let folder = tempfile::tempdir().expect("folder");
        // A file where the folder of state should be: nothing can be written.
        let state = folder.path().join("state");
        std::fs::write(&state, "").expect("file");
        let mut memory = Memory::load(&state);
        let mut told = |time: &str| {
            let (notices, kept) = memory.due(&standing(time, "overdue"), &|_| false);
            assert!(kept.is_err() || notices.is_empty(), "it was kept");
            notices.len()
        };
        assert_eq!(told("2026-01-01T10:00:00Z"), 1);
        assert_eq!(told("2026-01-01T11:00:00Z"), 0);
        assert_eq!(told("2026-01-02T10:00:00Z"), 1);
    }

    #[test]
    fn what_a_run_will_tell_is_told_when_it_did_not() {
        let folder = tempfile::tempdir().expect("folder");
        let mut memory = Memory::load(folder.path());
        let found = standing("2026-01-01T10:00:00Z", "overdue");
        assert!(memory.due(&found, &|_| true).0.is_empty());
        assert_eq!(memory.due(&found, &|_| false).0.len(), 1);
        assert!(memory.due(&found, &|_| false).0.is_empty());
        assert!(Memory::load(folder.path()).due(&found, &|_| false).0.is_empty());
    }

    #[test]
    fn every_reason_for_a_no_is_told() {
        for code in ["no-backup", "no-snapshot", "container-short", "damage", "no-scheme", "rollback"] {
            let folder = tempfile::tempdir().expect("folder");
            let found = standing("2026-01-01T10:00:00Z", code);
            let (notices, _) = Memory::load(folder.path()).due(&found, &|_| false);
            assert_eq!(notices.len(), 1, "{code}");
            assert!(!notices[0].title.contains("something needs a look"), "{code} has words of its own");
        }
    }
}
