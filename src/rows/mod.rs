//! Rows of tables as chunks (`format-spec/rows.md`). It promises that equal rows in equal order give
//! equal chunks, that an edit moves no boundary but those beside it, and that whatever bytes a chunk
//! holds, reading it ends in rows or in an error.

mod group;
mod numbers;
mod outline;
mod patch;
mod pending;
mod reader;
mod varint;
mod writer;

pub use numbers::push_digits;
pub use outline::{OutlineLine, OutlineWriter, parse_outline};
pub use patch::{RowPatch, StoredGroup, diff};
pub use reader::{Row, RowReader};
pub use writer::{ChunkSink, GroupSizes, RowSummary, RowWriter};

use xxhash_rust::xxh3::Xxh3;

/// First byte of a chunk that holds a piece of large values.
pub const VALUE_TAG: u8 = 0;
/// First byte of a chunk that holds a group of rows.
pub const GROUP_TAG: u8 = 1;
/// First byte of a chunk that says what became of the group behind it.
pub const PATCH_TAG: u8 = 2;
/// First byte of a chunk that tells of a table's groups in short.
pub const OUTLINE_TAG: u8 = 3;
/// Cells of this many bytes and more stand in chunks of their own.
pub const LARGE_CELL_BYTES: usize = 8 << 10;
/// Most rows of a group.
pub const MAX_GROUP_ROWS: u32 = 1 << 16;
/// Most columns of a table.
pub const MAX_COLUMNS: usize = 4096;
/// Longest cell: what a server sends in one packet.
pub const MAX_CELL_BYTES: u64 = 1 << 30;
/// Bytes of large values after which a group ends, so that whoever reads holds no more than this and
/// one value.
pub const GROUP_VALUE_BYTES: u64 = 1 << 20;

/// The hash of a row's canonical bytes; a table's checksum is the sum of those of its rows.
fn hash_of(canonical: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(canonical)
}

/// The hash of a row of these cells, as its table's checksum sums it up; `scratch` is memory to work
/// in. Large cells are not copied.
pub fn row_hash<'a>(cells: impl Iterator<Item = Option<&'a [u8]>>, scratch: &mut Vec<u8>) -> u128 {
    scratch.clear();
    let mut long: Option<Box<Xxh3>> = None;
    for cell in cells {
        let Some(bytes) = cell else {
            scratch.push(0);
            continue;
        };
        varint::push(bytes.len() as u64 + 1, scratch);
        if bytes.len() < LARGE_CELL_BYTES {
            scratch.extend_from_slice(bytes);
            continue;
        }
        let hash = long.get_or_insert_default();
        hash.update(scratch);
        hash.update(bytes);
        scratch.clear();
    }
    match long {
        None => hash_of(scratch),
        Some(mut hash) => {
            hash.update(scratch);
            hash.digest128()
        }
    }
}

#[cfg(test)]
mod tests;
