//! A profile's rules, fitted to a live database. It promises to touch nothing, and to refuse by name,
//! before anything else happens, a table or column that is missing, a date that is none, and a table
//! from which rows cannot be removed one by one without touching others.

use super::table::{Cutoff, OldTable, Parent};
use super::{Question, database};
use crate::entry::database::{ColumnForm, ColumnRecord, TableRecord};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::schema::{Schema, SchemaOptions, read_database};
use crate::operations::profile::old::{Age, OldDataRule};
use std::collections::BTreeSet;

/// The tables of a database that are meant.
#[derive(Debug)]
pub struct Fitted {
    /// The database.
    pub database: String,
    /// The tables, each before the one that its rows belong to.
    pub tables: Vec<OldTable>,
    /// What should be known.
    pub notes: Vec<String>,
}

/// Fits the rules that `question` asks about.
///
/// Errors: [`Kind::Usage`] for what is missing or does not fit, [`Kind::Database`].
pub fn fit(conn: &mut Connection, question: &Question) -> Result<Fitted> {
    let rules = chosen(question)?;
    let database = database::choose(conn, question, &rules)?;
    let cutoff = Cutoff::of(conn, question.before)?;
    let fitted = Fitting { conn, question, rules, database, cutoff }.run()?;
    database::check_side_effects(conn, &fitted)?;
    Ok(fitted)
}

/// The rules of the tables that were asked for; of all, if none was.
fn chosen(question: &Question) -> Result<Vec<OldDataRule>> {
    let all = &question.profile.old_data;
    if all.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            format!("profile {}: names no table with old data", question.profile.name),
        )
        .hint("write [[old-data]] rules: table and date; or table, parent, key and date"));
    }
    let mut rules = Vec::new();
    for name in &question.tables {
        match all.iter().find(|rule| rule.table.eq_ignore_ascii_case(name)) {
            // Asked for by name it may not be missing.
            Some(rule) => rules.push(OldDataRule { optional: false, ..rule.clone() }),
            None => {
                let known: Vec<&str> = all.iter().map(|rule| rule.table.as_str()).collect();
                return Err(Error::new(
                    Kind::Usage,
                    format!("profile {}: has no rule for old data of `{name}`", question.profile.name),
                )
                .hint(format!("it has rules for {}", known.join(", "))));
            }
        }
    }
    Ok(if rules.is_empty() { all.clone() } else { rules })
}

struct Fitting<'a> {
    conn: &'a mut Connection,
    question: &'a Question,
    rules: Vec<OldDataRule>,
    database: String,
    cutoff: Cutoff,
}

