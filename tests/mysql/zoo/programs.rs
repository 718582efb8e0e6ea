//! Views and programs: order, surroundings, dead ones, and bytes of other character sets.

use super::{run, run_raw};
use coffer::mysql::connection::Connection;

/// The statements.
pub const CAGE: &[&str] = &[
    "SET sql_mode='', check_constraint_checks=1, foreign_key_checks=1",
    "CREATE TABLE film (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(40) NOT NULL, price DECIMAL(5,2), touched INT DEFAULT 0)",
    "CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(80))",
    // Functions that views stand on.
    "CREATE FUNCTION twice (a INT) RETURNS INT DETERMINISTIC NO SQL COMMENT 'it''s twice' RETURN a * 2 /* kept */",
    "CREATE AGGREGATE FUNCTION summed (x INT) RETURNS INT BEGIN DECLARE s INT DEFAULT 0; \
     DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END",
    // Views: the first by name stands on the last.
    "CREATE VIEW z_base AS SELECT id, title, twice(id) AS `doub``le` FROM film WHERE title LIKE 'a%' WITH CASCADED CHECK OPTION",
    "CREATE ALGORITHM=MERGE DEFINER=`no body`@`no.where` SQL SECURITY INVOKER VIEW m_middle AS SELECT id, title FROM z_base WHERE id > 0",
    "CREATE ALGORITHM=TEMPTABLE VIEW a_top AS SELECT COUNT(*) AS n, 'it''s \u{e9}' AS t FROM m_middle",
    "CREATE VIEW `odd `` view` AS SELECT `c``d` FROM `we``ird */ t/able \u{e9}`",
    "CREATE VIEW sums AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n+1 FROM r WHERE n < 3) SELECT SUM(n) AS s FROM r",
    // Bytes of other character sets inside a statement in UTF-8.
    "CREATE VIEW foreign_bytes AS SELECT _latin1 x'e9' AS e, _binary x'ff00' AS b, _sjis x'835c' AS s, _ucs2 x'00e9' AS u",
    // Dead ones: a table, a column and a function that are gone.
    "CREATE TABLE gone (z INT, y INT)",
    "CREATE VIEW dead_table AS SELECT z FROM gone",
    "CREATE VIEW dead_below AS SELECT z FROM dead_table",
    "DROP TABLE gone",
    "ALTER TABLE film ADD COLUMN short_lived INT",
    "CREATE VIEW dead_column AS SELECT id, short_lived FROM film",
    "ALTER TABLE film DROP COLUMN short_lived",
    "CREATE FUNCTION gone_too () RETURNS INT RETURN 1",
    "CREATE VIEW dead_function AS SELECT gone_too() AS x",
    "DROP FUNCTION gone_too",
    // Triggers: acting order b, c, a; comments, carriage returns and modes inside.
    "CREATE TRIGGER t_a BEFORE INSERT ON film FOR EACH ROW SET NEW.touched = NEW.touched * 10 + 1",
    "CREATE TRIGGER t_b BEFORE INSERT ON film FOR EACH ROW PRECEDES t_a SET NEW.touched = NEW.touched * 10 + 2",
    "CREATE TRIGGER t_c BEFORE INSERT ON film FOR EACH ROW FOLLOWS t_b BEGIN\r\n  -- a comment; with a semicolon\r\n  \
     SET NEW.touched = NEW.touched * 10 + 3; # another\n /* and one */ END",
    "SET sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES'",
    "CREATE DEFINER=`gone`@`%` TRIGGER \"t \"\"d\" AFTER UPDATE ON film FOR EACH ROW INSERT INTO \"log\" (what) VALUES ('back\\' || OLD.title)",
    "CREATE PROCEDURE back_slash() COMMENT 'C:\\temp\\new it''s\tx\n\\' SELECT '\\'",
    "CREATE EVENT back_slashed ON SCHEDULE EVERY 1 DAY STARTS '2036-01-01 00:00:00' DISABLE COMMENT '\\n '' COMMENT x\\' DO SELECT ' COMMENT \\'",
    "SET sql_mode=''",
    "CREATE TRIGGER other_table AFTER DELETE ON log FOR EACH ROW BEGIN END",
    // Routines.
    "CREATE PROCEDURE comments (IN a INT, OUT `b c` VARCHAR(10) CHARACTER SET latin1, INOUT d DECIMAL(5,2)) MODIFIES SQL DATA \
     SQL SECURITY INVOKER COMMENT 'says \"it''s\"'\nBEGIN\n\t-- tab, \u{1f600}\n  /* block; */ SELECT 'a;b', \"c\\\"d\", '\\\\', ';;', '$$', '//' ; \
     # delimiter //\nEND",
    "CREATE PROCEDURE `odd ``;; name`() BEGIN END",
    "SET sql_mode='ORACLE'",
    "CREATE OR REPLACE PACKAGE tools AS\n  -- specification\n  FUNCTION one RETURN INT;\n  PROCEDURE two(a INT);\nEND",
    "CREATE OR REPLACE PACKAGE BODY tools AS\n  counter INT := 0;\n  FUNCTION one RETURN INT AS BEGIN RETURN 1; END;\n  \
     PROCEDURE two(a INT) AS BEGIN counter := counter + a; SELECT counter || 'x' FROM DUAL; END;\nBEGIN\n  counter := 5;\nEND",
    "CREATE PROCEDURE oracle_style (a IN OUT INT) AS b INT := 5; BEGIN a := a + b; END",
    "SET sql_mode=''",
    // Events: zone, state, times.
    "SET time_zone='+05:30'",
    "CREATE EVENT zoned ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2036-01-01 00:00:00' ENDS '2037-01-01 12:00:00' \
     ON COMPLETION PRESERVE DISABLE COMMENT 'it''s DO ' DO BEGIN SELECT 1; /* kept */ END",
    "SET time_zone='SYSTEM'",
    "CREATE EVENT `odd `` once` ON SCHEDULE AT '2036-06-06 06:06:06' DO SELECT 2",
    "SET time_zone='+00:00'",
];

