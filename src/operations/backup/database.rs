//! Live databases as a source: what a dump reads, in batches of several tables at once. It promises
//! that a dump that failed is an error of the whole backup.

use super::batch::{Batch, Piece};
use crate::crypto::ObjectKind;
use crate::entry::Entry;
use crate::error::{Error, Kind, Result};
use crate::mysql::dump::{self, DumpPlan};
use crate::mysql::stream::{DumpSink, TableStream};
use crate::progress::Progress;
use crate::rows::ChunkSink;
use crate::snapshot::{SourceKind, SourceRecord};
use crossbeam_channel::Sender;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Bytes of a table that travel at once.
const BATCH_BYTES: usize = 4 << 20;

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
        let report = dump::dump(&plan, sink, progress)?;
        Ok(Duration::from_micros(report.stall_us))
    }
}

/// Reads what `dumper` names into the channel `out`.
pub fn read(
    dumper: &dyn Dumper,
    key: [u8; 32],
    progress: &Progress,
    out: &Sender<Result<Batch>>,
) -> Result<()> {
    let carrier = Carrier::new(out.clone());
    let stall = dumper.dump(key, &carrier, progress)?;
    carrier.say(Piece::Stall(stall))
}

/// Carries what a dump reads to the storing side.
pub struct Carrier {
    out: Sender<Result<Batch>>,
    next: AtomicU64,
}

impl Carrier {
    /// A carrier into the channel `out`.
    pub fn new(out: Sender<Result<Batch>>) -> Carrier {
        Carrier { out, next: AtomicU64::new(super::batch::MAIN_STREAM + 1) }
    }

    fn say(&self, piece: Piece) -> Result<()> {
        let stream = self.next.fetch_add(1, Ordering::Relaxed);
        let mut batch = Batch::empty(ObjectKind::Database, stream, Vec::new());
        batch.pieces.push(piece);
        send(&self.out, batch)
    }
}

fn send(out: &Sender<Result<Batch>>, batch: Batch) -> Result<()> {
    // The storing side went away: it has the reason.
    out.send(Ok(batch)).map_err(|_| Error::new(Kind::Failed, "storing: ended early"))
}

impl DumpSink for Carrier {
    fn table(&self) -> Result<Box<dyn TableStream + '_>> {
        let stream = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(TableBatcher { out: self.out.clone(), batch: table_batch(stream), is_open: true }))
    }

    fn entry(&self, entry: Entry) -> Result<()> {
        self.say(Piece::Whole(Box::new(entry)))
    }

    fn note(&self, note: String, is_loss: bool) -> Result<()> {
        self.say(if is_loss { Piece::Loss(note) } else { Piece::Note(note) })
    }
}

fn table_batch(stream: u64) -> Batch {
    Batch::empty(ObjectKind::Database, stream, Vec::with_capacity(BATCH_BYTES))
}

struct TableBatcher {
    out: Sender<Result<Batch>>,
    batch: Batch,
    is_open: bool,
}

impl TableBatcher {
    fn send(&mut self, last: Option<Piece>) -> Result<()> {
        let next = table_batch(self.batch.stream);
        let mut full = std::mem::replace(&mut self.batch, next);
        full.pieces.push(Piece::Chunks(full.chunks.len()));
        full.pieces.extend(last);
        send(&self.out, full)
    }
}

impl ChunkSink for TableBatcher {
    fn chunk(&mut self, parts: &[&[u8]]) -> Result<()> {
        let start = self.batch.buffer.len();
        parts.iter().for_each(|part| self.batch.buffer.extend_from_slice(part));
        self.batch.chunks.push(start..self.batch.buffer.len());
        match self.batch.buffer.len() >= BATCH_BYTES {
            true => self.send(None),
            false => Ok(()),
        }
    }
}

impl TableStream for TableBatcher {
    fn finish(mut self: Box<Self>, entry: Entry) -> Result<()> {
        self.is_open = false;
        self.send(Some(Piece::End(Box::new(entry))))
    }
}

impl Drop for TableBatcher {
    fn drop(&mut self) {
        if self.is_open {
            let mut batch = Batch::empty(ObjectKind::Database, self.batch.stream, Vec::new());
            batch.pieces.push(Piece::GiveUp);
            let _ = self.out.send(Ok(batch));
        }
    }
}
