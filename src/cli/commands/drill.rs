//! `coffer drill`: a snapshot restored for trial, with a report to print and keep. It promises exit code
//! 0 only if everything came back as it was backed up, 4 if anything differs, 3 if something could not
//! be tried, and 13 if there is no server for the databases.

use super::snapshots::short;
use crate::cli::args::places;
use crate::cli::context::{Context, selector};
use crate::cli::events::{Outcome, Status};
use crate::cli::server::ServerArgs;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::mysql::load::LoadOptions;
use crate::operations::drill::{self, DrillPlan, DrillReport, Share, Verdict};
use crate::operations::paper::Written;
use crate::values::{format_count, format_duration};
use clap::Args;
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `coffer drill`.
#[derive(Debug, Args)]
#[command(override_usage = "coffer drill [CONTAINER] [SNAPSHOT] [OPTIONS]")]
pub struct Drill {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// latest, latest~2, the first digits of an id, or a day [default: latest]
    #[arg(value_name = "SNAPSHOT")]
    second: Option<OsString>,
    /// Load databases into this server, under names of their own, instead of a private one
    #[arg(long)]
    to_server: bool,
    /// What the names of databases on that server begin with
    #[arg(long, value_name = "WORD", default_value = "coffer_drill_", requires = "to_server")]
    prefix: String,
    /// Try this many of a hundred attachments [default: 5, from 100 to 1000 files]
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    attachments_share: Option<u8>,
    /// Try all attachments
    #[arg(long, conflicts_with = "attachments_share")]
    all: bool,
    /// Try no database
    #[arg(long, conflicts_with = "to_server")]
    no_database: bool,
    /// Make the private server and all scratch files in this folder
    #[arg(long, value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    /// Write the report here: a folder, or the name of the page
    #[arg(long, value_name = "PATH", default_value = ".")]
    report: PathBuf,
    /// Who reviews the report; otherwise there is room to write it
    #[arg(long, value_name = "NAME")]
    reviewer: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

impl Drill {
    /// Holds it.
    pub fn run(mut self, context: &Context) -> Result<Outcome> {
        let given = [self.first.take(), self.second.take()];
        let (path, rest) = places(&context.globals, given, &["SNAPSHOT"], 0)?;
        let latest = OsString::from("latest");
        let selector = selector(rest.first().unwrap_or(&latest))?;
        let plan = self.plan(context, &path)?;
        let session = context.open(&path, Access::Read)?;
        let record = context.snapshot(&session.store, &selector)?;
        if context.globals.dry_run {
            let summary = format!("a restore of {} would be tried", short(&record.id));
            return Ok(Outcome::done().with("snapshot", record.id.to_string()).summary(summary));
        }
        let mut report = {
            let _meter = context.output.progress("trying", "entry", Arc::clone(context.progress()));
            drill::drill(&session.store, &record, &plan, &context.pool()?, context.progress())?
        };
        if session.store.container().has_fallen_back() {
            let message = "the newest commit is damaged, so newer snapshots may be missing";
            report.differences.push(message.into());
        }
        let written = report.write(&self.report)?;
        tell(context, &report);
        Ok(outcome(&report, &written))
    }

    fn plan(&self, context: &Context, container: &Path) -> Result<DrillPlan> {
        let share = match (self.all, self.attachments_share) {
            (true, _) => Share::All,
            (false, Some(percent)) => Share::Percent(percent),
            (false, None) => Share::Usual,
        };
        if !self.report.is_dir() && self.report.extension().is_none() {
            return Err(Error::new(Kind::Usage, format!("{}: no such folder", self.report.display()))
                .hint("--report takes a folder that is there, or the name of a page such as drill.html"));
        }
        let threads = match context.globals.threads {
            0 => LoadOptions::default().threads,
            threads => threads,
        };
        let name = container.file_name().unwrap_or(container.as_os_str());
        Ok(DrillPlan {
            container: name.to_string_lossy().into_owned(),
            server: self.to_server.then(|| self.server.options(context)).transpose()?,
            prefix: self.prefix.clone(),
            has_databases: !self.no_database,
            share,
            scratch: self.scratch_dir.clone(),
            time: context.time(None),
            reviewer: self.reviewer.clone(),
            threads,
        })
    }
}

fn tell(context: &Context, report: &DrillReport) {
    let output = &context.output;
    for phase in &report.phases {
        let line = format!("{}: {}", phase.name, format_duration(Duration::from_millis(phase.ms)));
        output.item(line, json!({ "phase": phase.name, "ms": phase.ms, "bytes": phase.bytes }));
    }
    for failed in report.attachments.iter().flat_map(|trial| &trial.failed) {
        output.warning("differs", failed);
    }
    report.differences.iter().for_each(|text| output.warning("differs", text));
    report.not_proven.iter().for_each(|text| output.warning("not-proven", text));
    let notes = report.databases.iter().flat_map(|trial| &trial.notes);
    report.notes.iter().chain(notes).for_each(|text| output.warning("note", text));
}

fn outcome(report: &DrillReport, written: &Written) -> Outcome {
    let verdict = report.verdict();
    let status = match verdict {
        Verdict::Proven => Status::Done,
        Verdict::InPart => Status::Warnings,
        Verdict::Differs => Status::Damage,
    };
    let rows: u64 = report.databases.iter().map(|trial| trial.rows).sum();
    let tables: u64 = report.databases.iter().map(|trial| trial.tables).sum();
    let dumps = report.dumps.iter().filter(|d| d.failure.is_empty() && d.not_loaded.is_empty()).count();
    let files = report.attachments.as_ref().map_or(0, |trial| trial.tried);
    let mut tried = Vec::new();
    if !report.databases.is_empty() {
        let rows = format_count(rows, "row");
        tried.push(format!("{} with {rows}", format_count(tables, "table")));
    }
    if dumps > 0 {
        tried.push(format!("{} loaded", format_count(dumps as u64, "dump")));
    }
    if files > 0 {
        let of = report.attachments.as_ref().map_or(0, |trial| trial.files);
        tried.push(format!("{files} of {}", format_count(of, "attachment")));
    }
    let what = if tried.is_empty() { "nothing was tried".to_owned() } else { tried.join(", ") };
    let time = format_duration(Duration::from_millis(report.recovery_ms()));
    let id = report.snapshot.get(..8).unwrap_or(&report.snapshot);
    Outcome::new(status)
        .with("snapshot", &report.snapshot)
        .with("verdict", verdict.word())
        .with("server_version", &report.server)
        .with("databases", report.databases.len())
        .with("tables", tables)
        .with("rows", rows)
        .with("dumps_loaded", dumps)
        .with("attachments", files)
        .with("compared", tables + dumps as u64 + files)
        .with("different", report.differences.len())
        .with("differences", &report.differences)
        .with("not_proven", &report.not_proven)
        .with("recovery_ms", report.recovery_ms())
        .with("report", written.page.display().to_string())
        .with("report_json", written.json.display().to_string())
        .summary(format!(
            "{id}: {}: {what}; time to recover {time}; report: {}",
            verdict.word(),
            written.page.display()
        ))
}
