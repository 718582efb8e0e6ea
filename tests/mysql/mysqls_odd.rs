//! Odd things that databases of MySQL's own regression suite hold, by every way back: over a connection
//! and by files that the stock client loads.

use crate::server::{Server, mysqls_own};
use crate::trial::{Run, exits};
use std::path::Path;

const OPTIONS: [&str; 2] = ["--local-infile=1", "--event-scheduler=OFF"];

/// The server with `sql` run, what its backup said, and two servers that got it back: over a connection
/// and by its files.
struct Back {
    first: Server,
    backup: Run,
    others: [Server; 2],
}

fn there_and_back(sql: &str) -> Back {
    let [first, second, third] = [(); 3].map(|()| Server::start(&OPTIONS));
    first.try_client("", sql.as_bytes()).unwrap_or_else(|said| panic!("{said}"));
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &first, "init c --no-encryption", 0);
    let backup = exits(path, &first, "backup c --database d --users", 0);
    exits(path, &second, "restore c latest --to-server --users", 0);
    exits(path, &first, "restore c latest --to out", 0);
    for name in ["d", "@server.users"] {
        load(path, &third, name);
    }
    Back { first, backup, others: [second, third] }
}

fn load(folder: &Path, server: &Server, name: &str) {
    let sql = std::fs::read(folder.join(format!("out/database/{name}.sql"))).expect("file");
    server.try_client("", &sql).unwrap_or_else(|said| panic!("{name}: {said}"));
}

