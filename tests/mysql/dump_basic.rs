//! Dumps of databases at rest: every row, every object, and what cannot be had by name.

use crate::kept::{plan, take};
use crate::server::{Make, Server, mariadbs_own};
use coffer::entry::database::Consistency;
use coffer::error::Kind;

const SHOP: &str = "
CREATE DATABASE shop; USE shop;
CREATE TABLE a (id INT PRIMARY KEY, f FLOAT, t VARCHAR(20), e ENUM('','x'), g INT AS (id+1)) ENGINE=InnoDB;
INSERT INTO a (id,f,t,e) VALUES (2,16777216,'zwei','x'),(1,-0.5,NULL,''),(3,1e30,'','x');
CREATE TABLE m (a VARCHAR(10), b INT, v TEXT, PRIMARY KEY (a,b)) ENGINE=MyISAM;
INSERT INTO m VALUES ('b',1,'3'),('a',2,'2'),('a',1,'1');
CREATE TABLE nokey (x BIGINT UNSIGNED, y DOUBLE) ENGINE=/*M! Aria*/ /*!80000 MyISAM*/;
INSERT INTO nokey VALUES (18446744073709551615, 0.1),(NULL,NULL);
CREATE TABLE `empty` (id INT PRIMARY KEY) ENGINE=MEMORY;
CREATE TABLE `o/dd ``n` (id INT PRIMARY KEY, b LONGBLOB) ENGINE=InnoDB;
INSERT INTO `o/dd ``n` VALUES (1, REPEAT(x'00ff',100000));
CREATE VIEW v AS SELECT id FROM a;
/*M! CREATE SEQUENCE s START 5*/ /*!80000 DO 0*/;
CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW SET NEW.t=UPPER(NEW.t);
CREATE TABLE h (id INT PRIMARY KEY, v INT) ENGINE=InnoDB /*M! WITH SYSTEM VERSIONING*/;
INSERT INTO h VALUES (1,1); UPDATE h SET v=2; UPDATE h SET v=3;
CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO other.t VALUES (9);
";

#[test]
fn everything_of_a_database_comes() {
    let is_mysql = Make::asked().is_mysql();
    let server = Server::start(&["--log-bin"]);
    server.client("", SHOP);
    let (kept, report) = take(&plan(server.options(), &["shop"])).expect("dump");
    let text = |name: &str| kept.text(&format!("database/shop/tables/{name}"));
    let row = |cells: &[&str]| cells.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        text("a"),
        [
            row(&["1", "-0.5", "NULL", "1"]),
            row(&["2", "16777216", "zwei", "2"]),
            row(&["3", "1.0000000150474662e30", "", "2"])
        ]
    );
    assert_eq!(text("m"), [row(&["a", "1", "1"]), row(&["a", "2", "2"]), row(&["b", "1", "3"])]);
    assert_eq!(text("nokey"), [row(&["18446744073709551615", "0.1"]), row(&["NULL", "NULL"])]);
    assert!(text("empty").is_empty());
    assert_eq!(kept.rows("database/shop/tables/o%2fdd `n")[0][1].as_ref().map(Vec::len), Some(200_000));
    assert_eq!(text("h").len(), if is_mysql { 1 } else { 3 }, "rows of the past are there");
    let words: Vec<&str> = kept.objects().iter().map(|o| o.kind.word()).collect();
    assert_eq!(words[usize::from(!is_mysql)..], ["trigger", "view"]);
    assert_eq!(words.contains(&"sequence"), !is_mysql);
    assert_eq!(report.tables, 6);
    assert_eq!(report.consistency, Consistency::Lock);
    assert!(kept.server().position.is_some_and(|p| p.offset > 0 && !p.gtid.is_empty()));
    assert!(kept.notes.lock().expect("notes").is_empty());
}

