//! Compares two databases exactly, with statements of its own (none of the program's reading code):
//! definitions, surroundings of programs, and every row: floats as bits, text as bytes, ENUM and SET
//! as numbers, invisible and generated columns, rows of the past. It promises to name each difference.

#![allow(dead_code)]

use coffer::mysql::connection::{Cells, Connection};
use coffer::mysql::identifier::{literal, qualified, quote};
use mysql::prelude::Queryable;
use mysql::{Row, Value};
use std::collections::BTreeMap;

/// What of a database is compared, by name of each piece.
pub type Portrait = BTreeMap<String, Vec<u8>>;

/// Differences between `left` on one server and `right` on another (or the same), one line each.
#[track_caller]
pub fn differences(left: (&mut Connection, &str), right: (&mut Connection, &str)) -> Vec<String> {
    let (a, b) = (portrait(left.0, left.1), portrait(right.0, right.1));
    let mut found = Vec::new();
    for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
        match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => found.push(format!("{key}: {}", first_difference(a, b))),
            (Some(_), None) => found.push(format!("{key}: only in the first")),
            _ => found.push(format!("{key}: only in the second")),
        }
    }
    found
}

/// Fails with the differences, if there are any.
#[track_caller]
pub fn assert_same(left: (&mut Connection, &str), right: (&mut Connection, &str)) {
    let found = differences(left, right);
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

/// Everything that is compared of a database.
#[track_caller]
pub fn portrait(conn: &mut Connection, database: &str) -> Portrait {
    let mut portrait = Portrait::new();
    conn.execute("SET SESSION character_set_results=NULL, time_zone='+00:00', sql_mode=''").expect("session");
    conn.execute(&format!("USE {}", quote(database))).expect("database");
    let mut add = |key: String, value: Vec<u8>| {
        // The database's own name is no difference.
        portrait.insert(key, replaced(&value, quote(database).as_bytes(), b"`\x01`"));
    };
    let mut created = rows(conn, &format!("SHOW CREATE DATABASE {}", quote(database)));
    created.iter_mut().for_each(|row| _ = row.0.remove(0));
    add("database".into(), joined(&created));
    // SHOW FULL TABLES does not tell which are versioned.
    let listed = format!(
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA={}",
        literal(database)
    );
    for row in rows(conn, &listed) {
        let (name, kind) = (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default());
        let shown = match kind.as_str() {
            "VIEW" => rows(conn, &format!("SHOW CREATE VIEW {}", quote(&name))),
            "SEQUENCE" => {
                let mut shown = rows(conn, &format!("SHOW CREATE SEQUENCE {}", quote(&name)));
                shown.extend(rows(conn, &format!("SELECT * FROM {}", quote(&name))));
                shown
            }
            _ => rows(conn, &format!("SHOW CREATE TABLE {}", quote(&name))),
        };
        add(format!("{} {name}", kind.to_lowercase()), joined(&shown));
        if kind != "VIEW" && kind != "SEQUENCE" {
            for (key, value) in table(conn, database, &name, &kind) {
                add(key, value);
            }
        }
    }
    for (key, value) in programs(conn, database) {
        add(key, value);
    }
    conn.execute("SET SESSION character_set_results=utf8mb4").expect("session");
    portrait
}

/// Rows, columns' defaults and partitions' sizes of a table.
fn table(conn: &mut Connection, database: &str, name: &str, kind: &str) -> Vec<(String, Vec<u8>)> {
    let columns = rows(
        conn,
        &format!(
            "SELECT COLUMN_NAME, DATA_TYPE, EXTRA, COLUMN_DEFAULT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA={} AND TABLE_NAME={} \
             ORDER BY ORDINAL_POSITION",
            literal(database),
            literal(name)
        ),
    );
    let is_versioned = kind == "SYSTEM VERSIONED";
    let mut expressions: Vec<String> = columns.iter().map(expression).collect();
    let is_named = columns.iter().any(|c| {
        c.text(1).as_deref() == Some("timestamp") && c.text(2).is_some_and(|e| e.contains("STORED GENERATED"))
    });
    if is_versioned && !is_named {
        expressions.extend(["CAST(row_start AS CHAR)".into(), "CAST(row_end AS CHAR)".into()]);
    }
    let all = if is_versioned { " FOR SYSTEM_TIME ALL" } else { "" };
    let sql = format!("SELECT {} FROM {}{all}", expressions.join(","), qualified(database, name));
    let mut lines: Vec<Vec<u8>> = match conn.raw().exec::<Row, _, _>(sql.as_str(), ()) {
        Ok(rows) => rows.into_iter().map(line).collect(),
        Err(error) => panic!("{sql}: {error}"),
    };
    lines.sort();
    let mut found = vec![(format!("rows of {name}"), lines.join(&b'\n'))];
    // Defaults as they act, not as they are told; expressions would act (a sequence would move on).
    let is_constant =
        |text: String| text.starts_with(|c: char| matches!(c, '\'' | '-') || c.is_ascii_digit());
    let is_expression = |c: &Cells| c.text(2).is_some_and(|extra| extra.contains("DEFAULT_GENERATED"));
    let plain = columns.iter().filter(|c| c.text(3).is_some_and(is_constant) && !is_expression(c));
    for column in plain {
        let name_of = quote(&column.text(0).unwrap_or_default());
        let number = match column.text(1).unwrap_or_default().as_str() {
            // Types that are no numbers in any way.
            "uuid" | "inet4" | "inet6" => String::new(),
            _ => format!(", CAST(DEFAULT(t.{name_of}) AS DOUBLE)"),
        };
        let sql = format!(
            "SELECT HEX(DEFAULT(t.{name_of})){number} FROM (SELECT 1) o LEFT JOIN {} t ON FALSE",
            qualified(database, name)
        );
        let rows: Vec<Row> =
            conn.raw().exec(sql.as_str(), ()).unwrap_or_else(|error| panic!("{sql}: {error}"));
        found.extend(rows.into_iter().map(|row| (format!("default of {name}.{name_of}"), line(row))));
    }
    found
}

fn expression(column: &Cells) -> String {
    let name = quote(&column.text(0).unwrap_or_default());
    match column.text(1).unwrap_or_default().as_str() {
        "float" | "double" => name,
        "enum" | "set" | "bit" => format!("HEX(CAST({name} AS UNSIGNED))"),
        "date" | "datetime" | "timestamp" | "time" | "year" => format!("CAST({name} AS CHAR)"),
        "uuid" | "inet4" | "inet6" => format!("CAST({name} AS CHAR)"),
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" => {
            format!("CAST({name} AS CHAR)")
        }
        _ => format!("HEX({name})"),
    }
}

