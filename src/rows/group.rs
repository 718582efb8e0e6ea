//! A group of rows, column by column (`format-spec/rows.md`, Groups). It promises that a parsed group
//! holds exactly the rows it states: every length is checked before a cell is handed out.

use super::{GROUP_TAG, MAX_CELL_BYTES, MAX_COLUMNS, MAX_GROUP_ROWS, varint};
use crate::error::{Error, Result};
use std::ops::Range;

/// Tag, number of rows, number of columns.
const HEAD_BYTES: usize = 1 + 4 + 2;
/// Lengths of a column's two sections.
const COLUMN_BYTES: usize = 4 + 4;

/// What stands for a cell before its bytes: nothing, bytes in the group, bytes among the values.
pub(super) fn marker(cell: Option<usize>, is_large: bool) -> u64 {
    match cell {
        None => 0,
        Some(bytes) => 1 + (bytes as u64) * 2 + u64::from(is_large),
    }
}

/// A column while a group is written.
#[derive(Default)]
pub(super) struct ColumnBuffer {
    pub markers: Vec<u8>,
    pub data: Vec<u8>,
    /// The marker that all rows so far share.
    shared: Option<u64>,
    differs: bool,
}

impl ColumnBuffer {
    #[inline]
    pub fn push(&mut self, marker: u64, bytes: &[u8]) {
        match self.shared {
            Some(shared) => self.differs |= shared != marker,
            None => self.shared = Some(marker),
        }
        varint::push(marker, &mut self.markers);
        self.data.extend_from_slice(bytes);
    }

    fn shorten(&mut self) {
        if let (Some(shared), false) = (self.shared, self.differs) {
            self.markers.clear();
            varint::push(shared, &mut self.markers);
        }
    }

    fn clear(&mut self) {
        self.markers.clear();
        self.data.clear();
        self.shared = None;
        self.differs = false;
    }
}

/// The bytes of a group; the columns are empty afterwards.
pub(super) fn encode(rows: u32, columns: &mut [ColumnBuffer], out: &mut Vec<u8>) {
    out.clear();
    out.push(GROUP_TAG);
    out.extend_from_slice(&rows.to_le_bytes());
    out.extend_from_slice(&(columns.len() as u16).to_le_bytes());
    for column in columns.iter_mut() {
        column.shorten();
        out.extend_from_slice(&(column.markers.len() as u32).to_le_bytes());
        out.extend_from_slice(&(column.data.len() as u32).to_le_bytes());
    }
    for column in columns {
        out.extend_from_slice(&column.markers);
        out.extend_from_slice(&column.data);
        column.clear();
    }
}

/// A cell of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// NULL.
    Null,
    /// Bytes of the group.
    Inline(Range<usize>),
    /// The next so many bytes of the values before the group.
    Large(u64),
}

/// Where a column stands in the group's bytes.
#[derive(Clone, Debug)]
struct Column {
    markers: Range<usize>,
    data: Range<usize>,
    is_shared: bool,
}

/// A parsed group.
pub struct Group {
    bytes: Vec<u8>,
    columns: Vec<Column>,
    rows: u32,
    given: u32,
    large_bytes: u64,
}

impl Group {
    /// Parses a chunk that begins with [`GROUP_TAG`].
    ///
    /// Errors: [`crate::error::Kind::Damaged`] unless every byte of it is accounted for.
    pub fn parse(bytes: Vec<u8>) -> Result<Group> {
        let malformed = || Error::damaged("row group: malformed");
        let (rows, columns) = head(&bytes).ok_or_else(malformed)?;
        let mut group = Group { bytes, columns, rows, given: 0, large_bytes: 0 };
        let mut large = 0u64;
        for number in 0..group.columns.len() {
            let bytes = group.check(number).ok_or_else(malformed)?;
            large = large.checked_add(bytes).ok_or_else(malformed)?;
        }
        group.large_bytes = large;
        Ok(group)
    }

