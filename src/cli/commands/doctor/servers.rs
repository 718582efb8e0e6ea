//! The servers of schemes: reachable, with all rights, able to give one instant; and profiles whose
//! tables are there.

use super::findings::Findings;
use crate::cli::context::Context;
use crate::cli::server::ServerArgs;
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::literal;
use crate::mysql::options::ServerOptions;
use crate::operations::doctor::{self, Question};
use crate::operations::profile::Profile;
use crate::schemes::config::{Config, Scheme};
use crate::storage::place;
use std::path::Path;

/// What the scheme's databases need.
pub fn scheme(context: &Context, findings: &Findings, config: &Config, name: &str, scheme: &Scheme) {
    let Some(server) = config.server_of(scheme).and_then(|name| config.server.get(name)) else { return };
    let options = match ServerArgs::of(server).and_then(|args| args.options(context)) {
        Ok(options) => options,
        Err(error) => return findings.broken("server", error.at(format!("scheme `{name}`"))),
    };
    let question = Question {
        server: options.clone(),
        databases: scheme.databases.clone(),
        users: scheme.users,
        load: false,
    };
    let found = match doctor::diagnose(&question) {
        Ok(found) => found,
        Err(error) => return findings.broken("server", error.at(format!("scheme `{name}`"))),
    };
    for finding in &found.findings {
        findings.attention(finding.code, &format!("scheme `{name}`: {}", finding.message));
    }
    match found.refusal {
        Some(error) => findings.broken("privilege", error.at(format!("scheme `{name}`"))),
        None => findings.fine(
            "server",
            &format!(
                "scheme `{name}`: {} gives all tables as of one instant ({})",
                found.server,
                found.consistency.sequence.word()
            ),
        ),
    }
    disk(findings, config, (name, scheme), &options);
    if let Some(profile) = &scheme.profile {
        match Profile::find(profile.get_ref()) {
            Err(error) => findings.broken("profile", error.at(format!("scheme `{name}`"))),
            Ok(profile) => match missing(&options, &profile, &scheme.databases) {
                Ok(missing) if missing.is_empty() => {}
                Ok(missing) => findings.attention(
                    "profile",
                    &format!(
                        "scheme `{name}`: profile {} means what is not there: {}",
                        profile.name,
                        missing.join(", ")
                    ),
                ),
                Err(error) => findings.broken("profile", error.at(format!("scheme `{name}`"))),
            },
        }
    }
}

/// The server's data and the backup on one disk are lost together.
fn disk(findings: &Findings, config: &Config, (name, scheme): (&str, &Scheme), options: &ServerOptions) {
    let Some(container) = config.container.get(scheme.to.get_ref()) else { return };
    if options.socket.is_none() {
        return;
    }
    let folder = Connection::open(options).and_then(|mut connection| connection.value("SELECT @@datadir"));
    let Ok(Some(folder)) = folder else { return };
    if place::same_device(Path::new(&folder), &container.path) == Some(true) {
        findings.attention(
            "same-disk",
            &format!("scheme `{name}`: the database and the container `{}` are on one disk: they would be lost together", scheme.to.get_ref()),
        );
    }
}

/// Columns that the profile means and no database has.
fn missing(options: &ServerOptions, profile: &Profile, databases: &[String]) -> Result<Vec<String>> {
    let mut connection = Connection::open(options)?;
    let lists = profile.attachments.iter().map(|list| (list.table.as_str(), list.column.as_str()));
    let rules = profile.scrub.iter().filter(|rule| !rule.optional);
    let rules = rules.filter_map(|rule| Some((rule.table.as_str(), rule.column.as_deref()?)));
    let mut missing = Vec::new();
    for (table, column) in lists.chain(rules) {
        let mut statement = format!(
            "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE LOWER(TABLE_NAME) = LOWER({}) \
             AND LOWER(COLUMN_NAME) = LOWER({})",
            literal(table),
            literal(column)
        );
        if !databases.is_empty() {
            let names: Vec<String> = databases.iter().map(|name| literal(name)).collect();
            statement.push_str(&format!(" AND TABLE_SCHEMA IN ({})", names.join(", ")));
        }
        if connection.value(&statement)?.as_deref() == Some("0") {
            missing.push(format!("{table}.{column}"));
        }
    }
    missing.dedup();
    Ok(missing)
}
