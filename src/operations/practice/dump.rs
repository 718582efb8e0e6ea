//! The invented practice's database as `mariadb-dump` would write it. Each row follows from the
//! seed, its table, its number and how often it was changed: nothing but those counts is kept.

use super::calendar::Day;
use super::random::Random;
use super::words::{ACTIONS, FIRST, LAST, NOTES, STREETS, SURFACES};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Bytes after which `mariadb-dump` begins a new INSERT.
const INSERT_BYTES: usize = 1_000_000;
/// The days over which the first rows of a table are spread.
const HISTORY_DAYS: u64 = 1500;

/// The rows of the database.
pub(super) struct Database {
    seed: u64,
    /// Rows in each of [`TABLES`].
    rows: [u64; TABLES.len()],
    /// How often the row of a table was changed, where it was.
    changes: BTreeMap<(usize, u64), u64>,
}

struct Table {
    name: &'static str,
    columns: &'static str,
    /// Rows in the beginning.
    rows: u64,
    /// Rows added and rows changed on a day.
    daily: (u64, u64),
    write: fn(&mut String, &mut Random, &Row),
}

/// What a row is written from.
struct Row {
    number: u64,
    changes: u64,
    day: Day,
}

const TABLES: [Table; 5] = [
    Table {
        name: "appointment",
        columns: "`AptNum` bigint(20) NOT NULL AUTO_INCREMENT,\n  `PatNum` bigint(20) NOT NULL,\n  \
            `AptDateTime` datetime NOT NULL DEFAULT '0000-00-00 00:00:00',\n  `AptStatus` tinyint(3) unsigned NOT NULL,\n  \
            `ProvNum` bigint(20) NOT NULL,\n  `Note` text DEFAULT NULL,\n  `DateTimeDismissed` datetime NOT NULL \
            DEFAULT '0000-00-00 00:00:00',\n  PRIMARY KEY (`AptNum`),\n  KEY `PatNum` (`PatNum`)",
        rows: 26_000,
        daily: (50, 40),
        write: appointment,
    },
    Table {
        name: "document",
        columns: "`DocNum` bigint(20) NOT NULL AUTO_INCREMENT,\n  `DateCreated` datetime NOT NULL,\n  \
            `PatNum` bigint(20) NOT NULL,\n  `FileName` varchar(255) NOT NULL,\n  `Thumbnail` mediumblob DEFAULT NULL,\n  \
            PRIMARY KEY (`DocNum`)",
        rows: 400,
        daily: (8, 1),
        write: document,
    },
    Table {
        name: "patient",
        columns: "`PatNum` bigint(20) NOT NULL AUTO_INCREMENT,\n  `LName` varchar(100) NOT NULL,\n  \
            `FName` varchar(100) NOT NULL,\n  `Birthdate` date NOT NULL DEFAULT '0000-00-00',\n  `SSN` varchar(100) \
            DEFAULT NULL,\n  `Address` varchar(100) NOT NULL,\n  `HmPhone` varchar(30) NOT NULL,\n  `WirelessPhone` \
            varchar(30) NOT NULL,\n  `Email` varchar(100) DEFAULT NULL,\n  `EstBalance` double NOT NULL,\n  \
            `Note` text DEFAULT NULL,\n  PRIMARY KEY (`PatNum`),\n  KEY `LName` (`LName`,`FName`)",
        rows: 7_000,
        daily: (6, 20),
        write: patient,
    },
    Table {
        name: "procedurelog",
        columns: "`ProcNum` bigint(20) NOT NULL AUTO_INCREMENT,\n  `PatNum` bigint(20) NOT NULL,\n  \
            `AptNum` bigint(20) NOT NULL,\n  `ProcDate` date NOT NULL DEFAULT '0000-00-00',\n  `ProcFee` double NOT NULL,\n  \
            `Surf` varchar(10) NOT NULL,\n  `ToothNum` varchar(2) NOT NULL,\n  `ProcStatus` tinyint(3) unsigned NOT NULL,\n  \
            `DateComplete` date NOT NULL DEFAULT '0000-00-00',\n  `CodeNum` bigint(20) NOT NULL,\n  \
            PRIMARY KEY (`ProcNum`)",
        rows: 60_000,
        daily: (110, 60),
        write: procedure,
    },
    Table {
        name: "securitylog",
        columns: "`SecurityLogNum` bigint(20) NOT NULL AUTO_INCREMENT,\n  `PermType` tinyint(4) NOT NULL,\n  \
            `UserNum` bigint(20) NOT NULL,\n  `LogDateTime` datetime NOT NULL,\n  `LogText` text NOT NULL,\n  \
            `PatNum` bigint(20) NOT NULL,\n  PRIMARY KEY (`SecurityLogNum`)",
        rows: 36_000,
        daily: (90, 0),
        write: log,
    },
];

