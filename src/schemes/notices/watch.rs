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
use std::path::Path;

/// After how long it is told again, in seconds.
const AGAIN: i64 = 86_400;
/// Runs begin a little earlier or later each day.
const SLACK: i64 = 1800;
const FILE: &str = "watch.json";

/// What was told, by what it is about, and when (seconds since 1970).
#[derive(Default, Serialize, Deserialize)]
struct Told(BTreeMap<String, i64>);

/// The reasons that no run tells of, with their occasions.
fn occasion(code: &str) -> Option<Occasion> {
    match code {
        "overdue" | "no-backup" | "verify-overdue" | "drill-overdue" => Some(Occasion::Overdue),
        "space" => Some(Occasion::Space),
        "container-missing" | "container-unreadable" | "container-damaged" | "rollback" => {
            Some(Occasion::Failure)
        }
        "cut-off" => Some(Occasion::Failure),
        "container-worn" | "audit" => Some(Occasion::Warning),
        _ => None,
    }
}

/// The notices that `standing` calls for now and that were not told of late; they count as told.
///
/// Errors: none of its own; an error of the memory is returned beside the notices.
pub fn due(standing: &Standing, state: &Path) -> (Vec<Notice>, io::Result<()>) {
    let now = parse_time(&standing.time).map_or(0, |time: Timestamp| time.seconds);
    let file = state.join(FILE);
    let told: Told =
        std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let mut kept = Told::default();
    let mut notices = Vec::new();
    for reason in &standing.reasons {
        let Some(occasion) = occasion(reason.code) else { continue };
        let about = reason.scheme.as_deref().or(reason.container.as_deref()).unwrap_or_default();
        let key = format!("{} {about}", reason.code);
        let last = told.0.get(&key).copied().filter(|last| *last <= now);
        let is_due = last.is_none_or(|last| now.saturating_sub(last) >= AGAIN - SLACK);
        kept.0.insert(key, if is_due { now } else { last.unwrap_or(now) });
        if is_due {
            notices.push(of_reason(standing, reason, occasion));
        }
    }
    let write = || {
        state_file::create_private(state)?;
        state_file::replace(&file, &serde_json::to_vec(&kept)?)
    };
    let is_same = kept.0 == told.0;
    (notices, if is_same { Ok(()) } else { write() })
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
        "rollback" => (
            "the backup file is older than it should be",
            "Somebody put an older state or another file in its place; put the right one there.",
        ),
        _ => (
            "the audit log was changed",
            "Run: coffer audit verify; compare with the head on the last printed report.",
        ),
    }
}
