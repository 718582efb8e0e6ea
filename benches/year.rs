//! A year of practice nights under a policy: how long the file is, and what is written for it.
//!
//! `cargo bench --bench year -- WORKDIR [NIGHTS] [FILL]`: lets the invented practice age night by night
//! in `WORKDIR`, backs it up, keeps the last 10 nights and 12 months, prunes each night, and holds
//! the limit of the container so that live data fill FILL per cent of it (default 85), as far as the next
//! nights let it. Prints a table by
//! month and writes `year.csv` and `year.svg` to `target/year`.
//!
//! Writing is counted in whole segments, metadata and moves included; write amplification is that
//! divided by the sealed bytes of new chunks.

use coffer::attachments::exclude::Excludes;
use coffer::chunk_store::ChunkStore;
use coffer::clock::{Clock, SystemClock, Timestamp};
use coffer::crypto::{KdfCost, NewSlot, SystemEntropy};
use coffer::ids::SnapshotId;
use coffer::operations::backup::{BackupPlan, Source, backup_making_room};
use coffer::operations::practice::Practice;
use coffer::operations::prune::{self, PruneOptions};
use coffer::operations::session::{Init, Parity, Session, init, pool};
use coffer::operations::settings;
use coffer::progress::Progress;
use coffer::snapshot::{Catalog, Ledger};
use std::fmt::Write as _;
use std::path::Path;

const LAST: usize = 10;
const MONTHS: usize = 12;
const MONTH: u32 = 30;
/// Nights after which the limit follows the live data, and the slots that those nights may need.
const LIMIT_NIGHTS: u32 = 5;
const NEXT_SLOTS: u64 = 10;

/// A line of the plot: name, colour, value.
type Line = (&'static str, &'static str, fn(&Month) -> u64);

/// One month of figures, in bytes.
#[derive(Clone, Copy, Default)]
struct Month {
    file: u64,
    live: u64,
    limit: u64,
    new: u64,
    backup: u64,
    prune: u64,
    snapshots: usize,
    refused: u32,
}

impl Month {
    fn amplification(&self) -> f64 {
        (self.backup + self.prune) as f64 / self.new.max(1) as f64
    }
}

/// All but the last ten and the newest of each of the last twelve months, oldest first. Nights are told
/// by their tags, which hold the number.
fn droppable(catalog: &Catalog, _: &Ledger) -> Vec<SnapshotId> {
    let night = |index: usize| -> u32 {
        catalog.snapshots[index].tags.first().and_then(|tag| tag.parse().ok()).unwrap_or(0)
    };
    let count = catalog.snapshots.len();
    let mut months: Vec<(u32, usize)> = Vec::new();
    for index in 0..count {
        match months.last_mut() {
            Some((month, newest)) if *month == night(index) / MONTH => *newest = index,
            _ => months.push((night(index) / MONTH, index)),
        }
    }
    let kept: Vec<usize> = months.iter().rev().take(MONTHS).map(|(_, index)| *index).collect();
    let old = (0..count.saturating_sub(LAST)).filter(|index| !kept.contains(index));
    old.map(|index| catalog.snapshots[index].id).collect()
}

fn new_container(path: &Path, time: Timestamp) -> Session {
    let slot = NewSlot { credential: None, label: String::new(), cost: KdfCost::TEST, created: time };
    let plan = Init {
        path: path.into(),
        segment_bytes: Some(1 << 20),
        parity: Parity::Normal,
        max_bytes: None,
        retention: None,
        slot,
        time,
    };
    init(&plan, pool(0).expect("pool"), &mut SystemEntropy).expect("init")
}

/// Bytes of the segments that commits after `generation` wrote and that are live still.
fn written_since(store: &ChunkStore, generation: u64) -> u64 {
    let table = &store.container().state().table;
    let new = table.iter().filter(|r| r.live && r.generation > generation).count();
    new as u64 * store.container().base().geometry.segment_bytes as u64
}

fn night(session: &mut Session, practice: &Practice, number: u32, time: Timestamp, month: &mut Month) {
    let sources = vec![
        Source::Attachments { label: b"images".to_vec(), root: practice.attachments() },
        Source::DumpFile { name: b"practice.sql".to_vec(), path: practice.dump() },
    ];
    let plan = BackupPlan {
        sources,
        excludes: Excludes::new(&[]).expect("none"),
        tags: vec![format!("{number:06}")],
        host: "year".into(),
        time,
        level: 3,
        read_all: false,
        read_back: false,
        verifications: Vec::new(),
    };
    let pool = pool(0).expect("pool");
    let generation = session.store.container().state().root.generation;
    let made = backup_making_room(&mut session.store, plan, &droppable, pool.clone(), &Progress::default());
    match made {
        Ok(report) => month.new += report.record.counts.added_bytes,
        Err(error) => {
            eprintln!("night {number}: {error}");
            month.refused += 1;
        }
    }
    month.backup += written_since(&session.store, generation);
    let catalog = Catalog::read(&session.store).expect("catalog");
    let victims = droppable(&catalog, &Ledger::default());
    let options = PruneOptions { time, ..PruneOptions::default() };
    let plan = prune::plan(&session.store, &victims, &options, &Progress::default()).expect("plan");
    let foretold = plan.file_bytes_after;
    month.live = plan.live_bytes;
    let report = prune::apply(&mut session.store, plan, pool, &Progress::default()).expect("prune");
    assert_eq!(report.file_bytes_after, foretold, "night {number}: foretold another length");
    month.prune += report.written_bytes;
    month.file = report.file_bytes_after;
    month.snapshots = catalog.snapshots.len() - victims.len();
}

