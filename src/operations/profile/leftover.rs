//! What of a test copy comes as it is: tables and columns without a rule, and words that stand in
//! definitions (members of ENUM and SET, defaults, checks, bounds of partitions, comments, texts of views
//! and routines). It promises to name each, and never to repeat the words.

use crate::entry::database::{ColumnForm, DatabaseRecord, ObjectRecord, SchemaObject, TableRecord};
use crate::mysql::identifier::quote;
use crate::mysql::load::{ForeignKey, Scan, foreign_key, parts, split_name};

/// What of one database comes as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// The database's name in the snapshot.
    pub database: String,
    /// Tables with rows that no rule names.
    pub tables: Vec<String>,
    /// Columns of text, bytes or times without a rule, in tables of which others have one.
    pub columns: Vec<String>,
    /// The same of numbers and members.
    pub numbers: Vec<String>,
    /// Definitions with words of their own, each as what it is and its name.
    pub definitions: Vec<String>,
}

/// A column of a foreign key and what it points to.
pub struct Tie<'a> {
    /// The table that points.
    pub child: &'a TableRecord,
    /// Its column, quoted.
    pub column: &'a str,
    /// The table that is pointed to.
    pub parent: &'a TableRecord,
    /// Its column, quoted.
    pub other: &'a str,
}

/// What comes as it is; `replaced` gives the numbers of a table's columns that are replaced, or `None` if
/// its rows are left out.
pub fn of(
    name: &str,
    record: &DatabaseRecord,
    tables: &[TableRecord],
    objects: &[ObjectRecord],
    replaced: &dyn Fn(&TableRecord) -> Option<Vec<usize>>,
) -> Leftover {
    let mut left = Leftover { database: name.to_owned(), ..Leftover::default() };
    if has_words(&record.create, false) {
        left.definitions.push("the comment of the database".into());
    }
    for table in tables {
        match replaced(table) {
            Some(columns) if columns.is_empty() && table.rows > 0 => left.tables.push(table.name.clone()),
            Some(columns) if !columns.is_empty() => left.add_columns(table, &columns),
            _ => {}
        }
        left.definitions.extend(in_definition(table));
    }
    for object in objects.iter().filter(|object| object.kind != SchemaObject::User) {
        let has_words = |statement: &Vec<u8>| has_words(&String::from_utf8_lossy(statement), true);
        if object.statements.iter().any(has_words) {
            left.definitions.push(format!("{} {}", object.kind.word(), quote(&object.name)));
        }
    }
    left
}

impl Leftover {
    fn add_columns(&mut self, table: &TableRecord, replaced: &[usize]) {
        for (_, column) in table.columns.iter().enumerate().filter(|(at, _)| !replaced.contains(at)) {
            let list = match column.form {
                ColumnForm::Number | ColumnForm::Float | ColumnForm::Member => &mut self.numbers,
                _ => &mut self.columns,
            };
            list.push(format!("{}.{}", table.name, column.name));
        }
    }

    /// One sentence for each kind of what comes as it is.
    pub fn sentences(&self) -> Vec<String> {
        let sentence = |what: &str, names: &[String]| {
            (!names.is_empty()).then(|| format!("`{}`: {what}: {}", self.database, names.join(", ")))
        };
        let all = [
            sentence("tables without a rule come as they are", &self.tables),
            sentence("columns without a rule come as they are", &self.columns),
            sentence("words in definitions come as they are", &self.definitions),
        ];
        all.into_iter().flatten().collect()
    }
}

/// The parts of a table's definition that have words.
fn in_definition(table: &TableRecord) -> Vec<String> {
    let own = quote(&table.name);
    let Some((_, items, tail)) = parts(&table.create) else {
        return if has_words(&table.create, false) { vec![format!("table {own}")] } else { Vec::new() };
    };
    let mut found = Vec::new();
    for words in items.iter().map(|item| item.trim()).filter(|words| has_words(words, false)) {
        let kind = if words.starts_with('`') { "column" } else { "key or check" };
        let name = words.find('`').and_then(|at| words.get(at..)).map_or("", |words| split_name(words).0);
        found.push(format!("{kind} {own}.{name}"));
    }
    if has_words(tail, false) {
        found.push(format!("comment, options or partitions of {own}"));
    }
    found
}

/// Whether a statement has words of its own: a text with letters or many digits, hexadecimal digits, and, in
/// a body, a comment or a long number.
fn has_words(statement: &str, is_body: bool) -> bool {
    let bytes = statement.as_bytes();
    let mut scan = Scan::new(statement);
    while let Some(&byte) = bytes.get(scan.at) {
        let start = scan.at;
        if scan.skip_quoted() {
            let text = bytes.get(start + 1..scan.at - 1).unwrap_or_default();
            if byte != b'`' && tells(text) {
                return true;
            }
            continue;
        }
        let rest = bytes.get(start..).unwrap_or_default();
        match byte {
            b'0' if rest.get(1) == Some(&b'x') && digits(rest.get(2..), u8::is_ascii_hexdigit) >= 4 => {
                return true;
            }
            b'#' if is_body => return true,
            b'-' if is_body && rest.starts_with(b"-- ") => return true,
            b'/' if is_body && rest.starts_with(b"/*") && rest.get(2) != Some(&b'!') => return true,
            b'0'..=b'9' if is_body && digits(Some(rest), u8::is_ascii_digit) >= 5 => return true,
            _ => {}
        }
        scan.at += 1;
    }
    false
}

