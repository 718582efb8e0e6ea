//! `coffer migrate`: a practice's server moved, with the container alone between the machines. It
//! promises that a plan ends well only with a snapshot that was verified and pinned, and exit code 4
//! if the container is damaged.

mod restore;

use super::backup::sources;
use super::verify::remember;
use crate::attachments::exclude::Excludes;
use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::cli::server::ServerArgs;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::mysql::dump::DumpPlan;
use crate::operations::backup::{self, BackupPlan, Source};
use crate::operations::doctor::{self, Diagnosis, Question};
use crate::operations::migrate::{Facts, MigrationReport, Stage};
use crate::operations::paper::{self, Written};
use crate::operations::session::{Session, host_name};
use crate::operations::{pins, server_restore, verify};
use crate::snapshot::{Catalog, Level, SnapshotRecord};
use crate::values::{format_count, format_duration, format_size};
use clap::{Args, Subcommand};
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a database that a restore loads and reads back in a second: low, for an estimate.
const LOAD_BYTES_PER_SECOND: u64 = 8 << 20;
/// Bytes of attachments that a restore writes and compares in a second.
const FILE_BYTES_PER_SECOND: u64 = 60 << 20;

/// Arguments of `coffer migrate`.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// On the old server: look, back up with users, verify, and say what the new machine needs
    Plan(Plan),
    /// On the new server: look, restore databases, users and attachments, compare
    Restore(restore::Restore),
}

#[derive(Debug, Args)]
struct Plan {
    /// The container
    container: Option<OsString>,
    /// A database that moves; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// A folder that moves; may be given several times
    #[arg(long, value_name = "[LABEL=]DIR")]
    attachments: Vec<OsString>,
    /// The report of the last drill (JSON): its time to recover replaces the estimate
    #[arg(long, value_name = "FILE")]
    drill: Option<PathBuf>,
    /// Write the report here: a folder, or the name of the page
    #[arg(long, value_name = "PATH")]
    report: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

impl Migrate {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Plan(_) => "migrate plan",
            Action::Restore(_) => "migrate restore",
        }
    }

    /// Plans or restores.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        match self.action {
            Action::Plan(plan) => plan.run(context),
            Action::Restore(restore) => restore.run(context),
        }
    }
}

/// A report with nothing in it yet.
fn blank(context: &Context, stage: Stage, container: &Path) -> MigrationReport {
    let name = container.file_name().unwrap_or(container.as_os_str());
    MigrationReport {
        stage,
        container: name.to_string_lossy().into_owned(),
        held: paper::date(context.time(None)),
        machine: host_name(),
        program: env!("CARGO_PKG_VERSION").into(),
        ..MigrationReport::default()
    }
}

/// Fills in what the snapshot tells.
fn describe(report: &mut MigrationReport, session: &Session, record: &SnapshotRecord, facts: Facts) {
    report.snapshot = record.id.to_string();
    report.snapshot_time = paper::date(record.time);
    report.container_bytes = session.store.container().file_bytes();
    let (databases, files) = (facts.server_bytes(), facts.attachment_bytes);
    report.needed_bytes = report.container_bytes.saturating_add(databases).saturating_add(files);
    let ms = |bytes: u64, rate: u64| bytes.saturating_mul(1000) / rate;
    report.estimated_restore_ms =
        ms(databases, LOAD_BYTES_PER_SECOND).saturating_add(ms(files, FILE_BYTES_PER_SECOND));
    report.facts = facts;
}

