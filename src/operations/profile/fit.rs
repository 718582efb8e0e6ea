//! What a column can hold, from its type and the table's statement. It promises to refuse, with the
//! column's name and before anything is loaded, what the column could not hold.

use super::letters::Alphabet;
use super::rule::{Action, With};
use super::value::{LEAST_ADDRESS, Treatment};
use crate::entry::database::{ColumnForm, ColumnRecord, TableRecord};
use crate::error::{Error, Kind, Result};
use crate::mysql::identifier::quote;

/// How much text a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// So many characters.
    Characters(u64),
    /// So many bytes.
    Bytes(u64),
}

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
    if merges && is_unique(table, column) {
        return refuse("is a key by itself: its values must stay different");
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
                (Some(alphabet), Some(room)) => Ok(Treatment::Text(with, alphabet, room)),
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

/// Whether a primary or unique key is this column alone.
fn is_unique(table: &TableRecord, column: &ColumnRecord) -> bool {
    let own = format!("({}", quote(&column.name));
    table
        .create
        .lines()
        .map(str::trim_start)
        .filter(|l| l.starts_with("PRIMARY KEY") || l.starts_with("UNIQUE"))
        .any(|line| {
            let behind = line.find(&own).and_then(|at| line.get(at + own.len()..)).unwrap_or_default();
            match behind.strip_prefix('(') {
                Some(prefix) => prefix.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with("))"),
                None => behind.trim_start_matches(" DESC").starts_with(')'),
            }
        })
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
    fn keys_and_nulls_are_read_from_the_statement() {
        let table = table(&[
            ("key", "varchar(30)", ColumnForm::Text),
            ("free", "int(11)", ColumnForm::Number),
            ("both", "varchar(5)", ColumnForm::Text),
        ]);
        let unique: Vec<bool> = table.columns.iter().map(|c| is_unique(&table, c)).collect();
        assert_eq!(unique, [true, false, true]);
        let nullable: Vec<bool> = table.columns.iter().map(|c| is_nullable(&table, c)).collect();
        assert_eq!(nullable, [false, true, false]);
        assert!(treatment(&table, 0, Action::Fix("key", "x")).is_err());
        assert!(treatment(&table, 1, Action::Replace("free", With::Null)).is_ok());
    }
}
