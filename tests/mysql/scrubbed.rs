//! What a test copy keeps apart and together, as the server's collations hold it, and what of the original
//! words is left on the server that got it.

use crate::server::{Make, Server};
use crate::trial::exits;
use serde_json::Value;
use std::path::Path;

/// Pieces of values that collations take for the same in many ways.
const PIECES: [&str; 40] = [
    "a", "e", "é", "è", "É", "s", "ß", "S", "ss", "å", "aa", "ä", "ae", "æ", "v", "w", "i", "I", "ı", "İ",
    "y", "ü", "ö", "o", "1", "²", "2", " ", "'", "\u{301}", "王", "玉", "ж", "Ж", "か", "カ", "n", "ñ", "ch",
    "𠀀",
];
/// Values of each collation.
const VALUES: usize = 260;

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % end
    }
}

fn collations() -> Vec<&'static str> {
    let mut all = vec![
        "utf8mb4_general_ci",
        "utf8mb4_unicode_ci",
        "utf8mb4_bin",
        "utf8mb4_swedish_ci",
        "utf8mb4_turkish_ci",
        "utf8mb4_roman_ci",
        "utf8mb3_unicode_ci",
        "latin1_swedish_ci",
        "latin1_general_ci",
        "latin1_general_cs",
        "latin1_german2_ci",
        "latin1_bin",
        "cp1251_general_ci",
        "latin5_turkish_ci",
        "ascii_general_ci",
    ];
    all.extend(match Make::asked().is_mysql() {
        true => ["utf8mb4_0900_ai_ci", "utf8mb4_0900_as_ci", "utf8mb4_0900_as_cs", "utf8mb4_sv_0900_ai_ci"],
        false => [
            "utf8mb4_uca1400_ai_ci",
            "utf8mb4_uca1400_as_ci",
            "utf8mb4_uca1400_as_cs",
            "utf8mb4_unicode_nopad_ci",
        ],
    });
    all
}

/// A value that many others are equal to.
fn value(numbers: &mut Numbers) -> String {
    let count = 1 + numbers.below(3);
    let pieces: String = (0..count).map(|_| PIECES[numbers.below(PIECES.len())]).collect();
    pieces.replace('\'', "''")
}

fn rules(table: &str, column: &str, with: &str, domain: &str) -> String {
    format!("[[scrub]]\ntable='{table}'\ncolumn='{column}'\nwith='{with}'\ndomain='{domain}'\n")
}

fn saved(server: &Server, sql: &str, profile: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    server.client("", sql);
    std::fs::write(folder.path().join("p.toml"), format!("name='p'\n{profile}")).expect("profile");
    exits(folder.path(), server, "init c --no-encryption", 0);
    exits(folder.path(), server, "backup c --database shop", 0);
    folder
}

fn copied(folder: &Path, server: &Server) -> Value {
    exits(folder, server, "restore c latest --to-server --as copy --as-test p.toml", 0).result
}

