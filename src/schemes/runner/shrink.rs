//! Backups that suddenly hold little: a source folder whose medium is gone is an empty folder, and a
//! dropped table no error. It promises that such a backup is told by the source that lacks something, big
//! sources beside it or not, and that nothing gives way to it, until somebody runs the scheme by hand
//! again, which says that it is meant.

use crate::entry::database::component;
use crate::operations::backup::figures::{DatabaseFigures, Figures, RootFigures};
use crate::schemes::config::Scheme;
use crate::schemes::run::{Cause, RunOutcome, RunRecord, Shrunk, StepKind, StepRecord};

/// The stable word for it.
const CODE: &str = "shrunk";
/// What holds less than one part of this many of what it held has shrunk.
const PARTS: u64 = 4;
/// Below these a part of a source may come and go: a share of few says nothing. Nothing at all does.
const FEW_TABLES: u64 = 8;
const FEW_ROWS: u64 = 1000;
const FEW_FILES: u64 = 20;
const FEW_BYTES: u64 = 1 << 20;
/// A table of at least so many rows is not empty by itself.
const TABLE_ROWS: u64 = 200;
/// How many tables of a database a record keeps, the longest.
const KEPT_TABLES: usize = 500;
/// In how many backups in a row a table must have held rows: some are emptied now and then.
const HABIT: usize = 7;

/// Marks the backup `step`, of the run `now` of `scheme`, if a source of it holds far less than in `runs`
/// before, oldest first, and leaves of its figures what is compared with later.
pub fn judge(step: &mut StepRecord, now: &RunRecord, runs: &[RunRecord], scheme: Option<&Scheme>) {
    let is_named = |name: &str| {
        let names = scheme.filter(|scheme| scheme.has_databases()).map(|scheme| &scheme.databases);
        let is_it = |other: &String| component(other) == name.as_bytes();
        names.is_some_and(|names| names.is_empty() || names.iter().any(is_it))
    };
    let found = shrunk(step, now, runs, &is_named);
    if !found.is_empty() {
        mark(step, found);
    }
    trim(step);
}

/// What shrank in `step`, of the run `now`, after these `runs`, oldest first; nothing if it is no backup.
/// A database of which `is_named` knows nothing any more may be missing.
fn shrunk(
    step: &StepRecord,
    now: &RunRecord,
    runs: &[RunRecord],
    is_named: &dyn Fn(&str) -> bool,
) -> Vec<Shrunk> {
    if step.step != StepKind::Backup || !step.outcome.is_good() {
        return Vec::new();
    }
    let earlier = runs.iter().rev().filter(|run| run.id != now.id);
    let mut backups = earlier
        .flat_map(|run| run.steps_of(StepKind::Backup))
        .filter(|earlier| earlier.outcome.is_good())
        .peekable();
    let told = backups.peek().filter(|last| now.cause == Cause::Manual && is_marked(last)).copied();
    let good: Vec<&StepRecord> = backups.filter(|earlier| !is_marked(earlier)).take(HABIT).collect();
    let Some(last) = good.first() else { return Vec::new() };
    let mut found = Vec::new();
    if is_less(last.number("bytes"), step.number("bytes")) {
        found.push(Shrunk { source: "the backup".into(), what: "holds far less than the one before".into() });
    }
    databases(&last.sources, &step.sources, is_named, &mut found);
    tables(&good, &step.sources, is_named, &mut found);
    roots(&last.sources, &step.sources, &mut found);
    // What was told before is meant by whoever runs it by hand now; what is new is told first.
    found.retain(|one| {
        told.is_none_or(|told| {
            !told.shrunk.is_empty() && !told.shrunk.iter().any(|other| other.source == one.source)
        })
    });
    found
}

fn is_less(before: Option<u64>, now: Option<u64>) -> bool {
    before.zip(now).is_some_and(|(before, now)| now.saturating_mul(PARTS) < before)
}

/// What became of a count of `unit`: gone, or far less of what were at least `few`.
fn fallen(before: u64, now: u64, few: u64, is_whole: bool, unit: &str) -> Option<String> {
    match now {
        0 if before > 0 && (is_whole || before >= few) => Some(format!("no {unit} any more")),
        _ if before >= few && is_less(Some(before), Some(now)) => {
            Some(format!("far fewer {unit}: {now}, and {before} before"))
        }
        _ => None,
    }
}

