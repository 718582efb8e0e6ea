//! What a dump is asked for and what it tells afterwards.

use crate::entry::database::{Consistency, LogPosition};
use crate::mysql::options::ServerOptions;
use std::time::Duration;

/// What to dump, and how.
#[derive(Clone, Debug)]
pub struct DumpPlan {
    /// The server, and who asks.
    pub server: ServerOptions,
    /// The databases; `None`: all but those of the server itself.
    pub databases: Option<Vec<String>>,
    /// Tables to dump, as `database.table` with `*` for any characters; empty: all.
    pub include: Vec<String>,
    /// Tables not to dump, in the same form.
    pub exclude: Vec<String>,
    /// Whether users and their grants are dumped.
    pub users: bool,
    /// Connections that read rows, 1 to 16.
    pub threads: usize,
    /// The key under which rows are cut ([`crate::rows::RowWriter`]).
    pub cutter_key: [u8; 32],
    /// Whether each table may be as of an instant of its own, where the server allows no better.
    pub accept_per_table: bool,
    /// Whether missing privileges and objects that cannot be read are no reason to refuse.
    pub accept_partial: bool,
    /// Whether statements of others that keep the lock away for long are ended.
    pub kill_blockers: bool,
    /// Times and sizes.
    pub limits: Limits,
}

impl Default for DumpPlan {
    fn default() -> DumpPlan {
        DumpPlan {
            server: ServerOptions::default(),
            databases: None,
            include: Vec::new(),
            exclude: Vec::new(),
            users: false,
            threads: 2,
            cutter_key: [0; 32],
            accept_per_table: false,
            accept_partial: false,
            kill_blockers: false,
            limits: Limits::default(),
        }
    }
}

/// Times and sizes that bound a dump.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long reading under the lock may be predicted to take, if it can be avoided.
    pub aim: Duration,
    /// How long the lock is held at most, if that can be avoided: past it, it is given back.
    pub hold: Duration,
    /// How long the lock is held at most where nothing shorter is possible; a prediction above it
    /// refuses the dump.
    pub most_hold: Duration,
    /// Tries to get the lock without waiting.
    pub tries: u32,
    /// Pause between two of them, on average.
    pub pause: Duration,
    /// Waits of a second for the lock, once the tries were in vain.
    pub waits: u32,
    /// Pause between two of them.
    pub long_pause: Duration,
    /// When to give the lock up.
    pub patience: Duration,
    /// Times that everything is begun again because definitions changed.
    pub restarts: u32,
    /// Rounds of reading what changed again before the lock.
    pub rounds: u32,
    /// How long the server may say nothing.
    pub silence: Duration,
    /// Rows read at a time from tables without snapshots; ten times as many of a table that is read as
    /// it stands.
    pub chunk_rows: u64,
    /// Bytes that may wait in memory while the lock is held.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            aim: Duration::from_millis(150),
            hold: Duration::from_secs(2),
            most_hold: Duration::from_secs(60),
            tries: 20,
            pause: Duration::from_millis(120),
            waits: 10,
            long_pause: Duration::from_secs(20),
            patience: Duration::from_secs(600),
            restarts: 5,
            rounds: 4,
            silence: Duration::from_secs(900),
            chunk_rows: 20_000,
            memory_bytes: 64 << 20,
        }
    }
}

/// What a dump did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DumpReport {
    /// Longest time that writers of the databases had to wait, in microseconds.
    pub stall_us: u64,
    /// What the rows have in common.
    pub consistency: Consistency,
    /// Where the server's binary log stood.
    pub position: Option<LogPosition>,
    /// Databases.
    pub databases: u64,
    /// Tables.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
    /// Canonical bytes of the rows.
    pub bytes: u64,
    /// Other objects.
    pub objects: u64,
    /// Times that everything was begun again because definitions changed.
    pub restarts: u32,
    /// Tables that were read again, in whole or their end, while the lock was held.
    pub read_under_lock: Vec<String>,
    /// What a person should know, one sentence each.
    pub notes: Vec<String>,
}
