//! Attachments that the database lists, held against those that the snapshot has. It promises to name
//! every listed file that is not there, and to change nothing.

use super::{AttachmentList, Profile};
use crate::chunk_store::ChunkStore;
use crate::entry::database::TableRecord;
use crate::entry::{EntryKind, write_escaped};
use crate::error::{Error, Kind, Result};
use crate::mysql::stream::RowSource;
use crate::operations::databases::{Databases, StoredRows};
use crate::operations::select::{Selection, Side};
use crate::progress::Progress;
use crate::rows::RowReader;
use crate::snapshot::{ManifestReader, SnapshotRecord};
use rayon::ThreadPool;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the database lists and the snapshot lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Files that the database lists, each once.
    pub listed: u64,
    /// Those of them that are not among the attachments, as `TABLE.COLUMN: NAME`.
    pub missing: Vec<String>,
}

/// Holds the lists that `profile` names against the attachments of `record`. Names are compared by
/// their last part and without regard to case, as the applications' file systems do.
///
/// Errors: [`Kind::Usage`] if no database of the snapshot has a table or column that is named.
pub fn compare(
    store: &ChunkStore,
    record: &SnapshotRecord,
    profile: &Profile,
    pool: &Arc<ThreadPool>,
    progress: &Progress,
) -> Result<Listed> {
    let side = Selection { only: Some(Side::Database), paths: Vec::new() };
    let databases = Databases::read(store, record, &side)?;
    let rows = StoredRows::new(store, pool.clone());
    let mut result = Listed::default();
    for list in &profile.attachments {
        let mut names = BTreeSet::new();
        for (table, column) in find(&databases, list, profile)? {
            collect(&rows, table, column, &mut names, progress)?;
        }
        result.listed += names.len() as u64;
        take_present(store, record, list, &mut names, progress)?;
        let told = |name: Vec<u8>| format!("{}.{}: {}", list.table, list.column, shown(&name));
        result.missing.extend(names.into_iter().map(told));
    }
    Ok(result)
}

/// The tables that a list means, with the column's number.
fn find<'a>(
    databases: &'a Databases,
    list: &AttachmentList,
    profile: &Profile,
) -> Result<Vec<(&'a TableRecord, usize)>> {
    let column_of = |table: &'a TableRecord| {
        let same = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
        let column = table.columns.iter().position(|column| same(&column.name, &list.column));
        column.filter(|_| same(&table.name, &list.table)).map(|column| (table, column))
    };
    let found: Vec<_> =
        databases.databases.values().flat_map(|database| &database.tables).filter_map(column_of).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(Error::new(
            Kind::Usage,
            format!("profile {}: no database here has {}.{}", profile.name, list.table, list.column),
        )
        .hint("is it the profile of another application, or is the table left out of the backup?")),
    }
}

fn collect(
    rows: &dyn RowSource,
    table: &TableRecord,
    column: usize,
    names: &mut BTreeSet<Vec<u8>>,
    progress: &Progress,
) -> Result<()> {
    let mut reader = RowReader::new(rows.chunks(table)?, table.columns.len());
    while let Some(row) = reader.next_row()? {
        progress.check()?;
        let name = row.cells().nth(column).flatten().map(last_part).unwrap_or_default();
        if !name.is_empty() {
            names.insert(name);
        }
    }
    Ok(())
}

fn take_present(
    store: &ChunkStore,
    record: &SnapshotRecord,
    list: &AttachmentList,
    names: &mut BTreeSet<Vec<u8>>,
    progress: &Progress,
) -> Result<()> {
    for entry in ManifestReader::new(store, &record.manifest)? {
        progress.check()?;
        let entry = entry?;
        let is_file = matches!(entry.kind, EntryKind::File(_) | EntryKind::HardLink(_));
        let label = entry.path.components().nth(1).unwrap_or_default();
        let is_meant = list.label.as_ref().is_none_or(|meant| meant.as_bytes() == label);
        if is_file && is_meant && entry.path.components().next() == Some(b"attachments") {
            names.remove(&last_part(entry.path.name()));
        }
    }
    Ok(())
}

/// The last part of a path of any system, in lower case.
fn last_part(path: &[u8]) -> Vec<u8> {
    let start = path.iter().rposition(|&b| b == b'/' || b == b'\\').map_or(0, |at| at + 1);
    String::from_utf8_lossy(&path[start..]).to_lowercase().into_bytes()
}

fn shown(name: &[u8]) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_escaped(name, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_by_their_last_part_without_case() {
        for path in ["X-Ray 1.PNG", "s/smith/x-ray 1.png", "A\\Smith\\X-RAY 1.png"] {
            assert_eq!(last_part(path.as_bytes()), b"x-ray 1.png");
        }
        assert_eq!(last_part(b"folder/"), b"");
    }
}