#[test]
fn innodb_with_a_log_needs_no_lock() {
    if mariadbs_own("snapshots proven equal by the log") {
        return;
    }
    let server = Server::start(&["--log-bin"]);
    server.client("", SHOP);
    let mut wanted = plan(server.options(), &["shop", "other"]);
    wanted.exclude = ["m", "nokey", "empty"].map(|name| format!("shop.{name}")).to_vec();
    let (kept, report) = take(&wanted).expect("dump");
    assert_eq!((report.consistency, report.stall_us), (Consistency::Snapshot, 0));
    assert!(report.position.is_some_and(|p| p.offset > 0 && !p.gtid.is_empty()));
    assert_eq!(kept.text("database/other/tables/t"), [["9"]]);
    let names: Vec<String> = kept.tables.lock().expect("tables").keys().cloned().collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn all_databases_are_those_of_people() {
    let server = Server::start(&[]);
    server.client("", SHOP);
    // The server looks up no names, and then refuses to show accounts of hosts with names.
    if !Make::asked().is_mysql() {
        server.client("", "DELETE FROM mysql.global_priv WHERE Host<>'localhost'; FLUSH PRIVILEGES;");
    }
    let mut wanted = plan(server.options(), &[]);
    wanted.databases = None;
    wanted.users = true;
    let (kept, report) = take(&wanted).expect("dump");
    assert_eq!(report.databases, 2);
    assert_eq!(report.position.is_some(), Make::asked().is_mysql(), "its log is on by default");
    assert!(kept.objects().iter().any(|o| o.name == "'root'@'localhost'"));
}

#[test]
fn an_unknown_database_is_named() {
    let server = Server::start(&[]);
    let error = take(&plan(server.options(), &["nothing"])).err().expect("an error");
    assert_eq!(error.kind(), Kind::NoDatabase);
    assert!(error.to_string().contains("`nothing`"), "{error}");
}

#[test]
fn keys_of_all_types_are_read_in_chunks() {
    let server = Server::start(if Make::asked().is_mysql() { &[] } else { &["--userstat=1"] });
    let types = [
        ("INT", "CAST(seq AS SIGNED)-50"),
        ("BIGINT UNSIGNED", "18446744073709551615-seq"),
        ("DECIMAL(20,5)", "seq/7"),
        ("DOUBLE", "seq/7"),
        ("FLOAT", "seq/7"),
        ("VARCHAR(20) CHARACTER SET latin1", "CONCAT('\\'\\\\', LEFT(SHA2(seq,256),32))"),
        (
            "VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_german2_ci",
            "CONCAT('Ä', LEFT(LEFT(SHA2(seq,256),32),9))",
        ),
        ("CHAR(20) CHARACTER SET ucs2", "LEFT(LEFT(SHA2(seq,256),32),12)"),
        ("VARBINARY(20)", "UNHEX(LEFT(SHA2(seq,256),32))"),
        ("DATE", "DATE_ADD('1999-12-01', INTERVAL seq DAY)"),
        ("DATETIME(3)", "DATE_ADD('1999-12-01', INTERVAL seq*1001 MICROSECOND)"),
        ("TIMESTAMP", "DATE_ADD('2020-10-25 00:00:00', INTERVAL seq MINUTE)"),
        ("TIME", "SEC_TO_TIME(CAST(seq AS SIGNED)*100-5000)"),
        ("BIT(10)", "seq"),
        ("SET('a','b','c','d','e','f','g')", "seq"),
    ];
    let is_mysql = Make::asked().is_mysql();
    let more = match is_mysql {
        true => {
            [("VARCHAR(20) COLLATE utf8mb4_0900_as_cs", "LEFT(SHA2(seq,256),32)"), ("YEAR", "1901 + seq")]
        }
        false => [("UUID", "UUID()"), ("INET6", "INET6_NTOA(UNHEX(LEFT(SHA2(seq,256),32)))")],
    };
    let types = [&types[..], &more].concat();
    let second = if is_mysql { "myisam" } else { "Aria" };
    let mut script = String::from("SET sql_mode=''; CREATE DATABASE k; USE k;\n");
    for (number, (column, value)) in types.iter().enumerate() {
        for (engine, key) in [("MyISAM", "PRIMARY KEY (k)"), (second, "UNIQUE KEY x (n, k)")] {
            script += &format!(
                "CREATE TABLE {engine}{number} (n INT NOT NULL, k {column} NOT NULL, {key}) ENGINE={engine};\n\
                 INSERT INTO {engine}{number} SELECT seq DIV 9, {value} FROM mysql.seq_1_to_100;\n"
            );
        }
    }
    script += "CREATE TABLE e (k ENUM('z','y','x'), n INT, PRIMARY KEY (k, n)) ENGINE=MyISAM;
        INSERT INTO e SELECT seq % 3 + 1, seq FROM mysql.seq_1_to_100;
        CREATE TABLE nokey (n INT) ENGINE=MyISAM; INSERT INTO nokey SELECT seq FROM mysql.seq_1_to_100;
        CREATE TABLE h (id INT PRIMARY KEY, v INT) ENGINE=MyISAM /*M! WITH SYSTEM VERSIONING*/;
        INSERT INTO h SELECT seq, 1 FROM mysql.seq_1_to_100; UPDATE h SET v=2;";
    server.client("", &script);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let mut wanted = plan(server.options(), &["k"]);
    wanted.limits.chunk_rows = 16;
    let (kept, report) = take(&wanted).expect("dump");
    for (path, (record, _)) in kept.tables.lock().expect("tables").iter() {
        let expected = if record.name == "h" && !is_mysql { 200 } else { 100 };
        assert_eq!(record.rows, expected, "{path}");
    }
    // A wrong border between chunks would show as another number of rows, and be read again.
    let again: Vec<&String> = report.read_under_lock.iter().filter(|name| !name.ends_with("`h`")).collect();
    assert!(again.is_empty(), "{again:?}");
    let numbers: Vec<String> = kept.text("database/k/tables/nokey").into_iter().flatten().collect();
    assert_eq!(numbers, (1..=100).map(|n| n.to_string()).collect::<Vec<_>>());
}
