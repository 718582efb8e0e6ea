//! A random walk: statements that make tables, alter them, fill them and put programs beside them, as
//! years of use would. A server takes some and refuses others; it promises to count both by their kind.

use super::columns::{Column, Holds, computed, invent, value};
use super::words::{name, quoted};
use crate::random::Random;
use coffer::mysql::connection::Connection;
use coffer::mysql::identifier::quote;
use std::collections::BTreeMap;

/// A table and what is known of it.
struct Table {
    name: String,
    columns: Vec<Column>,
}

/// A walk through one database.
pub struct Walk<'a> {
    conn: &'a mut Connection,
    random: Random,
    collations: Vec<String>,
    tables: Vec<Table>,
    count: u64,
    has_programs: bool,
    /// How many statements of a kind were taken and refused.
    pub taken: BTreeMap<&'static str, [u64; 2]>,
    /// What was taken, in order.
    pub done: Vec<String>,
}

const MODES: [&str; 3] =
    ["NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES", "", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"];

impl<'a> Walk<'a> {
    /// Begins in a new database.
    pub fn begin(conn: &'a mut Connection, database: &str, seed: u64) -> Walk<'a> {
        let known = "SELECT DISTINCT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY ORDER BY 1";
        let known = if conn.is_mariadb() { known.to_owned() } else { known.replace("FULL_", "") };
        let rows = conn.rows(&known).expect("collations");
        let collations: Vec<String> =
            rows.iter().filter_map(|row| row.text(0)).filter(|name| name != "binary").collect();
        let mut random = Random(seed);
        let database = quote(database);
        let collation = random.pick(&collations).clone();
        conn.execute(&format!("CREATE DATABASE {database} COLLATE {collation}")).expect("database");
        conn.execute(&format!("USE {database}")).expect("database");
        conn.execute("SET foreign_key_checks=0, time_zone=@@GLOBAL.time_zone").expect("session");
        conn.execute(&format!("SET sql_mode='{}'", MODES[0])).expect("session");
        if conn.is_mariadb() {
            conn.execute("SET check_constraint_checks=0").expect("session");
        }
        Walk {
            conn,
            random,
            collations,
            tables: Vec::new(),
            count: 0,
            has_programs: false,
            taken: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// Makes tables, alters and fills them, and puts programs beside them.
    pub fn years(&mut self) {
        for _ in 0..2 + self.random.below(6) {
            self.make();
            for _ in 0..30 {
                self.step(self.tables.len() - 1);
            }
        }
        self.has_programs = true;
        for _ in 0..8 {
            self.program();
        }
    }

    /// A little more of everything.
    pub fn night(&mut self) {
        for table in 0..self.tables.len() {
            (0..6).for_each(|_| self.step(table));
        }
    }

    fn take(&mut self, kind: &'static str, sql: String) -> bool {
        let is_taken = self.conn.execute(&sql).is_ok();
        self.taken.entry(kind).or_default()[usize::from(!is_taken)] += 1;
        if is_taken {
            self.done.push(sql);
        }
        is_taken
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn make(&mut self) {
        let number = self.number();
        let name = name(&mut self.random, number);
        let key = *self.random.pick(&[
            "id INT PRIMARY KEY",
            "id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY",
            "id INT",
            "id VARCHAR(20) NOT NULL, UNIQUE KEY (id)",
            "id INT NOT NULL, at INT NOT NULL DEFAULT 0, PRIMARY KEY (at, id)",
        ]);
        let engine = *self.random.pick(&["InnoDB", "InnoDB", "InnoDB", "MyISAM", "MyISAM", "MEMORY"]);
        let sql = format!("CREATE TABLE {} ({key}) ENGINE={engine}", quote(&name));
        assert!(self.take("make", sql.clone()), "{sql}");
        let id = Column { name: "id".into(), holds: Holds::Counted };
        self.tables.push(Table { name, columns: vec![id] });
    }

    fn step(&mut self, table: usize) {
        match self.random.below(24) {
            0..8 => self.add_column(table),
            8..10 => self.add_computed(table),
            10..13 => self.add_key(table),
            13..19 => self.insert(table),
            19 => self.change_rows(table),
            20 => self.drop_column(table),
            _ => self.alter(table),
        }
    }

    fn quoted(&self, table: usize) -> String {
        quote(&self.tables[table].name)
    }

    fn column(&mut self, table: usize) -> Column {
        self.random.pick(&self.tables[table].columns).clone()
    }

    fn add_column(&mut self, table: usize) {
        let number = self.number();
        let (column, sql) = invent(&mut self.random, number, &self.collations);
        if self.take("column", format!("ALTER TABLE {} ADD COLUMN {sql}", self.quoted(table))) {
            self.tables[table].columns.push(column);
        }
    }

    fn add_computed(&mut self, table: usize) {
        let (number, from) = (self.number(), self.column(table));
        let (column, sql) = computed(&mut self.random, number, &from);
        if self.take("computed column", format!("ALTER TABLE {} ADD COLUMN {sql}", self.quoted(table))) {
            self.tables[table].columns.push(column);
        }
    }

    fn add_key(&mut self, table: usize) {
        let (number, first, second) = (self.number(), self.column(table), self.column(table));
        let key = quote(&name(&mut self.random, number));
        let kind = *self.random.pick(&["KEY", "KEY", "UNIQUE KEY", "FULLTEXT KEY", "SPATIAL KEY"]);
        let part = |random: &mut Random, column: &Column| {
            let length = match column.holds {
                Holds::Texts | Holds::Bytes | Holds::Nothing if random.one_in(2) => "(7)",
                _ => "",
            };
            format!("{}{length}{}", quote(&column.name), random.pick(&["", "", " DESC"]))
        };
        let mut parts = part(&mut self.random, &first);
        if self.random.one_in(2) && second.name != first.name {
            parts += &format!(", {}", part(&mut self.random, &second));
        }
        self.take("key", format!("ALTER TABLE {} ADD {kind} {key} ({parts})", self.quoted(table)));
    }

    fn insert(&mut self, table: usize) {
        let columns: Vec<Column> =
            self.tables[table].columns.iter().filter(|c| c.holds != Holds::Nothing).cloned().collect();
        let names: Vec<String> = columns.iter().map(|c| quote(&c.name)).collect();
        let count = *self.random.pick(&[1, 1, 3, 20, 200]);
        for _ in 0..count {
            let values: Vec<String> = columns.iter().map(|c| value(&mut self.random, c.holds)).collect();
            let (names, values) = (names.join(","), values.join(","));
            self.take(
                "row",
                format!("INSERT IGNORE INTO {} ({names}) VALUES ({values})", self.quoted(table)),
            );
        }
    }

    fn change_rows(&mut self, table: usize) {
        let (place, column) = (self.quoted(table), self.column(table));
        let (name, new) = (quote(&column.name), value(&mut self.random, column.holds));
        let sql = match self.random.below(4) {
            0 => format!("DELETE FROM {place} WHERE CRC32({name}) % 3 = 0"),
            _ => format!("UPDATE IGNORE {place} SET {name} = {new} WHERE CRC32({name}) % 5 = 0"),
        };
        self.take("change", sql);
    }

    fn drop_column(&mut self, table: usize) {
        let column = self.column(table).name;
        let sql = format!("ALTER TABLE {} DROP COLUMN {}", self.quoted(table), quote(&column));
        // Views and triggers of a column would die with it.
        if self.tables[table].columns.len() > 2 && !self.has_programs && self.take("dropped column", sql) {
            self.tables[table].columns.retain(|c| c.name != column);
        }
    }

    fn alter(&mut self, table: usize) {
        let column = quote(&self.column(table).name);
        let (number, collation) = (self.number(), self.random.pick(&self.collations).clone());
        let words = match self.random.below(16) {
            0 => format!("COMMENT={}", quoted(&mut self.random, 60)),
            1 => format!("AUTO_INCREMENT={}", self.random.below(1 << 40)),
            2 => format!("COLLATE={collation}"),
            3 => format!("CONVERT TO CHARACTER SET {}", collation.split('_').next().unwrap_or("latin1")),
            4 => "ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4".into(),
            5 => format!("ROW_FORMAT={}", self.random.pick(&["DYNAMIC", "COMPACT", "FIXED", "REDUNDANT"])),
            6 => format!("ENGINE={}", self.random.pick(&["InnoDB", "MyISAM", "Aria", "MEMORY", "CSV", "ARCHIVE"])),
            7 => format!("PARTITION BY HASH (id) PARTITIONS {}", 1 + self.random.below(5)),
            8 => "PARTITION BY RANGE (id) (PARTITION `p 0` VALUES LESS THAN (10) COMMENT='it''s', PARTITION p1 VALUES LESS THAN MAXVALUE)".into(),
            9 => format!("PARTITION BY KEY ({column}) PARTITIONS 3"),
            10 => "ADD SYSTEM VERSIONING".into(),
            11 => format!("ADD CONSTRAINT c{number} CHECK (LENGTH({column}) < {})", self.random.below(99)),
            12 => format!("ADD KEY k{number} ((HEX({column})))"),
            13 => format!("ALTER COLUMN {column} DROP DEFAULT"),
            14 => "STATS_PERSISTENT=0, CHECKSUM=1, PACK_KEYS=1, MAX_ROWS=1000, DELAY_KEY_WRITE=1".into(),
            _ => self.link(number, &column),
        };
        self.take("alter", format!("ALTER TABLE {} {words}", self.quoted(table)));
    }

    /// A foreign key to any table, or to none.
    fn link(&mut self, number: u64, column: &str) -> String {
        let other = self.random.below(self.tables.len() as u64) as usize;
        let to = if self.random.one_in(4) { "nowhere".into() } else { self.quoted(other) };
        let deed = *self.random.pick(&["", " ON DELETE CASCADE", " ON UPDATE SET NULL"]);
        let column = if self.random.one_in(3) { column } else { "id" };
        format!("ADD CONSTRAINT f{number} FOREIGN KEY ({column}) REFERENCES {to} (id){deed}")
    }

    /// A view, trigger, routine or event, in one of several ways of SQL.
    fn program(&mut self) {
        let (number, table) = (self.number(), self.random.below(self.tables.len() as u64) as usize);
        let mode = *self.random.pick(&MODES);
        self.conn.execute(&format!("SET sql_mode='{mode}'")).expect("mode");
        let (place, column, called) =
            (self.quoted(table), quote(&self.column(table).name), quote(&name(&mut self.random, number)));
        // In every mode it is one literal.
        let said = format!("'{}'", "it''s é /* -- ; */ 日");
        let definer = *self.random.pick(&["", "DEFINER=gone@`no where`"]);
        let (kind, sql) = match self.random.below(5) {
            0 => (
                "view",
                format!("CREATE {definer} VIEW {called} AS SELECT {column} AS x, {said} AS y FROM {place}"),
            ),
            1 => (
                "trigger",
                format!(
                    "CREATE {definer} TRIGGER {called} BEFORE INSERT ON {place} FOR EACH ROW SET NEW.id = 1 + NEW.id, @x = {said}"
                ),
            ),
            2 => (
                "procedure",
                format!(
                    "CREATE {definer} PROCEDURE {called}(INOUT x VARCHAR(9) CHARACTER SET latin1) COMMENT {said} BEGIN SELECT {said} FROM {place}; END"
                ),
            ),
            3 => (
                "function",
                format!(
                    "CREATE {definer} FUNCTION {called}(x INT) RETURNS TEXT CHARACTER SET utf8mb4 DETERMINISTIC RETURN CONCAT(x, {said})"
                ),
            ),
            _ => (
                "event",
                format!(
                    "CREATE {definer} EVENT {called} ON SCHEDULE EVERY 3 HOUR STARTS '2037-01-01 03:00:00' DISABLE COMMENT {said} DO DELETE FROM {place} WHERE {column} = {said}"
                ),
            ),
        };
        self.take(kind, sql);
        self.conn.execute(&format!("SET sql_mode='{}'", MODES[0])).expect("mode");
    }
}
