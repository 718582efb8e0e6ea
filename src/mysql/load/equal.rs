//! A database that stands already, held against a snapshot. It promises to take it for the same only if
//! it has the same tables with the same rows, by count and checksum read back as after a load, the same
//! other objects by name, and no restore of it is under way.

use super::choose::DatabaseEntries;
use super::journal::{self, Found};
use super::{earlier, names, session};
use crate::entry::database::ObjectRecord;
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::options::ServerOptions;
use crate::mysql::schema::{SchemaOptions, read_database};
use crate::progress::Progress;
use std::collections::BTreeSet;

/// Whether the database stands on the server of `target` as the snapshot has it.
///
/// Errors: [`crate::error::Kind::Database`] if the server fails, [`crate::error::Kind::Interrupted`].
pub fn equals(target: &ServerOptions, entries: &DatabaseEntries, progress: &Progress) -> Result<bool> {
    let mut conn = session::open(target)?;
    let name = &entries.record.name;
    if !journal::exists(&mut conn, name)?
        || !matches!(journal::look(&mut conn, &names::staging(name))?, Found::Nothing)
    {
        return Ok(false);
    }
    Ok(has_same_names(&mut conn, entries)? && has_same_rows(&mut conn, entries, progress)?)
}

fn has_same_names(conn: &mut Connection, entries: &DatabaseEntries) -> Result<bool> {
    let schema = read_database(conn, &entries.record.name, &SchemaOptions::default())?;
    let there: BTreeSet<&str> = schema.tables.iter().map(|table| table.name.as_str()).collect();
    let stored: BTreeSet<&str> = entries.tables.iter().map(|table| table.name.as_str()).collect();
    let key = |object: &ObjectRecord| (object.kind, object.parent.clone(), object.name.clone());
    let whole = |objects: &[ObjectRecord]| -> BTreeSet<_> {
        objects.iter().filter(|object| object.problem.is_empty()).map(key).collect()
    };
    Ok(there == stored && whole(&schema.objects) == whole(&entries.objects))
}

fn has_same_rows(conn: &mut Connection, entries: &DatabaseEntries, progress: &Progress) -> Result<bool> {
    for table in entries.tables.iter().filter(|table| !table.columns.is_empty()) {
        let read = earlier::read(conn, &entries.record.name, table, progress)?;
        if (read.rows, read.checksum) != (table.rows, Some(u128::from_le_bytes(table.checksum))) {
            return Ok(false);
        }
    }
    Ok(true)
}