fn line(row: Row) -> Vec<u8> {
    let mut line = Vec::new();
    for value in row.unwrap() {
        match value {
            Value::NULL => line.extend_from_slice(b"NULL"),
            Value::Bytes(bytes) => line.extend_from_slice(&bytes),
            Value::Float(number) => line.extend_from_slice(format!("f{:08x}", number.to_bits()).as_bytes()),
            Value::Double(number) => line.extend_from_slice(format!("d{:016x}", number.to_bits()).as_bytes()),
            other => line.extend_from_slice(format!("{other:?}").as_bytes()),
        }
        line.push(b'|');
    }
    line
}

/// Triggers, routines and events with all that the server says of them but times.
fn programs(conn: &mut Connection, database: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let listed = [
        (
            "TRIGGER",
            "SELECT TRIGGER_NAME, ACTION_ORDER, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA",
        ),
        (
            "ROUTINE",
            "SELECT ROUTINE_NAME, ROUTINE_TYPE, DEFINER, ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA",
        ),
        (
            "EVENT",
            "SELECT EVENT_NAME, STATUS, STARTS, ENDS, TIME_ZONE, DEFINER, EVENT_COMMENT FROM information_schema.EVENTS WHERE EVENT_SCHEMA",
        ),
    ];
    for (word, sql) in listed {
        for row in rows(conn, &format!("{sql}={}", literal(database))) {
            let name = row.text(0).unwrap_or_default();
            let word = if word == "ROUTINE" { row.text(1).unwrap_or_default() } else { word.to_owned() };
            let mut shown = rows(conn, &format!("SHOW CREATE {word} {}", quote(&name)));
            for cells in &mut shown {
                // When a trigger was made is no property of it.
                cells.0.truncate(if word == "TRIGGER" { 6 } else { cells.0.len() });
            }
            shown.push(row);
            found.push((format!("{} {name}", word.to_lowercase()), joined(&shown)));
        }
    }
    found
}

#[track_caller]
fn rows(conn: &mut Connection, sql: &str) -> Vec<Cells> {
    conn.rows(sql).unwrap_or_else(|error| panic!("{}", crate::server::told(&error)))
}

fn joined(rows: &[Cells]) -> Vec<u8> {
    let cell = |cell: &Option<Vec<u8>>| cell.clone().unwrap_or_else(|| b"NULL".to_vec());
    rows.iter()
        .map(|row| row.0.iter().map(cell).collect::<Vec<_>>().join(&b'|'))
        .collect::<Vec<_>>()
        .join(&b'\n')
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at..].starts_with(from) {
            true => {
                out.extend_from_slice(to);
                at += from.len();
            }
            false => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

/// Where two texts part, with a little before and after.
fn first_difference(a: &[u8], b: &[u8]) -> String {
    let at = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    let piece = |text: &[u8]| {
        let from = at.saturating_sub(60).min(text.len());
        String::from_utf8_lossy(&text[from..text.len().min(at + 80)]).into_owned()
    };
    format!("{:?}\n    became {:?}", piece(a), piece(b))
}
