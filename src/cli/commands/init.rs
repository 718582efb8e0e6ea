//! `coffer init`: makes a container. It promises that an unencrypted one is made only when that is
//! asked for by name, and that a new key file never takes the place of another.

mod relative;

use super::copy;
use super::new_secret::NewSecret;
use super::policy::{self, PolicyOptions, Wish};
use crate::cli::args::{places, usage};
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::cli::output::can_reveal;
use crate::cli::secrets::Ask;
use crate::clock::Timestamp;
use crate::container::Access;
use crate::crypto::{Credential, KdfCost, NewSlot, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::operations::keys;
use crate::operations::session::{self, Session};
use crate::values::{format_size, parse_size, parse_time};
use clap::{Args, ValueEnum};
use rayon::ThreadPool;
use relative::Relative;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `coffer init`.
#[derive(Debug, Args)]
#[command(after_help = "The secret comes from --password-file, --password-command, --key-file or a prompt; \
                        or --new-key-file makes one.")]
pub struct Init {
    /// The file to make
    container: Option<OsString>,
    /// The longest the file may become: 50G
    #[arg(long, value_name = "SIZE", value_parser = usage(parse_size))]
    max_size: Option<u64>,
    /// Size of a segment, a power of two from 1M to 64M
    #[arg(long, value_name = "SIZE", value_parser = usage(parse_size))]
    segment_size: Option<u64>,
    /// How much of each segment is parity, which mends bad sectors
    #[arg(long, value_enum, default_value_t = ParityName::Normal)]
    parity: ParityName,
    /// Make a container that everybody can read
    #[arg(long)]
    no_encryption: bool,
    /// Make a new key and write it to this file
    #[arg(long, value_name = "FILE", conflicts_with = "no_encryption")]
    new_key_file: Option<PathBuf>,
    /// Add a recovery code and print it, once
    #[arg(long, conflicts_with = "no_encryption")]
    recovery_code: bool,
    /// Make guessing the password eight times as costly: 512 MiB of memory each time
    #[arg(long)]
    strong_kdf: bool,
    /// A name for the first key, shown by `key list`
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// Time of making, instead of now: 2026-01-31T18:30:00+01:00
    #[arg(long, value_name = "TIME", value_parser = usage(parse_time))]
    at: Option<Timestamp>,
    #[command(flatten)]
    policy: PolicyOptions,
    #[command(flatten)]
    relative: Relative,
}

/// A [`session::Parity`] as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ParityName {
    /// Nothing heals; damage is only found
    None,
    /// 3 %
    Normal,
    /// 6 %
    Double,
}

impl ParityName {
    fn parity(self) -> session::Parity {
        match self {
            ParityName::None => session::Parity::None,
            ParityName::Normal => session::Parity::Normal,
            ParityName::Double => session::Parity::Double,
        }
    }
}

