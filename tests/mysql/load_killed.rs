//! Restores by the program, killed and run again: what it then tells is what this run did, and what it
//! found done by an earlier one is told as that.

use crate::server::Server;
use crate::trial::{Run, exits, started};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const PRACTICE: &str = "
CREATE DATABASE one; CREATE TABLE one.t (a INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO one.t VALUES (1),(2),(3);
CREATE TABLE one.u (a INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO one.u VALUES (1);
CREATE DATABASE two; CREATE TABLE two.t (a INT PRIMARY KEY, b VARCHAR(200)) ENGINE=InnoDB;
INSERT INTO two.t SELECT seq, REPEAT(LEFT(SHA2(seq,256),32),6) FROM mysql.seq_4000_to_90000;
CREATE TRIGGER two.tr BEFORE INSERT ON two.t FOR EACH ROW SET NEW.b = 'x';
";
const RESTORE: &str = "restore c latest --to-server --database one --database two";

/// A restore that is killed with the first database done and the second on its way.
fn killed_at_the_second(server: &Server, path: &Path) {
    server.client("", "DROP DATABASE IF EXISTS one; DROP DATABASE IF EXISTS two");
    let mut child = started(path, server, RESTORE);
    let began = Instant::now();
    while server.sql("SHOW DATABASES LIKE 'two\\_\\_restoring'").is_empty() {
        assert!(began.elapsed() < Duration::from_secs(60), "it never comes to the second");
        assert!(child.try_wait().expect("state").is_none(), "it was too fast");
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(server.sql("SHOW DATABASES LIKE 'one\\_\\_restoring'").len(), 1, "the first is kept in mind");
}

/// What is told of a table: by whom it was loaded, and whether it was compared.
fn told(run: &Run, database: &str, table: &str) -> Value {
    let events = run.said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events = events.map(|event| event["item"].clone());
    let mut found = events.filter(|event| event["database"] == database && event["table"] == table);
    let event = found.next().unwrap_or_else(|| panic!("{database}.{table}: {}", run.said));
    json!([event["earlier"], event["compared"], event["load_ms"].is_null()])
}

#[test]
fn a_run_that_goes_on_tells_what_it_did_and_what_was_done() {
    let server = Server::start(&["--local-infile=1"]);
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    server.client("", PRACTICE);
    exits(path, &server, "init c --no-encryption", 0);
    exits(path, &server, "backup c --database one --database two", 0);
    let counts = |run: &Run| {
        ["tables", "restored", "earlier", "compared", "different", "rows"]
            .map(|field| run.result[field].as_u64().unwrap_or(u64::MAX))
    };

    killed_at_the_second(&server, path);
    let run = exits(path, &server, RESTORE, 0);
    let rows = 86_001;
    assert_eq!(counts(&run), [3, 1, 2, 3, 0, 4 + rows], "{}", run.said);
    assert_eq!(told(&run, "one", "t"), json!([true, true, true]));
    assert_eq!(told(&run, "two", "t"), json!([false, true, false]));
    let summary = "3 tables with 86,005 rows, read back and compared; an earlier run loaded 2 tables";
    assert!(run.said.contains(summary), "{}", run.said);
    let whole = run.result["restored_bytes"].as_u64().expect("bytes");
    assert!(whole > rows * 190, "{whole}");
    assert!(server.sql("SHOW DATABASES LIKE '%restoring'").is_empty());

    // Somebody began to work in the first meanwhile.
    killed_at_the_second(&server, path);
    server.client("one", "INSERT INTO t VALUES (9)");
    let run = exits(path, &server, RESTORE, 3);
    assert_eq!(counts(&run), [3, 1, 2, 2, 1, 1 + rows], "{}", run.said);
    assert_eq!(told(&run, "one", "t"), json!([true, false, true]));
    assert_eq!(told(&run, "one", "u"), json!([true, true, true]));
    assert!(run.said.contains("`one`.`t` has 4 rows now, 3 when an earlier run compared it"), "{}", run.said);
    assert!(run.said.contains("\nnot everything restored to one, two"), "{}", run.said);
    assert_eq!(server.client("one", "SELECT COUNT(*) FROM t"), "4\n", "what was written stays");
    assert!(server.sql("SHOW DATABASES LIKE '%restoring'").is_empty());
}
