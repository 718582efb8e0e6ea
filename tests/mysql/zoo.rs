//! A zoo of everything that dumps damage or lose, built in a database of any name: each cage is a list
//! of statements (`zoo/*.rs`). It promises to fail loudly where a server takes a statement no more,
//! and that nothing in it depends on the time or on chance.

#![allow(dead_code)]

mod mysql;
mod programs;
mod tables;
mod values;

use crate::server::Make;
use coffer::mysql::connection::Connection;
use coffer::mysql::identifier::quote;

/// Builds the zoo in the new database `database`; the connection is in it afterwards.
#[track_caller]
pub fn build(conn: &mut Connection, database: &str) {
    create(conn, database);
    if Make::asked().is_mysql() {
        run_all(conn, mysql::TABLES);
        return run_all(conn, mysql::PROGRAMS);
    }
    for cage in [values::CAGE, tables::CAGE, programs::CAGE] {
        run_all(conn, cage);
    }
    programs::in_other_character_sets(conn);
}

/// Builds the part of the zoo that holds rows only: no views, no programs.
#[track_caller]
pub fn build_tables(conn: &mut Connection, database: &str) {
    create(conn, database);
    if Make::asked().is_mysql() {
        return run_all(conn, mysql::TABLES);
    }
    run_all(conn, values::CAGE);
    run_all(conn, tables::CAGE);
}

#[track_caller]
fn create(conn: &mut Connection, database: &str) {
    let database = quote(database);
    run(
        conn,
        &format!(
            "CREATE DATABASE {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci /*M! COMMENT 'the ''zoo'''*/"
        ),
    );
    run(conn, &format!("USE {database}"));
}

#[track_caller]
fn run_all(conn: &mut Connection, statements: &[&str]) {
    for sql in statements {
        run(conn, sql);
    }
}

#[track_caller]
fn run(conn: &mut Connection, sql: &str) {
    if let Err(error) = conn.execute(sql) {
        panic!("{}\n{sql}", crate::server::told(&error));
    }
}

/// Runs a statement whose bytes are text in `character_set`.
#[track_caller]
fn run_raw(conn: &mut Connection, sql: &[u8], character_set: &str, collation: &str) {
    let digits: String = sql.iter().map(|b| format!("{b:02x}")).collect();
    run(conn, &format!("SET @statement=x'{digits}'"));
    run(conn, &format!("SET character_set_client={character_set}, collation_connection={collation}"));
    run(conn, "EXECUTE IMMEDIATE @statement");
    run(conn, "SET character_set_client=utf8mb4, collation_connection=utf8mb4_general_ci");
}
