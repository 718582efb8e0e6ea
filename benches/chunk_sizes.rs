//! Measures what chunk sizes cost: plays trees (one per night, in order) through the cutter and
//! the compressor and prints a row per stream and candidate (`format-spec/chunking.md`, Why these
//! sizes). Run with `cargo bench --bench chunk_sizes -- FIRST-TREE NEXT-TREE...`; files that end
//! in `.sql` are dumps, all others attachments; a manifest is made up from the attachments' paths.

use coffer::chunking::{Cutter, Sizes};
use coffer::compress::{Compressor, Decompressor, STORED};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes a chunk costs besides its packed content: sealing, directory, index.
const CHUNK_BYTES: usize = 90;
/// Bytes a reference to a chunk costs in a manifest.
const REFERENCE_BYTES: usize = 36;
const KEY: [u8; 32] = [7; 32];

#[derive(Default)]
struct Tally {
    seen: HashSet<[u8; 32]>,
    references: usize,
    unique_bytes: usize,
    stored_bytes: usize,
    by_codec: [usize; 8],
    cut: Duration,
    pack: Duration,
}

impl Tally {
    fn add(&mut self, stream: &[u8], cutter: &Cutter, compressor: &mut Compressor) {
        let mut rest = stream;
        let mut packed = Vec::new();
        loop {
            let start = Instant::now();
            let Some(length) = cutter.cut(rest, true) else { break };
            self.cut += start.elapsed();
            let (chunk, next) = rest.split_at(length);
            rest = next;
            self.references += 1;
            if self.seen.insert(*blake3::hash(chunk).as_bytes()) {
                packed.clear();
                let start = Instant::now();
                let codec = compressor.pack(chunk, &mut packed);
                self.pack += start.elapsed();
                self.by_codec[usize::from(codec)] += chunk.len();
                self.unique_bytes += chunk.len();
                self.stored_bytes += packed.len();
            }
        }
    }

    fn total(&self) -> usize {
        self.stored_bytes + CHUNK_BYTES * self.seen.len() + REFERENCE_BYTES * self.references
    }
}

