//! The bytes of one file or dump: from the container into a file, and a file held against what the
//! snapshot says. It promises that every chunk is proven by its id before it is written.

use crate::attachments::write::FileWriter;
use crate::chunk_store::ChunkStore;
use crate::crypto::ObjectKind;
use crate::entry::{ChunkRef, Content, Entry, EntryKind};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::snapshot::ChunkRefs;
use rayon::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Chunks fetched side by side for one file.
const GROUP: usize = 256;

/// The kind of chunk that an entry's content is made of.
pub fn chunk_kind(entry: &Entry) -> ObjectKind {
    match entry.kind {
        EntryKind::Dump(_) | EntryKind::Table(_) => ObjectKind::Database,
        _ => ObjectKind::Attachment,
    }
}

/// A stretch of file bytes that is not a hole: position among the data, position in the file, length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    data: u64,
    offset: u64,
    length: u64,
}

/// Where the data of a content lie in the file.
struct Layout(Vec<Stretch>);

impl Layout {
    /// The complement of the holes, which the manifest reader has checked.
    fn of(content: &Content) -> Layout {
        let (mut stretches, mut offset, mut data) = (Vec::new(), 0, 0);
        let end = crate::entry::Extent { offset: content.size, length: 0 };
        for hole in content.holes.iter().chain(std::iter::once(&end)) {
            let length = hole.offset.saturating_sub(offset);
            if length > 0 {
                stretches.push(Stretch { data, offset, length });
                data += length;
            }
            offset = hole.offset.saturating_add(hole.length);
        }
        Layout(stretches)
    }

    /// The pieces of the file that `length` data bytes from `data` on fill: offset and range in them.
    fn pieces(&self, data: u64, length: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> + '_ {
        let end = data + length as u64;
        let first = self.0.partition_point(|s| s.data + s.length <= data);
        self.0[first..].iter().take_while(move |s| s.data < end).map(move |s| {
            let (from, to) = (data.max(s.data), end.min(s.data + s.length));
            (s.offset + (from - s.data), (from - data) as usize..(to - data) as usize)
        })
    }
}

/// Groups of chunks with the data position of each group's first.
fn groups<'a>(
    store: &'a ChunkStore,
    content: &Content,
) -> Result<impl Iterator<Item = Result<Vec<(u64, ChunkRef)>>> + use<'a>> {
    let total = content.data_bytes().ok_or_else(|| Error::damaged("holes do not fit"))?;
    let mut chunks = ChunkRefs::of_length(store, &content.chunks, total)?;
    let mut data = 0u64;
    let mut done = false;
    Ok(std::iter::from_fn(move || {
        let mut group = Vec::new();
        while group.len() < GROUP && !done {
            match chunks.next() {
                Some(Err(error)) => {
                    done = true;
                    return Some(Err(error));
                }
                Some(Ok(chunk)) => {
                    group.push((data, chunk));
                    data = data.saturating_add(u64::from(chunk.length));
                }
                None => {
                    done = true;
                    if data != total {
                        return Some(Err(Error::damaged(format!(
                            "chunks hold {data} bytes, expected {total}"
                        ))));
                    }
                }
            }
        }
        (!group.is_empty()).then_some(Ok(group))
    }))
}

/// Writes the content of `entry`. Chunks are fetched in parallel by the current thread pool.
pub fn write(
    store: &ChunkStore,
    entry: &Entry,
    content: &Content,
    writer: &FileWriter,
    progress: &Progress,
) -> Result<()> {
    let kind = chunk_kind(entry);
    let layout = Layout::of(content);
    let one = |(data, chunk): (u64, ChunkRef)| {
        let bytes = store.get(kind, &chunk)?;
        for (offset, range) in layout.pieces(data, bytes.len()) {
            writer.write_at(offset, &bytes[range])?;
        }
        progress.advance(0, bytes.len() as u64);
        Ok(())
    };
    for group in groups(store, content)? {
        progress.check()?;
        let group = group?;
        match group.len() {
            1..=2 => group.into_iter().try_for_each(one)?,
            _ => group.into_par_iter().try_for_each(one)?,
        }
    }
    Ok(())
}

/// Whether `file` holds exactly the content of `entry`: computes the ids of its bytes, so nothing is
/// read from the container but lists.
pub fn matches(
    store: &ChunkStore,
    entry: &Entry,
    content: &Content,
    file: &File,
    progress: &Progress,
) -> Result<bool> {
    if file.metadata().map(|m| m.len()).ok() != Some(content.size) {
        return Ok(false);
    }
    let kind = chunk_kind(entry);
    let layout = Layout::of(content);
    let keyring = store.container().base().keyring();
    let one = |(data, chunk): &(u64, ChunkRef)| {
        let mut bytes = vec![0; chunk.length as usize];
        for (offset, range) in layout.pieces(*data, bytes.len()) {
            if file.read_exact_at(&mut bytes[range], offset).is_err() {
                return false;
            }
        }
        progress.advance(0, bytes.len() as u64);
        keyring.chunk_id(kind, &bytes) == chunk.id
    };
    for group in groups(store, content)? {
        progress.check()?;
        if !group?.par_iter().all(one) {
            return Ok(false);
        }
    }
    holes_are_zero(content, file)
}

fn holes_are_zero(content: &Content, file: &File) -> Result<bool> {
    let mut buffer = vec![0; 1 << 20];
    for hole in &content.holes {
        // A hole that is still a hole need not be read.
        let data = rustix::fs::seek(file, rustix::fs::SeekFrom::Data(hole.offset));
        let mut at = match data {
            Ok(at) => at.max(hole.offset),
            Err(rustix::io::Errno::NXIO) => continue,
            Err(_) => hole.offset,
        };
        while at < hole.offset + hole.length {
            let length = (hole.offset + hole.length - at).min(buffer.len() as u64) as usize;
            if file.read_exact_at(&mut buffer[..length], at).is_err()
                || buffer[..length].iter().any(|&b| b != 0)
            {
                return Ok(false);
            }
            at += length as u64;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Extent;

    #[test]
    fn data_go_around_holes() {
        let holes = vec![Extent { offset: 0, length: 10 }, Extent { offset: 15, length: 5 }];
        let layout = Layout::of(&Content { size: 30, holes, ..Content::default() });
        let all: Vec<_> = layout.pieces(0, 15).collect();
        assert_eq!(all, [(10, 0..5), (20, 5..15)]);
        assert_eq!(layout.pieces(4, 3).collect::<Vec<_>>(), [(14, 0..1), (20, 1..3)]);
    }
}
