//! `coffer restore`: a snapshot, or part of it, into a folder or a server. It promises exit code 4
//! where anything restored is not what was backed up, and to name each such thing.

mod names;
mod server;

use super::entries;
use super::snapshots::short;
use super::verify::remember_damage;
use crate::attachments::restore::{Existing, RestoreOptions};
use crate::cli::args::places;
use crate::cli::context::{Context, selector};
use crate::cli::events::{Outcome, Status};
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::operations::restore::{self, Need, RestorePlan, RestoreReport};
use crate::operations::select::{Selection, Side};
use crate::snapshot::SnapshotRecord;
use crate::values::{format_count, format_size};
use clap::{Args, ValueEnum};
use server::ServerRestore;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `coffer restore`.
#[derive(Debug, Args)]
#[command(override_usage = "coffer restore [CONTAINER] SNAPSHOT (--to DIR | --to-server) [OPTIONS]")]
pub struct Restore {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// latest, latest~2, the first digits of an id, or a day
    #[arg(value_name = "SNAPSHOT")]
    second: Option<OsString>,
    /// The folder to restore into
    #[arg(long, value_name = "DIR", required_unless_present = "to_server", conflicts_with = "to_server")]
    to: Option<PathBuf>,
    /// One side only
    #[arg(long, value_enum)]
    only: Option<SideName>,
    /// Only this and what lies below it, as `ls` prints it; may be given several times
    #[arg(long, value_name = "PATH")]
    path: Vec<OsString>,
    /// Only this live database; may be given several times
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// Only this table of a live database; may be given several times
    #[arg(long, value_name = "DB.TABLE")]
    table: Vec<String>,
    #[command(flatten)]
    server: ServerRestore,
    /// What to do with what stands there already and differs
    #[arg(long, value_enum, default_value_t = ExistingName::Replace)]
    existing: ExistingName,
    /// Read everything back and compare it with the snapshot
    #[arg(long)]
    compare: bool,
    /// Leave owners and groups as they come
    #[arg(long)]
    no_owners: bool,
    /// Return before everything is on the medium
    #[arg(long)]
    no_sync: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SideName {
    /// Databases and dumps
    Database,
    /// Attachment folders
    Attachments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ExistingName {
    /// Put the restored thing in its place
    Replace,
    /// Leave it and say so
    Keep,
    /// Stop
    Fail,
}

impl Restore {
    /// The plan, but for the paths, which only the snapshot can tell.
    fn plan(&self, target: PathBuf) -> RestorePlan {
        let only = self.only.map(|side| match side {
            SideName::Database => Side::Database,
            SideName::Attachments => Side::Attachments,
        });
        let existing = match self.existing {
            ExistingName::Replace => Existing::Replace,
            ExistingName::Keep => Existing::Keep,
            ExistingName::Fail => Existing::Fail,
        };
        let mut options = RestoreOptions { existing, ..RestoreOptions::default() };
        options.owners &= !self.no_owners;
        RestorePlan {
            selection: Selection { only, paths: Vec::new() },
            target,
            options,
            compare: self.compare,
            sync: !self.no_sync,
        }
    }

    /// Restores.
    pub fn run(mut self, context: &Context) -> Result<Outcome> {
        let given = [self.first.take(), self.second.take()];
        let (path, rest) = places(&context.globals, given, &["SNAPSHOT"], 1)?;
        let selector = selector(&rest[0])?;
        if self.server.to_server && (self.only.is_some() || !self.path.is_empty() || self.compare) {
            return Err(Error::new(Kind::Usage, "--only, --path and --compare are for restores to a folder")
                .hint("choose with --database and --table; a load is always read back and compared"));
        }
        let session = context.open(&path, Access::Read)?;
        let store = &session.store;
        let record = context.snapshot(store, &selector)?;
        let Some(target) = self.to.clone() else {
            return self.server.run(context, store, &record, &self.database, &self.table);
        };
        let mut plan = self.plan(target);
        plan.selection.paths = entries::paths(store, &record, &self.path)?;
        plan.selection.paths.extend(names::paths(&self.database, &self.table)?);
        if context.globals.dry_run {
            return Ok(would(&plan.target, &record, &restore::need(store, &record, &plan)?));
        }
        let mut report = {
            let _meter = context.output.progress("restoring", "entry", Arc::clone(context.progress()));
            restore::restore(store, &record, &plan, &context.pool()?, context.progress())?
        };
        remember_damage(context, store, report.damaged.len());
        if self.no_owners {
            // It was asked for.
            report.other_owners = 0;
        }
        tell(context, &report);
        let outdated = store.container().has_fallen_back();
        Ok(outcome(&plan.target, &record, &report, outdated))
    }
}

fn would(target: &Path, record: &SnapshotRecord, need: &Need) -> Outcome {
    Outcome::done()
        .with("snapshot", record.id.to_string())
        .with("entries", need.entries)
        .with("data_bytes", need.data_bytes)
        .with("space_bytes", need.space_bytes)
        .summary(format!(
            "{} with {} would be restored from {} to {}; {} must be free",
            format_count(need.entries, "entry"),
            format_size(need.data_bytes),
            short(&record.id),
            target.display(),
            format_size(need.space_bytes)
        ))
}

fn tell(context: &Context, report: &RestoreReport) {
    let output = &context.output;
    for (path, reason) in &report.damaged {
        output.warning_about("damaged", path, format_args!("{path}: not restored: {reason}"));
    }
    for path in &report.wrong_contents {
        output.warning_about(
            "differs",
            path,
            format_args!("{path}: its bytes are not those of the snapshot"),
        );
    }
    for (path, difference) in &report.differences {
        output.warning_about("differs", path, format_args!("{path}: {difference}"));
    }
    report.notes.iter().for_each(|note| output.warning("note", note));
    for problem in &report.problems {
        output.warning_about("not-restored", &problem.path, problem);
    }
}

fn outcome(target: &Path, record: &SnapshotRecord, report: &RestoreReport, outdated: bool) -> Outcome {
    let different = report.differences.len() + report.wrong_contents.len();
    let found = match (report.damaged.len() + different, report.problems.is_empty()) {
        (0, true) => Status::Done,
        (0, false) => Status::Warnings,
        _ => Status::Damage,
    };
    // What was asked for as the latest may not be the latest that was backed up.
    let status = if outdated { Status::Damage } else { found };
    let mut summary = format!(
        "{} restored to {} from {}: {} in {}",
        if found == Status::Done { "everything" } else { "not everything" },
        target.display(),
        short(&record.id),
        format_size(report.restored_bytes),
        format_count(report.restored, "entry"),
    );
    if report.already_there > 0 {
        summary += &format!("; {} stood there already", report.already_there);
    }
    if let Some(compared) = report.compared {
        summary += &format!("; {compared} compared, {different} differ");
    }
    for (count, what) in [(report.damaged.len(), "damaged"), (report.problems.len(), "with problems")] {
        if count > 0 {
            summary += &format!("; {count} {what}");
        }
    }
    if report.other_owners > 0 {
        let count = format_count(report.other_owners, "entry");
        summary += &format!("; {count} had another owner, which only root can give back");
    }
    if outdated {
        summary += "; the newest commit is damaged, so newer snapshots may be missing";
    }
    Outcome::new(status)
        .with("snapshot", record.id.to_string())
        .with("restored", report.restored)
        .with("restored_bytes", report.restored_bytes)
        .with("already_there", report.already_there)
        .with("compared", report.compared)
        .with("different", different)
        .with("other_owners", report.other_owners)
        .with("damaged", report.damaged.len())
        .with("problems", report.problems.len())
        .summary(summary)
}
