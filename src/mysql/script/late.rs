//! What a server may refuse although another has it: foreign keys that do not fit the table they point
//! to, made while keys were not checked, tablespaces, and triggers that speak of columns which are gone.
//! It promises that they are told apart, so that a file gives them last, where they cost nothing but themselves.

use crate::entry::database::{ObjectRecord, SchemaObject, TableRecord};
use crate::mysql::identifier::quote;
use crate::mysql::load::definition::{ForeignKey, foreign_key, is_plain, parts, without_directories};
use crate::mysql::schema::is_definition_only;

/// A table without the foreign keys that do not fit, and their words behind `ADD`. `all` are the tables
/// of its database.
pub fn set_apart(table: &TableRecord, all: &[TableRecord]) -> Option<(TableRecord, Vec<String>)> {
    let (head, items, tail) = parts(&table.create).filter(|_| table.create.contains("FOREIGN KEY"))?;
    let is_late = |item: &&str| foreign_key(item.trim()).is_some_and(|key| !fits(&key, table, all));
    let (late, kept): (Vec<&str>, Vec<&str>) = items.iter().copied().partition(|item| is_late(item));
    if late.is_empty() {
        return None;
    }
    let create = format!("{head}{}{tail}", kept.join(","));
    Some((TableRecord { create, ..table.clone() }, late.iter().map(|item| item.trim().to_owned()).collect()))
}

/// The statement without the tablespace of the whole table, and the tablespace's quoted name, unless every
/// server has it.
pub fn set_tablespace_apart(create: &str) -> Option<(String, &str)> {
    let (_, _, tail) = parts(create)?;
    let head = create.get(..create.len() - tail.len())?;
    let (bracket, rest) =
        tail.split_once(" /*!50100 TABLESPACE ").filter(|(bracket, _)| bracket.trim() == ")")?;
    // A backtick in a name is doubled.
    let is_end = |end: &usize| rest.bytes().take(*end + 1).filter(|byte| *byte == b'`').count() % 2 == 0;
    let end = rest.match_indices("` */").map(|(at, _)| at).find(is_end)?;
    let (name, behind) = (rest.get(..=end)?, rest.get(end + "` */".len()..)?);
    let is_everywhere = ["`innodb_system`", "`innodb_file_per_table`"].contains(&name);
    (!is_everywhere).then(|| (format!("{head}{bracket}{behind}"), name))
}

/// The statement without what the places of one server are called: folders, and tablespaces of
/// partitions, which a MySQL still tells and takes no more. What was left out goes into `left_out`.
pub fn without_places(create: &str, is_mariadb: bool, left_out: &mut Vec<String>) -> String {
    const PLACE: &str = " TABLESPACE = `";
    const OWN: &str = "innodb_file_per_table`";
    let Some((_, _, tail)) = parts(create) else { return create.to_owned() };
    let head = create.get(..create.len() - tail.len()).unwrap_or_default();
    let mut tail = without_directories(tail, left_out);
    let mut from = 0;
    while let Some(at) = tail.get(from..).and_then(|rest| rest.find(PLACE)).map(|at| at + from) {
        from = at + PLACE.len();
        let rest = tail.get(from..).unwrap_or_default();
        let is_foreign = !is_mariadb && !rest.starts_with(OWN) && is_plain(&tail, at);
        let Some(end) = rest.find('`').filter(|_| is_foreign) else { continue };
        left_out.push(tail.get(at + 1..=from + end).unwrap_or_default().to_owned());
        tail.replace_range(at..=from + end, "");
        from = at;
    }
    format!("{head}{tail}")
}

/// Whether a server may refuse to make the table for what is outside of its database: its engine keeps no
/// rows, and the plugin, or the other server that it names, may be missing.
pub fn is_elsewhere(table: &TableRecord) -> bool {
    const BUILT_IN: [&str; 2] = ["MRG_MYISAM", "MERGE"];
    let is_built_in = BUILT_IN.iter().any(|engine| engine.eq_ignore_ascii_case(&table.engine));
    is_definition_only(&table.engine) && !is_built_in && !has_odd_options(&table.create)
}

/// Whether the statement has options that the server itself did not know.
pub fn has_odd_options(create: &str) -> bool {
    create.contains(" /*M!100000 ")
}

