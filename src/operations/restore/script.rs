//! A live database as an SQL file: `database/NAME.sql`, written as a stream. It promises that the
//! file gets its name only when every row was proven, counted and summed up.

use crate::attachments::restore::{Outcome, Target};
use crate::attachments::write::FileWriter;
use crate::entry::database::{ServerRecord, TableRecord};
use crate::entry::{Content, Entry, EntryKind, EntryPath, Metadata};
use crate::error::Result;
use crate::mysql::script::{ScriptOptions, ScriptWriter};
use crate::mysql::stream::RowSource;
use crate::operations::databases::{Database, RowSum};
use crate::progress::Progress;
use crate::rows::RowReader;
use std::io::{Read, Write};

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

/// Writes `database` to `path`; `None`: the target names the reason.
///
/// Errors: [`crate::error::Kind::Damaged`] if a row is missing or wrong; no file is left then.
pub fn write(
    rows: &dyn RowSource,
    target: &Target,
    server: &ServerRecord,
    database: &Database,
    path: &EntryPath,
    progress: &Progress,
) -> Result<Option<Written>> {
    let Some(file) = ScriptFile::begin(target, path.clone())? else { return Ok(None) };
    let mut script = ScriptWriter::new(file, server, ScriptOptions::default())?;
    script.database(&database.record)?;
    script.before_tables(&database.objects)?;
    for table in &database.tables {
        script.table(table)?;
        write_rows(&mut script, rows, table, progress)?;
        script.end_table()?;
        progress.advance(1, 0);
    }
    script.after_tables(&database.objects)?;
    let (outcome, script) = script.finish()?.finish(path.clone())?;
    Ok(Some(Written { outcome, script, notes: Vec::new() }))
}

fn write_rows(
    script: &mut ScriptWriter<ScriptFile>,
    rows: &dyn RowSource,
    table: &TableRecord,
    progress: &Progress,
) -> Result<()> {
    let mut sum = RowSum::default();
    let mut reader = RowReader::new(rows.chunks(table)?, table.columns.len());
    while let Some(row) = reader.next_row()? {
        let mut bytes = 0;
        script.row(row.cells().inspect(|cell| bytes += cell.map_or(0, <[u8]>::len) as u64))?;
        sum.add(reader.row_hash());
        progress.advance(0, bytes);
        progress.check()?;
    }
    sum.check(table)
}

/// The path of the SQL file of the database whose entry stands at `database`.
pub fn script_path(database: &EntryPath) -> EntryPath {
    EntryPath([database.0.as_slice(), b".sql"].concat())
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
