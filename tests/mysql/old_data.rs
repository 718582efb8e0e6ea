//! Old data removed from live servers by the program: exactly the rows that are old, each proven to be
//! in a snapshot, beside writers, and after a kill in the middle.

use crate::server::Server;
use crate::trial::{coffer, exits, started};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// 3,000 log rows of which 1,000 are old, 10 have no date and 5 a partial one; hashes for each, and two
/// for rows that are not there.
const PRACTICE: &str = "
SET sql_mode=''; CREATE DATABASE dental; USE dental;
CREATE TABLE securitylog (SecurityLogNum BIGINT PRIMARY KEY AUTO_INCREMENT, LogDateTime DATETIME NOT NULL, LogText TEXT,
  PermType TINYINT UNSIGNED) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3;
INSERT INTO securitylog SELECT seq, IF(seq<=1000, '2019-12-31 23:59:59', '2020-01-01 00:00:00'), CONCAT('did ',seq), seq%7
  FROM mysql.seq_1_to_3000;
UPDATE securitylog SET LogDateTime='0001-01-01' WHERE SecurityLogNum BETWEEN 1 AND 5;
UPDATE securitylog SET LogDateTime='0000-00-00' WHERE SecurityLogNum BETWEEN 6 AND 10;
UPDATE securitylog SET LogDateTime='2018-00-00' WHERE SecurityLogNum BETWEEN 11 AND 15;
CREATE TABLE securityloghash (SecurityLogHashNum BIGINT PRIMARY KEY AUTO_INCREMENT, SecurityLogNum BIGINT NOT NULL,
  LogHash VARCHAR(64), KEY (SecurityLogNum)) ENGINE=MyISAM;
INSERT INTO securityloghash (SecurityLogNum, LogHash) SELECT SecurityLogNum, LEFT(SHA2(LogText,256),32) AS hash FROM securitylog ORDER BY hash;
INSERT INTO securityloghash (SecurityLogNum, LogHash) VALUES (90001,'x'),(90002,'y');
CREATE TABLE emailmessage (EmailMessageNum BIGINT PRIMARY KEY, MsgDateTime DATETIME, RawEmailIn LONGTEXT, f FLOAT,
  kind ENUM('a','b')) ENGINE=InnoDB;
INSERT INTO emailmessage SELECT seq*3, IF(seq%2, '2010-05-05', NULL), REPEAT(LEFT(SHA2(seq,256),32), seq%400), seq/7, 1+seq%2
  FROM mysql.seq_1_to_500;
CREATE TABLE taskhist (Who VARCHAR(20) CHARACTER SET latin1, No INT, DateTStamp TIMESTAMP NULL, PRIMARY KEY (Who, No)) ENGINE=InnoDB;
INSERT INTO taskhist SELECT CONCAT(_latin1 X'4dfc6c6c6572', ' ', seq%10), seq, '2019-06-01' + INTERVAL seq DAY FROM mysql.seq_1_to_400;
CREATE TABLE patient (PatNum INT PRIMARY KEY, d DATE); INSERT INTO patient VALUES (1,'1950-01-01');
";

const PROFILE: &str = "name = 'dental'\nold-after = '3y'\nold-data-remarks = ['the vendor forbids this']
[[old-data]]\ntable='securitylog'\ndate='LogDateTime'
[[old-data]]\ntable='securityloghash'\nparent='securitylog'\nkey='SecurityLogNum'\ndate='LogDateTime'
[[old-data]]\ntable='emailmessage'\ndate='MsgDateTime'
[[old-data]]\ntable='TaskHist'\ndate='DateTStamp'
[[old-data]]\ntable='nowhere'\ndate='x'\noptional=true
";

const BEFORE: &str = "--profile p.toml --before 2020-01-01";

fn practice(server: &Server) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    server.try_client("", PRACTICE.as_bytes()).expect("practice");
    std::fs::write(folder.path().join("p.toml"), PROFILE).expect("profile");
    exits(folder.path(), server, "init c --no-encryption", 0);
    folder
}

/// A number of a table in the result.
#[track_caller]
fn number(result: &Value, table: &str, field: &str) -> u64 {
    let tables = result["tables"].as_array().expect("tables");
    let found = tables.iter().find(|t| t["table"] == table).expect(table);
    found[field].as_u64().expect(field)
}

