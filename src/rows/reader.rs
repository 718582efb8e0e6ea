//! Chunks in, rows out. It promises memory for one group with its values, and an error for every
//! stream that does not end behind a whole group.

use super::group::{Cell, Group};
use super::{GROUP_TAG, GROUP_VALUE_BYTES, MAX_CELL_BYTES, VALUE_TAG};
use crate::error::{Error, Result};

/// Reads rows from chunks.
pub struct RowReader<I> {
    chunks: I,
    columns: usize,
    group: Option<Group>,
    /// The values before the group, joined, and how far they are given out.
    values: Vec<u8>,
    value_at: usize,
    cells: Vec<Cell>,
    /// Where the large cells of the current row begin in `values`.
    starts: Vec<usize>,
    canonical: Vec<u8>,
}

/// A row: borrowed until the next is read.
pub struct Row<'a> {
    group: &'a [u8],
    values: &'a [u8],
    cells: &'a [Cell],
    starts: &'a [usize],
}

impl<'a> Row<'a> {
    /// The cells, in the order of the table's columns; `None`: NULL.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Option<&'a [u8]>> {
        let (group, values, cells) = (self.group, self.values, self.cells);
        let mut starts = self.starts.iter();
        cells.iter().map(move |cell| match cell {
            Cell::Null => None,
            Cell::Inline(range) => group.get(range.clone()),
            Cell::Large(bytes) => {
                let start = starts.next().copied().unwrap_or(0);
                values.get(start..start.saturating_add(*bytes as usize))
            }
        })
    }
}

impl<I: Iterator<Item = Result<Vec<u8>>>> RowReader<I> {
    /// Reads rows of `columns` cells from a table's chunks.
    pub fn new(chunks: I, columns: usize) -> RowReader<I> {
        RowReader {
            chunks,
            columns,
            group: None,
            values: Vec::new(),
            value_at: 0,
            cells: Vec::new(),
            starts: Vec::new(),
            canonical: Vec::new(),
        }
    }

    /// The next row; `None` at the end.
    ///
    /// Errors: those of the chunks, and [`crate::error::Kind::Damaged`].
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        loop {
            if let Some(group) = &mut self.group
                && group.next_row(&mut self.cells)
            {
                break;
            }
            if !self.next_group()? {
                return Ok(None);
            }
        }
        self.starts.clear();
        for cell in &self.cells {
            if let Cell::Large(bytes) = cell {
                self.starts.push(self.value_at);
                self.value_at = self.value_at.saturating_add(*bytes as usize);
            }
        }
        Ok(Some(self.row()))
    }

    /// The row that was read last.
    pub fn row(&self) -> Row<'_> {
        let group = self.group.as_ref().map_or(&[][..], Group::bytes);
        Row { group, values: &self.values, cells: &self.cells, starts: &self.starts }
    }

    /// The hash of the row that was read last, as its table's checksum sums it up.
    pub fn row_hash(&mut self) -> u128 {
        let mut canonical = std::mem::take(&mut self.canonical);
        let hash = super::row_hash(self.row().cells(), &mut canonical);
        self.canonical = canonical;
        hash
    }

    fn next_group(&mut self) -> Result<bool> {
        self.values.clear();
        self.value_at = 0;
        for chunk in self.chunks.by_ref() {
            let chunk = chunk?;
            match chunk.first() {
                Some(&VALUE_TAG) => self.values.extend_from_slice(&chunk[1..]),
                Some(&GROUP_TAG) => {
                    let group = Group::parse(chunk)?;
                    if group.column_count() != self.columns || group.large_bytes() != self.values.len() as u64
                    {
                        return Err(Error::damaged("row group: does not fit its table or its values"));
                    }
                    self.group = Some(group);
                    return Ok(true);
                }
                _ => return Err(Error::damaged("rows: a chunk that is neither group nor value")),
            }
            if self.values.len() as u64 > MAX_CELL_BYTES + 2 * GROUP_VALUE_BYTES {
                return Err(Error::damaged("rows: values without end"));
            }
        }
        match self.values.is_empty() {
            true => Ok(false),
            false => Err(Error::damaged("rows: values without a group")),
        }
    }
}
