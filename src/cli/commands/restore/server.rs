//! `coffer restore --to-server`: live databases of a snapshot into a server. It promises that nothing
//! is replaced without `--replace` and a confirmation, that obstacles are told before anything is
//! touched, and never exit code 0 after a load that is not whole.

use super::names::table_name;
use crate::chunk_store::ChunkStore;
use crate::cli::confirm;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::cli::server::ServerArgs;
use crate::error::{Error, Kind, Result};
use crate::mysql::load::{
    DatabaseReport, Definers, LoadOptions, LoadPlan, LoadReport, LoadSource, RowFilter,
};
use crate::operations::profile::scrub::{RuleCount, Scrub, ScrubKey};
use crate::operations::profile::{Leftover, Profile};
use crate::operations::server_restore;
use crate::snapshot::SnapshotRecord;
use crate::values::format_count;
use clap::Args;
use serde_json::{Value, json};
use std::sync::Arc;

/// The arguments of a restore to a server.
#[derive(Debug, Args)]
pub struct ServerRestore {
    /// Load live databases into a server
    #[arg(long)]
    pub to_server: bool,
    /// The name that the one database gets on the server
    #[arg(long = "as", value_name = "NAME", requires = "to_server")]
    rename_to: Option<String>,
    /// Put what is restored in the place of a database or table of the same name
    #[arg(long, requires = "to_server")]
    replace: bool,
    /// Users that objects run as: keep, invoker, or USER@HOST for all
    #[arg(long, value_name = "WHO", default_value = "keep", requires = "to_server")]
    definers: String,
    /// Make the users of the snapshot, too
    #[arg(long, requires = "to_server")]
    users: bool,
    /// Make events disabled
    #[arg(long, requires = "to_server")]
    no_events: bool,
    /// Replace what tells of people as this profile says: open-dental, or a TOML file
    #[arg(long, value_name = "PROFILE", requires = "to_server", conflicts_with = "users")]
    as_test: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

impl ServerRestore {
    /// Restores.
    pub fn run(
        &self,
        context: &Context,
        store: &ChunkStore,
        record: &SnapshotRecord,
        databases: &[String],
        tables: &[String],
    ) -> Result<Outcome> {
        let source = server_restore::source(store, record)?;
        let mut options = self.options(context, databases, tables)?;
        let scrub = self.scrub(context, store, &source, &options)?;
        options.filter = scrub.as_ref().map(|scrub| scrub as &dyn RowFilter);
        let plan = server_restore::plan(&source, &self.server.options(context)?, &options)?;
        scrub.as_ref().map_or(Ok(()), |scrub| scrub.check(&plan))?;
        plan.warnings.iter().for_each(|warning| context.output.warning("restore", warning));
        if context.globals.dry_run {
            for obstacle in &plan.obstacles {
                context.output.warning("obstacle", &obstacle.sentence);
            }
            return Ok(would(record, &plan));
        }
        plan.ready()?;
        if self.replace {
            confirm_replacing(context, &plan)?;
        }
        let report = {
            let _meter = context.output.progress("loading", "table", Arc::clone(context.progress()));
            server_restore::apply(&plan, store, &context.pool()?, context.progress())?
        };
        let outcome = outcome(context, record, &plan, &report);
        Ok(match &scrub {
            Some(scrub) => {
                let left: Vec<Value> = scrub.leftover().iter().map(left_over).collect();
                with_counts(context, outcome, &scrub.counts()).with("as_it_is", left)
            }
            None => outcome,
        })
    }

    /// What changes the rows, if it is to be a test copy.
    fn scrub(
        &self,
        context: &Context,
        store: &ChunkStore,
        source: &LoadSource,
        options: &LoadOptions,
    ) -> Result<Option<Scrub>> {
        let Some(name) = &self.as_test else { return Ok(None) };
        let mut names = options.databases.clone();
        names.extend(options.tables.iter().map(|(database, _)| database.clone()));
        let key = ScrubKey::of(store.container().base().keyring());
        let scrub = Scrub::new(&Profile::find(name)?, source, &names, &key)?;
        scrub.notes().iter().for_each(|note| context.output.warning("profile", note));
        let left = scrub.leftover().iter().flat_map(Leftover::sentences);
        left.for_each(|sentence| context.output.warning("as-it-is", &sentence));
        Ok(Some(scrub))
    }

    fn options(
        &self,
        context: &Context,
        databases: &[String],
        tables: &[String],
    ) -> Result<LoadOptions<'static>> {
        let definers = match self.definers.as_str() {
            "keep" => Definers::Keep,
            "invoker" => Definers::Invoker,
            user if user.contains('@') => Definers::Rewrite(user.to_owned()),
            other => {
                return Err(Error::new(Kind::Usage, format!("definers `{other}`"))
                    .hint("keep, invoker, or a user as USER@HOST"));
            }
        };
        let threads = match context.globals.threads {
            0 => LoadOptions::default().threads,
            threads => threads,
        };
        Ok(LoadOptions {
            databases: databases.to_vec(),
            tables: tables.iter().map(|name| table_name(name)).collect::<Result<_>>()?,
            standing: Vec::new(),
            rename_to: self.rename_to.clone(),
            replace: self.replace,
            definers,
            threads,
            users: self.users,
            // An event of a test copy might write to people, or fetch what was left out.
            events: !self.no_events && self.as_test.is_none(),
            filter: None,
        })
    }
}

