//! One line of the audit log. It promises that a line is bound to its bytes and to the line before it,
//! that it is short, and that it names no file of the practice.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the lines.
pub const VERSION: u32 = 1;
/// The hash before the first line.
pub const ORIGIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What stands between what is hashed and the hash of it.
const SEAM: &str = ",\"hash\":\"";
/// Longest text in an entry, in characters.
const MAX_TEXT: usize = 200;

/// What is to be written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Act {
    /// When (RFC 3339).
    pub time: String,
    /// Who: `user@machine`.
    pub who: String,
    /// What was done, by the name of the command: `key add`.
    pub what: String,
    /// To what: the container's short name, a scheme.
    pub object: Option<String>,
    /// How it ended, in a word.
    pub outcome: String,
    /// The exit code, if it was a command.
    pub exit_code: Option<i32>,
    /// Numbers and ids of what came of it.
    pub facts: Map<String, Value>,
}

/// A line, as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`VERSION`].
    pub version: u32,
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// When (RFC 3339).
    pub time: String,
    /// Who: `user@machine`.
    pub who: String,
    /// What was done.
    pub what: String,
    /// To what.
    pub object: Option<String>,
    /// How it ended.
    pub outcome: String,
    /// The exit code, if it was a command.
    pub exit_code: Option<i32>,
    /// Numbers and ids.
    pub facts: Map<String, Value>,
    /// The hash of the line before it, line end left out; [`ORIGIN`] for the first.
    pub prev: String,
}

impl Act {
    /// An act of `what` by `who` at `time` that ended as `outcome`.
    pub fn new(time: String, who: String, what: &str, outcome: &str) -> Act {
        Act { time, who, what: what.into(), outcome: outcome.into(), ..Act::default() }
    }

    /// The line of this act after a line with hash `prev`, without its line end.
    pub(super) fn line(&self, number: u64, prev: &str) -> serde_json::Result<String> {
        let entry = Entry {
            version: VERSION,
            number,
            time: short(&self.time),
            who: short(&self.who),
            what: short(&self.what),
            object: self.object.as_deref().map(short),
            outcome: short(&self.outcome),
            exit_code: self.exit_code,
            facts: self.facts.clone(),
            prev: prev.into(),
        };
        let mut line = serde_json::to_string(&entry)?;
        line.pop();
        let hash = blake3::hash(line.as_bytes());
        Ok(format!("{line}{SEAM}{hash}\"}}"))
    }
}

fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(MAX_TEXT).collect()
}

/// The hash by which the next line, and the head, name this one.
pub fn hash_of(line: &[u8]) -> String {
    blake3::hash(line).to_string()
}

/// Reads a line and holds it against its own hash; the error is a word for what is wrong.
pub fn parse(line: &[u8]) -> Result<Entry, &'static str> {
    let text = std::str::from_utf8(line).map_err(|_| "is no text")?;
    let (sealed, rest) = text.rsplit_once(SEAM).ok_or("has no hash")?;
    let hash = rest.strip_suffix("\"}").ok_or("has no hash")?;
    if blake3::hash(sealed.as_bytes()).to_string() != hash {
        return Err("was changed: its hash is another");
    }
    let entry: Entry = serde_json::from_str(&format!("{sealed}}}")).map_err(|_| "is no entry")?;
    match entry.version {
        VERSION => Ok(entry),
        _ => Err("has a version that this program does not know"),
    }
}
