//! What a restore to a server would meet: how it loads, and whether its longest row comes through.

use super::Finding;
use super::survey::DatabaseSurvey;
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::facts::{ServerFacts, Vendor};
use crate::mysql::identifier::{literal, qualified, quote};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long all questions about rows may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a restore to this server would meet.
#[derive(Clone, Debug, Default)]
pub struct Restoring {
    /// Whether files of rows may be sent (`local_infile`): the fast way.
    pub local_infile: bool,
    /// Whether empty InnoDB tables are filled with sorted indexes (MariaDB from 10.7 on).
    pub bulk_load: bool,
    /// The longest packet that the server takes, in bytes.
    pub max_allowed_packet: u64,
    /// The longest row that was found, in bytes, and its table; `None`: no table can hold a long one.
    pub longest_row: Option<(u64, String)>,
    /// Tables whose longest row was not looked for, because that would have taken too long.
    pub not_measured: Vec<String>,
}

/// Asks the server.
pub fn judge(
    connection: &mut Connection,
    facts: &ServerFacts,
    databases: &[DatabaseSurvey],
) -> Result<Restoring> {
    let mut restoring = Restoring {
        local_infile: facts.is_on("local_infile"),
        bulk_load: facts.vendor == Vendor::MariaDb && facts.version >= (10, 7, 0),
        max_allowed_packet: facts.number("max_allowed_packet").unwrap_or(0),
        ..Restoring::default()
    };
    let began = Instant::now();
    for database in databases {
        let long = long_columns(connection, &database.name)?;
        for (table, engine, bytes) in &database.tables {
            let Some(columns) = long.get(table) else { continue };
            // What is shorter than a packet as a whole has no longer row; InnoDB's sizes may be old.
            if engine != "innodb" && *bytes <= restoring.max_allowed_packet / 2 {
                continue;
            }
            let place = format!("{}.{table}", database.name);
            let found = match began.elapsed() < PATIENCE {
                true => longest(connection, facts, &database.name, table, engine, columns)?,
                false => None,
            };
            let most = restoring.longest_row.as_ref().map_or(0, |(most, _)| *most);
            match found {
                Some(bytes) if bytes > most => restoring.longest_row = Some((bytes, place)),
                Some(_) => {}
                None => restoring.not_measured.push(place),
            }
        }
    }
    Ok(restoring)
}

/// By table, its columns that hold values of any length.
fn long_columns(connection: &mut Connection, database: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let sql = format!(
        "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA={} AND DATA_TYPE \
         IN ('mediumblob','longblob','mediumtext','longtext','json','geometry')",
        literal(database)
    );
    let mut long: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for cells in connection.rows(&sql)? {
        long.entry(cells.text(0).unwrap_or_default()).or_default().extend(cells.text(1));
    }
    Ok(long)
}

/// The longest row's bytes in `columns`; `None`: that cannot be said in time.
fn longest(
    connection: &mut Connection,
    facts: &ServerFacts,
    database: &str,
    table: &str,
    engine: &str,
    columns: &[String],
) -> Result<Option<u64>> {
    let lengths: Vec<String> =
        columns.iter().map(|name| format!("IFNULL(LENGTH({}),0)", quote(name))).collect();
    // A reader of MyISAM holds up its writers.
    let limit_ms = if engine == "innodb" { 5000 } else { 300 };
    let what = format!("MAX({}) FROM {}", lengths.join("+"), qualified(database, table));
    let sql = match facts.vendor {
        Vendor::MariaDb => {
            let seconds = f64::from(limit_ms) / 1000.0;
            format!("SET STATEMENT max_statement_time={seconds} FOR SELECT {what}")
        }
        Vendor::MySql => format!("SELECT /*+ MAX_EXECUTION_TIME({limit_ms}) */ {what}"),
    };
    match connection.rows(&sql) {
        Ok(rows) => Ok(Some(rows.first().and_then(|cells| cells.number(0)).unwrap_or(0))),
        // Out of time, no right to read, or a broken table: other findings name the latter two.
        Err(_) => connection.value("SELECT 1").map(|_| None),
    }
}

impl Restoring {
    /// What a person should know.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.local_infile {
            findings.push(Finding {
                code: "local-infile",
                message: "local_infile is off: a restore to this server takes the slower way of INSERT; \
                          SET GLOBAL local_infile=1 allows the fast one"
                    .into(),
            });
        }
        if let Some((bytes, table)) = &self.longest_row
            && bytes.saturating_mul(2) > self.max_allowed_packet
        {
            findings.push(Finding {
                code: "packet",
                message: format!(
                    "{table} has a row of {bytes} bytes and max_allowed_packet is {}: a restore needs it \
                     higher (SET GLOBAL max_allowed_packet={})",
                    self.max_allowed_packet,
                    bytes.saturating_mul(2).saturating_add(1 << 20).next_multiple_of(1 << 20).min(1 << 30)
                ),
            });
        }
        findings
    }
}
