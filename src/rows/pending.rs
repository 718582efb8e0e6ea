//! The rows of a group while it is written (`format-spec/rows.md`, Groups). It promises that each small
//! cell is kept once, where its row's hash reads it, and is copied again only into the group.

use super::group::{NUMBERS, PLAIN};
use super::numbers::Plan;
use super::varint;

/// What stands for a cell before its bytes: nothing, bytes in the group, bytes among the values.
/// Cells have at most 2^30 bytes.
#[inline]
pub(super) fn marker(bytes: usize, is_large: bool) -> u32 {
    1 + (bytes as u32) * 2 + u32::from(is_large)
}

/// Bytes of the number before a cell of this marker.
#[inline]
fn number_bytes(marker: u32) -> usize {
    match marker {
        0 => 1,
        _ => varint::length(u64::from((marker - 1) / 2) + 1),
    }
}

/// Rows one behind the other.
#[derive(Default)]
pub(super) struct PendingRows {
    /// Canonical bytes without those of large cells.
    bytes: Vec<u8>,
    /// A marker for each cell, row by row.
    markers: Vec<u32>,
    /// Where each row begins; while the columns are written, where its next cell does.
    places: Vec<usize>,
    /// Where the row begins that is not at its end.
    row_start: usize,
    column: ColumnCells,
}

impl PendingRows {
    /// The next cell is NULL.
    #[inline]
    pub fn push_null(&mut self) {
        self.bytes.push(0);
        self.markers.push(0);
    }

    /// The next cell is `cell`.
    #[inline]
    pub fn push(&mut self, cell: &[u8]) {
        varint::push(cell.len() as u64 + 1, &mut self.bytes);
        self.bytes.extend_from_slice(cell);
        self.markers.push(marker(cell.len(), false));
    }

    /// The next cell has `length` bytes, which stand elsewhere.
    pub fn push_large(&mut self, length: u64) {
        varint::push(length + 1, &mut self.bytes);
        self.markers.push(marker(length as usize, true));
    }

    /// The row is at its end.
    pub fn end_row(&mut self) {
        self.places.push(self.row_start);
        self.row_start = self.bytes.len();
    }

    /// The row that is not at its end, so far.
    #[inline]
    pub fn row(&self) -> &[u8] {
        &self.bytes[self.row_start..]
    }

    /// Number of rows that are at their end.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    /// Canonical bytes of all rows without those of large cells.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Gives back memory that a few rows do not need.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.markers.shrink_to_fit();
        self.places.shrink_to_fit();
        self.column = ColumnCells::default();
    }

    /// Appends the next column's markers and data to `out`; its form and their lengths. The columns are
    /// written in their order, `columns` of them, of which this is number `at`.
    pub fn write_column(&mut self, at: usize, columns: usize, out: &mut Vec<u8>) -> (u8, usize, usize) {
        self.column.clear();
        let markers = self.markers.iter().skip(at).step_by(columns);
        for (&marker, place) in markers.zip(&mut self.places) {
            let start = *place + number_bytes(marker);
            let bytes = if marker % 2 == 1 { (marker as usize - 1) / 2 } else { 0 };
            *place = start + bytes;
            self.column.push(marker, start, bytes);
        }
        self.column.write(&self.bytes, out)
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.markers.clear();
        self.places.clear();
        self.row_start = 0;
    }
}

/// The cells of a column.
#[derive(Default)]
struct ColumnCells {
    markers: Vec<u32>,
    /// Where the bytes of each cell stand that is neither NULL nor large, and how many.
    texts: Vec<(usize, usize)>,
    text_bytes: usize,
    /// The texts as numbers.
    numbers: Vec<i64>,
}

impl ColumnCells {
    fn clear(&mut self) {
        self.markers.clear();
        self.texts.clear();
        self.text_bytes = 0;
    }

    #[inline]
    fn push(&mut self, marker: u32, start: usize, bytes: usize) {
        self.markers.push(marker);
        if marker % 2 == 1 {
            self.texts.push((start, bytes));
            self.text_bytes += bytes;
        }
    }

    fn write(&mut self, rows: &[u8], out: &mut Vec<u8>) -> (u8, usize, usize) {
        let texts = self.texts.iter().map(|&(start, bytes)| &rows[start..start + bytes]);
        let has_large = self.markers.iter().any(|&marker| marker % 2 == 0 && marker > 0);
        let plan = match has_large {
            true => None,
            false => Plan::make(texts.clone(), self.text_bytes, &mut self.numbers),
        };
        if plan.is_some() {
            self.markers.iter_mut().for_each(|marker| *marker = (*marker).min(1));
        }
        let before = out.len();
        match self.markers.split_first() {
            Some((first, rest)) if rest.iter().all(|marker| marker == first) => {
                varint::push(u64::from(*first), out)
            }
            _ => self.markers.iter().for_each(|&marker| varint::push(u64::from(marker), out)),
        }
        let between = out.len();
        match &plan {
            Some(plan) => plan.write(&mut self.numbers, out),
            None => texts.for_each(|text| out.extend_from_slice(text)),
        }
        (if plan.is_some() { NUMBERS } else { PLAIN }, between - before, out.len() - between)
    }
}
