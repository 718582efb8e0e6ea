//! `coffer doctor`: what stands between a database server and a good backup, or, where there is a
//! configuration and no server is named, everything that the configuration needs. It promises exit code
//! 13 when a backup would refuse, 3 when something should be known, and the statement for every right
//! that is missing.

mod findings;
mod places;
mod servers;
mod timing;
mod whole;

use crate::cli::configured;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::cli::server::ServerArgs;
use crate::error::Result;
use crate::mysql::privileges::Need;
use crate::operations::doctor::{self, DatabaseSurvey, Diagnosis, Question, Sequence};
use crate::values::{format_count, format_size};
use clap::Args;
use serde_json::{Map, Value, json};

/// Arguments of `coffer doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Ask about this database; may be given several times
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// Ask about all databases; that is so unless one is named
    #[arg(long, conflicts_with = "database")]
    all_databases: bool,
    /// Ask about saving users and grants, too
    #[arg(long)]
    users: bool,
    /// Ask about restoring to this server, too
    #[arg(long)]
    restore: bool,
    #[command(flatten)]
    server: ServerArgs,
}

impl Doctor {
    /// Asks and tells.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let asks_a_server = self.server.is_given() || self.all_databases || !self.database.is_empty();
        if !asks_a_server && !self.users && !self.restore {
            let path = configured::path(context).ok();
            if context.globals.config.is_some() || path.is_some_and(|path| path.exists()) {
                return whole::examine(context);
            }
        }
        let server = self.server.options(context)?;
        let question =
            Question { server, databases: self.database.clone(), users: self.users, load: self.restore };
        let diagnosis = doctor::diagnose(&question)?;
        tell(context, &diagnosis);
        match diagnosis.refusal {
            Some(error) => Err(error),
            None => Ok(outcome(&diagnosis)),
        }
    }
}

fn tell(context: &Context, found: &Diagnosis) {
    let output = &context.output;
    for database in &found.databases {
        output.item(
            database_line(database),
            json!({ "database": database.name, "engines": engines(database),
            "views": database.views, "changing_bytes": database.changing_bytes }),
        );
    }
    for one in &found.missing {
        let word = if one.need == Need::Required { "missing" } else { "would help" };
        output.item(
            format_args!("{word}: {} on {}, {}", one.privilege, one.scope.quoted(), one.gives),
            json!({ "missing": one.privilege, "scope": one.scope.quoted(), "gives": one.gives,
                "required": one.need == Need::Required, "grant": one.grant }),
        );
    }
    for statement in &found.statements {
        output.item(format_args!("  {statement}"), json!({ "statement": statement }));
    }
    let consistency = &found.consistency;
    let cost = match consistency.sequence {
        Sequence::None => String::new(),
        _ => format!(
            "; writers would wait about {} ms, under a lock of everything {} ms",
            consistency.stall_ms, consistency.whole_lock_ms
        ),
    };
    output.item(
        format_args!(
            "one instant for all tables: {} ({}){cost}",
            consistency.sequence.word(),
            consistency.why
        ),
        json!({ "consistency": consistency.sequence.word(), "why": consistency.why,
            "stall_ms": consistency.stall_ms, "whole_lock_ms": consistency.whole_lock_ms }),
    );
    for way in &consistency.ways {
        let lacks = way.lacks.as_deref().unwrap_or("possible");
        output.item(
            format_args!("large MyISAM tables by {}: {lacks}", way.name),
            json!({ "way": way.name, "possible": way.lacks.is_none(), "lacks": way.lacks }),
        );
    }
    // Missing rights stand above already.
    let findings = found.findings.iter().filter(|finding| finding.code != "privilege");
    findings.for_each(|finding| output.warning(finding.code, &finding.message));
}

fn engines(database: &DatabaseSurvey) -> Map<String, Value> {
    let one = |(engine, count): (&String, &doctor::EngineCount)| {
        (engine.clone(), json!({ "tables": count.tables, "bytes": count.bytes }))
    };
    database.engines.iter().map(one).collect()
}

fn database_line(database: &DatabaseSurvey) -> String {
    let one = |(engine, count): (&String, &doctor::EngineCount)| {
        format!("{engine} {} ({})", format_count(count.tables, "table"), format_size(count.bytes))
    };
    let engines: Vec<String> = database.engines.iter().map(one).collect();
    let what = if engines.is_empty() { "no tables".to_owned() } else { engines.join(", ") };
    format!("database {}: {what}", database.name)
}

fn outcome(found: &Diagnosis) -> Outcome {
    let is_fine = found.findings.is_empty();
    let restoring = &found.restoring;
    let summary = format!(
        "{}, {} {}: {}",
        found.server,
        found.facts.vendor.word(),
        found.facts.version_text,
        match is_fine {
            true => "ready for backups".to_owned(),
            false =>
                format!("ready for backups, with {}", format_count(found.findings.len() as u64, "remark")),
        }
    );
    Outcome::new(if is_fine { Status::Done } else { Status::Warnings })
        .with("server", &found.server)
        .with("vendor", found.facts.vendor.word())
        .with("server_version", &found.facts.version_text)
        .with("account", &found.account)
        .with("databases", found.databases.len())
        .with("missing", found.missing.len())
        .with("statements", &found.statements)
        .with("consistency", found.consistency.sequence.word())
        .with("stall_ms", found.consistency.stall_ms)
        .with("whole_lock_ms", found.consistency.whole_lock_ms)
        .with("local_infile", restoring.local_infile)
        .with("bulk_load", restoring.bulk_load)
        .with("max_allowed_packet", restoring.max_allowed_packet)
        .with("longest_row_bytes", restoring.longest_row.as_ref().map(|(bytes, _)| *bytes))
        .with("not_measured", &restoring.not_measured)
        .with("findings", found.findings.len())
        .summary(summary)
}