fn main() -> std::io::Result<()> {
    let trees: Vec<PathBuf> =
        std::env::args_os().skip(1).filter(|a| a != "--bench").map(PathBuf::from).collect();
    if trees.is_empty() {
        println!("usage: cargo bench --bench chunk_sizes -- FIRST-TREE [NEXT-TREE...]");
        return Ok(());
    }
    let level = std::env::var("LEVEL").ok().and_then(|l| l.parse().ok()).unwrap_or(3);
    println!(
        "| stream | min / average / max, KiB | chunks | mean, KiB | first night, MB | later nights, MB | all, MB | filtered, MB | cut, MB/s | pack, MB/s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let candidates =
        [("dump", [8, 16, 32, 64]), ("attachment", [64, 128, 256, 512]), ("manifest", [4, 8, 16, 32])];
    for (stream, averages) in candidates {
        let nights = trees.iter().map(|t| files(t, stream == "dump")).collect::<Result<Vec<_>, _>>()?;
        for average in averages {
            for (low, high) in [(4, 3), (2, 3)] {
                measure(stream, &nights, average << 10, (low, high), level)?;
            }
        }
    }
    codecs(&files(&trees[0], false)?, level)
}

/// What became of the chunks of one codec, and what plain zstd would have made of them.
#[derive(Default)]
struct Row {
    plain_bytes: usize,
    packed_bytes: usize,
    zstd_bytes: usize,
    pack: Duration,
    unpack: Duration,
    zstd: Duration,
}

impl Row {
    fn print(&self, codec: usize) {
        let mb = |bytes: usize| bytes as f64 / 1e6;
        let (plain, packed, alone) = (mb(self.plain_bytes), mb(self.packed_bytes), mb(self.zstd_bytes));
        println!(
            "| {codec} | {plain:.1} | {packed:.1} | {:.2} | {:.0} | {:.0} | {alone:.1} | {:.2} | {:.0} |",
            plain / packed,
            plain / self.pack.as_secs_f64(),
            plain / self.unpack.as_secs_f64(),
            plain / alone,
            plain / self.zstd.as_secs_f64(),
        );
    }
}

/// Prints, for the attachments of one night, what each codec was chosen for and what it gave.
/// The times of packing contain the unpacking that proves it, also for plain zstd.
fn codecs(files: &[PathBuf], level: i32) -> std::io::Result<()> {
    let cutter = Cutter::new(&KEY, Sizes::ATTACHMENT);
    let mut compressor = Compressor::new(level).map_err(std::io::Error::other)?;
    let mut decompressor = Decompressor::new();
    let mut plain_zstd = zstd::bulk::Compressor::new(level)?;
    let mut rows: [Row; 8] = Default::default();
    let (mut packed, mut back) = (Vec::new(), Vec::new());
    for file in files {
        let content = std::fs::read(file)?;
        let mut rest = &content[..];
        while let Some(length) = cutter.cut(rest, true) {
            let (chunk, next) = rest.split_at(length);
            rest = next;
            packed.clear();
            back.clear();
            let start = Instant::now();
            let codec = compressor.pack(chunk, &mut packed);
            let row = &mut rows[usize::from(codec)];
            row.pack += start.elapsed();
            let start = Instant::now();
            let unpacked = decompressor.unpack(codec, &packed, length, &mut back);
            unpacked.map_err(std::io::Error::other)?;
            row.unpack += start.elapsed();
            let start = Instant::now();
            let frame = plain_zstd.compress(chunk)?;
            zstd::bulk::decompress(&frame, length)?;
            row.zstd += start.elapsed();
            row.plain_bytes += length;
            row.packed_bytes += packed.len();
            row.zstd_bytes += frame.len();
        }
    }
    println!(
        "\n| codec | plain, MB | packed, MB | ratio | pack, MB/s | unpack, MB/s | zstd alone, MB | ratio | MB/s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let used = rows.iter().enumerate().filter(|(_, row)| row.plain_bytes > 0);
    used.for_each(|(codec, row)| row.print(codec));
    Ok(())
}

fn measure(
    stream: &str,
    nights: &[Vec<PathBuf>],
    average: u32,
    (low, high): (u32, u32),
    level: i32,
) -> std::io::Result<()> {
    let sizes = Sizes { min: average / low, average, max: (average * high).min(768 << 10) };
    let cutter = Cutter::new(&KEY, sizes);
    let mut compressor = Compressor::new(level).map_err(std::io::Error::other)?;
    let mut tally = Tally::default();
    let (mut bytes, mut first) = (0, 0);
    for (night, files) in nights.iter().enumerate() {
        let mut add = |content: &[u8]| {
            bytes += content.len();
            tally.add(content, &cutter, &mut compressor);
        };
        if stream == "manifest" {
            add(&manifest(files)?);
        } else {
            files.iter().try_for_each(|file| std::fs::read(file).map(|content| add(&content)))?;
        }
        if night == 0 {
            first = tally.total();
        }
    }
    let kib = |bytes: u32| f64::from(bytes) / 1024.0;
    let mb = |bytes: usize| bytes as f64 / 1e6;
    println!(
        "| {stream} | {} / {} / {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} |",
        kib(sizes.min),
        kib(sizes.average),
        kib(sizes.max),
        tally.seen.len(),
        tally.unique_bytes as f64 / 1024.0 / tally.seen.len().max(1) as f64,
        mb(first),
        mb(tally.total() - first),
        mb(tally.total()),
        mb(tally.by_codec[usize::from(STORED) + 2..].iter().sum()),
        mb(bytes) / tally.cut.as_secs_f64(),
        mb(tally.unique_bytes) / tally.pack.as_secs_f64(),
    );
    Ok(())
}

/// What a manifest of `files` is like: path, some metadata and a chunk id for every 256 KiB, which
/// stay the same from night to night while the file does.
fn manifest(files: &[PathBuf]) -> std::io::Result<Vec<u8>> {
    let mut stream = Vec::new();
    for file in files {
        let (length, path) = (file.metadata()?.len(), file.components().collect::<Vec<_>>());
        // Without the name of the tree, which differs between nights.
        let inner: PathBuf = path.iter().rev().take(4).rev().collect();
        stream.extend_from_slice(inner.as_os_str().as_encoded_bytes());
        stream.extend_from_slice(&length.to_le_bytes());
        let mut output = blake3::Hasher::new();
        output.update(inner.as_os_str().as_encoded_bytes()).update(&length.to_le_bytes());
        let mut unique = vec![0; 12 + 36 * length.div_ceil(256 << 10) as usize];
        output.finalize_xof().fill(&mut unique);
        stream.extend_from_slice(&unique);
        stream.extend_from_slice(&[0; 40]);
    }
    Ok(stream)
}

/// The regular files under `tree` in path order: the dumps, or all others.
fn files(tree: &Path, dumps: bool) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![tree.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|e| e == "sql") == dumps {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
