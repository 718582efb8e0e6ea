//! `coffer find`: in which snapshots something lies.

use super::entries;
use super::snapshots::short;
use crate::attachments::exclude::Excludes;
use crate::cli::args::places;
use crate::cli::context::{Context, find};
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::entry::{Entry, EntryKind};
use crate::error::{Error, Kind, Result};
use crate::operations::inspect;
use crate::snapshot::Catalog;
use crate::values::{Selector, format_count, format_time, rfc3339};
use clap::Args;
use serde_json::json;
use std::ffi::OsString;

/// Arguments of `coffer find`.
#[derive(Debug, Args)]
#[command(override_usage = "coffer find [CONTAINER] PATTERN [OPTIONS]")]
pub struct Find {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// Matches a name, or with a / a path from the snapshot's root or a folder's: `*.jpg`, `A/**/x*`
    #[arg(value_name = "PATTERN")]
    second: Option<OsString>,
    /// Only in this snapshot
    #[arg(long, value_name = "SNAPSHOT")]
    snapshot: Option<Selector>,
}

impl Find {
    /// Finds them.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, rest) = places(&context.globals, [self.first, self.second], &["PATTERN"], 1)?;
        let pattern = pattern(&rest[0])?;
        let session = context.open(&path, Access::Read)?;
        let catalog = Catalog::read(&session.store)?;
        let records = match &self.snapshot {
            Some(selector) => std::slice::from_ref(&catalog.snapshots[find(&catalog, selector)?]),
            None => &catalog.snapshots[..],
        };
        let mut found = 0u64;
        for record in records {
            for entry in inspect::list(&session.store, record, None)? {
                let entry = entry?;
                if !matches(&pattern, &entry) {
                    continue;
                }
                found += 1;
                let mut item = entries::item(&entry);
                item["snapshot"] = json!(record.id.to_string());
                item["time"] = json!(rfc3339(record.time));
                let (id, time) = (short(&record.id), format_time(record.time));
                context.output.item(format_args!("{id}  {time}  {}", entries::line(&entry, false)), item);
            }
        }
        if found == 0 && !context.globals.json {
            let searched = format_count(records.len() as u64, "snapshot");
            context.output.note(format_args!("nothing matches in {searched}"));
        }
        Ok(Outcome::done().with("found", found).with("snapshots", records.len()))
    }
}

fn pattern(argument: &OsString) -> Result<Excludes> {
    let invalid = || Error::new(Kind::Usage, format!("pattern `{}` is invalid", argument.display()));
    let text =
        argument.to_str().ok_or_else(|| invalid().because("it is not UTF-8; ? stands for any byte"))?;
    Excludes::new(&[text.to_owned()]).map_err(|error| {
        match std::error::Error::source(&error).map(ToString::to_string) {
            Some(cause) => invalid().because(cause),
            None => invalid(),
        }
    })
}

/// Whether the pattern fits the whole path or the part that lies within a folder that was backed up.
fn matches(pattern: &Excludes, entry: &Entry) -> bool {
    let is_folder = entry.kind == EntryKind::Folder;
    let path = &entry.path.0;
    let within = path.splitn(3, |&b| b == b'/').nth(2);
    pattern.matches(path, is_folder) || within.is_some_and(|rest| pattern.matches(rest, is_folder))
}
