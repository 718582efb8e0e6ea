//! `coffer export`: one snapshot in a small container of its own. It promises that the file appears
//! only when it is whole and proven, and that it is unencrypted only when that is asked for by name.

use super::copy::fields;
use super::new_secret::NewSecret;
use super::snapshots::short;
use super::verify::remember_damage;
use crate::cli::args::{places, usage};
use crate::cli::context::{Context, selector};
use crate::cli::events::Outcome;
use crate::cli::other::OtherSecret;
use crate::clock::Timestamp;
use crate::container::Access;
use crate::crypto::{Credential, KdfCost, NewSlot, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::operations::copy::{self, ExportPlan};
use crate::operations::session::{Init, Parity};
use crate::values::{format_size, parse_size, parse_time};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Arguments of `coffer export`.
#[derive(Debug, Args)]
#[command(override_usage = "coffer export [CONTAINER] SNAPSHOT --to FILE [OPTIONS]")]
pub struct Export {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// The snapshot: latest, latest~2, the first digits of its id, or a day
    #[arg(value_name = "SNAPSHOT")]
    second: Option<OsString>,
    /// The file to make
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Make a new key for it and write that to this file
    #[arg(long, value_name = "FILE", group = "other secret")]
    to_new_key_file: Option<PathBuf>,
    /// Share no secret with the container, so that whoever gets the file learns nothing about it
    #[arg(long)]
    new_family: bool,
    /// Size of a segment, a power of two from 1M to 64M
    #[arg(long, value_name = "SIZE", value_parser = usage(parse_size))]
    segment_size: Option<u64>,
    /// Time of making, instead of now: 2026-01-31T18:30:00+01:00
    #[arg(long, value_name = "TIME", value_parser = usage(parse_time))]
    at: Option<Timestamp>,
    #[command(flatten)]
    secret: OtherSecret,
}

impl Export {
    /// Exports.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let given = [self.first.clone(), self.second.clone()];
        let (path, rest) = places(&context.globals, given, &["SNAPSHOT"], 1)?;
        let selector = selector(&rest[0])?;
        if self.to.symlink_metadata().is_ok() {
            return Err(Error::new(Kind::Usage, format!("{}: exists already", self.to.display()))
                .hint("choose another name; coffer never overwrites a container"));
        }
        self.secret.check_standard_input(context)?;
        let own = context.own_credential(&path)?;
        let source = context.open_with(&path, Access::Read, own.as_ref())?;
        let snapshot = context.snapshot(&source.store, &selector)?;
        let id = snapshot.id;
        if context.globals.dry_run {
            let bytes = format_size(snapshot.restored_bytes());
            return Ok(Outcome::done().with("snapshot", id.to_string()).summary(format!(
                "snapshot {} with {bytes} would be written to {}",
                short(&id),
                self.to.display()
            )));
        }
        let new_key = self.to_new_key_file.as_deref().map(NewSecret::key_file).transpose()?;
        let credential = match &new_key {
            Some(new) => Some(new.credential.clone()),
            None => self.secret.for_new(context, &self.to, own.as_ref())?,
        };
        let plan = ExportPlan { init: self.init(context, credential), new_family: self.new_family, snapshot };
        let (session, report) = {
            let _meter = context.output.progress("exporting", "snapshot", Arc::clone(context.progress()));
            copy::export(&source, plan, &context.pool()?, &mut SystemEntropy, context.progress())
                .inspect_err(|error| {
                    remember_damage(context, &source.store, usize::from(error.kind() == Kind::Damaged))
                })?
        };
        if let Some(new) = new_key {
            new.keep();
        }
        let bytes = session.store.container().file_bytes();
        let mut outcome = Outcome::done()
            .with("snapshot", id.to_string())
            .with("to", self.to.display().to_string())
            .with("id", session.store.container().base().container.to_string())
            .with("encrypted", session.is_encrypted);
        outcome.fields.extend(fields(&report));
        outcome.fields.remove("file_bytes_before");
        let encrypted = if session.is_encrypted { "encrypted" } else { "not encrypted" };
        let to = self.to.display();
        Ok(outcome.summary(format!(
            "snapshot {} written to {to}, {encrypted}, {}, and verified",
            short(&id),
            format_size(bytes)
        )))
    }

    fn init(&self, context: &Context, credential: Option<Credential>) -> Init {
        let time = context.time(self.at);
        let slot = NewSlot { credential, label: String::new(), cost: KdfCost::DEFAULT, created: time };
        Init {
            path: self.to.clone(),
            segment_bytes: self.segment_size,
            parity: Parity::Normal,
            max_bytes: None,
            retention: None,
            slot,
            time,
        }
    }
}
