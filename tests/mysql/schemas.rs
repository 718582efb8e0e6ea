//! Definitions, values and SQL files of the zoo (`zoo.rs`), against live servers.

use crate::compare::differences;
use crate::server::{Make, Server, told};
use crate::zoo;
use coffer::entry::database::{SchemaObject as K, ServerRecord, TableRecord};
use coffer::mysql::connection::Connection;
use coffer::mysql::identifier::qualified;
use coffer::mysql::schema::{Schema, SchemaOptions, make_dead_views, make_object, read_database};
use coffer::mysql::script::{ScriptOptions, ScriptWriter};
use coffer::mysql::value::{CellFormat, cell, select_expression};
use mysql::Row;
use mysql::prelude::Queryable;
use std::process::{Command, Stdio};

/// Reads everything but rows; nothing may be lost.
#[track_caller]
fn read(conn: &mut Connection, database: &str) -> Schema {
    let schema =
        read_database(conn, database, &SchemaOptions::default()).unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_eq!(schema.losses, Vec::<String>::new());
    schema
}

/// The rows of a table as cells.
fn cells(conn: &mut Connection, database: &str, table: &TableRecord) -> Vec<Vec<Option<Vec<u8>>>> {
    let expressions: Vec<String> = table.columns.iter().map(select_expression).collect();
    let formats: Vec<CellFormat> = table.columns.iter().map(CellFormat::of).collect();
    let all = if table.has_history { " FOR SYSTEM_TIME ALL" } else { "" };
    let sql = format!("SELECT {} FROM {}{all}", expressions.join(","), qualified(database, &table.name));
    conn.execute("SET SESSION character_set_results=NULL").expect("session");
    let rows: Vec<Row> = conn.raw().exec(sql.as_str(), ()).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let to_cells = |row: Row| {
        let values = row.unwrap().into_iter().zip(&formats);
        let one = |(value, format)| {
            let mut out = Vec::new();
            cell(&value, format, &mut out)
                .unwrap_or_else(|e| panic!("{}: {}", table.name, told(&e)))
                .then_some(out)
        };
        values.map(|(value, format)| one((value, *format))).collect()
    };
    rows.into_iter().map(to_cells).collect()
}

/// The whole database as SQL.
fn script(conn: &mut Connection, database: &str, options: ScriptOptions) -> Vec<u8> {
    let version = conn.value("SELECT VERSION()").expect("version").unwrap_or_default();
    let vendor = if Make::asked().is_mysql() { "MySQL" } else { "MariaDB" };
    let server = ServerRecord { vendor: vendor.into(), version, ..ServerRecord::default() };
    let schema = read(conn, database);
    let mut writer = ScriptWriter::new(Vec::new(), &server, options).expect("head");
    writer.database(&schema.database).expect("database");
    writer.before_tables(&schema.objects).expect("sequences");
    for table in &schema.tables {
        writer.table(table, &schema.tables).expect("table");
        if !table.columns.is_empty() {
            for row in cells(conn, database, table) {
                writer.row(row.iter().map(Option::as_deref)).expect("row");
            }
        }
        writer.end_table().expect("end");
    }
    writer.after_tables(&schema.objects, &schema.tables).expect("objects");
    writer.finish().expect("finish")
}

