//! What the HIPAA security rule asks of backups, and what there is to show for it. It promises to claim
//! no more than was recorded: what is missing is named beside what is there.

use super::{Period, SchemeReport};
use crate::container::header::Header;
use crate::crypto::KeyTable;
use crate::schemes::audit::Entry;
use crate::schemes::config::{Config, ContainerPlace};
use crate::schemes::run::RunOutcome;
use crate::storage::FileStorage;
use crate::values::{format_count, format_duration, parse_time};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// One thing that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The paragraph: `164.308(a)(7)(ii)(A)`.
    pub paragraph: &'static str,
    /// What it asks, in a few words.
    pub asks: &'static str,
    /// What there is.
    pub there_is: Vec<String>,
    /// What is missing.
    pub missing: Vec<String>,
}

/// What evidence is made of.
pub(super) struct Facts<'a> {
    pub config: &'a Config,
    pub schemes: &'a BTreeMap<String, SchemeReport>,
    /// All acts, also before the period.
    pub acts: &'a [Entry],
    pub period: &'a Period,
    pub chain: Option<&'a str>,
}

/// What is asked for, one by one.
pub(super) fn evidence(facts: &Facts) -> Vec<Evidence> {
    vec![
        copies(facts),
        procedure(facts),
        tests(facts),
        movement(facts),
        encryption(facts),
        activity(facts),
        retention(facts),
    ]
}

fn blank(paragraph: &'static str, asks: &'static str) -> Evidence {
    Evidence { paragraph, asks, there_is: Vec::new(), missing: Vec::new() }
}

fn count(facts: &Facts, of: impl Fn(&SchemeReport) -> u64) -> u64 {
    facts.schemes.values().map(of).sum()
}

fn acts<'a>(facts: &'a Facts, what: &'a str) -> impl Iterator<Item = &'a Entry> {
    let is_within = |act: &&Entry| parse_time(&act.time).is_ok_and(|time| facts.period.holds(time));
    facts.acts.iter().filter(move |act| act.what == what).filter(is_within)
}

/// The same, but for those that were steps of runs: these are counted from the records of the runs.
fn by_hand<'a>(facts: &'a Facts, what: &'a str) -> impl Iterator<Item = &'a Entry> {
    acts(facts, what).filter(|act| !act.facts.contains_key("run"))
}

fn copies(facts: &Facts) -> Evidence {
    let mut found = blank("164.308(a)(7)(ii)(A)", "exact copies can be made and restored (data backup plan)");
    let good = count(facts, |scheme| scheme.done + scheme.partial);
    let found_damage = |act: &&Entry| act.exit_code == Some(4);
    let (checks, bad) = (
        count(facts, |scheme| scheme.verifications.0) + by_hand(facts, "verify").count() as u64,
        count(facts, |scheme| scheme.verifications.1)
            + by_hand(facts, "verify").filter(found_damage).count() as u64,
    );
    let partial = match count(facts, |scheme| scheme.partial) {
        0 => String::new(),
        partial => format!(", {partial} of them with something to look at"),
    };
    found.there_is.push(format!("{} made and kept by schemes{partial}", format_count(good, "backup")));
    found.there_is.push(format!("{}, {bad} of them found damage", format_count(checks, "verification")));
    for (name, scheme) in facts.schemes {
        if !scheme.gaps.is_empty() {
            let days = format_count(scheme.gaps.len() as u64, "day");
            found.missing.push(format!("{name}: {days} without a good backup"));
        }
    }
    if good == 0 {
        found.missing.push("no backup was made in this period".into());
    }
    if checks == 0 {
        found.missing.push("nothing was verified in this period".into());
    }
    found
}

fn procedure(facts: &Facts) -> Evidence {
    let mut found =
        blank("164.308(a)(7)(ii)(B)", "a procedure to restore any loss of data (disaster recovery plan)");
    match facts.acts.iter().rev().find(|act| act.what == "emergency-sheet" && act.exit_code == Some(0)) {
        Some(act) => found.there_is.push(format!("an emergency sheet with the steps, made at {}", act.time)),
        None => found.missing.push("no emergency sheet was made: coffer emergency-sheet".into()),
    }
    let restores = acts(facts, "restore").count();
    if restores > 0 {
        found.there_is.push(format!("{} in this period", format_count(restores as u64, "restore")));
    }
    found
}

