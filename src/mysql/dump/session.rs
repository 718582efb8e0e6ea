//! The connections of a dump and what is asked of the server besides rows. It promises that all lead
//! to the same server and that none is ever opened a second time in place of one that was lost.

use super::plan::DumpPlan;
use crate::entry::database::{LogPosition, ServerRecord, Setting};
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::facts::{ServerFacts, Vendor};
use crate::mysql::opener::Opener;
use std::time::Duration;

/// Connections that read rows at once, at most.
const MOST_READERS: usize = 16;
/// Variables that a restore or a move compares.
const RECORDED: [&str; 15] = [
    "character_set_server",
    "collation_server",
    "default_storage_engine",
    "event_scheduler",
    "explicit_defaults_for_timestamp",
    "ft_min_word_len",
    "innodb_page_size",
    "innodb_strict_mode",
    "log_bin_trust_function_creators",
    "lower_case_table_names",
    "max_allowed_packet",
    "old_mode",
    "sql_mode",
    "system_time_zone",
    "time_zone",
];

/// The server of a dump.
pub struct Session {
    opener: Opener,
    patience: Duration,
    /// What the server is and allows.
    pub facts: ServerFacts,
    /// For definitions, settings and the process list.
    pub control: Connection,
}

impl Session {
    /// Opens the first connection.
    pub fn open(plan: &DumpPlan) -> Result<Session> {
        let mut options = plan.server.clone();
        options.silence = Some(plan.limits.silence);
        let (opener, mut control) = Opener::new(options)?;
        let facts = ServerFacts::read(&mut control)?;
        Ok(Session { opener, patience: plan.limits.patience, facts, control })
    }

    /// A further connection, for locks.
    pub fn connect(&self) -> Result<Connection> {
        self.opener.open()
    }

    /// Further connections, for rows.
    pub fn readers(&self, count: usize) -> Result<Vec<Connection>> {
        (0..count.clamp(1, MOST_READERS)).map(|_| self.reader()).collect()
    }

    /// A further connection, for rows: bytes come as the server stores them.
    pub fn reader(&self) -> Result<Connection> {
        let mut conn = self.opener.open()?;
        conn.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
        // Somebody else's long statement on a table is waited for, and makes nobody wait.
        let patience = self.patience.as_secs().max(1);
        conn.execute(&format!("SET SESSION character_set_results=NULL, lock_wait_timeout={patience}"))?;
        Ok(conn)
    }

    /// What a snapshot keeps of the server; consistency, position and notes are still missing.
    pub fn record(&self) -> ServerRecord {
        let settings = RECORDED.iter().filter_map(|&name| {
            let value = self.facts.setting(name)?.to_owned();
            Some(Setting { name: name.into(), value })
        });
        ServerRecord {
            vendor: self.facts.vendor.word().into(),
            version: self.facts.version_text.clone(),
            settings: settings.collect(),
            ..ServerRecord::default()
        }
    }
}

/// The statement that tells where the binary log stands.
pub fn position_statement(facts: &ServerFacts) -> &'static str {
    match facts.vendor == Vendor::MySql && facts.version >= (8, 4, 0) {
        true => "SHOW BINARY LOG STATUS",
        false => "SHOW MASTER STATUS",
    }
}

/// The expression of the global transaction ids up to now.
pub fn gtid_expression(facts: &ServerFacts) -> &'static str {
    match facts.vendor {
        Vendor::MariaDb => "@@GLOBAL.gtid_binlog_pos",
        Vendor::MySql => "@@GLOBAL.gtid_executed",
    }
}

/// Where the binary log stands; `None`: there is none, or the user may not know.
pub fn position(conn: &mut Connection, facts: &ServerFacts) -> Result<Option<LogPosition>> {
    if !facts.is_on("log_bin") {
        return Ok(None);
    }
    let rows = match conn.rows(position_statement(facts)) {
        Ok(rows) => rows,
        Err(error) if code_of(&error).is_some() => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(row) = rows.first() else { return Ok(None) };
    let gtid = match conn.value(&format!("SELECT {}", gtid_expression(facts))) {
        Ok(gtid) => gtid.unwrap_or_default().replace('\n', ""),
        Err(error) if code_of(&error).is_some() => String::new(),
        Err(error) => return Err(error),
    };
    Ok(Some(LogPosition { file: row.text(0).unwrap_or_default(), offset: row.number(1).unwrap_or(0), gtid }))
}

/// The end of a connection that holds nothing that is still needed; what it answers is of no interest.
pub fn let_go(conn: &mut Connection, sql: &str) {
    _ = conn.execute(sql);
}
