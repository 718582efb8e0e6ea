//! What became of a stored group (`format-spec/rows.md`, Patches): which of its rows stay, which go, and
//! which come. It promises that a patch that is handed out was applied again and gave the very bytes of
//! the new group, and that a forged one ends in an error.

use super::group::{self, Cell, Cursor, Group};
use super::pending::{PendingRows, marker};
use super::{MAX_GROUP_ROWS, PATCH_TAG, varint};
use crate::entry::ChunkRef;
use crate::error::{Error, Result};
use std::collections::HashMap;
use xxhash_rust::xxh3::Xxh3;

/// A patch weighs at most the base's bytes divided by this; else the group is stored whole.
pub(super) const PATCH_SHARE: usize = 16;
/// Tag, length of the steps.
const HEAD_BYTES: usize = 1 + 4;

/// What happens to one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// The base's next row stays.
    Keep,
    /// The base's next row goes.
    Drop,
    /// The patch's next row comes.
    Insert,
}

/// The edits of a patch, given out one by one.
pub(super) struct Script {
    /// Runs of rows that stay, go and come.
    steps: Vec<[u32; 3]>,
    at: usize,
}

impl Script {
    /// Parses a patch; the group of the rows it inserts, if there are any.
    ///
    /// Errors: [`crate::error::Kind::Damaged`].
    pub fn parse(chunk: &[u8]) -> Result<(Script, Option<Group>)> {
        let malformed = || Error::damaged("row patch: malformed");
        let (&[tag, ref length @ ..], rest) =
            chunk.split_first_chunk::<HEAD_BYTES>().ok_or_else(malformed)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (steps, rows) = rest.split_at_checked(length).ok_or_else(malformed)?;
        let steps = parse_steps(steps).filter(|_| tag == PATCH_TAG).ok_or_else(malformed)?;
        let script = Script { steps, at: 0 };
        let group = match rows.is_empty() {
            true => None,
            false => Some(Group::parse(rows.to_vec())?),
        };
        let inserted = group.as_ref().map_or(0, |group| u64::from(group.row_count()));
        let sum = |parts: &[usize]| -> u64 {
            script.steps.iter().flat_map(|step| parts.iter().map(|&part| u64::from(step[part]))).sum()
        };
        let result = 1..=u64::from(MAX_GROUP_ROWS);
        match sum(&[2]) == inserted && result.contains(&sum(&[0, 2])) {
            true => Ok((script, group)),
            false => Err(malformed()),
        }
    }

    /// Whether it is of a group with so many rows.
    pub fn fits(&self, rows: u32) -> bool {
        self.steps.iter().map(|step| u64::from(step[0]) + u64::from(step[1])).sum::<u64>() == u64::from(rows)
    }

    /// What happens next; `None` at the end.
    pub fn next_edit(&mut self) -> Option<Edit> {
        loop {
            let step = self.steps.get_mut(self.at)?;
            for (count, edit) in step.iter_mut().zip([Edit::Keep, Edit::Drop, Edit::Insert]) {
                if *count > 0 {
                    *count -= 1;
                    return Some(edit);
                }
            }
            self.at += 1;
        }
    }
}

/// Steps as numbers: rows that stay, that go, that come; no step is empty and none says more than a
/// group has.
fn parse_steps(mut bytes: &[u8]) -> Option<Vec<[u32; 3]>> {
    let mut steps = Vec::new();
    while !bytes.is_empty() {
        let mut step = [0; 3];
        for part in &mut step {
            let (number, used) = varint::read(bytes)?;
            *part = u32::try_from(number).ok().filter(|&rows| rows <= MAX_GROUP_ROWS)?;
            bytes = &bytes[used..];
        }
        if step == [0; 3] {
            return None;
        }
        steps.push(step);
    }
    Some(steps)
}

/// A group with the chunks of its large values.
#[derive(Clone, Copy)]
pub struct StoredGroup<'a> {
    /// The group's chunk.
    pub group: &'a [u8],
    /// Its values' chunks, in order.
    pub values: &'a [ChunkRef],
}

/// A patch to store.
#[derive(Debug, PartialEq, Eq)]
pub struct RowPatch {
    /// The patch's chunk.
    pub chunk: Vec<u8>,
    /// Which of the new group's values are the patch's, by their numbers: the others are the base's.
    pub values: Vec<usize>,
}

