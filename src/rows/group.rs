//! A group of rows, column by column (`format-spec/rows.md`, Groups). It promises that a parsed group
//! holds exactly the rows it states: every length is checked before a cell is handed out.

use super::numbers::Numbers;
use super::pending::PendingRows;
use super::{GROUP_TAG, MAX_CELL_BYTES, MAX_COLUMNS, MAX_GROUP_ROWS, varint};
use crate::error::{Error, Result};
use std::ops::Range;

/// Tag, number of rows, number of columns.
const HEAD_BYTES: usize = 1 + 4 + 2;
/// Form, lengths of a column's two sections.
const COLUMN_BYTES: usize = 1 + 4 + 4;

/// A column's data are its cells' bytes.
pub(super) const PLAIN: u8 = 0;
/// A column's data are numbers.
pub(super) const NUMBERS: u8 = 1;

/// The bytes of a group of rows of `columns` cells; there are no rows afterwards.
pub(super) fn encode(rows: &mut PendingRows, columns: usize, out: &mut Vec<u8>) {
    out.clear();
    out.push(GROUP_TAG);
    out.extend_from_slice(&(rows.count() as u32).to_le_bytes());
    out.extend_from_slice(&(columns as u16).to_le_bytes());
    out.resize(HEAD_BYTES + columns * COLUMN_BYTES, 0);
    for number in 0..columns {
        let (form, markers, data) = rows.write_column(number, columns, out);
        let head = &mut out[HEAD_BYTES + number * COLUMN_BYTES..][..COLUMN_BYTES];
        head[0] = form;
        head[1..5].copy_from_slice(&(markers as u32).to_le_bytes());
        head[5..9].copy_from_slice(&(data as u32).to_le_bytes());
    }
    rows.clear();
}

/// A cell of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// NULL.
    Null,
    /// Bytes of the group.
    Inline(Range<usize>),
    /// Bytes of the row's text, which numbers are written into.
    Text(Range<usize>),
    /// The next so many bytes of the values before the group.
    Large(u64),
}

/// Where a column stands in the group's bytes.
#[derive(Clone, Debug)]
struct Column {
    markers: Range<usize>,
    data: Range<usize>,
    is_shared: bool,
    form: u8,
    numbers: Option<Numbers>,
}

/// A parsed group.
pub(super) struct Group {
    bytes: Vec<u8>,
    columns: Vec<Column>,
    rows: u32,
    large_bytes: u64,
}

/// How far a group's rows are read.
pub(super) struct Cursor {
    given: u32,
    columns: Vec<Place>,
    /// Cells of the row.
    pub cells: Vec<Cell>,
    /// What [`Cell::Text`] points into.
    pub text: Vec<u8>,
}

/// How far a column is read.
struct Place {
    marker: usize,
    /// Of bytes: where the next begins. Of numbers: how many were read.
    data: usize,
    /// The number before.
    number: i64,
}

