//! What a server keeps and its own statements do not say, or cannot say again: found with the test
//! suite of a server's vendor, made anew here. Carried by the program from server to server and by
//! way of SQL files.

use crate::compare::assert_same;
use crate::server::{Server, mariadbs_own};
use crate::trial::exits;
use std::path::Path;

const UNSAID: &str = r#"
CREATE ROLE keeper; GRANT SELECT ON unsaid.* TO keeper; GRANT EXECUTE ON unsaid.* TO PUBLIC;
CREATE DATABASE `filename` CHARACTER SET filename; CREATE TABLE `filename`.t (a VARCHAR(9)); INSERT INTO `filename`.t VALUES ('a');
CREATE DATABASE unsaid CHARACTER SET latin1; USE unsaid;
CREATE TABLE counter (a INT AUTO_INCREMENT NULL, b INT, KEY (a)) ENGINE=MyISAM; INSERT INTO counter VALUES (NULL,1),(5,2),(0,3);
CREATE TABLE words (a BLOB DEFAULT 'plain', b VARBINARY(9) DEFAULT 'q?', c BLOB NOT NULL DEFAULT ''); INSERT INTO words VALUES ();
CREATE TABLE whence (a INT, b DATE AS (1 IN ('x',DATABASE()='x' IS NULL))); INSERT INTO whence (a) VALUES (1),(2);
SET sql_mode='NO_UNSIGNED_SUBTRACTION';
CREATE TABLE below (a INT UNSIGNED, b BIGINT AS (a-10) STORED, KEY (b)); INSERT INTO below (a) VALUES (1),(50);
SET sql_mode='';
CREATE TABLE twice (a INT PRIMARY KEY, b VARCHAR(9)) WITH SYSTEM VERSIONING;
SET timestamp=1000000000.500001; INSERT INTO twice VALUES (1,'x'),(2,'it''s'); UPDATE twice SET b='y'; DELETE FROM twice WHERE a=2;
SET timestamp=1000000000.500002; INSERT INTO twice VALUES (2,'z'); UPDATE twice SET b=CONCAT(b,'!');
SET timestamp=1000000007; DELETE FROM twice WHERE a=1;
CREATE TABLE named (a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END,
  PERIOD FOR SYSTEM_TIME (s,e)) WITH SYSTEM VERSIONING;
INSERT INTO named (a) VALUES (1),(1),(NULL); DELETE FROM named WHERE a=1; SET timestamp=DEFAULT;
SET collation_connection=ucs2_general_ci;
CREATE EVENT wide ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01' DISABLE DO SELECT 'a';
CREATE FUNCTION wide() RETURNS INT RETURN LENGTH('a'); CREATE VIEW wide_view AS SELECT 'a' AS a;
CREATE TRIGGER wide BEFORE INSERT ON words FOR EACH ROW SET NEW.b='c';
SET NAMES utf8mb4; CREATE DEFINER=keeper PROCEDURE kept() SELECT 1; CREATE PROCEDURE after_wide() SELECT 1;
SET timestamp=900000000; CREATE EVENT bygone ON SCHEDULE AT '1999-01-01' DISABLE DO SELECT 1;
CREATE EVENT ended ON SCHEDULE EVERY 1 DAY STARTS '1999-01-01' ENDS '1999-02-01' DISABLE DO SELECT 1; SET timestamp=DEFAULT;
"#;

/// Options that no engine knows: shown in comments only, where they are hidden from other servers. And
/// rows older than their column, which must have a place and have none.
const HIDDEN: &str = "
SET sql_mode='IGNORE_BAD_TABLE_OPTIONS';
CREATE TABLE unsaid.hidden (a INT hue='b*/lue', b INT NOT NULL DEFAULT 3 COMMENT 'it''s /* `' hue=4, KEY k (a) hue=no)
  ENGINE=MyISAM hue=red depth=7 PARTITION BY HASH (a) PARTITIONS 2;
