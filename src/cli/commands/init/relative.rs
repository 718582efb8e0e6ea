//! `coffer init --copy-of`: a container that begins as a copy of another. It promises that the other
//! one is opened, for reading only, before anything is made.

use crate::cli::commands::copy::Source;
use crate::cli::context::{Context, is_encrypted};
use crate::cli::other;
use crate::cli::secrets::{self, Ask};
use crate::clock::Timestamp;
use crate::container::Access;
use crate::crypto::Credential;
use crate::error::{Kind, Result};
use clap::Args;
use std::path::PathBuf;

/// Which container to begin as a copy of.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Beginning as a copy")]
pub struct Relative {
    /// Begin as a copy of this container, with secrets of its own, in the same family: later copies
    /// between both move only what is missing
    #[arg(long, value_name = "FILE")]
    copy_of: Option<PathBuf>,
    /// This file holds the password of that container, unless it is the same
    #[arg(long, value_name = "FILE", requires = "copy_of", group = "of secret")]
    copy_of_password_file: Option<PathBuf>,
    /// The output of this command is the password of that container
    #[arg(long, value_name = "CMD", requires = "copy_of", group = "of secret")]
    copy_of_password_command: Option<String>,
    /// This file is the key of that container
    #[arg(long, value_name = "FILE", requires = "copy_of", group = "of secret")]
    copy_of_key_file: Option<PathBuf>,
    /// Begin a family of its own all the same: both share no secret
    #[arg(long, requires = "copy_of")]
    pub new_family: bool,
    /// Only be of the same family, and copy no snapshot yet
    #[arg(long, requires = "copy_of", conflicts_with = "new_family")]
    pub no_snapshots: bool,
}

impl Relative {
    fn sources(&self) -> secrets::Options {
        secrets::Options {
            password_file: self.copy_of_password_file.clone(),
            password_command: self.copy_of_password_command.clone(),
            key_file: self.copy_of_key_file.clone(),
            recovery_code_file: None,
        }
    }

    /// Refuses, before anybody is asked for a secret, what cannot work.
    pub fn check(&self, context: &Context) -> Result<()> {
        let Some(path) = &self.copy_of else { return Ok(()) };
        let theirs = [
            ("--copy-of-password-file", &self.copy_of_password_file),
            ("--copy-of-key-file", &self.copy_of_key_file),
        ];
        other::once_from_standard_input(&context.globals.secret, &theirs)?;
        is_encrypted(path).map(|_| ())
    }

    /// Opens that container, if there is one; `new` is the secret of the container to be made.
    pub fn open(
        &self,
        context: &Context,
        new: Option<&Credential>,
        time: Timestamp,
    ) -> Result<Option<Source>> {
        let Some(path) = &self.copy_of else { return Ok(None) };
        let name = path.display().to_string();
        let encrypted = is_encrypted(path)?;
        let given = context.credential(&self.sources(), false, Ask::Never, &name)?;
        let own = match (given, encrypted) {
            (Some(given), _) => Some(given),
            (None, true) => new.cloned(),
            (None, false) => None,
        };
        let (session, own) = match context.open_with(path, Access::Read, own.as_ref()) {
            Err(error) if error.kind() == Kind::WrongKey && !self.is_given() => {
                let Some(asked) = context.credential(&self.sources(), false, Ask::Once, &name)? else {
                    return Err(error.hint(
                        "give its own secret with --copy-of-password-file FILE or --copy-of-key-file FILE",
                    ));
                };
                (context.open_with(path, Access::Read, Some(&asked))?, Some(asked))
            }
            other => (other?, own),
        };
        Ok(Some(Source { session, own, time }))
    }

    fn is_given(&self) -> bool {
        self.copy_of_password_file.is_some()
            || self.copy_of_password_command.is_some()
            || self.copy_of_key_file.is_some()
    }
}
