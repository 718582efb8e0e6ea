//! The journal of a switch: what stands where, what was there before, and what is still to be made.
//! It lives in the staging database on the server, so whoever runs the restore again, from whatever
//! machine, finds it.
//!
//! A restore passes two points. Until the marker table exists, the live database was not touched: what
//! was left is thrown away. Once it exists, the journal before it is complete (creating a table makes
//! everything that was committed before durable), and running the restore again goes on with it.
//! Which step to go on with is read from where tables stand, and from marks in the journal for what
//! cannot be seen; every step may be repeated.

use super::names::{JOURNAL, MARKER};
use crate::codec::{Decode, Encode, decode, encode};
use crate::entry::database::{DatabaseRecord, ObjectRecord};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Cells, Connection, code_of};
use crate::mysql::identifier::{literal, qualified, quote};
use std::collections::HashSet;
use std::fmt::Write;

/// The layout of [`Switch`].
const VERSION: u32 = 2;
/// Bytes of the encoded switch in one row: far below any packet limit.
const PIECE_BYTES: usize = 128 << 10;
/// Most rows that are taken for a journal.
const MAX_PIECES: usize = 1 << 14;

/// The server's number for a database's folder that holds foreign files.
const CANNOT_REMOVE_FOLDER: u16 = 1010;

/// A statement to run once the tables stand in their place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Step {
    /// What it does, in words, naming the object.
    pub what: String,
    /// The statement.
    pub sql: String,
    /// Whether it may fail without loss.
    pub may_fail: bool,
}

/// Everything a switch needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Switch {
    version: u32,
    /// What is restored: equal for the same snapshot, options and target.
    pub fingerprint: [u8; 32],
    /// The database's name in the snapshot.
    pub source: String,
    /// The database that is switched in.
    pub target: String,
    /// The database as the snapshot has it; where tables come alone, with the character set that it has.
    pub database: DatabaseRecord,
    /// Whether all of the target is replaced.
    pub is_whole: bool,
    /// Whether the target was there before.
    pub is_replaced: bool,
    /// Tables and sequences that come.
    pub new_tables: Vec<String>,
    /// Tables and sequences that go.
    pub old_tables: Vec<String>,
    /// Triggers, events, routines and views that go.
    pub old_objects: Vec<ObjectRecord>,
    /// What is run after the tables stand.
    pub steps: Vec<Step>,
    /// Objects to be made.
    pub objects: Vec<ObjectRecord>,
    /// What was loaded and proven: table, rows, checksum.
    pub proven: Vec<(String, u64, u128)>,
    /// What could not be made before the switch, one sentence each.
    pub not_made: Vec<String>,
    /// What else should be known of what came before the switch.
    pub notes: Vec<String>,
}

/// Databases of one restore, all of which stand: from then on their journals go, the one that says this last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Standing {
    /// The databases.
    pub databases: Vec<Stood>,
    /// Users that the restore made, by name: their grants come behind the databases.
    pub users: Vec<String>,
}

/// A database that stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Stood {
    /// That of its [`Switch`].
    pub fingerprint: [u8; 32],
    /// What was loaded and proven: table, rows, checksum.
    pub proven: Vec<(String, u64, u128)>,
    /// Objects other than tables that were made.
    pub objects: u64,
    /// What could not be made, one sentence each.
    pub not_made: Vec<String>,
    /// What else should be known.
    pub notes: Vec<String>,
}

impl Switch {
    /// An empty switch of this layout.
    pub fn new(fingerprint: [u8; 32]) -> Switch {
        Switch { version: VERSION, fingerprint, ..Switch::default() }
    }
}

impl Standing {
    /// What it says of a restore.
    pub fn of(&self, fingerprint: &[u8; 32]) -> Option<&Stood> {
        self.databases.iter().find(|stood| stood.fingerprint == *fingerprint)
    }
}

/// What a staging database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Nothing,
    /// One that was left before the live database was touched.
    Leftover,
    /// One in the middle of the switch.
    Switching(Box<Switch>),
    /// Somebody's database: it holds tables and no journal.
    Foreign,
}

/// Makes the journal in the staging database.
pub fn create(conn: &mut Connection, staging: &str) -> Result<()> {
    conn.execute(&format!(
        "CREATE TABLE {} (id INT PRIMARY KEY AUTO_INCREMENT, kind VARCHAR(16) NOT NULL, body LONGBLOB NOT NULL) \
         ENGINE=InnoDB CHARACTER SET utf8mb4 COMMENT='a restore is under way; see the table''s database'",
        qualified(staging, JOURNAL)
    ))?;
    Ok(())
}

