//! `coffer scheme`: what the configuration names to be saved, where to and when.

mod add;
mod edit;
mod list;
mod options;
mod run;
mod switch;

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
    /// List the schemes, and when each runs
    List(list::List),
    /// Add a scheme to the configuration
    Add(add::Add),
    /// Change a scheme, by options or in an editor
    Edit(edit::Edit),
    /// Let a scheme run by itself
    Enable(switch::Switch),
    /// Stop a scheme from running by itself
    Disable(switch::Switch),
    /// Take a scheme out of the configuration
    Remove(add::Remove),
    /// Run a scheme now: the backup, and what follows it
    Run(run::Run),
}

impl Scheme {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::List(_) => "scheme list",
            Action::Add(_) => "scheme add",
            Action::Edit(_) => "scheme edit",
            Action::Enable(_) => "scheme enable",
            Action::Disable(_) => "scheme disable",
            Action::Remove(_) => "scheme remove",
            Action::Run(_) => "scheme run",
        }
    }

    /// Does it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        match self.action {
            Action::List(list) => list.run(context),
            Action::Add(add) => add.run(context),
            Action::Edit(edit) => edit.run(context),
            Action::Enable(switch) => switch.run(context, true),
            Action::Disable(switch) => switch.run(context, false),
            Action::Remove(remove) => remove.run(context),
            Action::Run(run) => run.run(context),
        }
    }
}
