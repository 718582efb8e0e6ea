//! What people ask for and cannot have, or get with a word of warning.

use crate::kept::{plan, take};
use crate::load_odd::load;
use crate::server::{Make, Server, told};
use crate::snapshot::Snapshot;
use crate::trial::exits;
use crate::zoo;
use coffer::error::Kind;
use coffer::mysql::load::{Definers, LoadOptions, apply, plan as plan_load};
use coffer::progress::Progress;
use std::time::Duration;

const SHOP: &str = "CREATE DATABASE shop; USE shop; CREATE TABLE t (a INT PRIMARY KEY); INSERT INTO t VALUES (1),(2);
CREATE TABLE audit (a INT); CREATE TRIGGER watch AFTER INSERT ON t FOR EACH ROW INSERT INTO audit VALUES (NEW.a);
CREATE VIEW v AS SELECT a FROM t; /*M! CREATE SEQUENCE s*/ /*!80000 CREATE VIEW s AS SELECT 1*/;
CREATE TABLE gone (x INT); CREATE VIEW dead AS SELECT x FROM gone; DROP TABLE gone;";

#[test]
fn what_cannot_be_had_is_refused_in_clear_words() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", SHOP);
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &server, "init c --no-encryption", 0);
    for name in ["mysql", "information_schema", "PERFORMANCE_SCHEMA", "sys"] {
        let run = exits(path, &server, &format!("backup c --database {name}"), 2);
        assert!(run.said.contains("server's own"), "{}", run.said);
        assert_eq!(run.said.contains("--users"), name == "mysql", "{}", run.said);
    }
    exits(path, &server, "backup c --database shop", 0);
    let what = if Make::asked().is_mysql() { "is a view" } else { "is a sequence" };
    for (table, word, code) in
        [("shop.v", "is a view", 2), ("shop.s", what, 2), ("shop.x", "has no table", 10)]
    {
        let run =
            exits(path, &server, &format!("restore c latest --to-server --as copy --table {table}"), code);
        assert!(run.said.contains(word), "{table}: {}", run.said);
    }
    let run = exits(path, &server, "restore c latest --to-server --as copy --definers nobody@nowhere", 2);
    assert!(run.said.contains("nobody@nowhere") && run.said.contains("nothing was touched"), "{}", run.said);
    assert!(server.sql("SHOW DATABASES LIKE 'copy%'").is_empty());
    // A trigger whose other table does not come with it.
    let run = exits(path, &server, "restore c latest --to-server --as copy --table shop.t", 0);
    assert!(run.said.contains("trigger `watch`") && run.said.contains("`audit`"), "{}", run.said);
    server.sql("DROP DATABASE copy");
    let run = exits(path, &server, "restore c latest --to out", 0);
    assert!(run.said.contains("`dead` was dead already"), "{}", run.said);
    // Nothing shows the program from inside.
    let run = exits(path, &server, "backup c --database shop --mysql-user nobody", 13);
    // A MySQL may ask somebody whom it does not know for the password in any way.
    let is_said = run.said.contains("Access denied") || run.said.contains("has no such user");
    assert!(is_said && !run.said.contains("MySqlError"), "{}", run.said);
    let run = exits(path, &server, "backup c --database shop --mysql-socket /nowhere/sock", 13);
    assert!(!run.said.contains("DriverError") && !run.said.contains("IoError"), "{}", run.said);
}