/// The statements of those objects that cannot be made before the tables they name, one behind the other.
pub fn statements_on_tables(objects: &[ObjectRecord]) -> Vec<u8> {
    let needs = |kind| matches!(kind, SchemaObject::View | SchemaObject::Trigger);
    let of_object = |object: &ObjectRecord| {
        let parent = [object.parent.as_bytes(), b" "].concat();
        object.statements.iter().fold(parent, |all, statement| [&all[..], statement, b" "].concat())
    };
    objects.iter().filter(|object| needs(object.kind)).flat_map(of_object).collect()
}

/// Whether an InnoDB that is strict may refuse the statement, though the server took it once: for options
/// of rows that do not go together, or for rows that could become too long.
pub fn is_strictly_refused(create: &str) -> bool {
    const OPTIONS: [&str; 2] = ["ROW_FORMAT=", "KEY_BLOCK_SIZE="];
    /// Fewer are never too many.
    const LONG_COLUMNS: usize = 9;
    let Some((_, items, tail)) = parts(create) else { return false };
    let is_long = |item: &&&str| {
        let words = item.to_ascii_lowercase();
        ["char(", "binary(", "text", "blob", "json"].iter().any(|word| words.contains(word))
    };
    OPTIONS.iter().any(|option| tail.contains(option) || items.iter().any(|item| item.contains(option)))
        || items.iter().filter(is_long).count() > LONG_COLUMNS
}

/// Whether the table that `key` points to has its columns, of the same types, first in some key; one that
/// is not there fits.
fn fits(key: &ForeignKey<'_>, table: &TableRecord, all: &[TableRecord]) -> bool {
    let [parent] = key.table[..] else { return true };
    let Some(parent) = all.iter().find(|other| quote(&other.name) == parent) else { return true };
    let (Some(mine), Some(its)) = (parts(&table.create), parts(&parent.create)) else { return true };
    let is_first = |item: &&str| keyed(item).is_some_and(|columns| columns.starts_with(&key.others));
    let is_same = |(column, other): (&&str, &&str)| kind(&mine, column) == kind(&its, other);
    its.1.iter().any(is_first) && key.columns.iter().zip(&key.others).all(is_same)
}

/// The whole columns at the head of the key that an item of a table makes.
fn keyed(item: &str) -> Option<Vec<&str>> {
    let words = item.trim();
    let words = words.strip_prefix("UNIQUE ").or(words.strip_prefix("PRIMARY ")).unwrap_or(words);
    let mut rest = words.strip_prefix("KEY ")?;
    if rest.starts_with('`') {
        rest = rest.get(name(rest)?.len()..)?.trim_start();
    }
    let mut rest = rest.strip_prefix('(')?;
    let mut columns = Vec::new();
    while let Some(column) = name(rest) {
        rest = rest.get(column.len()..)?;
        let order = rest.strip_prefix(" DESC").unwrap_or(rest);
        // Of a prefix nothing can be said.
        if !order.starts_with([',', ')']) {
            break;
        }
        columns.push(column);
        rest = order.get(1..)?.trim_start();
    }
    Some(columns)
}

/// The quoted name that `words` begin with.
fn name(words: &str) -> Option<&str> {
    let mut at = 1;
    words.strip_prefix('`')?;
    loop {
        at += words.get(at..)?.find('`')? + 1;
        match words.get(at..)?.starts_with('`') {
            true => at += 1,
            false => return words.get(..at),
        }
    }
}

/// The tables with a trigger that names a column of theirs which they do not have.
pub fn tables_of_odd_triggers<'a>(objects: &'a [ObjectRecord], all: &[TableRecord]) -> Vec<&'a str> {
    let triggers = objects.iter().filter(|object| object.kind == SchemaObject::Trigger);
    let is_odd = |trigger: &&ObjectRecord| {
        let Some(table) = all.iter().find(|table| table.name == trigger.parent) else { return false };
        let Some((_, items, _)) = parts(&table.create) else { return false };
        let known: Vec<String> = items.iter().filter_map(|item| name(item.trim())).map(plain).collect();
        let mut named = trigger.statements.iter().flat_map(|statement| named_columns(statement));
        named.any(|column| !known.contains(&column))
    };
    let mut tables: Vec<&str> = triggers.filter(is_odd).map(|trigger| trigger.parent.as_str()).collect();
    tables.sort_unstable();
    tables.dedup();
    tables
}

