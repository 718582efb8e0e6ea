//! Packing chunks into segments: best fit among a few that are open, so that hardly any space is
//! lost at a segment's end and small chunks fill what large ones leave. Deterministic.

use super::super::geometry::Geometry;
use super::super::rooms::Room;
use super::super::segment::Placed;
use crate::error::{Error, Kind, Result};

/// A segment's worth of chunks, each with its offset.
pub type Bin = (Room, Vec<Placed>);

/// Bytes that the open bins of one stream may hold.
const OPEN_BYTES: usize = 16 << 20;

/// The open bins of one stream.
pub struct Bins {
    geometry: Geometry,
    open: Vec<Bin>,
    most: usize,
}

impl Bins {
    /// As many open bins as memory allows.
    pub fn several(g: &Geometry) -> Bins {
        Bins { geometry: *g, open: Vec::new(), most: (OPEN_BYTES / g.segment_bytes).clamp(1, 4) }
    }

    /// One bin, so that order is kept.
    pub fn one(g: &Geometry) -> Bins {
        Bins { most: 1, ..Bins::several(g) }
    }

    /// Adds a chunk. If no open bin has room and no more may be opened, the fullest is returned,
    /// to be written.
    pub fn put(&mut self, chunk: Placed) -> Result<Option<Bin>> {
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
    pub fn drain(&mut self) -> Vec<Placed> {
        self.open.drain(..).flat_map(|(_, objects)| objects).collect()
    }
}

/// Packs what is left over into as few segments as best fit finds.
pub fn pack(g: &Geometry, chunks: Vec<Placed>) -> Result<Vec<Bin>> {
    let mut bins: Vec<Bin> = Vec::new();
    for chunk in chunks {
        if let Err(chunk) = best_fit(&mut bins, chunk) {
            bins.push(fresh(g, chunk)?);
        }
    }
    Ok(bins)
}

fn best_fit(bins: &mut [Bin], mut chunk: Placed) -> std::result::Result<(), Placed> {
    let bytes = chunk.sealed_length();
    let fitting = bins.iter_mut().filter(|(room, _)| room.fits(bytes, 1));
    match fitting.min_by_key(|(room, _)| room.free()) {
        Some((room, objects)) => {
            chunk.offset = room.take_front(bytes);
            objects.push(chunk);
            Ok(())
        }
        None => Err(chunk),
    }
}

fn fresh(g: &Geometry, chunk: Placed) -> Result<Bin> {
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
                chunk.payload.len(),
                g.segment_bytes
            ),
        )),
    }
}
