//! The live databases of a snapshot: their entries gathered, and their rows as a stream. It promises
//! that an entry that does not stand where its name belongs is damage, and that every chunk is proven
//! before its rows are used.

mod rows;

pub use rows::{RowSum, StoredRows, check_rows};

use crate::chunk_store::ChunkStore;
use crate::entry::database::{
    DatabaseRecord, ObjectRecord, SERVER_PATH, SchemaObject, ServerRecord, TableRecord, database_path,
    object_path, table_path,
};
use crate::entry::{Entry, EntryKind, EntryPath};
use crate::error::{Error, Result};
use crate::operations::select::{Chosen, Selection};
use crate::snapshot::{ManifestReader, SnapshotRecord};
use std::collections::BTreeMap;

/// The live databases of a snapshot, or what was chosen of them.
#[derive(Clone, Debug, Default)]
pub struct Databases {
    /// The server; `None`: the snapshot has no live database.
    pub server: Option<ServerRecord>,
    /// The databases by name.
    pub databases: BTreeMap<String, Database>,
    /// Users of the server.
    pub users: Vec<ObjectRecord>,
}

/// One database.
#[derive(Clone, Debug, Default)]
pub struct Database {
    /// The database itself.
    pub record: DatabaseRecord,
    /// Its tables, by path.
    pub tables: Vec<TableRecord>,
    /// Everything else of it.
    pub objects: Vec<ObjectRecord>,
}

/// Whether `entry` belongs to a live database.
pub fn is_of_database(entry: &Entry) -> bool {
    matches!(
        entry.kind,
        EntryKind::Server(_) | EntryKind::Database(_) | EntryKind::Table(_) | EntryKind::Object(_)
    )
}

impl Databases {
    /// What `selection` means of the databases of `record`.
    ///
    /// Errors: [`crate::error::Kind::Damaged`] if the manifest cannot be read to its end.
    pub fn read(store: &ChunkStore, record: &SnapshotRecord, selection: &Selection) -> Result<Databases> {
        let mut databases = Databases::default();
        for entry in ManifestReader::new(store, &record.manifest)? {
            let entry = entry?;
            let is_frame = matches!(entry.kind, EntryKind::Server(_) | EntryKind::Database(_));
            match selection.of(&entry.path) {
                Chosen::Yes => databases.add(entry)?,
                Chosen::OnTheWay if is_frame => databases.add(entry)?,
                Chosen::No if matches!(entry.kind, EntryKind::Server(_)) => databases.add(entry)?,
                _ => {}
            }
        }
        Ok(databases)
    }

    /// Adds an entry; those of other kinds are left aside. A database comes before what is in it.
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        let Entry { path, kind, .. } = entry;
        match kind {
            EntryKind::Server(server) => {
                check(&path, &EntryPath(SERVER_PATH.to_vec()))?;
                self.server = Some(*server);
            }
            EntryKind::Database(record) => {
                check(&path, &database_path(&record.name))?;
                let database = Database { record: *record, ..Database::default() };
                self.databases.insert(database.record.name.clone(), database);
            }
            EntryKind::Table(table) => {
                let database = self.database_of(&path)?;
                check(&path, &table_path(&database.record.name, &table.name))?;
                database.tables.push(*table);
            }
            EntryKind::Object(object) if object.kind == SchemaObject::User => {
                check(&path, &object_path("", object.kind, &object.name))?;
                self.users.push(*object);
            }
            EntryKind::Object(object) => {
                let database = self.database_of(&path)?;
                check(&path, &object_path(&database.record.name, object.kind, &object.name))?;
                database.objects.push(*object);
            }
            _ => {}
        }
        Ok(())
    }

    fn database_of(&mut self, path: &EntryPath) -> Result<&mut Database> {
        let own = |record: &DatabaseRecord| path.starts_with(&database_path(&record.name).0);
        let found = self.databases.values_mut().find(|database| own(&database.record));
        found.ok_or_else(|| Error::damaged(format!("manifest: {path} stands in no database")))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty() && self.users.is_empty()
    }
}

fn check(path: &EntryPath, expected: &EntryPath) -> Result<()> {
    match path == expected {
        true => Ok(()),
        false => Err(Error::damaged(format!("manifest: {path} is the place of {expected}"))),
    }
}
