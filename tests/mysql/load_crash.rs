//! Restores that are cut off: at every packet, by the server's death, by its silence. After each, the
//! live database is what it was or running the restore again finishes it; never anything between.

use crate::load_odd::{ODD, assert_equal, load};
use crate::proxy::{Cut, Proxy, Side};
use crate::server::{Server, told};
use crate::snapshot::Snapshot;
use coffer::error::Kind;
use coffer::mysql::load::{LoadOptions, Unfinished, apply, plan};
use coffer::progress::Progress;
use std::time::Duration;

/// What stands there before: another database with triggers, views, routines and events.
const LIVE: &str = "DROP DATABASE IF EXISTS odd; CREATE DATABASE odd; USE odd;
    CREATE TABLE parent (id INT PRIMARY KEY, a INT); CREATE TABLE mine (id INT PRIMARY KEY, p INT, 
      CONSTRAINT mine_1 FOREIGN KEY (p) REFERENCES parent (id));
    INSERT INTO parent VALUES (1,1),(2,2); INSERT INTO mine VALUES (1,2);
    CREATE TABLE log (a INT) ENGINE=MyISAM; INSERT INTO log VALUES (5);
    CREATE TRIGGER second_t BEFORE INSERT ON parent FOR EACH ROW SET NEW.a = 9;
    CREATE VIEW v_two AS SELECT id FROM mine; CREATE PROCEDURE `p 1`() SELECT 2;
    CREATE EVENT ev ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO DELETE FROM log;";

fn replacing() -> LoadOptions<'static> {
    LoadOptions { replace: true, threads: 1, ..LoadOptions::default() }
}

/// Whether all of what could be tried is tried, or a share.
fn is_full() -> bool {
    std::env::var("COFFER_CAMPAIGN").is_ok_and(|campaign| campaign == "full")
}

#[test]
fn a_cut_at_any_packet_leaves_the_old_or_is_finished_by_another_run() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", ODD);
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    server.client("", LIVE);
    let live = Snapshot::of(&mut server.connect(), &["odd"]);
    let packets = {
        let proxy = Proxy::start(&server.options(), None);
        let ready = plan(&snapshot.source, &proxy.options(), &replacing()).expect("plan");
        let before = proxy.packets(Side::Client);
        apply(&ready, &snapshot, &Progress::default()).unwrap_or_else(|e| panic!("{}", told(&e)));
        before..proxy.packets(Side::Client)
    };
    let (mut cuts, mut resumed) = (0, 0);
    for (turn, after) in packets.step_by(if is_full() { 1 } else { 23 }).enumerate() {
        server.client("", LIVE);
        let everything = turn % 2 == 0;
        let proxy = Proxy::start(&server.options(), Some(Cut { side: Side::Client, after, everything }));
        let ready = plan(&snapshot.source, &proxy.options(), &replacing()).expect("before the cut");
        let result = apply(&ready, &snapshot, &Progress::default());
        drop(proxy);
        let again = plan(&snapshot.source, &server.options(), &replacing()).expect("a look");
        match (&result, again.parts[0].unfinished) {
            // The last packets only say goodbye.
            (Ok(_), _) => assert_equal(&snapshot, &server, "odd"),
            (Err(_), Unfinished::Switching) => resumed += 1,
            (Err(error), unfinished) => {
                let is_done = server.sql("SHOW TABLES FROM odd LIKE 'heap'").len() == 1;
                if !is_done {
                    let mut now = Snapshot::of(&mut server.connect(), &["odd"]);
                    now.source.server = live.source.server.clone();
                    let whole = |s: &Snapshot| format!("{:?}", s.source.databases);
                    assert_eq!(whole(&live), whole(&now), "packet {after}: {} {unfinished:?}", told(error));
                }
            }
        }
        cuts += usize::from(result.is_err());
        assert_eq!(again.obstacles, Vec::new(), "packet {after}");
        let report = apply(&again, &snapshot, &Progress::default())
            .unwrap_or_else(|e| panic!("packet {after}: again: {}", told(&e)));
        assert_eq!(report.not_made, Vec::<String>::new(), "packet {after}");
        assert_equal(&snapshot, &server, "odd");
    }
    assert!(cuts >= 5 && resumed >= 1, "{cuts} cuts, {resumed} in the switch");
}

