//! Rows through chunks and back, edits, and hostile chunks.

use super::group::Group;
use super::{ChunkSink, MAX_COLUMNS, RowReader, RowSummary, RowWriter};
use crate::error::{Kind, Result};
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
    let mut rows = numbered(20_000);
    let before: HashSet<Vec<u8>> = write(&rows, 2, &[0]).0.into_iter().collect();
    assert!(before.len() > 10, "{}", before.len());
    for at in [17, 9_000, 9_001, 15_000] {
        rows[at][1] = Some(b"moved to another day, with a longer text than there was".to_vec());
    }
    rows.remove(12_345);
    rows.push(vec![Some(b"20000".to_vec()), None]);
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