/// The limit of which the live data are `fill` per cent, but no less than the next nights need: the reserve
/// and what packing leaves in segments of one MiB weigh much in a small container.
fn limit(session: &mut Session, month: &Month, fill: u64, time: Timestamp) -> u64 {
    let g = session.store.container().base().geometry;
    let next = month.file + NEXT_SLOTS * g.segment_bytes as u64;
    let bytes = (month.live * 100 / fill).max(next).max(g.file_bytes(24));
    settings::change(session, time, pool(0).expect("pool"), |s| s.max_bytes = Some(bytes)).expect("a limit");
    bytes
}

fn line(number: usize, m: &Month) -> String {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    format!(
        "{number},{:.1},{:.1},{:.1},{:.1},{:.1},{:.1},{:.2},{},{}",
        mb(m.file),
        mb(m.live),
        mb(m.limit),
        mb(m.new),
        mb(m.backup),
        mb(m.prune),
        m.amplification(),
        m.snapshots,
        m.refused
    )
}

/// Length of the file, live bytes and limit as lines, write amplification as bars.
fn svg(months: &[Month]) -> String {
    let top = months.iter().map(|m| m.limit.max(m.file)).max().unwrap_or(1).max(1) as f64;
    let x = |index: usize| 50.0 + 600.0 * (index as f64 + 0.5) / months.len() as f64;
    let mut out = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' width='700' height='400' font-family='sans-serif' \
         font-size='11'><rect width='700' height='400' fill='white'/>\n",
    );
    for (index, month) in months.iter().enumerate() {
        let height = month.amplification().min(10.0) * 15.0;
        let _ = writeln!(
            out,
            "<rect x='{:.1}' y='{:.1}' width='12' height='{height:.1}' fill='#ddd'/><text x='{:.1}' \
             y='372'>{:.1}</text>",
            x(index) - 6.0,
            360.0 - height,
            x(index) - 8.0,
            month.amplification()
        );
    }
    let lines: [Line; 3] =
        [("limit", "#c33", |m| m.limit), ("file", "#36c", |m| m.file), ("live", "#393", |m| m.live)];
    for (number, (name, colour, value)) in lines.into_iter().enumerate() {
        let points: Vec<String> = months
            .iter()
            .enumerate()
            .filter(|(_, m)| value(m) > 0)
            .map(|(index, m)| format!("{:.1},{:.1}", x(index), 360.0 - 320.0 * value(m) as f64 / top))
            .collect();
        let _ = writeln!(
            out,
            "<polyline fill='none' stroke='{colour}' stroke-width='2' points='{}'/><text x='{}' y='20' \
             fill='{colour}'>{name}</text>",
            points.join(" "),
            60 + 60 * number
        );
    }
    let _ = writeln!(
        out,
        "<text x='250' y='20'>by month, to {:.0} MB; bars: write amplification</text></svg>",
        top / 1e6
    );
    out
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(work) = args.first().map(Path::new) else {
        return eprintln!("usage: year WORKDIR [NIGHTS] [FILL]");
    };
    let number = |at: usize, usual: u64| args.get(at).and_then(|a| a.parse().ok()).unwrap_or(usual);
    let (nights, fill) = (number(1, 365) as u32, number(2, 85).clamp(20, 95));
    let start = SystemClock.now();
    let mut practice = Practice::create(&work.join("practice"), 1).expect("a practice");
    let mut session = new_container(&work.join("year.coffer"), start);
    let mut months = Vec::new();
    let mut month = Month::default();
    for n in 0..nights {
        let time = start.plus_seconds(i64::from(n) * 86_400);
        practice.age(n).expect("aged");
        night(&mut session, &practice, n, time, &mut month);
        if n % LIMIT_NIGHTS == LIMIT_NIGHTS - 1 {
            month.limit = limit(&mut session, &month, fill, time);
        }
        if n % MONTH == MONTH - 1 || n + 1 == nights {
            println!("{}", line(months.len() + 1, &month));
            months.push(std::mem::take(&mut month));
        }
    }
    let out = Path::new("target/year");
    std::fs::create_dir_all(out).expect("a folder");
    let head = "month,file_mb,live_mb,limit_mb,new_mb,backup_mb,prune_mb,amplification,snapshots,refused";
    let table: Vec<String> = months.iter().enumerate().map(|(i, m)| line(i + 1, m)).collect();
    std::fs::write(out.join("year.csv"), format!("{head}\n{}\n", table.join("\n"))).expect("written");
    std::fs::write(out.join("year.svg"), svg(&months)).expect("written");
    println!("{head}");
}
