//! What a command tells people and programs. It promises that standard output carries nothing but
//! what was asked for (rows, or JSON events), that everything else goes to standard error, that a
//! JSON command ends with exactly one `result` even when it panics, and that a reader who
//! stops listening stops nothing else.

mod channel;
mod log;
mod meter;

pub use log::Log;
pub use meter::Meter;

use crate::cli::events::{Body, Outcome, Report, Status, exit_code};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use channel::Channel;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How much is told, and in which form.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `-q`: no progress and no remarks; rows, warnings and errors stay.
    pub quiet: bool,
    /// `-v`: details too, unless quiet.
    pub verbose: bool,
    /// `--json`.
    pub json: bool,
    /// `--no-progress`.
    pub no_progress: bool,
    /// How often progress is told where there is no terminal.
    pub interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let interval = Duration::from_secs(60);
        Settings { quiet: false, verbose: false, json: false, no_progress: false, interval }
    }
}

/// The output of one command.
pub struct Output {
    settings: Settings,
    terminal: bool,
    channel: Arc<Channel>,
    finished: AtomicBool,
}

impl Output {
    /// The output of `command` on the process's own streams.
    pub fn new(settings: Settings, command: &str, clock: Arc<dyn Clock>) -> Self {
        let terminal =
            io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let out: Box<dyn Write + Send> = match io::stdout().is_terminal() {
            true => Box::new(io::stdout()),
            false => Box::new(BufWriter::with_capacity(64 << 10, io::stdout())),
        };
        Output::on(settings, command, clock, (out, Box::new(io::stderr())), terminal)
    }

    /// The output of `command` on other streams (output, error); `terminal`: whether a moving
    /// progress bar makes sense.
    pub fn on(
        settings: Settings,
        command: &str,
        clock: Arc<dyn Clock>,
        streams: (Box<dyn Write + Send>, Box<dyn Write + Send>),
        terminal: bool,
    ) -> Self {
        let channel = Channel::new(settings.json, command, clock, streams);
        Output { settings, terminal, channel: Arc::new(channel), finished: AtomicBool::new(false) }
    }

