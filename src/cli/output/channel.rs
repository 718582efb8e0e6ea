//! The two streams of a command, shared with the thread that shows progress. One lock keeps lines
//! whole; a bar on the terminal steps aside for every line. Nothing that reaches a terminal can hold a
//! control character, whatever the name of a file or the message of a server.

use super::log::Log;
use crate::cli::events::{Body, Event};
use crate::clock::Clock;
use indicatif::ProgressBar;
use std::borrow::Cow;
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) struct Channel {
    json: bool,
    command: String,
    clock: Arc<dyn Clock>,
    streams: Mutex<Streams>,
    log: Mutex<Option<Log>>,
}

struct Streams {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Why output is no longer written: the first failure.
    lost: Option<io::Error>,
    bar: Option<ProgressBar>,
    /// Whether the `result` was told, after which nothing is.
    is_over: bool,
}

impl Channel {
    pub(super) fn new(
        json: bool,
        command: &str,
        clock: Arc<dyn Clock>,
        (out, err): (Box<dyn Write + Send>, Box<dyn Write + Send>),
    ) -> Self {
        let streams = Mutex::new(Streams { out, err, lost: None, bar: None, is_over: false });
        Channel { json, command: command.to_owned(), clock, streams, log: Mutex::new(None) }
    }

    /// Whether programs listen.
    pub(super) fn json(&self) -> bool {
        self.json
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        // A panic elsewhere leaves at worst half a line behind.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends everything to `log`, too.
    pub(super) fn set_log(&self, log: Log) {
        *self.log() = Some(log);
    }

    fn log(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event, if programs listen. All but items reach them at once. After a result there is none, and
    /// no line for people.
    pub(super) fn event(&self, body: Body) {
        let is_last = matches!(body, Body::Result { .. });
        let mut log = self.log();
        let logged = log.as_ref().is_some_and(|log| log.json);
        if self.json || logged {
            let is_item = matches!(body, Body::Item { .. });
            let line = Event::new(&self.command, self.clock.now(), body).line();
            if let Some(log) = log.as_mut().filter(|log| log.json && !is_item) {
                log.line(&line);
            }
            if self.json {
                self.streams().last_if(is_last, |streams| streams.output(&line, !is_item));
                *log = log.take().filter(|_| !is_last);
                return;
            }
        }
        if is_last {
            *log = None;
            self.streams().last_if(true, Streams::flush);
        }
    }

    fn log_text(&self, text: &str) {
        if let Some(log) = self.log().as_mut().filter(|log| !log.json) {
            log.text(self.clock.now(), &self.command, &printable(text));
        }
    }

    /// The last line for people, on standard output; the log has it, too.
    pub(super) fn last_row(&self, text: &str) {
        self.log_text(text);
        self.row(text);
    }

    /// A line for people on standard output.
    pub(super) fn row(&self, text: &str) {
        self.streams().output(&format!("{}\n", printable(text)), false);
    }

    /// A line for people on standard error.
    pub(super) fn message(&self, text: &str) {
        self.log_text(text);
        let line = format!("{}\n", printable(text));
        let mut streams = self.streams();
        if streams.is_over {
            return;
        }
        streams.flush();
        // There is nobody left to tell when standard error fails.
        streams.aside(|streams| _ = streams.err.write_all(line.as_bytes()));
    }

    /// Writes out what is buffered; the failure that lost output, unless its reader just left.
    pub(super) fn flush(&self) -> Option<String> {
        let mut streams = self.streams();
        streams.flush();
        let lost = streams.lost.as_ref().filter(|cause| cause.kind() != ErrorKind::BrokenPipe);
        lost.map(io::Error::to_string)
    }

    /// Writes out what is buffered; the failure that lost any output, a reader who left included.
    pub(super) fn deliver(&self) -> Result<(), String> {
        let mut streams = self.streams();
        streams.flush();
        streams.lost.as_ref().map_or(Ok(()), |cause| Err(cause.to_string()))
    }

    /// Sets or takes away the bar that lines must step around.
    pub(super) fn set_bar(&self, bar: Option<ProgressBar>) {
        self.streams().bar = bar;
    }
}

impl Streams {
    /// Writes something, after which nothing is written if it is the last.
    fn last_if(&mut self, is_last: bool, write: impl FnOnce(&mut Self)) {
        write(self);
        if is_last {
            self.is_over = true;
            self.bar.take().iter().for_each(ProgressBar::finish_and_clear);
        }
    }

    fn aside(&mut self, write: impl FnOnce(&mut Self)) {
        match self.bar.clone() {
            Some(bar) => bar.suspend(|| write(self)),
            None => write(self),
        }
    }

    fn output(&mut self, line: &str, flush: bool) {
        if self.is_over {
            return;
        }
        if self.lost.is_none() {
            self.aside(|streams| {
                let written = streams.out.write_all(line.as_bytes());
                streams.lost = written.err();
            });
        }
        if flush {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.lost.is_none() {
            self.lost = self.out.flush().err();
        }
    }
}

/// `text` with control characters escaped, line ends and tabs excepted.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if harmful(c) { format!("\\x{:02x}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}
