//! Test copies and drills from a container, as people run them: the binary against a private server.

use crate::server::{Make, Server};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const PRACTICE: &str = "
CREATE DATABASE shop; USE shop;
CREATE TABLE patient (PatNum INT PRIMARY KEY, LName VARCHAR(50), Phone VARCHAR(30), Mail VARCHAR(100) NOT NULL DEFAULT '',
  Born DATE NOT NULL, Ssn BIGINT UNSIGNED NULL, Note TEXT CHARACTER SET latin1, Code VARCHAR(20) NOT NULL,
  UNIQUE KEY Code (Code), UNIQUE KEY Ssn (Ssn)) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;
INSERT INTO patient SELECT seq, IF(seq%7,CONCAT('Smith',seq%50),'O''Neil'), CONCAT('(555) 01',LPAD(seq,4,'0'),'-77'),
  CONCAT('user',seq,'@mail.example.com'), '1950-01-01' + INTERVAL seq*9 DAY, IF(seq%3,100000000+seq*7,NULL),
  CONCAT('caf\\xe9 called Smith',seq), CONCAT('cODE-',seq) FROM mysql.seq_1_to_2000;
UPDATE patient SET Born='0001-01-01', Mail='', Phone=NULL WHERE PatNum<4;
CREATE TABLE message (Id INT PRIMARY KEY, Sent VARCHAR(40), KEY (Sent)) ENGINE=InnoDB;
INSERT INTO message SELECT PatNum, REPLACE(REPLACE(Phone,'(',''),') ','') FROM patient;
CREATE TABLE queue (Id INT) ENGINE=InnoDB; INSERT INTO queue VALUES (1),(2);
CREATE TABLE hours (Id INT PRIMARY KEY, d DATETIME); INSERT INTO hours VALUES (1,'2026-01-01 10:00:00');
CREATE VIEW names AS SELECT LName FROM patient;
CREATE TRIGGER counted BEFORE INSERT ON queue FOR EACH ROW SET NEW.Id=NEW.Id+1;
";

const PROFILE: &str = "name = 'shop'
[[scrub]]\ntable='patient'\ncolumn='LName'\nwith='name'
[[scrub]]\ntable='patient'\ncolumn='Phone'\nwith='phone'
[[scrub]]\ntable='message'\ncolumn='Sent'\nwith='phone'
[[scrub]]\ntable='patient'\ncolumn='Mail'\nwith='email'
[[scrub]]\ntable='patient'\ncolumn='Born'\nwith='date'
[[scrub]]\ntable='patient'\ncolumn='Ssn'\nwith='digits'
[[scrub]]\ntable='patient'\ncolumn='Note'\nwith='text'
[[scrub]]\ntable='patient'\ncolumn='Code'\nwith='text'
[[scrub]]\ntable='queue'\nrows='none'
[[scrub]]\ntable='nowhere'\ncolumn='x'\nwith='text'\noptional=true
";

/// How the binary ended and what it said.
pub struct Run {
    pub code: Option<i32>,
    pub result: Value,
    pub said: String,
}

/// The program against `server` with its folder as place and memory.
pub fn program(folder: &Path, server: &Server, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coffer"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COFFER_")) {
        command.env_remove(name);
    }
    command
        .args(arguments.split_whitespace())
        .env("COFFER_MYSQL_SOCKET", server.socket())
        .env("COFFER_MYSQL_USER", "root")
        .env("COFFER_STATE_DIR", folder.join("state"))
        .env("PATH", Make::asked().path())
        .current_dir(folder);
    command
}