fn digits(text: Option<&[u8]>, is_digit: fn(&u8) -> bool) -> usize {
    text.unwrap_or_default().iter().take_while(|byte| is_digit(byte)).count()
}

/// Whether a text tells anything: not a number of a few digits, nor a date alone.
fn tells(text: &[u8]) -> bool {
    let is_date = text.get(4) == Some(&b'-') && text.get(7) == Some(&b'-');
    let count = text.iter().filter(|b| b.is_ascii_digit()).count();
    text.iter().any(|b| b.is_ascii_alphabetic() || *b >= 0x80) || (count > 4 && !is_date)
}

/// The quoted names of the table's generated columns.
pub fn generated(table: &TableRecord) -> impl Iterator<Item = &str> {
    let items = parts(&table.create).map_or(Vec::new(), |(_, items, _)| items);
    items.into_iter().map(str::trim).filter(|words| words.starts_with('`')).filter_map(|words| {
        let (name, rest) = split_name(words);
        let plain = rest.split('\'').next().unwrap_or_default();
        (plain.contains(" GENERATED ALWAYS AS ") || plain.contains(" AS (")).then_some(name)
    })
}

/// The foreign keys between the tables of one database, column by column.
pub fn ties<'a>(database: &str, tables: &'a [TableRecord]) -> Vec<Tie<'a>> {
    let mut ties = Vec::new();
    for child in tables {
        let items = parts(&child.create).map_or(Vec::new(), |(_, items, _)| items);
        for ForeignKey { columns, table, others } in items.iter().filter_map(|item| foreign_key(item.trim()))
        {
            let name = match table[..] {
                [name] => name,
                [of, name] if of == quote(database) => name,
                _ => continue,
            };
            let Some(parent) = tables.iter().find(|t| quote(&t.name).eq_ignore_ascii_case(name)) else {
                continue;
            };
            let pairs = columns.into_iter().zip(others);
            ties.extend(pairs.map(|(column, other)| Tie { child, column, parent, other }));
        }
    }
    ties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_definitions_are_found() {
        for plain in [
            "`Smith` int(11) DEFAULT '0001-01-01 00:00:00'",
            "`a` varchar(65000) DEFAULT ''",
            "`a` int DEFAULT '-1'",
            ") ENGINE=InnoDB AUTO_INCREMENT=123456",
        ] {
            assert!(!has_words(plain, false), "{plain}");
        }
        for told in [
            "`a` enum('Smith','')",
            "`a` int COMMENT 'it''s'",
            "`a` char(9) DEFAULT '555-1234'",
            "CHECK (`a` <> 0x536d697468)",
            "`a` text DEFAULT (\"Ann\")",
            ") PARTITION BY LIST COLUMNS(`a`) (PARTITION `p` VALUES IN ('\u{e9}'))",
        ] {
            assert!(has_words(told, false), "{told}");
        }
        for body in
            ["SELECT 5551234567", "BEGIN -- for Smith\n END", "BEGIN /* Smith */ END", "# x", "x'536d'"]
        {
            assert!(has_words(body, true), "{body}");
        }
        assert!(!has_words("CREATE VIEW `v ''Smith''` AS select `a` from `b` where `c` = 1", true));
    }

    #[test]
    fn names_are_told_and_words_are_not() {
        let create = "CREATE TABLE `t` (\n  `a``b` enum('Smith') DEFAULT NULL,\n  `up` varchar(9) GENERATED ALWAYS AS (ucase(`c`)) VIRTUAL,\n  \
             `c` varchar(9) COMMENT ' AS (Smith)',\n  CONSTRAINT `k` CHECK (`c` <> 'Smith')\n) ENGINE=InnoDB COMMENT='Smith'";
        let table =
            TableRecord { name: "t".into(), create: create.into(), rows: 1, ..TableRecord::default() };
        let left =
            of("d", &DatabaseRecord::default(), std::slice::from_ref(&table), &[], &|_| Some(Vec::new()));
        assert_eq!(
            left.definitions,
            [
                "column `t`.`a``b`",
                "column `t`.`c`",
                "key or check `t`.`k`",
                "comment, options or partitions of `t`"
            ]
        );
        assert_eq!(left.tables, ["t"]);
        assert!(left.sentences().iter().all(|sentence| !sentence.contains("Smith")));
        assert_eq!(generated(&table).collect::<Vec<_>>(), ["`up`"]);
    }
}
