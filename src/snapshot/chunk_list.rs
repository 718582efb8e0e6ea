//! Lists of chunks (`format-spec/manifest.md`, Chunk lists): short ones stand in their entry, long
//! ones are themselves cut into list chunks at places their content decides, so that a change
//! rewrites few of them. Reading takes the memory of one list chunk a level.

use crate::chunk_store::{ChunkStore, Writing};
use crate::codec;
use crate::crypto::ObjectKind;
use crate::entry::{ChunkList, ChunkRef};
use crate::error::{Error, Result};
use crate::limits::MAX_LIST_DEPTH;

/// Most references that stand directly in an entry.
const DIRECT: usize = 64;
/// Fewest references in a list chunk, the last aside.
const LIST_MIN: usize = 64;
/// Most references in a list chunk.
const LIST_MAX: usize = 1024;
/// Length of one encoded reference in bytes.
const REF_BYTES: usize = 36;

/// Turns references into a list, writing list chunks where they are many.
pub fn fold(mut chunks: Vec<ChunkRef>, writing: &mut Writing) -> Result<ChunkList> {
    let mut depth = 0;
    while chunks.len() > DIRECT {
        let lists: Vec<Vec<u8>> = cut(&chunks).map(encode).collect();
        let slices: Vec<&[u8]> = lists.iter().map(Vec::as_slice).collect();
        chunks = writing.put_batch(ObjectKind::List, &slices)?;
        depth += 1;
    }
    Ok(ChunkList { depth, chunks })
}

/// Groups that end behind a reference whose id's first byte is zero, one in 256.
fn cut(chunks: &[ChunkRef]) -> impl Iterator<Item = &[ChunkRef]> {
    let mut rest = chunks;
    std::iter::from_fn(move || {
        let mark = rest.iter().skip(LIST_MIN - 1).position(|c| c.id.0[0] == 0);
        let end = mark.map_or(rest.len(), |m| m + LIST_MIN).min(LIST_MAX).min(rest.len());
        let (group, after) = rest.split_at(end);
        rest = after;
        (!group.is_empty()).then_some(group)
    })
}

fn encode(chunks: &[ChunkRef]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(chunks.len() * REF_BYTES);
    chunks.iter().for_each(|chunk| codec::encode_into(chunk, &mut bytes));
    bytes
}

fn decode(bytes: &[u8]) -> Result<Vec<ChunkRef>> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(REF_BYTES) {
        return Err(Error::damaged(format!("list chunk of {} bytes", bytes.len())));
    }
    bytes.chunks_exact(REF_BYTES).map(|one| codec::decode(one, "chunk reference")).collect()
}

/// The data chunks of a list, in order, list chunks read as they are met.
pub struct ChunkRefs<'a> {
    store: &'a ChunkStore,
    levels: Vec<(u8, std::vec::IntoIter<ChunkRef>)>,
}

impl<'a> ChunkRefs<'a> {
    /// Starts reading `list`.
    pub fn new(store: &'a ChunkStore, list: &ChunkList) -> Result<ChunkRefs<'a>> {
        if list.depth > MAX_LIST_DEPTH {
            return Err(Error::damaged(format!("chunk list of depth {}", list.depth)));
        }
        Ok(ChunkRefs { store, levels: vec![(list.depth, list.chunks.clone().into_iter())] })
    }

    fn step(&mut self) -> Result<Option<ChunkRef>> {
        loop {
            let Some((depth, level)) = self.levels.last_mut() else { return Ok(None) };
            match (level.next(), *depth) {
                (None, _) => {
                    self.levels.pop();
                }
                (Some(chunk), 0) => return Ok(Some(chunk)),
                (Some(list), depth) => {
                    let chunks = decode(&self.store.get(ObjectKind::List, &list)?)?;
                    self.levels.push((depth - 1, chunks.into_iter()));
                }
            }
        }
    }
}

impl Iterator for ChunkRefs<'_> {
    type Item = Result<ChunkRef>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.levels.clear();
        }
        step.transpose()
    }
}
