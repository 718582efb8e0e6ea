//! Chunks in, rows out. It promises memory for one group, its patch and their values, and an error for
//! every stream that does not end behind a whole group.

use super::group::{Cell, Cursor, Group};
use super::patch::{Edit, Script};
use super::{GROUP_TAG, GROUP_VALUE_BYTES, MAX_CELL_BYTES, OUTLINE_TAG, PATCH_TAG, VALUE_TAG};
use crate::error::{Error, Result};

/// Reads rows from chunks.
pub struct RowReader<I> {
    chunks: I,
    columns: usize,
    base: Option<Part>,
    patch: Option<Patch>,
    /// Whether the row was inserted by the patch.
    is_inserted: bool,
    is_at_end: bool,
    canonical: Vec<u8>,
}

/// A group on its way.
struct Part {
    group: Group,
    cursor: Cursor,
    /// The values before the group, joined, and how far they are given out.
    values: Vec<u8>,
    value_at: usize,
    /// Where the large cells of the current row begin in `values`.
    starts: Vec<usize>,
}

/// What a group is changed by.
struct Patch {
    script: Script,
    /// The rows it inserts.
    inserted: Option<Part>,
}

/// A row: borrowed until the next is read.
pub struct Row<'a> {
    group: &'a [u8],
    text: &'a [u8],
    values: &'a [u8],
    cells: &'a [Cell],
    starts: &'a [usize],
}

impl<'a> Row<'a> {
    /// The cells, in the order of the table's columns; `None`: NULL.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = Option<&'a [u8]>> {
        let (group, text, values, cells) = (self.group, self.text, self.values, self.cells);
        let mut starts = self.starts.iter();
        cells.iter().map(move |cell| match cell {
            Cell::Null => None,
            Cell::Inline(range) => group.get(range.clone()),
            Cell::Text(range) => text.get(range.clone()),
            Cell::Large(bytes) => {
                let start = starts.next().copied().unwrap_or(0);
                values.get(start..start.saturating_add(*bytes as usize))
            }
        })
    }
}

impl Part {
    fn new(group: Group, values: Vec<u8>, columns: usize) -> Result<Part> {
        if group.column_count() != columns || group.large_bytes() != values.len() as u64 {
            return Err(Error::damaged("row group: does not fit its table or its values"));
        }
        let cursor = group.cursor();
        Ok(Part { group, cursor, values, value_at: 0, starts: Vec::new() })
    }

    /// Moves on to the next row; false at the end.
    fn next(&mut self) -> bool {
        if !self.cursor.next(&self.group) {
            return false;
        }
        self.starts.clear();
        for cell in &self.cursor.cells {
            if let Cell::Large(bytes) = cell {
                self.starts.push(self.value_at);
                self.value_at = self.value_at.saturating_add(*bytes as usize);
            }
        }
        true
    }

    fn row(&self) -> Row<'_> {
        Row {
            group: self.group.bytes(),
            text: &self.cursor.text,
            values: &self.values,
            cells: &self.cursor.cells,
            starts: &self.starts,
        }
    }
}

impl<I: Iterator<Item = Result<Vec<u8>>>> RowReader<I> {
    /// Reads rows of `columns` cells from a table's chunks.
    pub fn new(chunks: I, columns: usize) -> RowReader<I> {
        RowReader {
            chunks,
            columns,
            base: None,
            patch: None,
            is_inserted: false,
            is_at_end: false,
            canonical: Vec::new(),
        }
    }

    /// The next row; `None` at the end.
    ///
    /// Errors: those of the chunks, and [`crate::error::Kind::Damaged`].
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>> {
        while !self.step() {
            if !self.next_group()? {
                return Ok(None);
            }
        }
        Ok(Some(self.row()))
    }

    /// The row that was read last.
    pub fn row(&self) -> Row<'_> {
        let none = Row { group: &[], text: &[], values: &[], cells: &[], starts: &[] };
        self.part().map_or(none, Part::row)
    }

    /// The hash of the row that was read last, as its table's checksum sums it up.
    pub fn row_hash(&mut self) -> u128 {
        let mut canonical = std::mem::take(&mut self.canonical);
        let hash = super::row_hash(self.row().cells(), &mut canonical);
        self.canonical = canonical;
        hash
    }

    /// The part that the current row is of.
    fn part(&self) -> Option<&Part> {
        match self.is_inserted {
            true => self.patch.as_ref()?.inserted.as_ref(),
            false => self.base.as_ref(),
        }
    }

    /// Moves on to the next row of the group; false at its end.
    fn step(&mut self) -> bool {
        let Some(base) = &mut self.base else { return false };
        let Some(patch) = &mut self.patch else { return base.next() };
        loop {
            match patch.script.next_edit() {
                Some(Edit::Keep) => {
                    self.is_inserted = false;
                    return base.next();
                }
                Some(Edit::Drop) => _ = base.next(),
                Some(Edit::Insert) => {
                    self.is_inserted = true;
                    return patch.inserted.as_mut().is_some_and(Part::next);
                }
                None => return false,
            }
        }
    }

    fn next_group(&mut self) -> Result<bool> {
        (self.base, self.patch, self.is_inserted) = (None, None, false);
        let mut values = Vec::new();
        for chunk in self.chunks.by_ref() {
            let mut chunk = chunk?;
            let tag = chunk.first().copied();
            if self.is_at_end && tag != Some(OUTLINE_TAG) {
                return Err(Error::damaged("rows: chunks behind the outline"));
            }
            match tag {
                Some(VALUE_TAG) if values.is_empty() => {
                    chunk.remove(0);
                    values = chunk;
                }
                Some(VALUE_TAG) => values.extend_from_slice(&chunk[1..]),
                Some(GROUP_TAG) => {
                    let base = Part::new(Group::parse(chunk)?, values, self.columns)?;
                    if self.patch.as_ref().is_some_and(|patch| !patch.script.fits(base.group.row_count())) {
                        return Err(Error::damaged("row patch: is not of the group behind it"));
                    }
                    self.base = Some(base);
                    return Ok(true);
                }
                Some(PATCH_TAG) if self.patch.is_none() => {
                    let (script, group) = Script::parse(&chunk)?;
                    let values = std::mem::take(&mut values);
                    let inserted = match group {
                        Some(group) => Some(Part::new(group, values, self.columns)?),
                        None if values.is_empty() => None,
                        None => return Err(Error::damaged("row patch: values without rows")),
                    };
                    self.patch = Some(Patch { script, inserted });
                    continue;
                }
                Some(OUTLINE_TAG) if values.is_empty() && self.patch.is_none() => {
                    self.is_at_end = true;
                    continue;
                }
                _ => return Err(Error::damaged("rows: a chunk that does not belong where it stands")),
            }
            if values.len() as u64 > MAX_CELL_BYTES + 2 * GROUP_VALUE_BYTES {
                return Err(Error::damaged("rows: values without end"));
            }
        }
        match values.is_empty() && self.patch.is_none() {
            true => Ok(false),
            false => Err(Error::damaged("rows: values or a patch without a group")),
        }
    }
}
