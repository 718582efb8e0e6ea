//! MySQL's own zoo: what only a MySQL has, or has in its own way. In two parts: tables with rows, and
//! views and programs on them.

/// The tables and their rows.
pub const TABLES: &[&str] = &[
    "SET sql_mode='NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', foreign_key_checks=0",
    // Values.
    "CREATE TABLE numbers (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, ti TINYINT, tu TINYINT UNSIGNED, \
     bi BIGINT, bu BIGINT UNSIGNED, zf INT(8) UNSIGNED ZEROFILL, bo BOOLEAN, de DECIMAL(65,30), b1 BIT(1), b64 BIT(64) DEFAULT b'101', \
     ye YEAR) AUTO_INCREMENT=4000000000",
    "INSERT INTO numbers VALUES (0,-128,0,-9223372036854775808,0,0,0,-99999999999999999999999999999999999.999999999999999999999999999999,0,0,0),\
     (1,127,255,9223372036854775807,18446744073709551615,42,1,0.000000000000000000000000000001,1,18446744073709551615,1901),\
     (4294967295,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2155)",
    "CREATE TABLE floats (id INT PRIMARY KEY, f FLOAT, d DOUBLE, fd FLOAT(7,4), dd DOUBLE(20,5), fu FLOAT UNSIGNED)",
    "INSERT INTO floats VALUES (1,16777216,0.1,999.9999,123456789012345.12345,16777215),(2,0.1,1e308,-0.0001,1/3,0.3),\
     (3,3.4028235e38,5e-324,1.5,-0.00001,1e-38),(4,-1.17549435e-38,-1.7976931348623157e308,0,0,0),\
     (5,33554433,9007199254740993,123.4567,99999.99999,16777217),(8,-0e0,'-0',0,0,0)",
    "INSERT INTO floats SELECT 100+seq, seq*1.1, seq/7, seq/300, seq/9, SQRT(seq) FROM mysql.seq_1_to_200",
    "CREATE TABLE times (id INT PRIMARY KEY, da DATE, dt DATETIME, d6 DATETIME(6), ti TIME, t6 TIME(6), ts TIMESTAMP NULL, \
     t1 TIMESTAMP(1) NOT NULL DEFAULT '2001-02-03 04:05:06.7', tn TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))",
    "INSERT INTO times VALUES (1,'0000-00-00','0000-00-00','0000-00-00','00:00:00','-838:59:59.000000','0000-00-00','0000-00-00',NULL),\
     (2,'2020-00-00','2020-01-00 00:00:00','9999-12-31 23:59:59.999999','-838:59:59','838:59:58.999999','1970-01-01 00:00:01','2038-01-19 03:14:07.9','2020-01-01'),\
     (3,'2023-02-31','2023-04-31 10:00:00','0000-01-01 00:00:00.000001','-00:00:01','-00:00:00.000001','2024-03-31 01:30:00','2024-10-27 01:30:00.5',NULL)",
    "CREATE TABLE members (id INT PRIMARY KEY, e ENUM('','a','B','it''s','\u{e9}'), ej ENUM('x','y') CHARACTER SET sjis NOT NULL, \
     s SET('a','b','c','') NOT NULL)",
    "INSERT INTO members VALUES (1,0,0,0),(2,1,1,15),(3,'','x',''),(4,NULL,2,8)",
    "CREATE TABLE texts (id INT PRIMARY KEY, u9 VARCHAR(50) COLLATE utf8mb4_0900_as_cs, ub VARCHAR(50) COLLATE utf8mb4_0900_bin, \
     ja VARCHAR(50) COLLATE utf8mb4_ja_0900_as_cs_ks, u3 VARCHAR(50) CHARACTER SET utf8mb3, l1 VARCHAR(50) CHARACTER SET latin1 COLLATE latin1_german2_ci, \
     sj VARCHAR(50) CHARACTER SET sjis, g1 VARCHAR(50) CHARACTER SET gb18030, u6 VARCHAR(50) CHARACTER SET utf16, lo LONGTEXT, \
     bi VARBINARY(50), same VARCHAR(9) COLLATE utf8mb4_unicode_ci, said VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci)",
    "INSERT INTO texts VALUES (1,x'f09f9880c3a9','a ','\u{3042}',x'e282ac',x'8081ff00',x'835c815ffa40',x'8139ef30',x'd83dde00',\
     'it''s \\\\ \"x\" `y` -- /* */ ; %\n\r\t\0',x'00ff5c27220a0d1a09','x','y'),(2,'',NULL,'','','','','','','NULL','','','')",
    "CREATE TABLE documents (id INT PRIMARY KEY, j JSON, d JSON DEFAULT (JSON_ARRAY(1, 'x')), k VARCHAR(20) AS (j->>'$.k') VIRTUAL, \
     KEY (k), KEY many ((CAST(j->'$.tags' AS UNSIGNED ARRAY))))",
    "INSERT INTO documents (id, j, d) VALUES (1,'{\"k\": \"\u{e9}\u{1f600}\", \"b\": [1, 2.50, 1e10, -0.0, true, null], \"a\": {\"\": \"\\\\u0000\\\\n\"}}',NULL),\
     (2,'null','\"str\"'),(3,NULL,'[]'),(4,'{\"tags\": [3, 5, 18446744073709551615]}','{}')",
    "INSERT INTO documents (id, j) VALUES (5, JSON_OBJECT('d', CAST('2020-01-01' AS DATE), 't', CAST('10:00:00.5' AS TIME(6)), 'dt', \
     CAST('2020-01-01 01:02:03.000004' AS DATETIME(6)), 'n', CAST(1.50 AS DECIMAL(10,4)), 'b', CAST(x'00ff' AS BINARY), 'u', 18446744073709551615)),\
     (6, JSON_ARRAY(0.1e0, 1e308, 16777217e0, -0e0, 1/3))",
    "CREATE TABLE places (id INT PRIMARY KEY, g GEOMETRY NOT NULL SRID 0, p POINT SRID 4326, l LINESTRING, m GEOMETRYCOLLECTION, SPATIAL KEY where_is (g))",
    "INSERT INTO places VALUES (1,ST_GeomFromText('POINT(1 2)'),ST_GeomFromText('POINT(48.1 11.5)',4326),ST_GeomFromText('LINESTRING(0 0,1 1)',3857),\
     ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,9 9))')),(2,POINT(-0.0,1e300),NULL,NULL,ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'))",
    "CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3), w VECTOR NOT NULL)",
    "INSERT INTO vectors VALUES (1,TO_VECTOR('[1,2.5,-0.1]'),TO_VECTOR('[16777216]')),(2,NULL,x'01000080'), (3,x'ffff7fff0000008001000000',x'0000803f')",
    // Columns and keys.
    "CREATE TABLE `we``ird */ t/able \u{e9}` (`a b` INT PRIMARY KEY COMMENT 'it''s `a` \"c\" \\\\ /* */ -- ;\n2', `c``d` INT, `select` INT) COMMENT='t''s \\\\ \u{e9};'",
    "INSERT INTO `we``ird */ t/able \u{e9}` VALUES (1,2,3)",
    "CREATE TABLE hidden (id INT PRIMARY KEY, secret VARCHAR(10) INVISIBLE DEFAULT 'x', v INT GENERATED ALWAYS AS (id+1) VIRTUAL INVISIBLE, \
     p VARCHAR(30) AS (CONCAT(secret,'\u{e9}')) STORED, n INT NOT NULL DEFAULT (1+2), w VARCHAR(36) DEFAULT (UUID()), r DOUBLE DEFAULT (RAND()), \
     KEY unseen (n) INVISIBLE, KEY down (n DESC, id), KEY func ((n + 1), (UPPER(secret)) DESC), \
     CONSTRAINT `named ``check` CHECK (id < 100), CONSTRAINT slack CHECK (n > 0) NOT ENFORCED, c INT CHECK (c > 0) NOT ENFORCED) \
     SECONDARY_ENGINE_ATTRIBUTE='{\"a\": \"it''s\"}'",
    "INSERT INTO hidden (id,secret,n,w,r,c) VALUES (1,'kept',3,'w',0.1,1),(2,NULL,0,NULL,NULL,-5)",
    "SET SESSION sql_generate_invisible_primary_key=1",
    "CREATE TABLE generated_key (a INT, b VARCHAR(9))",
    "INSERT INTO generated_key (my_row_id, a, b) VALUES (7,1,'x'),(3,1,'x'),(18446744073709551615,NULL,NULL)",
    "SET SESSION sql_generate_invisible_primary_key=0",
    "CREATE TABLE keyless (a INT, b VARCHAR(10), f FLOAT)",
    "INSERT INTO keyless VALUES (2,'x',16777216),(1,'y',0.1),(2,'x',16777216),(NULL,NULL,NULL)",
    "CREATE TABLE keys_many (a INT NOT NULL, b INT NOT NULL, c VARCHAR(40), d TEXT, UNIQUE KEY two (b,a), UNIQUE one (c), KEY part (d(7)), \
     FULLTEXT KEY words (d) WITH PARSER ngram, KEY hashed USING HASH (a) COMMENT 'k''s')",
    "INSERT INTO keys_many VALUES (1,2,'a','some words'),(2,1,NULL,NULL),(2,2,NULL,'more')",
    "ANALYZE TABLE keys_many UPDATE HISTOGRAM ON a, c WITH 4 BUCKETS",
    "CREATE TABLE defaults (a INT DEFAULT -5, b VARCHAR(9) DEFAULT 'it''s\\\\', z DATETIME DEFAULT '0000-00-00', e ENUM('a','b') DEFAULT 'b', \
     s SET('a','b') DEFAULT 'a,b', f FLOAT DEFAULT 0.5, t TIME DEFAULT '-01:00:00', vb VARBINARY(9) DEFAULT x'ff005c27', o INT NOT NULL)",
    "INSERT INTO defaults (o) VALUES (1)",
    // Foreign keys: a ring, to nowhere, to no unique key, across databases by name.
    "CREATE TABLE ring_a (id INT PRIMARY KEY, b INT, CONSTRAINT a_to_b FOREIGN KEY (b) REFERENCES ring_b (id) ON DELETE CASCADE)",
    "CREATE TABLE ring_b (id INT PRIMARY KEY, a INT, CONSTRAINT b_to_a FOREIGN KEY (a) REFERENCES ring_a (id) ON UPDATE SET NULL)",
    "INSERT INTO ring_a VALUES (1,1),(2,77)",
    "INSERT INTO ring_b VALUES (1,1)",
    "CREATE TABLE to_nowhere (id INT PRIMARY KEY, x INT, FOREIGN KEY (x) REFERENCES not_there (id))",
    "INSERT INTO to_nowhere VALUES (1,5)",
    "SET SESSION restrict_fk_on_non_standard_key=0",
    "CREATE TABLE to_many (id INT PRIMARY KEY, x INT NOT NULL, CONSTRAINT loose FOREIGN KEY (x) REFERENCES keys_many (a))",
    "INSERT INTO to_many VALUES (1,2)",
    "SET SESSION restrict_fk_on_non_standard_key=1",
    // Engines, formats, partitions.
    "CREATE TABLE my_isam (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(20), FULLTEXT (t)) ENGINE=MyISAM AUTO_INCREMENT=1000 DEFAULT CHARSET=latin1 \
     MAX_ROWS=5000 CHECKSUM=1 DELAY_KEY_WRITE=1 ROW_FORMAT=DYNAMIC",
    "INSERT INTO my_isam VALUES (0,'zero'),(-5,'below'),(3,x'e9')",
    "CREATE TABLE merged_1 (a INT) ENGINE=MyISAM",
    "INSERT INTO merged_1 VALUES (1),(2)",
    "CREATE TABLE all_merged (a INT) ENGINE=MERGE UNION=(merged_1) INSERT_METHOD=LAST",
    "CREATE TABLE memory_t (a INT, KEY USING BTREE (a)) ENGINE=MEMORY",
    "INSERT INTO memory_t VALUES (3),(1)",
    "CREATE TABLE csv_t (a INT NOT NULL, b VARCHAR(20) NOT NULL) ENGINE=CSV",
    "INSERT INTO csv_t VALUES (1,'a,\"b\"')",
    "CREATE TABLE archived (a INT AUTO_INCREMENT PRIMARY KEY, b TEXT) ENGINE=ARCHIVE",
    "INSERT INTO archived VALUES (3,'x'),(9,'y')",
    "CREATE TABLE black (a INT) ENGINE=BLACKHOLE",
    "CREATE TABLE squeezed (id INT PRIMARY KEY, t TEXT) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4 STATS_PERSISTENT=0",
    "INSERT INTO squeezed VALUES (1,REPEAT('abc',1000)),(2,NULL)",
    "CREATE TABLE paged (a INT) COMPRESSION='zlib'",
    "CREATE TABLE by_range (id INT, d DATE NOT NULL, PRIMARY KEY (id,d)) PARTITION BY RANGE (TO_DAYS(d)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 \
     (PARTITION p0 VALUES LESS THAN (TO_DAYS('2000-01-01')) COMMENT='old', PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "INSERT INTO by_range VALUES (1,'1999-01-01'),(2,'2020-01-01'),(3,'0000-00-00')",
    "CREATE TABLE by_list (a VARCHAR(5) NOT NULL, b INT) PARTITION BY LIST COLUMNS (a) (PARTITION x VALUES IN ('a','it''s'), PARTITION y VALUES IN ('zz',NULL))",
    "INSERT INTO by_list VALUES ('a',1),('zz',2)",
    "CREATE TABLE by_key (a INT PRIMARY KEY) PARTITION BY LINEAR KEY ALGORITHM=2 (a) PARTITIONS 3",
    "INSERT INTO by_key VALUES (1),(2),(3)",
    "CREATE TABLE instant (id INT PRIMARY KEY, gone INT, b INT)",
    "INSERT INTO instant VALUES (1,2,3)",
    "ALTER TABLE instant DROP COLUMN gone, ALGORITHM=INSTANT",
    "ALTER TABLE instant ADD COLUMN late VARCHAR(9) DEFAULT 'was not' FIRST, ALGORITHM=INSTANT",
    "INSERT INTO instant VALUES ('is',2,4)",
];