INSERT INTO unsaid.hidden (a) VALUES (1),(2);
CREATE TABLE unsaid.hidden_past (a INT, b INT hue=red) WITH SYSTEM VERSIONING;
CREATE TABLE unsaid.younger (a INT PRIMARY KEY, b TEXT); INSERT INTO unsaid.younger VALUES (1,'x'),(2,'y');
ALTER TABLE unsaid.younger ADD COLUMN p POINT NOT NULL, ADD COLUMN q GEOMETRY NOT NULL, ADD COLUMN r POINT;
INSERT INTO unsaid.younger VALUES (3,'z',POINT(1,2),POINT(3,4),POINT(5,6)); UPDATE unsaid.younger SET q=POINT(7,8) WHERE a=2;
CREATE TABLE unsaid.hidden_kind (a INT) ENGINE=MyISAM TRANSACTIONAL=1;
INSERT INTO unsaid.hidden_past VALUES (1,2); DELETE FROM unsaid.hidden_past;
";

const GRANTS: &str = "SHOW GRANTS FOR keeper; SHOW GRANTS FOR PUBLIC";

const ARCHIVE: &str = "
INSTALL SONAME 'ha_archive'; CREATE TABLE unsaid.old (a INT AUTO_INCREMENT PRIMARY KEY, b TEXT) ENGINE=ARCHIVE;
INSERT INTO unsaid.old VALUES (3,'x'),(9,'y'),(20,'z');
";

fn backed_up(server: &Server) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    exits(folder.path(), server, "init c --no-encryption", 0);
    folder
}

fn load_files(folder: &Path, server: &Server) {
    for name in ["@server.users", "filename", "unsaid"] {
        let file = folder.join(format!("database/{name}.sql"));
        let sql = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        server.try_client("", &sql).unwrap_or_else(|said| panic!("{name}: {said}"));
    }
}

#[test]
fn what_statements_do_not_say_comes_back_by_both_ways() {
    if mariadbs_own("versioning, PUBLIC, SONAME; MySQL's are in zoo/mysql.rs") {
        return;
    }
    let server = Server::start(&["--local-infile=1"]);
    let folder = backed_up(&server);
    let path = folder.path();
    server.client("", UNSAID);
    server.client("", HIDDEN);
    let has_archive = server.try_client("", ARCHIVE.as_bytes()).is_ok();
    exits(path, &server, "backup c --all-databases --users", 0);

    for options in [&["--local-infile=1"][..], &["--local-infile=0"]] {
        let other = Server::start(options);
        if has_archive {
            other.client("", "INSTALL SONAME 'ha_archive'");
        }
        exits(path, &other, "restore c latest --to-server --users", 0);
        assert_eq!(other.client("", GRANTS), server.client("", GRANTS));
        for name in ["filename", "unsaid"] {
            assert_same((&mut server.connect(), name), (&mut other.connect(), name));
        }
    }

    let third = Server::start(&[]);
    if has_archive {
        third.client("", "INSTALL SONAME 'ha_archive'");
    }
    exits(path, &server, "restore c latest --to out", 0);
    load_files(&path.join("out"), &third);
    for name in ["filename", "unsaid"] {
        assert_same((&mut server.connect(), name), (&mut third.connect(), name));
    }
    let shown = third.client("unsaid", "SHOW CREATE TABLE hidden; SHOW CREATE TABLE hidden_kind");
    assert!(shown.contains("/* `hue`='red' `depth`='7' */") && shown.contains("TRANSACTIONAL=1"), "{shown}");
}

