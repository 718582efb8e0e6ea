//! The two ends that whoever keeps entries holds out to dump and load. They promise that `mysql` needs
//! to know nothing of where entries are kept.

use crate::entry::database::TableRecord;
use crate::entry::{Entry, EntryPath};
use crate::error::Result;
use crate::rows::ChunkSink;

/// A table's chunks, in order.
pub type Chunks<'a> = Box<dyn Iterator<Item = Result<Vec<u8>>> + Send + 'a>;

/// Takes what a dump reads; several threads may use it at once.
pub trait DumpSink: Sync {
    /// Begins the table at `path`, whose chunks then go into the stream. Streams of several tables may be open.
    fn table(&self, path: &EntryPath) -> Result<Box<dyn TableStream + '_>>;

    /// Takes an entry that has no rows.
    fn entry(&self, entry: Entry) -> Result<()>;

    /// Takes something that a person should know. It makes the snapshot partial if `is_loss`.
    fn note(&self, note: String, is_loss: bool) -> Result<()>;
}

/// Takes the chunks of one table. Dropped without [`TableStream::finish`], the table is given up.
pub trait TableStream: ChunkSink + Send {
    /// Nothing comes for a while.
    fn rest(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends the table; `entry` (an [`crate::entry::EntryKind::Table`]) lacks only the content.
    fn finish(self: Box<Self>, entry: Entry) -> Result<()>;
}

/// Gives what a load writes.
pub trait RowSource: Sync {
    /// The chunks of a table, each proven.
    fn chunks<'a>(&'a self, table: &'a TableRecord) -> Result<Chunks<'a>>;
}