/// The answer's cells as the server keeps them, without times.
fn cells(server: &Server, sql: &str) -> Vec<Vec<u8>> {
    let mut conn = server.connect();
    conn.execute("USE d").expect("database");
    conn.execute("SET SESSION character_set_results=NULL").expect("set");
    let rows = conn.rows(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    rows.iter().flat_map(|row| (0..3).map(|n| row.bytes(n).unwrap_or_default().to_vec())).collect()
}

impl Back {
    fn assert_same(&self, sql: &str) -> Vec<Vec<u8>> {
        let expected = cells(&self.first, sql);
        for other in &self.others {
            let (there, here) = (cells(other, sql), &expected);
            assert!(
                there == *here,
                "{sql}: {:?}",
                [&there, here].map(|all| String::from_utf8_lossy(&all.concat()).into_owned())
            );
        }
        expected
    }
}

#[test]
fn literals_of_other_character_sets_come_back() {
    if mysqls_own("literals in the bytes of their own character set") {
        return;
    }
    let back = there_and_back(
        r"CREATE DATABASE d; USE d;
        CREATE TABLE t (a INT PRIMARY KEY, v VARCHAR(20) CHARSET latin1, `x'``` VARCHAR(9) DEFAULT 'é''' COMMENT '_latin1 é',
          g VARCHAR(20) CHARSET latin1 AS (_latin1 x'c5275c00'), s VARCHAR(9) CHARSET sjis AS (_sjis x'955c') STORED,
          b VARBINARY(9) AS (_binary x'ff0a27'), u VARCHAR(9) AS (_latin1 x'c3a9'),
          KEY ((CONCAT(v, _latin1 x'c5'))), CHECK (v <> _latin1 x'c527'));
        INSERT INTO t (a, v) VALUES (1, 'x');",
    );
    let shown = back.assert_same("SHOW CREATE TABLE t").concat();
    assert!(std::str::from_utf8(&shown).is_err(), "{}", String::from_utf8_lossy(&shown));
    back.assert_same("SELECT HEX(CONCAT(g, '|', b)), HEX(s), HEX(CONCAT(u, `x'```)) FROM t");
}

#[test]
fn libraries_come_back_before_what_uses_them() {
    if mysqls_own("libraries") {
        return;
    }
    let back = there_and_back(
        r#"CREATE DATABASE d; USE d; CREATE LIBRARY zz LANGUAGE JAVASCRIPT AS 'export function f(n) { return "it''s"; } // é';
        CREATE LIBRARY bytes LANGUAGE WASM AS 0x0061736dff00;
        SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES';
        CREATE LIBRARY "l`x" COMMENT 'a\b''c' LANGUAGE JAVASCRIPT AS 'x = 1; y = "$$" + \\';
        SET sql_mode=DEFAULT;
        CREATE FUNCTION f(n INT) RETURNS INT DETERMINISTIC LANGUAGE JAVASCRIPT USING (zz AS q, d.`l``x`) AS 'return q.f(n)';
        CREATE USER u; GRANT EXECUTE ON LIBRARY d.zz TO u;"#,
    );
    for library in ["zz", "bytes", "`l``x`"] {
        back.assert_same(&format!("SHOW CREATE LIBRARY {library}"));
    }
    let names = back.assert_same(
        "SELECT LIBRARY_NAME, LANGUAGE, LIBRARY_COMMENT FROM information_schema.LIBRARIES ORDER BY 1",
    );
    assert_eq!(names.len(), 9);
    back.assert_same("SHOW CREATE FUNCTION f");
    back.assert_same("SHOW GRANTS FOR u");
}

#[test]
fn columns_without_any_default_stay_so() {
    if mysqls_own("columns that may be NULL and have no default") {
        return;
    }
    let back = there_and_back(
        "CREATE DATABASE d; USE d; CREATE TABLE t (a INT, j JSON, d TIMESTAMP NULL, `c``x` VARCHAR(9) COMMENT ' DEFAULT ', n INT, x TEXT);
         ALTER TABLE t ALTER a DROP DEFAULT, ALTER j DROP DEFAULT, ALTER `c``x` DROP DEFAULT; INSERT INTO t (a, j, `c``x`) VALUES (1, '{}', 'x');",
    );
    let shown = back.assert_same("SHOW CREATE TABLE t").concat();
    assert!(String::from_utf8_lossy(&shown).contains("`j` json,"));
    for other in &back.others {
        let said = other.try_client("d", b"INSERT INTO t (n) VALUES (1)").expect_err("refused");
        assert!(said.contains("doesn't have a default value"), "{said}");
    }
}

#[test]
fn what_the_text_of_a_document_does_not_tell_is_named() {
    if mysqls_own("JSON that knows dates") {
        return;
    }
    let back = there_and_back(
        r#"CREATE DATABASE d; USE d; CREATE TABLE plain (j JSON); CREATE TABLE typed (`j``x` JSON, n INT) ENGINE=InnoDB; CREATE TABLE old (j JSON) ENGINE=MyISAM;
        INSERT INTO plain VALUES (NULL), ('{"a": [1, 2.5, "2015-01-15", true]}'), (JSON_ARRAY(3.14, -0e0, 18446744073709551615));
        INSERT INTO typed VALUES (JSON_ARRAY(CAST('2015-01-15' AS DATE)), 1), (JSON_OBJECT('a', JSON_ARRAY(b'101')), 2), ('{}', 3);
        INSERT INTO old VALUES (CAST(CAST('11:11:11' AS TIME) AS JSON));"#,
    );
    let said = &back.backup.said;
    assert!(said.contains("`d`.`typed`: dates") && said.contains("`j``x` in 2 rows"), "{said}");
    assert!(said.contains("`d`.`old`: dates") && !said.contains("`d`.`plain`: dates"), "{said}");
    back.assert_same("SELECT `j``x`, n FROM typed ORDER BY n");
}

#[test]
fn a_reference_system_of_the_servers_own_is_named() {
    if mysqls_own("spatial reference systems") {
        return;
    }
    const MAKE: &str = r#"CREATE SPATIAL REFERENCE SYSTEM 1000000 NAME 'it''s "mine"' ORGANIZATION 'me' IDENTIFIED BY 7 DEFINITION 'GEOGCS["x",DATUM["x",SPHEROID["x",6378137,298.257223563]],PRIMEM["Greenwich",0],UNIT["degree",0.017453292519943278],AXIS["Lat",NORTH],AXIS["Lon",EAST]]' DESCRIPTION 'é';"#;
    let [first, second] = [(); 2].map(|()| Server::start(&OPTIONS));
    first.client("", MAKE);
    first.client(
        "",
        "CREATE DATABASE d; USE d; CREATE TABLE t (g POINT SRID 1000000, h GEOMETRY SRID 4326, p POINT SRID 0);
         INSERT INTO t VALUES (ST_GeomFromText('POINT(1 2)', 1000000), NULL, NULL);",
    );
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &first, "init c --no-encryption", 0);
    let run = exits(path, &first, "backup c --database d", 0);
    let events = run.said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let notes: Vec<String> = events.filter_map(|event| Some(event["message"].as_str()?.to_owned())).collect();
    let [note] = &notes[..] else { panic!("{}", run.said) };
    let (said, statement) = note.split_once("elsewhere: ").unwrap_or_else(|| panic!("{note}"));
    assert!(said.contains("makes `t` of `d`; before") && !note.contains("4326"), "{note}");
    exits(path, &second, "restore c latest --to-server", 3);
    second.client("", &format!("DROP DATABASE d; {statement}"));
    exits(path, &second, "restore c latest --to-server", 0);
    let shown = "SELECT SRS_NAME, ORGANIZATION, ORGANIZATION_COORDSYS_ID, DESCRIPTION, DEFINITION, ST_AsText(g) \
                 FROM t, information_schema.ST_SPATIAL_REFERENCE_SYSTEMS WHERE SRS_ID=1000000";
    assert_eq!(second.client("d", shown), first.client("d", shown));
}

