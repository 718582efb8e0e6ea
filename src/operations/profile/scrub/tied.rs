//! What columns of a test copy share: the ends of foreign keys, and the columns of one domain. It promises
//! to refuse, before anything is loaded, a foreign key that would not hold, and that what decides how a
//! value is written is the same for all columns of its domain.

use super::{Fitted, Scrub};
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::mysql::identifier::quote;
use crate::mysql::load::LoadSource;
use crate::operations::profile::fit::{self, Room};
use crate::operations::profile::leftover::{Tie, ties};
use crate::operations::profile::rule::With;
use crate::operations::profile::value::Treatment;
use std::collections::BTreeMap;

/// What the columns of a domain have in common.
#[derive(Default)]
struct Shared {
    /// Beginnings that keys hold different, in characters.
    cuts: Vec<usize>,
    /// The shortest column of addresses.
    room: Option<Room>,
}

impl Scrub {
    /// What becomes of a column's values: equal words, equal values; `None`: they stay.
    fn fate(&self, database: &str, table: &TableRecord, column: &str) -> Option<String> {
        let Fitted::Columns(columns) = self.tables.get(&(database.to_owned(), table.name.clone()))? else {
            return None;
        };
        let is_it =
            |at: &usize| table.columns.get(*at).is_some_and(|c| quote(&c.name).eq_ignore_ascii_case(column));
        let (_, number, treatment) = columns.iter().find(|(at, ..)| is_it(at))?;
        let rule = self.rules.get(*number)?;
        match treatment {
            Treatment::Set(None) => Some("null".into()),
            _ => Some(format!("with {} in the domain {}", rule.word, rule.domain)),
        }
    }

    /// Looks whether foreign keys hold: both ends are replaced alike, or neither.
    pub(super) fn check_ties(&mut self, database: &str, tables: &[TableRecord]) -> Result<()> {
        for tie in ties(database, tables) {
            if self.replaced(database, tie.child).is_none() {
                continue;
            }
            if self.replaced(database, tie.parent).is_none() {
                self.notes.push(format!(
                    "`{database}`.`{}` stays empty: what points to it from `{}` ({}) points nowhere",
                    tie.parent.name, tie.child.name, tie.column
                ));
                continue;
            }
            let own = self.fate(database, tie.child, tie.column);
            let other = self.fate(database, tie.parent, tie.other);
            if own != other && own.as_deref() != Some("null") {
                return Err(parted(database, &tie, own, other));
            }
        }
        Ok(())
    }

    /// Tells every column of a domain what is true of all of them.
    pub(super) fn share(&mut self, source: &LoadSource) {
        let mut domains: BTreeMap<String, Shared> = BTreeMap::new();
        let all =
            source.databases.iter().flat_map(|d| d.tables.iter().map(move |table| (&d.record.name, table)));
        for (database, table) in all {
            self.add_shared(database, table, &mut domains);
        }
        for shared in domains.values_mut() {
            shared.cuts.sort_unstable();
            shared.cuts.dedup();
        }
        for fitted in self.tables.values_mut() {
            let Fitted::Columns(columns) = fitted else { continue };
            for (_, number, treatment) in columns {
                if let (Some(rule), Treatment::Text(texts)) = (self.rules.get(*number), treatment)
                    && let Some(shared) = domains.get(&rule.domain)
                {
                    texts.cuts.clone_from(&shared.cuts);
                    texts.shared = shared.room.unwrap_or(texts.room);
                }
            }
        }
    }

    fn add_shared(&self, database: &str, table: &TableRecord, domains: &mut BTreeMap<String, Shared>) {
        let key = (database.to_owned(), table.name.clone());
        let Some(Fitted::Columns(columns)) = self.tables.get(&key) else { return };
        let keys = fit::keys(table);
        for (at, number, treatment) in columns {
            let (Some(rule), Some(column)) = (self.rules.get(*number), table.columns.get(*at)) else {
                continue;
            };
            let Treatment::Text(texts) = treatment else { continue };
            let shared = domains.entry(rule.domain.clone()).or_default();
            let own = quote(&column.name);
            let lengths = keys.iter().flat_map(|key| &key.columns).filter(|(name, _)| *name == own);
            shared.cuts.extend(lengths.filter_map(|(_, length)| *length));
            let is_shorter = |room: &Room| texts.room.least() < room.least();
            if texts.with == With::Email && shared.room.as_ref().is_none_or(is_shorter) {
                shared.room = Some(texts.room);
            }
        }
    }
}

fn parted(database: &str, tie: &Tie, own: Option<String>, other: Option<String>) -> Error {
    let word = |fate: Option<String>| fate.unwrap_or_else(|| "not replaced".into());
    Error::new(
        Kind::Usage,
        format!(
            "`{database}`.`{}`: the foreign key ({}) to {}.{} would not hold: {}, but there {}",
            tie.child.name,
            tie.column,
            quote(&tie.parent.name),
            tie.other,
            word(own),
            word(other)
        ),
    )
    .hint("nothing was touched; give both columns the same `with` and `domain`")
}
