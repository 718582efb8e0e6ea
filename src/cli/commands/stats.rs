//! `coffer stats`: what the container holds and what it saves.

use super::policy;
use super::snapshots::short;
use crate::chunk_store::ChunkStore;
use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::error::Result;
use crate::operations::inspect::{self, Statistics};
use crate::snapshot::{Ledger, LedgerEntry, Level};
use crate::values::{format_count, format_size, format_time, rfc3339};
use clap::Args;
use serde_json::{Value, json};
use std::ffi::OsString;

/// Arguments of `coffer stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// The container
    container: Option<OsString>,
}

impl Stats {
    /// Adds it up.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container], &[], 0)?;
        let session = context.open(&path, Access::Read)?;
        let numbers = inspect::statistics(&session.store)?;
        if context.globals.verbose || context.globals.json {
            for (id, bytes) in &numbers.alone {
                context.output.item(
                    format_args!("{}  {:>10} held by it alone", short(id), format_size(*bytes)),
                    json!({ "snapshot": id.to_string(), "alone_bytes": bytes }),
                );
            }
        }
        Ok(outcome(&numbers, last_verifications(context, &session.store)?))
    }
}

/// The newest verification of each level: from the ledger, and from what this machine still remembers.
fn last_verifications(context: &Context, store: &ChunkStore) -> Result<Vec<LedgerEntry>> {
    let mut all = Ledger::read(store)?.entries;
    let container = store.container().base().container;
    all.extend(context.state().into_iter().flat_map(|state| state.verifications(&container)));
    let last = |level| all.iter().filter(|e| e.level == level).max_by_key(|e| e.time).copied();
    Ok([Level::Quick, Level::Scrub, Level::Full].into_iter().filter_map(last).collect())
}

fn verified(last: &[LedgerEntry]) -> String {
    let one = |e: &LedgerEntry| {
        let found =
            if e.damaged == 0 { "sound".to_owned() } else { format_count(e.damaged, "damaged object") };
        format!("{} {}: {found}", e.level.word(), format_time(e.time))
    };
    match last.is_empty() {
        true => "never verified: coffer verify".to_owned(),
        false => format!("last verified {}", last.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

fn outcome(numbers: &Statistics, last: Vec<LedgerEntry>) -> Outcome {
    let limit = numbers
        .max_bytes
        .map_or_else(|| "no limit".to_owned(), |bytes| format!("limit {}", format_size(bytes)));
    let summary = format!(
        "{} of {} stand for {} of restored data\n\
         {} different in {}, {} stored: one byte for {}\n\
         {}\n\
         file {}, of which {} free; {limit}\n\
         {}",
        format_count(numbers.snapshots, "snapshot"),
        format_size(numbers.stored_bytes),
        format_size(numbers.restored_bytes),
        format_size(numbers.unique_bytes),
        format_count(numbers.chunks, "chunk"),
        format_size(numbers.stored_bytes),
        factor(numbers.restored_bytes, numbers.stored_bytes),
        policy::words(numbers.retention.as_ref()),
        format_size(numbers.file_bytes),
        format_size(numbers.free_bytes),
        verified(&last),
    );
    let verifications: Vec<Value> = last
        .iter()
        .map(|e| json!({ "level": e.level.word(), "time": rfc3339(e.time), "generation": e.generation, "damaged": e.damaged }))
        .collect();
    Outcome::done()
        .with("snapshots", numbers.snapshots)
        .with("restored_bytes", numbers.restored_bytes)
        .with("unique_bytes", numbers.unique_bytes)
        .with("stored_bytes", numbers.stored_bytes)
        .with("chunks", numbers.chunks)
        .with("file_bytes", numbers.file_bytes)
        .with("free_bytes", numbers.free_bytes)
        .with("max_bytes", numbers.max_bytes)
        .with("retention", numbers.retention.as_ref().map(policy::value))
        .with("verifications", verifications)
        .summary(summary)
}

/// How many times `part` goes into `whole`, to one place: `12.3`.
pub fn factor(whole: u64, part: u64) -> String {
    let tenths = u128::from(whole) * 10 / u128::from(part.max(1));
    format!("{}.{}", tenths / 10, tenths % 10)
}
