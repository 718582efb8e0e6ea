//! A secret that is made for a container. It promises that a new key file never takes the place of
//! another, and that it goes away again if the container did not take its key, also by a signal.

use crate::cli::context::Context;
use crate::cli::interrupt;
use crate::crypto::{Credential, SystemEntropy, key_file, recovery};
use crate::error::{Error, Kind, Result};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A secret that was just made.
pub struct NewSecret {
    /// The same for a key slot.
    pub credential: Credential,
    /// The file it was written to, taken away again unless it is kept.
    file: Option<PathBuf>,
    /// What the user must write down.
    code: Option<Zeroizing<String>>,
}

impl NewSecret {
    /// A new key in a new file that only its owner can read.
    pub fn key_file(path: &Path) -> Result<NewSecret> {
        let key = key_file::generate(&mut SystemEntropy)?;
        let failed = |cause: std::io::Error| match cause.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Error::new(Kind::Usage, format!("key file {} exists already", path.display()))
                    .hint("choose another name; a key file is never overwritten")
            }
            _ => Error::io(Kind::Failed, format!("key file {} could not be written", path.display()), cause),
        };
        let open = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = interrupt::unfinished(path, open).map_err(failed)?;
        let new =
            NewSecret { credential: Credential::KeyFile(key.clone()), file: Some(path.into()), code: None };
        file.write_all(key_file::encode(&key).as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        Ok(new)
    }

    /// A new recovery code.
    pub fn recovery_code() -> Result<NewSecret> {
        let secret = recovery::generate(&mut SystemEntropy)?;
        let code = Some(recovery::encode(&secret));
        Ok(NewSecret { credential: Credential::Recovery(secret), file: None, code })
    }

    /// The code that the user must write down, if it is one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_ref().map(|code| code.as_str())
    }

    /// The container has taken it: its file stays.
    pub fn keep(mut self) {
        if let Some(path) = self.file.take() {
            interrupt::finished(&path);
        }
    }

    /// Shows the code, the only time; before anything depends on it. Fails if it was not written whole.
    pub fn show(&self, context: &Context) -> Result<()> {
        if let Some(code) = &self.code {
            let item = serde_json::json!({ "recovery_code": code.as_str() });
            context.output.reveal(format_args!("recovery code: {}", code.as_str()), item)?;
            context.output.note("write it down and keep it away from this machine: it is not shown again");
        }
        Ok(())
    }

    /// Says that a code which was shown opens nothing.
    pub fn disown(&self, context: &Context) {
        if self.code.is_some() {
            context.output.warning("secret", "the recovery code that was shown opens nothing");
        }
    }
}

impl Drop for NewSecret {
    fn drop(&mut self) {
        if let Some(path) = &self.file {
            // Nothing was locked with it.
            let _ = std::fs::remove_file(path);
            interrupt::finished(path);
        }
    }
}