/// A name without quotes, as it is compared.
fn plain(name: &str) -> String {
    let inner = name.strip_prefix('`').and_then(|name| name.strip_suffix('`'));
    inner.map_or(name.to_owned(), |inner| inner.replace("``", "`")).to_lowercase()
}

/// The columns that a trigger's text names behind `NEW.` and `OLD.`; texts and remarks are passed by.
fn named_columns(statement: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(statement);
    let (mut rest, mut found, mut before) = (&text[..], Vec::new(), ["", ""]);
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
        let length = match first {
            '`' => name(rest).map_or(rest.len(), str::len),
            '\'' | '"' => text_length(rest, first),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '-' if rest.starts_with("-- ") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        rest = behind;
        let is_row = before[0].eq_ignore_ascii_case("NEW") || before[0].eq_ignore_ascii_case("OLD");
        if is_row && before[1] == "." && (first == '`' || is_word(first)) {
            found.push(plain(token));
        }
        before = [before[1], token];
    }
    found
}

/// The length of the string that begins `text` with `mark`.
fn text_length(text: &str, mark: char) -> usize {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let is_end = c == mark && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |(at, c)| at + c.len_utf8())
}

/// What a column's type must share with that of the column it points to: its word, its sign, and the
/// collation of text.
fn kind<'a>(parts: &(&str, Vec<&'a str>, &'a str), column: &str) -> Option<(String, bool, &'a str)> {
    let (_, items, tail) = parts;
    let behind = |item: &&'a str| item.trim().strip_prefix(column);
    let words = items.iter().find_map(behind)?.strip_prefix(' ')?;
    let word = words.split([' ', '(']).next().unwrap_or_default().to_lowercase();
    let is_text = ["char", "text", "enum", "set"].iter().any(|text| word.ends_with(text));
    let end = |text: &'a str| text.split([' ', '\n', ';']).next().unwrap_or_default();
    let collation = words.split_once(" COLLATE ").or(tail.split_once(" COLLATE="));
    let collation = collation.filter(|_| is_text).map_or("", |(_, rest)| end(rest));
    Some((word, words.contains(" unsigned"), collation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, items: &str) -> TableRecord {
        let create = format!(
            "CREATE TABLE `{name}` (\n  {}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
            items.replace("; ", ",\n  ")
        );
        TableRecord { name: name.into(), create, ..TableRecord::default() }
    }

    #[test]
    fn keys_that_fit_stay_where_they_are() {
        let parent = table(
            "p",
            "`a``,(` int(11) NOT NULL; `b` varchar(9); PRIMARY KEY (`a``,(`); KEY `x(` (`b`,`a``,(`) COMMENT 'y'",
        );
        for items in [
            "`c` int(10) DEFAULT 7; CONSTRAINT `k` FOREIGN KEY (`c`) REFERENCES `p` (`a``,(`) ON DELETE CASCADE",
            "`c` varchar(70) COLLATE utf8mb4_bin; CONSTRAINT `k` FOREIGN KEY (`c`) REFERENCES `p` (`b`)",
            "`c` int(10); CONSTRAINT `k` FOREIGN KEY (`c`) REFERENCES `elsewhere` (`b`)",
            "`c` int(10); CONSTRAINT `k` FOREIGN KEY (`c`) REFERENCES `d`.`p` (`none`)",
            "`c` int(10); KEY `c` (`c`); CONSTRAINT `k` FOREIGN KEY (`c`) REFERENCES `own` (`c`)",
            "`c` varchar(99) DEFAULT 'FOREIGN KEY'",
        ] {
            let own = table("own", items);
            assert_eq!(set_apart(&own, &[parent.clone(), own.clone()]), None, "{items}");
        }
    }

    #[test]
    fn tablespaces_that_another_server_may_lack_are_set_apart() {
        let create = |name: &str| {
            format!(
                "CREATE TABLE `t` (\n  `a` int COMMENT ') /*!50100 TABLESPACE `x` */'\n){name} ENGINE=InnoDB"
            )
        };
        for name in ["`t s`", "`a`` */ `", "`\u{e9}`"] {
            let with = create(&format!(" /*!50100 TABLESPACE {name} */"));
            assert_eq!(set_tablespace_apart(&with), Some((create(""), name)));
        }
        assert_eq!(set_tablespace_apart(&create(" /*!50100 TABLESPACE `innodb_system` */")), None);
        assert_eq!(set_tablespace_apart(&create("")), None);
    }

    #[test]
    fn places_of_one_server_are_left_out() {
        let create = "CREATE TABLE `t` (\n  `a` int COMMENT ' DATA DIRECTORY=''x'''\n) ENGINE=InnoDB DATA DIRECTORY='/x/'\n\
             /*!50100 PARTITION BY HASH (`a`)\n(PARTITION p0 COMMENT = ' TABLESPACE = `x`' TABLESPACE = `ts` ENGINE = InnoDB,\n PARTITION p1 \
             TABLESPACE = `innodb_file_per_table` DATA DIRECTORY = '/y/' ENGINE = InnoDB) */";
        let mut left_out = Vec::new();
        let expected = "CREATE TABLE `t` (\n  `a` int COMMENT ' DATA DIRECTORY=''x'''\n) ENGINE=InnoDB\n\
             /*!50100 PARTITION BY HASH (`a`)\n(PARTITION p0 COMMENT = ' TABLESPACE = `x`' ENGINE = InnoDB,\n PARTITION p1 \
             TABLESPACE = `innodb_file_per_table` ENGINE = InnoDB) */";
        assert_eq!(without_places(create, false, &mut left_out), expected);
        assert_eq!(left_out, ["DATA DIRECTORY='/x/'", "DATA DIRECTORY = '/y/'", "TABLESPACE = `ts`"]);
    }

    #[test]
    fn keys_that_do_not_fit_are_set_apart() {
        let parent = table(
            "p",
            "`a` int(11) unsigned; `b` varchar(9); `n` int(11); PRIMARY KEY (`a`); KEY (`b`(3)); KEY `l` (`a`,`n`)",
        );
        for (column, key) in [
            ("int(11)", "(`c`) REFERENCES `p` (`a`)"),
            ("int(11)", "(`c`) REFERENCES `p` (`n`)"),
            ("int(11)", "(`c`) REFERENCES `p` (`gone`)"),
            ("int(11)", "(`c`) REFERENCES `own` (`c`)"),
            ("varchar(9)", "(`c`) REFERENCES `p` (`b`)"),
            ("varchar(9)", "(`c`) REFERENCES `p` (`a`)"),
        ] {
            let words = format!("CONSTRAINT `k` FOREIGN KEY {key}");
            let own = table("own", &format!("`c` {column}; {words}; CONSTRAINT `z` CHECK (`c` > 1)"));
            let (without, late) = set_apart(&own, &[parent.clone(), own.clone()]).expect(key);
            assert_eq!(late, [words]);
            assert_eq!(
                without.create,
                table("own", &format!("`c` {column}; CONSTRAINT `z` CHECK (`c` > 1)")).create
            );
        }
    }

    #[test]
    fn triggers_that_name_columns_which_are_gone() {
        let own = table(
            "own",
            "`a` int(11); `Big``x` int(11) GENERATED ALWAYS AS (`a`) VIRTUAL; PRIMARY KEY (`a`)",
        );
        let odd = |text: &str| {
            let statements = vec![text.as_bytes().to_vec()];
            let (kind, parent) = (SchemaObject::Trigger, "own".to_owned());
            let trigger = ObjectRecord { kind, parent, statements, ..ObjectRecord::default() };
            !tables_of_odd_triggers(&[trigger], std::slice::from_ref(&own)).is_empty()
        };
        assert!(!odd("CREATE TRIGGER t BEFORE INSERT ON own FOR EACH ROW SET NEW.A=new . `big``X`+old.`a`"));
        assert!(!odd("... SET @a='new.b', @b=\"it\\\"s old.b\" /* new.b */, @c=renew.b -- old.b"));
        assert!(odd("... SET NEW.a = 1, @a = OLD.gone"));
        assert!(odd("... INSERT INTO x VALUES ('it''s', new.`gone`)"));
    }
}
