//! `coffer remove-old-data`: old rows of an application's tables counted, or removed from the live
//! server once a pinned snapshot is proven to hold them. It promises that `plan` and `--dry-run` change
//! nothing, that nothing is removed without a typed confirmation or `--yes`, and exit code 3 if old
//! rows are left.

mod apply;

use crate::cli::args::{places, usage};
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::cli::server::ServerArgs;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::sources::login_name;
use crate::operations::old_data::{self, Age, Fitted, OldDataReport, Question, TableOutcome};
use crate::operations::paper;
use crate::operations::profile::Profile;
use crate::operations::session::host_name;
use crate::snapshot::{Catalog, SnapshotRecord, SourceKind};
use crate::values::{format_count, format_size, local_day, parse_duration};
use clap::{Args, Subcommand};
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Arguments of `coffer remove-old-data`.
#[derive(Debug, Args)]
pub struct RemoveOldData {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Count old rows and their bytes; change nothing
    Plan(Plan),
    /// Remove old rows from the server, each once it is proven to be in a pinned snapshot
    Apply(Apply),
}

#[derive(Debug, Args)]
struct Plan {
    #[command(flatten)]
    what: What,
}

#[derive(Debug, Args)]
struct Apply {
    #[command(flatten)]
    what: What,
    /// The snapshot that must hold every row that goes [default: the newest with the database]
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "backup")]
    snapshot: Option<OsString>,
    /// Make a snapshot of the database first
    #[arg(long)]
    backup: bool,
    /// Most rows removed at a time
    #[arg(long, value_name = "ROWS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    batch: u64,
    /// The least pause between two batches
    #[arg(long, value_name = "TIME", value_parser = usage(parse_pause), default_value = "50ms")]
    pause: Duration,
    /// Most of a hundred parts of the time that the work takes
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=100))]
    share: u32,
    /// Wait while more statements of others run than this
    #[arg(long, value_name = "N", default_value_t = 8)]
    busy_threads: u64,
}

/// What both take.
#[derive(Debug, Args)]
struct What {
    /// The container
    container: Option<OsString>,
    /// What is known of the application: open-dental, or a TOML file
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// The first day that is not old: 2023-01-01
    #[arg(long, value_name = "DAY", conflicts_with = "older_than")]
    before: Option<String>,
    /// From this age on rows are old: 3y, 36m, 1095d [default: what the profile says]
    #[arg(long, value_name = "AGE", value_parser = usage(Age::parse))]
    older_than: Option<Age>,
    /// The database [default: the only one with the tables]
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// Only these tables of the profile; may be given several times
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// Write a report here: a folder, or the name of the page
    #[arg(long, value_name = "PATH")]
    report: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

fn parse_pause(text: &str) -> Result<Duration> {
    match text.trim().strip_suffix("ms").and_then(|number| number.trim().parse::<u32>().ok()) {
        Some(ms) => Ok(Duration::from_millis(u64::from(ms))),
        None => parse_duration(text),
    }
}

impl RemoveOldData {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Plan(_) => "remove-old-data plan",
            Action::Apply(_) => "remove-old-data apply",
        }
    }

    /// Counts or removes.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        match self.action {
            Action::Plan(plan) => plan.what.plan(context),
            Action::Apply(apply) if context.globals.dry_run => apply.what.plan(context),
            Action::Apply(apply) => apply.run(context),
        }
    }
}

/// The tables on the server, and the report as far as it goes.
struct Looked {
    conn: Connection,
    question: Question,
    fitted: Fitted,
    report: OldDataReport,
    began: Instant,
}

impl What {
    fn question(&self, context: &Context) -> Result<Question> {
        let profile = Profile::find(&self.profile)?;
        let today = local_day(context.time(None))
            .ok_or_else(|| Error::new(Kind::Failed, "the machine's clock shows no day"))?;
        let default = profile.old_after.as_deref().map(Age::parse).transpose()?;
        let before = match (&self.before, self.older_than.or(default)) {
            (Some(day), _) => old_data::day(day, today)?,
            (None, Some(age)) => age.before(today)?,
            (None, None) => {
                return Err(Error::new(Kind::Usage, "nothing says from when on rows are old")
                    .hint("--before 2023-01-01, or --older-than 3y"));
            }
        };
        let (server, database) = (self.server.options(context)?, self.database.clone());
        Ok(Question { server, database, profile, tables: self.table.clone(), before })
    }