#[test]
fn a_server_that_dies_or_is_silent_while_loading_costs_nothing() {
    let mut server = Server::start(&["--local-infile=1", "--innodb-flush-log-at-trx-commit=1"]);
    server.client("", ODD);
    server.client(
        "odd",
        "INSERT INTO parts SELECT seq, '2021-01-01', REPEAT('n',90) FROM mysql.seq_4000_to_90000",
    );
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    server.client("", LIVE);
    for round in 0..if is_full() { 40 } else { 4 } {
        let pause = Duration::from_millis(60 + 70 * round);
        let ready = plan(&snapshot.source, &server.options(), &replacing()).expect("plan");
        let result = std::thread::scope(|scope| {
            let loading = scope.spawn(|| apply(&ready, &snapshot, &Progress::default()));
            std::thread::sleep(pause);
            match round % 2 {
                0 => server.kill9(),
                _ => {
                    server.stop();
                    std::thread::sleep(Duration::from_millis(300));
                    server.cont();
                }
            }
            loading.join().expect("thread")
        });
        match result {
            Err(error) => {
                assert!(round % 2 == 0, "{}", told(&error));
                assert_eq!(error.kind(), Kind::Database, "{}", told(&error));
                server.revive();
                server.client("", "SELECT COUNT(*) FROM odd.parent");
            }
            Ok(_) if round % 2 == 0 => server.revive(),
            Ok(_) => {}
        }
        load(&snapshot, &server, &replacing());
        // Files that a killed server left without a table may keep an empty staging database alive.
        if server
            .sql("SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA='odd__restoring'")
            .is_empty()
        {
            let _ = server.try_client("", b"DROP DATABASE odd__restoring");
            let _ = std::fs::remove_dir_all(server.data().join("odd__restoring"));
        }
        assert_equal(&snapshot, &server, "odd");
        server.client("", LIVE);
    }
}

#[test]
fn a_source_that_breaks_off_or_lies_leaves_the_old_database() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", ODD);
    let mut snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    server.client("", LIVE);
    let attempt = |snapshot: &Snapshot| {
        let ready = plan(&snapshot.source, &server.options(), &replacing()).expect("plan");
        let error = apply(&ready, snapshot, &Progress::default()).expect_err("a load of something else");
        assert_eq!(error.kind(), Kind::Damaged, "{}", told(&error));
        assert_eq!(server.value("SELECT a FROM odd.log").as_deref(), Some("5"));
        assert!(server.sql("SHOW DATABASES LIKE '%restoring'").is_empty(), "nothing is left");
        error.to_string()
    };
    snapshot.break_after("parts", 2);
    assert!(attempt(&snapshot).contains("a chunk is lost"));
    snapshot.broken.lock().unwrap().clear();
    let states = |snapshot: &mut Snapshot, rows| snapshot.table("no_key").rows = rows;
    states(&mut snapshot, 4);
    assert!(attempt(&snapshot).contains("states 4 rows"));
    states(&mut snapshot, 3);
    load(&snapshot, &server, &replacing());
    assert_equal(&snapshot, &server, "odd");
}

/// A small disk in place of a server's data folder; goes when dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(server: &mut Server, megabytes: u32) -> SmallDisk {
        server.kill9();
        let (data, aside) = (server.data(), server.data().with_extension("aside"));
        std::fs::rename(&data, &aside).expect("aside");
        std::fs::create_dir(&data).expect("folder");
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| {
            let status = std::process::Command::new(program).args(arguments).status();
            assert!(status.is_ok_and(|status| status.success()), "{program} {arguments:?}");
        };
        let options = format!("size={megabytes}m");
        run(
            "mount",
            &[
                "-t".as_ref(),
                "tmpfs".as_ref(),
                "-o".as_ref(),
                options.as_ref(),
                "none".as_ref(),
                data.as_ref(),
            ],
        );
        run("cp", &["-a".as_ref(), aside.join(".").as_ref(), data.as_ref()]);
        server.revive();
        SmallDisk(data)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A table of 900,000 rows in `engine`, as a snapshot that says nothing of its size.
