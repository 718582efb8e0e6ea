//! Restore to a server against `myloader` with two threads and a dump piped into `mariadb`, on one
//! server with the same settings, in turns. What is measured is the whole restore: staging, loading,
//! reading back, switching.
//!
//! `COFFER_PRACTICE_SOCKET` is the socket of a server that has the database `practice` (or
//! `COFFER_PRACTICE_DATABASE`); it is only read. `COFFER_RUNS` is how often (3).

#[path = "../tests/mysql/server.rs"]
mod server;
#[path = "../tests/mysql/snapshot.rs"]
mod snapshot;

use coffer::mysql::load::{LoadOptions, apply, plan};
use coffer::mysql::options::ServerOptions;
use coffer::progress::Progress;
use server::{Server, program};
use snapshot::Snapshot;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

fn main() {
    let Some(socket) = std::env::var_os("COFFER_PRACTICE_SOCKET") else {
        println!("load: COFFER_PRACTICE_SOCKET names no server: nothing is measured");
        return;
    };
    let database = std::env::var("COFFER_PRACTICE_DATABASE").unwrap_or_else(|_| "practice".into());
    let runs = std::env::var("COFFER_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().expect("folder");
    let source =
        ServerOptions { socket: Some(socket.into()), user: Some("root".into()), ..ServerOptions::default() };
    let (dump, files) = (folder.path().join("dump.sql"), folder.path().join("files"));
    write_dumps(&source, &database, &dump, &files);
    let mut conn = coffer::mysql::connection::Connection::open(&source).expect("the practice's server");
    let snapshot = Snapshot::of(&mut conn, &[&database]);
    let target =
        Server::start(&["--local-infile=1", "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M"]);
    let (mut ours, mut loaders, mut clients) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(timed(|| coffer(&snapshot, &target), &target, &database));
        loaders.push(timed(|| myloader(&target, &files), &target, &database));
        clients.push(timed(|| piped(&target, &database, &dump), &target, &database));
        println!("coffer {:?} myloader {:?} mariadb {:?}", ours.last(), loaders.last(), clients.last());
    }
    tell("myloader -t 2", &loaders, &ours);
    tell("mariadb-dump | mariadb", &clients, &ours);
}

/// Seconds of `work`; the database is dropped afterwards.
fn timed(work: impl FnOnce(), target: &Server, database: &str) -> f64 {
    let began = Instant::now();
    work();
    let took = began.elapsed().as_secs_f64();
    target.sql(&format!("DROP DATABASE `{database}`"));
    took
}

fn tell(name: &str, theirs: &[f64], ours: &[f64]) {
    let mut ratios: Vec<f64> = theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "{name}: {:.2} times as long at least, {:.2} at the median",
        ratios[0],
        ratios[ratios.len() / 2]
    );
}

fn coffer(snapshot: &Snapshot, target: &Server) {
    let plan = plan(&snapshot.source, &target.options(), &LoadOptions::default()).expect("plan");
    let report = apply(&plan, snapshot, &Progress::default()).expect("load");
    assert!(!report.is_partial(), "{:?}", report.not_made);
    for table in report.databases.iter().flat_map(|d| &d.tables) {
        println!("  {} {} rows: {:?} + {:?}", table.table, table.rows, table.load, table.proof);
    }
}

fn myloader(target: &Server, files: &Path) {
    run(Command::new(program("myloader"))
        .args(["--threads=2", "--user=root", "--overwrite-tables"])
        .arg(format!("--socket={}", target.socket().display()))
        .arg(format!("--directory={}", files.display())));
}

fn piped(target: &Server, database: &str, dump: &Path) {
    target.sql(&format!("CREATE DATABASE `{database}`"));
    let input = std::fs::File::open(dump).expect("dump");
    run(Command::new(program("mariadb"))
        .args(["--no-defaults", "--user=root", database])
        .arg(format!("--socket={}", target.socket().display()))
        .stdin(input));
}

fn write_dumps(source: &ServerOptions, database: &str, dump: &Path, files: &Path) {
    let socket = source.socket.as_ref().expect("a socket").display();
    let output = std::fs::File::create(dump).expect("dump");
    run(Command::new(program("mariadb-dump"))
        .args(["--no-defaults", "--user=root", database])
        .arg(format!("--socket={socket}"))
        .stdout(output));
    run(Command::new(program("mydumper"))
        .args(["--threads=2", "--user=root", "--trx-consistency-only"])
        .arg(format!("--socket={socket}"))
        .arg(format!("--database={database}"))
        .arg(format!("--outputdir={}", files.display())));
}

fn run(command: &mut Command) {
    let status = command.stderr(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
}
