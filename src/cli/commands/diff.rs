//! `coffer diff`: what differs between two snapshots.

use crate::cli::args::places;
use crate::cli::context::{Context, selector};
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::error::Result;
use crate::operations::inspect::{self, Change, DiffLine};
use crate::values::format_size;
use clap::Args;
use serde_json::json;
use std::ffi::OsString;

/// Arguments of `coffer diff`.
#[derive(Debug, Args)]
#[command(override_usage = "coffer diff [CONTAINER] SNAPSHOT SNAPSHOT [OPTIONS]")]
#[command(after_help = "+ added   - removed   * other content   ~ other mode, owner, time or attributes")]
pub struct Diff {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// The earlier snapshot
    #[arg(value_name = "SNAPSHOT")]
    second: Option<OsString>,
    /// The later snapshot
    #[arg(value_name = "OTHER")]
    third: Option<OsString>,
}

impl Diff {
    /// Compares them.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let given = [self.first, self.second, self.third];
        let (path, rest) = places(&context.globals, given, &["SNAPSHOT", "OTHER"], 2)?;
        let (first, second) = (selector(&rest[0])?, selector(&rest[1])?);
        let session = context.open(&path, Access::Read)?;
        let first = context.snapshot(&session.store, &first)?;
        let second = context.snapshot(&session.store, &second)?;
        let mut counts = [0u64; 4];
        inspect::diff(&session.store, &first, &second, |difference| {
            counts[difference.change as usize] += 1;
            context.output.item(line(&difference), item(&difference));
        })?;
        if counts == [0; 4] && !context.globals.json {
            context.output.note("no difference");
        }
        let of = |change: Change| counts[change as usize];
        Ok(Outcome::done()
            .with("first", first.id.to_string())
            .with("second", second.id.to_string())
            .with("added", of(Change::Added))
            .with("removed", of(Change::Removed))
            .with("content", of(Change::Content))
            .with("metadata", of(Change::Metadata)))
    }
}

fn line(difference: &DiffLine) -> String {
    let mark = match difference.change {
        Change::Added => '+',
        Change::Removed => '-',
        Change::Content => '*',
        Change::Metadata => '~',
    };
    let sizes = match (difference.change, difference.bytes) {
        (Change::Content, (Some(before), Some(after))) => {
            format!("  {} -> {}", format_size(before), format_size(after))
        }
        _ => String::new(),
    };
    format!("{mark} {}{sizes}", difference.path)
}

fn item(difference: &DiffLine) -> serde_json::Value {
    json!({
        "change": difference.change.word(),
        "path": difference.path.to_string(),
        "bytes_before": difference.bytes.0,
        "bytes_after": difference.bytes.1,
    })
}
