//! Odd databases into a server: everything on the list of what other tools lose comes back equal, whole
//! and in parts, by either way of sending rows, over an old database and under a new name.

use crate::server::{Server, told};
use crate::snapshot::Snapshot;
use coffer::entry::database::{ObjectRecord, TableRecord};
use coffer::error::Kind;
use coffer::mysql::identifier::quote;
use coffer::mysql::load::{Definers, LoadOptions, LoadReport, apply, plan};
use coffer::progress::Progress;

/// A database with one of everything, in the words of each vendor: `/*M! … */` is a comment to MySQL,
/// `/*!80000 … */` to MariaDB.
pub const ODD: &str = r#"
CREATE DATABASE odd CHARACTER SET latin1 COLLATE latin1_german1_ci;
USE odd;
SET sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', foreign_key_checks=0;
/*M! CREATE SEQUENCE seq START WITH 5 INCREMENT BY 3 CACHE 2*/ /*!80000 DO 0*/;
SELECT 1 /*M! , NEXTVAL(seq), NEXTVAL(seq)*/;
CREATE TABLE `numbers ``1/2 */` (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, f FLOAT, d DOUBLE, dec1 DECIMAL(65,30), b BIT(64),
  u BIGINT UNSIGNED, drawn BIGINT /*M! DEFAULT NEXTVAL(seq)*/ COMMENT 'a, (b'
) ENGINE=InnoDB AUTO_INCREMENT=77;
INSERT INTO `numbers ``1/2 */` VALUES (0,16777216,-0e0,1.5,b'101',18446744073709551615,1),
  (-3,3.4e38,1e-300,-99999999999999999999999999999999999.000000000000000000000000000001,NULL,0,NULL),
  (9,0.1,0.1,0,0,1,DEFAULT);