#[test]
fn a_privilege_that_a_server_does_not_know_costs_no_other() {
    if mysqls_own("dynamic privileges") {
        return;
    }
    let [first, second] = [(); 2].map(|()| Server::start(&OPTIONS));
    // As of a component that is gone.
    first.client(
        "",
        "CREATE DATABASE d; CREATE USER u@localhost; GRANT BINLOG_ADMIN, ROLE_ADMIN ON *.* TO u@localhost;
         INSERT INTO mysql.global_grants VALUES ('u', 'localhost', 'GONE_ADMIN', 'N'); FLUSH PRIVILEGES",
    );
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &first, "init c --no-encryption", 0);
    exits(path, &first, "backup c --all-databases --users", 0);
    let run = exits(path, &second, "restore c latest --to-server --users", 3);
    assert!(
        run.said.contains("the privilege GONE_ADMIN of user 'u'@'localhost' could not be"),
        "{}",
        run.said
    );
    let granted = second.client("", "SHOW GRANTS FOR u@localhost");
    assert!(granted.contains("BINLOG_ADMIN,ROLE_ADMIN ON"), "{granted}");
}

#[test]
fn a_table_behind_a_mask_is_named_and_costs_no_other() {
    if mysqls_own("masking policies") {
        return;
    }
    let [first, second] = [(); 2].map(|()| Server::start(&OPTIONS));
    // The component that knows policies is not in every server, and a policy need not be there.
    first.client(
        "",
        "CREATE DATABASE d; USE d; CREATE TABLE good (a INT); INSERT INTO good VALUES (1);
         CREATE TABLE masked (a VARCHAR(9) MASKING POLICY `p``1`, b INT); INSERT INTO masked VALUES ('secret', 1);
         CREATE TABLE old LIKE masked; ALTER TABLE old ENGINE=MyISAM; INSERT INTO old VALUES ('secret', 1);",
    );
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &first, "init c --no-encryption", 0);
    let run = exits(path, &first, "backup c --database d", 3);
    for table in ["masked", "old"] {
        let said = [
            format!("table `d`.`{table}`: column `a` has a masking policy"),
            format!("a table is not in the snapshot: `d`.`{table}`"),
        ];
        assert!(said.iter().all(|said| run.said.contains(said)), "{}", run.said);
    }
    exits(path, &second, "restore c latest --to-server", 0);
    assert_eq!(second.client("d", "SELECT a FROM good"), "1\n");
}

#[test]
fn what_only_a_lenient_engine_takes_comes_back() {
    if mysqls_own("files for an InnoDB that is strict") {
        return;
    }
    let wide: Vec<String> = (1..=30).map(|n| format!("c{n} CHAR(200)")).collect();
    let long: Vec<String> = (1..=12).map(|n| format!("b{n} LONGTEXT")).collect();
    let back = there_and_back(&format!(
        "CREATE DATABASE d; USE d; SET SESSION innodb_strict_mode=0;
         CREATE TABLE wide ({}) CHARSET latin1; INSERT INTO wide (c1) VALUES ('x');
         CREATE TABLE compact ({}) ROW_FORMAT=COMPACT; INSERT INTO compact (b1) VALUES ('x');
         CREATE TABLE blocks (a INT, KEY (a)) ROW_FORMAT=DYNAMIC KEY_BLOCK_SIZE=4;",
        wide.join(",")
            + ", d1 CHAR(255), d2 CHAR(255), d3 CHAR(255), d4 CHAR(255), d5 CHAR(255), d6 CHAR(255), d7 CHAR(255), d8 CHAR(255), d9 CHAR(255)",
        long.join(",")
    ));
    for table in ["wide", "compact", "blocks"] {
        back.assert_same(&format!("SHOW CREATE TABLE {table}"));
        back.assert_same(&format!("SELECT * FROM {table}"));
    }
}

