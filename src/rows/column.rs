//! A column of a group while it is written (`format-spec/rows.md`, Groups).

use super::group::{NUMBERS, PLAIN};
use super::{numbers, varint};

/// What stands for a cell before its bytes: nothing, bytes in the group, bytes among the values.
/// Cells have at most 2^30 bytes.
#[inline]
pub(super) fn marker(bytes: usize, is_large: bool) -> u32 {
    1 + (bytes as u32) * 2 + u32::from(is_large)
}

/// Bytes of a cell's value in the column's data.
#[inline]
fn inline_bytes(marker: u32) -> usize {
    match marker % 2 {
        1 => (marker as usize - 1) / 2,
        _ => 0,
    }
}

/// The cells of a column.
#[derive(Default)]
pub(super) struct ColumnBuffer {
    markers: Vec<u32>,
    data: Vec<u8>,
}

impl ColumnBuffer {
    /// The next cell: its marker, 0 for NULL, and the bytes that stand in the group.
    #[inline]
    pub fn push(&mut self, marker: u32, bytes: &[u8]) {
        self.markers.push(marker);
        self.data.extend_from_slice(bytes);
    }

    /// Gives back memory that a few rows do not need.
    pub fn shrink(&mut self) {
        self.markers.shrink_to_fit();
        self.data.shrink_to_fit();
    }

    /// Appends markers and data to `out` and empties the column; its form and their lengths.
    pub fn encode(&mut self, scratch: &mut Vec<i64>, out: &mut Vec<u8>) -> (u8, usize, usize) {
        let (form, data) = match self.as_numbers(scratch) {
            Some(data) => (NUMBERS, Some(data)),
            None => (PLAIN, None),
        };
        let before = out.len();
        if let Some(&first) = self.markers.first() {
            let written = |marker: u32| match form {
                NUMBERS => u64::from(marker.min(1)),
                _ => u64::from(marker),
            };
            match self.markers.iter().all(|&marker| written(marker) == written(first)) {
                true => varint::push(written(first), out),
                false => self.markers.iter().for_each(|&marker| varint::push(written(marker), out)),
            }
        }
        let markers = out.len() - before;
        out.extend_from_slice(data.as_deref().unwrap_or(&self.data));
        let lengths = (form, markers, out.len() - before - markers);
        self.markers.clear();
        self.data.clear();
        lengths
    }

    fn as_numbers(&self, scratch: &mut Vec<i64>) -> Option<Vec<u8>> {
        if self.markers.iter().any(|marker| marker % 2 == 0 && *marker > 0) {
            return None;
        }
        let mut rest = &self.data[..];
        let texts = self.markers.iter().filter(|&&marker| marker > 0).map(|&marker| {
            let (text, behind) = rest.split_at(inline_bytes(marker));
            rest = behind;
            text
        });
        numbers::encode(texts, self.data.len(), scratch)
    }
}
