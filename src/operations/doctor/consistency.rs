//! Which way leads to tables that are all of one instant, and what it costs those who work meanwhile.
//! The costs are estimates, and say so.

use super::Finding;
use super::survey::DatabaseSurvey;
use crate::error::{Error, Kind};
use crate::mysql::facts::{ServerFacts, Vendor};
use crate::mysql::privileges::Missing;

/// Bytes of rows that a server gives in a second to a reader that waits for nothing: low, so that the
/// estimate is rather too long than too short.
const READ_BYTES_PER_SECOND: u64 = 80 << 20;
/// What the lock costs whatever is read under it, in milliseconds.
const LOCK_MS: u64 = 100;

/// The sequences of statements that lead to one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// Snapshots that the binary log proves to be the same; no lock.
    A,
    /// Snapshots taken under a short lock; MySQL keeps definitions from changing.
    B,
    /// Reading ahead, then a short lock for what changed.
    C,
    /// None: each table would be of an instant of its own.
    None,
}

impl Sequence {
    /// The word for it in output.
    pub fn word(self) -> &'static str {
        match self {
            Sequence::A => "binlog-snapshot",
            Sequence::B => "backup-lock",
            Sequence::C => "read-ahead",
            Sequence::None => "none",
        }
    }
}

/// A way to read a large table that grows without holding its writers up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// `binlog`, `userstat` or `read-local`.
    pub name: &'static str,
    /// What it lacks; `None`: it is possible.
    pub lacks: Option<String>,
}

/// How all tables can be of one instant.
#[derive(Clone, Debug)]
pub struct Consistency {
    /// The way.
    pub sequence: Sequence,
    /// Why it is that one.
    pub why: String,
    /// Ways for large tables without transactions.
    pub ways: Vec<Way>,
    /// How long writers would wait, in milliseconds; an estimate.
    pub stall_ms: u64,
    /// How long they would wait under a lock of everything, as other tools hold it; an estimate.
    pub whole_lock_ms: u64,
    has_mmap: bool,
    large_changing: Vec<String>,
}

/// Judges by what the server allows, what is there, and which rights are missing.
pub fn judge(facts: &ServerFacts, databases: &[DatabaseSurvey], lacking: &[Missing]) -> Consistency {
    let lacks = |privilege: &str| lacking.iter().any(|missing| missing.privilege == privilege);
    let has_plain = databases.iter().any(DatabaseSurvey::has_plain_tables);
    let ways = if has_plain { ways(facts, &lacks) } else { Vec::new() };
    let (sequence, why) = sequence(facts, has_plain, lacks("RELOAD"));
    let can_tail = ways.iter().any(|way| way.lacks.is_none());
    let large: Vec<&(String, u64)> = databases.iter().flat_map(|d| &d.large_changing).collect();
    let large_bytes: u64 = large.iter().map(|(_, bytes)| bytes).sum();
    let changing: u64 = databases.iter().map(|d| d.changing_bytes).sum();
    let under_lock = if can_tail { changing.saturating_sub(large_bytes) } else { changing };
    let all: u64 = databases.iter().flat_map(|d| &d.tables).map(|(_, _, bytes)| bytes).sum();
    Consistency {
        sequence,
        why,
        ways,
        stall_ms: match sequence {
            Sequence::A | Sequence::None => 0,
            Sequence::B | Sequence::C => LOCK_MS + read_ms(under_lock),
        },
        whole_lock_ms: LOCK_MS + read_ms(all),
        has_mmap: has_plain && facts.is_on("myisam_use_mmap"),
        large_changing: if can_tail {
            Vec::new()
        } else {
            large.iter().map(|(name, _)| name.clone()).collect()
        },
    }
}

fn read_ms(bytes: u64) -> u64 {
    (u128::from(bytes) * 1000 / u128::from(READ_BYTES_PER_SECOND)).try_into().unwrap_or(u64::MAX)
}

fn sequence(facts: &ServerFacts, has_plain: bool, lacks_reload: bool) -> (Sequence, String) {
    let log_proves = facts.vendor == Vendor::MariaDb && facts.log_is_unfiltered();
    match (has_plain, log_proves) {
        (false, true) => (
            Sequence::A,
            "all tables have transactions and the binary log proves that snapshots are equal".into(),
        ),
        _ if lacks_reload => (Sequence::None, "without RELOAD no lock can be taken".into()),
        (true, _) => (
            Sequence::C,
            "tables without transactions are read ahead; what changed meanwhile, under a short lock".into(),
        ),
        (false, _) if facts.vendor == Vendor::MySql && facts.version >= (8, 0, 0) => {
            (Sequence::B, "snapshots are taken under a short lock".into())
        }
        (false, _) => {
            let log = match (facts.is_on("log_bin"), &facts.log_filter) {
                (false, _) => "there is no binary log",
                (true, None) => "the binary log's filters may not be seen",
                (true, Some(_)) => "the binary log leaves databases out",
            };
            (Sequence::C, format!("{log}, so snapshots are taken under a short lock"))
        }
    }
}

