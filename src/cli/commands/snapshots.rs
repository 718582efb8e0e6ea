//! `coffer snapshots`: what the container holds, oldest first.

use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::entry::write_escaped;
use crate::error::Result;
use crate::ids::SnapshotId;
use crate::snapshot::{Catalog, SnapshotRecord};
use crate::values::{format_count, format_size, format_time, rfc3339};
use clap::Args;
use serde_json::{Value, json};
use std::ffi::OsString;

/// Digits of an id that people are shown.
const SHORT_DIGITS: usize = 8;

/// Arguments of `coffer snapshots`.
#[derive(Debug, Args)]
pub struct Snapshots {
    /// The container
    container: Option<OsString>,
    /// Only snapshots with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Only snapshots of this machine
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
}

impl Snapshots {
    /// Lists them.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        let session = context.open(&path, Access::Read)?;
        let catalog = Catalog::read(&session.store)?;
        let wanted = |s: &&SnapshotRecord| {
            self.tag.as_ref().is_none_or(|tag| s.tags.contains(tag))
                && self.host.as_ref().is_none_or(|host| s.host == *host)
        };
        let mut count = 0;
        for record in catalog.snapshots.iter().filter(wanted) {
            count += 1;
            let (mut line, mut item) = (line(record), item(record));
            let pin = catalog.pin(&record.id);
            if let Some(pin) = pin {
                line += if pin.reason.is_empty() { "  pinned" } else { "  pinned: " };
                // Writing into memory fails for nothing.
                let _ = write_escaped(pin.reason.as_bytes(), &mut line);
            }
            item["pinned"] = json!(pin.is_some());
            item["pin_reason"] = json!(pin.map(|pin| &pin.reason));
            context.output.item(line, item);
        }
        if count == 0 && !context.globals.json {
            context.output.note("no snapshots");
        }
        Ok(Outcome::done().with("snapshots", count))
    }
}

/// The first digits of an id, for people.
pub fn short(id: &SnapshotId) -> String {
    let mut digits = id.to_string();
    digits.truncate(SHORT_DIGITS);
    digits
}

/// A snapshot as a line for people.
fn line(record: &SnapshotRecord) -> String {
    let counts = &record.counts;
    let mut line = format!(
        "{}  {}  {:>10}  {:>9} added  {}",
        short(&record.id),
        format_time(record.time),
        format_size(record.restored_bytes()),
        format_size(counts.added_bytes),
        format_count(counts.files + counts.dumps, "file"),
    );
    for tag in &record.tags {
        line += &format!("  #{tag}");
    }
    if !record.is_complete() {
        line += &format!("  partial: {}", format_count(counts.problems, "problem"));
    }
    line
}

/// A snapshot for programs.
pub fn item(record: &SnapshotRecord) -> Value {
    let counts = &record.counts;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let source = |s: &crate::snapshot::SourceRecord| json!({ "kind": s.kind.word(), "name": text(&s.name), "origin": text(&s.origin) });
    json!({
        "snapshot": record.id.to_string(),
        "short": short(&record.id),
        "time": rfc3339(record.time),
        "generation": record.generation,
        "host": record.host,
        "tags": record.tags,
        "sources": record.sources.iter().map(source).collect::<Vec<_>>(),
        "origin": record.origin.map(|origin| origin.to_string()),
        "complete": record.is_complete(),
        "problems": counts.problems,
        "dumps": counts.dumps,
        "files": counts.files,
        "folders": counts.folders,
        "others": counts.others,
        "files_read": counts.files_read,
        "database_bytes": counts.database_bytes,
        "attachment_bytes": counts.attachment_bytes,
        "bytes": record.restored_bytes(),
        "new_bytes": counts.new_bytes,
        "added_bytes": counts.added_bytes,
    })
}
