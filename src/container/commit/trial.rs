//! A commit tried out on lengths alone (`format-spec/container.md`, Commit): how many segments it will
//! take, and which chunks each will hold. It promises the packing of the real commit, chunk by chunk,
//! and no fewer segments than the real one takes as long as the metadata is not longer than said.

use super::super::geometry::Geometry;
use super::super::layout::{MAP_PART_ENTRIES, PART_BYTES};
use super::super::rooms::{Room, Rooms};
use super::super::root::{CommitRoot, PartRef, SEGMENT_RECORD_BYTES, StreamRef};
use super::super::slot_map;
use super::Stream;
use super::bins::{Bins, Packed, ending, total_bytes};
use crate::crypto::SEAL_OVERHEAD;
use crate::error::Result;

/// A chunk, as far as packing is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Where it belongs: data, or metadata of which two copies are kept.
    pub stream: Stream,
    /// Length on disk in bytes.
    pub sealed_length: u32,
    /// First bytes of its id.
    pub id: u64,
}

impl Packed for Weight {
    fn sealed_bytes(&self) -> usize {
        self.sealed_length as usize
    }

    fn lay_at(&mut self, _: u32) {}
}

/// The segments that a commit would write, in the order in which slots are taken.
#[derive(Clone, Debug, Default)]
pub struct Segments {
    /// The chunks of each.
    pub chunks: Vec<Vec<Weight>>,
    /// The first that takes metadata as well.
    pub first_closing: usize,
}

/// A commit on lengths.
#[derive(Clone)]
pub struct Trial {
    geometry: Geometry,
    streams: [Bins<Weight>; 4],
    segments: Vec<Vec<Weight>>,
}

impl Trial {
    /// A commit without chunks so far.
    pub fn new(g: &Geometry) -> Trial {
        Trial { geometry: *g, streams: Bins::of_streams(g), segments: Vec::new() }
    }

    /// What [`super::Commit::put_chunk`] does.
    pub fn put_chunk(&mut self, stream: Stream, chunk: Weight) -> Result<()> {
        if let Some((_, chunks)) = self.streams[stream as usize].put(chunk)? {
            if stream == Stream::Metadata {
                self.segments.push(chunks.clone());
            }
            self.segments.push(chunks);
        }
        Ok(())
    }

    /// What [`super::Commit::close_chunks`] and everything after it does, for metadata objects of at most
    /// these sealed lengths.
    pub fn finish(mut self, estimate: usize, objects: &[usize]) -> Result<Segments> {
        let metadata = self.streams[Stream::Metadata as usize].drain();
        let data: Vec<Weight> = [Stream::Database, Stream::Attachments, Stream::MetadataCopy]
            .into_iter()
            .flat_map(|s| self.streams[s as usize].drain())
            .collect();
        let end = ending(&self.geometry, data, total_bytes(&metadata) + estimate)?;
        self.segments.extend(end.full.into_iter().map(|(_, chunks)| chunks));
        let mut closing: Vec<Vec<Weight>> = end.chosen.iter().map(|(_, chunks)| chunks.clone()).collect();
        let mut rooms = match end.chosen[..] {
            [(first, _), (second, _), ..] => Rooms::apart(&self.geometry, first, second),
            [(room, _)] => Rooms::shared(&self.geometry, room),
            [] => Rooms::shared(&self.geometry, Room::new(&self.geometry)),
        };
        for chunk in metadata {
            let spots = rooms.place(chunk.sealed_bytes());
            closing.resize(rooms.count(), Vec::new());
            spots.into_iter().for_each(|(index, _)| closing[index].push(chunk));
        }
        closing.resize(rooms.count_after(objects.iter().copied()), Vec::new());
        let first_closing = self.segments.len();
        self.segments.append(&mut closing);
        Ok(Segments { chunks: self.segments, first_closing })
    }
}

/// Bytes that the objects of an empty segment may take.
pub fn capacity(g: &Geometry) -> u64 {
    Room::new(g).free() as u64
}

/// Sealed lengths of what ends every commit: segment table, slot map, root. `root` lends what does not
/// depend on the number of slots or the length of the contents.
pub fn closing_sizes(root: &CommitRoot, slots: usize, contents: usize) -> Vec<usize> {
    let mut sizes = stream_sizes(slots * SEGMENT_RECORD_BYTES);
    let part = PartRef { length: 0, hash: [0; 32], copies: Default::default() };
    let root = CommitRoot {
        segment_table: StreamRef { bytes: 0, parts: vec![part; sizes.len()] },
        slot_map: vec![Default::default(); slot_map::part_count(slots)],
        contents: vec![0; contents],
        ..root.clone()
    };
    let map = 0..slot_map::part_count(slots);
    sizes.extend(map.map(|part| slot_map::part_bytes(part * MAP_PART_ENTRIES, slots)));
    sizes.push(crate::codec::encode(&root).len() + SEAL_OVERHEAD);
    sizes
}

/// Sealed lengths of the parts of a stream of `bytes` bytes.
pub fn stream_sizes(bytes: usize) -> Vec<usize> {
    (0..bytes).step_by(PART_BYTES).map(|at| (bytes - at).min(PART_BYTES) + SEAL_OVERHEAD).collect()
}

/// Free slots that every commit leaves, so that pruning works on a full disk: room for three commits'
/// metadata in both copies, and two segments. `metadata` are the sealed lengths of one copy.
pub fn reserve_slots(g: &Geometry, metadata: usize) -> usize {
    3 * (2 * metadata).div_ceil(Room::new(g).free()).max(1) + 2
}