/// Bodies in character sets whose second bytes are quotes and backslashes of ASCII.
#[track_caller]
pub fn in_other_character_sets(conn: &mut Connection) {
    let sjis = |sql: &[u8]| -> Vec<u8> {
        sql.iter().flat_map(|&b| if b == b'~' { b"\x83\x5c".to_vec() } else { vec![b] }).collect()
    };
    let run_sjis = |conn: &mut Connection, sql: &[u8]| run_raw(conn, &sjis(sql), "sjis", "sjis_japanese_ci");
    run_sjis(conn, b"CREATE PROCEDURE sjis_p () BEGIN /* ~ */ SELECT '~', \"~\", '\x85\x40'; -- ~\r\nEND");
    run_sjis(conn, b"CREATE PROCEDURE `~ named` (`~` INT) SELECT '~'");
    run_sjis(conn, b"CREATE TRIGGER `sjis_t` BEFORE INSERT ON log FOR EACH ROW SET NEW.what='~'");
    run_sjis(conn, b"CREATE EVENT sjis_e ON SCHEDULE EVERY 1 DAY STARTS '2036-01-01' DISABLE COMMENT '~ DO ' DO SELECT '~'");
    run_sjis(conn, b"CREATE VIEW sjis_v AS SELECT '~' AS `~`, _latin1'\xe9' AS l");
    run_raw(
        conn,
        b"CREATE FUNCTION gbk_f () RETURNS VARCHAR(9) CHARACTER SET gbk RETURN '\xbf\x5c\xfe\xa1'",
        "gbk",
        "gbk_chinese_ci",
    );
    run_raw(conn, b"CREATE VIEW latin_v AS SELECT 'caf\xe9' AS x", "latin1", "latin1_german1_ci");
    run_raw(conn, b"CREATE PROCEDURE latin_p () COMMENT 'caf\xe9' SELECT 'caf\xe9'", "latin1", "latin1_bin");
    // A routine that remembers another collation of its database.
    run(conn, "SET @zoo=DATABASE()");
    run(conn, "EXECUTE IMMEDIATE CONCAT('ALTER DATABASE `', REPLACE(@zoo,'`','``'), '` COLLATE latin1_bin')");
    run(conn, "CREATE PROCEDURE remembers () SELECT 1");
    run(
        conn,
        "EXECUTE IMMEDIATE CONCAT('ALTER DATABASE `', REPLACE(@zoo,'`','``'), '` COLLATE utf8mb4_unicode_ci')",
    );
}
