//! `coffer ls`: the entries of a snapshot, in order.

use super::entries;
use crate::cli::args::places;
use crate::cli::context::{Context, selector};
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::operations::inspect;
use clap::Args;
use std::ffi::OsString;

/// Arguments of `coffer ls`.
#[derive(Debug, Args)]
#[command(override_usage = "coffer ls [CONTAINER] SNAPSHOT [PATH] [OPTIONS]")]
pub struct Ls {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// latest, latest~2, the first digits of an id, or a day
    #[arg(value_name = "SNAPSHOT")]
    second: Option<OsString>,
    /// Only this and what lies below it
    #[arg(value_name = "PATH")]
    third: Option<OsString>,
    /// Show kind, mode, owner, size and time, too
    #[arg(short, long)]
    long: bool,
}

impl Ls {
    /// Lists them.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let given = [self.first, self.second, self.third];
        let (container, rest) = places(&context.globals, given, &["SNAPSHOT", "PATH"], 1)?;
        let selector = selector(&rest[0])?;
        let session = context.open(&container, Access::Read)?;
        let record = context.snapshot(&session.store, &selector)?;
        let path = entries::paths(&session.store, &record, &rest[1..])?.pop();
        let (mut count, mut bytes) = (0u64, 0u64);
        for entry in inspect::list(&session.store, &record, path.clone())? {
            let entry = entry?;
            count += 1;
            bytes = bytes.saturating_add(entry.kind.content().map_or(0, |content| content.size));
            context.output.item(entries::line(&entry, self.long), entries::item(&entry));
        }
        match path {
            Some(path) if count == 0 => {
                Err(Error::new(Kind::NotFound, format!("{path}: not in this snapshot"))
                    .hint("coffer ls CONTAINER SNAPSHOT lists what is"))
            }
            _ => Ok(Outcome::done()
                .with("snapshot", record.id.to_string())
                .with("entries", count)
                .with("bytes", bytes)),
        }
    }
}
