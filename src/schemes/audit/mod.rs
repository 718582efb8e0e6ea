//! The audit log, `STATE/audit.log`: who did what, when and with what outcome, one line of JSON each,
//! chained by hashes.
//!
//! It promises that a line that was changed, taken out, put in or moved is found, and the first such
//! line named; and that lines cut off the end are found, too, because the newest number and hash stand
//! a second time in `STATE/audit.head`, in the records of the runs of schemes, and in printed reports:
//! a log that was removed together with its head is missed by these. No later line hides an earlier break:
//! what is added goes on from the head that was known, so the gap stays. A line that a power cut tore
//! is taken away, and the next line says so.
//!
//! What it cannot prove: whoever may write the folder may make all of it anew. A head that was
//! printed, or told elsewhere, is what such a log does not fit.

mod entry;
mod reading;
#[cfg(test)]
mod tests;
mod writing;

pub use entry::{Act, Entry, ORIGIN, VERSION, hash_of};
pub use reading::{Head, Verified, Witness, entries, verify};

use crate::operations::session::host_name;
use std::path::{Path, PathBuf};

/// What an entry is called that tells of a torn line.
pub const TORN: &str = "audit torn";
/// What an entry is called that tells that the second copy of the head was not there.
pub const HEADLESS: &str = "audit head missing";

/// The audit log of one folder of state.
#[derive(Clone, Debug)]
pub struct AuditLog {
    folder: PathBuf,
}

impl AuditLog {
    /// The log in the folder of state `state`.
    pub fn at(state: &Path) -> AuditLog {
        AuditLog { folder: state.into() }
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// The newest line, as far as its second copy tells.
    pub fn head(&self) -> Option<Head> {
        reading::stored_head(self).ok().flatten()
    }

    fn head_file(&self) -> PathBuf {
        self.folder.join("audit.head")
    }
}

/// Whoever runs this program, for the log: `user@machine`, and the user behind `sudo` if there is one.
pub fn who() -> String {
    let id = rustix::process::getuid().as_raw();
    let name = user_name(id).unwrap_or_else(|| id.to_string());
    let behind = std::env::var("SUDO_USER").ok().filter(|user| id == 0 && !user.is_empty() && *user != name);
    match behind {
        Some(user) => format!("{name} (sudo: {user})@{}", host_name()),
        None => format!("{name}@{}", host_name()),
    }
}

fn user_name(id: u32) -> Option<String> {
    let users = std::fs::read("/etc/passwd").ok()?;
    let users = String::from_utf8_lossy(&users).into_owned();
    let of_id = |line: &&str| line.split(':').nth(2).and_then(|field| field.parse().ok()) == Some(id);
    Some(users.lines().find(of_id)?.split(':').next()?.to_owned()).filter(|name| !name.is_empty())
}
