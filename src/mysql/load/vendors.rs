//! From one vendor's server to the other's. It promises to name, before anything is touched, what of
//! the definitions the other vendor refuses and what it passes over without a word.

use super::choose::Part;
use super::definition::without_quoted;
use crate::entry::database::SchemaObject;
use crate::mysql::connection::Connection;
use std::collections::BTreeSet;

/// What a MySQL refuses in a table's statement, outside of quotes.
const MARIADB_ALONE: [&str; 11] = [
    " IGNORED",
    " PAGE_CHECKSUM=",
    " TRANSACTIONAL=",
    "PAGE_COMPRESSED",
    " WITH SYSTEM VERSIONING",
    " PERIOD FOR ",
    " nextval(",
    " WITHOUT OVERLAPS",
    "  uuid",
    "  inet6",
    "  inet4",
];
/// What a MariaDB refuses so.
const MYSQL_ALONE: [&str; 3] = ["  vector(", EXPRESSION, " ENGINE_ATTRIBUTE"];
/// Stands for a key on an expression, which no one word tells.
const EXPRESSION: &str = "((";

/// What of `part`, which comes from a server of `vendor`, the server of `conn` will not take as it is,
/// one sentence each; none where both are of one vendor.
pub fn differences(conn: &Connection, vendor: &str, part: &Part) -> Vec<String> {
    let is_to_mariadb = conn.is_mariadb();
    if vendor.is_empty() || (vendor == "MariaDB") == is_to_mariadb {
        return Vec::new();
    }
    let to = if is_to_mariadb { "MariaDB" } else { "MySQL" };
    let mut found = Vec::new();
    let database = &part.database.name;
    for table in &part.tables {
        let name = format!("table `{database}`.`{}`", table.name);
        let plain = without_quoted(&table.create);
        let alone: &[&str] = if is_to_mariadb { &MYSQL_ALONE } else { &MARIADB_ALONE };
        let holds = |word: &&str| match *word {
            EXPRESSION => plain.lines().any(has_expression),
            _ => plain.contains(word),
        };
        let refused: Vec<&str> = alone.iter().copied().filter(|word| holds(word)).map(told).collect();
        if !refused.is_empty() {
            found.push(format!("{name} cannot be made: {to} has no {}", refused.join(", ")));
        }
        let passed = passed_over(&plain, is_to_mariadb);
        if !passed.is_empty() {
            let passed: Vec<String> = passed.into_iter().collect();
            found.push(format!("{name} is made without what {to} has not: {}", passed.join(", ")));
        }
    }
    const ALONE: [SchemaObject; 4] =
        [SchemaObject::Sequence, SchemaObject::Package, SchemaObject::PackageBody, SchemaObject::Library];
    let alone = part.objects.iter().filter(|object| ALONE.contains(&object.kind));
    found.extend(alone.map(|object| {
        let kind = object.kind.word();
        format!("{kind} `{database}`.`{}` cannot be made: {to} has no {kind}", object.name)
    }));
    found
}

/// Whether the line of a statement, without what is quoted, is a key on an expression: brackets in its
/// brackets that hold more than the length of a prefix.
fn has_expression(line: &str) -> bool {
    const KEYS: [&str; 3] = ["KEY ", "UNIQUE KEY ", "PRIMARY KEY "];
    let line = line.trim_start();
    let Some((_, columns)) = line.split_once('(').filter(|_| KEYS.iter().any(|key| line.starts_with(key)))
    else {
        return false;
    };
    let is_prefix =
        |inner: &str| inner.split(')').next().is_some_and(|i| i.bytes().all(|b| b.is_ascii_digit()));
    columns.split('(').skip(1).any(|inner| !is_prefix(inner))
}

/// The word as a person knows it.
fn told(word: &str) -> &str {
    match word {
        EXPRESSION => "keys on expressions",
        " nextval(" => "sequences",
        word => word.trim_matches([' ', '=', '(']),
    }
}

/// What stands in comments that only the other vendor reads.
fn passed_over(plain: &str, is_to_mariadb: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let begin = if is_to_mariadb { "/*!" } else { "/*M!" };
    for (at, _) in plain.match_indices(begin) {
        let rest = plain.get(at + begin.len()..).unwrap_or_default();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let version: u32 = rest.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let words = rest.get(digits..).and_then(|rest| rest.split("*/").next()).unwrap_or_default().trim();
        // Both read those of old versions.
        if (!is_to_mariadb || version >= 50_700) && !words.is_empty() {
            found.insert(words.chars().take(60).collect());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_on_expressions_are_told_from_keys_on_prefixes() {
        let found = |create: &str| without_quoted(create).lines().any(has_expression);
        for create in [
            "  `a` varchar(9) DEFAULT (concat(('x'))),\n  PRIMARY KEY (`a`(191)),",
            "  UNIQUE KEY `k(` (`a`,`b`(10) DESC) USING BTREE COMMENT '((a+1))',",
            "  KEY `k` (`a`(20),`b`(255)) /*!80000 INVISIBLE */",
            "  CONSTRAINT `c` FOREIGN KEY (`a`) REFERENCES `p` (`i`),\n  CONSTRAINT `x` CHECK ((`a` > 0))",
            "  FULLTEXT KEY `f` (`a`,`b`)",
        ] {
            assert!(!found(create), "{create}");
        }
        for create in
            ["  KEY `k` ((lower(`a`)))", "  UNIQUE KEY `k` (`a`(9),(`b` + 1))", "  KEY `k` ((1 + `a`))"]
        {
            assert!(found(create), "{create}");
        }
    }

    #[test]
    fn what_only_the_other_vendor_reads_is_found() {
        let plain = "  int /*!80023 INVISIBLE */,\n CHECK ( > 0) /*!80016 NOT ENFORCED */\n) /*!50100 PARTITION BY x */";
        let found: Vec<String> = passed_over(plain, true).into_iter().collect();
        assert_eq!(found, ["INVISIBLE", "NOT ENFORCED"]);
        assert!(passed_over(plain, false).is_empty());
        assert_eq!(passed_over("a /*M!100301 COMPRESSED*/", false).len(), 1);
    }
}
