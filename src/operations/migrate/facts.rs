//! What a snapshot tells of the server it was made of, as far as another server must match it. Pure.

use crate::entry::database::{ObjectRecord, ServerRecord};
use crate::mysql::load::LoadSource;
use crate::snapshot::SnapshotRecord;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A database that moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MovedDatabase {
    /// Its name.
    pub database: String,
    /// Its tables.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Bytes that the old server needed for rows and indexes.
    pub server_bytes: u64,
    /// Other objects.
    pub objects: u64,
    /// Engines of its tables, with their numbers.
    pub engines: BTreeMap<String, u64>,
    /// Its default collation.
    pub collation: String,
    /// Time of its restore, in milliseconds; 0: it was not restored.
    pub ms: u64,
}

/// What moves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Who made the old server.
    pub vendor: String,
    /// Its version.
    pub version: String,
    /// Its settings that matter.
    pub settings: BTreeMap<String, String>,
    /// The databases.
    pub databases: Vec<MovedDatabase>,
    /// Names of users and roles.
    pub users: Vec<String>,
    /// Plugins by which users log in.
    pub login_plugins: BTreeSet<String>,
    /// Whether a name of a database or table has capital letters.
    pub has_capitals: bool,
    /// Attachment files.
    pub files: u64,
    /// Their bytes.
    pub attachment_bytes: u64,
}

impl Facts {
    /// From a snapshot.
    pub fn of(source: &LoadSource, record: &SnapshotRecord) -> Facts {
        let ServerRecord { vendor, version, settings, .. } = &source.server;
        let capitals = |name: &str| name.chars().any(char::is_uppercase);
        Facts {
            vendor: vendor.clone(),
            version: version.clone(),
            settings: settings.iter().map(|s| (s.name.clone(), s.value.clone())).collect(),
            databases: source.databases.iter().map(database).collect(),
            users: source.users.iter().map(|user| user.name.clone()).collect(),
            login_plugins: source.users.iter().flat_map(login_plugins).collect(),
            has_capitals: source
                .databases
                .iter()
                .any(|d| capitals(&d.record.name) || d.tables.iter().any(|table| capitals(&table.name))),
            files: record.counts.files,
            attachment_bytes: record.counts.attachment_bytes,
        }
    }

    /// Bytes of all databases on the old server.
    pub fn server_bytes(&self) -> u64 {
        self.databases.iter().map(|database| database.server_bytes).sum()
    }
}

fn database(entries: &crate::mysql::load::DatabaseEntries) -> MovedDatabase {
    let mut engines: BTreeMap<String, u64> = BTreeMap::new();
    for table in &entries.tables {
        *engines.entry(table.engine.clone()).or_default() += 1;
    }
    MovedDatabase {
        database: entries.record.name.clone(),
        tables: entries.tables.len() as u64,
        rows: entries.tables.iter().map(|table| table.rows).sum(),
        server_bytes: entries.tables.iter().map(|table| table.server_bytes).sum(),
        objects: entries.objects.len() as u64,
        engines,
        collation: entries.record.collation.clone(),
        ms: 0,
    }
}

/// The plugins that a user's first statement names: `IDENTIFIED VIA x [USING …] [OR y …]`, or
/// `IDENTIFIED WITH 'x'`.
fn login_plugins(user: &ObjectRecord) -> Vec<String> {
    let statement = user.statements.first().map(|text| String::from_utf8_lossy(text).into_owned());
    // What stands in quotes is a name or a hash; a plugin in quotes stands behind WITH.
    let mut words = Vec::new();
    for (number, part) in statement.unwrap_or_default().split(['\'', '`']).enumerate() {
        match number % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(format!("'{part}")),
        }
    }
    let mut found = Vec::new();
    for pair in words.windows(2) {
        let is_intro = ["VIA", "WITH", "OR"].iter().any(|word| pair[0].eq_ignore_ascii_case(word));
        let name = pair[1].trim_start_matches('\'').trim_end_matches(';');
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let is_limit = ["GRANT", "MAX_QUERIES_PER_HOUR", "MAX_USER_CONNECTIONS", "MAX_STATEMENT_TIME"]
            .iter()
            .any(|word| name.to_ascii_uppercase().starts_with(word))
            || name.to_ascii_uppercase().starts_with("MAX_");
        if is_intro && is_name && !is_limit {
            found.push(name.to_ascii_lowercase());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_read_from_what_makes_a_user() {
        let of = |statement: &str| {
            let statements =
                vec![statement.as_bytes().to_vec(), b"GRANT USAGE ON *.* TO x WITH GRANT OPTION".to_vec()];
            login_plugins(&ObjectRecord { statements, ..ObjectRecord::default() })
        };
        assert_eq!(of("CREATE USER `a`@`%` IDENTIFIED BY PASSWORD '*12 VIA x'"), Vec::<String>::new());
        assert_eq!(
            of(
                "CREATE USER `a`@`%` IDENTIFIED VIA ed25519 USING 'x' OR unix_socket WITH MAX_USER_CONNECTIONS 5"
            ),
            ["ed25519", "unix_socket"]
        );
        assert_eq!(
            of("CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A'"),
            ["caching_sha2_password"]
        );
        assert_eq!(of("CREATE ROLE `with`"), Vec::<String>::new());
    }
}
