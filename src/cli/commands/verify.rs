//! `coffer verify`: proves that the container is as it was written. It promises exit code 4 for
//! any damage, also for what parity mends, and to name what is lost. Without `--level` it proves
//! everything: who asks does so because the answer matters.

use super::snapshots::short;
use crate::chunk_store::ChunkStore;
use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::container::Access;
use crate::container::header::Header;
use crate::error::{Error, Kind, Result};
use crate::ids::ContainerId;
use crate::operations::verify::{self, Affected, VerifyReport};
use crate::operations::verify_share::Rounds;
use crate::snapshot::{LedgerEntry, Level};
use crate::storage::FileStorage;
use crate::values::{format_count, format_size};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// Losses that are listed one by one; the rest is counted.
const MAX_LISTED: usize = 500;

/// Arguments of `coffer verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The container
    container: Option<OsString>,
    /// How thorough to be
    #[arg(long, value_enum, default_value_t = LevelName::Full)]
    level: LevelName,
    /// Verify in full this share of a hundred, what was not verified for longest: in turn, everything
    #[arg(long, value_name = "PERCENT", value_parser = share, conflicts_with = "level")]
    share: Option<f64>,
}

/// A [`Level`] as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LevelName {
    /// What leads to the data: commits, lists of files, index
    Quick,
    /// Every checksum; needs no secret
    Scrub,
    /// Every piece of data, decrypted and proven
    Full,
}

impl LevelName {
    fn level(self) -> Level {
        match self {
            LevelName::Quick => Level::Quick,
            LevelName::Scrub => Level::Scrub,
            LevelName::Full => Level::Full,
        }
    }
}

impl Verify {
    /// Verifies.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        if let Some(percent) = self.share {
            return verify_share(context, &path, percent);
        }
        let level = self.level.level();
        let (container, report) = match look(context, &path, level) {
            Err(error) if error.kind() == Kind::Damaged => return Ok(beyond_opening(context, level, &error)),
            other => other?,
        };
        remember(context, &container, level, &report);
        tell(context, &report);
        Ok(outcome(&path, level, &report).with("container", container.to_string()))
    }
}

fn share(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err("write a share of a hundred: 5, or 0.5".into()),
    }
}

/// Verifies a share, and notes how far the round is.
fn verify_share(context: &Context, path: &Path, percent: f64) -> Result<Outcome> {
    let session = match context.open(path, Access::Read) {
        Err(error) if error.kind() == Kind::Damaged => {
            return Ok(beyond_opening(context, Level::Full, &error));
        }
        other => other?,
    };
    let container = session.store.container().base().container;
    let state = context.state().ok_or_else(|| {
        Error::new(Kind::Failed, "there is no place to remember what was verified")
            .hint("set COFFER_STATE_DIR or HOME; or verify everything, without --share")
    })?;
    let now = context.time(None);
    let mut rounds = Rounds::load(&state, &container);
    let slots = rounds.choose(&session.store, percent, now);
    let report = {
        let _meter = context.output.progress("verifying", "segment", Arc::clone(context.progress()));
        verify::verify_slots(&session.store, &slots, &context.pool()?, context.progress())?
    };
    let standing = rounds.note(&session.store, &slots, &report.unproven, now);
    if let Err(error) = rounds.keep() {
        context.output.warning("state", format_args!("{error}: the same share comes next"));
    }
    tell(context, &report);
    // Only a whole round without damage says that everything was proven.
    let is_whole = standing.is_complete && report.damaged.is_empty();
    let entry = match is_whole {
        true => (Level::Full, standing.live),
        // Damage is no less for being found in a share; nothing but a whole round clears it.
        false if !report.damaged.is_empty() => (Level::Full, report.segments),
        false => (Level::Quick, report.segments),
    };
    let of_all = VerifyReport { segments: entry.1, ..report.clone() };
    remember(context, &container, entry.0, &of_all);
    let left = format_count(standing.left, "segment");
    let line = match is_whole {
        true => "; with it, everything was proven".to_owned(),
        false => format!("; {left} left in this round"),
    };
    let outcome = outcome(path, Level::Full, &report);
    let summary = outcome.summary.clone().unwrap_or_default() + &line;
    Ok(outcome
        .with("container", container.to_string())
        .with("share", percent)
        .with("live_segments", standing.live)
        .with("left_segments", standing.left)
        .with("round_complete", is_whole)
        .with("oldest_unverified_days", standing.oldest_days)
        .summary(summary))
}

fn look(context: &Context, path: &Path, level: Level) -> Result<(ContainerId, VerifyReport)> {
    let pool = context.pool()?;
    let progress = || context.output.progress("verifying", "segment", Arc::clone(context.progress()));
    if level == Level::Scrub {
        let storage = FileStorage::open(path, false)?;
        let _meter = progress();
        let name = path.display().to_string();
        let container = Header::read(&storage).map_err(|e| e.at(&name))?.prologue.container;
        let report = verify::scrub(&storage, &name, &pool, context.progress())?;
        return Ok((container, report));
    }
    let session = context.open(path, Access::Read).map_err(|error| match error.kind() {
        Kind::WrongKey if error.remedy().is_some_and(|hint| hint.starts_with("give a password")) => {
            error.hint("give a password, a key file or the recovery code; --level scrub needs none")
        }
        _ => error,
    })?;
    let _meter = progress();
    let report = verify::verify(&session.store, level, &pool, context.progress())?;
    Ok((session.store.container().base().container, report))
}

