//! What has to change in a table's statement on its way into the staging database. It promises to
//! touch nothing between quotes, and to keep every word that it does not understand.
//!
//! A foreign key follows the table it points to when that is renamed, and one to a table that is not
//! there names the staging database for ever: so keys are taken out and set once the tables stand in
//! their place. A column's default that draws from a sequence names the sequence's database.

use crate::mysql::identifier::quote;

/// A table's statement, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// The statement without foreign keys.
    pub create: String,
    /// The foreign keys, each as the words behind `ADD`.
    pub foreign_keys: Vec<String>,
    /// Columns whose default draws from a sequence of the table's own database, as the words behind
    /// `ALTER TABLE … ALTER COLUMN`; in [`Definition::create`] they have none: the server opens no table
    /// for the change of one default while the sequence of another is not where it says.
    pub defaults: Vec<String>,
    /// The engine that the table has beside its own, as the words behind `ALTER TABLE`.
    pub secondary: Option<String>,
    /// What was left out, in words.
    pub left_out: Vec<String>,
}

/// Takes `create` apart: a table of `database` that shall stand in `staging` first, then in `target`.
pub fn take_apart(create: &str, database: &str, staging: &str, target: &str) -> Definition {
    let mut definition = Definition::default();
    let Some((head, items, tail)) = parts(create) else {
        definition.create = create.to_owned();
        return definition;
    };
    let mut kept = Vec::new();
    for item in items {
        let words = item.trim();
        if foreign_key_words(words).is_some() {
            definition.foreign_keys.push(words.to_owned());
            continue;
        }
        let moved = requalify(item, database, staging);
        match default_of(words).filter(|_| moved != item) {
            Some((set, without)) => {
                definition.defaults.push(requalify(&set, database, target));
                kept.push(format!("\n  {without}"));
            }
            None => kept.push(moved),
        }
    }
    let tail = without_directories(tail, &mut definition.left_out);
    definition.create = format!("{head}{}{tail}", kept.join(","));
    definition
}

/// The quoted name of the AUTO_INCREMENT column.
pub fn counter(create: &str) -> Option<&str> {
    let (_, items, _) = parts(create)?;
    let words = items.iter().map(|item| item.trim()).find(|words| {
        words.starts_with('`') && without_quoted(after_name(words)).contains(" AUTO_INCREMENT")
    })?;
    Some(split_name(words).0)
}

/// The words before the list of columns, the list's items, and the words behind; commas, brackets and
/// line feeds stay where they are. `None`: there is no such list.
pub fn parts(create: &str) -> Option<(&str, Vec<&str>, &str)> {
    let mut scan = Scan::new(create);
    let (mut depth, mut start, mut items) = (0usize, None, Vec::new());
    while let Some((at, byte)) = scan.next_plain() {
        match (byte, depth) {
            (b'(', _) => {
                depth += 1;
                start = start.or(Some(at + 1));
            }
            (b')', 1) => {
                items.push(create.get(start?..at)?);
                let first = items.first()?.as_ptr() as usize - create.as_ptr() as usize;
                let mut last = create.get(at..)?;
                // The line feed before the bracket belongs to no item.
                if let Some(item) = items.last_mut() {
                    let trimmed = item.trim_end();
                    last = create.get(at - (item.len() - trimmed.len())..)?;
                    *item = trimmed;
                }
                return Some((create.get(..first)?, items, last));
            }
            (b')', _) => depth = depth.checked_sub(1)?,
            (b',', 1) => {
                items.push(create.get(start?..at)?);
                start = Some(at + 1);
            }
            _ => {}
        }
    }
    None
}

/// What follows FOREIGN KEY; `None`: the words are none.
fn foreign_key_words(words: &str) -> Option<&str> {
    let rest = words.strip_prefix("CONSTRAINT ").map_or(words, |rest| after_name(rest).trim_start());
    rest.strip_prefix("FOREIGN KEY")
}

/// A foreign key's columns and what they point to; all names are quoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignKey<'a> {
    /// The table's columns.
    pub columns: Vec<&'a str>,
    /// The table that is pointed to, after its database if that is named.
    pub table: Vec<&'a str>,
    /// Its columns.
    pub others: Vec<&'a str>,
}