CREATE TABLE texts (
  k VARCHAR(40) CHARACTER SET utf8mb4 NOT NULL, l TEXT CHARACTER SET latin1, s VARCHAR(20) CHARACTER SET sjis,
  u16 VARCHAR(20) CHARACTER SET utf16, bin VARBINARY(300), j JSON, blb LONGBLOB, UNIQUE KEY k (k), FULLTEXT KEY l (l)
) ENGINE=MyISAM CHARACTER SET utf8mb4;
INSERT INTO texts VALUES ('tab\tline\nback\\slash\0nul','caf\xe9',_sjis x'835c',_utf16 x'00410042',x'00090a5c1a0d27','{"a": [1]}',REPEAT('x',70000)),
  ('','',NULL,'',NULL,NULL,''), ('\\N','NULL','a','b','\\N','null',x'ff00'), ('😀',NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE times (
  d DATE, dt DATETIME(6), ts TIMESTAMP(3) NULL, t TIME(6), y YEAR, e ENUM('','b','ü'), st SET('x','y','z'),
  /*M! i6 INET6, u UUID,*/ /*!80000 i6 CHAR(9) DEFAULT (LOWER('X')), u POINT SRID 3857,*/ hidden INT INVISIBLE DEFAULT 4, g INT AS (YEAR(d)) STORED, v INT AS (y + 1) VIRTUAL,
  KEY d (d), CONSTRAINT sane CHECK (hidden < 5) /*!80016 NOT ENFORCED*/
) ENGINE=/*M! Aria*/ /*!80000 MyISAM*/;
SET time_zone='+05:30' /*M! , check_constraint_checks=0*/;
INSERT INTO times (d,dt,ts,t,y,e,st,i6,u,hidden) VALUES
  ('0000-00-00','0000-00-00 00:00:00',NULL,'-838:59:59.999999',0,0,'','::1',/*M! '123e4567-e89b-12d3-a456-426614174000'*/ /*!80000 ST_SRID(POINT(1,2),3857)*/,4),
  ('2026-02-31','9999-12-31 23:59:59.999999','2026-03-29 02:30:00.123','00:00:00.000001',2155,1,'x,z','fe80::1',NULL,9),
  ('2026-00-00',NULL,'0000-00-00 00:00:00',NULL,NULL,'ü','y',NULL,NULL,NULL);
CREATE TABLE parent (id INT PRIMARY KEY, other INT, CONSTRAINT ring FOREIGN KEY (other) REFERENCES child (id)) ENGINE=InnoDB;
CREATE TABLE child (id INT PRIMARY KEY, parent INT, nowhere INT,
  CONSTRAINT up FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE,
  CONSTRAINT lost FOREIGN KEY (nowhere) REFERENCES nowhere_table (id)) ENGINE=InnoDB;
INSERT INTO parent VALUES (1,1),(2,NULL); INSERT INTO child VALUES (1,1,4),(2,7,NULL);
CREATE TABLE versioned (id INT PRIMARY KEY, name VARCHAR(9)) ENGINE=InnoDB /*M! WITH SYSTEM VERSIONING*/;
INSERT INTO versioned VALUES (1,'a'),(2,'b'); UPDATE versioned SET name='c' WHERE id=1; DELETE FROM versioned WHERE id=2;
CREATE TABLE places (id INT, p POINT NOT NULL, g GEOMETRY, SPATIAL KEY p (p)) ENGINE=MyISAM;
INSERT INTO places VALUES (1,POINT(1,2),ST_GeomFromText('LINESTRING(0 0,1 1)',4326)),(NULL,POINT(-0.0,1e300),NULL);
CREATE TABLE parts (id INT NOT NULL, at DATE NOT NULL, note VARCHAR(100) /*M! COMPRESSED*/, PRIMARY KEY (id,at)) ENGINE=InnoDB
  PARTITION BY RANGE (YEAR(at)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
  (PARTITION p0 VALUES LESS THAN (2020), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts SELECT seq, '2019-01-01' + INTERVAL seq DAY, REPEAT('n',seq % 90) FROM mysql.seq_1_to_3000;
CREATE TABLE no_key (a INT, b VARCHAR(10)) ENGINE=InnoDB; INSERT INTO no_key VALUES (1,'x'),(1,'x'),(NULL,NULL);
CREATE TABLE heap (a INT, KEY (a)) ENGINE=MEMORY; INSERT INTO heap SELECT seq FROM mysql.seq_1_to_500;
CREATE TABLE empty_one (a INT) ENGINE=InnoDB COMMENT='DATA DIRECTORY=''/x''';
CREATE TABLE m1 (a INT) ENGINE=MyISAM; INSERT INTO m1 VALUES (1); CREATE TABLE `both` (a INT) ENGINE=MRG_MYISAM UNION=(m1);
DELIMITER //
CREATE FUNCTION f1(x INT) RETURNS INT DETERMINISTIC BEGIN /* a comment; */ RETURN x + 1; END//
CREATE VIEW v_two AS SELECT * FROM parent// CREATE VIEW a_one AS SELECT id, f1(id) x FROM v_two//
CREATE DEFINER=gone@nowhere PROCEDURE `p 1`() SQL SECURITY INVOKER SELECT 'it''s' FROM parent//
SET sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT'//
CREATE TRIGGER second_t BEFORE INSERT ON child FOR EACH ROW SET NEW.nowhere = 2//
CREATE TRIGGER first_t BEFORE INSERT ON child FOR EACH ROW PRECEDES second_t SET NEW."nowhere" = 1//
SET sql_mode='', time_zone='+02:00'//
CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE COMMENT 'x' DO DELETE FROM no_key//
/*M! SET sql_mode=ORACLE*/ /*!80000 DO 0*/ //
/*M! CREATE PACKAGE pk AS FUNCTION one RETURN INT; END*/ /*!80000 CREATE FUNCTION one() RETURNS INT NO SQL RETURN 1*/ //
/*M! CREATE PACKAGE BODY pk AS FUNCTION one RETURN INT AS BEGIN RETURN 1; END; END*/ /*!80000 DO 0*/ //
DELIMITER ;
"#;

/// Loads, and fails with the causes in words.
#[track_caller]
pub fn load(snapshot: &Snapshot, server: &Server, options: &LoadOptions) -> LoadReport {
    let ready = plan(&snapshot.source, &server.options(), options).unwrap_or_else(|e| panic!("{}", told(&e)));
    apply(&ready, snapshot, &Progress::default()).unwrap_or_else(|e| panic!("{}", told(&e)))
}

/// What must be equal of a table, with `database` for its database's name.
fn essence(table: &TableRecord, database: &str) -> (String, String, u64, [u8; 16]) {
    (
        table.name.clone(),
        table.create.replace(&format!("{}.", quote(database)), "`DB`."),
        table.rows,
        table.checksum,
    )
}

fn object_essence(object: &ObjectRecord) -> String {
    let text: Vec<_> = object.statements.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
    format!(
        "{:?} {} {} {} {text:?} {:?}",
        object.kind, object.parent, object.name, object.order, object.environment
    )
}

/// Reads the target and compares it with the snapshot.
#[track_caller]
pub fn assert_equal(snapshot: &Snapshot, server: &Server, target: &str) {
    let again = Snapshot::of(&mut server.connect(), &[target]);
    let (was, is) = (&snapshot.source.databases[0], &again.source.databases[0]);
    let of = |tables: &[TableRecord], name: &str| tables.iter().map(|t| essence(t, name)).collect::<Vec<_>>();
    let (old, new) = (of(&was.tables, &was.record.name), of(&is.tables, target));
    for (old, new) in old.iter().zip(&new) {
        assert_eq!(old, new);
    }
    assert_eq!(old.len(), new.len());
    let of = |objects: &[ObjectRecord]| objects.iter().map(object_essence).collect::<Vec<_>>();
    assert_eq!(of(&was.objects), of(&is.objects));
    assert_eq!(
        (&was.record.character_set, &was.record.collation),
        (&is.record.character_set, &is.record.collation)
    );
    let left =
        server.sql("SHOW DATABASES").iter().filter_map(|r| r.text(0)).filter(|n| n.contains("__")).count();
    assert_eq!(left, 0, "nothing is left beside it");
}

#[test]
fn everything_comes_back() {
    let server = Server::start(&["--local-infile=1"]);
    server.client("", ODD);
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    assert!(snapshot.source.databases[0].objects.len() >= 8);

    let fresh = Server::start(&["--local-infile=1", "--server-id=2"]);
    let report = load(&snapshot, &fresh, &LoadOptions::default());
    assert_eq!(report.not_made, Vec::<String>::new());
    assert_equal(&snapshot, &fresh, "odd");

    // Over a database that has changed meanwhile, and only when told to.
    fresh.client(
        "odd",
        "DELETE FROM texts; CREATE TABLE later (a INT); DROP TRIGGER first_t; DROP VIEW a_one;
        CREATE PROCEDURE later_p() SELECT 1; CREATE VIEW later_v AS SELECT 1 x;
        CREATE TRIGGER later_t BEFORE INSERT ON parent FOR EACH ROW SET NEW.other=1",
    );
    let refused = plan(&snapshot.source, &fresh.options(), &LoadOptions::default()).expect("a look");
    assert_eq!(refused.obstacles.len(), 1, "{:?}", refused.obstacles);
    let error = apply(&refused, &snapshot, &Progress::default()).unwrap_err();
    assert!(error.kind() == Kind::Usage && error.remedy().is_some_and(|hint| hint.contains("--replace")));
    assert_eq!(fresh.value("SELECT COUNT(*) FROM odd.later").as_deref(), Some("0"));
    let report = load(&snapshot, &fresh, &LoadOptions { replace: true, ..LoadOptions::default() });
    assert_eq!(report.not_made, Vec::<String>::new());
    assert_equal(&snapshot, &fresh, "odd");

    // Beside it, under a new name.
    let renamed = LoadOptions { rename_to: Some("copy `x".into()), ..LoadOptions::default() };
    let report = load(&snapshot, &fresh, &renamed);
    assert_eq!(report.not_made, Vec::<String>::new());
    assert_equal(&snapshot, &fresh, "copy `x");
    assert_equal(&snapshot, &fresh, "odd");
}

#[test]
fn everything_comes_back_without_infile() {
    let server = Server::start(&["--local-infile=0", "--max-allowed-packet=1M"]);
    server.client("", ODD);
    let snapshot = Snapshot::of(&mut server.connect(), &["odd"]);
    let options = LoadOptions { replace: true, definers: Definers::Keep, ..LoadOptions::default() };
    let ready = plan(&snapshot.source, &server.options(), &options).expect("plan");
    assert!(ready.warnings.iter().any(|w| w.contains("local_infile is off")), "{:?}", ready.warnings);
    assert!(ready.warnings.iter().any(|w| w.contains("gone@nowhere")), "{:?}", ready.warnings);
    let report = load(&snapshot, &server, &options);
    assert_eq!(report.not_made, Vec::<String>::new());
    assert_equal(&snapshot, &server, "odd");
}
