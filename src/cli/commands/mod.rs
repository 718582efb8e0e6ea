//! The commands, one file each. Every one takes its arguments and the [`Context`] and ends with an
//! [`Outcome`]; none ends the process itself.

mod backup;
mod init;
mod key;
mod restore;
mod snapshots;
mod verify;

use super::context::Context;
use super::events::Outcome;
use crate::error::Result;
use clap::Subcommand;

/// What `coffer` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a container
    Init(init::Init),
    /// Make a snapshot of a database dump and of attachment folders
    Backup(backup::Backup),
    /// List the snapshots
    Snapshots(snapshots::Snapshots),
    /// Write a snapshot, or part of it, into a folder
    Restore(restore::Restore),
    /// Prove that the container is as it was written
    Verify(verify::Verify),
}

impl Command {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Backup(_) => "backup",
            Command::Snapshots(_) => "snapshots",
            Command::Restore(_) => "restore",
            Command::Verify(_) => "verify",
        }
    }

    /// Runs it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        match self {
            Command::Init(command) => command.run(context),
            Command::Backup(command) => command.run(context),
            Command::Snapshots(command) => command.run(context),
            Command::Restore(command) => command.run(context),
            Command::Verify(command) => command.run(context),
        }
    }
}
