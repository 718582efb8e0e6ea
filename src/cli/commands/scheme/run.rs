//! `coffer scheme run`: a scheme, now, by hand or by a timer.

use crate::cli::args::usage;
use crate::cli::configured::Configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::values::parse_time;
use clap::Args;

/// Arguments of `coffer scheme run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The scheme
    name: String,
    /// Time of the snapshot, instead of now: 2026-01-31T18:30:00+01:00
    #[arg(long, value_name = "TIME", value_parser = usage(parse_time))]
    at: Option<Timestamp>,
}

impl Run {
    /// Runs it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let configured = Configured::load(context)?;
        configured.config.scheme(&self.name)?;
        Err(Error::new(Kind::Failed, format!("scheme `{}` at {:?}: not yet", self.name, self.at)))
    }
}
