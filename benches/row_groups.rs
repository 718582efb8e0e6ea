//! How large groups of rows should be: a table of short rows and one of longer texts, cut into groups of
//! several sizes, packed as a container packs them, and again after 0.1 % of the rows were updated at
//! random. Prints bytes stored and bytes that the night adds; every stored group counts 140 bytes more
//! for its seal, directory line and index entries.
//!
//! `cargo bench --bench row_groups [-- ROWS]`

use coffer::chunk_store::Packers;
use coffer::error::Result;
use coffer::rows::{ChunkSink, GroupSizes, RowWriter};
use std::collections::HashSet;

/// The cells of a row, by its number, before and after the night.
type MakeRow = fn(u64, bool) -> Vec<Option<Vec<u8>>>;

/// What a chunk costs beside its packed bytes.
const CHUNK_COST: usize = 140;

struct Store {
    packers: Packers,
    known: HashSet<[u8; 32]>,
    groups: usize,
    bytes: usize,
}

impl ChunkSink for Store {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        let bytes = parts.concat();
        if self.known.insert(*blake3::hash(&bytes).as_bytes()) {
            self.groups += 1;
            self.bytes += self.packers.pack(3, &bytes)?.len() + CHUNK_COST;
        }
        Ok(())
    }
}

/// A random number that depends on nothing but its arguments.
fn random(table: u64, row: u64, column: u64) -> u64 {
    let mut input = [0; 24];
    for (part, number) in input.chunks_exact_mut(8).zip([table, row, column]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    let hash = blake3::hash(&input);
    hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Row `n` of a table of procedures: numbers, a date, a fee, short codes.
fn procedure(n: u64, is_edited: bool) -> Vec<Option<Vec<u8>>> {
    let pick = |column, range| random(1, n, column) % range;
    let text = |text: String| Some(text.into_bytes());
    vec![
        text((n * 2 + 1).to_string()),
        text(pick(1, 40_000).to_string()),
        (pick(2, 10) > 0).then(|| pick(2, 250_000).to_string().into_bytes()),
        text(format!("{}-{:02}-{:02}", 2015 + pick(3, 10), 1 + pick(4, 12), 1 + pick(5, 28))),
        text(if is_edited { "1234.5e-1".into() } else { format!("{}e-2", pick(6, 90_000)) }),
        (pick(7, 3) > 0).then(|| b"MOD"[..pick(8, 3) as usize + 1].to_vec()),
        text(pick(9, 8).to_string()),
        text(format!(
            "2024-{:02}-{:02} {:02}:{:02}:07",
            1 + pick(10, 12),
            1 + pick(11, 28),
            pick(12, 24),
            pick(13, 60)
        )),
    ]
}

/// Row `n` of a log: a number, a time, a person, a sentence.
fn log(n: u64, is_edited: bool) -> Vec<Option<Vec<u8>>> {
    const WORDS: [&str; 16] = [
        "patient",
        "opened",
        "chart",
        "closed",
        "payment",
        "statement",
        "printed",
        "changed",
        "moved",
        "appointment",
        "deleted",
        "image",
        "insurance",
        "claim",
        "sent",
        "from",
    ];
    let words = 4 + random(2, n, 1) % 14;
    let mut text: Vec<&str> = (0..words).map(|w| WORDS[(random(2, n, 10 + w) % 16) as usize]).collect();
    if is_edited {
        text.push("again");
    }
    let cell = |text: String| Some(text.into_bytes());
    vec![
        cell(n.to_string()),
        cell((random(2, n, 2) % 40_000).to_string()),
        cell(text.join(" ")),
        cell(format!("2025-01-{:02} 10:{:02}:00", 1 + n % 28, n % 60)),
    ]
}

fn main() {
    let rows = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(300_000u64);
    let tables: [(&str, MakeRow); 2] = [("procedures", procedure), ("log", log)];
    for (name, row) in tables {
        println!(
            "\n{name}, {rows} rows\n| mean | groups | plain | stored | ratio | night adds | of stored | of plain |"
        );
        println!("|---|---|---|---|---|---|---|---|");
        for mean in [4u64, 8, 16, 32, 64, 128] {
            measure(rows, mean, row);
        }
    }
}

fn measure(rows: u64, mean: u64, row: MakeRow) {
    let mut store = Store { packers: Packers::default(), known: HashSet::new(), groups: 0, bytes: 0 };
    let plain = write(rows, mean, row, |_| false, &mut store);
    let (groups, stored) = (store.groups, store.bytes);
    store.bytes = 0;
    write(rows, mean, row, |n| random(9, n, 0).is_multiple_of(1000), &mut store);
    let percent = |part: usize, whole: u64| 100.0 * part as f64 / whole as f64;
    println!(
        "| {mean}K | {groups} | {plain} | {stored} | {:.2} | {} | {:.1} % | {:.1} % |",
        plain as f64 / stored as f64,
        store.bytes,
        percent(store.bytes, stored as u64),
        percent(store.bytes, plain)
    );
}

fn write(rows: u64, mean: u64, row: MakeRow, is_edited: impl Fn(u64) -> bool, store: &mut Store) -> u64 {
    let sizes = GroupSizes { min: mean * 256, mean: mean * 1024, max: 256 << 10 };
    let columns = row(0, false).len();
    let mut writer = RowWriter::new(columns, &[0], &[7; 32]).with_sizes(sizes);
    for n in 0..rows {
        for cell in row(n, is_edited(n)) {
            writer.cell(cell.as_deref(), store).expect("a cell");
        }
        writer.end_row(store).expect("a row");
    }
    writer.finish(store).expect("the end").bytes
}
