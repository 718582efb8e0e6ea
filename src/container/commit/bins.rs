//! Packing chunks into segments: best fit among a few that are open, so that hardly any space is
//! lost at a segment's end and small chunks fill what large ones leave. Deterministic, and the same
//! for chunks and for mere lengths, so that a packing can be tried out before anything is written.

use super::super::geometry::Geometry;
use super::super::rooms::Room;
use super::super::segment::Placed;
use crate::error::{Error, Kind, Result};

/// What can be packed.
pub trait Packed {
    /// Length on disk in bytes.
    fn sealed_bytes(&self) -> usize;
    /// Takes its offset in the segment.
    fn lay_at(&mut self, offset: u32);
}

impl Packed for Placed {
    fn sealed_bytes(&self) -> usize {
        self.sealed_length()
    }

    fn lay_at(&mut self, offset: u32) {
        self.offset = offset;
    }
}

/// A segment's worth of chunks, each with its offset.
pub type Bin<T> = (Room, Vec<T>);

/// Bytes that the open bins of one stream may hold.
const OPEN_BYTES: usize = 16 << 20;

/// The open bins of one stream.
#[derive(Clone)]
pub struct Bins<T> {
    geometry: Geometry,
    open: Vec<Bin<T>>,
    most: usize,
}

impl<T: Packed> Bins<T> {
    /// As many open bins as memory allows.
    pub fn several(g: &Geometry) -> Bins<T> {
        Bins { geometry: *g, open: Vec::new(), most: (OPEN_BYTES / g.segment_bytes).clamp(1, 4) }
    }

    /// One bin, so that order is kept.
    pub fn one(g: &Geometry) -> Bins<T> {
        Bins { most: 1, ..Bins::several(g) }
    }

    /// The bins of a commit, one set a stream, in the order of [`super::Stream`].
    pub fn of_streams(g: &Geometry) -> [Bins<T>; 4] {
        [Bins::several(g), Bins::several(g), Bins::one(g), Bins::one(g)]
    }

    /// Adds a chunk. If no open bin has room and no more may be opened, the fullest is returned,
    /// to be written.
    pub fn put(&mut self, chunk: T) -> Result<Option<Bin<T>>> {
        let Err(chunk) = best_fit(&mut self.open, chunk) else { return Ok(None) };
        let full = match self.open.len() < self.most {
            true => None,
            false => {
                let fullest = (0..self.open.len()).min_by_key(|&i| self.open[i].0.free()).unwrap_or(0);
                Some(self.open.remove(fullest))
            }
        };
        self.open.push(fresh(&self.geometry, chunk)?);
        Ok(full)
    }

    /// Takes all that is pending, in order of arrival within each bin.
    pub fn drain(&mut self) -> Vec<T> {
        self.open.drain(..).flat_map(|(_, objects)| objects).collect()
    }
}

/// How what is left of the streams ends: segments that are full enough, and the one or two that take
/// the metadata.
pub struct Ending<T> {
    /// To be written as they are, in this order.
    pub full: Vec<Bin<T>>,
    /// One for both copies of the metadata, or one for each.
    pub chosen: Vec<Bin<T>>,
}

/// Decides the end of a commit from what its streams still hold. `metadata` bytes are to come, one copy.
pub fn ending<T: Packed>(g: &Geometry, data: Vec<T>, metadata: usize) -> Result<Ending<T>> {
    let need = total_bytes(&data) + 2 * metadata;
    let mut rooms = pack(g, data)?;
    let shared = rooms.len() <= 1 && need <= Room::new(g).free();
    // The emptiest rooms take the metadata; the rest are full enough.
    rooms.sort_by_key(|(room, _)| room.free());
    let mut pick = || rooms.pop().unwrap_or_else(|| (Room::new(g), Vec::new()));
    let chosen = if shared { vec![pick()] } else { vec![pick(), pick()] };
    Ok(Ending { full: rooms, chosen })
}

/// Bytes that `objects` take in segments, with their lines in the directories.
pub fn total_bytes<T: Packed>(objects: &[T]) -> usize {
    objects.iter().map(|o| o.sealed_bytes() + super::DIRECTORY_ENTRY_BYTES).sum()
}

/// Packs what is left over into as few segments as best fit finds.
fn pack<T: Packed>(g: &Geometry, chunks: Vec<T>) -> Result<Vec<Bin<T>>> {
    let mut bins: Vec<Bin<T>> = Vec::new();
    for chunk in chunks {
        if let Err(chunk) = best_fit(&mut bins, chunk) {
            bins.push(fresh(g, chunk)?);
        }
    }
    Ok(bins)
}

fn best_fit<T: Packed>(bins: &mut [Bin<T>], mut chunk: T) -> std::result::Result<(), T> {
    let bytes = chunk.sealed_bytes();
    let fitting = bins.iter_mut().filter(|(room, _)| room.fits(bytes, 1));
    match fitting.min_by_key(|(room, _)| room.free()) {
        Some((room, objects)) => {
            chunk.lay_at(room.take_front(bytes));
            objects.push(chunk);
            Ok(())
        }
        None => Err(chunk),
    }
}

fn fresh<T: Packed>(g: &Geometry, chunk: T) -> Result<Bin<T>> {
    let mut bin = [(Room::new(g), Vec::new())];
    match best_fit(&mut bin, chunk) {
        Ok(()) => {
            let [bin] = bin;
            Ok(bin)
        }
        Err(chunk) => Err(Error::new(
            Kind::Failed,
            format!(
                "chunk of {} bytes does not fit in a segment of {}",
                chunk.sealed_bytes(),
                g.segment_bytes
            ),
        )),
    }
}
