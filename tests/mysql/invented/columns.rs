//! Columns of every type with values that are hard for it, as SQL. What a server does not take, it
//! refuses: nothing here promises that it does.

use super::words::{digits, name, quoted};
use crate::random::Random;
use coffer::mysql::identifier::quote;

/// What a column holds, as far as its values are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Numbers that count; not the last, after which a partitioned table of InnoDB does not count as it did.
    Counted,
    Integers,
    Decimals,
    Floats,
    Bits,
    Days,
    Times,
    Years,
    Texts,
    Bytes,
    Members,
    Documents,
    Places,
    Uuids,
    Addresses,
    /// What the server computes.
    Nothing,
}

/// A column that a table has.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub holds: Holds,
}

use Holds::*;

/// Types and what they hold; of the last ones, each vendor knows some.
const TYPES: [(Holds, &str); 46] = [
    (Integers, "TINYINT"),
    (Integers, "SMALLINT UNSIGNED"),
    (Integers, "MEDIUMINT"),
    (Integers, "INT"),
    (Integers, "INT(7) UNSIGNED ZEROFILL"),
    (Integers, "BIGINT"),
    (Integers, "BIGINT UNSIGNED"),
    (Integers, "BOOLEAN"),
    (Decimals, "DECIMAL(10,2)"),
    (Decimals, "DECIMAL(65,30)"),
    (Decimals, "DECIMAL(20) UNSIGNED"),
    (Floats, "FLOAT"),
    (Floats, "DOUBLE"),
    (Floats, "FLOAT(9,3)"),
    (Floats, "DOUBLE UNSIGNED"),
    (Bits, "BIT"),
    (Bits, "BIT(17)"),
    (Bits, "BIT(64)"),
    (Days, "DATE"),
    (Days, "DATETIME"),
    (Days, "DATETIME(6)"),
    (Days, "TIMESTAMP NULL"),
    (Days, "TIMESTAMP(3) NULL"),
    (Times, "TIME"),
    (Times, "TIME(4)"),
    (Years, "YEAR"),
    (Texts, "CHAR(9)"),
    (Texts, "VARCHAR(40)"),
    (Texts, "VARCHAR(300)"),
    (Texts, "TINYTEXT"),
    (Texts, "TEXT"),
    (Texts, "MEDIUMTEXT"),
    (Texts, "LONGTEXT"),
    (Bytes, "BINARY(5)"),
    (Bytes, "VARBINARY(90)"),
    (Bytes, "TINYBLOB"),
    (Bytes, "BLOB"),
    (Bytes, "LONGBLOB"),
    (Members, "ENUM"),
    (Members, "SET"),
    (Documents, "JSON"),
    (Places, "GEOMETRY"),
    (Places, "POINT"),
    (Uuids, "UUID"),
    (Addresses, "INET6"),
    (Addresses, "INET4"),
];

/// A new column and its definition. `collations` are the server's.
pub fn invent(random: &mut Random, number: u64, collations: &[String]) -> (Column, String) {
    let column = name(random, number);
    let (holds, plain) = *random.pick(&TYPES);
    let mut sql = format!("{} {plain}", quote(&column));
    if holds == Members {
        let members = (0..=random.below(9)).map(|n| match n {
            0 => "''".to_owned(),
            _ => format!("'{}{n}'", random.pick(&["a", "é", "日", "B ''", "\\\\"])),
        });
        sql += &format!("({})", members.collect::<Vec<_>>().join(","));
    }
    if matches!(holds, Texts | Members) && random.one_in(2) {
        sql += &format!(" COLLATE {}", random.pick(collations));
    }
    if random.one_in(3) && !plain.ends_with("NULL") {
        sql += " NOT NULL";
    }
    if random.one_in(3) {
        sql += &format!(" DEFAULT {}", default(random, holds));
    }
    if plain.starts_with("TIMESTAMP NULL") && random.one_in(2) {
        sql += " ON UPDATE CURRENT_TIMESTAMP";
    }
    if random.one_in(8) {
        sql += " INVISIBLE";
    }
    if random.one_in(5) {
        sql += &format!(" COMMENT {}", quoted(random, 30));
    }
    (Column { name: column, holds }, sql)
}

/// A default: a value, or what is computed.
fn default(random: &mut Random, holds: Holds) -> String {
    let value = value(random, holds);
    if random.one_in(3) { format!("({value})") } else { value }
}

