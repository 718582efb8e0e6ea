//! What is to be dumped: the definitions of all databases with the fingerprints of their tables. It
//! promises that two catalogs that agree bracket a time in which no definition changed.

use super::choose::Choice;
use super::plan::DumpPlan;
use super::session::Session;
use super::step::{Step, Stop, at_table, is_passing};
use super::table::{Name, Table};
use crate::entry::database::{ObjectRecord, SchemaObject, TableRecord};
use crate::error::{Error, Kind};
use crate::mysql::connection::code_of;
use crate::mysql::identifier::qualified;
use crate::mysql::schema::{
    Fingerprint, Schema, SchemaOptions, definitions_fingerprint, is_system, list_databases, read_database,
    read_users,
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that is to be dumped, without rows.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The databases with their tables and objects.
    pub schemas: Vec<Schema>,
    /// Users with their grants, if they are wanted.
    pub users: Vec<ObjectRecord>,
    /// Tables that exist and that the server cannot show; each is named among its schema's losses.
    pub unreadable: BTreeSet<Name>,
    fingerprints: BTreeMap<Name, Fingerprint>,
}

impl Catalog {
    /// Reads the definitions. Fingerprints come first: whatever changes while the rest is read shows
    /// in the next catalog's.
    pub fn read(session: &mut Session, plan: &DumpPlan) -> Step<Catalog> {
        let choice = Choice::new(&plan.include, &plan.exclude);
        let there = list_databases(&mut session.control)?;
        let names = match &plan.databases {
            Some(names) => {
                names.iter().try_for_each(|name| not_of_the_server(name))?;
                // Before its tables: of a database that is gone there are none.
                if let Some(missing) = names.iter().find(|name| !there.contains(name)) {
                    let message = format!("{}: no database `{missing}`", session.control.name());
                    return Err(Stop::Failed(no_database(message)));
                }
                names.clone()
            }
            None => there,
        };
        let mut catalog = Catalog::default();
        // As the readers, who compare theirs with these.
        session.control.execute("SET SESSION character_set_results=NULL")?;
        let mut all = Vec::new();
        for name in &names {
            let fingerprints = definitions_fingerprint(&mut session.control, name)?;
            all.extend(fingerprints.keys().map(|table| format!("{name}.{table}")));
            let wanted = fingerprints.into_iter().filter(|(table, _)| choice.wants(name, table));
            catalog.fingerprints.extend(wanted.map(|(table, print)| ((name.clone(), table), print)));
        }
        if let Some(pattern) = choice.unmet(&all) {
            return Err(Stop::Failed(
                Error::new(Kind::NoDatabase, format!("no table of the databases is called `{pattern}`"))
                    .hint("tables are named as DATABASE.TABLE, with * for any characters"),
            ));
        }
        session.control.execute("SET SESSION character_set_results=utf8mb4")?;
        for name in &names {
            let wants = |table: &str| choice.wants(name, table);
            let options = SchemaOptions { wants: &wants, ..SchemaOptions::default() };
            match read_database(&mut session.control, name, &options) {
                Ok(schema) => catalog.schemas.push(schema),
                Err(error) if error.kind() == Kind::NotFound && plan.databases.is_none() => {
                    return Err(Stop::Changed(name.clone()));
                }
                Err(error) if error.kind() == Kind::NotFound => {
                    return Err(Stop::Failed(no_database(error.message().to_owned())));
                }
                Err(error) => return Err(error.into()),
            }
        }
        catalog.is_complete(session)?;
        if plan.users {
            catalog.users = read_users(&mut session.control)?;
        }
        Ok(catalog)
    }

    /// The tables that there are, readable or not.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.fingerprints.keys()
    }

    /// Notes which tables cannot be read; fails if one came or went while the definitions were read:
    /// it would be missing for no other reason than that.
    fn is_complete(&mut self, session: &mut Session) -> Step<()> {
        let mut listed = BTreeSet::new();
        for schema in &self.schemas {
            let database = &schema.database.name;
            listed.extend(schema.tables.iter().map(|table| (database.clone(), table.name.clone())));
        }
        if let Some((database, table)) = listed.iter().find(|name| !self.fingerprints.contains_key(*name)) {
            return Err(Stop::Changed(qualified(database, table)));
        }
        for (database, table) in self.fingerprints.keys().filter(|name| !listed.contains(*name)) {
            let name = qualified(database, table);
            match session.control.rows(&format!("SHOW CREATE TABLE {name}")) {
                // It can be read now, or is gone.
                Ok(_) => return Err(Stop::Changed(name)),
                Err(error) => match at_table(error, &name) {
                    Stop::Failed(error) if is_passing(&error) => return Err(Stop::Changed(name)),
                    Stop::Failed(error) if code_of(&error).is_some() => {
                        self.unreadable.insert((database.clone(), table.clone()));
                    }
                    stop => return Err(stop),
                },
            }
        }
        Ok(())
    }

    /// The tables.
    pub fn tables(&self) -> Vec<Table> {
        let mut tables = Vec::new();
        for schema in &self.schemas {
            let database = &schema.database.name;
            for record in &schema.tables {
                let print = self.fingerprints.get(&(database.clone(), record.name.clone()));
                tables.push(Table {
                    database: database.clone(),
                    record: record.clone(),
                    fingerprint: print.copied().unwrap_or_default(),
                    long: Vec::new(),
                });
            }
        }
        tables
    }

    /// What differs in `later`, by name; `None`: nothing changed between the two, and what could not be
    /// read could be read in neither.
    pub fn difference(&self, later: &Catalog) -> Option<String> {
        let print = |(database, table): &Name| qualified(database, table);
        for (key, fingerprint) in &self.fingerprints {
            if later.fingerprints.get(key) != Some(fingerprint) {
                return Some(print(key));
            }
        }
        if let Some(key) = later.fingerprints.keys().find(|key| !self.fingerprints.contains_key(*key)) {
            return Some(print(key));
        }
        if let Some(key) = self.unreadable.symmetric_difference(&later.unreadable).next() {
            return Some(print(key));
        }
        if self.schemas.len() != later.schemas.len() {
            return Some("the list of databases".into());
        }
        let pairs = || self.schemas.iter().zip(&later.schemas);
        pairs()
            .find_map(|(a, b)| changed_table(a, b))
            .or_else(|| pairs().find_map(|(a, b)| changed_object(a, b)))
    }
}