fn databases(before: &Figures, now: &Figures, is_named: &dyn Fn(&str) -> bool, found: &mut Vec<Shrunk>) {
    for (name, before) in &before.databases {
        let nothing = DatabaseFigures::default();
        let now = match now.databases.get(name) {
            Some(now) => now,
            None if is_named(name) => &nothing,
            None => continue,
        };
        let what = fallen(before.tables, now.tables, FEW_TABLES, true, "tables")
            .or_else(|| fallen(before.rows, now.rows, FEW_ROWS, false, "rows"))
            .or_else(|| fallen(before.bytes, now.bytes, FEW_BYTES, false, "bytes"));
        found.extend(what.map(|what| Shrunk { source: format!("database {name}"), what }));
    }
}

fn tables(good: &[&StepRecord], now: &Figures, is_named: &dyn Fn(&str) -> bool, found: &mut Vec<Shrunk>) {
    let Some(last) = good.first() else { return };
    for (name, before) in &last.sources.databases {
        let rows_now = now.databases.get(name).map(|now| &now.table_rows);
        if !is_named(name) || rows_now.is_none_or(|rows| rows.is_empty()) {
            continue;
        }
        let held = |step: &&StepRecord, table: &str| {
            step.sources.is_empty()
                || step.sources.databases.get(name).is_some_and(|held| held.table_rows.contains_key(table))
        };
        for (table, rows) in before.table_rows.iter().filter(|(_, rows)| **rows >= TABLE_ROWS) {
            let is_empty = rows_now.is_none_or(|now| now.get(table).copied().unwrap_or_default() == 0);
            if is_empty && good.iter().all(|step| held(step, table)) {
                let what = format!("no rows any more, and {rows} before");
                found.push(Shrunk { source: format!("table {name}.{table}"), what });
            }
        }
    }
}

fn roots(before: &Figures, now: &Figures, found: &mut Vec<Shrunk>) {
    for (label, before) in &before.roots {
        // One that is missing was taken out of the scheme: what is read is there, even if it is empty.
        let Some(RootFigures { files, bytes }) = now.roots.get(label) else { continue };
        let what = fallen(before.files, *files, FEW_FILES, true, "files")
            .or_else(|| fallen(before.bytes, *bytes, FEW_BYTES, false, "bytes"));
        found.extend(what.map(|what| Shrunk { source: format!("folder {label}"), what }));
    }
}

/// Leaves of the figures of `step` what is compared with later.
fn trim(step: &mut StepRecord) {
    for database in step.sources.databases.values_mut() {
        let mut long: Vec<(u64, String)> =
            std::mem::take(&mut database.table_rows).into_iter().map(|(name, rows)| (rows, name)).collect();
        long.retain(|(rows, _)| *rows >= TABLE_ROWS);
        long.sort_by(|a, b| b.cmp(a));
        long.truncate(KEPT_TABLES);
        database.table_rows = long.into_iter().map(|(rows, name)| (name, rows)).collect();
    }
}

/// How many sources a message names.
const TOLD: usize = 10;

/// Marks `step` as a backup of which this shrank.
fn mark(step: &mut StepRecord, found: Vec<Shrunk>) {
    step.outcome = RunOutcome::Warnings;
    step.code = Some(CODE.into());
    step.warnings.insert(CODE.into(), found.len().into());
    let mut message = sentence(&found);
    message += "; nothing is dropped until somebody runs the scheme by hand, which says that it is meant";
    step.message = Some(message);
    step.shrunk = found;
}

/// What shrank, in words.
pub fn sentence(found: &[Shrunk]) -> String {
    let named: Vec<String> =
        found.iter().take(TOLD).map(|one| format!("{}: {}", one.source, one.what)).collect();
    match found.len().checked_sub(TOLD).filter(|more| *more > 0) {
        Some(more) => format!("{}; and {more} more", named.join("; ")),
        None => named.join("; "),
    }
}

/// Whether `step` was marked.
pub fn is_marked(step: &StepRecord) -> bool {
    step.code.as_deref() == Some(CODE)
}

#[cfg(test)]
mod tests;
