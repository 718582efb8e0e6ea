//! A container with very many chunks: how long opening takes, and what a backup into it costs.
//!
//! `cargo bench --bench many_chunks -- WORKDIR [COUNT]`: makes `WORKDIR/many.coffer` with COUNT
//! (default ten million) chunks of 100 random bytes, unless it exists already, in commits of 250,000;
//! then opens it several times and puts 1,000 known and 1,000 new chunks. Prints times and the peak
//! memory of the second part, which runs in a process of its own.

use coffer::chunk_store::{ChunkStore, Settings, WritingOptions};
use coffer::clock::{Clock, SystemClock};
use coffer::container::Access;
use coffer::container::commit::CommitOptions;
use coffer::crypto::{Credential, KdfCost, NewSlot, ObjectKind, SystemEntropy};
use coffer::operations::session::{Init, Parity, init, open, pool};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const COMMIT_CHUNKS: u64 = 250_000;
const CHUNK_BYTES: usize = 100;

fn credential() -> Credential {
    Credential::KeyFile(zeroize::Zeroizing::new([7; 32]))
}

fn options() -> WritingOptions {
    let commit = CommitOptions { max_bytes: None, time: SystemClock.now(), read_back: false };
    WritingOptions { commit, level: 1 }
}

fn chunks(first: u64, count: u64) -> Vec<u8> {
    let mut bytes = vec![0; count as usize * CHUNK_BYTES];
    blake3::Hasher::new().update(&first.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn put(store: &mut ChunkStore, first: u64, count: u64) {
    let pool = pool(0).expect("pool");
    let mut writing = store.begin(pool, options()).expect("begin");
    for start in (first..first + count).step_by(1000) {
        let bytes = chunks(start, 1000.min(first + count - start));
        let slices: Vec<&[u8]> = bytes.chunks(CHUNK_BYTES).collect();
        writing.put_batch(ObjectKind::Attachment, &slices).expect("put");
    }
    let committed = writing.finish(b"", b"", Settings::default()).expect("finish");
    store.install(committed);
}

fn make(path: &Path, count: u64) {
    let slot = NewSlot {
        credential: Some(credential()),
        label: "bench".into(),
        cost: KdfCost::TEST,
        created: SystemClock.now(),
    };
    let plan = Init {
        path: path.into(),
        segment_bytes: None,
        parity: Parity::Normal,
        max_bytes: None,
        retention: None,
        slot,
        time: SystemClock.now(),
    };
    let mut session = init(&plan, pool(0).expect("pool"), &mut SystemEntropy).expect("init");
    let start = Instant::now();
    for first in (0..count).step_by(COMMIT_CHUNKS as usize) {
        put(&mut session.store, first, COMMIT_CHUNKS.min(count - first));
    }
    println!("made {count} chunks in {:.1} s", start.elapsed().as_secs_f64());
}

/// Opens and writes, alone in its process, so that the peak memory is its own.
fn measure(path: &Path) {
    let mut times = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        let session = open(path, &[credential()], Access::Read, Duration::ZERO).expect("open");
        times.push(start.elapsed());
        assert!(session.store.chunk_count() > 0);
    }
    times.sort();
    println!("open: minimum {:?}, median {:?}", times[0], times[times.len() / 2]);
    let mut session = open(path, &[credential()], Access::Write, Duration::ZERO).expect("open");
    let start = Instant::now();
    put(&mut session.store, 0, 1000);
    put(&mut session.store, u64::MAX / 2 + SystemClock.now().seconds as u64 * 1000, 1000);
    println!("2,000 chunks, half of them known, in two commits: {:?}", start.elapsed());
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    println!("peak memory: {peak}");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match &args[..] {
        [measured, path] if measured == "--measure" => measure(Path::new(path)),
        [work, rest @ ..] => {
            let count = rest.first().and_then(|c| c.parse().ok()).unwrap_or(10_000_000);
            let path = PathBuf::from(work).join("many.coffer");
            if !path.exists() {
                make(&path, count);
            }
            let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
            println!("container: {} MB", bytes / 1_000_000);
            let this = std::env::current_exe().expect("own path");
            let status = std::process::Command::new(this).arg("--measure").arg(path).status();
            assert!(status.is_ok_and(|s| s.success()), "measurement failed");
        }
        [] => eprintln!("usage: many_chunks WORKDIR [COUNT]"),
    }
}