    /// Looks and counts.
    fn look(&self, context: &Context, container: &Path, is_apply: bool) -> Result<Looked> {
        self.report.as_deref().map_or(Ok(()), paper::check_place)?;
        let question = self.question(context)?;
        let began = Instant::now();
        let mut conn = Connection::open(&question.server)?;
        let fitted = old_data::fit(&mut conn, &question)?;
        let missing = old_data::missing_rights(&mut conn, &fitted, is_apply)?;
        if let (Some(_), true) = (missing.first(), is_apply) {
            let message = format!("{}: rights are missing to remove rows safely", conn.name());
            return Err(Error::new(Kind::Database, message).hint(missing.join("; ")));
        }
        missing.iter().for_each(|grant| context.output.warning("privilege", grant));
        let tables = {
            let _meter = context.output.progress("counting", "row", Arc::clone(context.progress()));
            old_data::plan(&mut conn, &fitted, context.progress())?
        };
        let name = container.file_name().unwrap_or(container.as_os_str());
        let mut notes = question.profile.old_data_remarks.clone();
        notes.extend(fitted.notes.iter().cloned());
        let report = OldDataReport {
            container: name.to_string_lossy().into_owned(),
            server: conn.name().to_owned(),
            database: fitted.database.clone(),
            profile: question.profile.name.clone(),
            before: question.before.to_string(),
            held: paper::date(context.time(None)),
            asked_by: login_name().unwrap_or_else(|| "unknown".into()),
            machine: host_name(),
            program: env!("CARGO_PKG_VERSION").into(),
            is_applied: is_apply,
            tables,
            notes,
            ..OldDataReport::default()
        };
        report.notes.iter().for_each(|note| context.output.warning("note", note));
        Ok(Looked { conn, question, fitted, report, began })
    }

    fn plan(&self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        let session = context.open(&path, Access::Read)?;
        let mut looked = self.look(context, &path, false)?;
        let catalog = Catalog::read(&session.store)?;
        if let Some(record) = newest_with(&catalog, &looked.fitted.database) {
            looked.report.snapshot = record.id.to_string();
            looked.report.snapshot_time = paper::date(record.time);
        } else {
            let message = "no snapshot here holds the database: apply needs --backup, or a backup before";
            context.output.warning("no-snapshot", message);
        }
        self.end(context, looked)
    }

    fn end(&self, context: &Context, looked: Looked) -> Result<Outcome> {
        let mut report = looked.report;
        report.took_ms = u64::try_from(looked.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        report.tables.iter().for_each(|table| tell(context, table, report.is_applied));
        let written = self.report.as_deref().map(|place| report.write(place)).transpose()?;
        let status = match report.is_applied && report.left() > 0 {
            true => Status::Warnings,
            false => Status::Done,
        };
        let bytes: u64 = report.tables.iter().map(|table| table.estimated_bytes).sum();
        let rows = format_count(report.old(), "row");
        let summary = match report.is_applied {
            false => format!(
                "{rows} of `{}` before {}, about {} (by the server's average length of a row); nothing was changed",
                report.database,
                report.before,
                format_size(bytes)
            ),
            true => format!(
                "{} of {rows} of `{}` before {} removed; {} holds them and is pinned",
                report.deleted(),
                report.database,
                report.before,
                report.snapshot.get(..8).unwrap_or("no snapshot")
            ),
        };
        let mut outcome = Outcome::new(status);
        if let serde_json::Value::Object(fields) = report.json() {
            let known = ["program", "form", "container"];
            outcome.fields.extend(fields.into_iter().filter(|(name, _)| !known.contains(&name.as_str())));
        }
        Ok(outcome
            .with("old", report.old())
            .with("estimated_bytes", bytes)
            .with("deleted", report.deleted())
            .with("left", report.left())
            .with("report", written.as_ref().map(|w| w.page.display().to_string()))
            .with("report_json", written.as_ref().map(|w| w.json.display().to_string()))
            .summary(summary))
    }
}

/// The newest snapshot that was made of the database.
fn newest_with<'a>(catalog: &'a Catalog, database: &str) -> Option<&'a SnapshotRecord> {
    catalog.snapshots.iter().rev().find(|record| {
        let is_of = |name: &[u8]| name == b"*" || name == database.as_bytes();
        record.sources.iter().any(|source| source.kind == SourceKind::Database && is_of(&source.name))
    })
}

fn tell(context: &Context, table: &TableOutcome, is_applied: bool) {
    let mut line = format!("{}: {} of {} old", table.table, table.old, format_count(table.rows, "row"));
    match is_applied {
        false => line += &format!(", about {}", format_size(table.estimated_bytes)),
        true => line += &format!(", {} removed, {} left", table.deleted, table.left),
    }
    if table.dateless > 0 {
        line += &format!("; {} without a date stay", table.dateless);
    }
    if table.orphans > 0 {
        line += &format!("; {} belong to rows that are gone, and stay", table.orphans);
    }
    context.output.item(line, json!(table));
}
