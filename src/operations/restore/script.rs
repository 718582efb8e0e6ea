//! A live database as an SQL file, written as a stream. It promises that the file gets its name only when
//! every row was proven, counted and summed up.

use super::before::Needed;
use super::script_names::ScriptNames;
use crate::attachments::restore::{Outcome, Target};
use crate::attachments::write::FileWriter;
use crate::entry::database::{ObjectRecord, ServerRecord, TableRecord, database_path};
use crate::entry::{Content, Entry, EntryKind, EntryPath, Metadata};
use crate::error::{Error, Kind, Result};
use crate::mysql::identifier::quote;
use crate::mysql::script::{ScriptOptions, ScriptWriter};
use crate::mysql::stream::RowSource;
use crate::mysql::value::is_momentary;
use crate::operations::databases::{Database, RowSum};
use crate::progress::Progress;
use crate::rows::RowReader;
use std::io::{Read, Write};

/// The `max_allowed_packet` of servers that were told nothing.
const MOST_BY_DEFAULT: u64 = 16 << 20;
/// The largest there is.
const MOST_PACKET: u64 = 1 << 30;
/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// A file that is written from its beginning to an end not known before.
pub struct ScriptFile {
    writer: FileWriter,
    buffer: Vec<u8>,
    written: u64,
    hash: blake3::Hasher,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its path in the target.
    pub path: EntryPath,
    /// Its length in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    pub hash: [u8; 32],
}

/// A script that was written, and what a person should know of it.
pub struct Written {
    /// What the target says.
    pub outcome: Outcome,
    /// The file.
    pub script: Script,
    /// Objects of the server's that are not in it.
    pub notes: Vec<String>,
}

/// Writes `database` to the file that `names` say, and which other ones are `needed` first; `None`: the target names the
/// reason.
///
/// Errors: [`crate::error::Kind::Damaged`] if a row is missing or wrong; no file is left then.
pub fn write(
    rows: &dyn RowSource,
    target: &Target,
    server: &ServerRecord,
    (database, needed): (&Database, &[Needed]),
    names: &ScriptNames,
    progress: &Progress,
) -> Result<Option<Written>> {
    let path = &names.of(&database_path(&database.record.name));
    let Some(file) = ScriptFile::begin(target, path.clone())? else { return Ok(None) };
    let mut notes = dead_objects(database);
    notes.extend(needed.iter().map(|needed| load_before(path, needed, names)));
    let longest = longest_row(rows, &database.tables, progress)?;
    if let Some((table, bytes)) = &longest {
        notes.push(format!(
            "{path}: loading it needs max_allowed_packet={} on the server and in the client: a row of table \
             `{table}` has {bytes} bytes",
            packet_bytes(*bytes)
        ));
    }
    let needs = longest.map(|(_, bytes)| packet_bytes(bytes));
    let loaded_after =
        needed.iter().map(|needed| names.of(&database_path(&needed.database)).to_string()).collect();
    let options = ScriptOptions { packet_bytes: needs, loaded_after, ..ScriptOptions::default() };
    let mut script = ScriptWriter::new(file, server, options)?;
    script.database(&database.record)?;
    script.before_tables(&database.objects)?;
    for table in &database.tables {
        script.table(table, &database.tables)?;
        write_rows(&mut script, rows, table, progress)?;
        script.end_table()?;
        progress.advance(1, 0);
    }
    script.after_tables(&database.objects, &database.tables)?;
    let late = |said: &String| {
        format!("{path}: {said}; it stands at the end of the file, where a server may refuse it")
    };
    notes.extend(script.left_out().iter().map(|said| format!("{path}: {said}")));
    notes.extend(script.late().iter().map(late));
    let (outcome, script) = script.finish()?.finish(path.clone())?;
    Ok(Some(Written { outcome, script, notes }))
}

/// Writes `users` with their grants to `path`; `None`: the target names the reason.
pub fn write_users(
    target: &Target,
    server: &ServerRecord,
    users: &[ObjectRecord],
    path: &EntryPath,
) -> Result<Option<(Outcome, Script)>> {
    let Some(mut file) = ScriptFile::begin(target, path.clone())? else { return Ok(None) };
    let mut text = format!(
        "-- Users of {} {}; one that is there already stays, and has these grants, too.\n\
         SET NAMES utf8mb4;\nSET SESSION sql_mode='';\n\
         -- A grant shall make nobody, least of all without a password.\n\
         /*M!100000 SET SESSION sql_mode='NO_AUTO_CREATE_USER' */;\n",
        server.vendor.replace(['\n', '\r'], " "),
        server.version.replace(['\n', '\r'], " ")
    )
    .into_bytes();
    // Grants name roles: first all are made.
    for statement in users.iter().filter_map(|user| user.statements.first()) {
        let word =
            ["CREATE USER ", "CREATE ROLE "].iter().find(|word| statement.starts_with(word.as_bytes()));
        let (head, rest) = statement.split_at(word.map_or(0, |word| word.len()));
        let guard: &[u8] = if word.is_some() { b"IF NOT EXISTS " } else { b"" };
        text.extend_from_slice(&[head, guard, rest, b";\n"].concat());
    }
    for statement in users.iter().flat_map(|user| user.statements.iter().skip(1)) {
        text.extend_from_slice(statement);
        text.extend_from_slice(b";\n");
    }
    let written = file.write_all(&text).and_then(|()| file.flush());
    written.map_err(|cause| Error::io(Kind::Destination, "the SQL file cannot be written", cause))?;
    file.finish(path.clone()).map(Some)
}

