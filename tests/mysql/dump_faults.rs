//! Dumps while definitions change, the server dies, the connection breaks, rights are missing: all of
//! it, or an error and nothing.

use crate::dump_live::{Writers, rounds};
use crate::kept::{Kept, plan, take};
use crate::proxy::{Cut, Proxy, Side};
use crate::server::{Server, mariadbs_own, told};
use crate::trial::exits;
use coffer::entry::database::Consistency;
use coffer::error::{Error, Kind};
use coffer::mysql::dump::dump;
use coffer::progress::Progress;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const TABLES: &str = "CREATE DATABASE d; USE d;
CREATE TABLE i (id INT PRIMARY KEY, a INT, b INT) ENGINE=InnoDB; INSERT INTO i SELECT seq, 1, 2 FROM mysql.seq_1_to_20000;
CREATE TABLE j (id INT PRIMARY KEY, a INT, b INT) ENGINE=InnoDB PARTITION BY RANGE (id)
  (PARTITION p0 VALUES LESS THAN (5000), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO j SELECT seq, 1, 2 FROM mysql.seq_1_to_10000;
CREATE TABLE m (id INT PRIMARY KEY, a INT, b INT) ENGINE=MyISAM; INSERT INTO m SELECT seq, 1, 2 FROM mysql.seq_1_to_20000;
CREATE VIEW v AS SELECT id FROM i;";

/// Changes that each pass a state in which a dump that took it half would show: a value of 1 in `a`
/// and 2 in `b`, or nothing of the column, in all rows.
fn change(number: u64) -> Vec<String> {
    let list: [&[&str]; 12] = [
        &["ALTER TABLE d.i ADD COLUMN c INT DEFAULT 3 FIRST", "ALTER TABLE d.i DROP COLUMN c"],
        &["ALTER TABLE d.i DROP COLUMN a", "ALTER TABLE d.i ADD COLUMN a INT DEFAULT 1"],
        &["ALTER TABLE d.m CHANGE a x INT", "ALTER TABLE d.m CHANGE x a INT"],
        &["ALTER TABLE d.i ENGINE=MyISAM", "ALTER TABLE d.i ENGINE=InnoDB"],
        &["ALTER TABLE d.m ADD INDEX (a)", "ALTER TABLE d.m DROP INDEX a"],
        &["RENAME TABLE d.i TO d.k", "RENAME TABLE d.k TO d.i"],
        &[
            "ALTER TABLE d.j TRUNCATE PARTITION p0",
            "INSERT INTO d.j SELECT seq, 1, 2 FROM mysql.seq_1_to_4999",
        ],
        &["CREATE TABLE d.n (id INT PRIMARY KEY, a INT, b INT) ENGINE=MyISAM", "DROP TABLE d.n"],
        &["DROP VIEW d.v", "CREATE VIEW d.v AS SELECT id FROM d.i"],
        &["CREATE TRIGGER d.t BEFORE INSERT ON d.i FOR EACH ROW SET NEW.a=1", "DROP TRIGGER d.t"],
        &["ALTER TABLE d.m MODIFY a BIGINT", "ALTER TABLE d.m MODIFY a INT"],
        &["OPTIMIZE TABLE d.m", "ALTER TABLE d.i FORCE"],
    ];
    list[(number % 12) as usize].iter().map(|sql| (*sql).to_owned()).collect()
}

#[track_caller]
fn is_whole(kept: &Kept) {
    for (name, counts) in [("i", &[20_000][..]), ("k", &[20_000]), ("j", &[10_000, 5_001]), ("m", &[20_000])]
    {
        let path = format!("database/d/tables/{name}");
        let Some((record, _)) = kept.tables.lock().expect("tables").get(&path).cloned() else {
            let notes = kept.notes.lock().expect("notes");
            assert!(name == "i" || name == "k", "{name} is missing: {notes:?}");
            continue;
        };
        let rows = kept.text(&path);
        assert!(counts.contains(&rows.len()), "{name} has {} rows", rows.len());
        for (at, column) in record.columns.iter().enumerate() {
            let expected = match column.name.as_str() {
                "a" | "x" => "1",
                "b" => "2",
                "c" => "3",
                _ => continue,
            };
            assert!(rows.iter().all(|row| row[at] == expected), "{name}.{}: {:?}", column.name, rows[0]);
        }
    }
    let tables = kept.tables.lock().expect("tables");
    let has = |name: &str| tables.contains_key(&format!("database/d/tables/{name}"));
    assert!(has("i") != has("k"), "the renamed table comes once");
}

#[test]
fn changed_definitions_never_make_half_a_dump() {
    let server = Server::start(&["--log-bin"]);
    server.client("", TABLES);
    let mut done = 0;
    for number in 0..rounds(12) as u64 {
        let mut writers = Writers::none();
        writers.add(server.options(), Duration::from_millis(25 + number % 12 * 40), move |_| change(number));
        let mut wanted = plan(server.options(), &["d"]);
        wanted.limits.restarts = 3;
        match take(&wanted) {
            Ok((kept, _)) => {
                done += 1;
                is_whole(&kept);
            }
            Err(error) => assert_eq!(error.kind(), Kind::Database, "{}", told(&error)),
        }
        writers.end();
    }
    assert!(done > 0, "no dump ever came about");
}

#[track_caller]
fn fails_clean(kept: &Kept, result: Result<(), Error>) {
    let error = result.expect_err("a dump without a server");
    assert!(matches!(error.kind(), Kind::Database), "{}", told(&error));
    assert_eq!(kept.ended.load(Ordering::Relaxed), 0, "a table was handed over");
    assert!(kept.entries.lock().expect("entries").is_empty());
}

#[test]
fn a_cut_at_any_packet_leaves_nothing() {
    let server = Server::start(&["--log-bin"]);
    server.client("", TABLES);
    let whole = Proxy::start(&server.options(), None);
    take(&plan(whole.options(), &["d"])).expect("through the proxy");
    let packets = whole.packets(Side::Server);
    let mut failed = 0;
    for round in 0..rounds(8) as u64 {
        let after = packets * (round * 13 % 97 + 1) / 100 + round * 7;
        let cut = Cut { side: Side::Server, after, everything: round % 2 == 0 };
        let proxy = Proxy::start(&server.options(), Some(cut));
        let kept = Kept::default();
        match dump(&plan(proxy.options(), &["d"]), &kept, &Progress::default()) {
            // A connection that was no longer needed.
            Ok(_) => is_whole(&kept),
            Err(error) => {
                failed += 1;
                fails_clean(&kept, Err(error));
            }
        }
    }
    assert!(failed > 0, "no cut was felt");
}

#[test]
fn a_killed_server_and_a_stopped_one_leave_nothing() {
    let mut server = Server::start(&[]);
    server.client("", TABLES);
    for delay in [5, 40, 150] {
        let mut wanted = plan(server.options(), &["d"]);
        wanted.limits.silence = Duration::from_secs(1);
        let kept = Kept::default();
        let result = std::thread::scope(|scope| {
            let dumping = scope.spawn(|| {
                (0..100).try_for_each(|_| {
                    let again = Kept::default();
                    dump(&wanted, &again, &Progress::default()).map(drop).inspect_err(|_| {
                        kept.ended.fetch_add(again.ended.load(Ordering::Relaxed), Ordering::Relaxed);
                    })
                })
            });
            std::thread::sleep(Duration::from_millis(delay));
            match delay {
                40 => server.stop(),
                _ => server.kill9(),
            }
            dumping.join().expect("dump")
        });
        fails_clean(&kept, result);
        match delay {
            40 => server.cont(),
            _ => server.revive(),
        }
    }
}

#[test]
fn missing_rights_are_named_and_accepted_only_when_told() {
    let server = Server::start(&[]);
    server.client("", TABLES);
    server.client("", "CREATE USER few@localhost IDENTIFIED BY 'x'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON d.* TO few@localhost;
        GRANT /*M! SELECT ON mysql.proc*/ /*!80000 SHOW_ROUTINE ON *.**/ TO few@localhost; CREATE USER fewer@localhost IDENTIFIED BY 'x'; GRANT SELECT ON d.* TO fewer@localhost;");
    let few = server.options_as("few", "x");
    let error = take(&plan(few.clone(), &["d"])).err().expect("no lock");
    assert_eq!(error.kind(), Kind::Database);
    assert!(
        error.to_string().contains("RELOAD") && error.remedy().is_some_and(|r| r.contains("GRANT RELOAD"))
    );
    let mut wanted = plan(few, &["d"]);
    wanted.accept_per_table = true;
    let (kept, report) = take(&wanted).expect("per table");
    assert_eq!(
        (report.consistency, kept.server().consistency),
        (Consistency::PerTable, Consistency::PerTable)
    );
    is_whole(&kept);

    let mut wanted = plan(server.options_as("fewer", "x"), &["d"]);
    wanted.accept_per_table = true;
    let error = take(&wanted).err().expect("triggers would be hidden");
    assert!(error.to_string().contains("TRIGGER"), "{error}");
    wanted.accept_partial = true;
    let (kept, _) = take(&wanted).expect("partial");
    let notes = kept.notes.lock().expect("notes").clone();
    assert!(notes.iter().any(|(note, is_loss)| *is_loss && note.contains("TRIGGER")), "{notes:?}");
}

#[test]
fn a_lock_that_is_not_to_be_had_names_who_is_in_the_way() {
    let server = Server::start(&[]);
    server.client("", TABLES);
    let mut writers = Writers::none();
    writers.add(server.options(), Duration::ZERO, |_| {
        vec!["UPDATE d.i SET a=1 WHERE id=1 AND SLEEP(3)=0".into()]
    });
    std::thread::sleep(Duration::from_millis(200));
    let mut wanted = plan(server.options(), &["d"]);
    wanted.limits.patience = Duration::from_millis(900);
    wanted.limits.pause = Duration::from_millis(20);
    let began = Instant::now();
    let error = take(&wanted).err().expect("in the way");
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(error.to_string().contains("SLEEP(3)"), "{error}");
    writers.end();
}

/// A table whose rows another server keeps, and another engine beside it for each way of reading.
const AWAY: &str = "INSTALL SONAME 'ha_federatedx'; CREATE DATABASE d; USE d;
CREATE TABLE near (a INT PRIMARY KEY, b INT, UNIQUE (b)); INSERT INTO near VALUES (7, 8);
CREATE TABLE plain (a INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO plain VALUES (1), (2);
CREATE TABLE child (a INT, FOREIGN KEY (a) REFERENCES near (a)); INSERT INTO child VALUES (7);
CREATE SERVER away FOREIGN DATA WRAPPER mysql OPTIONS (SOCKET 'SELF', DATABASE 'd', USER 'root', PASSWORD '');
CREATE TABLE far (a INT PRIMARY KEY) ENGINE=FEDERATED CONNECTION='away/near';
ALTER SERVER away OPTIONS (SOCKET '/nowhere'); FLUSH TABLES";

#[test]
fn a_table_whose_server_is_away_costs_no_other() {
    if mariadbs_own("a FEDERATED engine that is not switched off") {
        return;
    }
    let server = Server::start(&["--local-infile=1"]);
    server.client("", &AWAY.replace("SELF", &server.socket().display().to_string()));
    let whole = server.connect().rows("SELECT * FROM information_schema.TABLES WHERE TABLE_SCHEMA='d'");
    assert!(whole.is_err(), "the server answers for all tables at once: this shows nothing");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &server, "init c --no-encryption", 0);
    let run = exits(path, &server, "doctor --database d", 3);
    assert!(run.said.contains("engine federated (1 of d)"), "{}", run.said);
    let run = exits(path, &server, "backup c --database d", 0);
    assert!(run.said.contains("`d`.`far` is a FEDERATED table"), "{}", run.said);
    // Into the same server, where foreign keys from everywhere are looked for.
    let run =
        exits(path, &server, "restore c latest --to-server --database d --table d.near --replace --yes", 0);
    assert!(run.said.contains("read back and compared"), "{}", run.said);
    let run = exits(path, &server, "restore c latest --to-server --as e", 3);
    assert!(run.said.contains("table `e`.`far` could not be made"), "{}", run.said);
    assert_eq!(
        server.client("e", "SELECT a, b FROM near; SELECT SUM(a) FROM plain; SELECT a FROM child"),
        "7\t8\n3\n7\n"
    );
}
