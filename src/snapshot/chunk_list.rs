//! Lists of chunks (`format-spec/manifest.md`, Chunk lists): short ones stand in their entry, long
//! ones are themselves cut into list chunks at places their content decides, so that a change
//! rewrites few of them. Reading takes the memory of one list chunk a level.

use crate::chunk_store::{ChunkStore, Writing};
use crate::codec;
use crate::crypto::ObjectKind;
use crate::entry::{ChunkList, ChunkRef};
use crate::error::{Error, Result};
use crate::limits::MAX_LIST_DEPTH;

/// Fewest references in a list chunk, the last aside.
const LIST_MIN: usize = 64;
/// Most references in a list chunk.
const LIST_MAX: usize = 1024;
/// Length of one encoded reference in bytes.
const REF_BYTES: usize = 36;

/// Builds a list from references that arrive one by one, writing list chunks where they are many,
/// so that a file of any length takes the memory of a few list chunks.
#[derive(Default)]
pub struct ListWriter {
    /// References not yet grouped, for each depth.
    levels: Vec<Vec<ChunkRef>>,
}

impl ListWriter {
    /// Adds the next reference.
    pub fn push(&mut self, chunk: ChunkRef, writing: &mut Writing) -> Result<()> {
        self.push_at(0, chunk, writing)
    }

    fn push_at(&mut self, depth: usize, chunk: ChunkRef, writing: &mut Writing) -> Result<()> {
        if self.levels.len() == depth {
            self.levels.push(Vec::new());
        }
        // A group is written once something follows it: until then the list may stay direct.
        let full = ends_group(&self.levels[depth]);
        if full {
            self.write_group(depth, writing)?;
        }
        self.levels[depth].push(chunk);
        Ok(())
    }

    fn write_group(&mut self, depth: usize, writing: &mut Writing) -> Result<()> {
        let group = encode(&std::mem::take(&mut self.levels[depth]));
        let refs = writing.put_batch(ObjectKind::List, &[&group])?;
        refs.into_iter().try_for_each(|list| self.push_at(depth + 1, list, writing))
    }

    /// Ends the list.
    pub fn finish(mut self, writing: &mut Writing) -> Result<ChunkList> {
        let mut depth = 0;
        while depth + 1 < self.levels.len() {
            self.write_group(depth, writing)?;
            depth += 1;
        }
        Ok(ChunkList { depth: depth as u8, chunks: self.levels.pop().unwrap_or_default() })
    }
}

/// Whether a group ends here: behind a reference whose id's first byte is zero, one in 256.
fn ends_group(group: &[ChunkRef]) -> bool {
    group.len() >= LIST_MAX || (group.len() >= LIST_MIN && group.last().is_some_and(|c| c.id.0[0] == 0))
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

/// The references that one list chunk holds.
pub fn read_list(store: &ChunkStore, list: &ChunkRef) -> Result<Vec<ChunkRef>> {
    decode(&store.get(ObjectKind::List, list)?)
}

/// The data chunks of a list, in order, list chunks read as they are met.
pub struct ChunkRefs<'a> {
    store: &'a ChunkStore,
    left: Option<u64>,
    levels: Vec<(u8, std::vec::IntoIter<ChunkRef>)>,
    /// Whether list chunks are handed out, too, each before what it lists.
    names_lists: bool,
    /// The list chunks read since they were last asked for, if anybody asks.
    lists: Option<Vec<ChunkRef>>,
}

impl<'a> ChunkRefs<'a> {
    /// Starts reading `list`.
    pub fn new(store: &'a ChunkStore, list: &ChunkList) -> Result<ChunkRefs<'a>> {
        if list.depth > MAX_LIST_DEPTH {
            return Err(Error::damaged(format!("chunk list of depth {}", list.depth)));
        }
        let levels = vec![(list.depth, list.chunks.clone().into_iter())];
        Ok(ChunkRefs { store, left: None, levels, names_lists: false, lists: None })
    }

    /// Hands out list chunks, too, each before what it lists: everything that keeps the list readable.
    pub fn naming_lists(self) -> ChunkRefs<'a> {
        ChunkRefs { names_lists: true, ..self }
    }

    /// The same for a list whose chunks must hold exactly `bytes` bytes: lists that name each other
    /// over and over stand for any number of chunks.
    pub fn of_length(store: &'a ChunkStore, list: &ChunkList, bytes: u64) -> Result<ChunkRefs<'a>> {
        Ok(ChunkRefs { left: Some(bytes), ..ChunkRefs::new(store, list)? })
    }

    /// Begins to remember the list chunks that are read, for [`ChunkRefs::take_lists`].
    pub fn remember_lists(mut self) -> ChunkRefs<'a> {
        self.lists = Some(Vec::new());
        self
    }

    /// The list chunks read since the last call.
    pub fn take_lists(&mut self) -> Vec<ChunkRef> {
        self.lists.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Counts a chunk; an empty one is never written, and without bytes a list would never end.
    fn count(&mut self, chunk: ChunkRef) -> Result<Option<ChunkRef>> {
        let length = u64::from(chunk.length);
        if let Some(left) = &mut self.left {
            match left.checked_sub(length) {
                Some(less) => *left = less,
                None => return Err(Error::damaged("chunk list: longer than stated")),
            }
        }
        match length {
            0 => Err(Error::damaged("chunk list: an empty chunk")),
            _ => Ok(Some(chunk)),
        }
    }

    fn end(&self) -> Result<Option<ChunkRef>> {
        match self.left.unwrap_or(0) {
            0 => Ok(None),
            left => Err(Error::damaged(format!("chunk list: {left} bytes shorter than stated"))),
        }
    }

    fn step(&mut self) -> Result<Option<ChunkRef>> {
        loop {
            let Some((depth, level)) = self.levels.last_mut() else { return self.end() };
            match (level.next(), *depth) {
                (None, _) => {
                    self.levels.pop();
                }
                (Some(chunk), 0) => return self.count(chunk),
                (Some(list), depth) => {
                    let chunks = read_list(self.store, &list)?;
                    self.lists.iter_mut().for_each(|lists| lists.push(list));
                    self.levels.push((depth - 1, chunks.into_iter()));
                    if self.names_lists {
                        return Ok(Some(list));
                    }
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
            self.left = None;
        }
        step.transpose()
    }
}
