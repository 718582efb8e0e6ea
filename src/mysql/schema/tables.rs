//! Tables: which there are, and how each is made. It promises each table's statement, its stored
//! columns and the key that its rows are ordered by.

use super::columns::{self, StoredColumns};
use super::{Schema, SchemaOptions, loss, one_row};
use crate::entry::database::TableRecord;
use crate::error::{Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;
use crate::mysql::information::Question;
use crate::mysql::value::is_zoned;

/// Engines whose tables hold no rows of their own here.
const DEFINITION_ONLY: [&str; 8] =
    ["MRG_MYISAM", "MERGE", "FEDERATED", "CONNECT", "SPIDER", "BLACKHOLE", "OQGRAPH", "SPHINX"];

/// Those of them whose tables may name a server of `CREATE SERVER`.
const LINKED: [&str; 3] = ["FEDERATED", "CONNECT", "SPIDER"];

/// Whether the tables of an engine keep their rows elsewhere, or nowhere: only their definitions are taken.
pub fn is_definition_only(engine: &str) -> bool {
    DEFINITION_ONLY.iter().any(|known| known.eq_ignore_ascii_case(engine))
}

/// What `information_schema.TABLES` says of a table, view or sequence.
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ListedKind,
    engine: String,
    server_bytes: u64,
    comment: String,
}

/// Kinds of [`Listed`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ListedKind {
    /// A table.
    Table,
    /// A table with rows of the past.
    Versioned,
    /// A view.
    View,
    /// A sequence.
    Sequence,
}

/// All tables, views and sequences that are wanted, by name.
pub fn list(
    conn: &mut Connection,
    name: &str,
    options: &SchemaOptions,
    schema: &mut Schema,
) -> Result<Vec<Listed>> {
    let question = Question {
        from: "TABLES",
        columns: "TABLE_TYPE, ENGINE, IFNULL(DATA_LENGTH,0)+IFNULL(INDEX_LENGTH,0), TABLE_COMMENT",
        bare: Some("TABLE_TYPE, ENGINE, 0, ''"),
        filter: "",
    };
    let mut listed = Vec::new();
    for row in question.of(conn, name)? {
        let table = row.text(1).unwrap_or_default();
        if !(options.wants)(&table) {
            continue;
        }
        let kind = match row.text(2).unwrap_or_default().as_str() {
            "VIEW" => ListedKind::View,
            "SEQUENCE" => ListedKind::Sequence,
            "SYSTEM VERSIONED" => ListedKind::Versioned,
            "BASE TABLE" => ListedKind::Table,
            "TEMPORARY" | "TEMPORARY SEQUENCE" | "LOCAL TEMPORARY" => continue,
            other => {
                schema
                    .losses
                    .push(format!("`{name}`.`{table}` is not in the snapshot: a {other} is unknown"));
                continue;
            }
        };
        let engine = row.text(3).unwrap_or_default();
        let comment = row.text(5).unwrap_or_default();
        listed.push(Listed { name: table, kind, engine, server_bytes: row.number(4).unwrap_or(0), comment });
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}

/// Reads each listed table.
pub fn read(conn: &mut Connection, name: &str, listed: &[Listed], schema: &mut Schema) -> Result<()> {
    let mut stored = columns::all(conn, name)?;
    let keys = columns::unique_keys(conn, name)?;
    for table in listed.iter().filter(|t| matches!(t.kind, ListedKind::Table | ListedKind::Versioned)) {
        let what = format!("table `{name}`.`{}`", table.name);
        let create = match one_row(conn, &format!("SHOW CREATE TABLE {}", quote(&table.name))) {
            Ok(row) => row.bytes(1).unwrap_or_default().to_vec(),
            Err(error) => {
                loss(what, error, schema)?;
                continue;
            }
        };
        let stored = stored.remove(&table.name).unwrap_or_default();
        let create = match columns::exact_create(conn, &table.name, &what, create, &stored, &mut schema.notes)
        {
            Err(error) if error.kind() == Kind::Source => {
                schema.losses.push(format!("{}: the table is not in the snapshot", error.message()));
                continue;
            }
            create => create?,
        };
        let mut record = TableRecord {
            name: table.name.clone(),
            create,
            engine: table.engine.clone(),
            server_bytes: table.server_bytes,
            ..TableRecord::default()
        };
        describe(&mut record, table, stored, &keys, schema, &what);
        schema.tables.push(record);
    }
    Ok(())
}

/// Columns, key and history of a table, and notes of what they do not say.
fn describe(
    record: &mut TableRecord,
    table: &Listed,
    stored: StoredColumns,
    keys: &columns::UniqueKeys,
    schema: &mut Schema,
    what: &str,
) {
    let notes = &mut schema.notes;
    if table.engine.is_empty() {
        // The definition is there; what the rows were nobody can tell.
        schema.losses.push(format!(
            "{what}: its rows are not in the snapshot, the server cannot open it: {}",
            table.comment
        ));
        return;
    }
    if is_definition_only(&table.engine) {
        let is_linked = LINKED.iter().any(|engine| engine.eq_ignore_ascii_case(&table.engine));
        let server = if is_linked { ", nor is a server that it names (CREATE SERVER)" } else { "" };
        notes.push(format!(
            "{what} is a {} table: its definition is carried, rows are not{server}",
            table.engine
        ));
        return;
    }
    for (column, data_type) in &stored.unknown {
        notes.push(format!(
            "{what}: column `{column}` has the unknown type {data_type}; its bytes are kept as they come"
        ));
    }
    if keys.are_disabled(&table.name) {
        notes.push(format!(
            "{what}: its keys are disabled (ALTER TABLE … DISABLE KEYS); a restored table has them enabled"
        ));
    }
    record.columns = stored.columns;
    if record.columns.is_empty() {
        notes.push(format!(
            "{what} has no stored column: its definition is carried, the number of rows is not"
        ));
    }
    if table.kind == ListedKind::Versioned {
        match stored.history {
            columns::History::ByTime(start, end) => {
                record.has_history = true;
                record.columns.push(columns::history_column(&start));
                record.columns.push(columns::history_column(&end));
            }
            columns::History::ByTransaction => notes.push(format!(
                "{what} keeps its past by transaction numbers, which no other server shares: only rows of today are carried"
            )),
        }
    }
    if is_zoned(record) {
        notes.push(format!(
            "{what}: a stored column is computed from TIMESTAMP in the time zone of who wrote the row; a restore \
             computes it in that of the server"
        ));
    }
    record.key = keys.shortest(&table.name, &record.columns);
    if record.has_history && !record.key.is_empty() {
        // Rows of the past share the key of the living one.
        let end = u16::try_from(record.columns.len().saturating_sub(1)).unwrap_or(0);
        if !record.key.contains(&end) {
            record.key.push(end);
        }
    }
}
