//! `coffer key`: what opens the container. It promises that the slot which was just used is not
//! removed by mistake, that a recovery code was shown before it takes any slot, and that a list of the
//! slots needs no secret.

mod rotate;

use super::new_secret::NewSecret;
use crate::cli::args::places;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::cli::other;
use crate::cli::output::can_reveal;
use crate::cli::secrets::{self, Ask};
use crate::container::Access;
use crate::container::header::Header;
use crate::crypto::{Credential, KdfCost, KeySlot, KeyTable, NewSlot, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::operations::keys;
use crate::operations::session::Session;
use crate::storage::FileStorage;
use crate::values::{format_count, format_time, rfc3339};
use clap::{Args, Subcommand};
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Arguments of `coffer key`.
#[derive(Debug, Args)]
pub struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a password, key file or recovery code
    Add(Add),
    /// List what opens the container; needs no secret
    List(List),
    /// Replace what opens a slot
    Change(Change),
    /// Take a slot away: what opened it opens nothing any more
    Remove(Remove),
    /// Seal everything anew under new keys; goes on with a rotation that was interrupted
    Rotate(rotate::Rotate),
}

#[derive(Debug, Args)]
struct Add {
    /// The container
    container: Option<OsString>,
    #[command(flatten)]
    new: NewOptions,
}

#[derive(Debug, Args)]
struct List {
    /// The container
    container: Option<OsString>,
}

#[derive(Debug, Args)]
#[command(override_usage = "coffer key change [CONTAINER] SLOT [OPTIONS]")]
struct Change {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// Number of the slot
    #[arg(value_name = "SLOT")]
    second: Option<OsString>,
    #[command(flatten)]
    new: NewOptions,
}

#[derive(Debug, Args)]
#[command(override_usage = "coffer key remove [CONTAINER] SLOT [OPTIONS]")]
struct Remove {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// Number of the slot
    #[arg(value_name = "SLOT")]
    second: Option<OsString>,
}

/// The new secret. Without any of these it is asked for.
#[derive(Debug, Args)]
struct NewOptions {
    /// This file holds the new password; - is standard input
    #[arg(long, value_name = "FILE", group = "new")]
    new_password_file: Option<PathBuf>,
    /// Make a new key and write it to this file
    #[arg(long, value_name = "FILE", group = "new")]
    new_key_file: Option<PathBuf>,
    /// Make a new recovery code and print it, once
    #[arg(long, group = "new")]
    new_recovery_code: bool,
    /// A name for people
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// Make guessing the password eight times as costly
    #[arg(long)]
    strong_kdf: bool,
}

impl Key {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Add(_) => "key add",
            Action::List(_) => "key list",
            Action::Change(_) => "key change",
            Action::Remove(_) => "key remove",
            Action::Rotate(_) => "key rotate",
        }
    }

    /// Does it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        match self.action {
            Action::Add(add) => {
                let (path, _) = places(&context.globals, [add.container], &[], 0)?;
                put(context, &path, None, &add.new)
            }
            Action::List(list) => {
                let (path, _) = places(&context.globals, [list.container], &[], 0)?;
                show(context, &path)
            }
            Action::Change(change) => {
                let (path, number) = slot(context, [change.first, change.second])?;
                put(context, &path, Some(number), &change.new)
            }
            Action::Remove(remove) => {
                let (path, number) = slot(context, [remove.first, remove.second])?;
                take_away(context, &path, number)
            }
            Action::Rotate(rotate) => rotate.run(context),
        }
    }
}

