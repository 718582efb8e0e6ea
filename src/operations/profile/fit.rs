//! What a column can hold, from its type and the table's statement. It promises to refuse, with the
//! column's name and before anything is loaded, what the column could not hold.

use super::letters::Alphabet;
use super::rule::{Action, With};
use super::value::{LEAST_ADDRESS, LEAST_OWN_ADDRESS, Texts, Treatment};
use crate::entry::database::{ColumnForm, ColumnRecord, TableRecord};
use crate::error::{Error, Kind, Result};
use crate::mysql::identifier::quote;
use crate::mysql::load::{parts, split_name};

/// How much text a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// So many characters.
    Characters(u64),
    /// So many bytes.
    Bytes(u64),
}

/// Documents without content that every server gives back as they are.
const EMPTY_JSON: [&str; 4] = ["{}", "[]", "null", "\"\""];

impl Room {
    /// That of a type; `None`: it is no type of text.
    fn of(column_type: &str) -> Option<Room> {
        let (name, rest) = column_type.split_once('(').unwrap_or((column_type, ""));
        let name = name.split_whitespace().next()?.to_ascii_lowercase();
        match name.as_str() {
            "char" | "varchar" => rest.split(')').next()?.trim().parse().ok().map(Room::Characters),
            "tinytext" => Some(Room::Bytes(255)),
            "text" => Some(Room::Bytes((1 << 16) - 1)),
            "mediumtext" => Some(Room::Bytes((1 << 24) - 1)),
            "longtext" => Some(Room::Bytes((1 << 32) - 1)),
            _ => None,
        }
    }

    /// Whether a text of so many characters and bytes has room.
    pub fn holds(self, characters: usize, bytes: usize) -> bool {
        match self {
            Room::Characters(most) => characters as u64 <= most,
            Room::Bytes(most) => bytes as u64 <= most,
        }
    }

    /// Characters of one byte that have room.
    pub fn least(self) -> u64 {
        match self {
            Room::Characters(most) | Room::Bytes(most) => most,
        }
    }
}

/// How `action` is done to the column `number` of `table`.
///
/// Errors: [`Kind::Usage`] if it cannot be done.
pub fn treatment(table: &TableRecord, number: usize, action: Action) -> Result<Treatment> {
    let Some(column) = table.columns.get(number) else { return Err(unfit(table, "", "is not there")) };
    let refuse = |why: &str| Err(unfit(table, &column.name, why));
    let (with, fixed) = match action {
        Action::Replace(_, with) => (with, None),
        Action::Fix(_, value) => (With::Empty, Some(value)),
        Action::LeaveOut => return refuse("is no column of its own"),
    };
    let merges = matches!(with, With::Empty) && table.rows > 1;
    if merges && let Some(key) = needed_by(table, column) {
        return refuse(&format!("tells the rows of {key} apart: its values must stay different"));
    }
    if !matches!(with, With::Null) && fixed.is_none() && is_json(table, column) {
        return refuse("holds JSON, which would be none afterwards: take null, or fixed = \"{}\"");
    }
    if !matches!(with, With::Null) && is_listed(table, column) {
        return refuse(
            "decides the row's partition by a list of values, which stands in the table's definition",
        );
    }
    match (with, column.form) {
        (With::Null, _) if is_nullable(table, column) => Ok(Treatment::Set(None)),
        (With::Null, _) => refuse("cannot be NULL"),
        (With::Empty, _) => set(column, fixed).map_err(|why| unfit(table, &column.name, why)),
        (With::Date, ColumnForm::Temporal) => match first_word(column).as_str() {
            word @ ("date" | "datetime" | "timestamp") => Ok(Treatment::Date(word == "timestamp")),
            _ => refuse("is no date"),
        },
        (With::Phone | With::Digits, ColumnForm::Number) => {
            let (above, below) = range(column);
            Ok(Treatment::Number(above, below))
        }
        (With::Phone | With::Digits | With::Name | With::Text | With::Email, ColumnForm::Text) => {
            match (Alphabet::of(&column.character_set), Room::of(&column.column_type)) {
                (Some(_), Some(room)) if with == With::Email && room.least() < LEAST_ADDRESS => {
                    refuse("is too short for addresses: take text")
                }
                (Some(_), Some(room))
                    if with == With::Email
                        && room.least() < LEAST_OWN_ADDRESS
                        && keys(table).iter().any(|key| key.has(column)) =>
                {
                    refuse("is too short for addresses that must stay different: take text")
                }
                (Some(alphabet), Some(room)) => {
                    Ok(Treatment::Text(Texts { with, alphabet, room, shared: room, cuts: Vec::new() }))
                }
                (None, _) => refuse("is in a character set whose letters are not known: take empty or null"),
                (_, None) => refuse("is no text"),
            }
        }
        (With::Date, _) => refuse("is no date"),
        (_, ColumnForm::Temporal) => refuse("is a date or time: take date or null"),
        _ => refuse("holds no text: take empty or null"),
    }
}

