//! What follows from how schemes, containers and ways to tell people stand.

use super::container::{ContainerStanding, FileState};
use super::scheme::{LastRun, SchemeStanding};
use super::{Answer, Reason};
use crate::schemes::config::Config;
use crate::schemes::notify::Kept;
use crate::schemes::run::RunOutcome;
use crate::values::{format_count, format_stored};
use std::collections::BTreeMap;

/// Days that the space should last at least.
pub const SPACE_DAYS: u64 = 30;

/// The stable word for a backup in which something is missing.
pub const PARTIAL: &str = "partial";

/// Why the answer is not better than it is.
pub(super) fn reasons(
    config: &Config,
    schemes: &BTreeMap<String, SchemeStanding>,
    containers: &BTreeMap<String, ContainerStanding>,
    notify: &BTreeMap<String, Kept>,
) -> Vec<Reason> {
    let mut found = Vec::new();
    if !config.scheme.values().any(|scheme| scheme.enabled) {
        let text = "no scheme is enabled: nothing is backed up by itself".to_owned();
        found.push(Reason {
            answer: Answer::NotProtected,
            code: "no-scheme",
            scheme: None,
            container: None,
            text,
        });
    }
    let zone = config.practice.zone();
    for (name, _) in schemes.iter().filter(|(_, s)| !s.enabled && schemes.values().any(|s| s.enabled)) {
        let text = format!("{name} is switched off: it backs up nothing until coffer scheme enable {name}");
        let scheme = Some(name.clone());
        let answer = Answer::Attention;
        found.push(Reason { answer, code: "switched-off", scheme, container: None, text });
    }
    schemes.iter().filter(|(_, s)| s.enabled).for_each(|(name, s)| of_scheme(name, s, zone, &mut found));
    containers.iter().for_each(|(name, container)| of_container(name, container, &mut found));
    for (name, kept) in notify {
        if let Some(since) = &kept.failing_since {
            let since = format_stored(since, zone);
            let why = kept.failure.as_deref().unwrap_or("no reason is known");
            let text = format!("`{name}` has failed to tell anybody since {since}: {why}");
            let answer = Answer::Attention;
            found.push(Reason { answer, code: "notify", scheme: None, container: None, text });
        }
    }
    found
}

fn of_scheme(name: &str, scheme: &SchemeStanding, zone: Option<&str>, found: &mut Vec<Reason>) {
    let mut add = |answer, code, text: String| {
        found.push(Reason { answer, code, scheme: Some(name.into()), container: None, text });
    };
    let some = scheme.last_partial.as_ref().filter(|run| !run.is_void).or(scheme.last_success.as_ref());
    match (some, &scheme.overdue) {
        (None, _) => add(Answer::NotProtected, "no-backup", format!("{name}: there is no good backup yet")),
        (Some(_), Some(slot)) => {
            let slot = format_stored(slot, zone);
            add(Answer::NotProtected, "overdue", format!("{name}: no good backup for {slot} or later"));
        }
        (Some(_), None) => {}
    }
    if scheme.by_hand_only {
        let text = format!(
            "{name}: the last good backup is older than a week, and it has no times: it runs only when \
             somebody starts it (coffer scheme edit {name}, with times or overdue-after)"
        );
        add(Answer::Attention, "by-hand-only", text);
    }
    if let Some(removed) = &scheme.removed {
        let (made, time) = (format_stored(&removed.made, zone), format_stored(&removed.removed, zone));
        let text = format!("{name}: the backup of {made} was removed at {time}");
        add(Answer::Attention, "removed", text);
    }
    if let Some(partial) = &scheme.last_partial {
        add(Answer::Attention, PARTIAL, format!("{name}: {}", in_part(name, scheme, partial, zone)));
    }
    match scheme.last_run.as_ref().map(|run| run.outcome) {
        Some(RunOutcome::Damage) => {
            add(Answer::NotProtected, "damage", format!("{name}: the last run found damage"));
        }
        Some(RunOutcome::Failed | RunOutcome::Interrupted) => {
            let code = scheme.last_run.as_ref().and_then(|run| run.code.as_deref()).unwrap_or("failed");
            add(Answer::Attention, "backup-failed", format!("{name}: the last run failed ({code})"));
        }
        Some(RunOutcome::CutOff) => {
            let time = scheme.last_run.as_ref().and_then(|run| run.cut_off.as_deref()).unwrap_or_default();
            let time = format_stored(time, zone);
            let text = format!("{name}: the last run was cut off at {time}: the program or the machine died");
            add(Answer::Attention, "cut-off", text);
        }
        Some(RunOutcome::Warnings) if scheme.last_partial.is_none() => {
            add(Answer::Attention, "warnings", format!("{name}: the last run ended with warnings"));
        }
        _ => {}
    }
    let proofs = [
        (&scheme.last_verify, scheme.verify_overdue, "verify-overdue", "verification of everything"),
        (&scheme.last_drill, scheme.drill_overdue, "drill-overdue", "drill"),
    ];
    for (proof, is_overdue, code, what) in proofs {
        if proof.as_ref().is_some_and(|proof| proof.outcome == RunOutcome::Damage) {
            let text = format!("{name}: the last {what} did not find everything as it was backed up");
            add(Answer::NotProtected, "damage", text);
        }
        if is_overdue {
            add(Answer::Attention, code, format!("{name}: a {what} is overdue"));
        }
    }
}

