//! What one operation changes, in whole sectors, so that a crash can keep, lose or tear it. It
//! promises that every subset of the sectors of a list of changes, applied in order, is a state
//! that a page cache could have written: a sector always carries everything that was in it.

use super::image::Image;
use super::random::Random;
use std::sync::Arc;

/// Bytes that a disk writes whole or not at all.
pub(super) const SECTOR_BYTES: u64 = 512;

/// One operation's effect on content, and the length after it.
pub(super) struct Change {
    pieces: Vec<Piece>,
    /// The file's length after the operation.
    pub(super) len: u64,
}

/// A run of whole sectors and what they become.
struct Piece {
    offset: u64,
    length: u64,
    content: Content,
}

enum Content {
    Bytes(Arc<[u8]>),
    Zeros,
    /// Pages without new bytes.
    Room,
}

/// What of a change survives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Lost,
    Torn,
}

impl Change {
    /// A change of the length alone.
    pub(super) fn length(cache: &Image) -> Self {
        Change { pieces: Vec::new(), len: cache.len }
    }

    /// Bytes that were just written to `cache`.
    pub(super) fn written(cache: &Image, offset: u64, length: u64) -> Self {
        let mut change = Change::length(cache);
        change.copy(cache, round_down(offset), round_up(offset + length));
        change
    }

    /// A range that was just cleared in `cache`.
    pub(super) fn cleared(cache: &Image, offset: u64, length: u64) -> Self {
        let mut change = Change::length(cache);
        let (from, to) = (round_up(offset), round_down(offset + length));
        if from > to {
            change.copy(cache, to, from);
            return change;
        }
        // The sectors at both ends keep bytes outside the range; the whole ones are zeros.
        change.copy(cache, round_down(offset), from);
        change.push(from, to - from, Content::Zeros);
        change.copy(cache, to, round_up(offset + length));
        change
    }

    /// A range that was just given pages in `cache`.
    pub(super) fn allocated(cache: &Image, offset: u64, length: u64) -> Self {
        let mut change = Change::length(cache);
        change.push(offset, length, Content::Room);
        change
    }

    /// Applies what survives to the content of `image`; the length stays.
    pub(super) fn apply(&self, image: &mut Image, fate: Fate, random: &mut Random) {
        match fate {
            Fate::Lost => {}
            Fate::Kept => self.apply_content(image),
            Fate::Torn => self.pieces.iter().for_each(|piece| piece.tear(image, random)),
        }
    }

    /// Applies all of it to the content of `image`; the length stays.
    pub(super) fn apply_content(&self, image: &mut Image) {
        self.pieces.iter().for_each(|piece| piece.apply(image, 0, piece.length));
    }

    fn copy(&mut self, cache: &Image, from: u64, to: u64) {
        let mut bytes = vec![0; (to - from) as usize];
        cache.read(from, &mut bytes);
        self.push(from, to - from, Content::Bytes(bytes.into()));
    }

    fn push(&mut self, offset: u64, length: u64, content: Content) {
        if length > 0 {
            self.pieces.push(Piece { offset, length, content });
        }
    }
}

impl Piece {
    /// Applies the part of the piece from `start` on, `length` bytes.
    fn apply(&self, image: &mut Image, start: u64, length: u64) {
        match &self.content {
            Content::Bytes(bytes) => {
                image.write(self.offset + start, &bytes[start as usize..(start + length) as usize]);
            }
            Content::Zeros => image.clear(self.offset + start, length),
            Content::Room => image.allocate(self.offset + start, length),
        }
    }

    /// Applies the first sectors, the last ones, or each by the toss of a coin.
    fn tear(&self, image: &mut Image, random: &mut Random) {
        let sectors = self.length / SECTOR_BYTES;
        let cut = random.below(sectors + 1) * SECTOR_BYTES;
        match random.below(3) {
            0 => self.apply(image, 0, cut),
            1 => self.apply(image, cut, self.length - cut),
            // A hole may be larger than anybody can toss coins for, and tears in larger units.
            _ if matches!(self.content, Content::Zeros | Content::Room) => self.apply(image, 0, cut),
            _ => (0..sectors).filter(|_| random.coin()).collect::<Vec<_>>().into_iter().for_each(|sector| {
                self.apply(image, sector * SECTOR_BYTES, SECTOR_BYTES);
            }),
        }
    }
}

fn round_down(offset: u64) -> u64 {
    offset / SECTOR_BYTES * SECTOR_BYTES
}

fn round_up(offset: u64) -> u64 {
    offset.div_ceil(SECTOR_BYTES) * SECTOR_BYTES
}
