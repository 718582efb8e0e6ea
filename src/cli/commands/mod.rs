//! The commands, one file each. Every one takes its arguments and the [`Context`] and ends with an
//! [`Outcome`]; none ends the process itself.

mod audit;
mod backup;
mod completions;
mod copy;
mod daemon;
mod demo;
mod diff;
mod doctor;
mod drill;
mod dump_format;
mod emergency_sheet;
mod entries;
mod export;
mod find;
mod init;
mod key;
mod ls;
mod migrate;
mod new_secret;
mod notify;
mod old_data;
mod pin;
mod policy;
mod prune;
mod repair;
mod report;
mod restore;
mod rotation;
mod scheme;
mod service;
mod set;
mod setup;
mod snapshots;
mod stats;
mod status;
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
    /// Ask a few questions and make everything that backups need
    Setup(setup::Setup),
    /// Change settings of a container
    Set(set::Set),
    /// Make a snapshot of database dumps and attachment folders
    Backup(backup::Backup),
    /// List the snapshots
    Snapshots(snapshots::Snapshots),
    /// List what a snapshot holds
    Ls(ls::Ls),
    /// Find files in all snapshots
    Find(find::Find),
    /// Tell what differs between two snapshots
    Diff(diff::Diff),
    /// Tell what the container holds and what it saves
    Stats(stats::Stats),
    /// Write a snapshot, or part of it, into a folder
    Restore(restore::Restore),
    /// Remove snapshots by policy, or those named, and give their space back
    Prune(prune::Prune),
    /// Keep snapshots until they are let go
    Pin(pin::Pin),
    /// Let go of pinned snapshots
    Unpin(pin::Unpin),
    /// Write anew what parity or a second copy makes good for
    Repair(repair::Repair),
    /// Copy snapshots into another container: only what is missing there
    Copy(copy::Copy),
    /// Write one snapshot into a small container of its own
    Export(export::Export),
    /// Keep the media that copies go to in turn
    Rotation(rotation::Rotation),
    /// Run every scheme at its time, until SIGTERM
    Daemon(daemon::Daemon),
    /// Run what the configuration names
    Scheme(scheme::Scheme),
    /// Are we protected? Tell, and why not
    Status(status::Status),
    /// Write what was done and proven in a month, to print and to keep
    Report(report::Report),
    /// Tell who did what, and prove that nobody changed that
    Audit(audit::Audit),
    /// Write the page by which everything is restored on a new machine
    EmergencySheet(emergency_sheet::EmergencySheet),
    /// Try the ways to tell people
    Notify(notify::Notify),
    /// Have the service manager run schemes
    Service(service::Service),
    /// Prove that the container is as it was written
    Verify(verify::Verify),
    /// Tell what stands between a database server and a good backup
    Doctor(doctor::Doctor),
    /// Restore a snapshot for trial and report how it went
    Drill(drill::Drill),
    /// Move a practice to another server, with the container alone
    Migrate(migrate::Migrate),
    /// Count or remove old rows of an application's tables on its server
    RemoveOldData(old_data::RemoveOldData),
    /// Show the file by the names of its specification
    DumpFormat(dump_format::DumpFormat),
    /// List and change what opens the container
    Key(key::Key),
    /// Show everything on an invented practice, in a folder of its own
    Demo(demo::Demo),
    /// Print completions for a shell
    Completions(completions::Completions),
    /// Print the manual page, or write all pages into a folder
    Man(completions::ManPages),
}

impl Command {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Init(_) => "init",
            Command::Setup(_) => "setup",
            Command::Set(_) => "set",
            Command::Backup(_) => "backup",
            Command::Snapshots(_) => "snapshots",
            Command::Ls(_) => "ls",
            Command::Find(_) => "find",
            Command::Diff(_) => "diff",
            Command::Stats(_) => "stats",
            Command::Restore(_) => "restore",
            Command::Prune(_) => "prune",
            Command::Pin(_) => "pin",
            Command::Unpin(_) => "unpin",
            Command::Repair(_) => "repair",
            Command::Copy(_) => "copy",
            Command::Export(_) => "export",
            Command::Rotation(rotation) => rotation.name(),
            Command::Daemon(_) => "daemon",
            Command::Scheme(scheme) => scheme.name(),
            Command::Status(_) => "status",
            Command::Report(_) => "report",
            Command::Audit(audit) => audit.name(),
            Command::EmergencySheet(_) => "emergency-sheet",
            Command::Notify(notify) => notify.name(),
            Command::Service(service) => service.name(),
            Command::Verify(_) => "verify",
            Command::Doctor(_) => "doctor",
            Command::Drill(_) => "drill",
            Command::Migrate(command) => command.name(),
            Command::RemoveOldData(command) => command.name(),
            Command::DumpFormat(_) => "dump-format",
            Command::Key(key) => key.name(),
            Command::Demo(_) => "demo",
            Command::Completions(_) => "completions",
            Command::Man(_) => "man",
        }
    }

    /// Runs it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        match self {
            Command::Init(command) => command.run(context),
            Command::Setup(command) => command.run(context),
            Command::Set(command) => command.run(context),
            Command::Backup(command) => command.run(context),
            Command::Snapshots(command) => command.run(context),
            Command::Ls(command) => command.run(context),
            Command::Find(command) => command.run(context),
            Command::Diff(command) => command.run(context),
            Command::Stats(command) => command.run(context),
            Command::Restore(command) => command.run(context),
            Command::Prune(command) => command.run(context),
            Command::Pin(command) => command.run(context),
            Command::Unpin(command) => command.run(context),
            Command::Repair(command) => command.run(context),
            Command::Copy(command) => command.run(context),
            Command::Export(command) => command.run(context),
            Command::Rotation(command) => command.run(context),
            Command::Daemon(command) => command.run(context),
            Command::Scheme(command) => command.run(context),
            Command::Status(command) => command.run(context),
            Command::Report(command) => command.run(context),
            Command::Audit(command) => command.run(context),
            Command::EmergencySheet(command) => command.run(context),
            Command::Notify(command) => command.run(context),
            Command::Service(command) => command.run(context),
            Command::Verify(command) => command.run(context),
            Command::Doctor(command) => command.run(context),
            Command::Drill(command) => command.run(context),
            Command::Migrate(command) => command.run(context),
            Command::RemoveOldData(command) => command.run(context),
            Command::DumpFormat(command) => command.run(context),
            Command::Key(command) => command.run(context),
            Command::Demo(command) => command.run(context),
            Command::Completions(command) => command.run(context),
            Command::Man(command) => command.run(context),
        }
    }
}