fn large(engine: &str) -> Snapshot {
    let server = Server::start(&["--local-infile=1"]);
    server.client(
        "",
        &format!(
            "CREATE DATABASE odd; USE odd; CREATE TABLE big (a INT, b VARCHAR(200)) ENGINE={engine};
            INSERT INTO big SELECT seq, REPEAT('x',200) FROM mysql.seq_1_to_900000"
        ),
    );
    let mut snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    snapshot.table("big").server_bytes = 1;
    snapshot
}

#[track_caller]
fn costs_nothing(snapshot: &Snapshot, full: &Server, what: &str) {
    let ready = plan(&snapshot.source, &full.options(), &replacing()).expect("plan");
    let error = apply(&ready, snapshot, &Progress::default()).expect_err("no room");
    assert_eq!(error.kind(), Kind::Full, "{what}: {}", told(&error));
    assert_eq!(full.value("SELECT a FROM odd.log").as_deref(), Some("5"));
    // An engine that waits for room may still hold its table; the next restore removes it.
    let again = plan(&snapshot.source, &full.options(), &replacing()).expect("a look");
    assert_ne!(again.parts[0].unfinished, Unfinished::Switching, "{what}");
}

/// Room that ends by the server's own limits: nobody needs a right for that.
#[test]
fn a_table_without_room_ends_the_restore_and_costs_nothing() {
    let small = "--innodb-data-file-path=ibdata1:12M:autoextend:max:60M";
    let limits = [
        ("InnoDB", vec!["--innodb-file-per-table=0", small]),
        ("MyISAM", vec!["--myisam-data-pointer-size=2"]),
    ];
    for (engine, limit) in limits {
        let snapshot = large(engine);
        let options = [vec!["--local-infile=1"], limit].concat();
        let full = Server::start(&options);
        full.client("", LIVE);
        costs_nothing(&snapshot, &full, engine);
    }
}

/// Needs the right to mount, and minutes: in the short campaign the test above stands for it.
#[test]
fn a_full_disk_of_the_server_ends_the_restore_and_costs_nothing() {
    for engine in ["InnoDB", "MyISAM", "Aria"].into_iter().filter(|_| is_full()) {
        let snapshot = large(engine);
        let mut full = Server::start(&["--local-infile=1", "--innodb-log-file-size=8M"]);
        full.client("", LIVE);
        let disk = SmallDisk::mount(&mut full, 190);
        costs_nothing(&snapshot, &full, engine);
        drop(full);
        drop(disk);
    }
}

#[test]
fn a_wish_to_stop_ends_a_load_that_the_server_holds_up() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", ODD);
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    server.client("", LIVE);
    let progress = Progress::default();
    let options = LoadOptions { threads: 2, ..replacing() };
    let ready = plan(&snapshot.source, &server.options(), &options).expect("plan");
    let mut locker = server.connect();
    let error = std::thread::scope(|scope| {
        let loading = scope.spawn(|| apply(&ready, &snapshot, &progress));
        // Somebody holds a table of the staging database.
        while locker.execute("LOCK TABLES `odd__restoring`.heap READ").is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(500));
        progress.interrupt();
        let began = std::time::Instant::now();
        let result = loading.join().expect("thread");
        assert!(began.elapsed() < Duration::from_secs(20));
        locker.execute("UNLOCK TABLES").expect("unlock");
        result
    });
    match error {
        Err(error) => assert_eq!(error.kind(), Kind::Interrupted, "{}", told(&error)),
        Ok(report) => assert!(report.rows() > 0, "it was done before"),
    }
    load(&snapshot, &server, &replacing());
    assert_equal(&snapshot, &server, "odd");
}
