//! A practice moved from one private server to another by the program, with the container alone.

use crate::compare::assert_same;
use crate::server::{Make, Server, mariadbs_own};
use crate::trial::exits;
use std::path::Path;

const PRACTICE: &str = "
CREATE DATABASE dental CHARACTER SET latin1; USE dental;
CREATE TABLE patient (PatNum BIGINT PRIMARY KEY AUTO_INCREMENT, LName VARCHAR(100), Birthdate DATE NOT NULL DEFAULT '0001-01-01',
  Fee FLOAT, Photo LONGBLOB, KEY (LName)) ENGINE=MyISAM;
INSERT INTO patient SELECT seq, CONCAT('Smith ', seq), '1950-01-01' + INTERVAL seq DAY, seq/7, REPEAT(LEFT(SHA2(seq,256),32), seq%90)
  FROM mysql.seq_1_to_2000;
CREATE TABLE Visit (Id INT PRIMARY KEY, PatNum BIGINT, At TIMESTAMP NULL, Kind ENUM('a','','c')) ENGINE=InnoDB;
INSERT INTO Visit SELECT seq, seq%2000, '2020-01-01' + INTERVAL seq HOUR, 1+seq%3 FROM mysql.seq_1_to_3000;
CREATE VIEW names AS SELECT LName FROM patient;
CREATE TRIGGER visited BEFORE INSERT ON Visit FOR EACH ROW SET NEW.PatNum=IFNULL(NEW.PatNum,0);
CREATE FUNCTION twice(a INT) RETURNS INT DETERMINISTIC RETURN 2*a;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM Visit WHERE Id<0;
CREATE DATABASE letters; CREATE TABLE letters.letter (a INT PRIMARY KEY, t TEXT) ENGINE=/*M! Aria*/ /*!80000 MyISAM*/;
INSERT INTO letters.letter VALUES (1,'dear'),(2,'yours');
CREATE ROLE clerk; GRANT SELECT ON dental.* TO clerk;
CREATE USER desk@localhost IDENTIFIED BY 'secret'; GRANT clerk TO desk@localhost;
GRANT INSERT, UPDATE ON dental.Visit TO desk@localhost;
CREATE USER 'x-ray'@'10.%' IDENTIFIED BY 'other' WITH MAX_USER_CONNECTIONS 3; GRANT ALL ON letters.* TO 'x-ray'@'10.%';
";

fn old_practice(server: &Server) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    server.client("", PRACTICE);
    std::fs::create_dir_all(path.join("images/S/Smith")).expect("folder");
    for number in 0..40u8 {
        let bytes = vec![number; 5000 + usize::from(number)];
        std::fs::write(path.join(format!("images/S/Smith/{number}.png")), bytes).expect("file");
    }
    exits(path, server, "init c --no-encryption", 0);
    folder
}

/// The container, and nothing else, in a folder of the new machine.
fn carried(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    std::fs::copy(from.join("c"), folder.path().join("c")).expect("carried");
    folder
}

fn grants(server: &Server) -> String {
    ["clerk", "desk@localhost", "'x-ray'@'10.%'"]
        .map(|user| server.client("", &format!("SHOW GRANTS FOR {user}")))
        .concat()
}