/// Reads the words of a foreign key; `None`: they are none.
pub fn foreign_key(words: &str) -> Option<ForeignKey<'_>> {
    let whole = foreign_key_words(words)?;
    let mut scan = Scan::new(whole);
    let (mut key, mut brackets) = (ForeignKey::default(), 0);
    while scan.at < whole.len() && brackets < 4 {
        let start = scan.at;
        if scan.skip_quoted() {
            let name = whole.get(start..scan.at)?;
            match brackets {
                0 => {}
                1 => key.columns.push(name),
                2 => key.table.push(name),
                _ => key.others.push(name),
            }
        } else if matches!(scan.next_plain()?.1, b'(' | b')') {
            brackets += 1;
        }
    }
    let is_whole = !key.columns.is_empty() && key.columns.len() == key.others.len();
    (is_whole && matches!(key.table.len(), 1 | 2)).then_some(key)
}

/// The quoted name that `words` begin with, and what follows.
pub fn split_name(words: &str) -> (&str, &str) {
    let mut scan = Scan::new(words);
    scan.skip_quoted();
    words.split_at_checked(scan.at).unwrap_or((words, ""))
}

/// What follows a quoted name.
fn after_name(words: &str) -> &str {
    split_name(words).1
}

/// `ALTER COLUMN` words that set the column's default again, and the column's words without it.
fn default_of(words: &str) -> Option<(String, String)> {
    let (name, rest) = split_name(words);
    let at = find_plain(rest, " DEFAULT ")?;
    let expression = rest.get(at + " DEFAULT ".len()..)?;
    let (expression, behind) = expression.split_at_checked(expression_end(expression))?;
    let without = format!("{name}{}{behind}", rest.get(..at)?);
    Some((format!("{} SET DEFAULT ({expression})", name.trim()), without))
}

/// The end of an expression that stands unbracketed in a column's words: the first space outside of
/// brackets and quotes behind which a word of the column's begins.
fn expression_end(words: &str) -> usize {
    const NEXT: [&str; 6] = [" COMMENT ", " CHECK ", " ON UPDATE ", " INVISIBLE", " REF_", " /*"];
    NEXT.iter().filter_map(|next| find_plain(words, next)).min().unwrap_or(words.len())
}

/// The first place of `needle` that begins outside of brackets and quotes.
fn find_plain(words: &str, needle: &str) -> Option<usize> {
    let (mut scan, mut depth) = (Scan::new(words), 0usize);
    while let Some((at, byte)) = scan.next_plain() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 && words.get(at..).is_some_and(|rest| rest.starts_with(needle)) => {
                return Some(at);
            }
            _ => {}
        }
    }
    None
}

/// Sequences of `from` that a default draws from become those of `to`.
fn requalify(words: &str, from: &str, to: &str) -> String {
    let mut out = words.to_owned();
    for function in ["nextval(", "lastval("] {
        let named = format!("{function}{}.", quote(from));
        let mut begin = 0;
        while let Some(at) = out.get(begin..).and_then(|rest| rest.find(&named)).map(|at| at + begin) {
            begin = at + 1;
            if is_plain(&out, at) {
                out.replace_range(at..at + named.len(), &format!("{function}{}.", quote(to)));
            }
        }
    }
    out
}

/// Whether the byte at `at` stands outside of quotes.
pub fn is_plain(words: &str, at: usize) -> bool {
    let mut scan = Scan::new(words);
    while let Some((plain, _)) = scan.next_plain() {
        if plain >= at {
            return plain == at;
        }
    }
    false
}

/// The statement without the collations that columns have from their table. MySQL tells those of
/// columns that were given none; told, they would be given, which it tells in other words.
pub fn without_implied_collations(create: &str) -> String {
    let Some((head, items, tail)) = parts(create) else { return create.to_owned() };
    let plain = |item: &str| -> String {
        const WORDS: &str = " COLLATE ";
        let words = after_name(item.trim_start());
        let is_column = item.trim_start().starts_with('`');
        let Some(at) = find_plain(words, WORDS).filter(|_| is_column) else { return item.to_owned() };
        if find_plain(words, " CHARACTER SET ").is_some() {
            return item.to_owned();
        }
        let (before, rest) = words.split_at(at);
        let rest = rest.get(WORDS.len()..).unwrap_or_default();
        let rest = rest.get(rest.find(' ').unwrap_or(rest.len())..).unwrap_or_default();
        let name = item.get(..item.len() - words.len()).unwrap_or_default();
        format!("{name}{before}{rest}")
    };
    let items: Vec<String> = items.into_iter().map(plain).collect();
    format!("{head}{}{tail}", items.join(","))
}

