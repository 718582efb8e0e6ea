//! What a command tells programs: one JSON object a line, of one versioned type, for `--json`, the
//! log and the console alike. Every line has `event`, `version`, `command` and `time`; a command
//! ends with exactly one `result`. Sizes and durations are exact integers.

use crate::clock::Timestamp;
use crate::error::{Error, Kind};
use crate::values::rfc3339;
use serde::Serialize;
use serde_json::{Map, Value};

/// The version of the event type. It grows when a field changes its meaning or goes away; new
/// fields may come at any time.
pub const VERSION: u32 = 1;

/// One event.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    event: &'static str,
    version: u32,
    command: String,
    time: String,
    #[serde(flatten)]
    body: Body,
}

/// What an event says beside its head.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// `start`: a command begins; the fields are what it was asked to do.
    Start(Map<String, Value>),
    /// `progress`.
    Progress(Standing),
    /// `warning`: something the user should know, or a source that could not be read.
    Warning {
        /// The stable word for this kind of warning.
        code: String,
        /// What happened, to which object.
        message: String,
        /// The object, where it is a file or entry.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
    /// `item`: one row of what was asked for.
    Item {
        /// The row's fields.
        item: Value,
    },
    /// `error`: one object failed and the command goes on.
    Error {
        /// The failure.
        error: Report,
    },
    /// `result`: the end.
    Result {
        /// How it ended, in a word.
        status: Status,
        /// The exit code of the process.
        exit_code: u8,
        /// Why it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Report>,
        /// What the command found out, by names of its own.
        #[serde(flatten)]
        fields: Map<String, Value>,
    },
}

/// How far an operation is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What is being done.
    pub phase: String,
    /// `start`, `running` or `end`.
    pub state: &'static str,
    /// Things done.
    pub items: u64,
    /// Bytes done.
    pub bytes: u64,
    /// Things to do, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_items: Option<u64>,
    /// Bytes to do, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// Milliseconds since the phase began.
    pub elapsed_ms: u64,
    /// Estimated milliseconds to its end, if that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Everything was done (exit 0).
    Done,
    /// Done and kept, but something could not be read; it was named (exit 3).
    Warnings,
    /// Damage was found (exit 4).
    Damage,
    /// Nothing was committed (exit code by [`exit_code`]).
    Failed,
    /// A signal ended it (exit 130).
    Interrupted,
}

/// A failure, taken apart for programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The stable word for its kind.
    pub code: &'static str,
    /// What happened, to which object.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What led to it, nearest first.
    pub causes: Vec<String>,
}

/// What a command that came to its end found out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// [`Status::Done`], [`Status::Warnings`] or [`Status::Damage`].
    pub status: Status,
    /// Fields of the `result`.
    pub fields: Map<String, Value>,
    /// The last line for people.
    pub summary: Option<String>,
}

impl Outcome {
    /// An outcome without fields or summary.
    pub fn new(status: Status) -> Self {
        Outcome { status, fields: Map::new(), summary: None }
    }

    /// Everything was done.
    pub fn done() -> Self {
        Outcome::new(Status::Done)
    }

    /// Adds a field of the `result`. The names of the head are taken, and anything that is not
    /// plain data (a map with keys that are no text) becomes null.
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        debug_assert!(!RESERVED.contains(&name), "`{name}` belongs to every result");
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Sets the last line for people.
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }
}

/// The names that every `result` has already.
const RESERVED: [&str; 7] = ["event", "version", "command", "time", "status", "exit_code", "error"];

impl Event {
    /// The event that `body` is, in the head of `command` at `time`.
    pub fn new(command: &str, time: Timestamp, body: Body) -> Self {
        let event = match &body {
            Body::Start(_) => "start",
            Body::Progress(_) => "progress",
            Body::Warning { .. } => "warning",
            Body::Item { .. } => "item",
            Body::Error { .. } => "error",
            Body::Result { .. } => "result",
        };
        // Milliseconds are enough for people who read logs.
        let time = Timestamp { nanoseconds: time.nanoseconds / 1_000_000 * 1_000_000, ..time };
        Event { event, version: VERSION, command: command.to_owned(), time: rfc3339(time), body }
    }

    /// The event as one line of JSON, with its line end.
    pub fn line(&self) -> String {
        // Only text, integers and values that are JSON already: nothing here can fail to serialise.
        let mut line = serde_json::to_string(self).expect("events serialise");
        line.push('\n');
        line
    }
}

