//! What travels from the reading thread to the storing one: bytes already cut, and what they belong
//! to. It promises that memory is bounded by the number of batches, whatever the file sizes, and
//! that buffers are used again.

use crate::attachments::problem::Problem;
use crate::chunking::{Cutter, Sizes};
use crate::crypto::ObjectKind;
use crate::entry::{ChunkRef, Entry};
use crate::error::{Error, Kind, Result};
use crate::limits::MAX_CHUNK_BYTES;
use crossbeam_channel::{Receiver, Sender};
use std::ops::Range;
use std::time::Duration;

/// Cut bytes in a full batch.
const BATCH_BYTES: usize = 8 << 20;
/// Bytes asked of a source at once; more than the longest chunk.
const READ_BYTES: usize = 1 << 20;
/// Stream of everything that comes one after the other.
pub const MAIN_STREAM: u64 = 0;
/// Length of a buffer: a full batch, what is not yet cut, and one reading.
pub const BUFFER_BYTES: usize = BATCH_BYTES + MAX_CHUNK_BYTES + 2 * READ_BYTES;

/// What a batch tells, in order.
#[derive(Debug)]
pub enum Piece {
    /// The next so many chunks belong to the content being read.
    Chunks(usize),
    /// So do these, which the container holds.
    Held(Vec<ChunkRef>),
    /// The content being read is complete; its entry lacks only the chunks.
    End(Box<Entry>),
    /// The content being read is given up: its chunks belong to nothing.
    GiveUp,
    /// An entry that needs no reading.
    Whole(Box<Entry>),
    /// Something went wrong with one file or folder.
    Problem(Problem),
    /// Something that is not one file's and that a person should know.
    Note(String),
    /// Something of a database that is not in the backup.
    Loss(String),
    /// How long writers of a database waited at most for the backup.
    Stall(Duration),
}

/// A buffer with the chunks cut from it.
#[derive(Debug)]
pub struct Batch {
    /// Kind of its chunks.
    pub kind: ObjectKind,
    /// Whose content the chunks are: several tables of a database come at once.
    pub stream: u64,
    /// The bytes.
    pub buffer: Vec<u8>,
    /// The chunks, as ranges of the buffer.
    pub chunks: Vec<Range<usize>>,
    /// What they belong to.
    pub pieces: Vec<Piece>,
}

impl Batch {
    /// A batch with nothing in it yet.
    pub fn empty(kind: ObjectKind, stream: u64, buffer: Vec<u8>) -> Batch {
        Batch { kind, stream, buffer, chunks: Vec::new(), pieces: Vec::new() }
    }
}

/// Fills batches from sources and sends them on.
pub struct Batcher {
    cutter: Cutter,
    batch: Batch,
    /// Where the bytes read so far end; the buffer is longer.
    filled: usize,
    /// Where the next chunk begins.
    start: usize,
    /// Chunks cut since the last piece.
    cut: usize,
    out: Sender<Result<Batch>>,
    buffers: Receiver<Vec<u8>>,
}

impl Batcher {
    /// A batcher for chunks of one kind.
    pub fn new(
        kind: ObjectKind,
        key: &[u8; 32],
        sizes: Sizes,
        out: Sender<Result<Batch>>,
        buffers: Receiver<Vec<u8>>,
    ) -> Batcher {
        let batch = Batch::empty(kind, MAIN_STREAM, vec![0; BUFFER_BYTES]);
        Batcher { cutter: Cutter::new(key, sizes), batch, filled: 0, start: 0, cut: 0, out, buffers }
    }

    /// Says something about entries.
    pub fn say(&mut self, piece: Piece) -> Result<()> {
        self.end_run();
        self.batch.pieces.push(piece);
        match self.batch.pieces.len() > 8192 {
            true => self.send(),
            false => Ok(()),
        }
    }

    fn end_run(&mut self) {
        if self.cut > 0 {
            self.batch.pieces.push(Piece::Chunks(std::mem::take(&mut self.cut)));
        }
    }

    /// Reads a whole content with `read` (which returns 0 at its end) and cuts it.
    /// Returns the number of bytes read, or the error of `read`.
    pub fn content(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>,
    ) -> Result<std::io::Result<u64>> {
        let mut total = 0;
        loop {
            if self.start >= BATCH_BYTES {
                self.send()?;
            }
            match read(&mut self.batch.buffer[self.filled..self.filled + READ_BYTES]) {
                Ok(bytes) => {
                    self.filled += bytes;
                    total += bytes as u64;
                    self.cut_up(bytes == 0);
                    if bytes == 0 {
                        return Ok(Ok(total));
                    }
                }
                Err(error) => {
                    self.filled = self.start;
                    return Ok(Err(error));
                }
            }
        }
    }

    fn cut_up(&mut self, last: bool) {
        while let Some(length) = self.cutter.cut(&self.batch.buffer[self.start..self.filled], last) {
            self.batch.chunks.push(self.start..self.start + length);
            self.start += length;
            self.cut += 1;
        }
    }

    /// Sends what is cut; what is not yet moves into the next batch.
    fn send(&mut self) -> Result<()> {
        self.end_run();
        let mut buffer = self.buffers.try_recv().unwrap_or_else(|_| vec![0; BUFFER_BYTES]);
        let rest = self.start..self.filled;
        buffer[..rest.len()].copy_from_slice(&self.batch.buffer[rest.clone()]);
        self.filled = rest.len();
        let next = Batch::empty(self.batch.kind, MAIN_STREAM, buffer);
        self.start = 0;
        let full = std::mem::replace(&mut self.batch, next);
        // The storing side went away: it has the reason.
        self.out.send(Ok(full)).map_err(|_| Error::new(Kind::Failed, "storing: ended early"))
    }

    /// Sends the rest.
    pub fn finish(mut self) -> Result<()> {
        self.send()
    }
}