/// Writes the switch down; when this returns, it has begun.
pub fn begin(conn: &mut Connection, staging: &str, switch: &Switch) -> Result<()> {
    write(conn, staging, "switch", &encode(switch))?;
    conn.execute(&format!("CREATE TABLE {} (a INT) ENGINE=InnoDB", qualified(staging, MARKER)))?;
    Ok(())
}

/// Writes down in the journal of one database that all of these stand, in place of what it said of it before.
pub fn stand(conn: &mut Connection, staging: &str, standing: &Standing) -> Result<()> {
    write(conn, staging, "stands", &encode(standing))
}

/// What the journal says of databases that all stand; `None`: nothing, or there is no journal.
///
/// Errors: [`Kind::Damaged`] for a journal that cannot be read.
pub fn standing(conn: &mut Connection, staging: &str) -> Result<Option<Standing>> {
    let tables = tables(conn, staging)?;
    if ![JOURNAL, MARKER].iter().all(|name| tables.iter().any(|table| table == name)) {
        return Ok(None);
    }
    let bytes = pieces(conn, staging, "stands")?;
    let known = (!bytes.is_empty()).then(|| decode(&bytes, "journal"));
    known.transpose().map_err(|cause| unreadable(staging).because(cause))
}

/// Writes pieces of this kind in place of those there are, all or none.
fn write(conn: &mut Connection, staging: &str, kind: &str, bytes: &[u8]) -> Result<()> {
    let journal = qualified(staging, JOURNAL);
    conn.execute("START TRANSACTION")?;
    conn.execute(&format!("DELETE FROM {journal} WHERE kind='{kind}'"))?;
    for piece in bytes.chunks(PIECE_BYTES) {
        let mut digits = String::with_capacity(piece.len() * 2);
        for byte in piece {
            let _ = write!(digits, "{byte:02x}");
        }
        conn.execute(&format!("INSERT INTO {journal} (kind, body) VALUES ('{kind}', x'{digits}')"))?;
    }
    conn.execute("COMMIT").map(drop)
}

/// The bytes of all pieces of this kind.
fn pieces(conn: &mut Connection, staging: &str, kind: &str) -> Result<Vec<u8>> {
    let sql = format!("SELECT id, body FROM {} WHERE kind='{kind}' ORDER BY id", qualified(staging, JOURNAL));
    let rows = conn.rows(&sql)?;
    Ok(rows.iter().take(MAX_PIECES).filter_map(|row| row.bytes(1)).flatten().copied().collect())
}

/// Takes the switch back: nothing of the live database is changed any more.
pub fn undo(conn: &mut Connection, staging: &str) -> Result<()> {
    conn.execute(&format!("DROP TABLE {}", qualified(staging, MARKER))).map(drop)
}

/// Marks something as done.
pub fn mark(conn: &mut Connection, staging: &str, what: &str) -> Result<()> {
    mark_all(conn, staging, &[what.to_owned()])
}

/// Marks several things as done, all or none.
pub fn mark_all(conn: &mut Connection, staging: &str, what: &[String]) -> Result<()> {
    let journal = qualified(staging, JOURNAL);
    let rows: Vec<String> = what.iter().map(|what| format!("('done', {})", literal(what))).collect();
    conn.execute(&format!("INSERT INTO {journal} (kind, body) VALUES {}", rows.join(","))).map(drop)
}

/// What was marked as done.
pub fn marks(conn: &mut Connection, staging: &str) -> Result<HashSet<String>> {
    let rows = conn.rows(&format!("SELECT body FROM {} WHERE kind='done'", qualified(staging, JOURNAL)))?;
    Ok(rows.iter().filter_map(|row| row.text(0)).collect())
}

/// What `staging` is.
///
/// Errors: [`Kind::Damaged`] for a journal that cannot be read.
pub fn look(conn: &mut Connection, staging: &str) -> Result<Found> {
    if !exists(conn, staging)? {
        return Ok(Found::Nothing);
    }
    let tables = tables(conn, staging)?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    Ok(match (has(JOURNAL), has(MARKER)) {
        (true, true) => Found::Switching(Box::new(read(conn, staging)?)),
        (true, false) => Found::Leftover,
        // A server that died while it dropped all of it.
        (false, is_marked) if tables.len() == usize::from(is_marked) => Found::Leftover,
        (false, _) => Found::Foreign,
    })
}

