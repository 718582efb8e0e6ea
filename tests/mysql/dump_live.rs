//! Dumps while others write: what held at every instant holds in the dump.

use crate::kept::{Kept, plan, take};
use crate::server::{Server, mariadbs_own, told};
use coffer::mysql::connection::Connection;
use coffer::mysql::dump::{DumpPlan, DumpReport};
use coffer::mysql::options::ServerOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Threads that run statements again and again until dropped.
pub struct Writers {
    stop: Arc<AtomicBool>,
    /// Longest time of one statement, in microseconds.
    pub longest_us: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    pub fn none() -> Writers {
        Writers { stop: Arc::default(), longest_us: Arc::default(), threads: Vec::new() }
    }

    /// Adds a thread; `round` gives the statements of a round.
    pub fn add(
        &mut self,
        options: ServerOptions,
        pause: Duration,
        round: impl Fn(u64) -> Vec<String> + Send + 'static,
    ) {
        let (stop, longest) = (Arc::clone(&self.stop), Arc::clone(&self.longest_us));
        self.threads.push(std::thread::spawn(move || {
            let mut conn = Connection::open(&options).expect("a writer's connection");
            for number in 0.. {
                for sql in round(number) {
                    let began = Instant::now();
                    if let Err(error) = conn.execute(&sql) {
                        assert!(stop.load(Ordering::Relaxed), "{sql}: {}", told(&error));
                    }
                    longest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(pause);
            }
        }));
    }

    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a writer");
        }
    }
}

/// How often a test dumps.
pub fn rounds(few: usize) -> usize {
    match std::env::var("COFFER_CAMPAIGN").as_deref() {
        Ok("full") => few * 50,
        _ => few,
    }
}

#[track_caller]
fn dumped(plan: &DumpPlan) -> (Kept, DumpReport) {
    take(plan).unwrap_or_else(|error| panic!("{}", told(&error)))
}

const BANK: &str = "CREATE DATABASE bank; USE bank;
CREATE TABLE a (id INT PRIMARY KEY, v BIGINT) ENGINE=InnoDB;
CREATE TABLE b (id INT PRIMARY KEY, v BIGINT) ENGINE=InnoDB;
INSERT INTO a SELECT seq, 1000 FROM mysql.seq_1_to_2000; INSERT INTO b SELECT seq, 1000 FROM mysql.seq_1_to_2000;";

fn transfers(writers: &mut Writers, server: &Server, seed: u64) {
    writers.add(server.options(), Duration::from_micros(200), move |n| {
        let (from, to) = ((n * 7 + seed) % 2000 + 1, (n * 13 + seed) % 2000 + 1);
        vec![
            "START TRANSACTION".into(),
            format!("UPDATE bank.a SET v=v-{} WHERE id={from}", n % 50),
            format!("UPDATE bank.b SET v=v+{} WHERE id={to}", n % 50),
            "COMMIT".into(),
        ]
    });
}

fn bank_holds(options: &[&str]) {
    let server = Server::start(options);
    server.client("", BANK);
    let mut writers = Writers::none();
    (0..3).for_each(|seed| transfers(&mut writers, &server, seed * 131));
    for _ in 0..rounds(6) {
        let (kept, _) = dumped(&plan(server.options(), &["bank"]));
        let sum = kept.sum("database/bank/tables/a", 1) + kept.sum("database/bank/tables/b", 1);
        assert_eq!(sum, 4_000_000);
    }
    writers.end();
}

#[test]
fn transfers_add_up_with_a_log() {
    bank_holds(&["--log-bin"]);
}

#[test]
fn transfers_add_up_without_a_log() {
    bank_holds(&[]);
}