#[test]
fn rows_that_need_a_longer_packet_say_so_in_the_file() {
    let server = Server::start(&["--max-allowed-packet=64M"]);
    server.client(
        "",
        "CREATE DATABASE shop; CREATE TABLE shop.t (a INT PRIMARY KEY, b MEDIUMBLOB);
         INSERT INTO shop.t VALUES (1, REPEAT('x', 9000000)), (2, 'y')",
    );
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &server, "init c --no-encryption", 0);
    server.client("", "CREATE USER `o'b;\\`@localhost IDENTIFIED BY 'x'; GRANT SELECT ON shop.* TO `o'b;\\`@localhost; CREATE ROLE desk");
    exits(path, &server, "backup c --database shop --users", 0);
    let run = exits(path, &server, "restore c latest --to out", 0);
    assert!(run.said.contains("max_allowed_packet=33554432"), "{}", run.said);
    let grants = server.sql("SHOW GRANTS FOR `o'b;\\`@localhost");
    server.client("", "DROP USER `o'b;\\`@localhost; DROP ROLE desk");
    let users = std::fs::read_to_string(path.join("out/database/@server.users.sql")).expect("file");
    server.client("", &users);
    assert_eq!(server.sql("SHOW GRANTS FOR `o'b;\\`@localhost"), grants);
    let is_role = if Make::asked().is_mysql() { "User='desk' AND account_locked='Y'" } else { "is_role='Y'" };
    let roles = format!("SELECT COUNT(*) FROM mysql.user WHERE {is_role}");
    assert_eq!(server.value(&roles).as_deref(), Some("1"));
    let text = std::fs::read_to_string(path.join("out/database/shop.sql")).expect("file");
    assert!(text.lines().take(3).any(|line| line.contains("max_allowed_packet=33554432")));
    server.sql("DROP DATABASE shop");
    server.client("", &text);
    assert_eq!(server.value("SELECT SUM(LENGTH(b)) FROM shop.t").as_deref(), Some("9000001"));
}

/// Dead views, and views with bytes of other character sets, exist again on a server.
#[test]
fn the_zoo_comes_back_to_a_server() {
    let (first, second) = (Server::start(&["--local-infile=1"]), Server::start(&["--local-infile=1"]));
    zoo::build(&mut first.connect(), "zoo");
    let snapshot = Snapshot::of(&mut first.connect(), &["zoo"]);
    let report = load(&snapshot, &second, &LoadOptions::default());
    // It wants a column of a table that is there.
    let is_mysql = Make::asked().is_mysql();
    let not_made = &report.not_made;
    let lost = not_made.iter().filter(|lost| lost.contains("`dead_column`")).count();
    assert!(not_made.len() == lost && lost == usize::from(!is_mysql), "{not_made:?}");
    let told = report.notes.iter().any(|note| note.contains("`documents`: decimals inside of JSON"));
    assert_eq!(told, is_mysql, "{:?}", report.notes);
    let dead = report.notes.iter().filter(|note| note.contains("is dead, as it was")).count();
    assert_eq!(dead, if is_mysql { 1 } else { 3 }, "{:?}", report.notes);
    let found = crate::compare::differences((&mut first.connect(), "zoo"), (&mut second.connect(), "zoo"));
    let known = if is_mysql { "rows of documents" } else { "view dead_column" };
    assert!(found.iter().all(|d| d.starts_with(known)), "{}", found.join("\n"));
    let bytes = second.client("zoo", "SELECT HEX(e), HEX(b), HEX(u) FROM foreign_bytes");
    assert_eq!(bytes, "E9\tFF00\t00E9\n");
    let left = "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE COLUMN_NAME='coffer_stand_in'";
    assert_eq!(second.value(left).as_deref(), Some("0"));
    for comment in [
        "SELECT HEX(ROUTINE_COMMENT) FROM information_schema.ROUTINES WHERE ROUTINE_NAME='back_slash'",
        "SELECT HEX(EVENT_COMMENT) FROM information_schema.EVENTS WHERE EVENT_NAME='back_slashed'",
    ] {
        assert_eq!(second.value(comment), first.value(comment));
    }
}