#[test]
fn everything_moves_with_the_container_alone() {
    let old = Server::start(&["--sql-mode=NO_ENGINE_SUBSTITUTION", "--local-infile=1"]);
    let folder = old_practice(&old);
    let path = folder.path();
    std::fs::write(path.join("drill.json"), r#"{"recovery_ms": 77000}"#).expect("report");
    exits(path, &old, "migrate plan c --attachments images --dry-run", 0);
    let plan =
        exits(path, &old, "migrate plan c --attachments images --report plan.html --drill drill.json", 0);
    let files: u64 = (0..40).map(|number| 5000 + number).sum();
    assert_eq!(plan.result["facts"]["attachment_bytes"].as_u64(), Some(files), "{}", plan.said);
    assert_eq!(
        (plan.result["rows"].as_u64(), plan.result["estimated_restore_ms"].as_u64()),
        (Some(5002), Some(77_000))
    );
    let container = std::fs::metadata(path.join("c")).expect("container").len();
    let server_bytes: u64 = old
        .value("SELECT SUM(DATA_LENGTH+INDEX_LENGTH) FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ('dental','letters')")
        .and_then(|n| n.parse().ok())
        .expect("bytes");
    let needed = plan.result["needed_bytes"].as_u64().expect("bytes");
    assert!(needed.abs_diff(container + server_bytes + files) <= 4 << 20, "{needed}");
    assert_eq!(plan.result["facts"]["settings"]["sql_mode"], "NO_ENGINE_SUBSTITUTION");
    let page = std::fs::read_to_string(path.join("plan.html")).expect("page");
    assert!(page.contains("ready to move") && !page.contains("Smith"), "{page}");
    assert!(exits(path, &old, "snapshots c", 0).said.contains("before the move"));

    let new = Server::start(&["--local-infile=1"]);
    new.client("", "CREATE USER desk@localhost IDENTIFIED BY 'mine'");
    let machine = carried(path);
    let there = machine.path();
    exits(there, &new, "migrate restore c --attachments-to back --dry-run", 0);
    assert!(new.sql("SHOW DATABASES LIKE 'dental%'").is_empty());
    let run = exits(there, &new, "migrate restore c latest --attachments-to back --report there.html", 0);
    assert!(run.said.contains("sql_mode was `NO_ENGINE_SUBSTITUTION`"), "{}", run.said);
    assert!(run.said.contains("desk") && run.said.contains("it stays"), "{}", run.said);
    for database in ["dental", "letters"] {
        assert_same((&mut old.connect(), database), (&mut new.connect(), database));
    }
    // Who was there stays; all others are as they were.
    new.client("", "DROP USER desk@localhost, 'x-ray'@'10.%'; DROP ROLE clerk");
    exits(there, &new, "migrate restore c --attachments-to back --replace --yes", 0);
    assert_eq!(grants(&new), grants(&old));
    for number in [0u8, 39] {
        let file = there.join(format!("back/attachments/images/S/Smith/{number}.png"));
        assert_eq!(std::fs::read(file).expect("file"), vec![number; 5000 + usize::from(number)]);
    }
    let page = std::fs::read_to_string(there.join("there.html")).expect("page");
    assert!(page.contains("everything is as it was") && page.contains("pair the workstations"), "{page}");
}

#[test]
fn a_move_that_was_broken_off_between_databases_goes_on_by_the_same_words() {
    let old = Server::start(&["--local-infile=1"]);
    let folder = old_practice(&old);
    exits(folder.path(), &old, "migrate plan c --attachments images", 0);
    let machine = carried(folder.path());
    let there = machine.path();
    let new = Server::start(&["--local-infile=1"]);
    let again = "migrate restore c --attachments-to back";
    // Somebody else restores the second: the first is moved, and the move ends.
    let mut other = new.connect();
    let lock = format!("coffer restore {:016x}", xxhash_rust::xxh3::xxh3_64(b"letters"));
    let taken = other.value(&format!("SELECT GET_LOCK('{lock}', 1)")).expect("asked");
    assert_eq!(taken.as_deref(), Some("1"));
    let run = exits(there, &new, again, 11);
    assert!(run.said.contains("`letters`"), "{}", run.said);
    assert_eq!(new.client("", "SHOW DATABASES LIKE 'dental'"), "dental\n");
    drop(other);
    // Whoever worked there meanwhile loses nothing.
    new.client("", "UPDATE dental.patient SET LName='other' WHERE PatNum=7");
    let run = exits(there, &new, again, 2);
    assert!(run.said.contains("`dental` already exists"), "{}", run.said);
    new.client("", "UPDATE dental.patient SET LName='Smith 7' WHERE PatNum=7");
    new.client("dental", "DROP VIEW names");
    exits(there, &new, again, 2);
    new.client("dental", "CREATE VIEW names AS SELECT LName FROM patient");
    let run = exits(there, &new, again, 0);
    assert!(run.said.contains("`dental` was moved before"), "{}", run.said);
    assert_same((&mut old.connect(), "letters"), (&mut new.connect(), "letters"));
    assert_eq!(grants(&new), grants(&old));
    // A move that is done is none that goes on.
    let run = exits(there, &new, again, 2);
    assert!(run.said.contains("`dental` already exists"), "{}", run.said);
}

#[test]
fn what_the_new_server_lacks_is_told_before_anything_is_touched() {
    let old = Server::start(&["--local-infile=1"]);
    let folder = old_practice(&old);
    let path = folder.path();
    exits(path, &old, "migrate plan c --attachments images", 0);
    let machine = carried(path);
    let there = machine.path();
    let untouched = |server: &Server, exists: &str| {
        assert_eq!(server.client("", "SHOW DATABASES LIKE 'dental%'"), exists);
        assert_eq!(server.client("", "SELECT COUNT(*) FROM mysql.user WHERE User='desk'"), "0\n");
        assert!(!there.join("back").exists());
    };
    let off = if Make::asked().is_mysql() { "--disabled-storage-engines=InnoDB" } else { "--innodb=OFF" };
    let lacking = Server::start(&["--default-storage-engine=MyISAM", off]);
    let run = exits(there, &lacking, "migrate restore c --attachments-to back", 13);
    assert!(run.said.contains("lacks the engine InnoDB"), "{}", run.said);
    untouched(&lacking, "");
    let folding = Server::start(&["--lower-case-table-names=1"]);
    let run = exits(there, &folding, "migrate restore c --attachments-to back", 13);
    assert!(run.said.contains("lower_case_table_names was 0 and is 1"), "{}", run.said);
    untouched(&folding, "");
    let taken = Server::start(&[]);
    taken.client("", "CREATE DATABASE dental; CREATE TABLE dental.mine (a INT)");
    let run = exits(there, &taken, "migrate restore c --attachments-to back", 2);
    assert!(run.said.contains("`dental` already exists"), "{}", run.said);
    untouched(&taken, "dental\n");
    exits(there, &taken, "migrate restore c --attachments-to back --replace", 2);
    untouched(&taken, "dental\n");
    exits(there, &taken, "migrate restore c --database letters --no-users", 0);
    assert_eq!(taken.value("SELECT COUNT(*) FROM letters.letter").as_deref(), Some("2"));
}

#[test]
fn a_test_copy_moves_without_users_and_without_what_tells_of_people() {
    let old = Server::start(&["--local-infile=1"]);
    let folder = old_practice(&old);
    let path = folder.path();
    let rules = "name='dental'\n[[scrub]]\ntable='patient'\ncolumn='LName'\nwith='name'\n";
    exits(path, &old, "migrate plan c --database dental", 0);
    let new = Server::start(&["--local-infile=1"]);
    let machine = carried(path);
    std::fs::write(machine.path().join("p.toml"), rules).expect("profile");
    exits(machine.path(), &new, "migrate restore c --test-copy p.toml --attachments-to back", 2);
    exits(machine.path(), &new, "migrate restore c --test-copy p.toml", 0);
    assert_eq!(
        new.value("SELECT COUNT(*) FROM dental.patient WHERE LName LIKE 'Smith%'").as_deref(),
        Some("0")
    );
    assert_eq!(new.value("SELECT COUNT(*) FROM mysql.user WHERE User='desk'").as_deref(), Some("0"));
}

#[test]
fn live_databases_are_copied_to_other_containers_with_their_rows() {
    let old = Server::start(&["--local-infile=1"]);
    let folder = old_practice(&old);
    let path = folder.path();
    exits(path, &old, "migrate plan c --attachments images", 0);
    exits(path, &old, "init c2 --no-encryption", 0);
    exits(path, &old, "init c3 --copy-of c --no-snapshots --no-encryption", 0);
    for other in ["c2", "c3"] {
        exits(path, &old, &format!("copy c --to {other}"), 0);
        let new = Server::start(&["--local-infile=1"]);
        exits(path, &new, &format!("migrate restore {other} --attachments-to {other}-back"), 0);
        assert_same((&mut old.connect(), "dental"), (&mut new.connect(), "dental"));
    }
}

#[test]
fn keys_too_long_for_the_servers_default_row_format_come_back() {
    if mariadbs_own("rows in the old format, where MySQL shortens keys by itself") {
        return;
    }
    let server = Server::start(&["--character-set-server=utf8mb4"]);
    let folder = tempfile::tempdir().expect("folder");
    exits(folder.path(), &server, "init c --no-encryption", 0);
    let many: Vec<String> = (0..12).map(|n| format!("c{n} VARCHAR(255) NOT NULL DEFAULT 'ü'")).collect();
    server.sql(&format!(
        "CREATE DATABASE d; USE d; CREATE TABLE long_key (a VARCHAR(255), b INT COMMENT ' ENGINE=InnoDB', KEY (a)) COMMENT='ROW_FORMAT=x'
         PARTITION BY HASH (b) PARTITIONS 2; INSERT INTO long_key VALUES (REPEAT('x',255),1); CREATE TABLE wide ({}); INSERT INTO wide () VALUES ();
         CREATE TABLE plain (a INT); CREATE TABLE told (a INT) ROW_FORMAT=REDUNDANT",
        many.join(", ")
    ));
    exits(folder.path(), &server, "backup c --database d", 0);
    let other = Server::start(&["--innodb-default-row-format=compact"]);
    let run = exits(folder.path(), &other, "restore c latest --to-server", 0);
    assert!(run.said.contains("`d`.`long_key`: made with ROW_FORMAT=DYNAMIC"), "{}", run.said);
    let formats = "SELECT TABLE_NAME, ROW_FORMAT FROM information_schema.TABLES WHERE TABLE_SCHEMA='d' AND TABLE_NAME<>'wide' ORDER BY 1";
    assert_eq!(other.client("", formats), "long_key\tDynamic\nplain\tCompact\ntold\tRedundant\n");
    assert_eq!(other.client("d", "SELECT LENGTH(a) FROM long_key; SELECT COUNT(*) FROM wide"), "255\n1\n");
}