/// A chain of tables of all engines: a writer counts up the first, then the second, and so on, so at
/// each instant none is ahead of the one before it, and the last is behind the first by one at most.
const CHAIN: &str = "CREATE DATABASE chain; USE chain;
CREATE TABLE c0 (id INT PRIMARY KEY, v BIGINT) ENGINE=MyISAM; INSERT INTO c0 VALUES (1,0);
CREATE TABLE c1 (id INT PRIMARY KEY, v BIGINT) ENGINE=InnoDB; INSERT INTO c1 VALUES (1,0);
CREATE TABLE c2 (v BIGINT, filler CHAR(100)) ENGINE=MyISAM; INSERT INTO c2 SELECT 0,'' FROM mysql.seq_1_to_30;
CREATE TABLE c3 (id INT PRIMARY KEY, v BIGINT) ENGINE=/*M! Aria*/ /*!80000 MyISAM*/; INSERT INTO c3 VALUES (1,0);
CREATE TABLE c4 (id INT PRIMARY KEY, v BIGINT) ENGINE=MEMORY; INSERT INTO c4 VALUES (1,0);
CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, v BIGINT, t VARCHAR(60)) ENGINE=MyISAM;
INSERT INTO log (v,t) SELECT 0, REPEAT('x',50) FROM mysql.seq_1_to_40000;
CREATE TABLE c5 (id INT PRIMARY KEY, v BIGINT) ENGINE=InnoDB; INSERT INTO c5 VALUES (1,0);
CREATE TABLE ring (id INT PRIMARY KEY, v BIGINT) ENGINE=MyISAM; INSERT INTO ring SELECT seq, seq FROM mysql.seq_1_to_9000;
CREATE TABLE less (id INT PRIMARY KEY, v BIGINT) ENGINE=MyISAM; INSERT INTO less SELECT seq, seq FROM mysql.seq_1_to_30000;
CREATE TABLE still (id INT PRIMARY KEY, v BIGINT) ENGINE=MyISAM; INSERT INTO still SELECT seq, seq FROM mysql.seq_1_to_30000;";

fn count_up(number: u64) -> Vec<String> {
    let set = |table: &str| format!("UPDATE chain.{table} SET v={}", number + 1);
    let log = format!("INSERT INTO chain.log (v,t) VALUES ({}, 'entry')", number + 1);
    // A ring of rows, each in the place of one that went, and rows that go from the front.
    let goes = |table: &str| format!("DELETE FROM chain.{table} WHERE id={}", number + 1);
    let comes = format!("INSERT INTO chain.ring VALUES ({0}, {0})", number + 9001);
    let ring = [goes("ring"), comes, goes("less")];
    [set("c0"), set("c1"), set("c2"), set("c3"), set("c4"), log, set("c5")].into_iter().chain(ring).collect()
}

#[track_caller]
fn chain_holds(kept: &Kept) {
    let column = |table: &str, column: usize| -> Vec<i64> {
        let text = kept.text(&format!("database/chain/tables/{table}"));
        text.iter().map(|row| row[column].parse().expect("a number")).collect()
    };
    let c2 = column("c2", 0);
    assert!(c2.len() == 30 && c2.iter().all(|v| v == &c2[0]), "one statement, two states: {c2:?}");
    let log = column("log", 1);
    let newest = log.last().copied().unwrap_or(0);
    assert_eq!(log.len() as i64, 40_000 + newest, "rows of the log");
    let values = [
        column("c0", 1)[0],
        column("c1", 1)[0],
        c2[0],
        column("c3", 1)[0],
        column("c4", 1)[0],
        newest,
        column("c5", 1)[0],
    ];
    assert!(values.windows(2).all(|pair| pair[0] >= pair[1]), "{values:?}");
    assert!(values[0] - values[6] <= 1, "{values:?}");
    assert_eq!(column("still", 1).len(), 30_000);
    for (table, rows) in [("ring", 8_999..=9_000), ("less", 0..=30_000)] {
        let ids = column(table, 0);
        assert!(rows.contains(&ids.len()), "{table}: {} rows", ids.len());
        assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{table}: a row is lost");
    }
    assert!(column("less", 0).last().is_none_or(|last| *last == 30_000), "less: rows are lost at its end");
}

fn chain_under_writers(options: &[&str]) -> Vec<DumpReport> {
    let server = Server::start(options);
    server.client("", CHAIN);
    // Old enough to be trusted.
    std::thread::sleep(Duration::from_millis(2100));
    let mut writers = Writers::none();
    writers.add(server.options(), Duration::from_millis(1), count_up);
    let mut wanted = plan(server.options(), &["chain"]);
    wanted.limits.chunk_rows = 500;
    wanted.limits.aim = Duration::from_millis(20);
    let mut reports = Vec::new();
    for _ in 0..rounds(6) {
        let (kept, report) = dumped(&wanted);
        chain_holds(&kept);
        reports.push(report);
    }
    writers.end();
    reports
}

#[test]
fn all_engines_are_of_one_instant() {
    let reports = chain_under_writers(&[]);
    let still = |r: &DumpReport| r.read_under_lock.iter().all(|name| name != "`chain`.`still`");
    assert!(reports.iter().all(still), "{reports:?}");
    assert!(reports.iter().all(|r| r.stall_us > 0 && r.stall_us < 2_000_000), "{reports:?}");
}

#[test]
fn counted_changes_prove_that_a_log_only_grew() {
    if mariadbs_own("userstat") {
        return;
    }
    chain_under_writers(&["--userstat=1", "--log-bin"]);
}
