//! `coffer demo --live`: a small practice in a database server, backed up while it stands, changed,
//! backed up again, proven, and restored beside itself. It promises to touch no database but its own two,
//! to drop them at the end, and to fail if what was restored differs by the server's own checksums.

use super::folder::Folder;
use super::{say, wrong};
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::crypto::{NewSlot, SystemEntropy};
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::dump::DumpPlan;
use crate::mysql::load::LoadOptions;
use crate::mysql::options::ServerOptions;
use crate::operations::backup::{self, BackupPlan, BackupReport, Source};
use crate::operations::drill::check_prefix;
use crate::operations::scratch::ScratchServer;
use crate::operations::session::{self, Session};
use crate::operations::{server_restore, verify};
use crate::snapshot::Level;
use crate::values::{format_count, format_duration, format_size};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the names of the demonstration's databases begin with.
const PREFIX: &str = "coffer_demo_";
/// The practice.
const PRACTICE: &str = "coffer_demo_practice";
/// What is restored beside it.
const RESTORED: &str = "coffer_demo_restored";
/// Its tables.
const TABLES: [&str; 3] = ["appointment", "patient", "securitylog"];
/// Patients it begins with, log entries ten times as many.
const PATIENTS: u64 = 3000;
/// What makes it: engines mixed, as in real ones.
const MAKE: [&str; 5] = [
    "CREATE TABLE patient (PatNum BIGINT PRIMARY KEY, LName VARCHAR(100), Birthdate DATE NOT NULL, Balance DOUBLE) ENGINE=MyISAM",
    "CREATE TABLE securitylog (SecurityLogNum BIGINT AUTO_INCREMENT PRIMARY KEY, LogDateTime DATETIME, LogText TEXT) ENGINE=MyISAM",
    "CREATE TABLE appointment (AptNum BIGINT PRIMARY KEY, PatNum BIGINT, Note VARCHAR(200), KEY (PatNum)) ENGINE=InnoDB",
    "CREATE VIEW born AS SELECT PatNum, YEAR(Birthdate) AS Year FROM patient",
    "CREATE TRIGGER written AFTER INSERT ON appointment FOR EACH ROW \
     INSERT INTO securitylog (LogDateTime, LogText) VALUES ('2026-02-01 08:00:00', CONCAT('appointment ', NEW.AptNum))",
];
/// What a night changes.
const NIGHT: [&str; 4] = [
    "UPDATE patient SET Balance=Balance+12.5 WHERE PatNum % 400 = 7",
    "INSERT INTO appointment VALUES (900001, 7, 'root canal'), (900002, 8, 'check-up')",
    "DELETE FROM appointment WHERE AptNum=3",
    "INSERT INTO securitylog (LogDateTime, LogText) VALUES ('2026-02-01 18:00:00', 'closed for the day')",
];

/// A server for the demonstration; what was made on it goes away with the value.
struct Stage {
    options: ServerOptions,
    // A private server goes as a whole.
    _private: Option<ScratchServer>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Ok(mut conn) = Connection::open(&self.options) {
            for name in [PRACTICE, RESTORED] {
                // Nobody is left to be told.
                let _ = conn.execute(&format!("DROP DATABASE IF EXISTS {name}"));
            }
        }
    }
}

/// Shows the live path on the server `given`, else on a private one.
pub fn show(context: &Context, folder: &Folder, given: Option<ServerOptions>) -> Result<Outcome> {
    let stage = stage(context, given)?;
    let mut conn = Connection::open(&stage.options)?;
    let version = conn.value("SELECT VERSION()")?.unwrap_or_default();
    make(&mut conn)?;
    say(
        context,
        "practice",
        format!("an invented practice in a database of {version}: {PATIENTS} patients, engines mixed"),
    );
    let mut session = container(context, folder)?;
    let (first, took) = back_up(context, &mut session, &stage.options)?;
    tell(context, "first backup, while the server runs", &first, took);
    NIGHT.iter().try_for_each(|sql| conn.execute(sql).map(drop))?;
    let (second, took) = back_up(context, &mut session, &stage.options)?;
    tell(context, "the next night", &second, took);
    let pool = context.pool()?;
    let proven = verify::verify(&session.store, Level::Full, &pool, context.progress())?;
    if !proven.damaged.is_empty() {
        return Err(wrong("verify finds damage"));
    }
    say(
        context,
        "verify",
        format!("verified: {} decrypted and proven", format_count(proven.chunks, "chunk")),
    );
    let source = server_restore::source(&session.store, &second.record)?;
    let options = LoadOptions { rename_to: Some(RESTORED.into()), events: false, ..LoadOptions::default() };
    let began = Instant::now();
    let plan = server_restore::plan(&source, &stage.options, &options)?;
    let report = server_restore::apply(&plan, &session.store, &pool, context.progress())?;
    if let Some(lost) = report.not_made.first() {
        return Err(wrong(lost));
    }
    let rows = format_count(report.rows(), "row");
    let took = format_duration(began.elapsed());
    say(context, "restore", format!("restored beside it in {took}: {rows}, each read back and compared"));
    compare(&mut conn)?;
    say(context, "compare", "the server's own checksums of all tables are equal".into());
    Ok(Outcome::done()
        .with("server_version", version)
        .with("rows", report.rows())
        .with("first_added_bytes", first.record.counts.added_bytes)
        .with("next_added_bytes", second.record.counts.added_bytes)
        .summary(format!(
            "all is well: a live database backed up twice, verified, and restored with {rows}; the second night added {}",
            format_size(second.record.counts.added_bytes)
        )))
}

