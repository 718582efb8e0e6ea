//! What of a snapshot is loaded, and under which names. It promises that every name that was asked
//! for is found or refused, and that a database comes after those its views stand on, where they do not
//! stand on each other in a ring.

use super::{LoadOptions, names};
use crate::entry::database::{DatabaseRecord, ObjectRecord, SchemaObject, ServerRecord, TableRecord};
use crate::error::{Error, Kind, Result};
use crate::mysql::identifier::quote;
use crate::mysql::schema::{after_needs, names_database};

/// Characters of the longest name that a server takes.
const MOST_NAME: usize = 64;

/// Names that belong to the server itself.
const SYSTEM_DATABASES: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];

/// What a snapshot has for servers.
#[derive(Clone, Debug, Default)]
pub struct LoadSource {
    /// The server that was read.
    pub server: ServerRecord,
    /// Its databases.
    pub databases: Vec<DatabaseEntries>,
    /// Its users.
    pub users: Vec<ObjectRecord>,
}

/// The entries of a database.
#[derive(Clone, Debug, Default)]
pub struct DatabaseEntries {
    /// The database.
    pub record: DatabaseRecord,
    /// Its tables.
    pub tables: Vec<TableRecord>,
    /// Its other objects.
    pub objects: Vec<ObjectRecord>,
}

/// A database, or tables of one, to be loaded.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// The database.
    pub database: &'a DatabaseRecord,
    /// Its name on the server.
    pub target: String,
    /// The tables to load, largest first.
    pub tables: Vec<&'a TableRecord>,
    /// The objects to make, in an order in which they can be made.
    pub objects: Vec<&'a ObjectRecord>,
    /// Whether it takes the place of a whole database; else of the tables alone.
    pub is_whole: bool,
    /// Whether there was nothing of its name on the server when the plan was made: what cannot be made
    /// is left out and named, where it otherwise would take something away.
    pub is_new: bool,
    /// A restore that was interrupted.
    pub unfinished: super::Unfinished,
}

/// The chosen parts.
pub fn parts<'a>(source: &'a LoadSource, options: &LoadOptions) -> Result<Vec<Part<'a>>> {
    let mut names = options.databases.clone();
    for (database, _) in &options.tables {
        if !names.contains(database) {
            names.push(database.clone());
        }
    }
    if names.is_empty() {
        names = source.databases.iter().map(|d| d.record.name.clone()).collect();
    }
    if names.is_empty() {
        return Err(Error::new(Kind::NotFound, "the snapshot has no live database")
            .hint("a dump file is restored with --to; load it with the server's own client"));
    }
    if options.rename_to.is_some() && names.len() != 1 {
        return Err(Error::new(Kind::Usage, "a new name needs exactly one database")
            .hint("choose one with --database"));
    }
    let wanted = names.iter().filter(|name| !options.standing.contains(name));
    let parts: Vec<Part> = wanted.map(|name| part(source, name, options)).collect::<Result<_>>()?;
    // A view that stands on another database is made when that stands.
    let views: Vec<Vec<&ObjectRecord>> = parts.iter().map(|part| part.views().collect()).collect();
    let needs = |a: usize, b: usize| {
        let mut statements = views[a].iter().flat_map(|view| &view.statements);
        statements.any(|statement| names_database(statement, &parts[b].database.name))
    };
    let order = after_needs(parts.len(), needs);
    let mut parts: Vec<Option<Part>> = parts.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|number| parts.get_mut(number)?.take()).collect())
}

impl<'a> Part<'a> {
    fn views(&self) -> impl Iterator<Item = &'a ObjectRecord> {
        self.objects.iter().copied().filter(|object| object.kind == SchemaObject::View)
    }
}

fn part<'a>(source: &'a LoadSource, name: &str, options: &LoadOptions) -> Result<Part<'a>> {
    let entries = source.databases.iter().find(|d| d.record.name == name).ok_or_else(|| {
        let known: Vec<&str> = source.databases.iter().map(|d| d.record.name.as_str()).collect();
        Error::new(Kind::NotFound, format!("the snapshot has no database `{name}`"))
            .hint(format!("it has: {}", known.join(", ")))
    })?;
    let target = options.rename_to.clone().unwrap_or_else(|| name.to_owned());
    let is_system = SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(&target));
    let is_long =
        names::old(&target).chars().count().max(names::staging(&target).chars().count()) > MOST_NAME;
    if target.is_empty() || target.ends_with(' ') || is_system || is_long {
        return Err(Error::new(Kind::Usage, format!("`{target}` is no name for a restored database")).hint(
            "a name is not the server's own, ends in no space, and leaves room for `__restoring`: 52 \
                   characters at most",
        ));
    }
    let wanted: Vec<&str> = options
        .tables
        .iter()
        .filter(|(database, _)| database == name)
        .map(|(_, table)| table.as_str())
        .collect();
    for table in &wanted {
        if !entries.tables.iter().any(|t| t.name == *table) {
            return Err(no_table(entries, table));
        }
    }
    let is_whole = wanted.is_empty();
    let mut tables: Vec<&TableRecord> =
        entries.tables.iter().filter(|t| is_whole || wanted.contains(&t.name.as_str())).collect();
    tables.sort_by_key(|t| (std::cmp::Reverse(t.server_bytes.max(t.content.size)), &t.name));
    let mut objects: Vec<&ObjectRecord> =
        entries.objects.iter().filter(|o| is_whole || belongs(o, name, &tables)).collect();
    objects.sort_by_key(|o| (place(o.kind), &o.parent, o.order));
    Ok(Part {
        database: &entries.record,
        target,
        tables,
        objects,
        is_whole,
        is_new: false,
        unfinished: super::Unfinished::Nothing,
    })
}

