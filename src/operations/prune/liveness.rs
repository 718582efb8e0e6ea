//! What snapshots reach, by marking from their manifests (`format-spec/manifest.md`): manifest chunks,
//! list chunks of every depth, data. It promises that a manifest that cannot be read is an error and
//! never an empty one, and about a bit of memory a chunk.

use crate::chunk_store::{ChunkStore, Marks};
use crate::entry::Content;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::snapshot::{ChunkRefs, ManifestReader, SnapshotRecord};
use std::collections::HashSet;

/// A list of so many chunks is worth remembering once it was walked.
const LONG_LIST: usize = 8;

/// What stays, and what goes.
pub struct Liveness {
    /// Everything that the staying snapshots reach.
    pub marks: Marks,
    /// Bytes on disk that only the leaving snapshots reach.
    pub freed_bytes: u64,
}

/// Marks everything from `staying`, then adds up what `leaving` alone reaches.
///
/// Errors: [`Kind::Damaged`] if a staying snapshot or the index cannot be read in full.
pub fn mark(
    store: &ChunkStore,
    staying: &[&SnapshotRecord],
    leaving: &[&SnapshotRecord],
    progress: &Progress,
) -> Result<Liveness> {
    progress.expect((staying.len() + leaving.len()) as u64, 0);
    let mut walk = Walk { store, progress, marks: Marks::new(store)?, walked: HashSet::new() };
    for record in staying {
        walk.snapshot(record).map_err(|e| match e.kind() {
            Kind::Damaged => e
                .at(format_args!("snapshot {}", record.id))
                .hint("mend the container first (coffer repair), or remove that snapshot as well"),
            _ => e,
        })?;
        progress.advance(1, 0);
    }
    walk.marks.flush(store)?;
    walk.marks.prove_missing(store)?;
    let marks = walk.marks.clone();
    for record in leaving {
        match walk.snapshot(record) {
            // What cannot be read of it cannot be added up; it goes all the same.
            Err(error) if error.kind() == Kind::Damaged => {}
            other => other?,
        }
        progress.advance(1, 0);
    }
    walk.marks.flush(store)?;
    if store.index_is_lost() {
        return Err(Error::damaged(format!(
            "{}: parts of the index are lost",
            store.container().base().name()
        ))
        .hint("mend the container first: coffer repair"));
    }
    Ok(Liveness { freed_bytes: walk.marks.bytes - marks.bytes, marks })
}

struct Walk<'a> {
    store: &'a ChunkStore,
    progress: &'a Progress,
    marks: Marks,
    /// First bytes of the hashes of long lists that were walked.
    walked: HashSet<u64>,
}

impl Walk<'_> {
    fn snapshot(&mut self, record: &SnapshotRecord) -> Result<()> {
        for chunk in ChunkRefs::new(self.store, &record.manifest)?.naming_lists() {
            self.marks.mark(self.store, &chunk?.id)?;
        }
        for entry in ManifestReader::new(self.store, &record.manifest)? {
            self.progress.check()?;
            entry?.kind.contents().try_for_each(|content| self.content(content))?;
        }
        Ok(())
    }

    fn content(&mut self, content: &Content) -> Result<()> {
        let list = &content.chunks;
        if list.depth == 0 && list.chunks.len() < LONG_LIST {
            return list.chunks.iter().try_for_each(|chunk| self.marks.mark(self.store, &chunk.id));
        }
        let mut head = [0; 8];
        head.copy_from_slice(&blake3::hash(&crate::codec::encode(list)).as_bytes()[..8]);
        if !self.walked.insert(u64::from_le_bytes(head)) {
            return Ok(());
        }
        let bytes = content.data_bytes().ok_or_else(|| Error::damaged("content: its holes do not fit"))?;
        for chunk in ChunkRefs::of_length(self.store, list, bytes)?.naming_lists() {
            self.marks.mark(self.store, &chunk?.id)?;
        }
        Ok(())
    }
}