/// Rows of each table, and a checksum over what must stay.
fn state(server: &Server) -> String {
    server.client(
        "dental",
        "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',SecurityLogNum,LogDateTime,LogText))) FROM securitylog;
         SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',SecurityLogNum,LogHash))) FROM securityloghash;
         SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',EmailMessageNum,MsgDateTime,RawEmailIn))) FROM emailmessage;
         SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',No,DateTStamp))) FROM taskhist; SELECT COUNT(*) FROM patient;",
    )
}

const OLD_LOG: &str = "LogDateTime<'2020-01-01' AND YEAR(LogDateTime)>1 AND MONTH(LogDateTime)>0";

/// What [`state`] is when exactly the old rows are gone, by statements of the test's own.
fn expected(server: &Server) -> String {
    server.client("", "CREATE DATABASE twin");
    for table in ["securitylog", "securityloghash", "emailmessage", "taskhist", "patient"] {
        server.client("", &format!("CREATE TABLE twin.{table} LIKE dental.{table}; SET sql_mode=''; INSERT INTO twin.{table} SELECT * FROM dental.{table}"));
    }
    server.client(
        "twin",
        &format!(
            "DELETE FROM securityloghash WHERE SecurityLogNum IN (SELECT SecurityLogNum FROM securitylog WHERE {OLD_LOG});
             DELETE FROM securitylog WHERE {OLD_LOG};
             DELETE FROM emailmessage WHERE MsgDateTime<'2020-01-01'; DELETE FROM taskhist WHERE DateTStamp<'2020-01-01';"
        ),
    );
    let all = "SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',SecurityLogNum,LogDateTime,LogText))) FROM securitylog;
         SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',SecurityLogNum,LogHash))) FROM securityloghash;
         SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',EmailMessageNum,MsgDateTime,RawEmailIn))) FROM emailmessage;
         SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|',No,DateTStamp))) FROM taskhist; SELECT COUNT(*) FROM patient;";
    let state = server.client("twin", all);
    server.client("", "DROP DATABASE twin");
    state
}

#[test]
fn exactly_the_old_rows_go_and_the_snapshot_that_holds_them_is_pinned() {
    let server = Server::start(&["--default-time-zone=+05:00"]);
    let folder = practice(&server);
    let path = folder.path();
    let (before, expected) = (state(&server), expected(&server));
    let plan = exits(path, &server, &format!("remove-old-data plan c {BEFORE} --report plan.html"), 0);
    let of = |table, field| number(&plan.result, table, field);
    assert_eq!(
        (of("securitylog", "old"), of("securitylog", "dateless"), of("securitylog", "rows")),
        (985, 15, 3000)
    );
    assert_eq!((of("securityloghash", "old"), of("securityloghash", "orphans")), (985, 2));
    assert_eq!((of("emailmessage", "old"), of("emailmessage", "dateless")), (250, 250));
    // Made under the server's own time zone, in which the year begins five hours earlier.
    let tasks: u64 = server
        .client("dental", "SELECT COUNT(*) FROM taskhist WHERE DateTStamp<'2020-01-01'")
        .trim()
        .parse()
        .expect("a number");
    assert_eq!(of("taskhist", "old"), tasks);
    assert!(
        plan.said.contains("the vendor forbids this")
            && plan.result["estimated_bytes"].as_u64() > Some(985 * 20)
    );
    assert!(std::fs::read_to_string(path.join("plan.html")).expect("page").contains("nothing was changed"));

    // Nothing goes without a snapshot or a yes.
    let apply = format!("remove-old-data apply c {BEFORE}");
    exits(path, &server, &format!("{apply} --yes"), 10);
    exits(path, &server, "backup c --database dental", 0);
    exits(path, &server, &apply, 2);
    exits(path, &server, &format!("{apply} --yes --dry-run"), 0);
    assert_eq!(state(&server), before);

    let run = exits(
        path,
        &server,
        &format!("{apply} --yes --batch 100 --pause 0 --share 100 --report gone.html"),
        0,
    );
    assert_eq!(run.result["deleted"].as_u64(), Some(985 * 2 + 250 + tasks), "{}", run.said);
    assert_eq!(run.result["left"], 0);
    assert_eq!(state(&server), expected);
    let snapshots = exits(path, &server, "snapshots c", 0);
    assert!(snapshots.said.contains("removed from the server"), "{}", snapshots.said);
    let journal =
        std::fs::read_to_string(run.result["journal"].as_str().expect("a journal")).expect("journal");
    let journal: Value = serde_json::from_str(&journal).expect("JSON");
    assert!(
        journal["ended"] != ""
            && journal["tables"].as_array().expect("tables").iter().all(|t| t["planned"] == t["removed"]),
        "{journal}"
    );
    // Again there is nothing to do, and the snapshot has everything.
    assert_eq!(exits(path, &server, &format!("{apply} --yes"), 0).result["deleted"], 0);
    exits(path, &server, "restore c latest --to-server --database dental --as back", 0);
    assert_eq!(server.value("SELECT COUNT(*) FROM back.securitylog").as_deref(), Some("3000"));
}