impl Plan {
    fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        self.report.as_deref().map_or(Ok(()), paper::check_place)?;
        let drill = self.drill.as_deref().map(recovery_ms).transpose()?;
        let server = self.server.options(context)?;
        let dump = DumpPlan {
            server: server.clone(),
            databases: (!self.database.is_empty()).then(|| self.database.clone()),
            users: true,
            ..DumpPlan::default()
        };
        let mut sources = vec![Source::Databases(Arc::new(dump))];
        for folder in &self.attachments {
            sources.push(sources::folder(folder)?);
        }
        let patterns = sources::container_itself(&path, &sources, &context.output)?;
        let began = Instant::now();
        let mut report = blank(context, Stage::Plan, &path);
        let mut session =
            context.open(&path, if context.globals.dry_run { Access::Read } else { Access::Write })?;
        let question = Question { server, databases: self.database.clone(), users: true, load: false };
        let found = doctor::diagnose(&question)?;
        report.step("the old server looked at", began.elapsed(), 0);
        report.server =
            format!("{}, {} {}", found.server, found.facts.vendor.word(), found.facts.version_text);
        findings(context, &found, &mut report);
        if let Some(refusal) = found.refusal {
            return Err(refusal);
        }
        if context.globals.dry_run {
            let names: Vec<&str> = found.databases.iter().map(|d| d.name.as_str()).collect();
            let summary = format!("{} would be backed up with users and verified", names.join(", "));
            return Ok(Outcome::done().with("databases", names).summary(summary));
        }
        let plan = BackupPlan {
            excludes: Excludes::new(&patterns)?,
            ..BackupPlan::usual(sources, "migrate", host_name(), context.time(None))
        };
        let record = self.back_up(context, &mut session, plan, &mut report)?;
        let is_sound = self.verify(context, &session, &mut report)?;
        pin(context, &mut session, &record)?;
        let source = server_restore::source(&session.store, &record)?;
        describe(&mut report, &session, &record, Facts::of(&source, &record));
        if let Some(ms) = drill {
            report.estimated_restore_ms = ms;
        }
        report.close(began.elapsed());
        let status = match (is_sound, record.is_complete()) {
            (false, _) => Status::Damage,
            (true, false) => Status::Warnings,
            (true, true) => Status::Done,
        };
        finish(context, &report, status, self.report.as_deref())
    }

    fn back_up(
        &self,
        context: &Context,
        session: &mut Session,
        plan: BackupPlan,
        report: &mut MigrationReport,
    ) -> Result<SnapshotRecord> {
        let began = Instant::now();
        let _meter = context.output.progress("backing up", "file", Arc::clone(context.progress()));
        let made = backup::backup(&mut session.store, plan, context.pool()?, context.progress())?;
        report.step(
            "backed up, and read back from the medium",
            began.elapsed(),
            made.record.restored_bytes(),
        );
        report.notes.extend(made.notes);
        report.differences.extend(made.losses);
        for problem in &made.problems {
            // A file's name may tell of a patient: it is for the screen only.
            context.output.warning_about("unreadable", &problem.path, problem);
        }
        if !made.problems.is_empty() {
            let count = made.problems.len();
            report.differences.push(format!("{count} attachments could not be read, or changed meanwhile"));
        }
        Ok(made.record)
    }

    fn verify(&self, context: &Context, session: &Session, report: &mut MigrationReport) -> Result<bool> {
        let began = Instant::now();
        let _meter = context.output.progress("verifying", "segment", Arc::clone(context.progress()));
        let found = verify::verify(&session.store, Level::Full, &context.pool()?, context.progress())?;
        remember(context, &session.store.container().base().container, Level::Full, &found);
        report.step("the whole container verified", began.elapsed(), found.read_bytes);
        for damage in &found.damaged {
            report.differences.push(format!("{}: {}", damage.object, damage.reason));
        }
        Ok(found.damaged.is_empty() && found.affected.is_empty())
    }
}

/// What the old server says of itself that a move must know.
fn findings(context: &Context, found: &Diagnosis, report: &mut MigrationReport) {
    report.notes.extend(found.findings.iter().map(|finding| finding.message.clone()));
    for finding in &found.findings {
        context.output.warning(finding.code, &finding.message);
    }
}

fn pin(context: &Context, session: &mut Session, record: &SnapshotRecord) -> Result<()> {
    let mut catalog = Catalog::read(&session.store)?;
    let time = context.time(None);
    pins::pin(&mut catalog, &[record.id], "the exact copy before the move", time)?;
    pins::commit(session, &catalog, time, context.pool()?)
}

/// The time to recover that a drill measured.
fn recovery_ms(file: &Path) -> Result<u64> {
    let wrong = || {
        Error::new(Kind::Usage, format!("{}: is no report of a drill", file.display()))
            .hint("coffer drill writes a page and beside it a .json: name the latter")
    };
    let text = std::fs::read(file)
        .map_err(|cause| Error::io(Kind::Usage, format!("{}: cannot be read", file.display()), cause))?;
    let value: serde_json::Value = serde_json::from_slice(&text).map_err(|cause| wrong().because(cause))?;
    value["recovery_ms"].as_u64().ok_or_else(wrong)
}

/// Tells, writes the report, and ends.
fn finish(
    context: &Context,
    report: &MigrationReport,
    status: Status,
    place: Option<&Path>,
) -> Result<Outcome> {
    let output = &context.output;
    for step in &report.steps {
        let line = format!("done: {} ({})", step.name, format_duration(Duration::from_millis(step.ms)));
        output.item(line, json!({ "done": step.name, "ms": step.ms, "bytes": step.bytes }));
    }
    report.differences.iter().for_each(|text| output.warning("differs", text));
    for line in &report.left_to_do {
        output.item(format_args!("left: {line}"), json!({ "left": line }));
    }
    let written: Option<Written> = place.map(|place| report.write(place)).transpose()?;
    let rows: u64 = report.facts.databases.iter().map(|d| d.rows).sum();
    let tables: u64 = report.facts.databases.iter().map(|d| d.tables).sum();
    let what = format!(
        "{} with {}, {}, {} of attachments",
        format_count(tables, "table"),
        format_count(rows, "row"),
        format_count(report.facts.users.len() as u64, "user"),
        format_size(report.facts.attachment_bytes)
    );
    let id = report.snapshot.get(..8).unwrap_or(&report.snapshot);
    let summary = match report.stage {
        Stage::Plan => format!(
            "{id} holds {what}; the new machine needs {} free, the restore takes about {}",
            format_size(report.needed_bytes),
            format_duration(Duration::from_millis(report.estimated_restore_ms))
        ),
        Stage::Restore => format!("{id} restored and compared: {what}"),
    };
    let mut outcome = Outcome::new(status);
    if let serde_json::Value::Object(fields) = report.json() {
        let known = ["program", "form", "container"];
        outcome.fields.extend(fields.into_iter().filter(|(name, _)| !known.contains(&name.as_str())));
    }
    Ok(outcome
        .with("tables", tables)
        .with("rows", rows)
        .with("report", written.as_ref().map(|w| w.page.display().to_string()))
        .with("report_json", written.as_ref().map(|w| w.json.display().to_string()))
        .summary(summary))
}