    /// From now on, everything goes to `log`, too.
    pub fn log_to(&mut self, log: Log) {
        self.channel.set_log(log);
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Tells programs that the command begins, with what it was asked to do.
    pub fn start(&self, fields: Map<String, Value>) {
        self.channel.event(Body::Start(fields));
    }

    /// One row of what was asked for: a line for people or an `item` for programs.
    pub fn item(&self, line: impl Display, item: impl Serialize) {
        if self.settings.json {
            let item = serde_json::to_value(item).unwrap_or(Value::Null);
            self.channel.event(Body::Item { item });
        } else {
            self.channel.row(&line.to_string());
        }
    }

    /// As [`Output::item`], for a secret that is shown this once: fails unless all of it was written.
    pub fn reveal(&self, line: impl Display, item: impl Serialize) -> Result<()> {
        self.item(line, item);
        self.channel.deliver().map_err(|cause| unshown(&cause))
    }

    /// A remark for people, on standard error; not if quiet.
    pub fn note(&self, text: impl Display) {
        if !self.settings.quiet {
            self.channel.message(&text.to_string());
        }
    }

    /// The journal of a command that goes on and on, also from other threads: lines for people, for
    /// programs and in the log.
    pub fn journal(&self) -> Arc<dyn Fn(&str) + Send + Sync> {
        let (channel, quiet) = (Arc::clone(&self.channel), self.settings.quiet);
        Arc::new(move |line| {
            channel.event(Body::Item { item: serde_json::json!({ "line": line }) });
            // Who listens to a daemon wants to hear it now; that nobody listens is said at the end.
            let _ = channel.flush();
            if !quiet && !channel.json() {
                channel.message(line);
            }
        })
    }

    /// A remark for people who want details.
    pub fn detail(&self, text: impl Display) {
        if self.settings.verbose {
            self.note(text);
        }
    }

    /// A warning with its stable code.
    pub fn warning(&self, code: &str, message: impl Display) {
        self.warn(code, message.to_string(), None);
    }

    /// A warning about one file or entry, which the message names too.
    pub fn warning_about(&self, code: &str, path: impl Display, message: impl Display) {
        self.warn(code, message.to_string(), Some(path.to_string()));
    }

    fn warn(&self, code: &str, message: String, path: Option<String>) {
        self.channel.message(&format!("warning[{code}]: {message}"));
        self.channel.event(Body::Warning { code: code.to_owned(), message, path });
    }

    /// The failure of one object, after which the command goes on.
    pub fn problem(&self, error: &Error) {
        let report = Report::from(error);
        self.channel.message(&report.to_string());
        self.channel.event(Body::Error { error: report });
    }

    /// Shows how `progress` moves until the returned meter is dropped. `phase` says what is
    /// being done (`reading attachments`), `noun` what is counted (`file`).
    pub fn progress(&self, phase: &str, noun: &'static str, progress: Arc<Progress>) -> Meter {
        if self.settings.quiet || self.settings.no_progress {
            return Meter::silent();
        }
        let bar = self.terminal && !self.settings.json;
        Meter::start(
            Arc::clone(&self.channel),
            phase,
            noun,
            progress,
            (!bar).then_some(self.settings.interval),
        )
    }

    /// Ends the command: the last line, the `result`, and the exit code. Nothing is told after it, whoever
    /// still has something to say.
    pub fn finish(&self, result: Result<Outcome>) -> ExitCode {
        ExitCode::from(self.conclude(result))
    }

    /// As [`Output::finish`], with the exit code as a number.
    pub fn conclude(&self, result: Result<Outcome>) -> u8 {
        self.finished.store(true, Ordering::Relaxed);
        match result {
            Ok(outcome) => self.conclude_outcome(outcome),
            Err(error) => self.conclude_error(&error),
        }
    }

    fn conclude_outcome(&self, mut outcome: Outcome) -> u8 {
        if let Some(summary) = &outcome.summary {
            match outcome.status {
                Status::Done if self.settings.quiet => {}
                Status::Done if !self.settings.json => self.channel.last_row(summary),
                _ => self.channel.message(summary),
            }
        }
        if let Some(cause) = self.channel.flush() {
            // What was committed stays committed, but the reader did not get all of it.
            self.channel.message(&format!("warning[output]: standard output could not be written: {cause}"));
            if outcome.status == Status::Done {
                outcome.status = Status::Warnings;
            }
        }
        let (status, fields) = (outcome.status, outcome.fields);
        let exit_code = status.exit_code();
        self.channel.event(Body::Result { status, exit_code, error: None, fields });
        exit_code
    }

    fn conclude_error(&self, error: &Error) -> u8 {
        self.channel.flush();
        let report = Report::from(error);
        self.channel.message(&report.to_string());
        let exit_code = exit_code(error.kind());
        let status = Status::of(error.kind());
        self.channel.event(Body::Result { status, exit_code, error: Some(report), fields: Map::new() });
        exit_code
    }
}

/// Refuses to make a secret that would be shown to nobody: standard output was closed, which is
/// `/dev/null` by now, or is `/dev/null`.
pub fn can_reveal() -> Result<()> {
    let out = io::stdout().as_fd().try_clone_to_owned().map(File::from).and_then(|file| file.metadata());
    let out = out.map_err(|cause| unshown(&cause.to_string()))?;
    let is_nowhere = out.file_type().is_char_device()
        && std::fs::metadata("/dev/null").is_ok_and(|null| null.rdev() == out.rdev());
    match is_nowhere {
        true => Err(unshown("it is closed or /dev/null")),
        false => Ok(()),
    }
}

fn unshown(cause: &str) -> Error {
    let message = format!("standard output: the recovery code cannot be shown: {cause}");
    Error::new(Kind::Destination, message).hint("run it where standard output can be read")
}

impl Drop for Output {
    /// A command that ends without [`Output::finish`] panicked: programs still get their `result`.
    fn drop(&mut self) {
        if !self.finished.load(Ordering::Relaxed) {
            self.conclude_error(&Error::new(
                Kind::Failed,
                "the program stopped through a mistake of its own",
            ));
        }
    }
}

#[cfg(test)]
mod tests;
