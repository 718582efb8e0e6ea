//! `coffer repair`: writes anew what parity, a second copy, another container or the live sources make
//! good for. It promises exit code 4 as long as something stays damaged, and to name all that is lost.

use super::snapshots::short;
use super::verify::remember_damage;
use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::cli::secrets::Options;
use crate::container::Access;
use crate::crypto::Credential;
use crate::error::{Error, Kind, Result};
use crate::operations::losses::{Affected, Losses};
use crate::operations::repair::{self, RepairReport, Sources};
use crate::operations::session::Session;
use crate::storage::place::file_id;
use crate::values::format_count;
use clap::Args;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Losses that are listed one by one; the rest is counted.
const MAX_LISTED: usize = 500;

/// Arguments of `coffer repair`.
#[derive(Debug, Args)]
pub struct Repair {
    /// The container
    container: Option<OsString>,
    /// Take what is lost from this container; one of the same family gives everything it holds
    #[arg(long, value_name = "OTHER")]
    from: Option<PathBuf>,
    /// This file holds the other container's password, if it has another
    #[arg(long, value_name = "FILE", requires = "from")]
    from_password_file: Option<PathBuf>,
    /// The output of this command is the other container's password
    #[arg(long, value_name = "CMD", requires = "from")]
    from_password_command: Option<String>,
    /// This file is the other container's key
    #[arg(long, value_name = "FILE", requires = "from")]
    from_key_file: Option<PathBuf>,
    /// Take what is lost from the dump files and folders it was once read from, where they still stand
    #[arg(long)]
    from_source: bool,
    /// Go on from what is there: give up a newest commit that is damaged beyond use, and accept an
    /// older state or a fork of the container
    #[arg(long)]
    adopt: bool,
}

impl Repair {
    /// Repairs.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        let dry = context.globals.dry_run;
        if self.adopt {
            context.adopt();
        }
        let credentials = context.secret_of(&path, &context.globals.secret.sources(), true)?;
        let access = if dry { Access::Read } else { Access::Write };
        let mut session = context.unlock(&path, &credentials, access)?;
        let other = self.from.as_ref().map(|other| self.other(context, &path, other, &credentials));
        let other = other.transpose()?;
        let sources = Sources { copy: other.as_ref().map(|other| &other.store), is_live: self.from_source };
        let pool = context.pool()?;
        if self.adopt {
            session = repair::step_back(session)?;
        }
        let gives_up = self.adopt && !dry && session.store.container().has_fallen_back();
        if gives_up {
            repair::adopt(&mut session, context.time(None), &pool)?;
        }
        let survey = {
            let _meter = context.output.progress("verifying", "segment", Arc::clone(context.progress()));
            repair::survey(&session, &pool, context.progress())?
        };
        let mut report = match dry {
            true => repair::plan(&session, &survey, &sources, context.progress())?,
            false => {
                let time = context.time(None);
                repair::repair(&mut session, survey, &sources, time, pool, context.progress())?
            }
        };
        report.gives_up_newest = gives_up;
        let lost = report.beyond.len().max(report.losses.affected.len());
        remember_damage(context, &session.store, lost);
        tell(context, &report, dry);
        Ok(outcome(&report, dry, &self))
    }

    /// Opens the container to take from: with its own secret, or the same.
    fn other(
        &self,
        context: &Context,
        path: &Path,
        other: &Path,
        credentials: &[Credential],
    ) -> Result<Session> {
        if file_id(path).is_some() && file_id(path) == file_id(other) {
            return Err(Error::new(Kind::Usage, "--from names the container itself")
                .hint("name a copy of it, or another container that holds the same files"));
        }
        let options = Options {
            password_file: self.from_password_file.clone(),
            password_command: self.from_password_command.clone(),
            key_file: self.from_key_file.clone(),
            ..Options::default()
        };
        let has_own = options.password_file.is_some()
            || options.password_command.is_some()
            || options.key_file.is_some();
        let credentials = match has_own || credentials.is_empty() {
            true => context.secret_of(other, &options, !has_own)?,
            false => credentials.to_vec(),
        };
        context.unlock(other, &credentials, Access::Read)
    }
}

