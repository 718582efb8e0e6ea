//! What the SQL files of live databases are called. It promises that none has the name of a dump of the same
//! snapshot, whatever is restored of it.

use crate::entry::database::SERVER_PATH;
use crate::entry::{Entry, EntryKind, EntryPath};
use std::collections::{BTreeMap, BTreeSet};

/// The files of one snapshot: `database/NAME.sql`, or `NAME.live.sql` where something else is called so.
#[derive(Debug, Default)]
pub struct ScriptNames {
    files: BTreeMap<EntryPath, EntryPath>,
    dumps: BTreeSet<EntryPath>,
}

impl ScriptNames {
    /// Takes note of an entry of the snapshot.
    pub fn note(&mut self, entry: &Entry) {
        let plain = match &entry.kind {
            EntryKind::Dump(_) => {
                self.dumps.insert(entry.path.clone());
                return;
            }
            EntryKind::Database(_) => entry.path.clone(),
            EntryKind::Server(_) => users_path(),
            _ => return,
        };
        self.files.insert(plain.clone(), with(&plain, b".sql"));
    }

    /// Gives the files their names, once all entries are noted.
    pub fn settled(mut self) -> ScriptNames {
        let mut taken: BTreeSet<EntryPath> = self.files.values().chain(&self.dumps).cloned().collect();
        for (database, file) in self.files.iter_mut().filter(|(_, file)| self.dumps.contains(*file)) {
            let mut name = database.clone();
            while !taken.insert(file.clone()) {
                name = with(&name, b".live");
                *file = with(&name, b".sql");
            }
        }
        self
    }

    /// The file of the database whose entry stands at `database`.
    pub fn of(&self, database: &EntryPath) -> EntryPath {
        self.files.get(database).cloned().unwrap_or_else(|| with(database, b".sql"))
    }

    /// The file of the server's users.
    pub fn of_users(&self) -> EntryPath {
        self.of(&users_path())
    }
}

/// No database has a path that begins so.
fn users_path() -> EntryPath {
    EntryPath([SERVER_PATH, b".users"].concat())
}

fn with(path: &EntryPath, end: &[u8]) -> EntryPath {
    EntryPath([path.0.as_slice(), end].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Content, Metadata};

    #[test]
    fn no_file_takes_the_name_of_a_dump_or_of_another() {
        let entry = |path: &str, kind| Entry {
            path: EntryPath(path.as_bytes().to_vec()),
            kind,
            metadata: Metadata::default(),
        };
        let database = |path: &str| entry(path, EntryKind::Database(Box::default()));
        let dump = |path: &str| entry(path, EntryKind::Dump(Content::default()));
        let mut names = ScriptNames::default();
        let all = ["a", "b", "b.live"].map(|name| database(&format!("database/{name}")));
        let dumps = ["b.sql", "b.live.sql", "@server.users.sql"].map(|n| dump(&format!("database/{n}")));
        all.iter().chain(&dumps).for_each(|entry| names.note(entry));
        names.note(&entry("database/@server", EntryKind::Server(Box::default())));
        let names = names.settled();
        let files = all.each_ref().map(|entry| names.of(&entry.path).to_string());
        let expected = ["database/a.sql", "database/b.live.live.sql", "database/b.live.live.live.sql"];
        assert_eq!(files, expected);
        assert_eq!(names.of_users().to_string(), "database/@server.users.live.sql");
    }
}
