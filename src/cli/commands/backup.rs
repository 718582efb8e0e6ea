//! `coffer backup`: one snapshot of dumps and folders. It promises exit code 3, and every such thing
//! named, when something could not be read; and that a container inside a folder is not part of it.

mod databases;
pub(super) mod sources;

use super::snapshots::short;
use crate::attachments::exclude::Excludes;
use crate::attachments::problem::ProblemKind;
use crate::cli::args::{places, usage};
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::clock::Timestamp;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::operations::backup::{self, BackupPlan, BackupReport};
use crate::operations::profile::listed::{self, Listed};
use crate::operations::{retain, session};
use crate::retention::Policy;
use crate::snapshot::{Catalog, Ledger};
use crate::values::{format_count, format_size, parse_time};
use clap::Args;
use databases::DatabaseOptions;
use sources::SourceOptions;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `coffer backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// The container
    container: Option<OsString>,
    #[command(flatten)]
    sources: SourceOptions,
    #[command(flatten)]
    databases: DatabaseOptions,
    /// Leave out what matches: `*.tmp`, `/cache/`, `**/thumbs/*.db`
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// The same, one pattern a line; lines with # are remarks
    #[arg(long, value_name = "FILE")]
    exclude_from: Vec<PathBuf>,
    /// Time of the snapshot, instead of now: 2026-01-31T18:30:00+01:00
    #[arg(long, value_name = "TIME", value_parser = usage(parse_time))]
    at: Option<Timestamp>,
    /// zstd level: 1 is fast, 22 is small
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
    /// A word to find the snapshot by; may be given several times
    #[arg(long, value_name = "TEXT")]
    tag: Vec<String>,
    /// Read every file, also those that look unchanged, and store anew what is damaged
    #[arg(long)]
    read_all: bool,
    /// Read what was written back from the medium before saying that it is there
    #[arg(long)]
    read_back: bool,
    /// Name of the machine, instead of its own
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
}

impl Backup {
    /// Backs up.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        let mut sources = self.sources.sources()?;
        sources.extend(self.databases.source(context)?);
        if sources.is_empty() {
            return Err(Error::new(Kind::Usage, "nothing to back up").hint(
                "name a source: --database NAME, --dump FILE, --dump-command CMD or --attachments DIR",
            ));
        }
        let profile = self.databases.profile()?;
        sources::check_standard_input(&sources, &context.globals.secret)?;
        let mut patterns = self.exclude.clone();
        for file in &self.exclude_from {
            patterns.extend(patterns_in(file)?);
        }
        Excludes::new(&patterns)?;
        patterns.extend(sources::container_itself(&path, &sources, &context.output)?);
        let mut plan = BackupPlan {
            sources,
            excludes: Excludes::new(&patterns)?,
            tags: self.tag.clone(),
            host: self.host.clone().unwrap_or_else(session::host_name),
            time: context.time(self.at),
            level: self.level,
            read_all: self.read_all,
            read_back: self.read_back,
            verifications: Vec::new(),
        };
        if context.globals.dry_run {
            return self.would(context, &path, &plan);
        }
        let mut session = context.open(&path, Access::Write)?;
        let fallen_back = session.store.container().has_fallen_back();
        let (state, container) = (context.state(), session.store.container().base().container);
        let noted = state.as_ref().map(|state| state.verifications(&container)).unwrap_or_default();
        plan.verifications = noted.clone();
        let report = {
            let _meter = context.output.progress("backing up", "file", Arc::clone(context.progress()));
            let policy = session.store.contents().settings.retention.clone();
            let now = plan.time;
            let droppable =
                |catalog: &Catalog, ledger: &Ledger| droppable(catalog, ledger, policy.as_ref(), now);
            let pool = context.pool()?;
            backup::backup_making_room(&mut session.store, plan, &droppable, pool, context.progress())?
        };
        if let Some(state) = state.filter(|_| !noted.is_empty()) {
            // What stays is entered again, and the ledger holds it once all the same.
            let _ = state.forget(&container, &noted);
        }
        tell(context, &report);
        let mut outcome = outcome(&report, fallen_back);
        if let Some(profile) = profile {
            let listed = listed::compare(
                &session.store,
                &report.record,
                &profile,
                &context.pool()?,
                context.progress(),
            )?;
            outcome = with_listed(context, outcome, &listed);
        }
        Ok(outcome)
    }

    fn would(&self, context: &Context, path: &Path, plan: &BackupPlan) -> Result<Outcome> {
        drop(context.open(path, Access::Read)?);
        let names = sources::check(&plan.sources)?;
        for name in &names {
            context.output.item(format_args!("would back up {name}"), serde_json::json!({ "source": name }));
        }
        let summary = format!("{} would be backed up", format_count(names.len() as u64, "source"));
        Ok(Outcome::done().with("sources", names.len()).summary(summary))
    }
}

/// What the container's own policy lets go, should room be needed.
fn droppable(catalog: &Catalog, ledger: &Ledger, policy: Option<&Policy>, now: Timestamp) -> Vec<SnapshotId> {
    let decide = |policy| retain::decide(catalog, ledger, policy, &Default::default(), now).ok();
    policy.and_then(decide).map(|decision| decision.victims()).unwrap_or_default()
}

fn patterns_in(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).map_err(|cause| {
        Error::io(Kind::Usage, format!("exclude file {} could not be read", file.display()), cause)
    })?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

fn tell(context: &Context, report: &BackupReport) {
    report.notes.iter().for_each(|note| context.output.warning("note", note));
    report.losses.iter().for_each(|loss| context.output.warning("not-carried", loss));
    for id in &report.dropped {
        context.output.note(format_args!("snapshot {} was dropped by policy to make room", short(id)));
    }
    for problem in &report.problems {
        let code = match problem.what {
            ProblemKind::Emptied => "emptied",
            what if what.is_loss() => "unreadable",
            _ => "incomplete",
        };
        context.output.warning_about(code, &problem.path, problem);
    }
}

/// Lines about missing attachments that a person is shown.
const SHOWN_MISSING: usize = 20;

/// Names what the database lists and nobody has: all of it in the result, for people the first. The
/// snapshot is whole all the same.
fn with_listed(context: &Context, outcome: Outcome, listed: &Listed) -> Outcome {
    for name in listed.missing.iter().take(SHOWN_MISSING) {
        let message = format_args!("the database lists {name}, which is no attachment here");
        context.output.warning("missing-attachment", message);
    }
    if let Some(more) = listed.missing.len().checked_sub(SHOWN_MISSING).filter(|more| *more > 0) {
        context.output.warning("missing-attachment", format_args!("and {more} more, which --json lists"));
    }
    outcome
        .with("listed_attachments", listed.listed)
        .with("missing_attachments", listed.missing.len())
        .with("missing", listed.missing.clone())
}

fn outcome(report: &BackupReport, fallen_back: bool) -> Outcome {
    let (record, counts) = (&report.record, &report.record.counts);
    let is_whole = record.is_complete() && !fallen_back;
    let mut summary = format!(
        "snapshot {}: {} in {}, {} added",
        short(&record.id),
        format_size(record.restored_bytes()),
        format_count(counts.files + counts.dumps, "file"),
        format_size(counts.added_bytes),
    );
    if !record.is_complete() {
        summary += &format!("; partial: {}", format_count(counts.problems, "problem"));
    }
    Outcome::new(if is_whole { Status::Done } else { Status::Warnings })
        .with("snapshot", record.id.to_string())
        .with("short", short(&record.id))
        .with("added_bytes", counts.added_bytes)
        .with("new_bytes", counts.new_bytes)
        .with("stall_ms", report.stall.map_or(0, |stall| stall.as_millis() as u64))
        .with("files", counts.files)
        .with("files_read", counts.files_read)
        .with("dumps", counts.dumps)
        .with("folders", counts.folders)
        .with("bytes", record.restored_bytes())
        .with("problems", counts.problems)
        .with("databases", &report.figures.databases)
        .with("roots", &report.figures.roots)
        .with("dropped", report.dropped.iter().map(ToString::to_string).collect::<Vec<_>>())
        .with("file_bytes_before", report.file_bytes.0)
        .with("file_bytes_after", report.file_bytes.1)
        .summary(summary)
}
