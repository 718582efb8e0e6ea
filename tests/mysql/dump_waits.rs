//! How long others wait for a dump: the lock is given back when reading under it takes too long, and
//! who waited for a table is told.

use crate::kept::{Kept, plan};
use crate::server::{Make, Server, told};
use coffer::entry::{Entry, EntryPath};
use coffer::error::Result;
use coffer::mysql::dump::{DumpPlan, DumpReport, dump};
use coffer::mysql::stream::{DumpSink, TableStream};
use coffer::progress::Progress;
use coffer::rows::ChunkSink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What happens to the stream of a table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    Chunk,
    Rest,
}

/// A sink that does something when streams (the first is number 0) get chunks or rest.
struct Staged<'a> {
    kept: Kept,
    begun: AtomicU64,
    act: &'a (dyn Fn(u64, Event) + Sync),
}

impl<'a> Staged<'a> {
    fn take(wanted: &DumpPlan, act: &'a (dyn Fn(u64, Event) + Sync)) -> Result<(Kept, DumpReport)> {
        let staged = Staged { kept: Kept::default(), begun: AtomicU64::new(0), act };
        let report = dump(wanted, &staged, &Progress::default())?;
        Ok((staged.kept, report))
    }
}

impl DumpSink for Staged<'_> {
    fn table(&self, path: &EntryPath) -> Result<Box<dyn TableStream + '_>> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(StagedStream { number, act: self.act, stream: self.kept.table(path)? }))
    }

    fn entry(&self, entry: Entry) -> Result<()> {
        self.kept.entry(entry)
    }

    fn note(&self, note: String, is_loss: bool) -> Result<()> {
        self.kept.note(note, is_loss)
    }
}

struct StagedStream<'a> {
    number: u64,
    act: &'a (dyn Fn(u64, Event) + Sync),
    stream: Box<dyn TableStream + 'a>,
}

impl ChunkSink for StagedStream<'_> {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        (self.act)(self.number, Event::Chunk);
        self.stream.chunk(parts)
    }
}

impl TableStream for StagedStream<'_> {
    fn rest(&mut self) -> Result<()> {
        (self.act)(self.number, Event::Rest);
        self.stream.rest()
    }

    fn finish(self: Box<Self>, entry: Entry) -> Result<()> {
        self.stream.finish(entry)
    }
}

/// A database with a table of some MB.
fn with_table(engine: &str) -> Server {
    let server = Server::start(&[]);
    let sql = format!(
        "CREATE DATABASE d; CREATE TABLE d.m (id INT PRIMARY KEY, b INT, c CHAR(100)) ENGINE={engine};
         INSERT INTO d.m SELECT seq, 1, LEFT(SHA2(seq,256),32) FROM mysql.seq_1_to_60000;"
    );
    server.client("", &sql);
    server
}

#[test]
fn a_lock_that_is_held_too_long_is_given_back() {
    let server = with_table("MyISAM");
    let mut wanted = plan(server.options(), &["d"]);
    wanted.limits.aim = Duration::from_secs(600);
    wanted.limits.hold = Duration::from_secs(600);
    wanted.limits.memory_bytes = 0;
    let slow_under_lock = |number, event| match (number, event) {
        // Behind the first reading, so that there is one under the lock.
        (0, Event::Rest) => _ = server.client("", "UPDATE d.m SET b=b+1 WHERE id=1"),
        (1, Event::Chunk) => std::thread::sleep(Duration::from_millis(300)),
        _ => {}
    };
    let (_, report) = Staged::take(&wanted, &slow_under_lock).expect("as long as it takes");
    assert_eq!((report.restarts, report.read_under_lock.len()), (0, 1));
    let stall = Duration::from_micros(report.stall_us);
    assert!(stall > Duration::from_secs(3), "the sink is slow for each chunk: {stall:?}");

    wanted.limits.hold = Duration::from_secs(1);
    wanted.limits.restarts = 1;
    let (kept, report) = Staged::take(&wanted, &slow_under_lock).expect("in a second attempt");
    assert_eq!(report.restarts, 1, "{report:?}");
    assert_eq!(kept.rows("database/d/tables/m").len(), 60_000);

    wanted.limits.restarts = 0;
    let error = Staged::take(&wanted, &slow_under_lock).err().expect("too long");
    assert!(error.to_string().contains("`d`.`m`: reading it under the lock"), "{}", told(&error));
}

#[test]
fn who_waited_for_a_table_is_told() {
    let server = with_table("InnoDB");
    let wanted = plan(server.options(), &["d"]);
    let first = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let alter_meanwhile = |_, _| {
            if first.swap(false, Ordering::Relaxed) {
                scope.spawn(|| server.client("", "ALTER TABLE d.m COMMENT='another'"));
                std::thread::sleep(Duration::from_secs(4));
            }
        };
        let (kept, report) = Staged::take(&wanted, &alter_meanwhile).expect("dump");
        let told = |note: &String| note.starts_with("1 statement(s) of others waited");
        assert!(report.notes.iter().any(told), "{report:?}");
        assert!(kept.notes.lock().expect("notes").iter().any(|(note, is_loss)| told(note) && !is_loss));
        // Another definition, unless the server could keep it until the dump was over.
        assert_eq!(report.restarts > 0, !Make::asked().is_mysql());
    });
}