#[test]
fn objects_do_not_go_to_a_user_who_is_not_there() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", SHOP);
    let snapshot = Snapshot::of(&mut server.connect(), &["shop"]);
    let to = |user: &str| LoadOptions {
        definers: Definers::Rewrite(user.into()),
        rename_to: Some("copy".into()),
        ..LoadOptions::default()
    };
    let refused = plan_load(&snapshot.source, &server.options(), &to("ann@localhost")).expect("a look");
    assert_eq!(refused.ready().expect_err("unknown").kind(), Kind::Usage);
    assert!(apply(&refused, &snapshot, &Progress::default()).is_err());
    assert!(server.sql("SHOW DATABASES LIKE 'copy%'").is_empty());
    server.sql("CREATE USER ann@localhost");
    // The dead view's text names its database, which it cannot leave, where the vendor tells it so.
    let not_made = load(&snapshot, &server, &to("ann@localhost")).not_made;
    let moves = Make::asked().is_mysql() && not_made.is_empty();
    assert!(moves || not_made.len() == 1 && not_made[0].contains("`dead` was dead already"), "{not_made:?}");
}

/// A statement that keeps the lock away is ended if that was asked for, and only then.
#[test]
fn a_statement_in_the_way_is_ended_if_asked_for() {
    let server = Server::start(&[]);
    server.client(
        "",
        "CREATE DATABASE shop; USE shop; CREATE TABLE m (a INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO m VALUES (1),(2);
         CREATE TABLE i (a INT) ENGINE=InnoDB; INSERT INTO i SELECT a FROM m",
    );
    let mut wanted = plan(server.options(), &["shop"]);
    wanted.limits.tries = 2;
    wanted.limits.pause = Duration::from_millis(10);
    wanted.limits.long_pause = Duration::from_millis(100);
    wanted.limits.waits = 2;
    wanted.limits.patience = Duration::from_secs(3);
    let blocked = |kills: bool| {
        let mut wanted = wanted.clone();
        wanted.kill_blockers = kills;
        let mut other = server.connect();
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || other.execute("UPDATE shop.i SET a=a+10+SLEEP(6)*0").map(drop));
            std::thread::sleep(Duration::from_millis(1500));
            let dumped = take(&wanted).map(drop);
            (dumped, writer.join().expect("thread"))
        })
    };
    let (dumped, wrote) = blocked(false);
    let error = dumped.expect_err("somebody writes");
    assert!(error.kind() == Kind::Database && wrote.is_ok(), "{}", told(&error));
    let (dumped, wrote) = blocked(true);
    dumped.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(wrote.is_err(), "the writer was ended");
}

#[test]
fn a_user_without_the_lock_may_take_table_by_table() {
    let server = Server::start(&[]);
    server.client(
        "",
        "CREATE DATABASE shop; CREATE TABLE shop.m (a INT PRIMARY KEY, c LONGBLOB) ENGINE=MyISAM; INSERT INTO shop.m VALUES (1,'x');
         CREATE USER weak@localhost; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT /*!80000 , SHOW_ROUTINE*/ ON *.* TO weak@localhost",
    );
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &server, "init c --no-encryption", 0);
    let asked = "backup c --database shop --mysql-user weak --accept-partial";
    let run = exits(path, &server, asked, 13);
    assert!(run.said.contains("--accept-per-table") && run.said.contains("RELOAD"), "{}", run.said);
    let run = exits(path, &server, &format!("{asked} --accept-per-table"), 0);
    assert!(run.said.contains("an instant of its own"), "{}", run.said);
}

#[test]
fn a_database_that_lost_its_tables_is_told() {
    let server = Server::start(&[]);
    server.client("", SHOP);
    server.sql("CREATE DATABASE side");
    server.client("side", "CREATE TABLE a (a INT)");
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &server, "init c --no-encryption", 0);
    for all in ["backup c --all-databases", "backup c --database side --database shop"] {
        server.client("", "CREATE DATABASE IF NOT EXISTS side; CREATE TABLE IF NOT EXISTS side.a (a INT)");
        exits(path, &server, all, 0);
        server.sql(if all.contains("--all") { "DROP DATABASE side" } else { "DROP TABLE side.a" });
        let run = exits(path, &server, all, 3);
        assert!(run.said.contains("database/side: holds no file or table any more"), "{}", run.said);
        exits(path, &server, all, 0);
    }
}
