//! A live practice on MyISAM: how long its writers wait for a dump, and how fast the dump is.
//!
//! `cargo bench --bench live_dump -- [--megabytes N] [--userstat]` makes N MB (default 100; a practice
//! has 1000) in 300 tables, 20 of them hot, and a log of half of that size that is written every
//! second, dumps it while writers run and says their longest wait, then that under
//! `mariadb-dump --lock-all-tables`.
//! `… -- --socket PATH --database NAME [--threads N]` only times a dump of a server that is there.

#[path = "../tests/mysql/server.rs"]
mod server;

use coffer::entry::Entry;
use coffer::error::Result;
use coffer::mysql::connection::Connection;
use coffer::mysql::dump::{DumpPlan, dump};
use coffer::mysql::options::ServerOptions;
use coffer::mysql::stream::{DumpSink, TableStream};
use coffer::progress::Progress;
use coffer::rows::ChunkSink;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts bytes and keeps nothing.
#[derive(Default)]
struct Nothing(AtomicU64);

struct Counting<'a>(&'a AtomicU64);

impl DumpSink for Nothing {
    fn table(&self, _: &coffer::entry::EntryPath) -> Result<Box<dyn TableStream + '_>> {
        Ok(Box::new(Counting(&self.0)))
    }
    fn entry(&self, _: Entry) -> Result<()> {
        Ok(())
    }
    fn note(&self, note: String, _: bool) -> Result<()> {
        println!("note: {note}");
        Ok(())
    }
}

impl ChunkSink for Counting<'_> {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.0.fetch_add(parts.iter().map(|part| part.len() as u64).sum(), Ordering::Relaxed);
        Ok(())
    }
}

impl TableStream for Counting<'_> {
    fn finish(self: Box<Self>, _: Entry) -> Result<()> {
        Ok(())
    }
}

fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.next()?;
    arguments.next()
}

fn number(name: &str, usual: u64) -> u64 {
    option(name).and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn main() {
    match option("--socket") {
        Some(socket) => {
            let server = ServerOptions {
                socket: Some(socket.into()),
                user: Some("root".into()),
                ..ServerOptions::default()
            };
            timed(server, &option("--database").expect("--database"));
        }
        None => practice(number("--megabytes", 100)),
    }
}

fn timed(server: ServerOptions, database: &str) {
    let threads = number("--threads", 2) as usize;
    let plan = DumpPlan { server, databases: Some(vec![database.into()]), threads, ..DumpPlan::default() };
    let sink = Nothing::default();
    let began = Instant::now();
    let report =
        dump(&plan, &sink, &Progress::default()).unwrap_or_else(|error| panic!("{}", server::told(&error)));
    println!(
        "dump: {:.2} s, {} tables, {} rows, {} MB, {} MB of chunks, stall {:.3} s, {} tables read under the lock",
        began.elapsed().as_secs_f64(),
        report.tables,
        report.rows,
        report.bytes / 1_000_000,
        sink.0.load(Ordering::Relaxed) / 1_000_000,
        report.stall_us as f64 / 1e6,
        report.read_under_lock.len(),
    );
}

/// 300 tables, half of the bytes in a log.
fn fill(server: &server::Server, megabytes: u64) {
    let rows = megabytes * 1_000_000 / 2 / 230;
    server.client("", "CREATE DATABASE practice");
    let mut script = String::from("USE practice;\n");
    script += "CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME, who INT, t VARCHAR(300)) ENGINE=MyISAM;\n";
    script += &format!(
        "INSERT INTO log (at,who,t) SELECT NOW(), seq%50, REPEAT(MD5(seq),6) FROM mysql.seq_1_to_{};\n",
        rows.max(1)
    );
    for table in 0..300 {
        script += &format!(
            "CREATE TABLE t{table} (id INT AUTO_INCREMENT PRIMARY KEY, v BIGINT, f FLOAT, t VARCHAR(300)) ENGINE=MyISAM;\n\
             INSERT INTO t{table} (v,f,t) SELECT seq, seq/7, REPEAT(MD5(seq),6) FROM mysql.seq_1_to_{};\n",
            (rows / 300).max(1)
        );
    }
    server.client("", &script);
}

fn practice(megabytes: u64) {
    let userstat = if std::env::args().any(|a| a == "--userstat") { "--userstat=1" } else { "--userstat=0" };
    let server = server::Server::start(&["--key-buffer-size=128M", userstat]);
    fill(&server, megabytes);
    std::thread::sleep(Duration::from_secs(3));
    println!("{megabytes} MB of MyISAM in 301 tables, 20 hot, {userstat}");
    println!(
        "writers alone: longest wait {:.3} s",
        waiting(&server, || std::thread::sleep(Duration::from_secs(5)))
    );
    let stall = waiting(&server, || timed(server.options(), "practice"));
    println!("coffer: longest wait of a writer {stall:.3} s");
    let stall = waiting(&server, || {
        let status = Command::new(server::program("mariadb-dump"))
            .args(["--no-defaults", "-uroot", "--lock-all-tables", "practice"])
            .arg(format!("--socket={}", server.socket().display()))
            .stdout(Stdio::null())
            .status();
        assert!(status.is_ok_and(|s| s.success()));
    });
    println!("mariadb-dump --lock-all-tables: longest wait of a writer {stall:.3} s");
}

/// The longest statement, in seconds, of writers that run during `work`.
fn waiting(server: &server::Server, work: impl FnOnce()) -> f64 {
    let (stop, longest) = (AtomicBool::new(false), AtomicU64::new(0));
    let write = |pause: u64, sql: &(dyn Fn(u64) -> String + Sync)| {
        let mut conn = Connection::open(&server.options()).expect("a writer");
        let mut round = 0;
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            conn.execute(&sql(round)).expect("a write");
            longest.fetch_max(began.elapsed().as_micros() as u64, Ordering::Relaxed);
            round += 1;
            std::thread::sleep(Duration::from_millis(pause));
        }
    };
    let logging =
        |n: u64| format!("INSERT INTO practice.log (at,who,t) VALUES (NOW(), {n}, 'looked at a chart')");
    let hot = |n: u64| format!("UPDATE practice.t{} SET v=v+1 WHERE id={}", n % 20, n % 100 + 1);
    std::thread::scope(|scope| {
        scope.spawn(|| write(200, &logging));
        scope.spawn(|| write(30, &hot));
        scope.spawn(|| write(50, &hot));
        std::thread::sleep(Duration::from_millis(300));
        work();
        stop.store(true, Ordering::Relaxed);
    });
    longest.load(Ordering::Relaxed) as f64 / 1e6
}
