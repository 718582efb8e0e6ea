//! What each source of a backup holds, counted while it is stored. It promises that a source that was
//! read is there even if it holds nothing, and that no name of a file is among the figures.

use crate::entry::{Entry, EntryKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the sources of one snapshot hold, each by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The live databases.
    #[serde(default)]
    pub databases: BTreeMap<String, DatabaseFigures>,
    /// The folders, by their labels.
    #[serde(default)]
    pub roots: BTreeMap<String, RootFigures>,
}

/// What a database holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFigures {
    /// How many tables.
    pub tables: u64,
    /// Rows of all of them.
    pub rows: u64,
    /// Bytes of all of them, as they are stored before compression.
    pub bytes: u64,
    /// The rows of each table.
    #[serde(default)]
    pub table_rows: BTreeMap<String, u64>,
}

/// What a folder holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFigures {
    /// How many files.
    pub files: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Figures {
    /// Whether there is no source.
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty() && self.roots.is_empty()
    }

    /// Counts `entry`.
    pub fn count(&mut self, entry: &Entry) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut components = entry.path.components();
        let source = components.nth(1).map(text).unwrap_or_default();
        match &entry.kind {
            EntryKind::Database(_) => _ = self.databases.entry(source).or_default(),
            EntryKind::Table(table) => {
                let database = self.databases.entry(source).or_default();
                database.tables += 1;
                database.rows = database.rows.saturating_add(table.rows);
                database.bytes = database.bytes.saturating_add(table.content.size);
                database.table_rows.insert(table.name.clone(), table.rows);
            }
            EntryKind::File(content) => {
                let root = self.roots.entry(source).or_default();
                root.files += 1;
                root.bytes = root.bytes.saturating_add(content.size);
            }
            _ => {}
        }
    }

    /// A folder that was read, whatever it holds.
    pub fn is_read(&mut self, label: &[u8]) {
        self.roots.entry(String::from_utf8_lossy(label).into_owned()).or_default();
    }
}
