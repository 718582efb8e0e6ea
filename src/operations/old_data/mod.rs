//! Removing old data from a live database: planned, then applied. It promises that planning changes
//! nothing; that a row is removed only while it is locked and equal, byte for byte, to a row of a
//! snapshot that is pinned, read from the container and proven; that rows without a date are never
//! old; that rows which belong to others go before them; and that a removal that was killed goes on
//! when it is run again.
//!
//! # How
//!
//! [`fit`](fn@fit) finds the tables and refuses what does not fit. [`plan`] counts, window by window.
//! [`prove`] finds every old row in the snapshot. [`apply`] removes them batch by batch, proving each
//! again under its lock. Nothing but rows of the tables of the profile is ever removed: what Coffer
//! keeps of its own work is out of reach.

mod apply;
mod count;
mod cutoff;
mod database;
mod fit;
mod journal;
mod pace;
mod proof;
mod report;
mod table;

pub use apply::{Removal, apply, prove};
pub use count::Counts;
pub use cutoff::{Age, day};
pub use database::missing_rights;
pub use fit::{Fitted, fit};
pub use journal::{Entry as JournalEntry, EntryTable as JournalTable, Journal};
pub use pace::Pacing;
pub use report::{OldDataReport, TableOutcome};
pub use table::OldTable;

use crate::chunk_store::ChunkStore;
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::options::ServerOptions;
use crate::operations::databases::Databases;
use crate::operations::profile::Profile;
use crate::operations::select::{Selection, Side};
use crate::progress::Progress;
use crate::snapshot::SnapshotRecord;
use jiff::civil::Date;

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Question {
    /// The server.
    pub server: ServerOptions,
    /// The database; `None`: the only one with all tables.
    pub database: Option<String>,
    /// What is known of the application.
    pub profile: Profile,
    /// Its tables that are meant; none: all with a rule.
    pub tables: Vec<String>,
    /// The first day that is not old.
    pub before: Date,
}

/// Counts what there is to remove, table by table. Changes nothing.
pub fn plan(conn: &mut Connection, fitted: &Fitted, progress: &Progress) -> Result<Vec<TableOutcome>> {
    let mut outcomes = Vec::new();
    for table in &fitted.tables {
        let counts = count::count(conn, table, progress)?;
        outcomes.push(TableOutcome::planned(table, &counts));
    }
    Ok(outcomes)
}

/// The tables of a snapshot that are meant, in the order of `fitted`.
///
/// Errors: [`Kind::Failed`] if the snapshot lacks the database or a table, or has it in another shape.
pub fn stored_tables(
    store: &ChunkStore,
    record: &SnapshotRecord,
    fitted: &Fitted,
) -> Result<Vec<TableRecord>> {
    let side = Selection { only: Some(Side::Database), paths: Vec::new() };
    let mut databases = Databases::read(store, record, &side)?;
    let id = record.id.to_string();
    let short = id.get(..8).unwrap_or(&id);
    let lacks = |what: String| {
        Error::new(Kind::Failed, format!("snapshot {short}: has no {what}"))
            .hint("--backup makes a snapshot of now first; or run coffer backup with the database, or name another with --snapshot")
    };
    let stored = databases.databases.remove(&fitted.database);
    let stored = stored.ok_or_else(|| lacks(format!("live database `{}`", fitted.database)))?;
    let mut tables = Vec::new();
    for table in &fitted.tables {
        let found = stored.tables.iter().find(|found| found.name == table.record.name);
        let found = found.ok_or_else(|| lacks(format!("table {}", table.place())))?;
        proof::check_same(table, found)?;
        tables.push(found.clone());
    }
    Ok(tables)
}
