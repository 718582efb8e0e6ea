//! Triggers, libraries, routines, packages and events. It promises each body byte for byte with the settings it
//! was made under, in an order in which they can be made; a body that the server hides is a loss, not
//! an empty text.

use super::names::names_database;
use super::views::definer;
use super::{Schema, SchemaOptions, environment, loss, one_row, rows_of};
use crate::entry::database::{ObjectRecord, SchemaObject, Setting};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Cells, Connection, code_of};
use crate::mysql::identifier::{literal, quote};

mod header;

pub use header::opening;

/// Where `SHOW CREATE` has what.
struct Layout {
    statement: usize,
    time_zone: Option<usize>,
    client: usize,
    connection: usize,
    database: usize,
}

const ROUTINE: Layout = Layout { statement: 2, time_zone: None, client: 3, connection: 4, database: 5 };
const LIBRARY: Layout = Layout { statement: 2, time_zone: None, client: 3, connection: 4, database: 5 };
const EVENT: Layout = Layout { statement: 3, time_zone: Some(2), client: 4, connection: 5, database: 6 };

/// Reads the triggers of the wanted tables, in the order in which they act.
pub fn triggers(
    conn: &mut Connection,
    database: &str,
    options: &SchemaOptions,
    schema: &mut Schema,
) -> Result<()> {
    let sql = format!(
        "SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_ORDER FROM information_schema.TRIGGERS \
         WHERE TRIGGER_SCHEMA={}",
        literal(database)
    );
    let mut rows = rows_of(conn, &sql, database)?;
    rows.retain(|row| row.text(2).is_some_and(|table| (options.wants)(&table)));
    rows.sort_by_key(|row| (row.text(2), row.number(3), row.text(1)));
    for row in rows {
        let name = row.text(1).unwrap_or_default();
        let order = row.number(3).and_then(|order| u32::try_from(order).ok()).unwrap_or_default();
        let record = ObjectRecord {
            kind: SchemaObject::Trigger,
            order,
            parent: row.text(2).unwrap_or_default(),
            name,
            ..ObjectRecord::default()
        };
        read_one(conn, "TRIGGER", &ROUTINE, record, schema)?;
    }
    Ok(())
}

/// Reads the libraries, by name: what a MySQL since 9.2 keeps for routines in other languages.
pub fn libraries(conn: &mut Connection, database: &str, schema: &mut Schema) -> Result<()> {
    let sql = format!(
        "SELECT LIBRARY_SCHEMA, LIBRARY_NAME FROM information_schema.LIBRARIES WHERE LIBRARY_SCHEMA={}",
        literal(database)
    );
    if conn.is_mariadb() {
        return Ok(());
    }
    let mut names: Vec<String> = match rows_of(conn, &sql, database) {
        // An older one has none.
        Err(error) if code_of(&error) == Some(UNKNOWN_LIST) => return Ok(()),
        rows => rows?.iter().filter_map(|row| row.text(1)).collect(),
    };
    names.sort();
    for (order, name) in (0..).zip(names) {
        let record = ObjectRecord { kind: SchemaObject::Library, name, order, ..ObjectRecord::default() };
        read_one(conn, "LIBRARY", &LIBRARY, record, schema)?;
    }
    Ok(())
}

/// Reads procedures, functions, packages and package bodies, each kind by name.
pub fn routines(conn: &mut Connection, database: &str, schema: &mut Schema) -> Result<()> {
    let sql = format!(
        "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA={}",
        literal(database)
    );
    let Some(rows) = listed(conn, &sql, "routines", schema)? else { return Ok(()) };
    const KINDS: [(&str, SchemaObject); 4] = [
        ("PROCEDURE", SchemaObject::Procedure),
        ("FUNCTION", SchemaObject::Function),
        ("PACKAGE", SchemaObject::Package),
        ("PACKAGE BODY", SchemaObject::PackageBody),
    ];
    for (word, kind) in KINDS {
        let of_kind = rows.iter().filter(|row| row.bytes(2) == Some(word.as_bytes()));
        let mut names: Vec<String> = of_kind.filter_map(|row| row.text(1)).collect();
        names.sort();
        for (order, name) in (0..).zip(names) {
            read_one(
                conn,
                word,
                &ROUTINE,
                ObjectRecord { kind, name, order, ..ObjectRecord::default() },
                schema,
            )?;
        }
    }
    for row in rows.iter().filter(|row| KINDS.iter().all(|(word, _)| row.bytes(2) != Some(word.as_bytes()))) {
        let text = |number| row.text(number).unwrap_or_default();
        schema.losses.push(format!(
            "`{database}`.`{}` is not in the snapshot: a {} is unknown",
            text(1),
            text(2)
        ));
    }
    Ok(())
}