impl Database {
    /// The database of the first night.
    pub(super) fn new(seed: u64) -> Self {
        Database { seed, rows: TABLES.map(|table| table.rows), changes: BTreeMap::new() }
    }

    /// One day of work; the numbers of rows added and changed.
    pub(super) fn age(&mut self, night: u32) -> (u64, u64) {
        let (mut added, mut changed) = (0, 0);
        for (at, table) in TABLES.iter().enumerate() {
            let mut random = Random::new(self.seed, &[1, at as u64, u64::from(night)]);
            for _ in 0..table.daily.1 {
                // Mostly what is recent is touched.
                let back = random.below(self.rows[at]).min(random.below(self.rows[at]));
                *self.changes.entry((at, self.rows[at] - back)).or_default() += 1;
                changed += 1;
            }
            self.rows[at] += table.daily.0;
            added += table.daily.0;
        }
        (added, changed)
    }

    /// The dump, as taken on `day`.
    pub(super) fn dump(&self, day: Day) -> String {
        let mut text = String::with_capacity(16 << 20);
        text.push_str(HEAD);
        for at in 0..TABLES.len() {
            self.table(at, &mut text);
        }
        text.push_str(FOOT);
        _ = writeln!(text, "-- Dump completed on {} 18:00:00", day.date());
        text
    }

    fn table(&self, at: usize, text: &mut String) {
        let Table { name, columns, write, rows, .. } = TABLES[at];
        _ = write!(
            text,
            "\n--\n-- Table structure for table `{name}`\n--\n\nDROP TABLE IF EXISTS `{name}`;\n\
             /*!40101 SET @saved_cs_client     = @@character_set_client */;\n\
             /*!40101 SET character_set_client = utf8mb4 */;\nCREATE TABLE `{name}` (\n  {columns}\n) \
             ENGINE=InnoDB AUTO_INCREMENT={} DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;\n\
             /*!40101 SET character_set_client = @saved_cs_client */;\n\n--\n-- Dumping data for table `{name}`\n\
             --\n\nLOCK TABLES `{name}` WRITE;\n/*!40000 ALTER TABLE `{name}` DISABLE KEYS */;\n",
            self.rows[at] + 1
        );
        let mut insert_start = None;
        for number in 1..=self.rows[at] {
            match insert_start {
                None => {
                    insert_start = Some(text.len());
                    _ = writeln!(text, "INSERT INTO `{name}` VALUES");
                }
                Some(_) => text.push_str(",\n"),
            }
            let changes = self.changes.get(&(at, number)).copied().unwrap_or(0);
            let day = Day::of_history(number * HISTORY_DAYS / rows, HISTORY_DAYS);
            let mut random = Random::new(self.seed, &[0, at as u64, number]);
            write(text, &mut random, &Row { number, changes, day });
            if insert_start.is_some_and(|start| text.len() - start > INSERT_BYTES) || number == self.rows[at]
            {
                text.push_str(";\n");
                insert_start = None;
            }
        }
        _ = writeln!(text, "/*!40000 ALTER TABLE `{name}` ENABLE KEYS */;\nUNLOCK TABLES;");
    }
}

