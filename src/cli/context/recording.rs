//! What a command leaves in the audit log. It promises that a command that changes something, or takes
//! data out, leaves one line however it ends, that the line names no file of the practice and no secret,
//! and that a log that cannot be written stops nothing.

use super::{Context, Ordering, PoisonError};
use crate::cli::events::{Outcome, exit_code};
use crate::error::{Kind, Result};
use crate::schemes::audit::{Act, AuditLog, who};
use crate::schemes::place::environment;
use serde_json::{Map, Value};

/// Commands that only look: they are not recorded.
const LOOKING: &[&str] = &[
    "snapshots",
    "ls",
    "find",
    "diff",
    "stats",
    "doctor",
    "dump-format",
    "key list",
    "rotation list",
    "rotation due",
    "remove-old-data plan",
    "scheme list",
    "status",
    "report",
    "audit list",
    "audit verify",
    "notify test",
    "demo",
    "completions",
    "man",
];

/// Fields of results that are recorded: numbers, ids and fixed words.
const FACTS: &[&str] = &[
    "added_bytes",
    "affected_count",
    "bytes",
    "changed",
    "compared",
    "container",
    "copied",
    "damaged",
    "different",
    "dropped",
    "dropped_slots",
    "epoch",
    "file_bytes_after",
    "freed_bytes",
    "generation",
    "kept",
    "level",
    "max_bytes",
    "max_bytes_before",
    "problems",
    "recovery_ms",
    "restored",
    "restored_bytes",
    "retention",
    "root",
    "round_complete",
    "rows",
    "share",
    "slot",
    "snapshot",
    "tables",
    "to_container",
    "to_generation",
    "verdict",
];

/// How many snapshots that were removed are named in a line, the newest, and by how much of their ids.
const MOST_REMOVED: usize = 64;
const SHORT: usize = 16;

/// The last part of a container's path, which is its name for people.
pub(super) fn short_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

impl Context {
    /// Writes down how this command ended.
    pub(super) fn record(&self, result: &Result<Outcome>) -> Result<()> {
        // What only looks, would only have happened or made no sense changed nothing.
        let is_untouched = self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        let is_void = is_untouched
            && self.command != "scheme run"
            && result.as_ref().is_err_and(|error| error.kind() == Kind::Usage);
        let is_look = self.globals.dry_run || self.looks.load(Ordering::Relaxed);
        if is_look || is_void || LOOKING.contains(&self.command.as_str()) {
            return Ok(());
        }
        let code = match result {
            Ok(outcome) => outcome.status.exit_code(),
            Err(error) => exit_code(error.kind()),
        };
        let word = match result {
            Ok(outcome) => serde_json::to_value(outcome.status).ok(),
            Err(error) => Some(error.kind().code().into()),
        };
        let word = word.as_ref().and_then(Value::as_str).unwrap_or("failed");
        let mut act = Act::new(String::new(), who(), &self.command, word);
        act.exit_code = Some(code.into());
        act.object = self.object(result);
        act.facts = result.as_ref().map_or_else(|_| Map::new(), |outcome| facts(&outcome.fields));
        let removed = result.as_ref().ok().filter(|_| self.command == "prune");
        let removed = removed.and_then(|outcome| outcome.fields.get("snapshots"));
        act.facts.extend(removed.map(|ids| ("removed".to_owned(), beginnings(ids))));
        act.facts.insert("began".into(), self.began.clone().into());
        act.facts.extend(own_run().map(|run| ("run".to_owned(), run.into())));
        self.write_down(act)
    }

    /// Adds an act to the audit log, as of now. Without a folder for state there is none.
    pub fn write_down(&self, mut act: Act) -> Result<()> {
        let Some(folder) = self.state_folder() else { return Ok(()) };
        act.time = super::rfc3339(super::Clock::now(&super::SystemClock));
        AuditLog::at(&folder).append(&act).map(|_| ())
    }

    /// What it was about: the first container that was opened, else the scheme or container that was
    /// named.
    fn object(&self, result: &Result<Outcome>) -> Option<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = seen.first().map(|seen| seen.short.clone());
        let named = || Some(short_name(&self.globals.container.as_ref()?.to_string_lossy()));
        let scheme = || Some(result.as_ref().ok()?.fields.get("scheme")?.as_str()?.to_owned());
        let about = || self.about.lock().unwrap_or_else(PoisonError::into_inner).clone();
        opened.or_else(about).or_else(scheme).or_else(named)
    }
}

/// The run of a scheme that this process is a step of. What a command of the practice starts is none.
fn own_run() -> Option<String> {
    environment("COFFER_PARENT")?;
    let run = environment("COFFER_RUN")?.into_string().ok()?;
    let is_plain = run.len() <= 64 && run.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_plain.then_some(run)
}

/// What may be kept of the fields of a result: lists only by their length.
fn facts(fields: &Map<String, Value>) -> Map<String, Value> {
    let plain = |text: &str| {
        text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_'))
    };
    let one = |name: &&str| {
        let value = match fields.get(*name)? {
            Value::String(text) if !plain(text) => return None,
            Value::Array(list) => list.len().into(),
            Value::Null => return None,
            other => other.clone(),
        };
        Some((String::from(*name), value))
    };
    FACTS.iter().filter_map(one).collect()
}

/// The beginnings of the newest of `ids`, which stand oldest first: by these a run is known whose snapshot
/// is no more.
fn beginnings(ids: &Value) -> Value {
    let ids = ids.as_array().into_iter().flatten().filter_map(Value::as_str).rev().take(MOST_REMOVED);
    ids.map(|id| id.chars().take(SHORT).collect::<String>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use clap::CommandFactory;

    #[test]
    fn what_is_not_recorded_are_commands() {
        let program = Arguments::command();
        for name in LOOKING {
            let found = name.split(' ').try_fold(&program, |at, word| at.find_subcommand(word));
            assert!(found.is_some(), "{name}");
        }
    }
}
