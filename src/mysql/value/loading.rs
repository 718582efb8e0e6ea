//! How cells go back by LOAD DATA. It promises that each cell means what it meant, for a stream of
//! cells in the column forms of the snapshot, loaded under [`LOAD_SQL_MODE`] in UTC with
//! `CHARACTER SET binary`.

use crate::entry::database::{ColumnForm, ColumnRecord};
use crate::mysql::identifier::quote;

/// The `sql_mode` under which rows go back and definitions are made: 0 is a number like others in an
/// AUTO_INCREMENT column, dates are as they were (zero, partial, 31 February), nothing is strict, and
/// a missing engine is an error; a generated column may subtract below zero, as only those do that were
/// made under that mode.
pub const LOAD_SQL_MODE: &str =
    "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION,NO_UNSIGNED_SUBTRACTION";

/// What LOAD DATA says of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadColumn {
    /// The word in the list of columns: the column, or a variable.
    pub target: String,
    /// The assignment in the SET clause, for a variable.
    pub set: Option<String>,
}

/// How `column`, the cell of this `number` in a row, is loaded.
pub fn load_column(column: &ColumnRecord, number: usize) -> LoadColumn {
    let name = quote(&column.name);
    let through = |expression: String| LoadColumn {
        target: format!("@v{number}"),
        set: Some(format!("{name} = {expression}")),
    };
    match column.form {
        // From a binary string these types would take the bytes for their inner form, or NULL.
        ColumnForm::Literal => through(format!("CONVERT(@v{number} USING utf8mb4)")),
        // Text would be taken for a member's name, or for the bits themselves.
        ColumnForm::Member => through(format!("CAST(@v{number} AS UNSIGNED)")),
        _ => LoadColumn { target: name, set: None },
    }
}

/// Whether an empty cell of `column`, one of the table that `create` makes, goes as NULL: a place or shape
/// that must be there and is not, as in rows that are older than their column. A server gives it back for
/// a NULL among several rows, and refuses it as what it is; only MariaDB has it.
pub fn is_null_when_empty(create: &str, column: &ColumnRecord) -> bool {
    let begin = format!("\n  {} ", quote(&column.name));
    let words = create.split_once(&begin).and_then(|(_, rest)| rest.split([',', '\n']).next());
    let type_words = words.map(|words| words.split(" COMMENT ").next().unwrap_or_default());
    column.form == ColumnForm::Geometry && type_words.is_some_and(|words| words.contains(" NOT NULL"))
}

/// The next number of a table whose counting column may be NULL: each NULL that is loaded moves it on
/// by one, and it is to be set again.
pub fn moved_counter(create: &str) -> Option<&str> {
    let (columns, options) = create.rsplit_once("\n) ENGINE=")?;
    let (_, rest) =
        options.split_once(" AUTO_INCREMENT=").filter(|_| columns.contains(" AUTO_INCREMENT NULL"))?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..digits).filter(|digits| !digits.is_empty())
}

/// The session variables under which definitions and rows are what they were, with their values as
/// SQL, in the order in which to set them. `version` is 101119 for 10.11.19.
pub fn session_settings(is_mariadb: bool, version: u32) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        (
            "sql_mode",
            "'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION,NO_UNSIGNED_SUBTRACTION'",
        ),
        ("time_zone", "'+00:00'"),
        ("foreign_key_checks", "0"),
        ("unique_checks", "0"),
    ];
    if is_mariadb {
        // Rows that break a CHECK exist, and so do ROW_FORMATs that strict mode would refuse today.
        settings.push(("check_constraint_checks", "0"));
        settings.push(("innodb_strict_mode", "0"));
        if version >= 100_800 {
            // Definitions say of every TIMESTAMP all that is so: the server must not add to it.
            settings.push(("explicit_defaults_for_timestamp", "1"));
        }
    }
    if !is_mariadb && version >= 80_400 {
        // Keys that point to columns without a unique key exist.
        settings.push(("restrict_fk_on_non_standard_key", "0"));
    }
    settings
}

/// The statement that sets `name`, in the comment that only those read who have it: a file goes to other
/// servers than the one it comes from.
pub fn setting_statement(name: &str, words: &str) -> String {
    match name {
        "check_constraint_checks" => format!("/*M!100201 {words} */;"),
        "restrict_fk_on_non_standard_key" => format!("/*!80400 {words} */;"),
        _ => format!("{words};"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_said_once() {
        let settings = session_settings(true, 101_119);
        let mode =
            settings.iter().find(|(name, _)| *name == "sql_mode").map(|(_, value)| value.trim_matches('\''));
        assert_eq!(mode, Some(LOAD_SQL_MODE));
    }

    #[test]
    fn what_one_vendor_has_is_said_to_it_alone() {
        assert_eq!(setting_statement("time_zone", "SET a"), "SET a;");
        assert_eq!(setting_statement("check_constraint_checks", "SET a"), "/*M!100201 SET a */;");
        let of = |is_mariadb, version| {
            session_settings(is_mariadb, version).into_iter().map(|s| s.0).collect::<Vec<_>>()
        };
        let (mariadb, mysql) = (of(true, 100_200), of(false, 80_400));
        let alone = mariadb
            .iter()
            .filter(|name| !mysql.contains(name))
            .chain(mysql.iter().filter(|name| !mariadb.contains(name)));
        // What both have needs no comment.
        let plain: Vec<_> = alone.filter(|name| setting_statement(name, "").starts_with(';')).collect();
        assert_eq!(plain, [&"innodb_strict_mode"]);
    }

    #[test]
    fn a_counter_that_nulls_move_is_found() {
        let create =
            "CREATE TABLE `t` (\n  `a` int AUTO_INCREMENT NULL\n) ENGINE=InnoDB AUTO_INCREMENT=7 COMMENT='x'";
        assert_eq!(moved_counter(create), Some("7"));
        assert_eq!(moved_counter(&create.replace(" NULL", "")), None);
    }

    #[test]
    fn shapes_that_must_be_there_go_as_null() {
        let create = "CREATE TABLE `t` (\n  `a` point NOT NULL,\n  `b` point DEFAULT NULL COMMENT ' NOT NULL',\n  `c` int(11) NOT NULL\n)";
        let is = |name: &str, form| {
            is_null_when_empty(create, &ColumnRecord { name: name.into(), form, ..ColumnRecord::default() })
        };
        assert!(is("a", ColumnForm::Geometry) && !is("b", ColumnForm::Geometry));
        assert!(!is("c", ColumnForm::Number) && !is("d", ColumnForm::Geometry));
    }

    #[test]
    fn values_that_bytes_do_not_say_go_through_variables() {
        let column = |form| ColumnRecord { name: "a`b".into(), form, ..ColumnRecord::default() };
        let load = |form| load_column(&column(form), 3);
        assert_eq!(load(ColumnForm::Text), LoadColumn { target: "`a``b`".into(), set: None });
        assert_eq!(load(ColumnForm::Literal).set.as_deref(), Some("`a``b` = CONVERT(@v3 USING utf8mb4)"));
        assert_eq!(load(ColumnForm::Member).target, "@v3");
    }
}
