//! What the daemon shows of itself, `STATE/daemon.json`. It is there while a daemon runs; one that was
//! killed leaves it, so that only together with the daemon's lock it says something.

use crate::schemes::turn;
use crate::storage::state_file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Version of the file.
const VERSION: u32 = 1;

/// What is to be said of a daemon whose time is that of a test.
pub const CLOCK_IS_TOLD: &str = "the daemon has the time of a test (COFFER_TEST_CLOCK) and not that of this \
                                 machine: its schemes run at other times; start it without";

/// What a running daemon does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    version: u32,
    /// Its process.
    pub process: u32,
    /// Whether its time is that of a test, not of the machine.
    #[serde(default)]
    pub is_clock_told: bool,
    /// Its schemes.
    pub schemes: BTreeMap<String, ShownScheme>,
}

/// What the daemon does with a scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownScheme {
    /// `waiting`, `running` or `queued behind NAME`.
    pub state: String,
    /// When it is due next (RFC 3339).
    pub next: Option<String>,
    /// Its times and its container, in words, to hold against the configuration.
    #[serde(default)]
    pub words: Option<String>,
}

fn file(state: &Path) -> PathBuf {
    state.join("daemon.json")
}

impl Shown {
    /// Of this process.
    pub fn new(schemes: BTreeMap<String, ShownScheme>, is_clock_told: bool) -> Shown {
        Shown { version: VERSION, process: std::process::id(), is_clock_told, schemes }
    }

    /// Keeps it. It is only shown: a full disk stops nothing.
    pub fn keep(&self, state: &Path) {
        if let Ok(text) = serde_json::to_vec(self) {
            let _ = state_file::replace(&file(state), &text);
        }
    }

    /// Nothing runs any more.
    pub fn forget(state: &Path) {
        let _ = std::fs::remove_file(file(state));
    }
}

/// What the daemon of `state` does, if one runs.
pub fn shown(state: &Path) -> Option<Shown> {
    let process = turn::daemon_id(state)?;
    let kept = std::fs::read(file(state)).ok().and_then(|text| serde_json::from_slice::<Shown>(&text).ok());
    let kept = kept.filter(|shown| shown.version == VERSION && shown.process == process);
    Some(kept.unwrap_or(Shown { process, ..Shown::new(BTreeMap::new(), false) }))
}