/// What a person who loads the file at `path` has to know of `needed`.
fn load_before(path: &EntryPath, needed: &Needed, names: &ScriptNames) -> String {
    let Needed { database, what, is_mutual } = needed;
    let ring = match is_mutual {
        true => "; that one needs this one, too: load both with --force, then make the views that failed",
        false => "",
    };
    format!(
        "{path}: load {} before it, {what} stands on database {}{ring}",
        names.of(&database_path(database)),
        quote(database)
    )
}

/// A sentence for each object that was dead already: it is in the file as a comment only.
fn dead_objects(database: &Database) -> Vec<String> {
    let dead = database.objects.iter().filter(|object| !object.problem.is_empty());
    dead.map(|object| {
        format!(
            "{} `{}`.`{}` was dead already and is in the SQL file as a comment only: {}",
            object.kind.word(),
            database.record.name,
            object.name,
            object.problem
        )
    })
    .collect()
}

/// The longest row that a server would refuse by default, with its table: a pass over the tables that
/// may have one.
fn longest_row(
    rows: &dyn RowSource,
    tables: &[TableRecord],
    progress: &Progress,
) -> Result<Option<(String, u64)>> {
    const TYPES: [&str; 5] = ["longblob", "longtext", "mediumblob", "mediumtext", "json"];
    let may_be_long = |table: &&TableRecord| {
        let is_large = |column_type: &str| {
            let lower = column_type.to_ascii_lowercase();
            TYPES.iter().any(|name| lower.starts_with(name))
        };
        table.content.size > MOST_BY_DEFAULT / 2
            && table.columns.iter().any(|column| is_large(&column.column_type))
    };
    let mut longest: Option<(String, u64)> = None;
    for table in tables.iter().filter(may_be_long) {
        let mut reader = RowReader::new(rows.chunks(table)?, table.columns.len());
        while let Some(row) = reader.next_row()? {
            let bytes = row.cells().map(|cell| cell.map_or(4, |cell| cell.len() as u64 + 12)).sum();
            // Escaped, at most every byte becomes two.
            if bytes > MOST_BY_DEFAULT / 2 && longest.as_ref().is_none_or(|(_, most)| bytes > *most) {
                longest = Some((table.name.clone(), bytes));
            }
            progress.check()?;
        }
    }
    Ok(longest)
}

/// What `max_allowed_packet` has to be for a row of so many bytes, each of which may be escaped.
fn packet_bytes(bytes: u64) -> u64 {
    bytes.saturating_mul(2).checked_next_power_of_two().unwrap_or(MOST_PACKET).min(MOST_PACKET)
}

fn write_rows(
    script: &mut ScriptWriter<ScriptFile>,
    rows: &dyn RowSource,
    table: &TableRecord,
    progress: &Progress,
) -> Result<()> {
    let mut sum = RowSum::default();
    if table.has_history {
        let mut reader = RowReader::new(rows.chunks(table)?, table.columns.len());
        while let Some(row) = reader.next_row()? {
            if is_momentary(table, row.cells()) {
                let cells: Vec<Option<&[u8]>> = row.cells().collect();
                script.momentary_row(table, &cells)?;
            }
            progress.check()?;
        }
    }
    let mut reader = RowReader::new(rows.chunks(table)?, table.columns.len());
    while let Some(row) = reader.next_row()? {
        if is_momentary(table, row.cells()) {
            sum.add(reader.row_hash());
            continue;
        }
        let mut bytes = 0;
        script.row(row.cells().inspect(|cell| bytes += cell.map_or(0, <[u8]>::len) as u64))?;
        sum.add(reader.row_hash());
        progress.advance(0, bytes);
        progress.check()?;
    }
    sum.check(table)
}

impl ScriptFile {
    /// Begins the file at `path`; `None`: it cannot be written, or something there is kept, which is
    /// then a problem of the target's.
    pub fn begin(target: &Target, path: EntryPath) -> Result<Option<ScriptFile>> {
        let kind = EntryKind::Dump(Content { size: u64::MAX, ..Content::default() });
        let entry = Entry { path, kind, metadata: Metadata::default() };
        let (buffer, hash) = (Vec::with_capacity(BUFFER_BYTES), blake3::Hasher::new());
        Ok(target.begin_file(&entry)?.map(|writer| ScriptFile { writer, buffer, written: 0, hash }))
    }

    /// Ends the file and gives it its name.
    pub fn finish(mut self, path: EntryPath) -> Result<(Outcome, Script)> {
        self.send()?;
        let script = Script { path, bytes: self.written, hash: *self.hash.finalize().as_bytes() };
        Ok((self.writer.finish_at(self.written)?, script))
    }

    fn send(&mut self) -> Result<()> {
        self.writer.write_at(self.written, &self.buffer)?;
        self.hash.update(&self.buffer);
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Write for ScriptFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.send().map_err(std::io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.send().map_err(std::io::Error::other)
    }
}

impl Script {
    /// Whether `file` holds exactly these bytes.
    pub fn matches(&self, mut file: impl Read) -> std::io::Result<bool> {
        let (mut hash, mut bytes) = (blake3::Hasher::new(), 0);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(bytes == self.bytes && *hash.finalize().as_bytes() == self.hash),
                count => {
                    hash.update(&buffer[..count]);
                    bytes += count as u64;
                }
            }
        }
    }
}
