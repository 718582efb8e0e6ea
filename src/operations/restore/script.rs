//! A live database as an SQL file: `database/NAME.sql`, written as a stream. It promises that the
//! file gets its name only when every row was proven, counted and summed up.

use crate::attachments::restore::{Outcome, Target};
use crate::attachments::write::FileWriter;
use crate::entry::{Content, Entry, EntryKind, EntryPath, Metadata};
use crate::error::Result;
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