/// The words behind `ALTER TABLE …` that take their defaults from columns that may be NULL and have none,
/// not even that. MySQL tells of those by saying nothing, which a statement that makes a table cannot:
/// there it means DEFAULT NULL. Of TEXT and BLOB it always says nothing.
pub fn without_defaults(create: &str) -> Option<String> {
    const OTHER: [&str; 6] =
        [" DEFAULT ", " NOT NULL", " AUTO_INCREMENT", " GENERATED ALWAYS AS ", "text", "blob"];
    let (_, items, _) = parts(create)?;
    let mut drops = Vec::new();
    for words in items.iter().map(|item| item.trim()).filter(|words| words.starts_with('`')) {
        let behind = after_name(words);
        let rest = without_quoted(behind);
        if let Some(name) = words.get(..words.len() - behind.len())
            && OTHER.iter().all(|other| !rest.contains(other))
        {
            drops.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
        }
    }
    (!drops.is_empty()).then(|| drops.join(", "))
}

/// The options of a statement, `tail` of [`parts`], without folders of the old server: they would lie
/// outside the new one's, or meet files of the live table. What was left out goes into `left_out`.
pub fn without_directories(tail: &str, left_out: &mut Vec<String>) -> String {
    let mut out = tail.to_owned();
    for option in [" DATA DIRECTORY", " INDEX DIRECTORY"] {
        let mut begin = 0;
        while let Some(at) = out.get(begin..).and_then(|rest| rest.find(option)).map(|at| at + begin) {
            begin = at + 1;
            let rest = out.get(at + option.len()..).unwrap_or_default();
            let sign = rest.len() - rest.trim_start_matches([' ', '=']).len();
            let mut scan = Scan::new(rest);
            scan.at = sign;
            if !is_plain(&out, at) || !scan.skip_quoted() {
                continue;
            }
            let end = at + option.len() + scan.at;
            left_out.push(out.get(at + 1..end).unwrap_or_default().to_owned());
            out.replace_range(at..end, "");
        }
    }
    out
}