fn tests(facts: &Facts) -> Evidence {
    let mut found = blank("164.308(a)(7)(ii)(D)", "the procedure is tested periodically");
    let by_scheme = facts.schemes.values().flat_map(|scheme| scheme.drills.iter().cloned());
    let by_hand = by_hand(facts, "drill").filter_map(|act| {
        let recovery = act.facts.get("recovery_ms").and_then(serde_json::Value::as_u64);
        Some((act.time.clone(), RunOutcome::of_exit_code(act.exit_code?), recovery))
    });
    let mut all: Vec<_> = by_scheme.chain(by_hand).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    for (time, outcome, recovery) in &all {
        let result = if outcome.is_good() { "came back as it was backed up" } else { "did not end well" };
        let took =
            recovery.map(|ms| format!(", time to recover {}", format_duration(Duration::from_millis(ms))));
        found.there_is.push(format!("trial restore at {time}: {result}{}", took.unwrap_or_default()));
    }
    if !all.iter().any(|(_, outcome, _)| outcome.is_good()) {
        found.missing.push("no trial restore ended well in this period: coffer drill".into());
    }
    found
}

fn movement(facts: &Facts) -> Evidence {
    let mut found = blank("164.310(d)(2)(iv)", "an exact copy before equipment is moved");
    for what in ["migrate", "export"] {
        let count = acts(facts, what).count() as u64;
        if count > 0 {
            found.there_is.push(format!("`{what}` was run {}", format_count(count, "time")));
        }
    }
    let made = count(facts, |scheme| scheme.copies.0 - scheme.copies.1);
    if made > 0 {
        found.there_is.push(format!(
            "{} to other containers by schemes",
            format_count(made, "copy").replace("copys", "copies")
        ));
    }
    if found.there_is.is_empty() {
        found.there_is.push("nothing recorded: due only when equipment is moved".into());
    }
    found
}

fn encryption(facts: &Facts) -> Evidence {
    let mut found =
        blank("164.312(a)(2)(iv)", "data are encrypted, and the key is kept apart from them (SP 800-111)");
    for (name, place) in &facts.config.container {
        match is_encrypted(&place.path) {
            Some(true) => found.there_is.push(format!("{name}: encrypted with AES-256-GCM-SIV")),
            Some(false) => found.missing.push(format!("{name}: is not encrypted")),
            None => found.missing.push(format!("{name}: could not be looked at when this report was made")),
        }
        if key_lies_beside(place) {
            found.missing.push(format!("{name}: what opens it lies on the same disk as the container"));
        }
    }
    found
}

fn is_encrypted(path: &Path) -> Option<bool> {
    let header = Header::read(&FileStorage::open(path, false).ok()?).ok()?;
    Some(KeyTable::decode(&header.keys.table).ok()?.is_encrypted())
}

/// Whether the file that opens a container is on the same file system as the container.
fn key_lies_beside(place: &ContainerPlace) -> bool {
    let device = |path: &Path| std::fs::metadata(path).ok().map(|meta| meta.dev());
    let key = place.password_file.as_deref().or(place.key_file.as_deref());
    let key = key.and_then(device);
    key.is_some() && key == device(&place.path)
}

fn activity(facts: &Facts) -> Evidence {
    let mut found = blank("164.312(b)", "activity is recorded and examined");
    found.there_is.push(format!("{} in the audit log", format_count(facts.acts.len() as u64, "line")));
    match facts.chain {
        None => found.there_is.push("its chain of hashes holds".into()),
        Some(what) => found.missing.push(format!("the audit log does not hold: {what}")),
    }
    found
}

fn retention(facts: &Facts) -> Evidence {
    let mut found = blank("164.316(b)(2)(i)", "documentation is kept for six years");
    match facts.acts.first() {
        Some(first) => found.there_is.push(format!("the audit log begins at {}", first.time)),
        None => found.missing.push("the audit log has not begun".into()),
    }
    found.there_is.push("Coffer deletes no record of a run and no line of the audit log".into());
    found.missing.push("a printed or separately kept copy of this report is for the practice to keep".into());
    found
}