/// A column that the server computes from `from`, and its definition.
pub fn computed(random: &mut Random, number: u64, from: &Column) -> (Column, String) {
    let column = name(random, number);
    let source = quote(&from.name);
    let (kind, expression) = match random.below(6) {
        0 => ("INT", format!("{source} IS NULL")),
        1 => ("BIGINT", format!("LENGTH({source})")),
        2 => ("LONGTEXT", format!("HEX({source})")),
        3 => ("LONGTEXT CHARACTER SET utf8mb4", format!("CONCAT({source}, 'é\\\\''', {source})")),
        4 if from.holds == Integers => ("DECIMAL(30,2)", format!("{source} * 1.5")),
        _ => ("LONGBLOB", format!("COALESCE({source}, 'nothing')")),
    };
    let kept = random.pick(&["VIRTUAL", "STORED"]);
    let sql = format!("{} {kind} GENERATED ALWAYS AS ({expression}) {kept}", quote(&column));
    (Column { name: column, holds: Nothing }, sql)
}

/// A value of such a column, as SQL.
pub fn value(random: &mut Random, holds: Holds) -> String {
    if random.one_in(7) {
        return "NULL".to_owned();
    }
    let any = random.next();
    match holds {
        Counted if random.one_in(3) => "0".into(),
        Counted => format!("{}", any as i64 >> (20 + random.below(43))),
        Integers if random.one_in(2) => format!("{}", any as i64 >> random.below(60)),
        Integers => {
            (*random.pick(&["0", "-1", "127", "255", "-9223372036854775808", "18446744073709551615"])).into()
        }
        Decimals if random.one_in(2) => format!("{}.{}", any as i32, random.below(1_000_000_000)),
        Decimals => (*random.pick(&[
            "0",
            "-0.005",
            "99999999999999999999.9",
            "1e-30",
            "-99999999999999999999999999999999999.5",
        ]))
        .into(),
        Floats if random.one_in(2) => format!("{}/{}", any as i32, random.below(99) + 1),
        Floats => {
            (*random.pick(&["-0e0", "0.1", "16777217", "3.4028235e38", "1e308", "5e-324", "1.17549435e-38"]))
                .into()
        }
        Bits => format!("b'{:b}'", any >> random.below(64)),
        Days if random.one_in(2) => format!("'2026-01-01' + INTERVAL {} MICROSECOND", any as i64 >> 8),
        Days => (*random.pick(&[
            "'0000-00-00'",
            "'2026-02-31'",
            "'1000-01-01'",
            "'9999-12-31 23:59:59.999999'",
            "'2026-03-29 02:30:00.5'",
            "'2026-00-10'",
            "'1970-01-01 00:00:01'",
            "'2038-01-19 03:14:07.999'",
        ]))
        .into(),
        Times => (*random.pick(&[
            "'-838:59:59.9999'",
            "'838:59:59'",
            "'00:00:00.0001'",
            "'-00:00:00.5'",
            "'12:34:56.789'",
        ]))
        .into(),
        Years => (*random.pick(&["0", "1901", "2155", "2026"])).into(),
        Texts => text(random),
        Bytes if random.one_in(9) => format!("REPEAT({}, {})", digits(random, 20), random.below(4000)),
        Bytes => digits(random, 100),
        Members => {
            if random.one_in(4) {
                "''".into()
            } else {
                random.below(12).to_string()
            }
        }
        Documents => (*random.pick(&[
            "'null'",
            "'{}'",
            "'[1, -0.0, 1e300, \"😀\\\\u0000\", true]'",
            "'\"it''s \\\\\\\\ \\\\\"\"'",
            "'{\"b\": {\"a\": [[], {}]}, \"a\": 18446744073709551615}'",
        ]))
        .into(),
        Places => place(random),
        Uuids => {
            format!("'{:08x}-{:04x}-4{:03x}-8000-{:012x}'", any as u32, any as u16, any & 0xfff, any >> 16)
        }
        Addresses => format!("'10.{}.{}.255'", any as u8, any >> 56),
        Nothing => "DEFAULT".into(),
    }
}

fn text(random: &mut Random) -> String {
    match random.below(9) {
        0 => (*random.pick(&["''", "'NULL'", "'\\\\N'", "' '", "'x  '", "'0'", "'\\\\'"])).into(),
        1 => digits(random, 40),
        2 => format!("REPEAT({}, {})", quoted(random, 9), random.below(3000)),
        _ => quoted(random, 40),
    }
}

fn place(random: &mut Random) -> String {
    match random.below(4) {
        0 => "ST_GeomFromText('LINESTRING(0 0,1 1,2.5 -3.25)')".into(),
        1 => "ST_GeomFromText('POLYGON((0 0,4 0,4 4,0 4,0 0))', 4326)".into(),
        2 => "ST_GeomFromText('POINT(10 20)', 3857)".into(),
        _ => format!("POINT({}, {}e-3)", random.below(90), random.below(90_000)),
    }
}
