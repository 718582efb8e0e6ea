//! `coffer repair`: writes anew what parity or a second copy makes good for. It promises exit code 4
//! as long as something stays damaged.

use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::cli::values::format_count;
use crate::container::Access;
use crate::error::Result;
use crate::operations::repair::{self, RepairReport};
use clap::Args;
use std::ffi::OsString;
use std::sync::Arc;

/// Arguments of `coffer repair`.
#[derive(Debug, Args)]
pub struct Repair {
    /// The container
    container: Option<OsString>,
    /// If the newest commit is damaged beyond use: go on from the one before, giving it up
    #[arg(long)]
    adopt: bool,
}

impl Repair {
    /// Repairs.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        let dry = context.globals.dry_run;
        let mut session = context.open(&path, if dry { Access::Read } else { Access::Write })?;
        let pool = context.pool()?;
        let gives_up = self.adopt && !dry && session.store.container().has_fallen_back();
        if gives_up {
            repair::adopt(&mut session, context.time(None), &pool)?;
        }
        let mut report = {
            let _meter = context.output.progress("verifying", "segment", Arc::clone(&context.progress));
            repair::plan(&session, &pool, &context.progress)?
        };
        if !dry {
            report = repair::repair(&mut session, report, context.time(None), pool, &context.progress)?;
        }
        report.gives_up_newest = gives_up;
        tell(context, &report);
        Ok(outcome(&report, dry))
    }
}

fn tell(context: &Context, report: &RepairReport) {
    let output = &context.output;
    report.header_copies.iter().for_each(|copy| output.note(format_args!("{copy}: was damaged")));
    for slot in &report.healed {
        output.note(format_args!("segment in slot {slot}: was damaged; parity mends it"));
    }
    if report.is_newest_lost {
        output.warning_about(
            "lost",
            "newest commit",
            "newest commit: damaged beyond use; --adopt goes on from the one before and gives it up",
        );
    }
    for slot in &report.beyond {
        let object = format!("segment in slot {slot}");
        output.warning_about("lost", &object, format_args!("{object}: more is lost than parity can mend"));
    }
}

fn outcome(report: &RepairReport, dry: bool) -> Outcome {
    let mended = report.header_copies.len()
        + report.superblock_copies
        + report.healed.len()
        + report.index_runs.len()
        + usize::from(report.gives_up_newest);
    let verb = if dry { "would be mended" } else { "mended" };
    let summary = match (mended, report.beyond.len()) {
        (0, 0) if report.is_newest_lost => "nothing mended; the newest commit stays damaged".to_owned(),
        (0, 0) => "nothing to mend".to_owned(),
        (mended, 0) => format!("{} {verb}", format_count(mended as u64, "object")),
        (mended, beyond) => format!(
            "{} {verb}; {} beyond repair: coffer verify names the files that are lost, \
             coffer backup --read-all stores anew what the sources still hold",
            format_count(mended as u64, "object"),
            format_count(beyond as u64, "segment")
        ),
    };
    let is_left = !report.beyond.is_empty() || report.is_newest_lost || (dry && mended > 0);
    Outcome::new(if is_left { Status::Damage } else { Status::Done })
        .with("mended", mended)
        .with("header_copies", report.header_copies.len())
        .with("superblock_copies", report.superblock_copies)
        .with("segments", report.healed.len())
        .with("index_runs", report.index_runs.len())
        .with("newest_commit_lost", report.is_newest_lost)
        .with("newest_commit_given_up", report.gives_up_newest)
        .with("moved_chunks", report.moved_chunks)
        .with("beyond", report.beyond.len())
        .summary(summary)
}