fn no_database(message: String) -> Error {
    Error::new(Kind::NoDatabase, message)
        .hint("names are compared letter by letter; coffer doctor lists what the user may see")
}

/// Refuses the databases of the server itself.
fn not_of_the_server(name: &str) -> crate::error::Result<()> {
    if !is_system(name) {
        return Ok(());
    }
    let message = format!("`{name}` is the server's own and no database of a practice");
    Err(Error::new(Kind::Usage, message).hint(match name.eq_ignore_ascii_case("mysql") {
        true => "--users takes the users and their grants; everything else in it the server makes itself",
        false => "the server makes it by itself: leave it out",
    }))
}

/// The name of a table of which not the same was read in both, though its definition may be the same:
/// the server shows a table that somebody has a hand on without its engine, or without columns.
fn changed_table(a: &Schema, b: &Schema) -> Option<String> {
    let is_same = |a: &TableRecord, b: &TableRecord| {
        a.name == b.name
            && a.engine == b.engine
            && a.columns == b.columns
            && a.key == b.key
            && a.has_history == b.has_history
    };
    let changed = a.tables.iter().zip(&b.tables).find(|(a, b)| !is_same(a, b));
    changed.map(|(table, _)| qualified(&a.database.name, &table.name))
}

/// The name of an object that is not the same in both; sequences move with use.
fn changed_object(a: &Schema, b: &Schema) -> Option<String> {
    let database = &a.database.name;
    if a.database != b.database {
        return Some(format!("`{database}`"));
    }
    let moves = |object: &&ObjectRecord| object.kind != SchemaObject::Sequence;
    let of = |schema: &'_ Schema| schema.objects.iter().filter(moves).cloned().collect::<Vec<_>>();
    let (a, b) = (of(a), of(b));
    let changed = a.iter().find(|object| !b.contains(object)).or_else(|| b.iter().find(|o| !a.contains(o)));
    changed.map(|object| format!("{} `{database}`.`{}`", object.kind.word(), object.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::database::{ColumnRecord, DatabaseRecord};

    /// A database with one table of one column.
    fn catalog() -> Catalog {
        let columns = vec![ColumnRecord { name: "a".into(), ..ColumnRecord::default() }];
        let table =
            TableRecord { name: "t".into(), engine: "MyISAM".into(), columns, ..TableRecord::default() };
        let database = DatabaseRecord { name: "d".into(), ..DatabaseRecord::default() };
        let schema = Schema { database, tables: vec![table], ..Schema::default() };
        let fingerprints = BTreeMap::from([(("d".into(), "t".into()), Fingerprint::default())]);
        Catalog { schemas: vec![schema], fingerprints, ..Catalog::default() }
    }

    #[test]
    fn what_could_not_be_read_in_only_one_of_two_differs() {
        let (whole, mut lacking) = (catalog(), catalog());
        assert_eq!(whole.difference(&whole), None);
        lacking.schemas[0].tables.clear();
        lacking.unreadable.insert(("d".into(), "t".into()));
        assert_eq!(lacking.difference(&lacking), None);
        assert_eq!(lacking.difference(&whole).as_deref(), Some("`d`.`t`"));
        assert_eq!(whole.difference(&lacking).as_deref(), Some("`d`.`t`"));
    }

    #[test]
    fn a_table_without_its_engine_or_columns_differs() {
        let (whole, mut passing, mut bare) = (catalog(), catalog(), catalog());
        passing.schemas[0].tables[0].engine.clear();
        bare.schemas[0].tables[0].columns.clear();
        assert_eq!(passing.difference(&whole).as_deref(), Some("`d`.`t`"));
        assert_eq!(whole.difference(&bare).as_deref(), Some("`d`.`t`"));
    }
}