#[test]
fn a_row_that_the_snapshot_has_not_stops_everything_and_is_named() {
    let server = Server::start(&[]);
    let folder = practice(&server);
    let path = folder.path();
    exits(path, &server, "backup c --database dental", 0);
    let apply = format!("remove-old-data apply c {BEFORE} --yes --pause 0 --share 100");
    for (change, name) in [
        ("UPDATE securitylog SET LogText='else' WHERE SecurityLogNum=700", "SecurityLogNum 700"),
        ("INSERT INTO emailmessage VALUES (77,'2001-01-01','new',1,1)", "EmailMessageNum 77"),
        ("UPDATE taskhist SET DateTStamp='2019-06-05' WHERE No=399", "No 399"),
    ] {
        server.client("dental", change);
        let before = state(&server);
        let run = exits(path, &server, &apply, 1);
        assert!(run.said.contains(name) && run.said.contains("--backup"), "{name}: {}", run.said);
        assert_eq!(state(&server), before, "nothing went");
        exits(path, &server, "backup c --database dental", 0);
    }
    server.client("dental", "UPDATE securitylog SET LogText='once more' WHERE SecurityLogNum=701");
    let expected = expected(&server);
    exits(path, &server, &format!("{apply} --backup"), 0);
    assert_eq!(state(&server), expected);
}

#[test]
fn people_work_meanwhile_and_nothing_of_theirs_is_lost() {
    let server = Server::start(&[]);
    let folder = practice(&server);
    let stop = AtomicBool::new(false);
    let (written, worst) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut conn = server.connect();
            let (mut rows, mut worst) = (0u64, Duration::ZERO);
            while !stop.load(Ordering::Relaxed) {
                let began = Instant::now();
                conn.execute("INSERT INTO dental.securitylog (LogDateTime, LogText) VALUES (NOW(), 'live')").expect("log");
                conn.execute("INSERT INTO dental.securityloghash (SecurityLogNum, LogHash) VALUES (LAST_INSERT_ID(), 'h')").expect("hash");
                conn.execute("UPDATE dental.securitylog SET PermType=3 WHERE SecurityLogNum=2500").expect("update");
                worst = worst.max(began.elapsed());
                rows += 1;
                std::thread::sleep(Duration::from_millis(3));
            }
            (rows, worst)
        });
        exits(
            folder.path(),
            &server,
            &format!("remove-old-data apply c {BEFORE} --yes --backup --batch 60 --pause 5ms"),
            0,
        );
        stop.store(true, Ordering::Relaxed);
        writer.join().expect("writer")
    });
    let one = |sql: &str| server.value(sql).and_then(|n| n.parse::<u64>().ok()).expect("a number");
    assert!(written > 20, "{written}");
    assert!(worst < Duration::from_secs(5), "writers waited {worst:?}");
    assert_eq!(one("SELECT COUNT(*) FROM dental.securitylog WHERE LogText='live'"), written);
    assert_eq!(one("SELECT COUNT(*) FROM dental.securitylog"), 3000 - 985 + written);
    assert_eq!(one("SELECT COUNT(*) FROM dental.securityloghash"), 3002 - 985 + written);
    assert_eq!(
        one(
            "SELECT COUNT(*) FROM dental.securityloghash h LEFT JOIN dental.securitylog l USING (SecurityLogNum) WHERE l.SecurityLogNum IS NULL"
        ),
        2
    );
}

fn count(server: &Server, table: &str) -> u64 {
    server
        .value(&format!("SELECT COUNT(*) FROM dental.{table}"))
        .and_then(|n| n.parse().ok())
        .expect("a count")
}