fn ways(facts: &ServerFacts, lacks: &dyn Fn(&str) -> bool) -> Vec<Way> {
    let log_right = lacks("BINLOG MONITOR") || lacks("REPLICATION CLIENT") || lacks("REPLICATION SLAVE");
    let binlog = match () {
        () if !facts.is_on("log_bin") => Some("log_bin is off".to_owned()),
        () if log_right => Some("rights on the binary log are missing".to_owned()),
        () if !facts.has_full_row_log() => Some(
            "the log must hold whole rows (binlog_format=ROW, binlog_row_image=FULL) of all databases".into(),
        ),
        () => None,
    };
    let userstat = (!facts.is_on("userstat")).then(|| "userstat is off (SET GLOBAL userstat=1)".to_owned());
    let inserts = facts.setting("concurrent_insert").is_some_and(|v| v != "NEVER" && v != "0");
    let read_local = match () {
        () if lacks("LOCK TABLES") => Some("LOCK TABLES is missing".to_owned()),
        () if !inserts => Some("concurrent_insert is off".to_owned()),
        () => None,
    };
    vec![
        Way { name: "binlog", lacks: binlog },
        Way { name: "userstat", lacks: userstat },
        Way { name: "read-local", lacks: read_local },
    ]
}

impl Consistency {
    /// What a person should know.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.large_changing.is_empty() {
            findings.push(Finding {
                code: "stall",
                message: format!(
                    "large tables that change would be read while writers wait, about {} ms: {}",
                    self.stall_ms,
                    self.large_changing.join(", ")
                ),
            });
        }
        findings
    }

    /// Why no backup of one instant is possible.
    pub fn refusal(&self, server: &str) -> Option<Error> {
        self.has_mmap.then(|| {
            Error::new(
                Kind::Database,
                format!("{server}: myisam_use_mmap is on: changes of MyISAM tables do not show in time"),
            )
            .hint("switch it off on the server")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::facts::LogFilter;
    use crate::operations::doctor::EngineCount;

    fn database(engine: &str, bytes: u64) -> DatabaseSurvey {
        let engines = [(engine.to_owned(), EngineCount { tables: 1, bytes })].into();
        let large_changing = if engine == "myisam" { vec![("log".into(), bytes)] } else { Vec::new() };
        let tables = vec![("log".into(), engine.into(), bytes)];
        DatabaseSurvey { engines, changing_bytes: bytes, large_changing, tables, ..DatabaseSurvey::default() }
    }

    fn facts(version: &str, settings: &[(&str, &str)]) -> ServerFacts {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let vendor = if version.contains("MariaDB") { Vendor::MariaDb } else { Vendor::MySql };
        ServerFacts { vendor, version: (10, 11, 0), settings: settings.collect(), ..ServerFacts::default() }
    }

    #[test]
    fn the_sequence_follows_server_and_tables() {
        let mut server = facts("MariaDB", &[("log_bin", "ON")]);
        let of = |server: &ServerFacts, engine| judge(server, &[database(engine, 1)], &[]).sequence;
        assert_eq!(of(&server, "innodb"), Sequence::C, "filters are not known");
        server.log_filter = Some(LogFilter::default());
        assert_eq!(of(&server, "innodb"), Sequence::A);
        assert_eq!(of(&server, "aria"), Sequence::C);
        server.vendor = Vendor::MySql;
        assert_eq!(of(&server, "innodb"), Sequence::B);
        assert_eq!(of(&server, "memory"), Sequence::C);
    }

    #[test]
    fn a_large_table_costs_little_if_it_can_be_followed() {
        let gigabyte = database("myisam", 1 << 30);
        let without = judge(&facts("MariaDB", &[]), std::slice::from_ref(&gigabyte), &[]);
        assert!(without.stall_ms > 10_000 && without.findings().len() == 1, "{without:?}");
        let server = facts("MariaDB", &[("concurrent_insert", "AUTO")]);
        let with = judge(&server, &[gigabyte], &[]);
        assert!(with.stall_ms < 500 && with.findings().is_empty(), "{with:?}");
        assert!(with.whole_lock_ms > 10_000);
    }
}
