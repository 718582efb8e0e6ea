//! Fuzz targets of a table's chunks: what is written is read back, and whatever the bytes are, reading
//! them ends in rows or in an error.

use crate::targets::patch;
use crate::world::Random;
use coffer::error::Result;
use coffer::rows::{
    ChunkSink, GROUP_TAG, GroupSizes, RowReader, RowWriter, StoredGroup, diff, parse_outline,
};

type Rows = Vec<Vec<Option<Vec<u8>>>>;

/// Columns of the tables made here.
const COLUMNS: usize = 6;

#[derive(Default)]
struct Kept(Vec<Vec<u8>>);

impl ChunkSink for Kept {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.0.push(parts.concat());
        Ok(())
    }
}

/// A table of numbers, times, words, NULLs and now and then a large value.
fn table(seed: u8, count: u64, has_large: bool) -> Rows {
    let mut random = Random(u64::from(seed) + 1);
    let mut cell = |kind: u64, row: u64| match (kind, random.below(9)) {
        (0, _) => Some(row.to_string().into_bytes()),
        (_, 0) => None,
        (1, _) => Some(format!("{}.{:02}", random.below(5000), random.below(100)).into_bytes()),
        (2, _) => Some(format!("20{:02}-0{}-11 10:20:3{}", row % 30, 1 + row % 9, row % 10).into_bytes()),
        (3, n) => Some(b"words of a note ".repeat(n as usize)),
        (4, 1) if has_large => Some(vec![row as u8; 8192 + random.below(3000) as usize]),
        (4, n) => Some(vec![row as u8; n as usize]),
        (_, n) => Some(format!("-{}", n * 10u64.pow(2 * n as u32)).into_bytes()),
    };
    (0..count).map(|row| (0..COLUMNS as u64).map(|kind| cell(kind, row)).collect()).collect()
}

/// The chunks of a table.
fn written(rows: &Rows, sizes: GroupSizes) -> (Vec<Vec<u8>>, u128) {
    let mut writer = RowWriter::new(COLUMNS, &[0], &[5; 32]).with_sizes(sizes);
    let mut kept = Kept::default();
    for row in rows {
        for cell in row {
            writer.cell(cell.as_deref(), &mut kept).expect("a cell");
        }
        writer.end_row(&mut kept).expect("a row");
    }
    let summary = writer.finish(&mut kept).expect("an end");
    assert_eq!(summary.rows, rows.len() as u64);
    (kept.0, summary.checksum)
}

/// The rows of chunks, and the sum of their hashes.
fn read(chunks: &[Vec<u8>], columns: usize) -> Result<(Rows, u128)> {
    let mut reader = RowReader::new(chunks.iter().cloned().map(Ok), columns);
    let (mut rows, mut sum) = (Rows::new(), 0u128);
    while let Some(row) = reader.next_row()? {
        rows.push(row.cells().map(|cell| cell.map(<[u8]>::to_vec)).collect());
        sum = sum.wrapping_add(reader.row_hash());
        assert!(rows.len() <= chunks.len() << 16, "more rows than the chunks may hold");
    }
    Ok((rows, sum))
}

/// A written table is read back; with one chunk changed, or bytes for a chunk, reading ends.
pub fn rows(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let wanted = table(mode, 120, mode % 2 == 1);
    let (mut chunks, checksum) = written(&wanted, GroupSizes { min: 500, mean: 2000, max: 6000 });
    assert!(read(&chunks, COLUMNS).is_ok_and(|read| read == (wanted, checksum)), "rows are lost");
    let at = data.first().map_or(0, |&byte| usize::from(byte)) % chunks.len();
    patch(&mut chunks[at], data);
    let _ = read(&chunks, COLUMNS);
    let group = chunks.iter().rev().find(|chunk| chunk.first() == Some(&GROUP_TAG)).cloned();
    for columns in [1, COLUMNS] {
        let made = [&[mode % 5][..], data].concat();
        let _ = read(&[vec![made], group.iter().cloned().collect()].concat(), columns);
    }
    let _ = parse_outline(data);
    let _ = parse_outline(&[&[3][..], data].concat());
}

/// A patch gives the new group; a changed one ends in rows or in an error.
pub fn row_patch(data: &[u8]) {
    let Some((&mode, edits)) = data.split_first() else { return };
    let old = table(mode, 300, false);
    let mut new = old.clone();
    for edit in edits.chunks_exact(2).take(12) {
        let at = usize::from(edit[0]) % new.len();
        match edit[1] % 3 {
            0 => drop(new.remove(at)),
            1 => new.insert(at, new[at].clone()),
            _ => new[at][1 + usize::from(edit[1]) % 5] = Some(edit.to_vec()),
        }
    }
    let one = GroupSizes { min: 1 << 30, mean: 1 << 30, max: 1 << 30 };
    let (base, (group, checksum)) = (written(&old, one).0, written(&new, one));
    let stored = |group| StoredGroup { group, values: &[] };
    let Some(found) = diff(stored(&base[0]), stored(&group[0])) else { return };
    let mut chunks = [found.chunk, base[0].clone()];
    assert!(read(&chunks, COLUMNS).is_ok_and(|read| read == (new, checksum)), "a patch of other rows");
    patch(&mut chunks[0], data);
    let _ = read(&chunks, COLUMNS);
}