impl From<&Error> for Report {
    fn from(error: &Error) -> Self {
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            let text = cause.to_string();
            // Some errors of others repeat their cause in their own words.
            if !causes.last().is_some_and(|last: &String| last.contains(&text)) {
                causes.push(text);
            }
            next = cause.source();
        }
        let hint = error.remedy().map(str::to_owned);
        Report { code: error.kind().code(), message: error.message().to_owned(), hint, causes }
    }
}

impl std::fmt::Display for Report {
    /// `error[code]: message: cause`, and the hint on a line of its own.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// The exit code of a failure.
pub fn exit_code(kind: Kind) -> u8 {
    match kind {
        Kind::Usage | Kind::NoDatabase => 2,
        Kind::Damaged => 4,
        Kind::NotFound => 10,
        Kind::Busy => 11,
        Kind::WrongKey | Kind::NotEncrypted => 12,
        Kind::Database => 13,
        Kind::Full | Kind::NotMounted | Kind::Destination | Kind::Poisoned => 14,
        Kind::NotAContainer | Kind::FutureVersion => 15,
        Kind::Interrupted => 130,
        Kind::Source | Kind::Rollback | Kind::Failed => 1,
    }
}

impl Status {
    /// The status that a failure gives.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Damaged => Status::Damage,
            Kind::Interrupted => Status::Interrupted,
            _ => Status::Failed,
        }
    }

    /// The exit code of a command that ended without a failure, with this status.
    pub fn exit_code(self) -> u8 {
        match self {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Warnings => 3,
            Status::Damage => 4,
            Status::Interrupted => 130,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp { seconds: 1_769_860_800, nanoseconds: 123_456_789 };

    #[test]
    fn the_head_comes_first_and_the_fields_follow() {
        let outcome = Outcome::done().with("snapshot", "ab12").with("added_bytes", u64::MAX);
        let body = Body::Result { status: outcome.status, exit_code: 0, error: None, fields: outcome.fields };
        assert_eq!(
            Event::new("backup", NOON, body).line(),
            "{\"event\":\"result\",\"version\":1,\"command\":\"backup\",\"time\":\"2026-01-31T12:00:00.123Z\",\
             \"status\":\"done\",\"exit_code\":0,\"added_bytes\":18446744073709551615,\"snapshot\":\"ab12\"}\n"
        );
        let item = Body::Item { item: serde_json::json!({"time": 1}) };
        let line = Event::new("ls", NOON, item).line();
        assert!(
            line.starts_with("{\"event\":\"item\",") && line.ends_with("\"item\":{\"time\":1}}\n"),
            "{line}"
        );
    }

    #[test]
    fn a_report_states_each_cause_once() {
        let io = std::io::Error::other("the medium is gone");
        let outer = Error::new(Kind::Destination, "segment 4: write failed").because(io);
        let error =
            Error::new(Kind::Destination, "night.coffer: backup stopped").because(outer).hint("check it");
        let report = Report::from(&error);
        assert_eq!(report.causes, ["segment 4: write failed", "the medium is gone"]);
        assert_eq!(
            report.to_string(),
            "error[destination]: night.coffer: backup stopped: segment 4: write failed: the medium is gone\n\
             hint: check it"
        );
        let echo = Error::new(Kind::Failed, "a").because(Error::new(Kind::Failed, "b: c").because("c"));
        assert_eq!(Report::from(&echo).causes, ["b: c"]);
    }

    #[test]
    fn exit_codes_are_those_of_the_interface() {
        for (kind, code) in [
            (Kind::Usage, 2),
            (Kind::NoDatabase, 2),
            (Kind::Database, 13),
            (Kind::NotFound, 10),
            (Kind::Busy, 11),
            (Kind::WrongKey, 12),
            (Kind::NotEncrypted, 12),
            (Kind::NotAContainer, 15),
            (Kind::FutureVersion, 15),
            (Kind::Damaged, 4),
            (Kind::Source, 1),
            (Kind::Full, 14),
            (Kind::Destination, 14),
            (Kind::Poisoned, 14),
            (Kind::Rollback, 1),
            (Kind::Interrupted, 130),
            (Kind::Failed, 1),
        ] {
            assert_eq!(exit_code(kind), code, "{kind:?}");
        }
        assert_eq!(Status::Warnings.exit_code(), 3);
        assert_eq!(Status::of(Kind::Damaged).exit_code(), exit_code(Kind::Damaged));
        assert_eq!(Status::of(Kind::Interrupted).exit_code(), exit_code(Kind::Interrupted));
    }
}
