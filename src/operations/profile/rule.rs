//! What a profile says of one column, or of one table, of a test copy. It promises that a rule says
//! exactly one thing, and that no column is named by two rules.

use crate::error::{Error, Kind, Result};
use serde::Deserialize;
use std::collections::HashSet;

/// A rule as it stands in the file: a column with `with` or `fixed`, or a table with `rows`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScrubRule {
    /// The table.
    pub table: String,
    /// The column.
    #[serde(default)]
    pub column: Option<String>,
    /// How its values are replaced.
    #[serde(default)]
    pub with: Option<With>,
    /// What every value becomes.
    #[serde(default)]
    pub fixed: Option<String>,
    /// Which of the table's rows are loaded.
    #[serde(default)]
    pub rows: Option<RowsKept>,
    /// Columns of the same domain replace equal values by equal ones; not given: the word of `with`.
    #[serde(default)]
    pub domain: Option<String>,
    /// Whether the table or column may be missing.
    #[serde(default)]
    pub optional: bool,
}

/// How the values of a column are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum With {
    /// Digits and letters; however a number is punctuated, its digits become the same.
    Phone,
    /// An address that no mail reaches.
    Email,
    /// Word by word, so that a name is the same alone and among others.
    Name,
    /// All letters and digits, as one.
    Text,
    /// Digits only; letters stay.
    Digits,
    /// Another day of the same year.
    Date,
    /// Nothing, but not NULL.
    Empty,
    /// NULL.
    Null,
}

/// Which rows of a table are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowsKept {
    /// None.
    None,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Replaces the values of a column.
    Replace(&'a str, With),
    /// Gives every value of a column that is neither NULL nor empty this one.
    Fix(&'a str, &'a str),
    /// Leaves the table empty.
    LeaveOut,
}

impl With {
    /// The word for it in files and output.
    pub fn word(self) -> &'static str {
        match self {
            With::Phone => "phone",
            With::Email => "email",
            With::Name => "name",
            With::Text => "text",
            With::Digits => "digits",
            With::Date => "date",
            With::Empty => "empty",
            With::Null => "null",
        }
    }
}

impl ScrubRule {
    /// What it does.
    ///
    /// Errors: [`Kind::Usage`] if it says nothing, or more than one thing.
    pub fn action(&self) -> Result<Action<'_>> {
        match (&self.column, self.with, &self.fixed, self.rows) {
            (Some(column), Some(with), None, None) => Ok(Action::Replace(column, with)),
            (Some(column), None, Some(fixed), None) if self.domain.is_none() => {
                Ok(Action::Fix(column, fixed))
            }
            (None, None, None, Some(RowsKept::None)) if self.domain.is_none() => Ok(Action::LeaveOut),
            _ => Err(Error::new(Kind::Usage, format!("the rule for {} does not say one thing", self.name()))
                .hint(
                    "a rule has table, column and with (and perhaps domain); or table, column and fixed; \
                       or table and rows = \"none\"; and perhaps optional",
                )),
        }
    }

    /// Its table and column in messages.
    pub fn name(&self) -> String {
        match &self.column {
            Some(column) => format!("{}.{column}", self.table),
            None => self.table.clone(),
        }
    }

    /// The word for what it does.
    pub fn word(&self) -> &'static str {
        match (self.with, &self.fixed) {
            (Some(with), _) => with.word(),
            (None, Some(_)) => "fixed",
            (None, None) => "left out",
        }
    }
}

/// Looks over the rules of one profile.
///
/// Errors: those of [`ScrubRule::action`], and [`Kind::Usage`] for what two rules name.
pub fn check(rules: &[ScrubRule]) -> Result<()> {
    let mut seen = HashSet::new();
    for rule in rules {
        rule.action()?;
        if !seen.insert(rule.name().to_ascii_lowercase()) {
            return Err(Error::new(Kind::Usage, format!("two rules for {}", rule.name())));
        }
    }
    for rule in rules {
        if rule.column.is_some() && seen.contains(&rule.table.to_ascii_lowercase()) {
            let message = format!("a rule for {}, and one that leaves the table out", rule.name());
            return Err(Error::new(Kind::Usage, message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Result<()> {
        #[derive(Deserialize)]
        struct File {
            scrub: Vec<ScrubRule>,
        }
        let file: File = toml::from_str(text).map_err(|e| Error::new(Kind::Failed, e.to_string()))?;
        check(&file.scrub)
    }

    #[test]
    fn a_rule_says_one_thing() {
        let one = |body: &str| rules(&format!("[[scrub]]\ntable = \"t\"\n{body}"));
        for good in
            ["column='c'\nwith='phone'\ndomain='d'", "column='c'\nfixed=''", "rows='none'\noptional=true"]
        {
            assert!(one(good).is_ok(), "{good}");
        }
        for bad in
            ["", "column='c'", "with='name'", "rows='none'\ncolumn='c'", "column='c'\nwith='name'\nfixed='x'"]
        {
            assert_eq!(one(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
        }
        for unknown in ["column='c'\nwith='magic'", "rows='some'", "column='c'\nwith='name'\nif='x'"] {
            assert_eq!(one(unknown).unwrap_err().kind(), Kind::Failed, "{unknown}");
        }
    }

    #[test]
    fn no_two_rules_for_one_thing() {
        let twice =
            "[[scrub]]\ntable='t'\ncolumn='c'\nwith='name'\n[[scrub]]\ntable='T'\ncolumn='C'\nwith='text'\n";
        assert!(rules(twice).unwrap_err().message().contains("two rules for T.C"));
        let both = "[[scrub]]\ntable='t'\ncolumn='c'\nwith='name'\n[[scrub]]\ntable='T'\nrows='none'\n";
        assert_eq!(rules(both).unwrap_err().kind(), Kind::Usage);
    }
}
