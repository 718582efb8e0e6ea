//! `coffer emergency-sheet`: the page by which everything is brought back on a new machine. It promises
//! to hold no secret unless that is asked for, and then a new one, whose slot is named.

use super::new_secret::NewSecret;
use crate::cli::configured::Configured;
use crate::cli::context::{Context, is_encrypted};
use crate::cli::events::Outcome;
use crate::cli::interrupt;
use crate::cli::output::can_reveal;
use crate::cli::secrets::{Ask, Options};
use crate::container::Access;
use crate::crypto::{KdfCost, NewSlot, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::operations::keys;
use crate::operations::paper;
use crate::operations::session::host_name;
use crate::schemes::config::ContainerPlace;
use crate::schemes::sheet;
use crate::values::{format_count, rfc3339};
use clap::Args;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Arguments of `coffer emergency-sheet`.
#[derive(Debug, Args)]
pub struct EmergencySheet {
    /// Write the page here, for its owner alone; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Make a new recovery code for each encrypted container that is there, and print it on the sheet;
    /// codes that were made before cannot be shown again and stay good
    #[arg(long)]
    with_recovery_code: bool,
}

impl EmergencySheet {
    /// Makes it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let configured = Configured::load(context)?;
        let config = &configured.config;
        if context.globals.dry_run {
            return Ok(Outcome::done().summary("an emergency sheet would be written"));
        }
        // The page has its place before a code is made that could be lost.
        let is_file = self.output != Path::new("-");
        if self.with_recovery_code && !is_file {
            can_reveal()?;
        }
        let mut place = is_file.then(|| Place::make(&self.output)).transpose()?;
        let mut codes = BTreeMap::new();
        if self.with_recovery_code {
            for (name, container) in &config.container {
                if container.path.exists() && is_encrypted(&container.path)? {
                    codes.insert(name.clone(), new_code(context, name, container)?);
                    if let Some(place) = &mut place {
                        place.is_needed = true;
                    }
                }
            }
        }
        let made = rfc3339(crate::clock::Timestamp { nanoseconds: 0, ..context.time(None) });
        let page = sheet::html(config, &made, &host_name(), &codes);
        match place {
            Some(place) => place.fill(&page)?,
            None => {
                let shown = context.output.reveal(page.trim_end(), serde_json::json!({ "page": page }));
                let unseen = "take the slots of the codes away again: coffer key list, coffer key remove";
                shown.or_else(|error| if codes.is_empty() { Ok(()) } else { Err(error.hint(unseen)) })?;
            }
        }
        let what = match codes.len() {
            0 => "without a recovery code".to_owned(),
            n => format!("with {}: keep it like a key", format_count(n as u64, "new recovery code")),
        };
        Ok(Outcome::done()
            .with("output", self.output.display().to_string())
            .with("recovery_codes", codes.len())
            .summary(format!("{}: emergency sheet {what}", self.output.display())))
    }
}

/// A new recovery code for the container `name`, in a slot of its own.
fn new_code(context: &Context, name: &str, container: &ContainerPlace) -> Result<String> {
    let given = context.globals.secret.sources();
    let credential_file = || {
        let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
        Some(Path::new(&folder).join(container.credential.as_ref()?))
    };
    let own = Options {
        password_file: container.password_file.clone().or_else(credential_file),
        password_command: container.password_command.clone(),
        key_file: container.key_file.clone(),
        recovery_code_file: None,
    };
    let is_given = given.password_file.is_some()
        || given.password_command.is_some()
        || given.key_file.is_some()
        || given.recovery_code_file.is_some();
    let options = if is_given { given } else { own };
    let credential = context.credential(&options, true, Ask::Once, name)?;
    let mut session = context.open_with(&container.path, Access::Write, credential.as_ref())?;
    let made = NewSecret::recovery_code()?;
    let created = context.time(None);
    let label = format!("emergency sheet {}", rfc3339(created).get(..10).unwrap_or_default());
    let new = NewSlot { credential: Some(made.credential.clone()), label, cost: KdfCost::DEFAULT, created };
    let slot = keys::add(&mut session, &new, context.pool()?, &mut SystemEntropy)?;
    context.output.note(format_args!(
        "{name}: new recovery code in key slot {slot}; coffer key list shows the others, coffer key remove \
         takes one away"
    ));
    let code = made.code().unwrap_or_default().to_owned();
    made.keep();
    Ok(code)
}

/// The file of the page, taken away again if nothing came of it.
struct Place {
    file: File,
    path: PathBuf,
    /// Whether it stays, whatever happens now.
    is_needed: bool,
}

impl Place {
    fn make(path: &Path) -> Result<Place> {
        let mut options = OpenOptions::new();
        let make = || options.write(true).create_new(true).mode(0o600).open(path);
        let file = interrupt::unfinished(path, make).map_err(|cause| paper::unwritten(path, cause))?;
        Ok(Place { file, path: path.into(), is_needed: false })
    }

    fn fill(mut self, page: &str) -> Result<()> {
        let written = self.file.write_all(page.as_bytes()).and_then(|()| self.file.sync_all());
        // Half a page, or none, is not to be taken for the whole.
        self.is_needed = written.is_ok();
        written.map_err(|cause| {
            Error::io(Kind::Destination, format!("{}: cannot be written", self.path.display()), cause).hint(
                "if a recovery code was made, take its slot away again: coffer key list, coffer key remove",
            )
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_needed {
            let _ = std::fs::remove_file(&self.path);
        }
        interrupt::finished(&self.path);
    }
}