fn slot(context: &Context, given: [Option<OsString>; 2]) -> Result<(PathBuf, u32)> {
    let (path, rest) = places(&context.globals, given, &["SLOT"], 1)?;
    let number = rest[0].to_str().and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{}` is no number of a slot", rest[0].display()))
            .hint("coffer key list shows the slots")
    })?;
    Ok((path, number))
}

fn open(context: &Context, path: &Path) -> Result<Session> {
    let access = if context.globals.dry_run { Access::Read } else { Access::Write };
    context.open(path, access)
}

/// Adds a slot, or changes the one of this number.
fn put(context: &Context, path: &Path, number: Option<u32>, options: &NewOptions) -> Result<Outcome> {
    options.check_standard_input(context)?;
    let mut session = open(context, path)?;
    if let Some(number) = number {
        existing(&session, number)?;
    }
    if context.globals.dry_run {
        return Ok(Outcome::done().with("slot", number).summary("a key slot would be written"));
    }
    if options.new_recovery_code {
        can_reveal()?;
    }
    let made = options.make()?;
    let credential = match &made {
        Some(made) => made.credential.clone(),
        None => options.gather(context, path)?,
    };
    let cost = if options.strong_kdf { KdfCost::STRONG } else { KdfCost::DEFAULT };
    let label = options.label.clone().unwrap_or_default();
    let new = NewSlot { credential: Some(credential), label, cost, created: context.time(None) };
    let (pool, entropy) = (context.pool()?, &mut SystemEntropy);
    let before = keys::table(&session)?.sequence();
    // Whoever does not get to see the code keeps what opened the container before.
    made.iter().try_for_each(|made| made.show(context))?;
    let written = match number {
        None => keys::add(&mut session, &new, pool, entropy),
        Some(number) => keys::change(&mut session, number, &new, pool, entropy).map(|()| number),
    };
    // A failure behind the change of the key table leaves the change in the file.
    let is_taken = written.is_ok() || table_of(path).map_or(true, |table| table.sequence() != before);
    if written.is_err() && is_taken {
        context.output.warning("secret", "the container may have taken the new key: it is kept");
    }
    match made {
        Some(made) if is_taken => made.keep(),
        Some(made) => made.disown(context),
        None => {}
    }
    let slot = written?;
    let what = if number.is_some() { "changed" } else { "added" };
    Ok(Outcome::done().with("slot", slot).summary(format!("key slot {slot} {what}")))
}

impl NewOptions {
    /// Refuses to read two secrets from standard input, before either is read.
    fn check_standard_input(&self, context: &Context) -> Result<()> {
        let new = [("--new-password-file", &self.new_password_file)];
        other::once_from_standard_input(&context.globals.secret, &new)
    }

    fn make(&self) -> Result<Option<NewSecret>> {
        match (&self.new_key_file, self.new_recovery_code) {
            (Some(path), _) => NewSecret::key_file(path).map(Some),
            (None, true) => NewSecret::recovery_code().map(Some),
            (None, false) => Ok(None),
        }
    }

    fn gather(&self, context: &Context, path: &Path) -> Result<Credential> {
        let options =
            secrets::Options { password_file: self.new_password_file.clone(), ..secrets::Options::default() };
        let given = context.credential(&options, false, Ask::Twice, &path.display().to_string())?;
        given.ok_or_else(|| {
            Error::new(Kind::Usage, "no new password or key is given")
                .hint("give --new-password-file FILE, --new-key-file FILE or --new-recovery-code")
        })
    }
}

fn existing(session: &Session, number: u32) -> Result<KeySlot> {
    let table = keys::table(session)?;
    table.slots().iter().find(|slot| slot.number() == number).cloned().ok_or_else(|| {
        Error::new(Kind::NotFound, format!("no key slot {number}")).hint("coffer key list shows the slots")
    })
}

fn take_away(context: &Context, path: &Path, number: u32) -> Result<Outcome> {
    let mut session = open(context, path)?;
    let slot = existing(&session, number)?;
    if session.slot == number && !context.globals.yes {
        return Err(Error::new(Kind::Usage, format!("key slot {number} is the one that was just used"))
            .hint("open the container with another key, or say --yes"));
    }
    let outcome = Outcome::done().with("slot", number);
    if context.globals.dry_run {
        return Ok(outcome.summary(format!("key slot {number} ({}) would be removed", slot.kind())));
    }
    keys::remove(&mut session, number, context.time(None), context.pool()?)?;
    context.output.note("copies of the container that were made before still open with it");
    Ok(outcome.summary(format!("key slot {number} ({}) removed", slot.kind())))
}

/// The key table as it stands in the file.
fn table_of(path: &Path) -> Result<KeyTable> {
    let name = path.display();
    let header = Header::read(&FileStorage::open(path, false)?).map_err(|e| e.at(&name))?;
    KeyTable::decode(&header.keys.table).map_err(|e| e.at(&name))
}

fn show(context: &Context, path: &Path) -> Result<Outcome> {
    let table = table_of(path)?;
    for slot in table.slots() {
        let (kind, label, created) = (slot.kind().to_string(), slot.label(), slot.created());
        let line = format!("{:>3}  {kind:<14} {}  {label}", slot.number(), format_time(created));
        let item = json!({
            "slot": slot.number(), "kind": kind, "label": label, "created": rfc3339(created),
            "memory_kib": slot.cost().map(|cost| cost.memory_kib),
        });
        context.output.item(line.trim_end(), item);
    }
    let count = table.slots().len();
    context.output.detail(format_count(count as u64, "slot"));
    Ok(Outcome::done().with("slots", count).with("encrypted", table.is_encrypted()))
}
