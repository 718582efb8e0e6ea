//! Rows by LOAD DATA LOCAL. It promises that the server gets our stream and nothing else, whatever
//! file it asks for, and that a stream that broke off is never taken for a whole one: the connection
//! is then in the middle of the protocol, nothing is committed, and the error says so.

use super::table::{Cells, Rows, Task, failed};
use super::unexpected;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::progress::Progress;
use crossbeam_channel::{Receiver, Sender, bounded};
use mysql::LocalInfileHandler;
use mysql::prelude::Queryable;
use std::io::Write;

/// Bytes that go from the thread that writes rows to the one that sends them, at once.
const PIECE_BYTES: usize = 256 << 10;
/// Such pieces on their way.
const PIECES: usize = 6;

/// What goes from thread to thread.
enum Piece {
    Bytes(Vec<u8>),
    /// The stream is whole.
    End,
}

/// Loads rows until their end or their pause.
pub fn load(connection: &mut Connection, task: &Task, rows: &mut Rows, progress: &Progress) -> Result<()> {
    let (columns, sets) = task.columns(connection.is_mariadb());
    let sets = if sets.is_empty() { sets } else { format!(" SET {sets}") };
    let sql = format!(
        "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET binary FIELDS TERMINATED BY '\\t' \
         ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' ({columns}){sets}",
        task.place()
    );
    let (pieces, arriving) = bounded(PIECES);
    let (give_back, empties) = bounded(PIECES);
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write(rows, &pieces, &empties, progress));
        connection.raw().set_local_infile_handler(Some(LocalInfileHandler::new(move |_, out| {
            serve(&arriving, &give_back, out)
        })));
        let answer = connection.raw().query_drop(&sql);
        // The handler holds the other end of the writer's channel: without it the writer ends.
        connection.raw().set_local_infile_handler(None);
        let written =
            writer.join().map_err(|_| Error::new(Kind::Failed, "a thread that reads rows panicked"))?;
        match (written, answer) {
            (Ok(true), Ok(())) => Ok(()),
            (Ok(false), Ok(())) => Err(unexpected(format!(
                "{}: {} was loaded without asking for its rows",
                connection.name(),
                task.name()
            ))),
            (Err(error), _) => Err(error),
            (_, Err(cause)) => Err(failed(connection, task, cause)),
        }
    })
}

/// Sends what arrives; an error unless the end arrives.
fn serve(
    arriving: &Receiver<Piece>,
    give_back: &Sender<Vec<u8>>,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    loop {
        match arriving.recv() {
            Ok(Piece::Bytes(bytes)) => {
                out.write_all(&bytes)?;
                let _ = give_back.try_send(bytes);
            }
            Ok(Piece::End) => return Ok(()),
            Err(_) => return Err(std::io::Error::other("the rows broke off")),
        }
    }
}

/// Writes rows as the server reads them; false: nobody takes them any more.
fn write(
    rows: &mut Rows,
    pieces: &Sender<Piece>,
    empties: &Receiver<Vec<u8>>,
    progress: &Progress,
) -> Result<bool> {
    let mut out = Pieces { buffer: Vec::with_capacity(PIECE_BYTES * 2), pieces, empties, is_taken: true };
    loop {
        let mut bytes = 0;
        let is_more = rows.next(&mut |cells| bytes = line(cells, &mut out))?;
        progress.advance(0, bytes);
        if !out.is_taken {
            return Ok(false);
        }
        if bytes >= PIECE_BYTES as u64 || out.buffer.is_empty() {
            progress.check()?;
        }
        if !is_more {
            out.send();
            return Ok(pieces.send(Piece::End).is_ok());
        }
    }
}

/// Bytes on their way to the thread that sends them.
struct Pieces<'a> {
    buffer: Vec<u8>,
    pieces: &'a Sender<Piece>,
    empties: &'a Receiver<Vec<u8>>,
    /// Whether somebody takes them.
    is_taken: bool,
}

impl Pieces<'_> {
    /// Sends what is there, once it is enough.
    fn send_full(&mut self) {
        if self.buffer.len() >= PIECE_BYTES {
            self.send();
        }
    }

    fn send(&mut self) {
        let mut next = self.empties.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES * 2));
        next.clear();
        let full = std::mem::replace(&mut self.buffer, next);
        self.is_taken = self.is_taken && self.pieces.send(Piece::Bytes(full)).is_ok();
    }
}

/// Writes a row; its bytes. However long it is, no more than a few pieces are in memory.
fn line(cells: &mut Cells, out: &mut Pieces) -> u64 {
    let mut bytes = 0;
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            out.buffer.push(b'\t');
        }
        bytes += 1 + cell.map_or(1, <[u8]>::len) as u64;
        match cell {
            None => out.buffer.extend_from_slice(b"\\N"),
            Some(cell) if cell.len() < PIECE_BYTES => escape(cell, &mut out.buffer),
            Some(cell) => {
                for part in cell.chunks(PIECE_BYTES) {
                    escape(part, &mut out.buffer);
                    out.send_full();
                }
            }
        }
    }
    out.buffer.push(b'\n');
    out.send_full();
    bytes
}

#[inline]
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let is_special = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\\');
    if !bytes.iter().fold(false, |any, &byte| any | is_special(byte)) {
        return out.extend_from_slice(bytes);
    }
    for &byte in bytes {
        if is_special(byte) {
            out.push(b'\\');
            // `\` before a line feed is that line feed; the letters say the same and stay on a line.
            out.push(match byte {
                b'\t' => b't',
                b'\n' => b'n',
                other => other,
            });
        } else {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_cell_ends_it() {
        let (pieces, arriving) = bounded(99);
        let (_give_back, empties) = bounded(1);
        let mut out = Pieces { buffer: Vec::new(), pieces: &pieces, empties: &empties, is_taken: true };
        let row: [Option<&[u8]>; 4] = [Some(b"a\tb\\N"), None, Some(b""), Some(b"\n\r\0")];
        assert_eq!(line(&mut row.into_iter(), &mut out), 6 + 2 + 1 + 4);
        assert_eq!(out.buffer, b"a\\tb\\\\N\t\\N\t\t\\n\r\0\n");
        // A long cell goes in pieces, and they are the cell.
        out.buffer.clear();
        let long = b"\t".repeat(3 * PIECE_BYTES + 1);
        line(&mut [Some(&long[..]), Some(b"z")].into_iter(), &mut out);
        out.send();
        let mut arrived = Vec::new();
        for piece in arriving.try_iter() {
            let Piece::Bytes(bytes) = piece else { panic!("the end") };
            assert!(bytes.len() <= 3 * PIECE_BYTES);
            arrived.extend(bytes);
        }
        assert_eq!(arrived, [b"\\t".repeat(long.len()), b"\tz\n".to_vec()].concat());
    }

    #[test]
    fn a_stream_without_its_end_is_an_error() {
        let (pieces, arriving) = bounded(4);
        let (give_back, _empties) = bounded(4);
        pieces.send(Piece::Bytes(b"row".to_vec())).unwrap();
        drop(pieces);
        let mut out = Vec::new();
        assert!(serve(&arriving, &give_back, &mut out).is_err());
        assert_eq!(out, b"row");
    }
}
