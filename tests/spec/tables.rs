//! The specification's tables of offsets, constants and limits, parsed and compared with the code:
//! every constant must be there once, with its value, and every table must tile.

use crate::text;
use coffer::container::{layout, root, segment};
use coffer::limits;
use std::collections::BTreeMap;

/// The tables of a text: header cells and rows of cells, backquotes taken off.
fn tables(text: &str) -> Vec<(Vec<String>, Vec<Vec<String>>)> {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|c| c.trim().replace('`', "")).collect()
    };
    let mut tables = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('|') && lines.peek().is_some_and(|next| next.starts_with("|---")) {
            lines.next();
            let mut rows = Vec::new();
            while let Some(row) = lines.next_if(|l| l.starts_with('|')) {
                rows.push(cells(row));
            }
            tables.push((cells(line), rows));
        }
    }
    tables
}

/// Constant to value, from every table whose last column is "constant".
fn stated(text: &str, value_column: usize) -> BTreeMap<String, String> {
    let mut stated = BTreeMap::new();
    for (head, rows) in tables(text) {
        if head.last().is_none_or(|last| last != "constant") {
            continue;
        }
        for row in rows.into_iter().filter(|row| row.last().is_some_and(|c| !c.is_empty())) {
            let value = row[value_column].split(' ').next().unwrap_or_default().to_owned();
            let name = row[row.len() - 1].clone();
            assert!(stated.insert(name.clone(), value).is_none(), "{name} is stated twice");
        }
    }
    stated
}

/// Names of the public constants that a source file declares.
fn declared(source: &str) -> Vec<String> {
    let names = source.lines().filter_map(|line| line.strip_prefix("pub const "));
    let mut names: Vec<String> = names.filter_map(|rest| rest.split(':').next()).map(str::to_owned).collect();
    names.sort();
    names
}

trait Stated {
    fn stated(&self) -> String;
}

macro_rules! numbers {
    ($($t:ty),*) => {$(impl Stated for $t {
        fn stated(&self) -> String {
            self.to_string()
        }
    })*};
}
numbers!(u8, u32, u64, usize);

impl<const N: usize> Stated for [u8; N] {
    fn stated(&self) -> String {
        self.iter().map(|b| format!("{b:02x}")).collect()
    }
}

macro_rules! values {
    ($module:ident: $($name:ident),* $(,)?) => {
        vec![$((stringify!($name).to_owned(), $module::$name.stated())),*]
    };
}

fn layout_values() -> Vec<(String, String)> {
    values!(layout:
        FORMAT_VERSION, PARITY_SHARE, PROLOGUE_MAGIC, SUPERBLOCK_MAGIC, KEY_TABLE_MAGIC, SEGMENT_MAGIC,
        CHECKSUM_MAGIC, SLOT_MAP_MAGIC, HALF_BYTES, HEADER_BYTES, PROLOGUE_OFFSET, SUPERBLOCK_0_OFFSET,
        SUPERBLOCK_1_OFFSET, KEY_TABLE_OFFSET, KEY_TABLE_BYTES, CHECK_BYTES, CHECK_OFFSET,
        PROLOGUE_VERSION, PROLOGUE_SEGMENT_LOG2, PROLOGUE_PARITY, PROLOGUE_CONTAINER, PROLOGUE_FAMILY,
        PROLOGUE_INCOMPATIBLE, PROLOGUE_READ_COMPATIBLE, PROLOGUE_COMPATIBLE, PROLOGUE_RESERVED,
        SUPERBLOCK_CONTAINER, SUPERBLOCK_GENERATION, SUPERBLOCK_EPOCH, SUPERBLOCK_SLOTS,
        SUPERBLOCK_MAP_COUNT, SUPERBLOCK_CLOSING_COUNT, SUPERBLOCK_POINTER, ROOT_POINTER_BYTES,
        SUPERBLOCK_MAP, MAX_MAP_PARTS, MAP_PART_BYTES, SUPERBLOCK_CLOSING, MAX_CLOSING, CLOSING_BYTES,
        SUPERBLOCK_RESERVED, KEY_FRAME_SEQUENCE, KEY_FRAME_LENGTH, KEY_FRAME_CHECK, KEY_FRAME_TABLE,
        MAX_KEY_TABLE_BYTES, SEGMENT_VERSION, SEGMENT_EPOCH, SEGMENT_CONTAINER, SEGMENT_ID,
        SEGMENT_RESERVED, CHECKSUM_HASH, CHECKSUM_ENTRIES, CHECKSUM_BYTES, TRAILER_BYTES,
        MAP_PART_ENTRIES, MAP_ENTRY_BYTES, MAP_HEAD_BYTES, MAP_FREE, MAP_CLOSING, PART_BYTES)
}

