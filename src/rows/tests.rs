//! Rows through chunks and back, edits, and hostile chunks.

use super::group::Group;
use super::{ChunkSink, MAX_COLUMNS, PATCH_TAG, RowReader, RowSummary, RowWriter, StoredGroup, diff};
use crate::entry::ChunkRef;
use crate::error::{Kind, Result};
use crate::ids::ChunkId;
use crate::limits::MAX_CHUNK_BYTES;
use proptest::prelude::*;
use std::collections::HashSet;

type Rows = Vec<Vec<Option<Vec<u8>>>>;

#[derive(Default)]
struct Chunks(Vec<Vec<u8>>);

impl ChunkSink for Chunks {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.0.push(parts.concat());
        Ok(())
    }
}

fn write(rows: &Rows, columns: usize, key: &[u16]) -> (Vec<Vec<u8>>, RowSummary) {
    let mut out = Chunks::default();
    let mut writer = RowWriter::new(columns, key, &[7; 32]);
    for row in rows {
        row.iter().for_each(|cell| writer.cell(cell.as_deref(), &mut out).unwrap());
        writer.end_row(&mut out).unwrap();
    }
    let summary = writer.finish(&mut out).unwrap();
    (out.0, summary)
}

fn read(chunks: Vec<Vec<u8>>, columns: usize) -> Result<(Rows, u128)> {
    let mut reader = RowReader::new(chunks.into_iter().map(Ok), columns);
    let (mut rows, mut sum) = (Rows::new(), 0u128);
    while let Some(row) = reader.next_row()? {
        rows.push(row.cells().map(|cell| cell.map(<[u8]>::to_vec)).collect());
        sum = sum.wrapping_add(reader.row_hash());
    }
    Ok((rows, sum))
}

/// The groups of some chunks, each with its values.
fn groups(chunks: &[Vec<u8>]) -> Vec<(Vec<Vec<u8>>, Vec<u8>)> {
    let (mut groups, mut values) = (Vec::new(), Vec::new());
    for chunk in chunks {
        match chunk[0] {
            0 => values.push(chunk.clone()),
            _ => groups.push((std::mem::take(&mut values), chunk.clone())),
        }
    }
    groups
}

fn names(values: &[Vec<u8>]) -> Vec<ChunkRef> {
    let name = |value: &Vec<u8>| ChunkRef {
        id: ChunkId(*blake3::hash(value).as_bytes()),
        length: value.len() as u32,
    };
    values.iter().map(name).collect()
}

/// Chunks of `new` as patches of the groups of `old` where that can be, and how many.
fn patched(old: &[Vec<u8>], new: &[Vec<u8>]) -> (Vec<Vec<u8>>, usize) {
    let (old, new) = (groups(old), groups(new));
    let (mut chunks, mut count) = (Vec::new(), 0);
    for (number, (values, group)) in new.iter().enumerate() {
        let base = old.get(number.min(old.len().saturating_sub(1)));
        let found = base.and_then(|(old_values, old_group)| {
            let base = StoredGroup { group: old_group, values: &names(old_values) };
            diff(base, StoredGroup { group, values: &names(values) })
        });
        if let (Some(patch), Some((old_values, old_group))) = (found, base) {
            assert!(patch.chunk.len() * 16 <= old_group.len());
            chunks.extend(patch.values.iter().map(|&at| values[at].clone()));
            chunks.push(patch.chunk);
            chunks.extend(old_values.iter().chain([old_group]).cloned());
            count += 1;
        } else {
            chunks.extend(values.iter().chain([group]).cloned());
        }
    }
    (chunks, count)
}

fn numbered(count: u32) -> Rows {
    let row = |n: u32| vec![Some(n.to_string().into_bytes()), Some(format!("visit {}", n % 97).into_bytes())];
    (0..count).map(row).collect()
}