#[test]
fn a_killed_removal_goes_on_when_it_is_run_again() {
    let server = Server::start(&[]);
    let folder = practice(&server);
    let path = folder.path();
    let expected = expected(&server);
    exits(path, &server, "backup c --database dental", 0);
    let slow = format!("remove-old-data apply c {BEFORE} --yes --batch 20 --pause 20ms");
    for (table, at) in [("securityloghash", 2800), ("securitylog", 2700), ("emailmessage", 400)] {
        let mut child = started(path, &server, &slow);
        let began = Instant::now();
        while count(&server, table) > at && child.try_wait().expect("state").is_none() {
            assert!(began.elapsed() < Duration::from_secs(100), "{table} stays");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        assert_ne!(state(&server), expected, "killed too late");
    }
    let orphans = "SELECT COUNT(*) FROM dental.securityloghash h LEFT JOIN dental.securitylog l USING (SecurityLogNum) WHERE l.SecurityLogNum IS NULL";
    assert_eq!(server.value(orphans).as_deref(), Some("2"), "a kill leaves no more than there were");
    let run =
        exits(path, &server, &format!("remove-old-data apply c {BEFORE} --yes --pause 0 --share 100"), 0);
    assert_eq!(run.result["is_resumed"], true, "{}", run.said);
    assert_eq!(state(&server), expected);
    let all =
        number(&run.result, "securitylog", "deleted") + number(&run.result, "securitylog", "deleted_before");
    assert_eq!(all, 985, "{}", run.said);
    let removals = std::fs::read_dir(path.join("state/removals")).expect("journals");
    assert_eq!(removals.count(), 1, "one removal, one entry");
}

#[test]
fn what_does_not_fit_is_refused_by_name_before_anything() {
    let server = Server::start(&[]);
    let folder = practice(&server);
    let path: &Path = folder.path();
    let before = state(&server);
    exits(path, &server, "backup c --database dental", 0);
    let refused = |rules: &str, more: &str, word: &str| {
        std::fs::write(path.join("bad.toml"), format!("name='bad'\n{rules}")).expect("profile");
        let run = coffer(
            path,
            &server,
            &format!("remove-old-data apply c --profile bad.toml --before 2020-01-01 --yes {more}"),
        );
        assert_eq!(run.code, Some(2), "{word}: {}", run.said);
        assert!(run.said.contains(word), "{word}: {}", run.said);
    };
    let log = "[[old-data]]\ntable='securitylog'\ndate='LogDateTime'\n";
    refused("[[old-data]]\ntable='securitylog'\ndate='Gone'\n", "", "securitylog.Gone");
    refused("[[old-data]]\ntable='gone'\ndate='x'\n", "--database dental", "no table gone");
    refused("[[old-data]]\ntable='gone'\ndate='x'\n", "", "gone");
    refused("[[old-data]]\ntable='securitylog'\ndate='LogText'\n", "", "no date");
    refused(
        "[[old-data]]\ntable='securityloghash'\nparent='securitylog'\nkey='Gone'\ndate='LogDateTime'\n",
        "",
        "securityloghash.Gone",
    );
    refused(log, "--table patient", "no rule");
    refused(log, "--database nowhere", "nowhere");
    refused("", "", "no table with old data");
    server.client(
        "dental",
        "CREATE TABLE keyless (d DATE); CREATE TABLE l2 (n BIGINT PRIMARY KEY, d DATE) ENGINE=InnoDB;
        CREATE TABLE child (n BIGINT, FOREIGN KEY (n) REFERENCES l2 (n) ON DELETE CASCADE) ENGINE=InnoDB;",
    );
    refused("[[old-data]]\ntable='keyless'\ndate='d'\n", "", "keyless");
    refused("[[old-data]]\ntable='l2'\ndate='d'\n", "", "foreign key");
    server.client("dental", "CREATE TRIGGER noted AFTER DELETE ON securitylog FOR EACH ROW INSERT INTO patient VALUES (OLD.SecurityLogNum, NULL)");
    refused(log, "", "trigger `noted`");
    server.client("dental", "DROP TRIGGER noted");
    let run = coffer(
        path,
        &server,
        "remove-old-data plan c --profile p.toml --table securitylog --before 2020-01-01",
    );
    assert!(run.code == Some(2) && run.said.contains("securityloghash"), "{}", run.said);
    for line in ["--before 2999-01-01", "--older-than 3w", "--before 2020-01-01 --older-than 3y"] {
        exits(path, &server, &format!("remove-old-data plan c --profile p.toml {line}"), 2);
    }
    assert_eq!(state(&server), before);
}