/// The patch that makes `new` of `base`; `None`: there is none that is small, or the base is not what it
/// should be.
pub fn diff(base: StoredGroup, new: StoredGroup) -> Option<RowPatch> {
    let (old_group, new_group) = (parse(base.group)?, parse(new.group)?);
    if old_group.column_count() != new_group.column_count() || base.group == new.group {
        return None;
    }
    let (old, fresh) = (rows_of(&old_group, base.values)?, rows_of(&new_group, new.values)?);
    let steps = compare(&old, &fresh);
    let most = base.group.len() / PATCH_SHARE;
    let mut chunk = vec![PATCH_TAG, 0, 0, 0, 0];
    steps.iter().flatten().for_each(|&rows| varint::push(u64::from(rows), &mut chunk));
    let length = (chunk.len() - HEAD_BYTES) as u32;
    chunk[1..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
    let (rows, values) = inserted(&new_group, &fresh, &steps, most.checked_sub(chunk.len())?)?;
    chunk.extend_from_slice(&rows);
    let patch = RowPatch { chunk, values };
    (patch.chunk.len() <= most && proves(&patch, (&old_group, &old), base, new)).then_some(patch)
}

fn parse(bytes: &[u8]) -> Option<Group> {
    Group::parse(bytes.to_vec()).ok()
}

/// A row as far as comparing goes.
struct RowMark {
    hash: u64,
    /// Which of the group's value chunks are its own.
    values: std::ops::Range<usize>,
}

/// Marks of all rows. `None`: the values' chunks are not those of the group.
fn rows_of(group: &Group, values: &[ChunkRef]) -> Option<Vec<RowMark>> {
    let mut cursor = group.cursor();
    let mut marks = Vec::with_capacity(group.row_count() as usize);
    let (mut at, mut hasher) = (0, Xxh3::new());
    while cursor.next(group) {
        hasher.reset();
        let start = at;
        for cell in &cursor.cells {
            hasher.update(&marker_of(cell).to_le_bytes());
            hasher.update(bytes_of(cell, group, &cursor));
            if let Cell::Large(bytes) = cell {
                let mut missing = *bytes;
                while missing > 0 {
                    let chunk = values.get(at)?;
                    hasher.update(&chunk.id.0);
                    missing = missing.checked_sub(u64::from(chunk.length.checked_sub(1)?))?;
                    at += 1;
                }
            }
        }
        marks.push(RowMark { hash: hasher.digest(), values: start..at });
    }
    (at == values.len()).then_some(marks)
}

fn marker_of(cell: &Cell) -> u32 {
    match cell {
        Cell::Null => 0,
        Cell::Inline(range) | Cell::Text(range) => marker(range.len(), false),
        Cell::Large(bytes) => marker(*bytes as usize, true),
    }
}

fn bytes_of<'a>(cell: &Cell, group: &'a Group, cursor: &'a Cursor) -> &'a [u8] {
    match cell {
        Cell::Inline(range) => group.bytes().get(range.clone()).unwrap_or_default(),
        Cell::Text(range) => cursor.text.get(range.clone()).unwrap_or_default(),
        Cell::Null | Cell::Large(_) => &[],
    }
}

/// Steps from the old rows to the new ones. Where they part, they meet again at the nearer of two
/// places: where the next new row stood, or where the next old row went.
fn compare(old: &[RowMark], new: &[RowMark]) -> Vec<[u32; 3]> {
    let place = |rows: &[RowMark]| -> HashMap<u64, usize> {
        rows.iter().enumerate().rev().map(|(at, row)| (row.hash, at)).collect()
    };
    let (in_old, in_new) = (place(old), place(new));
    let (mut steps, mut step) = (Vec::new(), [0u32; 3]);
    let (mut i, mut k) = (0, 0);
    while i < old.len() || k < new.len() {
        if let (Some(before), Some(now)) = (old.get(i), new.get(k))
            && before.hash == now.hash
        {
            if step[1] + step[2] > 0 {
                steps.push(std::mem::take(&mut step));
            }
            step[0] += 1;
            (i, k) = (i + 1, k + 1);
            continue;
        }
        let ahead = |map: &HashMap<u64, usize>, row: Option<&RowMark>, from: usize| {
            row.map(|row| map.get(&row.hash).and_then(|&at| at.checked_sub(from)).unwrap_or(usize::MAX))
        };
        // How far on the new row is found among the old ones, and the old one among the new.
        let (drops, inserts) = (ahead(&in_old, new.get(k), i), ahead(&in_new, old.get(i), k));
        match (drops, inserts) {
            (Some(drops), Some(inserts)) if drops < inserts => (step[1], i) = (step[1] + 1, i + 1),
            (Some(drops), Some(inserts)) if drops == inserts => {
                step = [step[0], step[1] + 1, step[2] + 1];
                (i, k) = (i + 1, k + 1);
            }
            (None, _) => (step[1], i) = (step[1] + 1, i + 1),
            _ => (step[2], k) = (step[2] + 1, k + 1),
        }
    }
    if step != [0; 3] {
        steps.push(step);
    }
    steps
}

/// The group of the rows that come, empty without any, and the numbers of their values; `None`: they
/// weigh more than `most`.
fn inserted(
    new: &Group,
    marks: &[RowMark],
    steps: &[[u32; 3]],
    most: usize,
) -> Option<(Vec<u8>, Vec<usize>)> {
    let (mut values, mut rows) = (Vec::new(), PendingRows::default());
    let (mut cursor, mut at) = (new.cursor(), 0);
    for step in steps {
        (0..step[0]).for_each(|_| _ = cursor.next(new));
        at += step[0] as usize;
        for _ in 0..step[2] {
            cursor.next(new);
            push_row(new, &cursor, &mut rows);
            values.extend(marks.get(at)?.values.clone());
            at += 1;
        }
        // Numbers become shorter than their texts, hardly by more than this.
        if rows.bytes() > most.saturating_mul(4) {
            return None;
        }
    }
    let mut group = Vec::new();
    if rows.count() > 0 {
        group::encode(&mut rows, new.column_count(), &mut group);
    }
    Some((group, values))
}

/// Appends the row that `cursor` of `group` stands at.
fn push_row(group: &Group, cursor: &Cursor, rows: &mut PendingRows) {
    for cell in &cursor.cells {
        match cell {
            Cell::Null => rows.push_null(),
            Cell::Large(bytes) => rows.push_large(*bytes),
            Cell::Inline(_) | Cell::Text(_) => rows.push(bytes_of(cell, group, cursor)),
        }
    }
    rows.end_row();
}

/// Whether the patch, read as a reader would, gives the new group and its values.
fn proves(patch: &RowPatch, old: (&Group, &[RowMark]), base: StoredGroup, new: StoredGroup) -> bool {
    let Ok((mut script, group)) = Script::parse(&patch.chunk) else { return false };
    let (base_group, marks) = old;
    if !script.fits(base_group.row_count()) {
        return false;
    }
    let mut from_base = base_group.cursor();
    let mut from_patch = group.as_ref().map(Group::cursor);
    let (mut rows, mut values) = (PendingRows::default(), Vec::new());
    let (mut dropped, mut patch_values) = (0usize, patch.values.iter());
    while let Some(edit) = script.next_edit() {
        match (edit, &group, &mut from_patch) {
            (Edit::Insert, Some(group), Some(cursor)) => {
                cursor.next(group);
                push_row(group, cursor, &mut rows);
                let large: u64 = cursor.cells.iter().map(large_bytes).sum();
                let mut given = 0;
                while given < large
                    && let Some(chunk) = patch_values.next().and_then(|&at| new.values.get(at))
                {
                    given += u64::from(chunk.length.saturating_sub(1));
                    values.push(*chunk);
                }
            }
            (Edit::Insert, ..) => return false,
            (edit, ..) => {
                from_base.next(base_group);
                if edit == Edit::Keep {
                    push_row(base_group, &from_base, &mut rows);
                    values.extend(
                        marks
                            .get(dropped)
                            .and_then(|m| base.values.get(m.values.clone()))
                            .unwrap_or_default(),
                    );
                }
                dropped += 1;
            }
        }
    }
    let mut bytes = Vec::new();
    group::encode(&mut rows, base_group.column_count(), &mut bytes);
    bytes == new.group && values == new.values && patch_values.next().is_none()
}

fn large_bytes(cell: &Cell) -> u64 {
    match cell {
        Cell::Large(bytes) => *bytes,
        _ => 0,
    }
}