#[test]
fn large_values_are_chunks_of_their_own_and_every_chunk_fits() {
    let mut rows = numbered(50);
    for (at, row) in rows.iter_mut().enumerate() {
        row[1] = Some((0..at * 40_000).map(|b| (b * b) as u8).collect());
    }
    let (chunks, summary) = write(&rows, 2, &[0]);
    assert!(chunks.iter().all(|chunk| chunk.len() <= MAX_CHUNK_BYTES));
    let (back, sum) = read(chunks.clone(), 2).unwrap();
    assert!(back == rows && sum == summary.checksum);
    let first = write(&vec![rows[49].clone()], 2, &[0]).0;
    let known: HashSet<&Vec<u8>> = chunks.iter().collect();
    let shared = first.iter().filter(|chunk| known.contains(chunk)).count();
    assert!(shared + 1 >= first.len(), "a value is cut by itself, whatever stands around it");
}

#[test]
fn a_cell_in_pieces_gives_the_chunks_of_the_whole() {
    let mut state = 1u32;
    let mut noise = |bytes: usize| -> Vec<u8> {
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        std::iter::repeat_with(next).take(bytes).collect()
    };
    for length in [8 << 10, MAX_CHUNK_BYTES - 1, 3_000_000] {
        let rows: Rows = vec![vec![Some(b"1".to_vec()), Some(noise(length)), None, Some(noise(20_000))]];
        let (chunks, summary) = write(&rows, 4, &[0]);
        for piece in [1_000, 700_000, length] {
            let mut out = Chunks::default();
            let mut writer = RowWriter::new(4, &[0], &[7; 32]);
            let cells = rows[0].iter().map(Option::as_deref).collect::<Vec<_>>();
            writer.cell(cells[0], &mut out).unwrap();
            let mut pieces = cells[1].unwrap().chunks(piece).map(<[u8]>::to_vec);
            writer.long_cell(length as u64, &mut || Ok(pieces.next()), &mut out).unwrap();
            cells[2..].iter().for_each(|cell| writer.cell(*cell, &mut out).unwrap());
            writer.end_row(&mut out).unwrap();
            assert_eq!(writer.finish(&mut out).unwrap(), summary);
            assert!(out.0 == chunks, "{length} in pieces of {piece}");
        }
    }
    let mut writer = RowWriter::new(1, &[], &[7; 32]);
    let mut short = [vec![0; 9_000]].into_iter();
    assert!(writer.long_cell(9_001, &mut || Ok(short.next()), &mut Chunks::default()).is_err());
}

#[test]
fn the_widest_row_fits_in_a_chunk() {
    let row: Vec<Option<Vec<u8>>> = (0..MAX_COLUMNS).map(|c| Some(vec![c as u8; 8191])).collect();
    let rows = vec![row.clone(), row];
    let (chunks, _) = write(&rows, MAX_COLUMNS, &[0]);
    assert!(chunks.iter().all(|chunk| chunk.len() <= MAX_CHUNK_BYTES));
    assert!(read(chunks, MAX_COLUMNS).unwrap().0 == rows);
}

#[test]
fn an_edit_changes_the_groups_it_stands_in() {
    let mut rows = numbered(100_000);
    let before: HashSet<Vec<u8>> = write(&rows, 2, &[0]).0.into_iter().collect();
    assert!(before.len() >= 10, "{}", before.len());
    for at in [17, 9_000, 9_001, 75_000] {
        rows[at][1] = Some(b"moved to another day, with a longer text than there was".to_vec());
    }
    rows.remove(12_345);
    rows.push(vec![Some(b"100000".to_vec()), None]);
    let after = write(&rows, 2, &[0]).0;
    let new = after.iter().filter(|chunk| !before.contains(*chunk)).count();
    assert!((1..=10).contains(&new), "{new} of {}", after.len());
}

#[test]
fn a_checksum_does_not_know_the_order_but_every_byte() {
    let rows = numbered(100);
    let mut other = rows.clone();
    other.reverse();
    let sum = |rows: &Rows| write(rows, 2, &[0]).1.checksum;
    assert_eq!(sum(&rows), sum(&other));
    other[5][1] = Some(b"visit 6".to_vec());
    assert_ne!(sum(&rows), sum(&other));
    other[5][1] = None;
    let with_null = sum(&other);
    other[5][1] = Some(Vec::new());
    assert_ne!(sum(&other), with_null, "an empty text is not NULL");
}

