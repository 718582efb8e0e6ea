//! What nobody does but time brings about, beside what is overdue: space that runs out, a container that
//! is gone or older than it should be, an audit log that was changed. Whoever tells these tells each
//! once a day.

use super::{name, notice};
use crate::schemes::config::Occasion;
use crate::schemes::notice::Notice;
use crate::schemes::standing::{Reason, Standing};

/// The reasons that are told from here, with their occasions.
fn occasion(code: &str) -> Option<Occasion> {
    match code {
        "space" => Some(Occasion::Space),
        "container-missing" | "container-unreadable" | "rollback" => Some(Occasion::Failure),
        "audit" => Some(Occasion::Warning),
        _ => None,
    }
}

/// The notices that `standing` calls for, each with the name of the thing.
pub fn notices(standing: &Standing) -> Vec<(String, Notice)> {
    let one = |reason: &Reason| {
        let about = reason.container.as_deref().unwrap_or("log");
        let notice = of_reason(standing, reason, occasion(reason.code)?);
        Some((format!("{about}/{}", reason.code), notice))
    };
    standing.reasons.iter().filter_map(one).collect()
}

fn of_reason(standing: &Standing, reason: &Reason, occasion: Occasion) -> Notice {
    let about = reason.container.as_deref().and_then(name).unwrap_or("Coffer");
    let (what, remedy) = words(reason.code);
    let title = format!("{about}: {what}");
    let mut notice = notice(standing.practice.as_deref(), &standing.time, occasion, reason.code, title);
    let container = reason.container.as_ref().and_then(|container| standing.containers.get(container));
    if let Some(forecast) = container.and_then(|container| container.forecast) {
        if let Some(days) = forecast.days {
            notice.lines.push(format!("At its present growth the space will last about {days} days."));
        }
        notice.facts.insert("forecast".into(), serde_json::to_value(forecast).unwrap_or_default());
    }
    notice.lines.push(remedy.into());
    notice
}

/// What it is, and what to do.
fn words(code: &str) -> (&'static str, &'static str) {
    match code {
        "space" => (
            "the space will not last",
            "Make room on the disk, raise the maximum size, or keep fewer snapshots: coffer prune",
        ),
        "container-missing" => (
            "the backup file is not there",
            "Look whether it was moved or deleted; a copy can take its place.",
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
