//! What a snapshot keeps of a live database: the server, each database, each table with how its
//! rows are stored, and every other object with its statement and surroundings
//! (`format-spec/manifest.md`, Databases). The structures promise one canonical encoding, and a
//! path for every name that a server allows.

use super::{Content, EntryPath};
use crate::codec::{Decode, Encode};

/// The path of what belongs to the server and to no database.
pub const SERVER_PATH: &[u8] = b"database/@server";

/// A server that databases were read from, and how they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ServerRecord {
    /// `MariaDB` or `MySQL`.
    pub vendor: String,
    /// What `VERSION()` says.
    pub version: String,
    /// Server variables that a restore compares, by name, sorted.
    pub settings: Vec<Setting>,
    /// What the rows of all tables have in common.
    pub consistency: Consistency,
    /// Where the server's binary log stood at that instant, if it has one.
    pub position: Option<LogPosition>,
    /// Longest time that writers of the database had to wait for the backup, in microseconds.
    pub stall_us: u64,
    /// What could not be carried, one sentence each, naming the object.
    pub notes: Vec<String>,
}

/// A name and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Setting {
    /// The variable's name, in lower case.
    pub name: String,
    /// Its value as text.
    pub value: String,
}

/// What the rows of all tables of a snapshot have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Consistency {
    /// Each table is as of an instant of its own: asked for, because the server allowed no better.
    #[default]
    PerTable,
    /// All tables are as of one instant: snapshots that were proven to be the same.
    Snapshot,
    /// All tables are as of one instant: that of a global read lock.
    Lock,
}

impl Consistency {
    /// The word for it in output.
    pub fn word(self) -> &'static str {
        match self {
            Consistency::PerTable => "per-table",
            Consistency::Snapshot => "snapshot",
            Consistency::Lock => "lock",
        }
    }
}

/// A place in a server's binary log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct LogPosition {
    /// The log's file.
    pub file: String,
    /// The position in it.
    pub offset: u64,
    /// The global transaction ids up to there; empty if the server keeps none.
    pub gtid: String,
}

/// A database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct DatabaseRecord {
    /// Its name.
    pub name: String,
    /// `SHOW CREATE DATABASE`.
    pub create: String,
    /// Default character set.
    pub character_set: String,
    /// Default collation.
    pub collation: String,
}

/// A table with its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct TableRecord {
    /// Its name.
    pub name: String,
    /// `SHOW CREATE TABLE`.
    pub create: String,
    /// Its engine, as `information_schema` names it.
    pub engine: String,
    /// The columns that are stored, in the order of the cells of a row. Generated columns are not
    /// among them.
    pub columns: Vec<ColumnRecord>,
    /// Numbers of the columns that rows are ordered and cut by; empty: rows stand as the server
    /// gave them.
    pub key: Vec<u16>,
    /// Whether rows of the past (system versioning) are among the rows.
    pub has_history: bool,
    /// Number of rows.
    pub rows: u64,
    /// Sum of the rows' hashes modulo 2^128, little-endian.
    pub checksum: [u8; 16],
    /// Cells of the first row's key columns, as in a row; empty without rows or key.
    pub first_key: Vec<u8>,
    /// The same of the last row.
    pub last_key: Vec<u8>,
    /// Bytes that the server needed for rows and indexes.
    pub server_bytes: u64,
    /// Number of the content's last chunks that tell of the others in short (`format-spec/rows.md`,
    /// Outlines).
    pub outline: u32,
    /// The chunks: row groups, each behind its large values, and the outline.
    pub content: Content,
}

/// A stored column of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ColumnRecord {
    /// Its name.
    pub name: String,
    /// Its full type, as `information_schema` gives it (`COLUMN_TYPE`).
    pub column_type: String,
    /// What the cells' bytes are.
    pub form: ColumnForm,
    /// Its character set; empty if it has none.
    pub character_set: String,
}

/// What the bytes of a column's cells are (`format-spec/rows.md`, Cells).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub enum ColumnForm {
    /// The bytes as the server stores them: BINARY, BLOB and what is not listed elsewhere.
    #[default]
    Bytes,
    /// Text in the column's character set, as the server stores it.
    Text,
    /// An integer or DECIMAL in decimal digits.
    Number,
    /// FLOAT or DOUBLE: the shortest decimal text that gives the same double again.
    Float,
    /// `YYYY-MM-DD`, `YYYY-MM-DD hh:mm:ss[.ffffff]` or `[-]hhh:mm:ss[.ffffff]`, TIMESTAMP in UTC;
    /// YEAR in four digits.
    Temporal,
    /// ENUM: the index; SET: the sum of the members' bits; BIT: the number. In decimal digits.
    Member,
    /// Text in UTF-8 that the server turns into a value of its own: UUID, INET4, INET6, JSON of MySQL.
    Literal,
    /// A GEOMETRY as the server stores it: SRID (4 bytes), then WKB.
    Geometry,
}