/// Every value is empty, or `fixed`.
fn set(column: &ColumnRecord, fixed: Option<&str>) -> std::result::Result<Treatment, &'static str> {
    let value = fixed.unwrap_or_default();
    let bytes = value.as_bytes().to_vec();
    match column.form {
        ColumnForm::Text => {
            let room = Room::of(&column.column_type).ok_or("is no text")?;
            let alphabet = Alphabet::of(&column.character_set);
            let is_plain = value.is_ascii() && alphabet.is_some() || value.is_empty();
            let is_spelled = is_plain || alphabet == Some(Alphabet::Utf8) && column.character_set != "ascii";
            match (is_spelled, room.holds(value.chars().count(), bytes.len())) {
                (false, _) => Err("is in a character set that the value is not"),
                (_, false) => Err("is too short for the value"),
                _ if first_word(column) == "char" && value.ends_with(' ') => {
                    Err("does not keep spaces at the end")
                }
                _ => Ok(Treatment::Set(Some(bytes))),
            }
        }
        ColumnForm::Bytes if first_word(column) != "binary" && fixed.is_none() => {
            Ok(Treatment::Set(Some(bytes)))
        }
        ColumnForm::Literal if EMPTY_JSON.contains(&value) && first_word(column) == "json" => {
            Ok(Treatment::Set(Some(bytes)))
        }
        ColumnForm::Number if fixed.is_some() && first_word(column).ends_with("int") => {
            let (above, below) = range(column);
            let digits = value.strip_prefix('-').unwrap_or(value);
            let most = if digits.len() == value.len() { above } else { below };
            match digits.parse::<u128>() {
                Ok(number) if number <= most && number.to_string() == digits && value != "-0" => {
                    Ok(Treatment::Set(Some(bytes)))
                }
                _ => Err("does not hold the value"),
            }
        }
        _ => Err("cannot be given a value: take null, or the kind for what it holds"),
    }
}

/// The greatest whole number above and below zero.
fn range(column: &ColumnRecord) -> (u128, u128) {
    let bits = match first_word(column).as_str() {
        "tinyint" => 8,
        "smallint" => 16,
        "mediumint" => 24,
        "int" | "integer" => 32,
        "bigint" => 64,
        _ => return (u128::MAX, u128::MAX),
    };
    match column.column_type.to_ascii_lowercase().contains("unsigned") {
        true => ((1 << bits) - 1, 0),
        false => ((1 << (bits - 1)) - 1, 1 << (bits - 1)),
    }
}

fn first_word(column: &ColumnRecord) -> String {
    let end =
        column.column_type.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(column.column_type.len());
    column.column_type.get(..end).unwrap_or_default().to_ascii_lowercase()
}

/// Whether the column may be NULL, as its line of the table's statement says.
fn is_nullable(table: &TableRecord, column: &ColumnRecord) -> bool {
    let start = format!("\n  {} ", quote(&column.name));
    let Some((_, rest)) = table.create.split_once(&start) else { return false };
    let line = rest.lines().next().unwrap_or_default();
    // Words of a default or comment come behind a quote.
    !line.split('\'').next().unwrap_or_default().to_ascii_uppercase().contains(" NOT NULL")
}

/// A primary or unique key: its words, and its columns with the length of their beginnings that count.
pub struct Key {
    name: String,
    /// The columns, quoted; `None`: all of the value counts.
    pub columns: Vec<(String, Option<usize>)>,
}

impl Key {
    fn has(&self, column: &ColumnRecord) -> bool {
        self.columns.iter().any(|(name, _)| *name == quote(&column.name))
    }
}

/// The table's primary and unique keys. What is an expression is no column of them.
pub fn keys(table: &TableRecord) -> Vec<Key> {
    let items = parts(&table.create).map_or(Vec::new(), |(_, items, _)| items);
    let is_key = |words: &&str| words.starts_with("PRIMARY KEY") || words.starts_with("UNIQUE");
    items.iter().map(|item| item.trim()).filter(is_key).map(key).collect()
}