/// Reads the events, by name.
pub fn events(conn: &mut Connection, database: &str, schema: &mut Schema) -> Result<()> {
    let sql = format!(
        "SELECT EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA={}",
        literal(database)
    );
    let Some(rows) = listed(conn, &sql, "events", schema)? else { return Ok(()) };
    let mut names: Vec<String> = rows.iter().filter_map(|row| row.text(1)).collect();
    names.sort();
    for (order, name) in (0..).zip(names) {
        let record = ObjectRecord { kind: SchemaObject::Event, name, order, ..ObjectRecord::default() };
        read_one(conn, "EVENT", &EVENT, record, schema)?;
    }
    Ok(())
}

/// `ER_UNKNOWN_TABLE`: what `information_schema` says of a table that it does not have.
const UNKNOWN_LIST: u16 = 1109;

/// What servers say where the table in which they keep programs is missing, crashed, or as an older
/// server left it.
const NO_LIST: [u16; 13] = [1030, 1034, 1035, 1146, 1194, 1195, 1545, 1547, 1548, 1558, 1577, 1728, 1805];

/// The rows of a list of programs; `None`: the server has no such list, which is a loss of all of them,
/// and of nothing else.
fn listed(conn: &mut Connection, sql: &str, what: &str, schema: &mut Schema) -> Result<Option<Vec<Cells>>> {
    let name = schema.database.name.clone();
    match rows_of(conn, sql, &name) {
        Ok(rows) => Ok(Some(rows)),
        Err(error) if code_of(&error).is_some_and(|code| NO_LIST.contains(&code)) => {
            loss(format!("any of the {what} of `{name}`"), error, schema).map(|()| None)
        }
        Err(error) => Err(error),
    }
}

/// Adds what `SHOW CREATE` says of an object to `record` and the record to the schema.
fn read_one(
    conn: &mut Connection,
    word: &str,
    layout: &Layout,
    record: ObjectRecord,
    schema: &mut Schema,
) -> Result<()> {
    let what = format!("{} `{}`.`{}`", record.kind.word(), schema.database.name, record.name);
    let shown = one_row(conn, &format!("SHOW CREATE {word} {}", quote(&record.name)));
    let statement = match shown {
        Ok(row) => statement(conn, &row, layout, &record),
        Err(error) => Err(error),
    };
    match statement {
        Ok((statement, environment)) => {
            if names_database(&statement, &schema.database.name) {
                schema.notes.push(format!(
                    "{what} names its database in its text: under another name it still speaks of `{}`",
                    schema.database.name
                ));
            }
            let definer = definer(&statement);
            schema.objects.push(ObjectRecord { statements: vec![statement], environment, definer, ..record });
            Ok(())
        }
        Err(error) if error.kind() == Kind::Source => {
            schema.losses.push(format!("{what} is not in the snapshot: {}", error.message()));
            Ok(())
        }
        Err(error) => loss(what, error, schema),
    }
}

/// The statement, all of it in the character set of its client, and its environment.
fn statement(
    conn: &mut Connection,
    row: &Cells,
    layout: &Layout,
    record: &ObjectRecord,
) -> Result<(Vec<u8>, Vec<Setting>)> {
    let hidden = || Error::new(Kind::Source, "the server hides its text from this user");
    let statement = row.bytes(layout.statement).filter(|text| !text.is_empty()).ok_or_else(hidden)?;
    // A library is of no client: it is kept in UTF-8.
    let client = row.text(layout.client).unwrap_or_else(|| "utf8mb4".into());
    let statement = header::with_plain_comment(statement, record, &row.text(1).unwrap_or_default());
    let statement = header::in_one_character_set(conn, &statement, record, &client)?;
    let environment = environment(&[
        ("sql_mode", row.text(1)),
        ("character_set_client", Some(client)),
        ("collation_connection", row.text(layout.connection)),
        ("collation_database", row.text(layout.database)),
        ("time_zone", layout.time_zone.and_then(|at| row.text(at))),
    ]);
    Ok((statement, environment))
}