/// Notes the verification for the next backup, which enters it into the container's ledger.
pub(super) fn remember(context: &Context, container: &ContainerId, level: Level, report: &VerifyReport) {
    let (generation, segments) = (report.generation, report.segments);
    let damaged = report.damaged.len() as u64;
    note(context, container, LedgerEntry { time: context.time(None), level, generation, segments, damaged });
}

/// Notes that a command which is no verification met damage: from the next backup on, nothing that the
/// container holds is trusted until a full verification finds it whole.
pub(super) fn remember_damage(context: &Context, store: &ChunkStore, damaged: usize) {
    if damaged == 0 {
        return;
    }
    let container = store.container();
    let (generation, damaged) = (container.state().root.generation, damaged as u64);
    let entry =
        LedgerEntry { time: context.time(None), level: Level::Full, generation, segments: 0, damaged };
    note(context, &container.base().container, entry);
}

fn note(context: &Context, container: &ContainerId, entry: LedgerEntry) {
    if let Some(Err(error)) = context.state().map(|state| state.note(container, &entry)) {
        context.output.note(format_args!("this verification is not noted: {error}"));
    }
}

fn tell(context: &Context, report: &VerifyReport) {
    let output = &context.output;
    for damage in report.damaged.iter().take(MAX_LISTED) {
        let word = if damage.is_mendable { "mendable" } else { "lost" };
        output.warning_about(word, &damage.object, format_args!("{}: {}", damage.object, damage.reason));
    }
    let more = report.damaged.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        output.warning("lost", format_args!("{} more damaged objects are not listed", more));
    }
    for affected in report.affected.iter().take(MAX_LISTED) {
        let place = place(affected);
        output.warning_about(
            "affected",
            &place,
            format_args!("snapshot {}: {place}", short(&affected.snapshot)),
        );
    }
    let more = report.affected.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        output.warning("affected", format_args!("{} more affected files are not listed", more));
    }
}

fn place(affected: &Affected) -> String {
    match &affected.path {
        Some(path) => path.to_string(),
        None => "its list of files cannot be read to the end".into(),
    }
}

fn outcome(path: &Path, level: Level, report: &VerifyReport) -> Outcome {
    let mendable = report.damaged.iter().filter(|d| d.is_mendable).count();
    let affected: Vec<Value> = report
        .affected
        .iter()
        .take(MAX_LISTED)
        .map(|a| json!({ "snapshot": a.snapshot.to_string(), "path": a.path.as_ref().map(ToString::to_string) }))
        .collect();
    let is_sound = report.damaged.is_empty() && report.affected.is_empty();
    Outcome::new(if is_sound { Status::Done } else { Status::Damage })
        .with("level", level.word())
        .with("generation", report.generation)
        .with("segments", report.segments)
        .with("read_bytes", report.read_bytes)
        .with("chunks", report.chunks)
        .with("snapshots", report.snapshots)
        .with("damaged", report.damaged.len())
        .with("mendable", mendable)
        .with("lost", report.damaged.len() - mendable)
        .with("affected", affected)
        .with("affected_count", report.affected.len())
        .summary(summary(path, level, report))
}

fn summary(path: &Path, level: Level, report: &VerifyReport) -> String {
    let name = path.display();
    let looked = match level {
        Level::Quick => format_count(report.snapshots, "snapshot"),
        Level::Scrub => format!("{} of segments", format_size(report.read_bytes)),
        Level::Full => format!(
            "{} and {} in {}",
            format_count(report.snapshots, "snapshot"),
            format_count(report.chunks, "chunk"),
            format_size(report.read_bytes)
        ),
    };
    let damaged = format_count(report.damaged.len() as u64, "damaged object");
    if report.damaged.is_empty() && report.affected.is_empty() {
        return format!("{name} is sound: {looked} verified ({})", level.word());
    }
    match (report.has_losses(), report.affected.len() as u64) {
        (false, _) => format!("{name} is damaged, and nothing is lost: {damaged}, all mendable"),
        (true, 0) if level == Level::Full => {
            format!("{name} is damaged: {damaged}; no file of any snapshot is lost")
        }
        (true, 0) => {
            format!("{name} is damaged: {damaged}; coffer verify --level full names the files that are lost")
        }
        (true, files) => {
            format!("{name} is damaged: {damaged}; lost: {}", format_count(files, "file"))
        }
    }
}

/// A container that does not even open is the worst finding of all.
fn beyond_opening(context: &Context, level: Level, error: &Error) -> Outcome {
    context.output.problem(error);
    Outcome::new(Status::Damage)
        .with("level", level.word())
        .with("damaged", 1)
        .with("mendable", 0)
        .with("lost", 1)
        .with("affected", Vec::<Value>::new())
        .with("affected_count", 0)
        .summary("the container cannot be opened")
}