#[test]
fn folders_of_the_old_server_cost_no_table_of_a_file() {
    if mysqls_own("folders that a server must know") {
        return;
    }
    let outside = tempfile::tempdir().expect("folder");
    let place = outside.path().display();
    let known = format!("--innodb-directories={place}");
    let (first, second) = (Server::start(&[&known]), Server::start(&OPTIONS));
    first.client(
        "",
        &format!(
            "CREATE DATABASE d; USE d; CREATE TABLE t (a INT) DATA DIRECTORY='{place}'; INSERT INTO t VALUES (1);
             CREATE TABLE p (a INT) PARTITION BY HASH (a) (PARTITION x DATA DIRECTORY='{place}' TABLESPACE=innodb_file_per_table);
             INSERT INTO p VALUES (2);"
        ),
    );
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &first, "init c --no-encryption", 0);
    exits(path, &first, "backup c --database d", 0);
    let run = exits(path, &first, "restore c latest --to out", 0);
    for table in ["t", "p"] {
        assert!(
            run.said.contains(&format!("table `{table}` is made without DATA DIRECTORY")),
            "{}",
            run.said
        );
    }
    load(path, &second, "d");
    assert_eq!(second.client("d", "SELECT a FROM t UNION ALL SELECT a FROM p"), "1\n2\n");
}

#[test]
fn rows_that_number_their_documents_with_gaps_come_back() {
    if mysqls_own("the parser ngram") {
        return;
    }
    let back = there_and_back(
        "CREATE DATABASE d; USE d;
         CREATE TABLE t (a INT PRIMARY KEY, f TEXT, g TEXT, FTS_DOC_ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, UNIQUE KEY FTS_DOC_ID_INDEX (FTS_DOC_ID),
           FULLTEXT KEY f (f), FULLTEXT KEY g (g) WITH PARSER ngram, KEY z (g(9), a));
         INSERT INTO t VALUES (1,'apple pie','x',1); INSERT INTO t VALUES (2,'pear','y',60000); INSERT INTO t VALUES (3,'apple','z',120000);
         INSERT INTO t VALUES (4,'fig apple','z',180000); DELETE FROM t WHERE a IN (2,3);",
    );
    back.assert_same("SHOW CREATE TABLE t");
    let found = back.assert_same("SELECT a, FTS_DOC_ID FROM t WHERE MATCH(f) AGAINST('apple') ORDER BY a");
    assert_eq!(found.len(), 6);
    for server in &back.others {
        server.client("d", "INSERT INTO t (a, f) VALUES (5, 'apple')");
        assert_eq!(server.client("d", "SELECT COUNT(*) FROM t WHERE MATCH(f) AGAINST('apple')"), "3\n");
    }
}

#[test]
fn a_database_that_is_read_only_is_named() {
    if mysqls_own("databases that are read only") {
        return;
    }
    let back = there_and_back(
        "CREATE DATABASE d; CREATE TABLE d.t (a INT); INSERT INTO d.t VALUES (1); ALTER DATABASE d READ ONLY=1;",
    );
    assert!(back.backup.said.contains("database `d` is read only"), "{}", back.backup.said);
    back.assert_same("SELECT a FROM t");
}

#[test]
fn tables_with_a_second_engine_come_back() {
    if mysqls_own("second engines") {
        return;
    }
    let back = there_and_back(
        "CREATE DATABASE d; USE d; CREATE TABLE p (a INT PRIMARY KEY, b INT NOT SECONDARY) COMMENT='x' SECONDARY_ENGINE=second;
         CREATE TABLE c (a INT, FOREIGN KEY (a) REFERENCES p (a)); ALTER TABLE c ALTER a DROP DEFAULT;
         ALTER TABLE c SECONDARY_ENGINE other; INSERT INTO p VALUES (1, 2); INSERT INTO c VALUES (1);
         CREATE VIEW v AS SELECT b FROM p JOIN c USING (a); CREATE TRIGGER t BEFORE INSERT ON p FOR EACH ROW SET NEW.b=1;",
    );
    for table in ["p", "c"] {
        back.assert_same(&format!("SHOW CREATE TABLE {table}"));
    }
    assert_eq!(back.assert_same("SELECT b FROM v").concat(), b"2");
    back.assert_same("SHOW TRIGGERS");
}