/// Views and programs.
pub const PROGRAMS: &[&str] = &[
    "SET sql_mode=''",
    "CREATE TABLE film (id INT PRIMARY KEY AUTO_INCREMENT, title VARCHAR(40) NOT NULL, touched INT DEFAULT 0)",
    "CREATE TABLE log (id INT PRIMARY KEY AUTO_INCREMENT, what VARCHAR(80))",
    "CREATE FUNCTION twice (a INT) RETURNS INT DETERMINISTIC NO SQL COMMENT 'it''s twice' RETURN a * 2 /* kept */",
    "CREATE FUNCTION undeclared () RETURNS INT RETURN 4",
    "CREATE VIEW z_base AS SELECT id, title, twice(id) AS `doub``le` FROM film WHERE title LIKE 'a%' WITH CASCADED CHECK OPTION",
    "CREATE ALGORITHM=MERGE DEFINER=`no body`@`no.where` SQL SECURITY INVOKER VIEW m_middle AS SELECT id, title FROM z_base WHERE id > 0",
    "CREATE ALGORITHM=TEMPTABLE VIEW a_top AS SELECT COUNT(*) AS n, 'it''s \u{e9}' AS t FROM m_middle",
    "CREATE VIEW sums AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n+1 FROM r WHERE n < 3) SELECT SUM(n) AS s FROM r",
    "CREATE VIEW laterals AS SELECT f.id, x.n, ROW_NUMBER() OVER w AS r FROM film f, LATERAL (SELECT f.id + 1 AS n) x WINDOW w AS (ORDER BY f.id)",
    "CREATE VIEW from_json AS SELECT t.a FROM JSON_TABLE('[{\"a\": 1}]', '$[*]' COLUMNS (a INT PATH '$.a')) AS t",
    "CREATE VIEW foreign_bytes AS SELECT _latin1 x'e9' AS e, _binary x'ff00' AS b, _ucs2 x'00e9' AS u",
    "CREATE TABLE gone (z INT)",
    "CREATE VIEW dead_table AS SELECT z FROM gone",
    "DROP TABLE gone",
    "CREATE TRIGGER t_a BEFORE INSERT ON film FOR EACH ROW SET NEW.touched = NEW.touched * 10 + 1",
    "CREATE TRIGGER t_b BEFORE INSERT ON film FOR EACH ROW PRECEDES t_a SET NEW.touched = NEW.touched * 10 + 2",
    "CREATE TRIGGER t_c BEFORE INSERT ON film FOR EACH ROW FOLLOWS t_b BEGIN\r\n  -- a comment; with a semicolon\r\n  \
     SET NEW.touched = NEW.touched * 10 + 3; # another\n /* and one */ END",
    "SET sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES'",
    "CREATE DEFINER=`gone`@`%` TRIGGER \"t \"\"d\" AFTER UPDATE ON film FOR EACH ROW INSERT INTO \"log\" (what) VALUES ('back\\' || OLD.title)",
    "CREATE PROCEDURE back_slash() COMMENT 'C:\\temp\\new it''s\tx\n\\' SELECT '\\'",
    "CREATE EVENT back_slashed ON SCHEDULE EVERY 1 DAY STARTS '2036-01-01 00:00:00' DISABLE COMMENT '\\n '' COMMENT x\\' DO SELECT ' COMMENT \\'",
    "SET sql_mode=''",
    "CREATE PROCEDURE comments (IN a INT, OUT `b c` VARCHAR(10) CHARACTER SET latin1, INOUT d DECIMAL(5,2)) MODIFIES SQL DATA \
     SQL SECURITY INVOKER COMMENT 'says \"it''s\"'\nBEGIN\n\t-- tab, \u{e9}\n  /* block; */ SELECT 'a;b', \"c\\\"d\", '\\\\', ';;', '$$', '//' ; \
     # delimiter //\nEND",
    "CREATE PROCEDURE `odd ``;; name`() BEGIN END",
    "SET time_zone='+05:30'",
    "CREATE EVENT zoned ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2036-01-01 00:00:00' ENDS '2037-01-01 12:00:00' \
     ON COMPLETION PRESERVE DISABLE COMMENT 'it''s DO ' DO BEGIN SELECT 1; /* kept */ END",
    "SET time_zone='+00:00'",
    "CREATE EVENT `odd `` once` ON SCHEDULE AT '2036-06-06 06:06:06' DISABLE ON REPLICA DO SELECT 2",
    // As a client of another character set makes them.
    "SET NAMES latin1",
    "CREATE PROCEDURE latin_p () COMMENT 'plain' SELECT 'caf\u{e9}'",
    "CREATE VIEW latin_v AS SELECT 'plain' AS x",
    "SET NAMES utf8mb4",
];