#[test]
fn every_constant_of_the_layout_is_stated_with_its_value() {
    let mut values = layout_values();
    let mut names: Vec<String> = values.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    assert_eq!(names, declared(include_str!("../../src/container/layout.rs")), "constants of layout.rs");
    values.extend(values!(segment: CLEAR, DIRECTORY_ENTRY_BYTES, DIRECTORY_BASE_BYTES));
    values.extend(values!(root: SEGMENT_RECORD_BYTES));
    // Private to its module; its text is plain enough.
    let lock = include_str!("../../src/container/lock.rs");
    assert!(
        lock.contains("WRITER_BYTE: u64 = 1 << 62;") && lock.contains("PIN_BYTE: u64 = WRITER_BYTE + 1;")
    );
    assert!(lock.contains("PIN_COUNT: u64 = 1 << 16;"));
    let locks = [("WRITER_BYTE", 1u64 << 62), ("PIN_BYTE", (1 << 62) + 1), ("PIN_COUNT", 1 << 16)];
    values.extend(locks.map(|(name, value)| (name.to_owned(), value.stated())));
    assert_eq!(stated(&text("container.md"), 0), values.into_iter().collect());
}

#[test]
fn every_limit_is_stated_with_its_value() {
    let values = values!(limits:
        SECTOR_BYTES, MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES, MAX_CHUNK_BYTES, MAX_LIST_DEPTH,
        MAX_PATH_BYTES, MAX_ENTRY_BYTES, MAX_KEY_SLOTS, MAX_EPOCHS, MAX_KDF_MEMORY_KIB, MAX_KDF_PASSES,
        MAX_KDF_LANES);
    let mut names: Vec<String> = values.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    assert_eq!(names, declared(include_str!("../../src/limits.rs")), "constants of limits.rs");
    assert_eq!(stated(&text("README.md"), 1), values.into_iter().collect());
}

#[test]
fn tables_of_offsets_tile() {
    let mut checked = 0;
    for name in ["container.md", "manifest.md", "crypto.md"] {
        for (head, rows) in tables(&text(name)) {
            if head.len() < 2 || head[..2] != ["offset", "size"] {
                continue;
            }
            for pair in rows.windows(2) {
                let number = |cell: &String| cell.parse::<u64>().ok();
                let (Some(at), Some(size)) = (number(&pair[0][0]), number(&pair[0][1])) else { continue };
                if let Some(next) = number(&pair[1][0]) {
                    assert_eq!(at + size, next, "{name}: after {:?}", pair[0]);
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 60, "only {checked} rows were compared");
}

#[test]
fn the_table_of_geometries_is_true() {
    let spec = text("container.md");
    let found = tables(&spec).into_iter().find(|(head, _)| head.starts_with(&["S".into(), "N".into()]));
    let (_, rows) = found.expect("the table of segment sizes");
    assert_eq!(rows.len(), 7);
    for row in rows.iter().map(|row| row.iter().map(|c| c.replace('*', "")).collect::<Vec<_>>()) {
        let mebibytes: usize = row[0].trim_end_matches(" MiB").parse().expect("size");
        let prologue = layout::Prologue {
            segment_bytes: mebibytes << 20,
            parity_sectors: row[3].parse().expect("parity"),
            container: coffer::ids::ContainerId::ZERO,
            family: coffer::ids::FamilyId::ZERO,
            read_compatible: 0,
            compatible: 0,
        };
        layout::Prologue::decode(&prologue.encode()).expect("a legal prologue");
        let g = coffer::container::geometry::Geometry::of(&prologue);
        assert_eq!([g.sectors().to_string(), g.table_sectors.to_string()], row[1..3]);
    }
}

#[test]
fn the_words_for_kinds_are_those_of_crypto_md() {
    use coffer::crypto::ObjectKind;
    let spec = text("manifest.md");
    for kind in [1, 2, 3, 4u8] {
        let name = ObjectKind::try_from(kind).expect("kind").name();
        assert!(spec.contains(&format!("| {kind} {name} |")), "{kind} {name}");
    }
}
