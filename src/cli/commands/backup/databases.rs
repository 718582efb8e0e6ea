//! Live databases of a backup, from its arguments. It promises that a server is asked only if a
//! database is named, and that less than a consistent, complete dump is never taken unasked.

use crate::cli::context::Context;
use crate::cli::server::ServerArgs;
use crate::error::{Error, Kind, Result};
use crate::mysql::dump::DumpPlan;
use crate::operations::backup::Source;
use crate::operations::profile::Profile;
use clap::Args;
use std::sync::Arc;

/// The arguments that name live databases.
#[derive(Debug, Args)]
pub struct DatabaseOptions {
    /// A live database; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "all_databases")]
    database: Vec<String>,
    /// All databases of the server
    #[arg(long)]
    all_databases: bool,
    /// Only these tables; `*` stands for any characters; may be given several times
    #[arg(long, value_name = "DB.TABLE")]
    table: Vec<String>,
    /// Not these tables
    #[arg(long, value_name = "DB.TABLE")]
    exclude_table: Vec<String>,
    /// Keep users and their grants, too
    #[arg(long)]
    users: bool,
    /// If the server allows no better: each table as of an instant of its own, which the snapshot says
    /// for ever
    #[arg(long)]
    accept_per_table: bool,
    /// Go on where the database user may not see everything; what is missing is named
    #[arg(long)]
    accept_partial: bool,
    /// End statements of others that keep the backup from starting
    #[arg(long)]
    kill_blockers: bool,
    /// Say which attachments the database lists but the snapshot lacks: open-dental, or a TOML file
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

impl DatabaseOptions {
    /// The source that the arguments name, if they name one.
    pub fn source(&self, context: &Context) -> Result<Option<Source>> {
        if self.database.is_empty() && !self.all_databases {
            return match self.stray() {
                Some(stray) => Err(Error::new(Kind::Usage, format!("{stray} without a database"))
                    .hint("name it: --database NAME, or --all-databases")),
                None => Ok(None),
            };
        }
        let mut names: Vec<String> = Vec::new();
        for name in &self.database {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Ok(Some(Source::Databases(Arc::new(DumpPlan {
            server: self.server.options(context)?,
            databases: (!self.all_databases).then_some(names),
            include: self.table.clone(),
            exclude: self.exclude_table.clone(),
            users: self.users,
            accept_per_table: self.accept_per_table,
            accept_partial: self.accept_partial,
            kill_blockers: self.kill_blockers,
            ..DumpPlan::default()
        }))))
    }

    /// An argument that means nothing without a database.
    fn stray(&self) -> Option<&'static str> {
        let given = [
            (!self.table.is_empty(), "--table"),
            (!self.exclude_table.is_empty(), "--exclude-table"),
            (self.users, "--users"),
            (self.profile.is_some(), "--profile"),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name)
    }

    /// The profile that tells where the database lists attachments.
    pub fn profile(&self) -> Result<Option<Profile>> {
        self.profile.as_deref().map(Profile::find).transpose()
    }
}
