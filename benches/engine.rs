//! The engine's main steps on real trees, in one process: times and sizes, for profiling.
//!
//! `cargo bench --bench engine -- FIRST NEXT WORKDIR [THREADS]`: FIRST and NEXT are folders with
//! `attachments/` and `dump.sql` (first night, next night).

use coffer::attachments::exclude::Excludes;
use coffer::attachments::restore::RestoreOptions;
use coffer::clock::{Clock, SystemClock};
use coffer::container::Access;
use coffer::crypto::{Credential, KdfCost, NewSlot, SystemEntropy};
use coffer::operations::backup::{BackupPlan, Source, backup};
use coffer::operations::restore::{RestorePlan, restore};
use coffer::operations::session::{Init, Parity, init, open, pool};
use coffer::operations::verify::verify;
use coffer::progress::Progress;
use coffer::snapshot::{Catalog, Level};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn plan(tree: &Path) -> BackupPlan {
    BackupPlan {
        sources: vec![
            Source::DumpFile { name: b"dump.sql".to_vec(), path: tree.join("dump.sql") },
            Source::Attachments { label: b"attachments".to_vec(), root: tree.join("attachments") },
        ],
        excludes: Excludes::none(),
        tags: vec![],
        host: "bench".into(),
        time: SystemClock.now(),
        level: 3,
        read_all: false,
        read_back: false,
        verifications: vec![],
    }
}

/// User and system time of this process so far, in seconds, in steps of a hundredth.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [first, next, work, rest @ ..] = &args[..] else {
        eprintln!("usage: engine FIRST NEXT WORKDIR [THREADS]");
        return;
    };
    let threads = rest.first().and_then(|t| t.parse().ok()).unwrap_or(0);
    let (first, next, work) = (PathBuf::from(first), PathBuf::from(next), PathBuf::from(work));
    let path = work.join("bench.coffer");
    let _ = std::fs::remove_file(&path);
    let pool = pool(threads).expect("pool");
    let credential = Credential::KeyFile(zeroize::Zeroizing::new([7; 32]));
    let slot = NewSlot {
        credential: Some(credential.clone()),
        label: "bench".into(),
        cost: KdfCost::TEST,
        created: SystemClock.now(),
    };
    let plan_init = Init {
        path: path.clone(),
        segment_bytes: None,
        parity: Parity::Normal,
        max_bytes: None,
        retention: None,
        slot,
        time: SystemClock.now(),
    };
    drop(init(&plan_init, pool.clone(), &mut SystemEntropy).expect("init"));
    let step = |name: &str, run: &mut dyn FnMut() -> String| {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let told = run();
        let wall = start.elapsed().as_secs_f64();
        println!("{name:<10} wall {wall:>6.2} s  cpu {:>6.2} s  {told}", cpu_seconds() - cpu);
    };
    let session =
        |access| open(&path, std::slice::from_ref(&credential), access, Duration::ZERO).expect("open");
    for (name, tree) in [("first", &first), ("again", &first), ("night", &next)] {
        step(name, &mut || {
            let mut session = session(Access::Write);
            let report =
                backup(&mut session.store, plan(tree), pool.clone(), &Progress::default()).expect("backup");
            format!(
                "{} problems, {} files read, added {} MB, file {} MB",
                report.problems.len(),
                report.record.counts.files_read,
                report.record.counts.added_bytes / 1_000_000,
                report.file_bytes.1 / 1_000_000
            )
        });
    }
    step("verify", &mut || {
        let session = session(Access::Read);
        let report = verify(&session.store, Level::Full, &pool, &Progress::default()).expect("verify");
        format!("{} segments, {} damaged", report.segments, report.damaged.len())
    });
    for sync in [false, true] {
        let out = work.join("out");
        let _ = std::fs::remove_dir_all(&out);
        step(if sync { "restore+s" } else { "restore" }, &mut || {
            let session = session(Access::Read);
            let catalog = Catalog::read(&session.store).expect("catalog");
            let restore_plan = RestorePlan {
                selection: Default::default(),
                target: out.clone(),
                options: RestoreOptions::default(),
                compare: false,
                sync,
            };
            let record = catalog.snapshots.last().expect("snapshot");
            let report =
                restore(&session.store, record, &restore_plan, &pool, &Progress::default()).expect("restore");
            format!(
                "{} MB, {} damaged, {} problems",
                report.restored_bytes / 1_000_000,
                report.damaged.len(),
                report.problems.len()
            )
        });
    }
}