#[test]
fn values_that_a_collation_holds_equal_stay_equal_and_all_others_different() {
    let server = Server::start(&["--local-infile=1"]);
    let mut numbers = Numbers(11);
    let (mut sql, mut profile) =
        ("CREATE DATABASE shop; USE shop; SET sql_mode='';\n".to_owned(), String::new());
    let collations = collations();
    for (at, collation) in collations.iter().enumerate() {
        let set = collation.split('_').next().expect("a character set");
        let column = format!("VARCHAR(60) CHARACTER SET {set} COLLATE {collation} NOT NULL");
        sql += &format!(
            "CREATE TABLE every{at} (id INT PRIMARY KEY, v {column});
             CREATE TABLE once{at} (id INT PRIMARY KEY, v {column}, UNIQUE (v));
             CREATE TABLE tied{at} (id INT PRIMARY KEY, v {column}, KEY (v), FOREIGN KEY (v) REFERENCES once{at} (v));\n"
        );
        let values: Vec<String> = (0..VALUES).map(|id| format!("({id},'{}')", value(&mut numbers))).collect();
        sql += &format!("INSERT INTO every{at} VALUES {};\n", values.join(","));
        sql += &format!("INSERT IGNORE INTO once{at} SELECT * FROM every{at};\n");
        sql += &format!("INSERT INTO tied{at} SELECT id, v FROM every{at};\n");
        for table in ["every", "once", "tied"] {
            let with = ["text", "name", "phone"][at % 3];
            profile += &rules(&format!("{table}{at}"), "v", with, &format!("d{at}"));
        }
    }
    let folder = saved(&server, &sql, &profile);
    copied(folder.path(), &server);
    let one = |sql: &str| server.value(sql).unwrap_or_default();
    for (at, collation) in collations.iter().enumerate() {
        for table in ["every", "tied"] {
            let wrong = server.client(
                "",
                &format!(
                    "SELECT a.v, b.v, c.v, d.v FROM shop.every{at} a JOIN shop.{table}{at} b JOIN copy.every{at} c ON c.id=a.id \
                     JOIN copy.{table}{at} d ON d.id=b.id WHERE (a.v=b.v) <> (c.v=d.v) LIMIT 9"
                ),
            );
            assert_eq!(wrong, "", "{collation}: {table}");
        }
        let count = |database: &str| one(&format!("SELECT COUNT(*) FROM {database}.once{at}"));
        assert_eq!(count("copy"), count("shop"), "{collation}");
        let kept = one(&format!(
            "SELECT COUNT(*) FROM shop.every{at} a JOIN copy.every{at} c USING (id) \
             WHERE BINARY a.v = BINARY c.v AND a.v RLIKE '[a-z0-9]'"
        ));
        assert!(kept.parse::<usize>().expect("number") < VALUES / 5, "{collation}: {kept} stayed");
    }
    let keys =
        "SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA='copy'";
    assert_eq!(one(keys), collations.len().to_string());
}

#[test]
fn keys_of_beginnings_of_few_letters_and_of_several_columns_hold() {
    let server = Server::start(&["--local-infile=1"]);
    let letters = "(SELECT CHAR(96+seq) c FROM mysql.seq_1_to_30 WHERE seq<27)";
    let sql = format!(
        "CREATE DATABASE shop; USE shop;
         CREATE TABLE two (id INT AUTO_INCREMENT PRIMARY KEY, c CHAR(2) NOT NULL, UNIQUE (c)) CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
         INSERT INTO two (c) SELECT CONCAT(a.c,b.c) FROM {letters} a, {letters} b;
         CREATE TABLE start (id INT AUTO_INCREMENT PRIMARY KEY, t TEXT NOT NULL, UNIQUE (t(2))) CHARSET=latin1 COLLATE=latin1_german2_ci;
         INSERT INTO start (t) SELECT CONCAT(a.c,b.c,'son of Smith') FROM {letters} a, {letters} b;
         CREATE TABLE pair (name VARCHAR(20) NOT NULL, born DATE NOT NULL, n TINYINT NOT NULL, PRIMARY KEY (name(1),born,n)) CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
         INSERT INTO pair SELECT CONCAT(c,'x'), '1970-01-01' + INTERVAL seq DAY, seq FROM {letters} l, mysql.seq_1_to_100;
         CREATE TABLE mail (m VARCHAR(24) PRIMARY KEY) CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
         INSERT INTO mail SELECT CONCAT('Some.Body.',seq,'@mail.ex') FROM mysql.seq_1_to_3000;
         INSERT INTO mail SELECT LOWER(m) FROM mail;"
    );
    let mut profile = rules("two", "c", "text", "two") + &rules("start", "t", "text", "start");
    profile += &(rules("pair", "name", "name", "name") + &rules("pair", "born", "date", "date"));
    profile += &(rules("pair", "n", "digits", "n") + &rules("mail", "m", "email", "mail"));
    let folder = saved(&server, &sql, &profile);
    copied(folder.path(), &server);
    for table in ["two", "start", "pair", "mail"] {
        let count = |database: &str| server.value(&format!("SELECT COUNT(*) FROM {database}.{table}"));
        assert_eq!(count("copy"), count("shop"), "{table}");
    }
    assert_eq!(server.value("SELECT COUNT(*) FROM copy.start WHERE t LIKE '%Smith%'").as_deref(), Some("0"));
    assert_eq!(
        server.value("SELECT COUNT(*) FROM copy.mail WHERE m NOT LIKE '%@x.invalid'").as_deref(),
        Some("0")
    );
}

