//! Snapshots: manifests, catalog, ledger (`format-spec/manifest.md`). It promises that a manifest is
//! read and written as a stream, in path order, and that a hostile one is an error, never a panic
//! or an endless loop.

mod catalog;
mod chunk_list;
mod ledger;
mod manifest;

pub use catalog::{Catalog, Counts, Pin, SnapshotRecord, SourceKind, SourceRecord};
pub use chunk_list::{ChunkRefs, ListWriter, read_list};
pub use ledger::{Ledger, LedgerEntry, Level};
pub use manifest::{ManifestReader, ManifestWriter};