/// Starts the program, which says nothing.
pub fn started(folder: &Path, server: &Server, arguments: &str) -> Child {
    let mut command = program(folder, server, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("coffer runs")
}

/// Runs the program to its end.
pub fn coffer(folder: &Path, server: &Server, arguments: &str) -> Run {
    let output = program(folder, server, arguments).arg("--json").output().expect("coffer runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default();
    let result = serde_json::from_str(last).unwrap_or(Value::Null);
    Run { code: output.status.code(), result, said: text + &String::from_utf8_lossy(&output.stderr) }
}

/// Runs the binary, which must end with this code.
#[track_caller]
pub fn exits(folder: &Path, server: &Server, arguments: &str, code: i32) -> Run {
    let run = coffer(folder, server, arguments);
    assert_eq!(run.code, Some(code), "coffer {arguments}\n{}", run.said);
    run
}

/// Bytes that do not compress.
fn noise(number: u32, length: usize) -> Vec<u8> {
    let mut state = u64::from(number) + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn backed_up(server: &Server) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    server.client("", PRACTICE);
    std::fs::create_dir(path.join("images")).expect("folder");
    for number in 0..150 {
        std::fs::write(path.join(format!("images/smith-{number}.png")), noise(number, 6000)).expect("file");
    }
    std::fs::write(path.join("p.toml"), PROFILE).expect("profile");
    exits(path, server, "init c --no-encryption", 0);
    exits(path, server, "backup c --database shop --attachments images", 0);
    folder
}

#[test]
fn a_test_copy_tells_nothing_and_still_fits_together() {
    let server = Server::start(&["--local-infile=1"]);
    let folder = backed_up(&server);
    let path = folder.path();
    let run = exits(path, &server, "restore c latest --to-server --as copy --as-test p.toml", 0);
    let rows = |rule: &str| {
        let all = run.result["scrubbed"].as_array().expect("counts");
        all.iter().find(|r| r["rule"] == rule).unwrap_or_else(|| panic!("{rule}: {all:?}"))["rows"].as_u64()
    };
    assert_eq!(
        (rows("patient.Phone"), rows("queue"), rows("patient.Mail")),
        (Some(1997), Some(2), Some(1997))
    );
    let one = |sql: &str| server.value(sql).unwrap_or_default();
    assert_eq!(one("SELECT COUNT(*) FROM copy.patient c JOIN shop.patient o USING (PatNum)
        WHERE c.LName=o.LName OR c.Mail=o.Mail AND o.Mail<>'' OR c.Phone=o.Phone OR c.Ssn=o.Ssn OR c.Note=o.Note OR c.Code=o.Code"), "0");
    assert_eq!(one("SELECT COUNT(DISTINCT Code), COUNT(*) FROM copy.patient"), "2000");
    assert_eq!(
        one("SELECT COUNT(*) FROM copy.patient c JOIN shop.patient o USING (PatNum)
        WHERE YEAR(c.Born)<>YEAR(o.Born) OR LENGTH(c.Phone)<>LENGTH(o.Phone) OR LENGTH(c.Ssn)<>LENGTH(o.Ssn)
        OR (c.Ssn IS NULL)<>(o.Ssn IS NULL) OR LENGTH(c.Note)<>LENGTH(o.Note)"),
        "0"
    );
    assert_eq!(
        one("SELECT COUNT(*) FROM copy.patient WHERE Mail NOT LIKE '%_@_%.invalid' AND Mail<>''"),
        "0"
    );
    assert_eq!(
        one("SELECT CONCAT(Born,'|',Mail,'|',IFNULL(Phone,'NULL')) FROM copy.patient WHERE PatNum=1"),
        "0001-01-01||NULL"
    );
    let joined = "SELECT COUNT(*) FROM copy.patient p JOIN copy.message m ON m.Id=p.PatNum AND m.Sent=REPLACE(REPLACE(p.Phone,'(',''),') ','')";
    assert_eq!(one(joined), "1997", "numbers meet as they met");
    assert_eq!(one("SELECT COUNT(*) FROM copy.queue"), "0");
    // A second copy is the same.
    exits(path, &server, "restore c latest --to-server --as again --as-test p.toml", 0);
    assert_eq!(
        one("SELECT COUNT(*) FROM copy.patient JOIN again.patient USING (PatNum,LName,Mail,Born,Note,Code)"),
        "2000"
    );
}

#[test]
fn a_profile_that_does_not_fit_touches_nothing() {
    let server = Server::start(&["--local-infile=1"]);
    let folder = backed_up(&server);
    let path = folder.path();
    for (rules, word) in [
        ("[[scrub]]\ntable='nowhere'\ncolumn='x'\nwith='text'", "nowhere"),
        ("[[scrub]]\ntable='patient'\ncolumn='Absent'\nwith='text'", "patient.Absent"),
        ("[[scrub]]\ntable='patient'\ncolumn='Born'\nwith='text'", "patient.Born"),
        ("[[scrub]]\ntable='patient'\ncolumn='Code'\nfixed='x'", "patient.Code"),
        ("[[scrub]]\ntable='patient'\ncolumn='Mail'\nwith='null'", "patient.Mail"),
        ("[[scrub]]\ntable='nowhere'\nrows='none'\noptional=true", "shop"),
        ("[[scrub]]\ntable='patient'\ncolumn='Mail'\nwith='mail'", "line 5"),
    ] {
        std::fs::write(path.join("bad.toml"), format!("name='bad'\n{rules}\n")).expect("profile");
        let run = exits(path, &server, "restore c latest --to-server --as copy --as-test bad.toml", 2);
        assert!(run.said.contains(word), "{word}: {}", run.said);
    }
    exits(path, &server, "restore c latest --to-server --as copy --as-test macpractice", 2);
    exits(path, &server, "restore c latest --to-server --as copy --as-test open-dental", 2);
    assert!(server.sql("SHOW DATABASES LIKE 'copy%'").is_empty());
}

#[test]
fn a_drill_proves_on_a_private_server_and_on_a_given_one() {
    let server = Server::start(&["--local-infile=1"]);
    let folder = backed_up(&server);
    let path = folder.path();
    std::fs::write(path.join("d.sql"), "CREATE TABLE t (a INT); INSERT INTO t VALUES (1);").expect("dump");
    exits(path, &server, "backup c --database shop --attachments images --dump d.sql", 0);
    std::fs::create_dir(path.join("scratch")).expect("folder");
    let run = exits(path, &server, "drill c --scratch-dir scratch --report drill.html --reviewer Eve<b>", 0);
    assert_eq!(
        (run.result["verdict"].as_str(), run.result["attachments"].as_u64()),
        (Some("proven"), Some(100))
    );
    assert_eq!((run.result["rows"].as_u64(), run.result["dumps_loaded"].as_u64()), (Some(4003), Some(1)));
    assert_eq!(std::fs::read_dir(path.join("scratch")).expect("folder").count(), 0, "the scratch is gone");
    let page = std::fs::read_to_string(path.join("drill.html")).expect("page");
    let json = std::fs::read_to_string(path.join("drill.json")).expect("JSON");
    for text in [&page, &json] {
        assert!(text.contains("shop") && !text.contains("Smith") && !text.contains("smith-"), "{text}");
    }
    assert!(page.contains("Eve&lt;b&gt;"));
    // The report of another drill is not overwritten.
    exits(path, &server, "drill c --no-database --report drill.html", 14);

    exits(path, &server, "drill c --to-server --attachments-share 0 --report given.html", 3);
    assert!(server.sql("SHOW DATABASES LIKE 'coffer%'").is_empty(), "dropped");
    server.sql("CREATE DATABASE coffer_drill_x");
    let run = exits(path, &server, "drill c --to-server --report other.html", 2);
    assert!(run.said.contains("coffer_drill_x") && !path.join("other.html").exists(), "{}", run.said);
    assert_eq!(server.sql("SHOW DATABASES LIKE 'coffer%'").len(), 1);
}

#[test]
fn a_drill_on_damage_says_so() {
    let server = Server::start(&["--local-infile=1"]);
    let folder = backed_up(&server);
    let path = folder.path();
    // Where the data of every segment begins, more is zeroed than parity makes good for.
    let mut bytes = std::fs::read(path.join("c")).expect("container");
    let segment = 4 << 20;
    let mut start = bytes.len() % segment;
    while start < bytes.len() {
        bytes[start + (16 << 10)..start + (300 << 10)].fill(0);
        start += segment;
    }
    std::fs::write(path.join("c"), bytes).expect("damaged");
    let run = exits(path, &server, "drill c --all --report drill.html", 4);
    assert_eq!(run.result["verdict"], "differs", "{}", run.said);
    assert!(run.result["different"].as_u64() > Some(0), "{}", run.said);
    let page = std::fs::read_to_string(path.join("drill.html")).expect("page");
    assert!(page.contains("Not ready") && !page.contains("smith-"), "{page}");
}

#[test]
fn the_demonstration_leaves_nothing_behind() {
    let server = Server::start(&["--local-infile=1"]);
    let folder = tempfile::tempdir().expect("folder");
    let socket = format!("demo --mysql-user root --mysql-socket {}", server.socket().display());
    let run = exits(folder.path(), &server, &socket, 0);
    assert!(
        run.result["next_added_bytes"].as_u64() < run.result["first_added_bytes"].as_u64(),
        "{}",
        run.said
    );
    assert!(server.sql("SHOW DATABASES LIKE 'coffer%'").is_empty());
    server.sql("CREATE DATABASE coffer_demo_practice");
    exits(folder.path(), &server, &socket, 2);
    assert_eq!(server.sql("SHOW DATABASES LIKE 'coffer%'").len(), 1, "not ours");
}

#[test]
fn a_drill_tries_databases_that_stand_on_each_other_and_servers_that_fold_names() {
    let server = Server::start(&["--local-infile=1"]);
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    server.client(
        "",
        "CREATE DATABASE a; CREATE DATABASE B; CREATE TABLE B.T (i INT PRIMARY KEY); INSERT INTO B.T VALUES (1);
         CREATE VIEW a.v AS SELECT i FROM B.T; CREATE VIEW B.V AS SELECT i FROM a.v; CREATE VIEW a.w AS SELECT i FROM B.V;
         USE B; CREATE TRIGGER tr BEFORE INSERT ON T FOR EACH ROW SET NEW.i = NEW.i + 1;",
    );
    exits(path, &server, "init c --no-encryption", 0);
    exits(path, &server, "backup c --database a --database B", 0);
    let run = exits(path, &server, "drill c --report drill.html", 0);
    assert_eq!(run.result["verdict"].as_str(), Some("proven"), "{}", run.said);
    server.client("", "DROP DATABASE a; DROP VIEW B.V");
    exits(path, &server, "backup c --database B", 0);
    let other = Server::start(&["--local-infile=1", "--lower-case-table-names=1"]);
    let run = exits(path, &other, "drill c --to-server --report given.html", 0);
    assert_eq!(run.result["verdict"].as_str(), Some("proven"), "{}", run.said);
    assert!(other.sql("SHOW DATABASES LIKE 'coffer%'").is_empty(), "dropped");
}