/// An object of a database that is not a table, or a user of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct ObjectRecord {
    /// What it is.
    pub kind: SchemaObject,
    /// Its name; a user's as `'name'@'host'`.
    pub name: String,
    /// What it belongs to: a trigger's table; else empty.
    pub parent: String,
    /// Place in the order of creation among its kind (and, for triggers, table and event).
    pub order: u32,
    /// The statements that make it, byte for byte as the server gave them. The first makes it; a
    /// user's grants and a sequence's value follow.
    pub statements: Vec<Vec<u8>>,
    /// Session variables under which the statements mean what they meant, sorted by name:
    /// `sql_mode`, `character_set_client`, `collation_connection`, `time_zone`, and
    /// `collation_database`, which is the database's.
    pub environment: Vec<Setting>,
    /// The definer as `user@host`; empty if it has none.
    pub definer: String,
    /// What the server said against it where it lived: a view that stands on what is gone. Empty for
    /// an object that worked.
    pub problem: String,
}

/// The kinds of [`ObjectRecord`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum SchemaObject {
    /// A sequence.
    #[default]
    Sequence,
    /// A view.
    View,
    /// A trigger.
    Trigger,
    /// A stored procedure.
    Procedure,
    /// A stored function.
    Function,
    /// The specification of a package.
    Package,
    /// The body of a package.
    PackageBody,
    /// An event.
    Event,
    /// A user or role of the server, with grants.
    User,
    /// A library of functions in another language, that routines use.
    Library,
}

impl SchemaObject {
    /// Every kind.
    pub const ALL: [SchemaObject; 10] = [
        SchemaObject::Sequence,
        SchemaObject::View,
        SchemaObject::Trigger,
        SchemaObject::Procedure,
        SchemaObject::Function,
        SchemaObject::Package,
        SchemaObject::PackageBody,
        SchemaObject::Event,
        SchemaObject::User,
        SchemaObject::Library,
    ];

    /// The word for it in output.
    pub fn word(self) -> &'static str {
        match self {
            SchemaObject::Sequence => "sequence",
            SchemaObject::View => "view",
            SchemaObject::Trigger => "trigger",
            SchemaObject::Procedure => "procedure",
            SchemaObject::Function => "function",
            SchemaObject::Package => "package",
            SchemaObject::PackageBody => "package-body",
            SchemaObject::Event => "event",
            SchemaObject::User => "user",
            SchemaObject::Library => "library",
        }
    }

    /// The folder for it in paths: its word in the plural.
    pub fn folder(self) -> String {
        match self {
            SchemaObject::PackageBody => "package-bodies".into(),
            SchemaObject::Library => "libraries".into(),
            _ => format!("{}s", self.word()),
        }
    }
}

/// The path of a database.
pub fn database_path(database: &str) -> EntryPath {
    EntryPath(b"database".to_vec()).join(&component(database))
}

/// The path of a table.
pub fn table_path(database: &str, table: &str) -> EntryPath {
    database_path(database).join(b"tables").join(&component(table))
}

/// The path of an object: below its database, or below the server for users.
pub fn object_path(database: &str, kind: SchemaObject, name: &str) -> EntryPath {
    let parent = match kind {
        SchemaObject::User => EntryPath(SERVER_PATH.to_vec()),
        _ => database_path(database),
    };
    parent.join(kind.folder().as_bytes()).join(&component(name))
}

/// A name as one component of a path: `%`, `/`, control characters, a leading `@` and leading dots
/// become `%` and two hexadecimal digits.
pub fn component(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    for (at, byte) in name.bytes().enumerate() {
        let is_plain = match byte {
            b'%' | b'/' | 0x7f => false,
            b'@' | b'.' => at > 0,
            _ => byte >= 0x20,
        };
        match is_plain {
            true => out.push(byte),
            false => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_path_of_its_own() {
        let names = ["a/b", "a%2fb", "..", ".", "@server", "a\u{1}", "caf\u{e9} `x` */", "x.y", "a@b"];
        let mut paths: Vec<EntryPath> = names.iter().map(|n| table_path("shop", n)).collect();
        assert!(paths.iter().all(|p| p.is_valid() && p.components().count() == 4), "{paths:?}");
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), names.len());
        assert_eq!(database_path("@server").to_string(), "database/%40server");
    }

    #[test]
    fn objects_stand_below_their_database_and_users_below_the_server() {
        let path = |kind, name| object_path("shop", kind, name).to_string();
        assert_eq!(path(SchemaObject::PackageBody, "p"), "database/shop/package-bodies/p");
        assert_eq!(path(SchemaObject::User, "'a'@'%'"), "database/@server/users/'a'@'%25'");
    }
}