#[test]
fn a_table_that_cannot_be_made_costs_no_other() {
    if mariadbs_own("a default that draws from a sequence of a database that is gone") {
        return;
    }
    let server = Server::start(&["--local-infile=1"]);
    let folder = backed_up(&server);
    let path = folder.path();
    server.client(
        "",
        "CREATE DATABASE d; USE d; CREATE TABLE good (a INT PRIMARY KEY); INSERT INTO good VALUES (1),(2);
         CREATE DATABASE e; CREATE SEQUENCE e.s; CREATE TABLE lost (a INT DEFAULT NEXTVAL(e.s)); INSERT INTO lost VALUES (7);
         DROP DATABASE e;
         CREATE TABLE child (a INT, FOREIGN KEY (a) REFERENCES good (a)); CREATE VIEW v AS SELECT * FROM good;
         CREATE TRIGGER t BEFORE INSERT ON lost FOR EACH ROW SET NEW.a=1",
    );
    exits(path, &server, "backup c --database d", 0);
    let other = Server::start(&["--local-infile=1"]);
    let run = exits(path, &other, "restore c latest --to-server", 3);
    assert!(run.said.contains("`d`.`lost` could not be made"), "{}", run.said);
    assert_eq!(other.client("d", "SELECT a FROM v"), "1\n2\n");
    assert_eq!(other.client("d", "SHOW TABLES"), "child\ngood\nv\n");
    // Where it would take something away, nothing is touched.
    other.client("d", "INSERT INTO good VALUES (3); CREATE TABLE lost (a INT)");
    exits(path, &other, "restore c latest --to-server --replace --yes", 13);
    assert_eq!(other.client("d", "SELECT COUNT(*) FROM v"), "3\n");
    assert_eq!(other.client("", "SHOW DATABASES LIKE 'd%'"), "d\n");
}

#[test]
fn a_table_without_its_tablespace_costs_no_other() {
    let server = Server::start(&[]);
    let folder = backed_up(&server);
    server.client(
        "",
        "CREATE DATABASE d; USE d; CREATE TABLE good (a INT); INSERT INTO good VALUES (1);
         CREATE TABLE discarded (a INT); INSERT INTO discarded VALUES (1); ALTER TABLE discarded DISCARD TABLESPACE",
    );
    let run = exits(folder.path(), &server, "backup c --database d", 3);
    assert!(run.said.contains("`d`.`discarded`"), "{}", run.said);
    let other = Server::start(&["--local-infile=1"]);
    exits(folder.path(), &other, "restore c latest --to-server", 0);
    assert_eq!(other.client("d", "SELECT a FROM good"), "1\n");
}

#[test]
fn a_view_that_calls_what_its_reader_may_not_lives_in_the_file() {
    if mariadbs_own("mysql.proc") {
        return;
    }
    let server = Server::start(&[]);
    let folder = backed_up(&server);
    let path = folder.path();
    server.client(
        "",
        "CREATE DATABASE d; USE d; CREATE FUNCTION f() RETURNS INT RETURN 7; CREATE VIEW v AS SELECT f() AS seven;
         CREATE USER reader@localhost;
         GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, RELOAD, PROCESS ON *.* TO reader@localhost;
         GRANT SELECT ON mysql.proc TO reader@localhost",
    );
    exits(path, &server, "backup c --database d --mysql-user reader", 0);
    exits(path, &server, "restore c latest --to out", 0);
    let other = Server::start(&[]);
    other.client("", &std::fs::read_to_string(path.join("out/database/d.sql")).expect("file"));
    assert_eq!(other.client("d", "SELECT seven FROM v"), "7\n");
}

#[test]
fn a_server_that_lost_its_list_of_routines_keeps_its_tables() {
    if mariadbs_own("mysql.proc") {
        return;
    }
    let server = Server::start(&[]);
    let folder = backed_up(&server);
    server.client(
        "",
        "CREATE DATABASE d; CREATE TABLE d.t (a INT); INSERT INTO d.t VALUES (1); DROP TABLE mysql.proc;
         ALTER TABLE mysql.event DROP COLUMN comment",
    );
    let run = exits(folder.path(), &server, "backup c --database d", 3);
    assert!(run.said.contains("any of the routines of `d` is not in the snapshot"), "{}", run.said);
    assert!(run.said.contains("any of the events of `d` is not in the snapshot"), "{}", run.said);
    let other = Server::start(&["--local-infile=1"]);
    exits(folder.path(), &other, "restore c latest --to-server", 0);
    assert_eq!(other.client("d", "SELECT a FROM t"), "1\n");
}