#[test]
fn keys_of_the_first_and_last_row_are_kept() {
    let summary = write(&numbered(1000), 2, &[0]).1;
    assert_eq!(
        (summary.rows, &summary.first_key[..], &summary.last_key[..]),
        (1000, &b"\x020"[..], &b"\x04999"[..])
    );
    assert_eq!(write(&Rows::new(), 2, &[]).1, RowSummary::default());
}

#[test]
fn a_stream_that_lacks_something_is_damage() {
    let mut rows = numbered(300);
    rows[10][1] = Some(vec![3; 300_000]);
    let (chunks, _) = write(&rows, 2, &[0]);
    let is_damage = |chunks: Vec<Vec<u8>>, columns| {
        read(chunks, columns).is_err_and(|error| error.kind() == Kind::Damaged)
    };
    assert!(is_damage(chunks.clone(), 3), "another number of columns");
    assert!(is_damage(chunks[1..].to_vec(), 2), "a piece of a value is missing");
    let values = chunks.iter().take_while(|chunk| chunk[0] == 0).count();
    assert!(values > 0 && is_damage(chunks[..values].to_vec(), 2), "values without their group");
    assert!(is_damage(vec![vec![9]], 2) && is_damage(vec![Vec::new()], 2));
}

#[test]
fn a_patched_group_is_its_rows() {
    let mut rows = numbered(4000);
    for at in [40, 900, 2000] {
        rows[at][1] = Some(vec![at as u8; 20_000]);
    }
    let (old, _) = write(&rows, 2, &[0]);
    rows[7][1] = Some(b"moved".to_vec());
    rows[900][1] = Some(vec![9; 30_000]);
    rows[901][1] = None;
    rows[1000][1] = Some(vec![8; 9_000]);
    rows.remove(2000);
    rows.insert(1500, vec![Some(b"1499a".to_vec()), Some(b"between".to_vec())]);
    rows.push(vec![Some(b"4000".to_vec()), Some(b"last".to_vec())]);
    let (new, summary) = write(&rows, 2, &[0]);
    let (chunks, count) = patched(&old, &new);
    assert!(count > 0, "nothing is patched");
    assert!(chunks.iter().any(|chunk| chunk[0] == PATCH_TAG && chunk.len() < 1500));
    let (back, sum) = read(chunks, 2).unwrap();
    assert!(back == rows && sum == summary.checksum);
}

#[test]
fn what_changed_much_is_no_patch() {
    let rows = numbered(3000);
    let old = write(&rows, 2, &[0]).0;
    let mut other = rows.clone();
    other.iter_mut().step_by(5).for_each(|row| row[1] = None);
    assert_eq!(patched(&old, &write(&other, 2, &[0]).0).1, 0, "every fifth row");
    assert_eq!(patched(&old, &old).1, 0, "equal groups");
    let wide: Rows = rows.iter().map(|row| [&row[..], &[None]].concat()).collect();
    assert_eq!(patched(&old, &write(&wide, 3, &[0]).0).1, 0, "another column");
    let mut turned = rows.clone();
    turned.reverse();
    assert_eq!(patched(&old, &write(&turned, 2, &[0]).0).1, 0, "another order");
}

/// A patch of these steps that inserts the rows of `group`.
fn patch_of(steps: &[u64], group: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    steps.iter().for_each(|&number| super::varint::push(number, &mut bytes));
    [&[PATCH_TAG], &(bytes.len() as u32).to_le_bytes()[..], &bytes, group].concat()
}

