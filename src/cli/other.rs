//! The second container of a command: the one that is copied to. It promises never to make one by
//! surprise, to say which of both a secret does not open, and that an unencrypted one is written to
//! only when that is asked for by name.

use super::args::SecretOptions;
use super::context::{Context, is_encrypted};
use super::secrets::{self, Ask, Machine, Surroundings};
use crate::container::Access;
use crate::crypto::Credential;
use crate::error::{Error, Kind, Result};
use crate::operations::session::Session;
use clap::Args;
use std::path::{Path, PathBuf};

/// Refuses to read a secret of `own` and one of `others`, options with their values, from standard input.
pub fn once_from_standard_input(own: &SecretOptions, others: &[(&str, &Option<PathBuf>)]) -> Result<()> {
    let dash = |(_, path): &&(&str, &Option<PathBuf>)| path.as_deref() == Some(Path::new("-"));
    let own = [
        ("--password-file", &own.password_file),
        ("--key-file", &own.key_file),
        ("--recovery-code-file", &own.recovery_code_file),
    ];
    match (own.iter().find(dash), others.iter().find(dash)) {
        (Some((own, _)), Some((other, _))) => Err(Error::new(
            Kind::Usage,
            format!("{own} - and {other} - both read standard input, which can be read once"),
        )
        .hint("give one of the two secrets in a file")),
        _ => Ok(()),
    }
}

/// Where the secret of the other container comes from: without any of these it is the same secret.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Secret of the other container, unless it is the same")]
pub struct OtherSecret {
    /// This file holds the other container's password; - is standard input
    #[arg(long, value_name = "FILE", group = "other secret")]
    pub to_password_file: Option<PathBuf>,
    /// The output of this command is the other container's password [env: COFFER_TO_PASSWORD_COMMAND]
    #[arg(long, value_name = "CMD", group = "other secret")]
    pub to_password_command: Option<String>,
    /// This file is the other container's key
    #[arg(long, value_name = "FILE", group = "other secret")]
    pub to_key_file: Option<PathBuf>,
    /// The other container is one that everybody can read
    #[arg(long, group = "other secret")]
    pub to_no_encryption: bool,
}

impl OtherSecret {
    fn sources(&self) -> secrets::Options {
        secrets::Options {
            password_file: self.to_password_file.clone(),
            password_command: self.command(),
            key_file: self.to_key_file.clone(),
            recovery_code_file: None,
        }
    }

    fn is_given(&self) -> bool {
        self.to_no_encryption
            || self.to_password_file.is_some()
            || self.command().is_some()
            || self.to_key_file.is_some()
    }

    /// The command that is named, else, unless something else is, that of the environment.
    fn command(&self) -> Option<String> {
        let is_other = self.to_no_encryption || self.to_password_file.is_some() || self.to_key_file.is_some();
        let variable = || Machine.variable("COFFER_TO_PASSWORD_COMMAND")?.into_string().ok();
        self.to_password_command.clone().or_else(|| variable().filter(|_| !is_other))
    }

    /// Refuses to read two secrets from standard input; before either is read.
    pub fn check_standard_input(&self, context: &Context) -> Result<()> {
        let to = [("--to-password-file", &self.to_password_file), ("--to-key-file", &self.to_key_file)];
        once_from_standard_input(&context.globals.secret, &to)
    }

    /// The secret for a container that is to be made; `own` is that of the first container.
    pub fn for_new(
        &self,
        context: &Context,
        path: &Path,
        own: Option<&Credential>,
    ) -> Result<Option<Credential>> {
        match (self.to_no_encryption, self.is_given()) {
            (true, _) => Ok(None),
            (false, true) => {
                context.credential(&self.sources(), false, Ask::Never, &path.display().to_string())
            }
            (false, false) => Ok(own.cloned()),
        }
    }

    /// Opens the container at `path`, which must exist; `own` is the secret of the first container.
    pub fn open(
        &self,
        context: &Context,
        path: &Path,
        access: Access,
        own: Option<&Credential>,
    ) -> Result<Session> {
        must_exist(path)?;
        let name = path.display().to_string();
        let encrypted = is_encrypted(path)?;
        if self.to_no_encryption {
            return match encrypted {
                false => context.open_with(path, access, None),
                true => Err(Error::new(Kind::WrongKey, format!("{name}: needs a password or key")).hint(
                    "give --to-password-file FILE or --to-key-file FILE instead of --to-no-encryption",
                )),
            };
        }
        if !encrypted && (own.is_some() || self.is_given()) {
            return Err(Error::new(Kind::NotEncrypted, format!("{name}: is not encrypted"))
                .hint("everybody could read the copy; if that is wanted, say --to-no-encryption"));
        }
        let hint = "give its own secret with --to-password-file FILE or --to-key-file FILE";
        let with_hint = |error: Error| match error.kind() {
            Kind::WrongKey => error.hint(hint),
            _ => error,
        };
        let given = context.credential(&self.sources(), false, Ask::Never, &name)?;
        if given.is_some() {
            return context.open_with(path, access, given.as_ref());
        }
        match context.open_with(path, access, own) {
            // Another secret than the first container's: whoever sits there knows it.
            Err(error) if error.kind() == Kind::WrongKey => {
                match context.credential(&self.sources(), false, Ask::Once, &name)? {
                    Some(asked) => context.open_with(path, access, Some(&asked)),
                    None => Err(with_hint(error)),
                }
            }
            other => other,
        }
    }
}

/// Refuses a target that is not there: a copy never makes a container.
pub fn must_exist(path: &Path) -> Result<()> {
    match path.metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        _ => return Ok(()),
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.display();
    match folder.is_none_or(Path::exists) {
        true => Err(Error::new(Kind::NotFound, format!("{name}: no such container"))
            .hint("connect the medium, or make it: coffer init FILE --copy-of CONTAINER")),
        false => Err(Error::new(
            Kind::Destination,
            format!("{name}: medium not present: the folder it lies in does not exist"),
        )
        .hint("connect the medium and run this again")),
    }
}