#[test]
fn a_foreign_key_into_a_table_of_another_shape_costs_no_row() {
    if mariadbs_own("a key to a table of another shape, which MySQL refuses") {
        return;
    }
    let server = Server::start(&[]);
    let folder = backed_up(&server);
    server.client(
        "",
        "CREATE DATABASE d; USE d; CREATE TABLE parent (a INT PRIMARY KEY); INSERT INTO parent VALUES (1);
         CREATE TABLE child (a INT, FOREIGN KEY (a) REFERENCES parent (a)); INSERT INTO child VALUES (1);
         SET foreign_key_checks=0; DROP TABLE parent; CREATE TABLE parent (b INT PRIMARY KEY); INSERT INTO parent VALUES (2)",
    );
    exits(folder.path(), &server, "backup c --database d", 0);
    let other = Server::start(&["--local-infile=1"]);
    let run = exits(folder.path(), &other, "restore c latest --to-server", 3);
    assert!(run.said.contains("does not fit that table: Unknown column"), "{}", run.said);
    assert_eq!(other.client("d", "SELECT a, b FROM child, parent"), "1\t2\n");
}

#[test]
fn what_a_server_may_refuse_stands_at_the_end_of_a_file() {
    if mariadbs_own("a key dropped from under a foreign key, which MySQL refuses") {
        return;
    }
    let server = Server::start(&[]);
    let folder = backed_up(&server);
    server.client(
        "",
        "CREATE DATABASE d; USE d; CREATE TABLE parent (a INT PRIMARY KEY); CREATE TABLE child (a INT, FOREIGN KEY (a) REFERENCES parent (a));
         INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1); SET foreign_key_checks=0; ALTER TABLE parent DROP PRIMARY KEY;
         CREATE TABLE odd (a INT, b INT); CREATE TRIGGER dead BEFORE INSERT ON odd FOR EACH ROW SET NEW.b=1; ALTER TABLE odd DROP COLUMN b;
         CREATE TRIGGER sound BEFORE INSERT ON parent FOR EACH ROW SET NEW.a=2; CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1;
         CREATE VIEW v AS SELECT child.a FROM child JOIN parent USING (a)",
    );
    exits(folder.path(), &server, "backup c --database d", 0);
    let run = exits(folder.path(), &server, "restore c latest --to out", 0);
    for said in ["a foreign key of table `child` does not fit", "a trigger of table `odd` names a column"] {
        assert!(run.said.contains(said), "{}", run.said);
    }
    let other = Server::start(&[]);
    let sql = std::fs::read(folder.path().join("out/database/d.sql")).expect("file");
    assert!(other.try_client("", &sql).is_err(), "what does not fit is refused");
    assert_eq!(
        other.client("d", "SELECT a FROM v; INSERT INTO parent VALUES (7); SELECT MAX(a) FROM parent"),
        "1\n2\n"
    );
    let left = "SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA='d'";
    assert_eq!(other.client("", left), "1\n");
}

#[test]
fn what_a_time_zone_decided_comes_back() {
    let [first, second, third] =
        [(); 3].map(|()| Server::start(&["--local-infile=1", "--default-time-zone=-05:00"]));
    let folder = backed_up(&first);
    first.client(
        "",
        "CREATE DATABASE d; USE d; CREATE TABLE t (a INT PRIMARY KEY, at TIMESTAMP NULL, day CHAR(10) AS (LEFT(at, 10)) STORED, KEY (day));
         INSERT INTO t (a, at) VALUES (1,'2026-01-01 22:00:00'),(2,NULL)",
    );
    let run = exits(folder.path(), &first, "backup c --database d", 0);
    assert!(run.said.contains("in the time zone of who wrote the row"), "{}", run.said);
    exits(folder.path(), &second, "restore c latest --to-server", 0);
    exits(folder.path(), &first, "restore c latest --to out", 0);
    let sql = std::fs::read(folder.path().join("out/database/d.sql")).expect("file");
    third.try_client("", &sql).expect("loaded");
    for server in [&first, &second, &third] {
        assert_eq!(
            server.client("d", "SELECT * FROM t"),
            "1\t2026-01-01 22:00:00\t2026-01-01\n2\tNULL\tNULL\n"
        );
    }
}