#[test]
fn ends_of_a_foreign_key_that_would_part_are_refused() {
    let server = Server::start(&["--local-infile=1"]);
    let sql = "CREATE DATABASE shop; USE shop;
        CREATE TABLE p (code VARCHAR(9) PRIMARY KEY, u VARCHAR(9) GENERATED ALWAYS AS (UPPER(code)) VIRTUAL);
        CREATE TABLE c (id INT PRIMARY KEY, code VARCHAR(9), FOREIGN KEY f (code) REFERENCES p (code));
        INSERT INTO p (code) VALUES ('abc'); INSERT INTO c VALUES (1,'ABC');";
    let folder = saved(&server, sql, "");
    for (rules, word) in [
        (rules("p", "code", "text", "d"), "foreign key"),
        (rules("p", "code", "text", "d") + &rules("c", "code", "text", "e"), "foreign key"),
        (rules("p", "code", "text", "d") + &rules("c", "code", "name", "d"), "foreign key"),
        (rules("c", "code", "text", "d") + &rules("p", "u", "text", "d"), "generated"),
    ] {
        std::fs::write(folder.path().join("bad.toml"), format!("name='bad'\n{rules}")).expect("profile");
        let run =
            exits(folder.path(), &server, "restore c latest --to-server --as copy --as-test bad.toml", 2);
        assert!(run.said.contains(word), "{word}: {}", run.said);
    }
    let good = rules("p", "code", "text", "d") + &rules("c", "code", "text", "d");
    std::fs::write(folder.path().join("p.toml"), format!("name='p'\n{good}")).expect("profile");
    copied(folder.path(), &server);
    let joined = server.value("SELECT COUNT(*) FROM copy.c JOIN copy.p USING (code) WHERE p.code<>'abc'");
    assert_eq!(joined.as_deref(), Some("1"));
}

/// Whether the bytes stand in any file below the folder; where.
fn found(folder: &Path, words: &[u8]) -> Option<String> {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            if let Some(place) = found(&path, words) {
                return Some(place);
            }
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(words.len()).any(|window| window == words)
        {
            return Some(path.display().to_string());
        }
    }
    None
}

#[test]
fn no_file_of_the_server_has_an_original_word() {
    let source = Server::start(&["--local-infile=1"]);
    let mariadbs = match Make::asked().is_mysql() {
        true => "",
        false => {
            "CREATE TABLE kept (id INT PRIMARY KEY, who VARCHAR(40)) WITH SYSTEM VERSIONING;
             INSERT INTO kept VALUES (1,'Zebediah Quux'),(2,'Zebediah'); UPDATE kept SET who='Zebediah Other'; DELETE FROM kept WHERE id=2;
             SET use_stat_tables='preferably'; ANALYZE TABLE patient PERSISTENT FOR ALL;"
        }
    };
    let sql = format!(
        "CREATE DATABASE shop; USE shop;
         CREATE TABLE patient (id INT PRIMARY KEY, who VARCHAR(60) NOT NULL, up VARCHAR(80) GENERATED ALWAYS AS (CONCAT(UPPER(who),'-')) STORED,
           note TEXT, old VARCHAR(60) CHARACTER SET latin1, KEY (up), FULLTEXT KEY (note)) CHARSET=utf8mb4;
         INSERT INTO patient (id, who, note, old) SELECT seq, 'Zebediah', CONCAT('{{\"name\":\"Zebediah\"}} <PID>Zebediah|',seq,'</PID>'),
           CONVERT(CAST('Зебедия' AS BINARY) USING latin1) FROM mysql.seq_1_to_200;
         CREATE TABLE told (id INT PRIMARY KEY AUTO_INCREMENT, who VARCHAR(60));
         CREATE VIEW seen AS SELECT who FROM patient;
         CREATE TRIGGER t AFTER INSERT ON patient FOR EACH ROW INSERT INTO told (who) VALUES (NEW.who);
         {mariadbs}"
    );
    let mut profile = rules("patient", "who", "name", "name") + &rules("patient", "note", "text", "text");
    profile += &rules("patient", "old", "name", "name");
    if !mariadbs.is_empty() {
        profile += &rules("kept", "who", "name", "name");
    }
    let folder = saved(&source, &sql, &profile);
    let target =
        Server::start(&["--local-infile=1", "--log-bin=changes", "--binlog-format=ROW", "--general-log=1"]);
    copied(folder.path(), &target);
    assert_eq!(target.value("SELECT COUNT(*) FROM copy.patient").as_deref(), Some("200"));
    if !mariadbs.is_empty() {
        let all = "SELECT COUNT(*) FROM copy.kept FOR SYSTEM_TIME ALL";
        assert_eq!(target.value(all).as_deref(), Some("4"), "the past comes, too");
    }
    let data = target.data();
    for words in ["ebediah", "EBEDIAH", "Зебедия", "ебеди"] {
        assert_eq!(found(&data, words.as_bytes()), None, "{words}");
    }
    let mojibake = "Зебедия".as_bytes();
    assert_eq!(found(&data, mojibake), None);
    let kept = target.value("SELECT COUNT(*) FROM copy.patient WHERE HEX(old) LIKE '%97__B5__B1%'");
    assert_eq!(kept.as_deref(), Some("0"), "the second bytes of the letters do not show");
}

