//! Live databases as a source: what a dump reads, in batches of several tables at once. It promises
//! that a dump that failed is an error of the whole backup.

use super::batch::{Batch, Piece};
use super::earlier::EarlierTables;
use super::table::TableBatcher;
use crate::crypto::{Keyring, ObjectKind};
use crate::entry::{Entry, EntryPath};
use crate::error::{Error, Kind, Result};
use crate::mysql::dump::{self, DumpPlan};
use crate::mysql::stream::{DumpSink, TableStream};
use crate::progress::Progress;
use crate::snapshot::{SourceKind, SourceRecord};
use crossbeam_channel::Sender;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Reads live databases, all as of one instant.
pub trait Dumper: std::fmt::Debug + Send + Sync {
    /// What the catalog keeps of the source: a record for each database, or one called `*`.
    fn records(&self) -> Vec<SourceRecord>;

    /// Reads everything into `sink`; rows are cut under `key`. Returns the longest time that writers
    /// of the databases had to wait for it.
    fn dump(&self, key: [u8; 32], sink: &dyn DumpSink, progress: &Progress) -> Result<Duration>;
}

impl Dumper for DumpPlan {
    fn records(&self) -> Vec<SourceRecord> {
        let origin = self.server.name().into_bytes();
        let record = |name: &str| SourceRecord {
            kind: SourceKind::Database,
            name: name.as_bytes().to_vec(),
            origin: origin.clone(),
        };
        match &self.databases {
            Some(names) => names.iter().map(|name| record(name)).collect(),
            None => vec![record("*")],
        }
    }

    fn dump(&self, key: [u8; 32], sink: &dyn DumpSink, progress: &Progress) -> Result<Duration> {
        let plan = DumpPlan { cutter_key: key, ..self.clone() };
        // A dump changes nothing on the server that outlives its connections, and no commit begins before
        // its end: a server that does not answer need not be waited for.
        let _waiting = progress.waiting();
        let report = dump::dump(&plan, sink, progress)?;
        Ok(Duration::from_micros(report.stall_us))
    }
}

/// Reads what `dumper` names into the channel `out`, beside what the previous snapshot has of it.
pub fn read(
    dumper: &dyn Dumper,
    keyring: &Keyring,
    earlier: &EarlierTables,
    progress: &Progress,
    out: &Sender<Result<Batch>>,
) -> Result<()> {
    let carrier = Carrier::new(out.clone(), keyring, earlier);
    let stall = dumper.dump(keyring.cutter_key(), &carrier, progress)?;
    carrier.say(Piece::Stall(stall))
}

/// Carries what a dump reads to the storing side.
pub struct Carrier<'a> {
    out: Sender<Result<Batch>>,
    keyring: &'a Keyring,
    earlier: &'a EarlierTables<'a>,
    next: AtomicU64,
}

impl<'a> Carrier<'a> {
    /// A carrier into the channel `out`.
    pub fn new(
        out: Sender<Result<Batch>>,
        keyring: &'a Keyring,
        earlier: &'a EarlierTables<'a>,
    ) -> Carrier<'a> {
        Carrier { out, keyring, earlier, next: AtomicU64::new(super::batch::MAIN_STREAM + 1) }
    }

    fn say(&self, piece: Piece) -> Result<()> {
        let stream = self.next.fetch_add(1, Ordering::Relaxed);
        let mut batch = Batch::empty(ObjectKind::Database, stream, Vec::new());
        batch.pieces.push(piece);
        send(&self.out, batch)
    }
}

/// Hands a batch to the storing side.
pub fn send(out: &Sender<Result<Batch>>, batch: Batch) -> Result<()> {
    // The storing side went away: it has the reason.
    out.send(Ok(batch)).map_err(|_| Error::new(Kind::Failed, "storing: ended early"))
}

impl DumpSink for Carrier<'_> {
    fn table(&self, path: &EntryPath) -> Result<Box<dyn TableStream + '_>> {
        let stream = self.next.fetch_add(1, Ordering::Relaxed);
        let earlier = self.earlier.table(path);
        Ok(Box::new(TableBatcher::new(self.out.clone(), stream, self.keyring, earlier)))
    }

    fn entry(&self, entry: Entry) -> Result<()> {
        self.say(Piece::Whole(Box::new(entry)))
    }

    fn note(&self, note: String, is_loss: bool) -> Result<()> {
        self.say(if is_loss { Piece::Loss(note) } else { Piece::Note(note) })
    }
}