/// What is missing in the newest backup, and which was the last without anything missing.
fn in_part(name: &str, scheme: &SchemeStanding, partial: &LastRun, zone: Option<&str>) -> String {
    let time = format_stored(&partial.started, zone);
    let what = match (partial.is_void, partial.is_shrunk, partial.unreadable) {
        (true, ..) => "holds nothing".to_owned(),
        (false, true, _) => {
            let named =
                Some(crate::schemes::runner::what_shrank(&partial.shrunk)).filter(|named| !named.is_empty());
            let sources = named.map(|named| format!(": {named}")).unwrap_or_default();
            format!(
                "holds far less than the one before{sources} (if that is meant: coffer scheme run {name})"
            )
        }
        (false, _, Some(count)) => {
            let events = format!("runs/{name}/{}.jsonl in the folder of state", partial.id);
            format!("lacks {} that could not be read, named in {events}", format_count(count, "file"))
        }
        (false, _, None) => "is not whole".into(),
    };
    let row = match scheme.partial_runs {
        0 | 1 => String::new(),
        count => format!("; {count} in a row lack something"),
    };
    let last = match &scheme.last_success {
        Some(run) => format!("the last complete backup is of {}", format_stored(&run.started, zone)),
        None => "there is no complete backup yet".into(),
    };
    format!("the backup of {time} {what}; {last}{row}")
}

fn of_container(name: &str, container: &ContainerStanding, found: &mut Vec<Reason>) {
    let mut add = |answer, code, text: String| {
        found.push(Reason { answer, code, scheme: None, container: Some(name.into()), text });
    };
    // A copy that is lost leaves the snapshots themselves.
    let lost = if container.is_target { Answer::NotProtected } else { Answer::Attention };
    match container.state {
        FileState::There => {}
        FileState::NotMounted => {
            add(Answer::Attention, "not-mounted", format!("{name}: its medium is not connected"));
        }
        FileState::Missing => add(lost, "container-missing", format!("{name}: the file is not there")),
        FileState::Unreadable => {
            add(lost, "container-unreadable", format!("{name}: the file is no readable container"));
        }
        FileState::Short => {
            add(lost, "container-short", format!("{name}: the file is shorter than what it holds"));
        }
        FileState::Emptied => {
            add(lost, "no-snapshot", format!("{name}: all its snapshots were removed"));
        }
        FileState::Damaged => {
            let file = container.path.display();
            let what = match &container.looked {
                Some(looked) => {
                    format!("{} of {} segments looked at cannot be mended", looked.lost, looked.segments)
                }
                None => "no copy survives of what opens it".into(),
            };
            let text = format!(
                "{name}: the file is damaged: {what}; run coffer verify {file}, then coffer repair {file}"
            );
            add(lost, "container-damaged", text);
        }
        FileState::Older => add(
            lost,
            "rollback",
            format!("{name}: the file is older than the last run made it, or another container"),
        ),
    }
    if let (Some(looked), FileState::There) = (&container.looked, container.state)
        && looked.mendable > 0
    {
        let count = format_count(looked.mendable, "part");
        let file = container.path.display();
        let text = format!(
            "{name}: there is damage in {count} of the file, which can be mended: coffer repair {file}"
        );
        add(Answer::Attention, "container-worn", text);
    }
    if let Some(days) = container.forecast.and_then(|forecast| forecast.days).filter(|d| *d < SPACE_DAYS) {
        add(Answer::Attention, "space", format!("{name}: the space will last about {days} days"));
    }
}