/// Loads SQL with the stock client as people run it: no option but the packet's.
fn load(server: &Server, sql: &[u8]) -> Result<(), String> {
    let mut child = Command::new(Make::asked().client())
        .args(["--no-defaults", "--user=root", "--max-allowed-packet=64M"])
        .args(Make::asked().is_mysql().then_some(["--comments", "--binary-mode"]).into_iter().flatten())
        .arg(format!("--socket={}", server.socket().display()))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut input = child.stdin.take().expect("its input");
    let sql = sql.to_vec();
    let writer = std::thread::spawn(move || std::io::Write::write_all(&mut input, &sql));
    let output = child.wait_with_output().expect("the client ends");
    let _ = writer.join();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn the_zoo_comes_back_from_a_file_of_sql() {
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    let mut conn = first.connect();
    zoo::build(&mut conn, "zoo `1`");
    let sql = script(&mut first.connect(), "zoo `1`", ScriptOptions::default());
    if let Ok(path) = std::env::var("KEEP_SQL") {
        std::fs::write(path, &sql).expect("kept");
    }
    load(&second, &sql).unwrap_or_else(|said| panic!("{said}"));
    let found = differences((&mut first.connect(), "zoo `1`"), (&mut second.connect(), "zoo `1`"));
    // Dead views cannot be made by a file; they are named in it.
    let (dead, other): (Vec<String>, Vec<String>) =
        found.into_iter().partition(|d| d.starts_with("view dead_"));
    // Decimals in JSON, which MySQL takes from text only as doubles.
    let known = |d: &String| Make::asked().is_mysql() && d.starts_with("rows of documents: ");
    let other: Vec<String> = other.into_iter().filter(|d| !known(d)).collect();
    assert!(other.is_empty(), "{} differences:\n{}", other.len(), other.join("\n"));
    let count = if Make::asked().is_mysql() { 1 } else { 4 };
    assert_eq!(dead.len(), count, "{dead:?}");
    let text = String::from_utf8_lossy(&sql);
    assert_eq!(text.matches("-- view `dead_").count(), count);
}

#[test]
fn programs_come_back_over_a_connection() {
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    zoo::build(&mut first.connect(), "zoo");
    let schema = read(&mut first.connect(), "zoo");
    zoo::build_tables(&mut second.connect(), "zoo");
    let mut conn = second.connect();
    conn.execute("USE zoo").expect("database");
    let kinds = [K::Function, K::Procedure, K::Package, K::PackageBody, K::View, K::Trigger, K::Event];
    for table in schema.tables.iter().filter(|t| ["film", "log"].contains(&t.name.as_str())) {
        conn.execute(&table.create).expect("table");
    }
    for kind in kinds {
        for object in schema.objects.iter().filter(|o| o.kind == kind && o.problem.is_empty()) {
            make_object(&mut conn, &schema.database, object).unwrap_or_else(|e| panic!("{}", told(&e)));
        }
    }
    let unmade = make_dead_views(&mut conn, &schema.database, &schema.objects)
        .unwrap_or_else(|e| panic!("{}", told(&e)));
    // It wants a column of a table that is there.
    let lost: Vec<&str> = unmade.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(lost, if Make::asked().is_mysql() { &[][..] } else { &["dead_column"] }, "{unmade:?}");
    let found = differences((&mut first.connect(), "zoo"), (&mut second.connect(), "zoo"));
    // A MySQL tells a collation in other words where it was given, as these tables' statements do.
    let words = if Make::asked().is_mysql() { "base table " } else { "view dead_column" };
    assert!(found.iter().all(|d| d.starts_with(words)), "{}", found.join("\n"));
}

#[test]
fn the_comparer_sees_what_changed() {
    let server = Server::start(&[]);
    let mut conn = server.connect();
    for database in ["left zoo", "right zoo"] {
        zoo::build(&mut conn, database);
    }
    let compare = || differences((&mut server.connect(), "left zoo"), (&mut server.connect(), "right zoo"));
    assert_eq!(compare(), Vec::<String>::new());
    let own = match Make::asked().is_mysql() {
        true => [
            "UPDATE `right zoo`.documents SET j=JSON_SET(j, '$.b[1]', 2.51e0) WHERE id=1",
            "ALTER TABLE `right zoo`.hidden ALTER INDEX unseen VISIBLE",
        ],
        false => ["DELETE HISTORY FROM `right zoo`.history", "DO NEXTVAL(`right zoo`.restarted)"],
    };
    for change in own.into_iter().chain([
        "UPDATE `right zoo`.floats SET f=f+1e-7*f WHERE id=102",
        "UPDATE `right zoo`.members SET e=1 WHERE id=1",
        "UPDATE `right zoo`.hidden SET secret='other' WHERE id=1",
        "ALTER TABLE `right zoo`.keyless ADD KEY (a)",
        "DROP TRIGGER `right zoo`.t_c",
        "ALTER VIEW `right zoo`.sums AS SELECT 1 AS s",
        "ALTER EVENT `right zoo`.zoned COMMENT 'x'",
    ]) {
        let before = compare().len();
        conn.execute(change).unwrap_or_else(|e| panic!("{}", told(&e)));
        assert!(compare().len() > before, "{change}: {:?}", compare());
    }
}