#[test]
fn what_comes_as_it_is_is_named_and_never_repeated() {
    let server = Server::start(&["--local-infile=1"]);
    let sql = "CREATE DATABASE shop; USE shop;
        CREATE TABLE patient (id INT PRIMARY KEY, who VARCHAR(60) DEFAULT 'Zebediah', fresh VARCHAR(20), born DATE,
          kind ENUM('Zebediah','x') COMMENT 'k', n BIGINT, CHECK (who <> 'Zebediah')) COMMENT='of Zebediah';
        INSERT INTO patient VALUES (1,'Ann','new','1970-02-03','x',5);
        CREATE TABLE other (id INT PRIMARY KEY, txt TEXT); INSERT INTO other VALUES (1,'Zebediah');
        CREATE TABLE bare (id INT PRIMARY KEY, txt TEXT);
        CREATE VIEW some AS SELECT id FROM patient WHERE who <> 'Zebediah';
        CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN LENGTH('Zebediah');
        CREATE EVENT e ON SCHEDULE EVERY 1 YEAR DISABLE DO DELETE FROM bare WHERE txt='Zebediah';
        CREATE TRIGGER t BEFORE INSERT ON bare FOR EACH ROW SET NEW.txt='Zebediah';";
    let folder = saved(&server, sql, &rules("PATIENT", "Who", "name", "name"));
    let run = exits(folder.path(), &server, "restore c latest --to-server --as copy --as-test p.toml", 0);
    let left = &run.result["as_it_is"][0];
    let list = |name: &str| left[name].as_array().cloned().unwrap_or_default();
    assert_eq!(list("tables"), ["other"], "{}", run.said);
    assert_eq!(list("columns"), ["patient.fresh", "patient.born"]);
    assert_eq!(list("numbers"), ["patient.id", "patient.kind", "patient.n"]);
    let definitions =
        list("definitions").iter().map(|d| d.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    for name in [
        "patient`.`who`",
        "patient`.`kind`",
        "check",
        "partitions of `patient`",
        "view `some`",
        "function `f`",
    ] {
        assert!(definitions.iter().any(|told| told.contains(name)), "{name}: {definitions:?}");
    }
    for name in ["event `e`", "trigger `t`"] {
        assert!(definitions.iter().any(|told| told.contains(name)), "{name}: {definitions:?}");
    }
    assert!(!run.said.contains("Zebediah"), "{}", run.said);
    assert_eq!(server.value("SELECT COUNT(*) FROM copy.patient WHERE who='Ann'").as_deref(), Some("0"));
}

#[test]
fn another_containers_secret_gives_other_values_and_the_same_gives_the_same() {
    let server = Server::start(&["--local-infile=1"]);
    let sql = "CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, who VARCHAR(60));
        INSERT INTO t SELECT seq, CONCAT('Patient number ', seq) FROM mysql.seq_1_to_200;";
    let folder = saved(&server, sql, &rules("t", "who", "text", "text"));
    copied(folder.path(), &server);
    exits(folder.path(), &server, "restore c latest --to-server --as again --as-test p.toml", 0);
    exits(folder.path(), &server, "init other --no-encryption", 0);
    exits(folder.path(), &server, "backup other --database shop", 0);
    exits(folder.path(), &server, "restore other latest --to-server --as others --as-test p.toml", 0);
    let same = |database: &str| {
        server
            .value(&format!("SELECT COUNT(*) FROM copy.t JOIN {database}.t USING (id,who)"))
            .unwrap_or_default()
    };
    assert_eq!((same("again"), same("others"), same("shop")), ("200".into(), "0".into(), "0".into()));
}