fn tell(context: &Context, report: &RepairReport, dry: bool) {
    let output = &context.output;
    report.header_copies.iter().for_each(|copy| output.note(format_args!("{copy}: was damaged")));
    for slot in &report.healed {
        output.note(format_args!("segment in slot {slot}: was damaged; all it holds can be read"));
    }
    for slot in &report.outdated {
        output.note(format_args!("segment in slot {slot}: was damaged; only the commit before needed it"));
    }
    for slot in &report.dropped {
        let object = format!("segment in slot {slot}");
        output.note(format_args!("{object}: was damaged beyond parity; what it held is there elsewhere"));
    }
    if report.is_newest_lost {
        output.warning_about(
            "lost",
            "newest commit",
            "newest commit: damaged beyond use; --adopt goes on from the one before and gives it up",
        );
    }
    for slot in &report.beyond {
        let object = format!("segment in slot {slot}");
        output.warning_about("lost", &object, format_args!("{object}: more is lost than parity can mend"));
    }
    let verb = if dry { "would stay lost" } else { "is lost" };
    for affected in report.losses.affected.iter().take(MAX_LISTED) {
        let place = place(affected);
        let snapshot = short(&affected.snapshot);
        output.warning_about("affected", &place, format_args!("snapshot {snapshot}: {verb}: {place}"));
    }
    let more = report.losses.affected.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        output.warning("affected", format_args!("{more} more affected files are not listed"));
    }
}

fn place(affected: &Affected) -> String {
    match &affected.path {
        Some(path) => path.to_string(),
        None => "its list of files cannot be read to the end".into(),
    }
}

fn mended(report: &RepairReport) -> u64 {
    let objects = report.header_copies.len()
        + report.superblock_copies
        + report.healed.len()
        + report.dropped.len()
        + report.outdated.len()
        + report.index_runs.len()
        + usize::from(report.gives_up_newest)
        + usize::from(report.restored_bytes > 0);
    objects as u64 + report.taken_chunks
}

fn summary(report: &RepairReport, dry: bool, asked: &Repair) -> String {
    let verb = if dry { "would be mended" } else { "mended" };
    let (mended, files) = (mended(report), report.losses.affected.len() as u64);
    let done = match mended {
        0 if !report.has_losses() => return "nothing to mend".to_owned(),
        0 if report.is_newest_lost => "nothing mended; the newest commit stays damaged".to_owned(),
        0 if report.moved_chunks > 0 => {
            let chunks = format_count(report.moved_chunks, "chunk");
            format!("{chunks} of damaged segments {}", if dry { "would be saved" } else { "saved" })
        }
        0 => "nothing mended".to_owned(),
        _ => format!("{} {verb}", format_count(mended, "object")),
    };
    match (report.has_losses(), files) {
        (false, _) => done,
        (true, 0) => {
            format!("{done}; {} stay as they are", format_count(report.beyond.len() as u64, "segment"))
        }
        (true, _) => {
            let more = match (&asked.from, asked.from_source) {
                (None, _) => "coffer repair --from COPY takes what a copy of the container holds",
                (_, false) => "coffer repair --from-source takes what the sources still hold",
                _ => "another copy of the container may hold it: coffer repair --from COPY",
            };
            format!("{done}; lost: {} in all snapshots together: {more}", format_count(files, "file"))
        }
    }
}

fn outcome(report: &RepairReport, dry: bool, asked: &Repair) -> Outcome {
    let mended = mended(report);
    let is_left = report.has_losses() || (dry && mended > 0);
    let affected: Vec<Value> = report.losses.affected.iter().take(MAX_LISTED).map(one).collect();
    Outcome::new(if is_left { Status::Damage } else { Status::Done })
        .with("mended", mended)
        .with("header_copies", report.header_copies.len())
        .with("superblock_copies", report.superblock_copies)
        .with("restored_bytes", report.restored_bytes)
        .with("segments", report.healed.len())
        .with("dropped", report.dropped.len())
        .with("outdated", report.outdated.len())
        .with("index_runs", report.index_runs.len())
        .with("newest_commit_lost", report.is_newest_lost)
        .with("newest_commit_given_up", report.gives_up_newest)
        .with("moved_chunks", report.moved_chunks)
        .with("taken_chunks", report.taken_chunks)
        .with("beyond", report.beyond.len())
        .with("lost_chunks", report.losses.chunks.len())
        .with("lost", lost(&report.losses))
        .with("affected", affected)
        .with("affected_count", report.losses.affected.len())
        .summary(summary(report, dry, asked))
}

fn one(affected: &Affected) -> Value {
    let path = affected.path.as_ref().map(ToString::to_string);
    json!({ "snapshot": affected.snapshot.to_string(), "path": path })
}

/// Lost chunks, each with who names it.
fn lost(losses: &Losses) -> Vec<Value> {
    let chunks = losses.chunks.iter().take(MAX_LISTED);
    let named = chunks.map(|(id, lost)| {
        let users = lost.users.iter().take(MAX_LISTED).filter_map(|user| losses.affected.get(*user));
        json!({
            "chunk": id.to_string(), "kind": lost.kind.name(), "bytes": lost.length,
            "in": users.map(one).collect::<Vec<_>>(),
        })
    });
    named.collect()
}