fn read(conn: &mut Connection, staging: &str) -> Result<Switch> {
    let bytes = pieces(conn, staging, "switch")?;
    if bytes.first_chunk::<4>() != Some(&VERSION.to_le_bytes()) {
        return Err(unreadable(staging));
    }
    decode(&bytes, "journal").map_err(|cause| unreadable(staging).because(cause))
}

fn unreadable(staging: &str) -> Error {
    Error::new(Kind::Damaged, format!("database `{staging}`: its journal cannot be read"))
        .hint("an interrupted restore stands here; another version of this program may have begun it")
}

/// Throws the staging database away. The journal and its marker go last, in one statement, so that whoever
/// is killed on the way leaves what is known again.
pub fn drop_staging(conn: &mut Connection, staging: &str) -> Result<()> {
    if !exists(conn, staging)? {
        return Ok(());
    }
    let tables = tables(conn, staging)?;
    let journals = [MARKER, JOURNAL];
    for table in tables.iter().filter(|table| !journals.contains(&table.as_str())) {
        drop_table(conn, staging, table)?;
    }
    let dropping = format!("DROP DATABASE {}", quote(staging));
    match conn.execute(&dropping) {
        Err(error) if code_of(&error).is_none() => return Err(error),
        Err(_) => {}
        Ok(_) => return Ok(()),
    }
    for table in tables.iter().filter(|table| journals.contains(&table.as_str())) {
        drop_table(conn, staging, table)?;
    }
    match conn.execute(&dropping) {
        // A server that was killed may have left files that belong to no table. The folder stays, empty
        // to the server, and is used again.
        Err(error) if code_of(&error) == Some(CANNOT_REMOVE_FOLDER) => Ok(()),
        other => other.map(drop),
    }
}

/// Drops a table or sequence.
pub fn drop_table(conn: &mut Connection, database: &str, table: &str) -> Result<()> {
    let place = qualified(database, table);
    // MariaDB drops sequences, and tables without files, by the same words.
    conn.execute(&format!("DROP TABLE IF EXISTS {place}")).map(drop)
}

/// Whether there is a database of this name, as the server compares names.
pub fn exists(conn: &mut Connection, database: &str) -> Result<bool> {
    let sql = format!(
        "SELECT SCHEMA_NAME, @@lower_case_table_names FROM information_schema.SCHEMATA WHERE SCHEMA_NAME={}",
        literal(database)
    );
    Ok(conn.rows(&sql)?.iter().any(|row| is_same(row, database)))
}

/// The database's name as the server spells it, or would.
pub fn spelled(conn: &mut Connection, database: &str) -> Result<String> {
    let sql = format!(
        "SELECT SCHEMA_NAME, @@lower_case_table_names FROM information_schema.SCHEMATA WHERE SCHEMA_NAME={}",
        literal(database)
    );
    let rows = conn.rows(&sql)?;
    if let Some(found) = rows.iter().find(|row| is_same(row, database)).and_then(|row| row.text(0)) {
        return Ok(found);
    }
    Ok(match conn.value("SELECT @@lower_case_table_names")?.as_deref() {
        Some("1") => database.to_lowercase(),
        _ => database.to_owned(),
    })
}

/// Whether the first cell of `row` names `name`; the second tells how the server compares.
fn is_same(row: &Cells, name: &str) -> bool {
    let found = row.text(0).unwrap_or_default();
    found == name || (row.number(1) != Some(0) && found.to_lowercase() == name.to_lowercase())
}

/// Whether a database has neither tables nor views.
pub fn is_empty(conn: &mut Connection, database: &str) -> Result<bool> {
    Ok(conn.rows(&format!("SHOW FULL TABLES FROM {}", quote(database)))?.is_empty())
}

/// About how many bytes the tables of a database take.
pub fn bytes(conn: &mut Connection, database: &str) -> Result<u64> {
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) AS UNSIGNED) FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA={}",
        literal(database)
    );
    Ok(conn.rows(&sql)?.first().and_then(|row| row.number(0)).unwrap_or(0))
}

/// The tables and sequences of a database, views not among them.
pub fn tables(conn: &mut Connection, database: &str) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT TABLE_SCHEMA, @@lower_case_table_names, TABLE_NAME FROM information_schema.TABLES \
         WHERE TABLE_TYPE NOT IN ('VIEW','SYSTEM VIEW') AND TABLE_SCHEMA={}",
        literal(database)
    );
    let rows = conn.rows(&sql)?;
    Ok(rows.iter().filter(|row| is_same(row, database)).filter_map(|row| row.text(2)).collect())
}
