//! Rows by LOAD DATA LOCAL. It promises that the server gets our stream and nothing else, whatever
//! file it asks for, and that a stream that broke off is never taken for a whole one: the connection
//! is then in the middle of the protocol, nothing is committed, and the error says so.

use super::table::{Cells, Rows, Sent, Task, failed};
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

/// Loads the rows.
pub fn load(connection: &mut Connection, task: &Task, rows: Rows, progress: &Progress) -> Result<Sent> {
    let (columns, sets) = task.columns();
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
            (Ok(Some(sent)), Ok(())) => Ok(sent),
            (Ok(None), Ok(())) => Err(unexpected(format!(
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

/// Writes rows as the server reads them; `None`: nobody takes them any more.
fn write(
    mut rows: Rows,
    pieces: &Sender<Piece>,
    empties: &Receiver<Vec<u8>>,
    progress: &Progress,
) -> Result<Option<Sent>> {
    let mut buffer: Vec<u8> = Vec::with_capacity(PIECE_BYTES * 2);
    loop {
        let is_more = rows.next(&mut |cells| line(cells, &mut buffer))?;
        if buffer.len() >= PIECE_BYTES || !is_more {
            progress.check()?;
            progress.advance(0, buffer.len() as u64);
            let mut next = empties.try_recv().unwrap_or_else(|_| Vec::with_capacity(PIECE_BYTES * 2));
            next.clear();
            if pieces.send(Piece::Bytes(std::mem::replace(&mut buffer, next))).is_err() {
                return Ok(None);
            }
        }
        if !is_more {
            return Ok(pieces.send(Piece::End).is_ok().then(|| rows.sent()));
        }
    }
}

/// Appends a row.
fn line(cells: &mut Cells, out: &mut Vec<u8>) {
    for (number, cell) in cells.enumerate() {
        if number > 0 {
            out.push(b'\t');
        }
        match cell {
            None => out.extend_from_slice(b"\\N"),
            Some(bytes) => escape(bytes, out),
        }
    }
    out.push(b'\n');
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
        let mut out = Vec::new();
        let row: [Option<&[u8]>; 4] = [Some(b"a\tb\\N"), None, Some(b""), Some(b"\n\r\0")];
        line(&mut row.into_iter(), &mut out);
        assert_eq!(out, b"a\\tb\\\\N\t\\N\t\t\\n\r\0\n");
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
