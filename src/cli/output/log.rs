//! The log file: what the command tells, added to a file line by line. It promises never to stop a
//! command once it is open: a log that cannot be written any more is given up.

use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::values::rfc3339;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// An open log file.
pub struct Log {
    file: Option<File>,
    /// Whether lines are JSON events; else they are text for people.
    pub(super) json: bool,
}

impl Log {
    /// Opens the file at `path` for adding to it; makes it, for its owner only, if there is none.
    pub fn open(path: &Path, json: bool) -> Result<Log> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        let file = file.map_err(|cause| {
            Error::io(Kind::Failed, format!("log file {} could not be opened", path.display()), cause)
        })?;
        Ok(Log { file: Some(file), json })
    }

    /// Adds a line that ends with its line end; one write, so that two commands do not mix theirs.
    pub(super) fn line(&mut self, line: &str) {
        if self.file.as_mut().is_some_and(|file| file.write_all(line.as_bytes()).is_err()) {
            self.file = None;
        }
    }

    /// Adds a line for people.
    pub(super) fn text(&mut self, time: Timestamp, command: &str, text: &str) {
        let time = Timestamp { nanoseconds: 0, ..time };
        self.line(&format!("{} {command}: {}\n", rfc3339(time), text.replace('\n', "\n    ")));
    }
}
