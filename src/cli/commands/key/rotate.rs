//! `coffer key rotate`: everything sealed anew under new keys. It promises to drop no key slot unless
//! told to, and to say who can still read what.

use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::cli::secrets::{Ask, Options};
use crate::container::Access;
use crate::crypto::{Credential, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::operations::keys;
use crate::operations::rekeying::{self, RotationReport};
use crate::operations::session::Session;
use crate::values::format_count;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `coffer key rotate`.
#[derive(Debug, Args)]
pub struct Rotate {
    /// The container
    container: Option<OsString>,
    /// This file holds the password of another slot that is to stay; may be given several times
    #[arg(long, value_name = "FILE")]
    also_password_file: Vec<PathBuf>,
    /// This file is the key of another slot that is to stay
    #[arg(long, value_name = "FILE")]
    also_key_file: Vec<PathBuf>,
    /// This file holds the recovery code of another slot that is to stay
    #[arg(long, value_name = "FILE")]
    also_recovery_code_file: Vec<PathBuf>,
    /// Remove the slots whose secrets are not given
    #[arg(long)]
    drop_others: bool,
    /// Only go on with a rotation that was interrupted; begin none
    #[arg(long = "continue")]
    only_continue: bool,
}

impl Rotate {
    /// Rotates.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        let mut credentials = context.secret_of(&path, &context.globals.secret.sources(), true)?;
        credentials.extend(self.others(context)?);
        let dry = context.globals.dry_run;
        let mut session =
            context.unlock(&path, &credentials, if dry { Access::Read } else { Access::Write })?;
        let goes_on = rekeying::is_pending(&session);
        if dry {
            return self.would(&session, &credentials, goes_on);
        }
        if self.only_continue && !goes_on {
            return Ok(finished(&session).summary("no rotation is under way"));
        }
        let (pool, time, entropy) = (context.pool()?, context.time(None), &mut SystemEntropy);
        let dropped = match goes_on {
            true => Vec::new(),
            false => {
                rekeying::start(&mut session, &credentials, self.drop_others, time, pool.clone(), entropy)?
            }
        };
        if goes_on {
            context.output.note("a rotation was begun before: it goes on");
        }
        for slot in &dropped {
            context.output.note(format_args!("key slot {slot} was removed"));
        }
        let report = {
            let _meter = context.output.progress("sealing anew", "segment", Arc::clone(context.progress()));
            rekeying::go_on(&mut session, time, &pool, entropy, context.progress())
        };
        let report = report.map_err(|error| match error.kind() {
            Kind::Interrupted => error
                .hint("what is new is sealed under the new keys; coffer key rotate goes on with what is old"),
            _ => error,
        })?;
        tell(context, &report);
        Ok(outcome(&report, !goes_on, &dropped))
    }

    /// The secrets of the slots that are to stay beside the one that opens.
    fn others(&self, context: &Context) -> Result<Vec<Credential>> {
        let password = |file: &PathBuf| Options { password_file: Some(file.clone()), ..Options::default() };
        let key = |file: &PathBuf| Options { key_file: Some(file.clone()), ..Options::default() };
        let code = |file: &PathBuf| Options { recovery_code_file: Some(file.clone()), ..Options::default() };
        let given = self.also_password_file.iter().map(password);
        let given = given.chain(self.also_key_file.iter().map(key));
        let given = given.chain(self.also_recovery_code_file.iter().map(code));
        given.filter_map(|options| context.credential(&options, false, Ask::Never, "").transpose()).collect()
    }

    fn would(&self, session: &Session, credentials: &[Credential], goes_on: bool) -> Result<Outcome> {
        let id = session.store.container().base().container;
        let others = match goes_on {
            true => Vec::new(),
            false => keys::table(session)?.unopened(id, credentials)?,
        };
        if !others.is_empty() && !self.drop_others {
            return Err(Error::new(
                Kind::WrongKey,
                format!("{} would be lost", format_count(others.len() as u64, "key slot")),
            )
            .hint("give their passwords and key files, too, or say --drop-others"));
        }
        let segments = match (goes_on, self.only_continue) {
            (true, _) => rekeying::old_segments(session).len(),
            (false, true) => 0,
            (false, false) => session.store.live_slots().len(),
        };
        Ok(finished(session)
            .with("segments", segments)
            .with("dropped_slots", others)
            .summary(format!("{} would be sealed anew", format_count(segments as u64, "segment"))))
    }
}

fn finished(session: &Session) -> Outcome {
    Outcome::done().with("epoch", session.secrets.current_epoch()).with("moved_segments", 0)
}

fn tell(context: &Context, report: &RotationReport) {
    let output = &context.output;
    for slot in &report.left {
        let object = format!("segment in slot {slot}");
        let message = format_args!("{object}: cannot be read in full, so it stays under the old keys");
        output.warning_about("damaged", &object, message);
    }
    output.note(
        "copies of the container that were made before, and blocks that the medium keeps, \
         still open with the secrets they were made with",
    );
}

fn outcome(report: &RotationReport, began: bool, dropped: &[u32]) -> Outcome {
    let segments = format_count(report.moved_segments, "segment");
    let summary = match report.is_finished {
        true => format!("epoch {}: {segments} sealed anew, the old keys are gone", report.epoch),
        false => format!(
            "epoch {}: {segments} sealed anew; {} under the old keys: run coffer repair, then coffer key rotate",
            report.epoch,
            format_count(report.left.len() as u64, "damaged segment")
        ),
    };
    Outcome::new(if report.is_finished { Status::Done } else { Status::Damage })
        .with("epoch", report.epoch)
        .with("began", began)
        .with("finished", report.is_finished)
        .with("moved_segments", report.moved_segments)
        .with("moved_chunks", report.moved_chunks)
        .with("left_segments", report.left.len())
        .with("dropped_slots", dropped)
        .summary(summary)
}