/// The statement without everything between quotes.
pub fn without_quoted(statement: &str) -> String {
    let mut scan = Scan::new(statement);
    let mut out = Vec::with_capacity(statement.len());
    while let Some((_, byte)) = scan.next_plain() {
        out.push(byte);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The statement with the row format that InnoDB itself begins with, which a table that tells none may
/// have had: a server whose default is an older one takes only shorter keys and rows. `None`: it tells one,
/// or is of another engine.
pub fn with_room(create: &str) -> Option<String> {
    const ENGINE: &str = " ENGINE=InnoDB";
    let (_, _, tail) = parts(create)?;
    let (before, after) = tail.split_once(ENGINE)?;
    let head = create.get(..create.len().checked_sub(tail.len())?)?;
    (!without_quoted(tail).contains("ROW_FORMAT="))
        .then(|| format!("{head}{before}{ENGINE} ROW_FORMAT=DYNAMIC{after}"))
}

/// Walks over a statement's bytes and passes by what stands between quotes.
pub struct Scan<'a> {
    bytes: &'a [u8],
    /// Where it stands.
    pub at: usize,
}

impl<'a> Scan<'a> {
    /// At the begin of `words`.
    pub fn new(words: &'a str) -> Scan<'a> {
        Scan { bytes: words.as_bytes(), at: 0 }
    }

    /// The next byte outside of quotes, and where it stands.
    fn next_plain(&mut self) -> Option<(usize, u8)> {
        while self.skip_quoted() {}
        let found = (self.at, *self.bytes.get(self.at)?);
        self.at += 1;
        Some(found)
    }

    /// Passes a quoted name or string that begins here; false if none does.
    pub fn skip_quoted(&mut self) -> bool {
        let Some(&mark @ (b'`' | b'\'' | b'"')) = self.bytes.get(self.at) else { return false };
        self.at += 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' if mark != b'`' => self.at += 1,
                _ if byte != mark => {}
                _ if self.bytes.get(self.at) == Some(&mark) => self.at += 1,
                _ => break,
            }
        }
        self.at = self.at.min(self.bytes.len());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATE: &str = "CREATE TABLE `a``(` (\n  `id` int(11) NOT NULL DEFAULT nextval(`db`.`s`) COMMENT 'nextval(`db`.`s`), (''',\n  \
         `note` varchar(9) DEFAULT ' CONSTRAINT `x` FOREIGN KEY \\' (',\n  PRIMARY KEY (`id`,`note`),\n  \
         CONSTRAINT `k,1` FOREIGN KEY (`id`) REFERENCES `b` (`id`) ON DELETE CASCADE,\n  \
         CONSTRAINT `c` CHECK (`note` <> 'FOREIGN KEY')\n) ENGINE=InnoDB DATA DIRECTORY='/a b/' COMMENT=' DATA DIRECTORY=''x'''";

    #[test]
    fn a_roomier_row_format_is_said_where_none_is() {
        let create = "CREATE TABLE `t` (\n  `a` int COMMENT ') ENGINE=InnoDB'\n) ENGINE=InnoDB COMMENT='ROW_FORMAT=x'\n PARTITION BY HASH (`a`)";
        let roomy = create.replace(") ENGINE=InnoDB COMMENT", ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT");
        assert_eq!(with_room(create), Some(roomy));
        assert_eq!(with_room(&create.replace(" COMMENT='", " ROW_FORMAT=COMPACT COMMENT='")), None);
        assert_eq!(with_room("CREATE TABLE `t` (\n  `a` int\n) ENGINE=MyISAM"), None);
    }

    #[test]
    fn columns_without_any_default_are_found() {
        let create = "CREATE TABLE `t` (\n  `a``x` int COMMENT ' DEFAULT ',\n  `b` json DEFAULT NULL,\n  `c` text,\n  \
             `d` timestamp NULL,\n  `e` int NOT NULL,\n  `f` int GENERATED ALWAYS AS (1) VIRTUAL,\n  \
             `g` geometry /*!80003 SRID 4326 */,\n  KEY `k` (`d`)\n) ENGINE=InnoDB";
        assert_eq!(
            without_defaults(create).as_deref(),
            Some(
                "ALTER COLUMN `a``x` DROP DEFAULT, ALTER COLUMN `d` DROP DEFAULT, ALTER COLUMN `g` DROP DEFAULT"
            )
        );
        assert_eq!(without_defaults("CREATE TABLE `t` (\n  `b` json DEFAULT NULL\n)"), None);
    }

    #[test]
    fn keys_and_sequences_are_found_and_texts_left_alone() {
        let it = take_apart(CREATE, "db", "st", "new`");
        assert_eq!(
            it.foreign_keys,
            ["CONSTRAINT `k,1` FOREIGN KEY (`id`) REFERENCES `b` (`id`) ON DELETE CASCADE"]
        );
        let key = foreign_key(
            "CONSTRAINT `(` FOREIGN KEY (`a(`,`b`) REFERENCES `d`.`t``` (`x`,`y`) ON DELETE CASCADE",
        )
        .unwrap();
        assert_eq!(
            (key.columns, key.table, key.others),
            (vec!["`a(`", "`b`"], vec!["`d`", "`t```"], vec!["`x`", "`y`"])
        );
        assert_eq!(foreign_key("CONSTRAINT `x` CHECK (`a` > 1)"), None);
        assert_eq!(foreign_key("FOREIGN KEY (`a`"), None);
        assert_eq!(it.defaults, ["`id` SET DEFAULT (nextval(`new```.`s`))"]);
        assert_eq!(it.left_out, ["DATA DIRECTORY='/a b/'"]);
        let expected = CREATE
            .replace(" DEFAULT nextval(`db`.`s`)", "")
            .replace(&format!("\n  {},", it.foreign_keys[0]), "")
            .replace(" DATA DIRECTORY='/a b/'", "");
        assert_eq!(it.create, expected);
    }

    #[test]
    fn the_counting_column_is_found() {
        assert_eq!(counter(CREATE), None);
        let create = "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT',\n  `b``c` int NOT NULL AUTO_INCREMENT\n)";
        assert_eq!(counter(create), Some("`b``c`"));
    }

    #[test]
    fn a_statement_without_a_list_stays() {
        for create in ["CREATE TABLE t LIKE u", "CREATE TABLE `(", "x (((", ")"] {
            assert_eq!(take_apart(create, "a", "b", "c").create, create);
        }
        let last =
            "CREATE TABLE `t` (\n  `a` int,\n  FOREIGN KEY (`a`) REFERENCES `t` (`a`)\n) ENGINE=InnoDB";
        assert_eq!(take_apart(last, "a", "b", "c").create, "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB");
    }

    #[test]
    fn collations_that_a_table_gives_are_not_given_again() {
        let create = "CREATE TABLE `t` (\n  `a COLLATE b` varchar(10) COLLATE latin1_bin DEFAULT ' COLLATE x' COMMENT 'y',\n  \
                      `b` enum('a COLLATE c') CHARACTER SET utf8mb3 COLLATE utf8mb3_bin,\n  `c` text COLLATE latin1_bin,\n  \
                      KEY `k` (`c`(3))\n) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_bin";
        let without =
            create.replace("(10) COLLATE latin1_bin", "(10)").replace("text COLLATE latin1_bin", "text");
        assert_eq!(without_implied_collations(create), without);
        assert_eq!(without_implied_collations(&without), without);
    }
}