/// Tells what each rule of a test copy did.
fn with_counts(context: &Context, mut outcome: Outcome, counts: &[RuleCount]) -> Outcome {
    let mut fields = Vec::new();
    for count in counts.iter().filter(|count| count.tables > 0) {
        let event = json!({ "rule": count.name, "with": count.word, "rows": count.rows });
        context.output.item(
            format_args!("{} ({}): {}", count.name, count.word, format_count(count.rows, "row")),
            event.clone(),
        );
        fields.push(event);
    }
    if let Some(summary) = &mut outcome.summary {
        *summary += &format!("; a test copy by {}", format_count(fields.len() as u64, "rule"));
    }
    outcome.with("scrubbed", fields)
}

/// What of a database came as it is.
fn left_over(left: &Leftover) -> Value {
    json!({
        "database": left.database, "tables": left.tables, "columns": left.columns,
        "numbers": left.numbers, "definitions": left.definitions,
    })
}

/// Asks whoever sits at the terminal to type the name of each database that is replaced.
fn confirm_replacing(context: &Context, plan: &LoadPlan) -> Result<()> {
    let hint = "--yes says that replacing is meant; --as NAME restores beside it";
    plan.parts.iter().try_for_each(|part| {
        confirm::typed(context, &format!("this replaces `{}` on the server", part.target), &part.target, hint)
    })
}

fn would(record: &SnapshotRecord, plan: &LoadPlan) -> Outcome {
    let names: Vec<&str> = plan.parts.iter().map(|part| part.target.as_str()).collect();
    let obstacles: Vec<&str> = plan.obstacles.iter().map(|o| o.sentence.as_str()).collect();
    let can = if obstacles.is_empty() { "would be loaded" } else { "could not be loaded" };
    let status = if obstacles.is_empty() { Status::Done } else { Status::Failed };
    Outcome::new(status)
        .with("snapshot", record.id.to_string())
        .with("databases", names.clone())
        .with("tables", plan.parts.iter().map(|part| part.tables.len()).sum::<usize>())
        .with("obstacles", obstacles)
        .summary(format!("{} {can}", names.join(", ")))
}

/// What this run did; what it found done by an earlier one is told as that.
fn outcome(context: &Context, record: &SnapshotRecord, plan: &LoadPlan, report: &LoadReport) -> Outcome {
    report.notes.iter().for_each(|note| context.output.warning("note", note));
    report.not_made.iter().for_each(|lost| context.output.warning("not-made", lost));
    report.differing.iter().for_each(|table| context.output.warning("differs", table));
    report.databases.iter().for_each(|database| tell_tables(context, database));
    let earlier = report.tables().filter(|table| table.is_earlier).count();
    let compared = report.tables().filter(|table| table.is_compared).count();
    let tables = report.tables().count();
    let names: Vec<&str> = report.databases.iter().map(|d| d.target.as_str()).collect();
    let whole = if report.is_partial() { "not everything" } else { "everything" };
    let mut summary = format!(
        "{whole} restored to {} from {}: {} with {}, read back and compared",
        names.join(", "),
        super::short(&record.id),
        format_count(compared as u64, "table"),
        format_count(report.rows(), "row"),
    );
    if earlier > 0 {
        summary += &format!("; an earlier run loaded {}", format_count(earlier as u64, "table"));
    }
    if !report.not_made.is_empty() {
        summary += &format!("; {} could not be made", format_count(report.not_made.len() as u64, "object"));
    }
    if !report.differing.is_empty() {
        let count = format_count(report.differing.len() as u64, "table");
        summary += &format!("; {count} not as an earlier run left them");
    }
    Outcome::new(if report.is_partial() { Status::Warnings } else { Status::Done })
        .with("snapshot", record.id.to_string())
        .with("databases", names)
        .with("tables", tables)
        .with("restored", tables - earlier)
        .with("earlier", earlier)
        .with("rows", report.rows())
        .with("restored_bytes", loaded_bytes(plan, report))
        .with("compared", compared)
        .with("different", report.differing.len())
        .with("differing", report.differing.clone())
        .with("not_made", report.not_made.clone())
        .summary(summary)
}

fn tell_tables(context: &Context, database: &DatabaseReport) {
    for table in &database.tables {
        let mut event = json!({
            "database": database.target, "table": table.table, "rows": table.rows,
            "checksum": format!("{:032x}", table.checksum),
            "earlier": table.is_earlier, "compared": table.is_compared,
        });
        if !table.is_earlier {
            event["load_ms"] = json!(table.load.as_millis() as u64);
            event["proof_ms"] = json!(table.proof.as_millis() as u64);
        }
        let mut line = format!("{}.{}: {}", database.target, table.table, format_count(table.rows, "row"));
        line += match (table.is_earlier, table.is_compared) {
            (false, _) => "",
            (true, true) => ", loaded by an earlier run",
            (true, false) => " when an earlier run loaded it, and not so now",
        };
        context.output.item(line, event);
    }
}

/// Bytes of the rows that this run loaded, as the snapshot has them.
fn loaded_bytes(plan: &LoadPlan, report: &LoadReport) -> u64 {
    let mut bytes = 0;
    for database in &report.databases {
        let Some(part) = plan.parts.iter().find(|part| part.target == database.target) else { continue };
        let is_loaded = |name: &str| database.tables.iter().any(|t| t.table == name && !t.is_earlier);
        bytes += part.tables.iter().filter(|t| is_loaded(&t.name)).map(|t| t.content.size).sum::<u64>();
    }
    bytes
}
