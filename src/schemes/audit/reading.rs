//! Reading the audit log back: its entries, and whether the chain holds.

use super::entry::{Entry, ORIGIN, hash_of, parse};
use super::{AuditLog, HEADLESS, TORN};
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};

/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 1 << 20;

/// The newest line of a log: what stands a second time beside it, and in reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// The hash of the line.
    pub hash: String,
}

/// A head that is known from elsewhere than the log's own folder of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The head.
    pub head: Head,
    /// Who names it, for people: `the record of run 20261122T220000Z`.
    pub who: String,
}

impl Witness {
    /// A head that somebody gives, such as that of a printed report.
    pub fn given(head: &Head) -> Witness {
        Witness { head: head.clone(), who: "the head that was given".into() }
    }
}

/// A log whose chain was walked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many lines hold.
    pub entries: u64,
    /// The newest of them.
    pub head: Option<Head>,
    /// The first line that does not hold, counted from 1, and what is wrong; `None`: all hold.
    pub broken: Option<(u64, String)>,
    /// What is wrong with the second copy of the head; `None`: it is there and can be read.
    pub head_fault: Option<String>,
    /// What else should be known: torn lines, a head that was missing.
    pub notes: Vec<String>,
}

/// A line of the file: its bytes without line end, and whether it had one.
struct Line {
    bytes: Vec<u8>,
    is_whole: bool,
}

fn lines(log: &AuditLog) -> Result<impl Iterator<Item = Result<Line>> + use<>> {
    let path = log.file();
    let name = path.display().to_string();
    let file = match File::open(&path) {
        Ok(file) => Some(file),
        Err(cause) if cause.kind() == ErrorKind::NotFound => None,
        Err(cause) => return Err(Error::io(Kind::Failed, format!("{name}: cannot be read"), cause)),
    };
    let mut reader = file.map(BufReader::new);
    Ok(std::iter::from_fn(move || {
        let mut bytes = Vec::new();
        match reader.as_mut()?.take(MAX_LINE).read_until(b'\n', &mut bytes) {
            Ok(0) => None,
            Ok(_) => {
                let is_whole = bytes.last() == Some(&b'\n');
                bytes.truncate(bytes.len() - usize::from(is_whole));
                Some(Ok(Line { bytes, is_whole }))
            }
            Err(cause) => {
                reader = None;
                Some(Err(Error::io(Kind::Failed, format!("{name}: cannot be read"), cause)))
            }
        }
    }))
}

/// The entries of `log` that can be read, in order; whether they are true is for [`verify`] to say.
pub fn entries(log: &AuditLog) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for line in lines(log)? {
        found.extend(parse(&line?.bytes).ok());
    }
    Ok(found)
}

/// The second copy of the head: `Ok(None)` if there is none.
pub(super) fn stored_head(log: &AuditLog) -> std::result::Result<Option<Head>, &'static str> {
    match std::fs::read(log.head_file()) {
        Ok(text) => match serde_json::from_slice::<Head>(&text) {
            Ok(head) if head.number > 0 && head.hash.len() == ORIGIN.len() => Ok(Some(head)),
            _ => Err("is damaged"),
        },
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(_) => Err("cannot be read"),
    }
}

/// Walks the whole chain. The heads of `witnesses` must be part of it.
///
/// Errors: [`Kind::NotFound`] if there is no log at all and none is known to have been; [`Kind::Failed`]
/// if it cannot be read. A break is no error here but [`Verified::broken`].
pub fn verify(log: &AuditLog, witnesses: &[Witness]) -> Result<Verified> {
    let head = stored_head(log);
    if head == Ok(None) && witnesses.is_empty() && !log.file().exists() {
        return Err(Error::new(Kind::NotFound, format!("{}: there is no audit log", log.file().display()))
            .hint("it begins with the first command that changes something"));
    }
    let mut walk = Walk { found: Verified::default(), prev: ORIGIN.into(), awaited: BTreeMap::new() };
    witnesses.iter().for_each(|witness| walk.await_line(witness.clone()));
    match head {
        Ok(Some(head)) => walk.await_line(Witness { head, who: "the second copy of the head".into() }),
        Ok(None) => walk.found.head_fault = Some("is missing".into()),
        Err(what) => walk.found.head_fault = Some(what.into()),
    }
    let fault = walk.found.head_fault.iter().map(|what| format!("the second copy of the head {what}"));
    walk.found.notes = fault.collect();
    for line in lines(log)? {
        if !walk.step(&line?) {
            return Ok(walk.found);
        }
    }
    Ok(walk.end())
}

struct Walk {
    found: Verified,
    prev: String,
    /// What must still come, by the number of the line.
    awaited: BTreeMap<u64, Vec<Witness>>,
}

impl Walk {
    fn await_line(&mut self, witness: Witness) {
        self.awaited.entry(witness.head.number).or_default().push(witness);
    }

    /// Takes the next line; `false` if the chain ends here.
    fn step(&mut self, line: &Line) -> bool {
        let number = self.found.entries + 1;
        if !line.is_whole && (line.bytes.len() as u64) < MAX_LINE {
            let note = "the last line is torn, as after a power cut; the next entry will say so";
            self.found.notes.push(note.into());
            return true;
        }
        let wrong = match parse(&line.bytes) {
            Err(what) => Some(what.to_owned()),
            Ok(entry) if entry.number != number => Some(format!("has number {}", entry.number)),
            Ok(entry) if entry.prev != self.prev => Some("does not follow the line before it".into()),
            Ok(entry) => {
                self.note(&entry);
                None
            }
        };
        let hash = hash_of(&line.bytes);
        let witnesses = self.awaited.remove(&number).unwrap_or_default();
        let unlike = witnesses.iter().find(|witness| witness.head.hash != hash);
        let wrong =
            wrong.or_else(|| unlike.map(|witness| format!("is not the one that {} names", witness.who)));
        if let Some(what) = wrong {
            self.found.broken = Some((number, what));
            return false;
        }
        self.found.entries = number;
        self.found.head = Some(Head { number, hash: hash.clone() });
        self.prev = hash;
        true
    }

    fn note(&mut self, entry: &Entry) {
        let what = match entry.what.as_str() {
            TORN => "a torn line was taken away",
            HEADLESS => "the second copy of the head was missing",
            _ => return,
        };
        self.found.notes.push(format!("line {}: {what} before {}", entry.number, entry.time));
    }

    fn end(mut self) -> Verified {
        let last = self.awaited.last_key_value().and_then(|(_, witnesses)| witnesses.first());
        if let Some(Witness { head, who }) = last {
            let what = format!("is missing: {who} names line {}", head.number);
            self.found.broken = Some((self.found.entries + 1, what));
        }
        self.found
    }
}
