//! What setup is going to make, before anything of it is made.

use super::account::NewAccount;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::crypto::Credential;
use crate::error::Result;
use crate::retention::Policy;
use crate::schemes::config::edit::{Draft, Setting};
use serde_json::json;
use std::path::PathBuf;

/// What opens the container.
pub enum Opener {
    /// A new key, to be written to this file.
    NewKey(PathBuf),
    /// This password, to be written to this file for the backups that run by themselves.
    NewPassword(Credential, PathBuf),
    /// The password that is in this file.
    Stored(Credential, PathBuf),
}

impl Opener {
    /// The key of the configuration and the file it names.
    pub fn setting(&self) -> (&'static str, &PathBuf) {
        match self {
            Opener::NewKey(path) => ("key-file", path),
            Opener::NewPassword(_, path) | Opener::Stored(_, path) => ("password-file", path),
        }
    }
}

/// Everything that is going to be made.
pub struct Plan {
    /// The container's file.
    pub file: PathBuf,
    /// Its limit.
    pub max_bytes: Option<u64>,
    /// What it keeps.
    pub retention: Option<Policy>,
    /// What opens it.
    pub opener: Opener,
    /// Where the recovery sheet goes; `None`: the code is shown.
    pub sheet: Option<PathBuf>,
    /// The group that may read it.
    pub group: Option<u32>,
    /// A database user.
    pub account: Option<NewAccount>,
    /// The configuration to come.
    pub draft: Draft,
    /// The name of the scheme.
    pub scheme: String,
    /// For the recovery sheet: the practice, if it has a name.
    pub practice: Option<String>,
    /// Whether a first backup is made at once.
    pub first_backup: bool,
}

/// `text` as a setting.
pub fn text(text: impl Into<String>) -> Setting {
    Setting::Text(text.into())
}

impl Plan {
    /// Tells it. The configuration is checked before.
    pub fn show(&self, context: &Context) -> Result<()> {
        self.draft.config()?;
        let output = &context.output;
        let (kind, secret) = self.opener.setting();
        let file = self.file.display().to_string();
        output.item(
            format_args!("container {file}, opened by {kind} {}", secret.display()),
            json!({ "container": file, "opened_by": kind, "secret": secret.display().to_string() }),
        );
        for statement in self.account.iter().flat_map(NewAccount::shown) {
            output.item(format_args!("  {statement}"), json!({ "statement": statement }));
        }
        let (path, text) = (self.draft.path().display(), self.draft.text());
        let indented: String = text.lines().map(|line| format!("\n  {line}")).collect();
        output.item(
            format_args!("configuration {path}:{indented}"),
            json!({ "config": path.to_string(), "text": text }),
        );
        Ok(())
    }

    /// What it comes to, for programs.
    pub fn outcome(&self) -> Outcome {
        Outcome::done()
            .with("config", self.draft.path().display().to_string())
            .with("file", self.file.display().to_string())
            .with("scheme", &self.scheme)
    }
}