/// The error of a table that is none.
fn no_table(entries: &DatabaseEntries, table: &str) -> Error {
    let name = &entries.record.name;
    let is_other =
        |o: &&ObjectRecord| o.name == table && matches!(o.kind, SchemaObject::View | SchemaObject::Sequence);
    match entries.objects.iter().find(is_other) {
        Some(object) => {
            let word = object.kind.word();
            let comes = match object.kind {
                SchemaObject::Sequence => "with the tables that draw from it, or",
                _ => "only",
            };
            Error::new(Kind::Usage, format!("`{name}`.`{table}` is a {word} and no table"))
                .hint(format!("a {word} comes {comes} with its whole database: leave --table out"))
        }
        None => Error::new(Kind::NotFound, format!("the snapshot has no table `{name}`.`{table}`")),
    }
}

/// Whether an object goes with tables: their triggers, and sequences that their columns draw from.
fn belongs(object: &ObjectRecord, database: &str, tables: &[&TableRecord]) -> bool {
    match object.kind {
        SchemaObject::Trigger => tables.iter().any(|t| t.name == object.parent),
        SchemaObject::Sequence => {
            let named = format!("val({}.{})", quote(database), quote(&object.name));
            tables.iter().any(|t| t.create.contains(&named))
        }
        _ => false,
    }
}

/// Libraries before the routines that use them, functions before the views that call them, triggers and events when everything else stands.
fn place(kind: SchemaObject) -> u8 {
    match kind {
        SchemaObject::Sequence => 0,
        SchemaObject::Library => 1,
        SchemaObject::Function => 2,
        SchemaObject::Procedure => 3,
        SchemaObject::Package => 4,
        SchemaObject::PackageBody => 5,
        SchemaObject::View => 6,
        SchemaObject::Trigger => 7,
        SchemaObject::Event => 8,
        SchemaObject::User => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> LoadSource {
        let table = |name: &str, bytes| TableRecord {
            name: name.into(),
            server_bytes: bytes,
            ..TableRecord::default()
        };
        let trigger = ObjectRecord {
            kind: SchemaObject::Trigger,
            name: "tr".into(),
            parent: "a".into(),
            ..ObjectRecord::default()
        };
        let view = ObjectRecord { kind: SchemaObject::View, name: "v".into(), ..ObjectRecord::default() };
        let record = DatabaseRecord { name: "shop".into(), ..DatabaseRecord::default() };
        let shop = DatabaseEntries {
            record,
            tables: vec![table("a", 1), table("b", 9)],
            objects: vec![trigger, view],
        };
        LoadSource { databases: vec![shop], ..LoadSource::default() }
    }

    #[test]
    fn what_was_asked_for_is_found_or_refused() {
        let source = source();
        let options = |tables: &[&str], database: &str, name: Option<&str>| LoadOptions {
            databases: vec![database.to_owned()],
            tables: tables.iter().map(|t| ("shop".to_owned(), (*t).to_owned())).collect(),
            rename_to: name.map(str::to_owned),
            ..LoadOptions::default()
        };
        let whole = parts(&source, &options(&[], "shop", None)).unwrap();
        assert!(whole[0].is_whole && whole[0].target == "shop");
        assert_eq!(
            whole[0].tables.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
            ["b", "a"],
            "largest first"
        );
        assert_eq!(whole[0].objects.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["v", "tr"]);
        let one = parts(&source, &options(&["a"], "shop", Some("copy"))).unwrap();
        assert!(!one[0].is_whole && one[0].target == "copy" && one[0].objects.len() == 1);
        let kind = |options: &LoadOptions| parts(&source, options).unwrap_err().kind();
        assert_eq!(kind(&options(&["x"], "shop", None)), Kind::NotFound);
        assert_eq!(kind(&options(&["v"], "shop", None)), Kind::Usage, "a view is no table");
        assert_eq!(kind(&options(&[], "none", None)), Kind::NotFound);
        assert_eq!(kind(&options(&[], "shop", Some("MySQL"))), Kind::Usage);
        assert_eq!(
            parts(&LoadSource::default(), &LoadOptions::default()).unwrap_err().kind(),
            Kind::NotFound
        );
    }
}
