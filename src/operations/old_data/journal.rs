//! The journal of removals, on this machine: what was planned, who asked, what was done. It promises
//! that an entry is whole or absent, that the entry of a removal stands before its first row goes, and
//! that none is ever deleted.

use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Version of an entry.
const VERSION: u32 = 1;
/// The folder beside what else this machine remembers.
const FOLDER: &str = "removals";

/// A removal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of the entry.
    pub version: u32,
    /// Id of the container that holds the snapshot.
    pub container: String,
    /// The snapshot that holds every row that goes.
    pub snapshot: String,
    /// The server, as it was named.
    pub server: String,
    /// The database.
    pub database: String,
    /// The profile's name.
    pub profile: String,
    /// The day before which rows are old.
    pub before: String,
    /// Who asked.
    pub asked_by: String,
    /// On which machine.
    pub machine: String,
    /// When it began.
    pub began: String,
    /// When it came to its end; empty: it did not yet.
    pub ended: String,
    /// The tables, in the order in which rows go.
    pub tables: Vec<EntryTable>,
}

/// A table of a removal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryTable {
    /// The table.
    pub table: String,
    /// Old rows that there were at the beginning.
    pub planned: u64,
    /// Rows that are known to be gone; the last batch before a kill may be missing.
    pub removed: u64,
}

/// An entry with its file.
#[derive(Debug)]
pub struct Journal {
    file: PathBuf,
    /// The entry.
    pub entry: Entry,
}

impl Journal {
    /// A new entry in the folder of what this machine remembers; nothing is written yet.
    pub fn new(state: &Path, entry: Entry) -> Journal {
        let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let id = entry.container.get(..8).unwrap_or(&entry.container);
        let name = format!("{id}-{}-{}.json", plain(&entry.began), std::process::id());
        Journal { file: state.join(FOLDER).join(name), entry: Entry { version: VERSION, ..entry } }
    }

    /// The newest entry for a database that did not come to its end.
    ///
    /// Errors: [`Kind::Failed`] if the folder cannot be read. What is no entry is passed over.
    pub fn unfinished(
        state: &Path,
        container: &str,
        server: &str,
        database: &str,
    ) -> Result<Option<Journal>> {
        let folder = state.join(FOLDER);
        let listed = match std::fs::read_dir(&folder) {
            Ok(listed) => listed,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => {
                return Err(Error::io(Kind::Failed, format!("{}: cannot be read", folder.display()), cause));
            }
        };
        let mut found: Vec<Journal> = Vec::new();
        for file in listed.flatten().map(|entry| entry.path()) {
            let Some(entry) = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok())
            else {
                continue;
            };
            let entry: Entry = entry;
            let is_meant = entry.version == VERSION
                && entry.ended.is_empty()
                && (entry.container.as_str(), entry.server.as_str(), entry.database.as_str())
                    == (container, server, database);
            if is_meant {
                found.push(Journal { file, entry });
            }
        }
        found.sort_by(|a, b| (&a.entry.began, &a.file).cmp(&(&b.entry.began, &b.file)));
        Ok(found.pop())
    }

    /// Writes the entry; `is_durable`: it survives a power cut from now on.
    pub fn write(&self, is_durable: bool) -> Result<()> {
        let failed = |cause: std::io::Error| {
            Error::io(Kind::Failed, format!("{}: cannot be written", self.file.display()), cause)
        };
        let folder = self.file.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let beside = self.file.with_extension("json.new");
        let text = serde_json::to_vec_pretty(&self.entry).map_err(|cause| failed(cause.into()))?;
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(&text)?;
            if is_durable {
                file.sync_all()?;
            }
            std::fs::rename(&beside, &self.file)?;
            if is_durable { std::fs::File::open(folder)?.sync_all() } else { Ok(()) }
        };
        write().map_err(failed)
    }

    /// Counts rows of a table that are gone.
    pub fn add(&mut self, table: &str, rows: u64) {
        if let Some(entry) = self.entry.tables.iter_mut().find(|entry| entry.table == table) {
            entry.removed = entry.removed.saturating_add(rows);
        }
    }

    /// Where it stands.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(began: &str) -> Entry {
        Entry {
            container: "c0ffee00aa".into(),
            server: "s".into(),
            database: "d".into(),
            began: began.into(),
            tables: vec![EntryTable { table: "t".into(), planned: 9, removed: 0 }],
            ..Entry::default()
        }
    }

    #[test]
    fn the_newest_removal_that_did_not_end_is_found_again() {
        let folder = tempfile::tempdir().expect("folder");
        let find = || Journal::unfinished(folder.path(), "c0ffee00aa", "s", "d").expect("read");
        assert!(find().is_none());
        Journal::new(folder.path(), entry("2026-01-01T00:00:00Z")).write(true).expect("written");
        let mut newer = Journal::new(folder.path(), entry("2026-01-02T00:00:00Z"));
        newer.add("t", 5);
        newer.write(false).expect("written");
        std::fs::write(folder.path().join("removals/torn.json"), b"{\"version\":1,").expect("written");
        let mut found = find().expect("unfinished");
        assert_eq!((found.entry.tables[0].removed, found.entry.began.as_str()), (5, "2026-01-02T00:00:00Z"));
        assert!(Journal::unfinished(folder.path(), "c0ffee00aa", "s", "other").expect("read").is_none());
        found.entry.ended = "2026-01-03T00:00:00Z".into();
        found.write(true).expect("written");
        assert_eq!(find().expect("the older one").entry.began, "2026-01-01T00:00:00Z");
    }
}