    /// Rows of the group.
    pub fn row_count(&self) -> u32 {
        self.rows
    }

    /// Cells of a row.
    pub fn column_count(&self) -> usize {
        self.columns.len()
    }

    /// Bytes of large values that stand before the group.
    pub fn large_bytes(&self) -> u64 {
        self.large_bytes
    }

    /// The group's bytes, which [`Cell::Inline`] points into.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The cells of the next row into `cells`; false at the end.
    pub fn next_row(&mut self, cells: &mut Vec<Cell>) -> bool {
        cells.clear();
        if self.given == self.rows {
            return false;
        }
        self.given += 1;
        for column in &mut self.columns {
            // Parsing has walked all markers: they are well-formed and the data suffice.
            let (marker, used) = varint::read(&self.bytes[column.markers.clone()]).unwrap_or((0, 0));
            if !column.is_shared {
                column.markers.start += used;
            }
            cells.push(cell_of(marker, &mut column.data));
        }
        true
    }

    /// Walks a column; bytes of its large values.
    fn check(&self, number: usize) -> Option<u64> {
        let column = &self.columns[number];
        let mut markers = &self.bytes[column.markers.clone()];
        let (mut inline, mut large) = (0u64, 0u64);
        let mut count = |marker: u64, times: u64| {
            let bytes = marker.saturating_sub(1) / 2;
            if bytes > MAX_CELL_BYTES {
                return None;
            }
            let is_large = marker > 0 && (marker - 1) % 2 == 1;
            let sum = if is_large { &mut large } else { &mut inline };
            *sum = sum.checked_add(bytes.checked_mul(times)?)?;
            Some(())
        };
        if column.is_shared {
            let (marker, used) = varint::read(markers)?;
            markers = &markers[used..];
            count(marker, u64::from(self.rows))?;
        } else {
            for _ in 0..self.rows {
                let (marker, used) = varint::read(markers)?;
                markers = &markers[used..];
                count(marker, 1)?;
            }
        }
        (markers.is_empty() && inline == column.data.len() as u64).then_some(large)
    }
}

fn cell_of(marker: u64, data: &mut Range<usize>) -> Cell {
    if marker == 0 {
        return Cell::Null;
    }
    let bytes = (marker - 1) / 2;
    match (marker - 1) % 2 {
        1 => Cell::Large(bytes),
        _ => {
            let start = data.start;
            data.start = start.saturating_add(bytes as usize).min(data.end);
            Cell::Inline(start..data.start)
        }
    }
}

/// Number of rows, and where the columns stand.
fn head(bytes: &[u8]) -> Option<(u32, Vec<Column>)> {
    let (&[tag, r0, r1, r2, r3, c0, c1], rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let rows = u32::from_le_bytes([r0, r1, r2, r3]);
    let count = usize::from(u16::from_le_bytes([c0, c1]));
    if tag != GROUP_TAG || rows == 0 || rows > MAX_GROUP_ROWS || count == 0 || count > MAX_COLUMNS {
        return None;
    }
    let lengths = rest.get(..count * COLUMN_BYTES)?;
    let mut at = HEAD_BYTES + lengths.len();
    let mut take = |length: &[u8]| {
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let range = at..at.checked_add(length).filter(|&end| end <= bytes.len())?;
        at = range.end;
        Some(range)
    };
    let mut columns = Vec::with_capacity(count);
    for pair in lengths.chunks_exact(COLUMN_BYTES) {
        let (markers, data) = (take(&pair[..4])?, take(&pair[4..])?);
        let is_shared = rows > 1 && is_one_number(&bytes[markers.clone()]);
        columns.push(Column { markers, data, is_shared });
    }
    (at == bytes.len()).then_some((rows, columns))
}

fn is_one_number(markers: &[u8]) -> bool {
    varint::read(markers).is_some_and(|(_, used)| used == markers.len())
}