fn key(words: &str) -> Key {
    let (name, columns) = match words.strip_prefix("PRIMARY KEY") {
        Some(rest) => ("the primary key".to_owned(), rest),
        None => {
            let from = words.find('`').unwrap_or(words.len());
            let (name, rest) = split_name(words.get(from..).unwrap_or_default());
            (format!("the unique key {name}"), rest)
        }
    };
    let mut key = Key { name, columns: Vec::new() };
    let mut rest = columns.find('(').and_then(|at| columns.get(at + 1..)).unwrap_or_default();
    while rest.starts_with('`') {
        let (column, behind) = split_name(rest);
        let length = behind.strip_prefix('(').and_then(|words| words.split(')').next()?.parse().ok());
        key.columns.push((column.to_owned(), length));
        let next =
            behind.find([',', '`']).filter(|at| behind.get(*at..).is_some_and(|b| b.starts_with(",`")));
        rest = next.and_then(|at| behind.get(at + 1..)).unwrap_or_default();
    }
    key
}

/// The key whose rows would meet if all values of the column were one: no other key is within its rest.
fn needed_by(table: &TableRecord, column: &ColumnRecord) -> Option<String> {
    let keys = keys(table);
    let stands = |rest: &[&String]| {
        let is_in = |(name, _): &(String, Option<usize>)| rest.contains(&name);
        keys.iter().any(|key| !key.columns.is_empty() && key.columns.iter().all(is_in))
    };
    let own = quote(&column.name);
    let needs = |key: &&Key| {
        let rest: Vec<&String> =
            key.columns.iter().map(|(name, _)| name).filter(|name| **name != own).collect();
        key.has(column) && !stands(&rest)
    };
    keys.iter().find(needs).map(|key| key.name.clone())
}

/// Whether a check wants the column's text to be JSON, as MariaDB's type of that name does.
fn is_json(table: &TableRecord, column: &ColumnRecord) -> bool {
    let check = format!("json_valid({})", quote(&column.name));
    column.form == ColumnForm::Text && table.create.contains(&check)
}

/// Whether the table's partitions are lists of the column's values.
fn is_listed(table: &TableRecord, column: &ColumnRecord) -> bool {
    let Some((_, _, tail)) = parts(&table.create) else { return false };
    let lists = ["PARTITION BY LIST", "SUBPARTITION BY LIST"];
    let list = lists.iter().find_map(|words| tail.find(words)).and_then(|at| tail.get(at..));
    list.is_some_and(|list| list.lines().next().unwrap_or_default().contains(&quote(&column.name)))
}

