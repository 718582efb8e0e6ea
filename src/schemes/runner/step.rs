//! One command of a run: its events are kept line by line, its result becomes the record of a step. It
//! promises that a record names no file: those stand in the events only.

use super::Job;
use super::plan::Step;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::operations::backup::figures::Figures;
use crate::schemes::child::{self, Ended, Line};
use crate::schemes::run::{RunOutcome, StepKind, StepRecord};
use crate::schemes::turn;
use crate::storage::state_file;
use crate::values::rfc3339;
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

/// How long a command waits for another writer, such as one that outlived its daemon.
const LOCK_WAIT: &str = "--lock-wait=600";
/// The words of a result that are kept beside its numbers.
const KEPT: [&str; 10] = [
    "snapshot",
    "short",
    "level",
    "verdict",
    "container",
    "to_container",
    "root",
    "rotation",
    "report",
    "server_version",
];
/// The exit code of what the database server refuses.
const SERVER_SIDE: i32 = 13;
/// How much of what a command says beside its events is kept for the case that it dies.
const MAX_SAID: usize = 2000;

/// The events of a run. The file is locked as long as the run goes on: by that it is known to.
pub struct Events {
    file: File,
    run: OsString,
}

impl Events {
    /// A new file of events.
    pub fn create(path: &Path) -> Result<Events> {
        let failed = |cause| {
            Error::io(Kind::Failed, format!("{}: events of a run not written", path.display()), cause)
        };
        path.parent().map_or(Ok(()), state_file::create_private).map_err(failed)?;
        let mut options = File::options();
        let file = options.append(true).create(true).mode(0o600).open(path).map_err(failed)?;
        turn::hold(&file);
        Ok(Events { file, run: path.file_stem().unwrap_or_default().to_owned() })
    }

    /// Keeps one line. A disk of state that is full does not end a backup.
    fn keep(&mut self, line: &[u8]) {
        let mut whole = line.to_vec();
        if whole.last() != Some(&b'\n') {
            whole.push(b'\n');
        }
        let _ = self.file.write_all(&whole);
    }

    /// Keeps a line that a command of the practice said.
    pub fn said(&mut self, kind: StepKind, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let event = json!({ "event": "output", "step": kind.word(), "line": text.trim_end() });
        self.keep(event.to_string().as_bytes());
    }
}

/// A record without any finding.
pub fn blank(kind: StepKind, target: Option<String>, outcome: RunOutcome, now: Timestamp) -> StepRecord {
    StepRecord::blank(kind, target, rfc3339(now), outcome)
}

/// What a command said.
#[derive(Default)]
struct Heard {
    warnings: Map<String, Value>,
    result: Option<Map<String, Value>>,
    said: String,
}

impl Heard {
    fn line(&mut self, line: &[u8]) {
        let Ok(Value::Object(event)) = serde_json::from_slice::<Value>(line) else { return };
        match event.get("event").and_then(Value::as_str) {
            Some("warning") => {
                let code = event.get("code").and_then(Value::as_str).unwrap_or("warning");
                let count = self.warnings.get(code).and_then(Value::as_u64).unwrap_or_default();
                self.warnings.insert(code.to_owned(), json!(count.saturating_add(1)));
            }
            Some("result") => self.result = Some(event),
            _ => {}
        }
    }
}

/// Runs `coffer` with `words` as `step`; its record, and all fields of its result.
pub fn command(
    job: &Job<'_>,
    step: &Step,
    words: &[OsString],
    events: &mut Events,
) -> (StepRecord, Map<String, Value>) {
    let mut arguments: Vec<OsString> = words.to_vec();
    arguments.extend(["--json", "--no-progress", LOCK_WAIT].map(OsString::from));
    let mut record = blank(step.kind, step.target.clone(), RunOutcome::Failed, job.clock.now());
    let mut heard = Heard::default();
    let began = Instant::now();
    let mut process = child::own(&arguments, job.state);
    // By this its line of the audit log is known for a part of the run.
    process.env("COFFER_RUN", &events.run);
    let ended = child::run(process, None, None, Some(job.stop), &mut |line| match line {
        Line::Out(bytes) => {
            events.keep(&bytes);
            heard.line(&bytes);
        }
        Line::Error(bytes) if heard.said.len() < MAX_SAID => heard.said += &String::from_utf8_lossy(&bytes),
        Line::Error(_) => {}
    });
    record.elapsed_ms = began.elapsed().as_millis() as u64;
    record.warnings = std::mem::take(&mut heard.warnings);
    let result = heard.result.take();
    conclude(&mut record, ended, result.as_ref(), &heard.said);
    (record, result.unwrap_or_default())
}

