//! `coffer scheme`: what the configuration names to be saved, where to and when.

mod run;

use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::Result;
use clap::{Args, Subcommand};

/// Arguments of `coffer scheme`.
#[derive(Debug, Args)]
pub struct Scheme {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a scheme now: the backup, and what follows it
    Run(run::Run),
}

impl Scheme {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Run(_) => "scheme run",
        }
    }

    /// Does it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        match self.action {
            Action::Run(run) => run.run(context),
        }
    }
}