#[test]
fn a_view_that_opens_under_its_own_collation_only_lives() {
    let server = Server::start(&["--local-infile=1"]);
    let folder = backed_up(&server);
    server.client(
        "",
        "SET NAMES latin1; CREATE DATABASE d; USE d; CREATE TABLE number (a INT); INSERT INTO number VALUES (7);
         CREATE VIEW german AS SELECT a COLLATE latin1_german1_ci AS b FROM number",
    );
    exits(folder.path(), &server, "backup c --database d", 0);
    let other = Server::start(&["--local-infile=1"]);
    exits(folder.path(), &other, "restore c latest --to-server", 0);
    assert_eq!(other.client("d", "SET NAMES latin1; SELECT b FROM german"), "7\n");
}

const UNSAID_SHORT: &str = "
CREATE DATABASE unsaid; USE unsaid; CREATE TABLE short (a YEAR(2) PRIMARY KEY, b YEAR(2)); SET sql_mode='';
INSERT INTO short VALUES ('0000',NULL),(1901,2001),(1970,'0000'),(2000,2070),(2001,1901),(2070,1970),(2155,2155);
CREATE TABLE asleep (a INT, KEY (a)) ENGINE=MyISAM; ALTER TABLE asleep DISABLE KEYS; INSERT INTO asleep VALUES (1);
CREATE DATABASE `LONG`; CREATE TABLE `LONG`.t (a INT); INSERT INTO `LONG`.t VALUES (1);
";

const YEARS: &str = "SELECT YEAR(a), YEAR(b) FROM short ORDER BY 1";

#[test]
fn what_a_short_year_holds_is_told_apart_and_sleeping_keys_are_named() {
    if mariadbs_own("YEAR(2)") {
        return;
    }
    let server = Server::start(&["--local-infile=1"]);
    let folder = backed_up(&server);
    let path = folder.path();
    // Its folder has the longest name there is.
    let long = "#".repeat(51);
    let sql = UNSAID_SHORT.replace("LONG", &long);
    server.client("", &sql);
    let run = exits(path, &server, "backup c --all-databases", 0);
    assert!(run.said.contains("`unsaid`.`asleep`: its keys are disabled"), "{}", run.said);
    for options in [&["--local-infile=1"][..], &["--local-infile=0"]] {
        let other = Server::start(options);
        exits(path, &other, "restore c latest --to-server", 0);
        assert_eq!(other.client("unsaid", YEARS), server.client("unsaid", YEARS));
        assert_eq!(other.client(&long, "SELECT a FROM t"), "1\n");
    }
}

#[test]
fn a_file_says_which_other_is_loaded_before() {
    let server = Server::start(&[]);
    let folder = backed_up(&server);
    let path = folder.path();
    server.client(
        "",
        "CREATE DATABASE above; CREATE DATABASE below; CREATE TABLE below.t (a INT); INSERT INTO below.t VALUES (7);
         CREATE VIEW above.v AS SELECT a FROM below.t",
    );
    exits(path, &server, "backup c --database above --database below", 0);
    let run = exits(path, &server, "restore c latest --to out", 0);
    let said = "database/above.sql: load database/below.sql before it, view `v` stands on database `below`";
    assert!(run.said.contains(said), "{}", run.said);
    let file =
        |name: &str| std::fs::read_to_string(path.join(format!("out/database/{name}.sql"))).expect("file");
    assert!(file("above").contains("\n-- Load database/below.sql before this file"), "{}", file("above"));
    assert!(!file("below").contains("-- Load database/"), "{}", file("below"));
    let other = Server::start(&[]);
    ["below", "above"].iter().for_each(|name| drop(other.client("", &file(name))));
    assert_eq!(other.client("above", "SELECT a FROM v"), "7\n");
    // To a server they go in that order by themselves.
    let third = Server::start(&["--local-infile=1"]);
    exits(path, &third, "restore c latest --to-server", 0);
    assert_eq!(third.client("above", "SELECT a FROM v"), "7\n");
}
