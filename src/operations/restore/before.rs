//! What an SQL file needs of another database. It promises a sentence for each database whose file is
//! to be loaded before, because a view or a default in this one stands on something there.

use crate::entry::database::SchemaObject;
use crate::mysql::identifier::quote;
use crate::mysql::schema::mentions;
use crate::operations::databases::{Database, Databases};

/// Another database that has to be there first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its name.
    pub database: String,
    /// What stands on it: one of several, such as "view `v`".
    pub what: String,
    /// Whether that database needs this one in turn, so that no order will do.
    pub is_mutual: bool,
}

/// The other databases among `databases` that `database` needs, by name.
pub fn needed(databases: &Databases, database: &Database) -> Vec<Needed> {
    let others = databases.databases.values().filter(|other| other.record.name != database.record.name);
    let one = |other: &Database| {
        let what = first_need(database, other)?;
        let is_mutual = first_need(other, database).is_some();
        Some(Needed { database: other.record.name.clone(), what, is_mutual })
    };
    others.filter_map(one).collect()
}

/// What of `database` cannot be made while `other` is not there.
fn first_need(database: &Database, other: &Database) -> Option<String> {
    let views = database.objects.iter().filter(|o| o.kind == SchemaObject::View && o.problem.is_empty());
    let mut views = views.filter(|view| view.statements.iter().any(|s| stands_on(s, other, false)));
    let mut tables = database.tables.iter().filter(|table| stands_on(table.create.as_bytes(), other, true));
    let table = tables.next().map(|table| format!("table {}", quote(&table.name)));
    table.or_else(|| views.next().map(|view| format!("view {}", quote(&view.name))))
}

/// Whether `statement` names something of `other`: a sequence, or with `only_sequences` unset a table,
/// view or function, too.
fn stands_on(statement: &[u8], other: &Database, only_sequences: bool) -> bool {
    let is_meant = |kind| match kind {
        SchemaObject::Sequence => true,
        SchemaObject::View | SchemaObject::Function => !only_sequences,
        _ => false,
    };
    let objects = || other.objects.iter().filter(|object| is_meant(object.kind)).map(|object| &object.name);
    let tables = || other.tables.iter().filter(|_| !only_sequences).map(|table| &table.name);
    // As the server prints statements, every name is quoted.
    mentions(statement, &other.record.name).any(|end| {
        let rest = statement.get(end..).and_then(|rest| rest.strip_prefix(b"."));
        let begins = |name: &String| {
            let (rest, name) = (rest.unwrap_or_default(), quote(name));
            rest.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name.as_bytes()))
        };
        rest.is_some() && objects().chain(tables()).any(begins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::database::{DatabaseRecord, ObjectRecord, TableRecord};

    fn database(name: &str, table: (&str, &str), view: &str) -> Database {
        let record = DatabaseRecord { name: name.into(), ..DatabaseRecord::default() };
        let table = TableRecord { name: table.0.into(), create: table.1.into(), ..TableRecord::default() };
        let object = |kind, name: &str, statement: &str| ObjectRecord {
            kind,
            name: name.into(),
            statements: vec![statement.into()],
            ..ObjectRecord::default()
        };
        let objects =
            vec![object(SchemaObject::View, "v", view), object(SchemaObject::Sequence, "s", "CREATE")];
        Database { record, tables: vec![table], objects }
    }

    #[test]
    fn views_and_defaults_on_another_database_are_seen() {
        let all = [
            database(
                "a",
                ("t", "CREATE TABLE `t` (`x` int COMMENT 'as `b`.`t`')"),
                "CREATE VIEW `v` AS select `b`.`x` AS `x` from `t` `b`",
            ),
            database("b", ("t", "CREATE TABLE `t` (`x` int DEFAULT nextval(`c`.`s`))"), "select 1"),
            database("c", ("t", "CREATE TABLE `t` (`x` int)"), "select `b`.`t`.`x` AS `x` from `b`.`t`"),
        ];
        let named = all.iter().map(|one| (one.record.name.clone(), one.clone()));
        let databases = Databases { databases: named.collect(), ..Databases::default() };
        let found = |at: usize| needed(&databases, &all[at]);
        let need = |database: &str, what: &str| Needed {
            database: database.into(),
            what: what.into(),
            is_mutual: true,
        };
        assert_eq!(found(0), []);
        assert_eq!(found(1), [need("c", "table `t`")]);
        assert_eq!(found(2), [need("b", "view `v`")]);
    }
}