/// A clock time in office hours.
fn time(random: &mut Random, step_minutes: u64) -> String {
    let minute = 8 * 60 + random.below(9 * 60 / step_minutes) * step_minutes;
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn quoted(text: &mut String, value: &str) {
    text.push('\'');
    for c in value.chars() {
        match c {
            '\'' => text.push_str("\\'"),
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text.push('\'');
}

/// A note or NULL; a changed row has a note that says when.
fn note(text: &mut String, random: &mut Random, row: &Row) {
    if row.changes > 0 {
        let note = format!("{} (edited {} times)", random.pick(NOTES), row.changes);
        quoted(text, &note);
    } else if random.below(4) == 0 {
        quoted(text, random.pick(NOTES));
    } else {
        text.push_str("NULL");
    }
}

fn appointment(text: &mut String, random: &mut Random, row: &Row) {
    let patient = 1 + random.below(7_000);
    let at = time(random, 10);
    let status = if row.changes > 0 { 5 } else { 1 + random.below(2) };
    _ = write!(
        text,
        "({},{patient},'{} {at}:00',{status},{},",
        row.number,
        row.day.date(),
        1 + random.below(4)
    );
    note(text, random, row);
    match random.below(3) {
        0 => _ = write!(text, ",'{} {}:00')", row.day.date(), time(random, 1)),
        _ => text.push_str(",'0000-00-00 00:00:00')"),
    }
}

fn document(text: &mut String, random: &mut Random, row: &Row) {
    _ = write!(
        text,
        "({},'{} {}:00',{},",
        row.number,
        row.day.date(),
        time(random, 1),
        1 + random.below(7_000)
    );
    quoted(text, &format!("{}{:05}.jpg", random.pick(LAST), row.number));
    if !row.number.is_multiple_of(3) {
        text.push_str(",NULL)");
        return;
    }
    text.push_str(",0x");
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, row.changes as u8];
    let length = 1000 + random.below(2000) as usize;
    random.extend(&mut bytes, length);
    bytes.iter().for_each(|byte| _ = write!(text, "{byte:02X}"));
    text.push(')');
}

fn patient(text: &mut String, random: &mut Random, row: &Row) {
    let (last, first) = (random.pick(LAST), random.pick(FIRST));
    _ = write!(text, "({},", row.number);
    quoted(text, last);
    text.push(',');
    quoted(text, first);
    match random.below(40) {
        0 => text.push_str(",'0000-00-00'"),
        _ => _ = write!(text, ",'{}'", Day::of_history(random.below(30_000), 30_000).date()),
    }
    match random.below(5) {
        0 => text.push_str(",NULL,"),
        _ => {
            _ = write!(text, ",'{:03}-{:02}-{:04}',", random.below(900), random.below(99), random.below(9999))
        }
    }
    quoted(text, &format!("{} {}", 1 + random.below(9_000), random.pick(STREETS)));
    for _ in 0..2 {
        _ = write!(text, ",'({:03})555-{:04}'", 200 + random.below(700), random.below(9999));
    }
    match random.below(6) {
        0 => text.push_str(",NULL"),
        _ => _ = write!(text, ",'patient{}@mail{}.example'", row.number, random.below(40)),
    }
    _ = write!(text, ",{}.{:02},", random.below(2_000) + row.changes, random.below(100));
    note(text, random, row);
    text.push(')');
}

fn procedure(text: &mut String, random: &mut Random, row: &Row) {
    let (patient, appointment) = (1 + random.below(7_000), 1 + random.below(26_000));
    let fee = 40 + random.below(900);
    _ = write!(text, "({},{patient},{appointment},'{}',{fee},", row.number, row.day.date());
    _ = write!(text, "'{}','{}'", random.pick(SURFACES), 1 + random.below(32));
    match random.below(3) + row.changes {
        0 => text.push_str(",1,'0000-00-00'"),
        _ => _ = write!(text, ",2,'{}'", row.day.date()),
    }
    _ = write!(text, ",{})", 100 + random.below(600));
}

fn log(text: &mut String, random: &mut Random, row: &Row) {
    let (action, user) = (random.pick(ACTIONS), 1 + random.below(9));
    let patient = random.below(7_000);
    let at = time(random, 1);
    _ = write!(
        text,
        "({},{},{user},'{} {at}:{:02}',",
        row.number,
        random.below(90),
        row.day.date(),
        random.below(60)
    );
    let name = format!("{action}: {} {}, {}", random.pick(FIRST), random.pick(LAST), random.pick(NOTES));
    quoted(text, &name);
    _ = write!(text, ",{patient})");
}

const HEAD: &str = "-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for debian-linux-gnu (x86_64)\n--\n\
    -- Host: localhost    Database: practice\n-- ------------------------------------------------------\n\
    -- Server version\t10.11.6-MariaDB-0+deb12u1\n\n\
    /*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n\
    /*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;\n\
    /*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;\n/*!40101 SET NAMES utf8mb4 */;\n\
    /*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n\
    /*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;\n\
    /*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n\
    /*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n\
    /*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;\n";

const FOOT: &str = "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;\n\n\
    /*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;\n\
    /*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;\n\
    /*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;\n\
    /*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;\n\
    /*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;\n\
    /*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;\n\n";