fn conclude(
    record: &mut StepRecord,
    ended: std::io::Result<Ended>,
    result: Option<&Map<String, Value>>,
    said: &str,
) {
    match (ended, result) {
        (Ok(Ended::Code(code)), Some(result)) => {
            record.exit_code = Some(code);
            record.outcome = RunOutcome::of_exit_code(code);
            if record.step == StepKind::Backup {
                record.sources = figures(result);
            }
            record.result = result.iter().filter(|(name, value)| is_kept(name, value)).map(pair).collect();
            if let Some(error) = result.get("error") {
                explain(record, error);
            }
        }
        (Ok(Ended::Stopped), _) => {
            record.outcome = RunOutcome::Interrupted;
            record.exit_code = Some(130);
            record.code = Some("interrupted".into());
        }
        (Ok(ended), _) => {
            record.code = Some("killed".into());
            let how = match ended {
                Ended::Signal(signal) => format!("signal {signal} ended the command; was memory short?"),
                other => format!("the command ended without a result ({other:?})"),
            };
            record.message = Some(match said.lines().next_back() {
                Some(last) => format!("{how}: {last}"),
                None => how,
            });
        }
        (Err(cause), _) => {
            record.code = Some("failed".into());
            record.message = Some(format!("the command could not be started: {cause}"));
        }
    }
}

/// What each source held, of a backup's result.
fn figures(result: &Map<String, Value>) -> Figures {
    let named = ["databases", "roots"].into_iter();
    let both = named.filter_map(|name| Some((name.to_owned(), result.get(name)?.clone())));
    serde_json::from_value(Value::Object(both.collect())).unwrap_or_default()
}

fn pair((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Numbers and flags, and the few words that name no file of the practice.
fn is_kept(name: &str, value: &Value) -> bool {
    let is_head = matches!(name, "version" | "exit_code");
    (value.is_number() || value.is_boolean()) && !is_head || (value.is_string() && KEPT.contains(&name))
}

fn explain(record: &mut StepRecord, error: &Value) {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let Some(code) = text("code") else { return };
    record.code = Some(code.to_owned());
    // A container that keeps everything has nothing to be pruned by.
    let message = text("message").unwrap_or_default();
    if record.step == StepKind::Prune && code == "usage" && message.starts_with("no policy is given") {
        record.outcome = RunOutcome::Skipped;
        record.message = Some("the container keeps everything".into());
        return;
    }
    // Nobody typed the name: the server changed, not the command.
    if code == "no-database" {
        record.exit_code = Some(SERVER_SIDE);
        record.message = Some(format!(
            "{message}: what the scheme names is not on the server any more; was it renamed or dropped? \
             coffer doctor lists what there is, coffer scheme edit gives the scheme its new name"
        ));
        return;
    }
    // What could not be read may well be a file of a patient.
    let message = match code {
        "source" => "a source could not be read; the events of the run name it",
        _ => message,
    };
    record.message = Some(match text("hint") {
        Some(hint) => format!("{message}; {hint}"),
        None => message.to_owned(),
    });
}

/// The exit code of a failure that no command met.
pub fn exit_code(kind: Kind) -> i32 {
    match kind {
        Kind::Usage => 2,
        Kind::NotFound => 10,
        Kind::Busy => 11,
        Kind::WrongKey => 12,
        Kind::NotMounted | Kind::Destination | Kind::Full => 14,
        Kind::Interrupted => 130,
        _ => 1,
    }
}