fn stage(context: &Context, given: Option<ServerOptions>) -> Result<Stage> {
    match given {
        Some(options) => {
            check_prefix(&options, PREFIX)?;
            Ok(Stage { options, _private: None })
        }
        None => {
            let server = ScratchServer::start(None, None, None, context.progress())?;
            say(context, "server", "a private database server, started for this and gone afterwards".into());
            Ok(Stage { options: server.options(), _private: Some(server) })
        }
    }
}

fn make(conn: &mut Connection) -> Result<()> {
    conn.execute(&format!("CREATE DATABASE {PRACTICE} CHARACTER SET utf8mb4"))?;
    conn.execute(&format!("USE {PRACTICE}"))?;
    for sql in MAKE {
        // A MySQL with GTIDs lets no trigger write from one kind of engine into the other.
        let is_log = sql.contains("TABLE securitylog") && !conn.is_mariadb();
        conn.execute(&if is_log { sql.replace("MyISAM", "InnoDB") } else { sql.to_owned() })?;
    }
    let numbers: Vec<u64> = (1..=PATIENTS).collect();
    for some in numbers.chunks(500) {
        let patient = |n: &u64| {
            format!(
                "({n},'Family {}','19{:02}-{:02}-{:02}',{}.25)",
                n % 700,
                n % 90 + 10,
                n % 12 + 1,
                n % 28 + 1,
                n % 300
            )
        };
        insert(conn, "patient", some.iter().map(patient))?;
        insert(conn, "appointment", some.iter().map(|n| format!("({n},{n},'visit {}')", n * 7919 % 1000)))?;
        let entry = |n: &u64| {
            format!(
                "(NULL,'2026-01-{:02} {:02}:00:00','patient {} looked at')",
                n % 28 + 1,
                n % 24,
                n * 31 % PATIENTS
            )
        };
        for _ in 0..9 {
            insert(conn, "securitylog", some.iter().map(entry))?;
        }
    }
    Ok(())
}

fn insert(conn: &mut Connection, table: &str, rows: impl Iterator<Item = String>) -> Result<()> {
    let rows: Vec<String> = rows.collect();
    conn.execute(&format!("INSERT INTO {table} VALUES {}", rows.join(","))).map(drop)
}

fn container(context: &Context, folder: &Folder) -> Result<Session> {
    let key = super::NewSecret::key_file(&folder.path().join("practice.key"))?;
    let time = context.time(None);
    let slot = NewSlot {
        credential: Some(key.credential.clone()),
        label: "demo".into(),
        cost: crate::crypto::KdfCost::DEFAULT,
        created: time,
    };
    let plan = session::Init {
        path: folder.path().join("practice.coffer"),
        segment_bytes: Some(1 << 20),
        parity: session::Parity::Normal,
        max_bytes: None,
        retention: None,
        slot,
        time,
    };
    let session = session::init(&plan, context.pool()?, &mut SystemEntropy)?;
    key.keep();
    Ok(session)
}

fn back_up(
    context: &Context,
    session: &mut Session,
    server: &ServerOptions,
) -> Result<(BackupReport, Duration)> {
    let dump =
        DumpPlan { server: server.clone(), databases: Some(vec![PRACTICE.into()]), ..DumpPlan::default() };
    let sources = vec![Source::Databases(Arc::new(dump))];
    let plan = BackupPlan {
        read_back: false,
        ..BackupPlan::usual(sources, "demo", session::host_name(), context.time(None))
    };
    let began = Instant::now();
    let report = backup::backup(&mut session.store, plan, context.pool()?, context.progress())?;
    match report.problems.first() {
        Some(problem) => Err(wrong(&format!("backup: {problem}"))),
        None => Ok((report, began.elapsed())),
    }
}

fn tell(context: &Context, what: &str, report: &BackupReport, took: Duration) {
    let added = format_size(report.record.counts.added_bytes);
    say(context, "backup", format!("{what}: {added} added in {}", format_duration(took)));
}

/// Holds the restored tables against the practice's, by checksums that the server computes.
fn compare(conn: &mut Connection) -> Result<()> {
    for table in TABLES {
        let mut checksum = |database: &str| -> Result<Option<u64>> {
            let rows = conn.rows(&format!("CHECKSUM TABLE {database}.{table} EXTENDED"))?;
            Ok(rows.first().and_then(|row| row.number(1)))
        };
        let (own, restored) = (checksum(PRACTICE)?, checksum(RESTORED)?);
        if own.is_none() || own != restored {
            return Err(wrong(&format!("table {table} differs from the practice's")));
        }
    }
    Ok(())
}