impl Fitting<'_> {
    fn run(self) -> Result<Fitted> {
        let mut names: BTreeSet<String> = self.rules.iter().map(|rule| rule.table.to_lowercase()).collect();
        names.extend(self.rules.iter().filter_map(|rule| rule.parent.as_ref()).map(|p| p.to_lowercase()));
        let wants = |name: &str| names.contains(&name.to_lowercase());
        let options = SchemaOptions { wants: &wants, routines: false, events: false };
        let schema = read_database(self.conn, &self.database, &options)?;
        let sizes = database::sizes(self.conn, &self.database)?;
        let (mut tables, mut notes) = (Vec::new(), Vec::new());
        for rule in &self.rules {
            match self.table(&schema, rule)? {
                Some(mut table) => {
                    table.row_bytes = sizes.get(&table.record.name).copied().unwrap_or(0);
                    tables.push(table);
                }
                None => notes.push(format!("`{}` has no table {}", self.database, rule.table)),
            }
        }
        self.check_children(&tables)?;
        // What belongs to other rows goes before them.
        tables.sort_by_key(|table| table.parent.is_none());
        Ok(Fitted { database: self.database, tables, notes })
    }

    fn usage(&self, what: String) -> Error {
        Error::new(
            Kind::Usage,
            format!("profile {}: database `{}` {what}", self.question.profile.name, self.database),
        )
        .hint("nothing was touched; is it the profile of another application or version?")
    }

    fn table(&self, schema: &Schema, rule: &OldDataRule) -> Result<Option<OldTable>> {
        let Some(record) = find(schema, &rule.table) else {
            return match rule.optional {
                true => Ok(None),
                false => Err(self.usage(format!("has no table {}", rule.table))),
            };
        };
        self.check_rows(record)?;
        let parent = match rule.age()? {
            Age::Own(_) => None,
            Age::Of { parent, key, parent_key, .. } => {
                let found = find(schema, parent);
                let found = found.ok_or_else(|| self.usage(format!("has no table {parent}")))?;
                self.check_rows(found)?;
                let key = name_of(record, self.column(record, key)?);
                let number = self.column(found, parent_key)?;
                if found.key != [number] {
                    return Err(self.usage(format!("has another key of {parent} than {parent_key}")));
                }
                let has_index = database::has_index(record, &key);
                Some(Parent { record: found.clone(), key, parent_key: name_of(found, number), has_index })
            }
        };
        let dated = parent.as_ref().map_or(record, |parent| &parent.record);
        let number = self.column(dated, &rule.date)?;
        let column = dated.columns.get(usize::from(number)).cloned().unwrap_or_default();
        let bound = self.bound(dated, &column)?;
        Ok(Some(OldTable {
            database: self.database.clone(),
            record: record.clone(),
            date: column.name,
            bound,
            parent,
            row_bytes: 0,
        }))
    }

    /// The number of a column that must be there.
    fn column(&self, table: &TableRecord, name: &str) -> Result<u16> {
        let at = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        at.and_then(|at| u16::try_from(at).ok())
            .ok_or_else(|| self.usage(format!("has no column {}.{name}", table.name)))
    }

    /// Where old ends in this column.
    fn bound(&self, table: &TableRecord, column: &ColumnRecord) -> Result<String> {
        let word = column.column_type.to_ascii_lowercase();
        let is = |name: &str| word == name || word.starts_with(&format!("{name}("));
        match column.form == ColumnForm::Temporal {
            true if is("timestamp") => Ok(self.cutoff.utc.clone()),
            true if is("date") || is("datetime") => Ok(self.cutoff.local.clone()),
            _ => Err(self.usage(format!("has no date in {}.{} ({word})", table.name, column.name))),
        }
    }

    /// Rows must be there, told apart, and gone once they are removed.
    fn check_rows(&self, table: &TableRecord) -> Result<()> {
        let name = &table.name;
        if table.columns.is_empty() {
            return Err(self.usage(format!("keeps the rows of {name} elsewhere ({})", table.engine)));
        }
        if table.has_history {
            return Err(self.usage(format!("keeps the past of {name}: nothing would become free")));
        }
        if table.key.is_empty() {
            return Err(self.usage(format!("has no key in {name} that tells its rows apart")));
        }
        Ok(())
    }

    /// Rows that belong to others must not be left behind.
    fn check_children(&self, tables: &[OldTable]) -> Result<()> {
        let chosen = |name: &str| tables.iter().any(|table| table.record.name.eq_ignore_ascii_case(name));
        for rule in &self.question.profile.old_data {
            let Some(parent) = &rule.parent else { continue };
            if chosen(parent) && !chosen(&rule.table) && !rule.optional {
                return Err(Error::new(
                    Kind::Usage,
                    format!("the rows of {} belong to rows of {parent} and would be left alone", rule.table),
                )
                .hint(format!("choose both: --table {parent} --table {}", rule.table)));
            }
        }
        Ok(())
    }
}

/// A table by its name, as the server compares names that people write.
fn find<'a>(schema: &'a Schema, name: &str) -> Option<&'a TableRecord> {
    let exact = schema.tables.iter().find(|table| table.name == name);
    exact.or_else(|| schema.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name)))
}

fn name_of(table: &TableRecord, number: u16) -> String {
    table.columns.get(usize::from(number)).map(|column| column.name.clone()).unwrap_or_default()
}