fn unfit(table: &TableRecord, column: &str, why: &str) -> Error {
    Error::new(Kind::Usage, format!("{}.{column} {why}", table.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, &str, ColumnForm)]) -> TableRecord {
        let column = |(name, kind, form): &(&str, &str, ColumnForm)| ColumnRecord {
            name: (*name).into(),
            column_type: (*kind).into(),
            form: *form,
            character_set: if *form == ColumnForm::Text { "utf8mb4".into() } else { String::new() },
        };
        TableRecord {
            name: "t".into(),
            create: "CREATE TABLE `t` (\n  `key` varchar(30) NOT NULL,\n  `free` int(11) DEFAULT NULL COMMENT 'NOT NULL',\n  \
                     `both` varchar(5) NOT NULL DEFAULT '',\n  PRIMARY KEY (`key`),\n  UNIQUE KEY `u` (`both`(3)),\n  \
                     UNIQUE KEY `v` (`free`,`both`)\n)"
                .into(),
            columns: columns.iter().map(column).collect(),
            rows: 9,
            ..TableRecord::default()
        }
    }

    fn told(kind: &str, form: ColumnForm, action: Action) -> Option<String> {
        let table = table(&[("c", kind, form)]);
        treatment(&table, 0, action).err().map(|error| error.message().to_owned())
    }

    #[test]
    fn every_kind_has_the_forms_that_it_can_treat() {
        use ColumnForm as F;
        let with = |with| Action::Replace("c", with);
        for (kind, form, action) in [
            ("varchar(30)", F::Text, with(With::Phone)),
            ("bigint(20) unsigned", F::Number, with(With::Phone)),
            ("timestamp(3)", F::Temporal, with(With::Date)),
            ("longblob", F::Bytes, with(With::Empty)),
            ("tinyint(4)", F::Number, Action::Fix("c", "-128")),
            ("char(3)", F::Text, Action::Fix("c", "\u{e9}bc")),
        ] {
            assert_eq!(told(kind, form, action), None, "{kind}");
        }
        for (kind, form, action, word) in [
            ("varchar(17)", F::Text, with(With::Email), "too short"),
            ("time", F::Temporal, with(With::Date), "no date"),
            ("date", F::Temporal, with(With::Text), "date or time"),
            ("varchar(30)", F::Text, with(With::Date), "no date"),
            ("double", F::Float, with(With::Digits), "no text"),
            ("binary(4)", F::Bytes, with(With::Empty), "cannot be given"),
            ("tinyint(4)", F::Number, Action::Fix("c", "128"), "does not hold"),
            ("int(11)", F::Number, Action::Fix("c", "007"), "does not hold"),
            ("varchar(2)", F::Text, Action::Fix("c", "abc"), "too short"),
            ("int(11)", F::Number, with(With::Null), "cannot be NULL"),
        ] {
            let message = told(kind, form, action).unwrap_or_default();
            assert!(message.contains(word) && message.starts_with("t.c "), "{kind}: {message}");
        }
    }

    #[test]
    fn a_key_of_several_columns_needs_each_unless_the_rest_is_a_key() {
        let mut table =
            table(&[("a", "int(11)", ColumnForm::Number), ("b``", "varchar(9)", ColumnForm::Text)]);
        table.create = "CREATE TABLE `t` (\n  `a` int(11) NOT NULL,\n  `b``` varchar(9) NOT NULL,\n  \
             UNIQUE KEY `u(` (`a`,`b```(2) DESC)\n)"
            .into();
        table.columns[1].name = "b`".into();
        let refused = |table: &TableRecord| treatment(table, 1, Action::Replace("b`", With::Empty)).err();
        let message = refused(&table).expect("two rows may differ in it alone").message().to_owned();
        assert!(message.contains("the unique key `u(`"), "{message}");
        table.create = table.create.replace("UNIQUE", "PRIMARY KEY (`a`),\n  UNIQUE");
        assert!(refused(&table).is_none());
    }

    #[test]
    fn what_would_break_the_definition_is_refused() {
        let mut table = table(&[("c", "longtext", ColumnForm::Text)]);
        table.create = "CREATE TABLE `t` (\n  `c` longtext NOT NULL CHECK (json_valid(`c`))\n)".into();
        let of =
            |table: &TableRecord, action| treatment(table, 0, action).err().map(|e| e.message().to_owned());
        assert!(of(&table, Action::Replace("c", With::Text)).is_some_and(|told| told.contains("JSON")));
        assert_eq!(of(&table, Action::Fix("c", "{}")), None);
        table.create = "CREATE TABLE `t` (\n  `c` longtext\n) PARTITION BY LIST  COLUMNS(`c`)\n(PARTITION p VALUES IN ('Smith'))".into();
        assert!(of(&table, Action::Replace("c", With::Text)).is_some_and(|told| told.contains("partition")));
    }

    #[test]
    fn keys_and_nulls_are_read_from_the_statement() {
        let table = table(&[
            ("key", "varchar(30)", ColumnForm::Text),
            ("free", "int(11)", ColumnForm::Number),
            ("both", "varchar(5)", ColumnForm::Text),
        ]);
        let needed: Vec<Option<String>> = table.columns.iter().map(|c| needed_by(&table, c)).collect();
        let told = |words: &str| Some(words.to_owned());
        assert_eq!(needed, [told("the primary key"), None, told("the unique key `u`")]);
        let lengths: Vec<_> = keys(&table).into_iter().map(|key| key.columns).collect();
        let column = |name: &str, length| (name.to_owned(), length);
        assert_eq!(
            lengths,
            [
                vec![column("`key`", None)],
                vec![column("`both`", Some(3))],
                vec![column("`free`", None), column("`both`", None)]
            ]
        );
        let nullable: Vec<bool> = table.columns.iter().map(|c| is_nullable(&table, c)).collect();
        assert_eq!(nullable, [false, true, false]);
        assert!(treatment(&table, 0, Action::Fix("key", "x")).is_err());
        assert!(treatment(&table, 1, Action::Replace("free", With::Null)).is_ok());
    }
}
