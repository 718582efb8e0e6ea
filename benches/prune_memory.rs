//! What a prune of a very large container costs.
//!
//! `cargo bench --bench prune_memory -- WORKDIR [COUNT]`: makes `WORKDIR/prune.coffer` with COUNT
//! (default six million, as in 100 GB of a practice) chunks of 100 random bytes in 24 snapshots, each
//! with half of its predecessor's files; then drops the older twelve in a process of its own. Prints
//! the plan, times, bytes written and that process's peak memory.

use coffer::chunk_store::{ChunkStore, WritingOptions};
use coffer::clock::{Clock, SystemClock};
use coffer::container::Access;
use coffer::container::commit::CommitOptions;
use coffer::crypto::{Credential, KdfCost, NewSlot, ObjectKind, SystemEntropy};
use coffer::entry::{ChunkList, ChunkRef, Content, Entry, EntryKind, EntryPath, Metadata};
use coffer::ids::SnapshotId;
use coffer::operations::prune::{self, PruneOptions};
use coffer::operations::session::{Init, Parity, init, open, pool};
use coffer::progress::Progress;
use coffer::snapshot::{Catalog, Counts, ManifestWriter, SnapshotRecord};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SNAPSHOTS: u64 = 24;
const CHUNK_BYTES: usize = 100;
const FILE_CHUNKS: usize = 50;

fn credential() -> Credential {
    Credential::KeyFile(zeroize::Zeroizing::new([7; 32]))
}

fn chunks(first: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count * CHUNK_BYTES];
    blake3::Hasher::new().update(&first.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// One snapshot: new files of `count` chunks in all, and every other one of `kept`.
fn add(store: &mut ChunkStore, night: u64, count: u64, kept: &[Vec<ChunkRef>]) -> Vec<Vec<ChunkRef>> {
    let commit = CommitOptions { max_bytes: None, time: SystemClock.now(), read_back: false };
    let mut catalog = Catalog::read(store).expect("catalog");
    let key = store.container().base().keyring().cutter_key();
    let mut writing =
        store.begin(pool(0).expect("pool"), WritingOptions { commit, level: 1 }).expect("begin");
    let mut files: Vec<Vec<ChunkRef>> = kept.iter().step_by(2).cloned().collect();
    for first in (0..count).step_by(1000) {
        let bytes = chunks((night << 40) + first, 1000);
        let slices: Vec<&[u8]> = bytes.chunks(CHUNK_BYTES).collect();
        let refs = writing.put_batch(ObjectKind::Attachment, &slices).expect("put");
        files.extend(refs.chunks(FILE_CHUNKS).map(<[ChunkRef]>::to_vec));
    }
    let mut manifest = ManifestWriter::new(&key);
    for (number, refs) in files.iter().enumerate() {
        let size = refs.iter().map(|c| u64::from(c.length)).sum();
        let content = Content { size, holes: vec![], chunks: ChunkList { depth: 0, chunks: refs.clone() } };
        let path = EntryPath(format!("attachments/{number:08}").into_bytes());
        let entry = Entry { path, kind: EntryKind::File(content), metadata: Metadata::default() };
        manifest.push(&entry, &mut writing).expect("entry");
    }
    let (manifest, manifest_bytes) = manifest.finish(&mut writing).expect("manifest");
    let mut record = SnapshotRecord {
        origin: None,
        id: SnapshotId::ZERO,
        generation: store.container().state().root.generation + 1,
        time: SystemClock.now(),
        host: "bench".into(),
        tags: vec![],
        sources: vec![],
        counts: Counts::default(),
        manifest,
        manifest_bytes,
    };
    record.seal_id(store.container().base().keyring());
    catalog.snapshots.push(record);
    let settings = store.contents().settings.clone();
    let committed = writing.finish(&catalog.encode(), b"", settings).expect("finish");
    store.install(committed);
    files
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
    let mut files = Vec::new();
    for night in 0..SNAPSHOTS {
        files = add(&mut session.store, night, count / SNAPSHOTS, &files);
    }
    println!("made {count} chunks in {:.1} s", start.elapsed().as_secs_f64());
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM: unknown").to_owned()
}

/// Prunes, alone in its process, so that the peak memory is its own.
fn measure(path: &Path) {
    let mut session = open(path, &[credential()], Access::Write, Duration::ZERO).expect("open");
    let store = &mut session.store;
    let catalog = Catalog::read(store).expect("catalog");
    let victims: Vec<_> = catalog.snapshots.iter().take(SNAPSHOTS as usize / 2).map(|s| s.id).collect();
    println!("{} chunk copies in {} MB", store.chunk_count(), store.container().file_bytes() / 1_000_000);
    let options = PruneOptions { time: SystemClock.now(), ..PruneOptions::default() };
    let start = Instant::now();
    let plan = prune::plan(store, &victims, &options, &Progress::default()).expect("plan");
    println!(
        "plan: {:.1} s; frees {} MB, from {} to {} MB; {}",
        start.elapsed().as_secs_f64(),
        plan.freed_bytes / 1_000_000,
        plan.file_bytes_before / 1_000_000,
        plan.file_bytes_after / 1_000_000,
        peak_memory()
    );
    let start = Instant::now();
    let foretold = plan.file_bytes_after;
    let report = prune::apply(store, plan, pool(0).expect("pool"), &Progress::default()).expect("prune");
    println!(
        "prune: {:.1} s; {} commits, {} MB written, {} MB moved",
        start.elapsed().as_secs_f64(),
        report.commits,
        report.written_bytes / 1_000_000,
        report.moved_bytes / 1_000_000
    );
    assert_eq!(report.file_bytes_after, foretold);
    println!("peak memory: {}", peak_memory());
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match &args[..] {
        [measured, path] if measured == "--measure" => measure(Path::new(path)),
        [work, rest @ ..] => {
            let count = rest.first().and_then(|c| c.parse().ok()).unwrap_or(6_000_000);
            let path = PathBuf::from(work).join("prune.coffer");
            if !path.exists() {
                make(&path, count);
            }
            let this = std::env::current_exe().expect("own path");
            let status = std::process::Command::new(this).arg("--measure").arg(path).status();
            assert!(status.is_ok_and(|s| s.success()), "measurement failed");
        }
        [] => eprintln!("usage: prune_memory WORKDIR [COUNT]"),
    }
}
