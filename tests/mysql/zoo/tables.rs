//! Tables: engines, keys, partitions, history, names, and what should not exist.

/// The statements.
pub const CAGE: &[&str] = &[
    // Names.
    "CREATE TABLE `we``ird */ t/able \u{e9}` (`a b` INT PRIMARY KEY, `c``d` INT, `e.f` INT, `select` INT, `-- x` INT, `%` INT)",
    "INSERT INTO `we``ird */ t/able \u{e9}` VALUES (1,2,3,4,5,6)",
    "CREATE TABLE `select` (`from` INT KEY COMMENT 'it''s `a` \"comment\" \\\\ /* */ -- ;\n2nd line', `@x` INT) COMMENT='t''s \\\\ \u{e9};'",
    "CREATE TABLE `..` (a INT)",
    "CREATE TABLE `@at` (a INT)",
    "CREATE TABLE `semi;colon` (a INT)",
    "INSERT INTO `semi;colon` VALUES (1),(1),(NULL)",
    // Hidden, generated, defaults, checks.
    "CREATE TABLE hidden (id INT PRIMARY KEY, secret VARCHAR(10) INVISIBLE DEFAULT 'x', v INT GENERATED ALWAYS AS (id+1) VIRTUAL, \
     p VARCHAR(30) AS (CONCAT(secret,'\u{e9}')) STORED, n INT NOT NULL DEFAULT (1+2), w VARCHAR(36) DEFAULT UUID(), \
     ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, KEY (v), CONSTRAINT `named ``check` CHECK (id < 100), \
     c INT CHECK (c > 0))",
    "INSERT INTO hidden (id,secret,n,w,ts,c) VALUES (1,'kept',3,'w','2001-01-01',1),(2,NULL,0,NULL,'0000-00-00',2)",
    // A row that breaks both checks.
    "INSERT INTO hidden (id,secret,n,w,ts,c) VALUES (500,'bad',3,'w','2001-01-01',-1)",
    "CREATE TABLE defaults (a INT DEFAULT -5, b VARCHAR(9) DEFAULT 'it''s\\\\', d DATE DEFAULT '2023-02-31', z DATETIME DEFAULT '0000-00-00', \
     e ENUM('a','b') DEFAULT 'b', s SET('a','b') DEFAULT 'a,b', f FLOAT DEFAULT 0.5, t TIME DEFAULT '-01:00:00', y YEAR DEFAULT 0, \
     c CHAR(3) CHARACTER SET latin1 DEFAULT '\u{e9}', u DECIMAL(5,2) DEFAULT 1.5, n INT DEFAULT NULL, o INT NOT NULL)",
    "INSERT INTO defaults (o) VALUES (1)",
    "CREATE TABLE defaults_lost (f FLOAT DEFAULT 16777217, f2 FLOAT NOT NULL DEFAULT 0.1234567, e VARCHAR(9) CHARACTER SET utf8mb4 DEFAULT '\u{1f600}x', \
     b VARBINARY(9) DEFAULT x'ff005c27', j VARCHAR(9) CHARACTER SET sjis DEFAULT x'8540', q VARCHAR(9) DEFAULT '?')",
    "INSERT INTO defaults_lost () VALUES ()",
    "CREATE TABLE defaults_empty (b VARBINARY(9) NOT NULL DEFAULT x'ff005c27', f FLOAT DEFAULT 16777217)",
    // Keys.
    "CREATE TABLE keyless (a INT, b VARCHAR(10), f FLOAT)",
    "INSERT INTO keyless VALUES (2,'x',16777216),(1,'y',0.1),(2,'x',16777216),(NULL,NULL,NULL)",
    "CREATE TABLE keys_many (a INT NOT NULL, b INT NOT NULL, c VARCHAR(40), d TEXT, UNIQUE KEY two (b,a), UNIQUE one (c), KEY part (d(7)), \
     KEY down (a DESC, b), KEY gone (b) IGNORED, FULLTEXT KEY words (d), KEY hashed USING HASH (a))",
    "INSERT INTO keys_many VALUES (1,2,'a','some words'),(2,1,NULL,NULL),(2,2,NULL,'more')",
    "CREATE TABLE key_prefix (t TEXT NOT NULL, n INT, PRIMARY KEY (t(10)))",
    "INSERT INTO key_prefix VALUES ('abc',1),('abd',2)",
    "CREATE TABLE key_text (t VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL, d DATE NOT NULL, PRIMARY KEY (t,d))",
    "INSERT INTO key_text VALUES ('b','2001-01-01'),('A','0000-00-00'),('\u{e9}','2001-01-01')",
    "CREATE TABLE unique_blob (b BLOB, UNIQUE KEY (b))",
    "INSERT INTO unique_blob VALUES (x'00ff'),(NULL),(NULL)",
    // Foreign keys: a ring, to nowhere, and a row that breaks one.
    "CREATE TABLE ring_a (id INT PRIMARY KEY, b INT, CONSTRAINT a_to_b FOREIGN KEY (b) REFERENCES ring_b (id) ON DELETE CASCADE)",
    "CREATE TABLE ring_b (id INT PRIMARY KEY, a INT, CONSTRAINT b_to_a FOREIGN KEY (a) REFERENCES ring_a (id) ON UPDATE SET NULL)",
    "INSERT INTO ring_a VALUES (1,1),(2,77)",
    "INSERT INTO ring_b VALUES (1,1)",
    "CREATE TABLE to_nowhere (id INT PRIMARY KEY, x INT, FOREIGN KEY (x) REFERENCES not_there (id))",
    "INSERT INTO to_nowhere VALUES (1,5)",
    // Engines and formats.
    "CREATE TABLE my_isam (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(20), FULLTEXT (t)) ENGINE=MyISAM AUTO_INCREMENT=1000 DEFAULT CHARSET=latin1 \
     MAX_ROWS=5000 CHECKSUM=1 DELAY_KEY_WRITE=1 ROW_FORMAT=DYNAMIC",
    "INSERT INTO my_isam VALUES (0,'zero'),(-5,'below'),(3,x'e9')",
    "CREATE TABLE merged_1 (a INT) ENGINE=MyISAM",
    "CREATE TABLE merged_2 (a INT) ENGINE=MyISAM",
    "INSERT INTO merged_1 VALUES (1),(2)",
    "CREATE TABLE all_merged (a INT) ENGINE=MERGE UNION=(merged_1,merged_2) INSERT_METHOD=LAST",
    "CREATE TABLE aria_t (a INT, b BLOB) ENGINE=Aria TRANSACTIONAL=1 PAGE_CHECKSUM=1",
    "INSERT INTO aria_t VALUES (1,x'00ff')",
    "CREATE TABLE memory_t (a INT, KEY USING BTREE (a)) ENGINE=MEMORY",
    "INSERT INTO memory_t VALUES (3),(1)",
    "CREATE TABLE csv_t (a INT NOT NULL, b VARCHAR(20) NOT NULL) ENGINE=CSV",
    "INSERT INTO csv_t VALUES (1,'a,\"b\"')",
    "CREATE TABLE compressed (id INT PRIMARY KEY, t TEXT COMPRESSED, v VARCHAR(1000) COMPRESSED=zlib DEFAULT 'x') ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4",
    "INSERT INTO compressed VALUES (1,REPEAT('abc',1000),'y'),(2,NULL,NULL)",
    "CREATE TABLE paged (a INT) PAGE_COMPRESSED=1 STATS_PERSISTENT=0 COLLATE latin1_bin",
    // Partitions.
    "CREATE TABLE by_range (id INT, d DATE NOT NULL, PRIMARY KEY (id,d)) PARTITION BY RANGE (TO_DAYS(d)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 \
     (PARTITION p0 VALUES LESS THAN (TO_DAYS('2000-01-01')) COMMENT='old', PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "INSERT INTO by_range VALUES (1,'1999-01-01'),(2,'2020-01-01'),(3,'0000-00-00')",
    "CREATE TABLE by_list (a VARCHAR(5) NOT NULL, b INT) PARTITION BY LIST COLUMNS (a) (PARTITION x VALUES IN ('a','it''s'), PARTITION y DEFAULT)",
    "INSERT INTO by_list VALUES ('a',1),('zz',2)",
    "CREATE TABLE by_key (a INT PRIMARY KEY) PARTITION BY LINEAR KEY ALGORITHM=2 (a) PARTITIONS 3",
    "INSERT INTO by_key VALUES (1),(2),(3)",
    // Sequences, one of them a default.
    "CREATE SEQUENCE counted START WITH 5 MINVALUE 1 MAXVALUE 10 INCREMENT BY 2 CACHE 3 CYCLE",
    "DO NEXTVAL(counted), NEXTVAL(counted), NEXTVAL(counted), NEXTVAL(counted), NEXTVAL(counted)",
    "CREATE SEQUENCE used_up START WITH 1 MAXVALUE 3 NOCACHE",
    "DO NEXTVAL(used_up), NEXTVAL(used_up), NEXTVAL(used_up)",
    "CREATE SEQUENCE backwards START WITH 100 MINVALUE 1 MAXVALUE 200 INCREMENT BY -10 ENGINE=Aria",
    "DO NEXTVAL(backwards)",
    "CREATE SEQUENCE restarted START WITH 100 MINVALUE 1 MAXVALUE 200 NOCACHE",
    "ALTER SEQUENCE restarted RESTART 7",
    "CREATE SEQUENCE `odd ``name`",
    "CREATE TABLE numbered (id INT DEFAULT NEXTVAL(`odd ``name`), a INT)",
    "INSERT INTO numbered (a) VALUES (1),(2)",
    // History.
    "SET timestamp=1600000000",
    "CREATE TABLE history (id INT PRIMARY KEY, a VARCHAR(10), note VARCHAR(10) WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING",
    "INSERT INTO history VALUES (1,'first','n'),(2,'second','n')",
    "CREATE TABLE history_named (id INT PRIMARY KEY, a INT, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, \
     until TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING",
    "INSERT INTO history_named (id,a) VALUES (1,1)",
    "CREATE TABLE history_parts (a INT) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME LIMIT 2 PARTITIONS 3",
    "INSERT INTO history_parts VALUES (1),(2),(3)",
    "SET timestamp=1600000100.5",
    "UPDATE history SET a='changed' WHERE id=1",
    "UPDATE history_named SET a=2",
    "UPDATE history_parts SET a=a+10",
    "SET timestamp=1600000200.25",
    "DELETE FROM history WHERE id=2",
    "INSERT INTO history VALUES (2,'again','n')",
    "DELETE FROM history_named",
    "DELETE FROM history_parts WHERE a=11",
    "SET timestamp=DEFAULT",
    "CREATE TABLE with_period (id INT, d1 DATE, d2 DATE, PERIOD FOR p (d1,d2), UNIQUE (id, p WITHOUT OVERLAPS))",
    "INSERT INTO with_period VALUES (1,'2000-01-01','2001-01-01')",
];