#[test]
fn forged_patches_are_damage() {
    let base = write(&numbered(40), 2, &[0]).0.remove(0);
    let two = write(&numbered(2), 2, &[0]).0.remove(0);
    let rows = |patch: Vec<u8>| read(vec![patch, base.clone()], 2).map(|(rows, _)| rows.len());
    assert_eq!(rows(patch_of(&[10, 5, 2, 25, 0, 0], &two)).unwrap(), 37);
    assert_eq!(rows(patch_of(&[0, 40, 2], &two)).unwrap(), 2);
    let forged = [
        patch_of(&[41, 0, 0], &[]),
        patch_of(&[39, 0, 0], &[]),
        patch_of(&[40, 0, 2], &[]),
        patch_of(&[40, 0, 1], &two),
        patch_of(&[40, 0, 3], &two),
        patch_of(&[0, 40, 0], &[]),
        patch_of(&[40, 0, 0, 0, 0, 0], &[]),
        patch_of(&[40, 0], &[]),
        patch_of(&[u64::MAX, 0, 0], &[]),
        patch_of(&[u64::from(u32::MAX) + 41, 0, 0], &[]),
        patch_of(&[65_536, 0, 0].repeat(9000), &[]),
        patch_of(&[40, 0, 0], b"\x01"),
        vec![PATCH_TAG],
        vec![PATCH_TAG, 255, 255, 255, 255, 40, 0, 0],
    ];
    for (number, patch) in forged.into_iter().enumerate() {
        assert_eq!(rows(patch).unwrap_err().kind(), Kind::Damaged, "{number}");
    }
    let keep = patch_of(&[40, 0, 0], &[]);
    let orders: [&[&Vec<u8>]; 4] =
        [&[&keep], &[&base, &keep], &[&keep, &keep, &base], &[&vec![3; 49], &base]];
    for (number, chunks) in orders.iter().enumerate() {
        let chunks = chunks.iter().map(|&chunk| chunk.clone()).collect();
        assert!(read(chunks, 2).is_err_and(|error| error.kind() == Kind::Damaged), "{number}");
    }
    assert_eq!(read(vec![keep, base, vec![3; 49], vec![3; 97]], 2).unwrap().0.len(), 40);
}

fn edit() -> impl Strategy<Value = (u8, prop::sample::Index, Vec<Option<Vec<u8>>>)> {
    (0u8..4, any::<prop::sample::Index>(), prop::collection::vec(cell(), 3))
}

fn cell() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        2 => Just(None),
        6 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Some),
        1 => (0usize..30_000).prop_map(|n| Some(vec![n as u8; n])),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(rows in prop::collection::vec(prop::collection::vec(cell(), 3), 0..80), key in 0u16..4) {
        let (chunks, summary) = write(&rows, 3, &[key]);
        let (back, sum) = read(chunks, 3).unwrap();
        prop_assert_eq!(sum, summary.checksum);
        prop_assert_eq!(back.len() as u64, summary.rows);
        prop_assert!(back == rows);
    }

    #[test]
    fn nights_of_edits_are_read_as_they_were(
        count in 1u32..1500,
        nights in prop::collection::vec(prop::collection::vec(edit(), 0..9), 1..4),
    ) {
        let mut rows: Rows = numbered(count).into_iter().map(|mut row| { row.push(None); row }).collect();
        let mut old = write(&rows, 3, &[0]).0;
        for edits in nights {
            for (what, at, row) in edits {
                match what {
                    0 if rows.len() > 1 => _ = rows.remove(at.index(rows.len())),
                    1 => rows.insert(at.index(rows.len() + 1), row),
                    2 => { let at = at.index(rows.len()); rows.swap(0, at) }
                    _ => { let at = at.index(rows.len()); rows[at] = row }
                }
            }
            let (new, summary) = write(&rows, 3, &[0]);
            let (chunks, _) = patched(&old, &new);
            let (back, sum) = read(chunks, 3).unwrap();
            prop_assert!(back == rows && sum == summary.checksum);
            old = new;
        }
    }

    #[test]
    fn whatever_a_patch_holds_reading_ends(bytes in prop::collection::vec(any::<u8>(), 0..40), steps in prop::collection::vec(0u64..60, 0..9)) {
        let chunks = write(&numbered(40), 2, &[0]).0;
        let _ = read([vec![[&[PATCH_TAG], &bytes[..]].concat()], chunks.clone()].concat(), 2);
        let _ = read([vec![patch_of(&steps, &chunks[0])], chunks].concat(), 2);
    }

    #[test]
    fn whatever_a_chunk_holds_reading_ends(mut bytes in prop::collection::vec(any::<u8>(), 0..200), edits in prop::collection::vec((any::<u16>(), any::<u8>()), 0..6)) {
        bytes.insert(0, super::GROUP_TAG);
        let _ = Group::parse(bytes);
        let mut chunk = write(&numbered(40), 2, &[0]).0.remove(0);
        for (at, byte) in edits {
            let at = at as usize % chunk.len();
            chunk[at] = byte;
        }
        let _ = read(vec![chunk], 2);
    }
}