impl Group {
    /// Parses a chunk that begins with [`GROUP_TAG`].
    ///
    /// Errors: [`crate::error::Kind::Damaged`] unless every byte of it is accounted for.
    pub fn parse(bytes: Vec<u8>) -> Result<Group> {
        let malformed = || Error::damaged("row group: malformed");
        let (rows, columns) = head(&bytes).ok_or_else(malformed)?;
        let mut group = Group { bytes, columns, rows, large_bytes: 0 };
        for number in 0..group.columns.len() {
            let large = group.check(number).ok_or_else(malformed)?;
            group.large_bytes = group.large_bytes.checked_add(large).ok_or_else(malformed)?;
        }
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

    /// A cursor before the first row.
    pub fn cursor(&self) -> Cursor {
        let place = |column: &Column| Place {
            marker: column.markers.start,
            data: if column.numbers.is_some() { 0 } else { column.data.start },
            number: column.numbers.map_or(0, |numbers| numbers.start()),
        };
        let columns = self.columns.iter().map(place).collect();
        Cursor { given: 0, columns, cells: Vec::with_capacity(self.columns.len()), text: Vec::new() }
    }

    /// Walks a column; bytes of its large values.
    fn check(&mut self, number: usize) -> Option<u64> {
        let column = &mut self.columns[number];
        let mut markers = &self.bytes[column.markers.clone()];
        let (mut inline, mut large, mut cells) = (0u64, 0u64, 0u64);
        let mut count = |marker: u64, times: u64| {
            let bytes = marker.saturating_sub(1) / 2;
            if bytes > MAX_CELL_BYTES || column.form == NUMBERS && marker > 1 {
                return None;
            }
            let is_large = marker > 0 && (marker - 1) % 2 == 1;
            let sum = if is_large { &mut large } else { &mut inline };
            *sum = sum.checked_add(bytes.checked_mul(times)?)?;
            cells += u64::from(marker > 0) * times;
            Some(())
        };
        let (steps, times) = if column.is_shared { (1, u64::from(self.rows)) } else { (self.rows, 1) };
        for _ in 0..steps {
            let (marker, used) = varint::read(markers)?;
            markers = &markers[used..];
            count(marker, times)?;
        }
        let data = &self.bytes[column.data.clone()];
        if column.form == NUMBERS {
            column.numbers = Some(Numbers::parse(data, cells as usize)?);
            return markers.is_empty().then_some(0);
        }
        (markers.is_empty() && inline == data.len() as u64).then_some(large)
    }
}

impl Cursor {
    /// Moves on to the next row of `group`, whose cursor this is; false at the end.
    pub fn next(&mut self, group: &Group) -> bool {
        if self.given == group.rows {
            return false;
        }
        self.given += 1;
        self.cells.clear();
        self.text.clear();
        for (column, place) in group.columns.iter().zip(&mut self.columns) {
            // Parsing has walked all markers: they are well-formed and the data suffice.
            let markers = group.bytes.get(place.marker..column.markers.end).unwrap_or_default();
            let (marker, used) = varint::read(markers).unwrap_or((0, 0));
            if !column.is_shared {
                place.marker += used;
            }
            self.cells.push(match (marker, &column.numbers) {
                (0, _) => Cell::Null,
                (_, Some(numbers)) => {
                    let (start, at) = (self.text.len(), place.data);
                    place.data += 1;
                    let data = &group.bytes[column.data.clone()];
                    numbers.text(data, at, &mut place.number, &mut self.text);
                    Cell::Text(start..self.text.len())
                }
                (_, None) if marker % 2 == 0 => Cell::Large((marker - 1) / 2),
                (_, None) => {
                    let start = place.data;
                    place.data = start.saturating_add((marker as usize - 1) / 2).min(column.data.end);
                    Cell::Inline(start..place.data)
                }
            });
        }
        true
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
    let heads = rest.get(..count * COLUMN_BYTES)?;
    let mut at = HEAD_BYTES + heads.len();
    let mut take = |length: &[u8]| {
        let length = u32::from_le_bytes(*length.first_chunk()?) as usize;
        let range = at..at.checked_add(length).filter(|&end| end <= bytes.len())?;
        at = range.end;
        Some(range)
    };
    let mut columns = Vec::with_capacity(count);
    for head in heads.chunks_exact(COLUMN_BYTES) {
        let (markers, data) = (take(&head[1..])?, take(&head[5..])?);
        let is_shared = rows > 1 && is_one_number(&bytes[markers.clone()]);
        let form = Some(head[0]).filter(|&form| form <= NUMBERS)?;
        columns.push(Column { markers, data, is_shared, form, numbers: None });
    }
    (at == bytes.len()).then_some((rows, columns))
}

fn is_one_number(markers: &[u8]) -> bool {
    varint::read(markers).is_some_and(|(_, used)| used == markers.len())
}
