//! Recognising unchanged files by the previous snapshot (`format-spec/manifest.md`, Unchanged
//! files). It promises to reuse a file's chunks only if size, times and inode are equal and the
//! file had been at rest for two seconds when that snapshot began.

use crate::chunk_store::ChunkStore;
use crate::clock::Timestamp;
use crate::entry::{Content, Entry, EntryKind};
use crate::snapshot::{ManifestReader, SnapshotRecord};

/// Seconds that a change must lie before the reading for it to be seen as older.
const REST_SECONDS: i64 = 2;

/// The previous snapshot's entries, walked beside the present ones.
pub struct Previous<'a> {
    reader: Option<ManifestReader<'a>>,
    current: Option<Entry>,
    time: Timestamp,
    /// Why the previous manifest could not be read to its end.
    pub failure: Option<String>,
}

impl<'a> Previous<'a> {
    /// Starts with the entries of `record`; with none, nothing is recognised.
    pub fn new(store: &'a ChunkStore, record: Option<&SnapshotRecord>) -> Previous<'a> {
        let mut previous =
            Previous { reader: None, current: None, time: Timestamp::default(), failure: None };
        if let Some(record) = record {
            previous.time = record.time;
            match ManifestReader::new(store, &record.manifest) {
                Ok(reader) => previous.reader = Some(reader),
                Err(error) => previous.failure = Some(error.to_string()),
            }
            previous.advance();
        }
        previous
    }

    fn advance(&mut self) {
        self.current = match self.reader.as_mut().and_then(Iterator::next) {
            Some(Ok(entry)) => Some(entry),
            Some(Err(error)) => {
                self.failure = Some(error.to_string());
                None
            }
            None => None,
        };
    }

    /// The content of `entry`, if the previous snapshot has the same file unchanged. Must be called
    /// in path order.
    pub fn content_of(&mut self, entry: &Entry) -> Option<Content> {
        while self.current.as_ref().is_some_and(|c| c.path < entry.path) {
            self.advance();
        }
        let before = self.current.as_ref().filter(|c| c.path == entry.path)?;
        let (old, new) = match (&before.kind, &entry.kind) {
            (EntryKind::File(old), EntryKind::File(new)) | (EntryKind::Dump(old), EntryKind::Dump(new)) => {
                (old, new)
            }
            _ => return None,
        };
        let (was, is) = (&before.metadata, &entry.metadata);
        // A file that changed while it was read, and a dump that was no file, have inode 0.
        let same = old.size == new.size
            && was.modified == is.modified
            && was.changed == is.changed
            && was.inode == is.inode
            && is.inode != 0;
        let at_rest = was.changed.plus_seconds(REST_SECONDS) < self.time;
        (same && at_rest).then(|| old.clone())
    }
}