impl Init {
    /// Makes the container.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        if path.symlink_metadata().is_ok() {
            return Err(Error::new(Kind::Usage, format!("{}: exists already", path.display()))
                .hint("choose another name; coffer never overwrites a container"));
        }
        let retention = match self.policy.wish(None)? {
            Wish::Policy(policy) => Some(policy),
            Wish::Unsaid | Wish::NoPolicy => None,
        };
        self.relative.check(context)?;
        if context.globals.dry_run {
            let summary = format!("{} would be made", path.display());
            return Ok(Outcome::done().with("container", path.display().to_string()).summary(summary));
        }
        if self.recovery_code {
            can_reveal()?;
        }
        let mut entropy = SystemEntropy;
        let new_key = self.new_key_file.as_deref().map(NewSecret::key_file).transpose()?;
        let credential = match &new_key {
            Some(new) => Some(new.credential.clone()),
            None => self.credential(context, &path)?,
        };
        let time = context.time(self.at);
        let source = self.relative.open(context, credential.as_ref(), time)?;
        context.progress();
        let cost = if self.strong_kdf { KdfCost::STRONG } else { KdfCost::DEFAULT };
        let label = self.label.clone().unwrap_or_default();
        let slot = NewSlot { credential, label, cost, created: time };
        let plan = session::Init {
            path: path.clone(),
            segment_bytes: self.segment_size,
            parity: self.parity.parity(),
            max_bytes: self.max_size,
            retention,
            slot,
            time,
        };
        let pool = context.pool()?;
        let related = source.as_ref().filter(|_| !self.relative.new_family).map(|source| &source.session);
        let make = |storage| {
            let made = session::init_related(&plan, related, storage, Arc::clone(&pool), &mut entropy)?;
            context.progress().check().map(|()| made)
        };
        let mut session = session::make_whole(&path, make)?;
        if let Some(new) = new_key {
            new.keep();
        }
        context.recognise(&session, Access::Write)?;
        if self.recovery_code {
            self.recovery_code(context, &mut session, time, pool)?;
        }
        match source.filter(|_| !self.relative.no_snapshots) {
            None => Ok(outcome(&path, &session)),
            Some(source) => filled(context, &source, &path, &mut session),
        }
    }

    fn credential(&self, context: &Context, path: &Path) -> Result<Option<Credential>> {
        let options = context.globals.secret.sources();
        if self.no_encryption {
            let given = context.credential(&options, false, Ask::Never, "")?;
            return match given {
                None => Ok(None),
                Some(_) => Err(Error::new(Kind::Usage, "--no-encryption and a secret exclude each other")),
            };
        }
        let credential = context.credential(&options, true, Ask::Twice, &path.display().to_string())?;
        credential.map(Some).ok_or_else(|| {
            Error::new(Kind::Usage, format!("{}: no password or key is given", path.display())).hint(
                "give --password-file FILE, --key-file FILE or --new-key-file FILE; \
                 or --no-encryption for a container that everybody can read",
            )
        })
    }

    fn recovery_code(
        &self,
        context: &Context,
        session: &mut Session,
        time: Timestamp,
        pool: Arc<ThreadPool>,
    ) -> Result<()> {
        let new = NewSecret::recovery_code()?;
        let label = "recovery code".to_owned();
        let slot = NewSlot {
            credential: Some(new.credential.clone()),
            label,
            cost: KdfCost::DEFAULT,
            created: time,
        };
        let hint = "the container is made without one: coffer key add --new-recovery-code";
        new.show(context).map_err(|error| error.hint(hint))?;
        keys::add(session, &slot, pool, &mut SystemEntropy).inspect_err(|_| new.disown(context))?;
        Ok(())
    }
}

/// Copies everything into the new container, which stays whatever happens: copying can go on later.
fn filled(context: &Context, source: &copy::Source, path: &Path, session: &mut Session) -> Result<Outcome> {
    let copying = copy::Copying { snapshots: None, verify: None, expected: None };
    let report = source.copy_into(context, session, path, &copying).inspect_err(|_| {
        context
            .output
            .note(format_args!("{} is made; coffer copy CONTAINER --to {0} goes on with it", path.display()));
    })?;
    let made = outcome(path, session);
    let mut whole = Outcome::new(copy::status(&report));
    whole.fields = made.fields;
    whole.fields.extend(copy::fields(&report));
    let summary = copy::summary(path, &report);
    Ok(whole.summary(format!("{}; {summary}", made.summary.unwrap_or_default())))
}

fn outcome(path: &Path, session: &Session) -> Outcome {
    let container = session.store.container();
    let encrypted = if session.is_encrypted { "encrypted" } else { "not encrypted" };
    let bytes = container.file_bytes();
    Outcome::done()
        .with("container", path.display().to_string())
        .with("id", container.base().container.to_string())
        .with("encrypted", session.is_encrypted)
        .with("segment_bytes", container.base().geometry.segment_bytes)
        .with("max_bytes", session.store.contents().settings.max_bytes)
        .with("retention", session.store.contents().settings.retention.as_ref().map(policy::value))
        .with("file_bytes", bytes)
        .summary(format!("{} made, {encrypted}, {}", path.display(), format_size(bytes)))
}
