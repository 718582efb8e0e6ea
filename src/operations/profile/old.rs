//! What a profile says of data that grows old: a table with a date of its own, or one whose rows are
//! as old as those of another table. It promises that a rule says exactly one of the two, and that no
//! table is named twice.

use crate::error::{Error, Kind, Result};
use serde::Deserialize;
use std::collections::HashSet;

/// A table whose old rows may be removed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OldDataRule {
    /// The table.
    pub table: String,
    /// The column with the date: of the table, or of `parent`.
    pub date: String,
    /// The table that has the date.
    #[serde(default)]
    pub parent: Option<String>,
    /// The column that names the row of `parent`.
    #[serde(default)]
    pub key: Option<String>,
    /// The primary key of `parent`; not given: it is called as `key`.
    #[serde(default)]
    pub parent_key: Option<String>,
    /// Whether the table may be missing.
    #[serde(default)]
    pub optional: bool,
}

/// What decides how old a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age<'a> {
    /// A column of the table itself.
    Own(&'a str),
    /// A column of another table.
    Of {
        /// The other table.
        parent: &'a str,
        /// The column that names its row.
        key: &'a str,
        /// Its primary key.
        parent_key: &'a str,
        /// Its date.
        date: &'a str,
    },
}

impl OldDataRule {
    /// What decides.
    ///
    /// Errors: [`Kind::Usage`] for half of a parent.
    pub fn age(&self) -> Result<Age<'_>> {
        match (&self.parent, &self.key, &self.parent_key) {
            (None, None, None) => Ok(Age::Own(&self.date)),
            (Some(parent), Some(key), parent_key) => {
                let parent_key = parent_key.as_ref().unwrap_or(key);
                Ok(Age::Of { parent, key, parent_key, date: &self.date })
            }
            _ => Err(Error::new(
                Kind::Usage,
                format!("the rule for old data of {} is neither with nor without a parent", self.table),
            )
            .hint("a rule has table and date; or table, parent, key and the parent's date")),
        }
    }
}

/// Looks over the rules of one profile.
///
/// Errors: [`Kind::Usage`].
pub fn check(rules: &[OldDataRule]) -> Result<()> {
    let wrong = |message: String| Err(Error::new(Kind::Usage, message));
    let mut seen = HashSet::new();
    for rule in rules {
        if !seen.insert(rule.table.to_ascii_lowercase()) {
            return wrong(format!("two rules for old data of {}", rule.table));
        }
        let Age::Of { parent, .. } = rule.age()? else { continue };
        let is = |other: &&OldDataRule| other.table.eq_ignore_ascii_case(parent);
        if parent.eq_ignore_ascii_case(&rule.table)
            || rules.iter().find(is).is_some_and(|other| other.parent.is_some())
        {
            return wrong(format!("old data of {}: its parent {parent} must have a date itself", rule.table));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::operations::profile::Profile;

    fn message(rules: &str) -> String {
        let parsed = Profile::parse(&format!("name = 'x'\n{rules}"), "own.toml");
        parsed.map_or_else(|error| error.message().to_owned(), |_| "fine".into())
    }

    #[test]
    fn a_rule_has_a_date_of_its_own_or_of_a_parent() {
        let log = "[[old-data]]\ntable='log'\ndate='at'\n";
        let child = "[[old-data]]\ntable='hash'\nparent='Log'\nkey='n'\ndate='at'\n";
        assert_eq!(message(&format!("old-after='3y'\n{log}{child}")), "fine");
        assert!(message(&format!("{log}{log}")).contains("two rules"));
        assert!(message("[[old-data]]\ntable='a'\ndate='d'\nkey='k'\n").contains("neither"));
        assert!(message("[[old-data]]\ntable='a'\nparent='A'\nkey='k'\ndate='d'\n").contains("itself"));
        let grandchild = "[[old-data]]\ntable='x'\nparent='hash'\nkey='n'\ndate='at'\n";
        assert!(message(&format!("{log}{child}{grandchild}")).contains("parent hash"));
        assert!(message("old-after='soon'\n").contains("soon"));
    }

    #[test]
    fn open_dental_says_what_its_own_tool_removes() {
        let profile = Profile::find("open-dental").expect("built in");
        let tables: Vec<&str> = profile.old_data.iter().map(|rule| rule.table.as_str()).collect();
        let expected =
            ["securitylog", "securityloghash", "emailmessage", "wikilisthist", "wikipagehist", "taskhist"];
        assert_eq!(tables, expected);
        assert_eq!(profile.old_after.as_deref(), Some("3y"));
        assert!(profile.old_data_remarks.iter().any(|remark| remark.contains("forbids")));
    }
}
