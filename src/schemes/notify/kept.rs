//! What last came of each way, `STATE/notify.json`: `status` and `doctor` show what has failed since
//! when. It promises to be dispensable: lost or damaged, it begins anew.

use super::Told;
use crate::storage::state_file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const VERSION: u32 = 1;
const FILE: &str = "notify.json";

/// One writer of this process at a time.
static WRITING: Mutex<()> = Mutex::new(());

/// What last came of a way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// When it was last told something (RFC 3339).
    pub told: Option<String>,
    /// Since when it fails; `None`: it works.
    pub failing_since: Option<String>,
    /// Why it failed last.
    pub failure: Option<String>,
    /// How often it has failed since.
    #[serde(default)]
    pub failures: u64,
}

#[derive(Default, Serialize, Deserialize)]
struct Stored {
    version: u32,
    channels: BTreeMap<String, Kept>,
}

/// What last came of each way, by name.
pub fn kept(state: &Path) -> BTreeMap<String, Kept> {
    read(state).channels
}

fn read(state: &Path) -> Stored {
    let text = std::fs::read(state.join(FILE)).unwrap_or_default();
    serde_json::from_slice::<Stored>(&text).ok().filter(|s| s.version == VERSION).unwrap_or_default()
}

/// Keeps what came of telling at `time`.
pub(super) fn keep(state: &Path, time: &str, told: &[Told]) -> io::Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stored = Stored { version: VERSION, ..read(state) };
    for told in told {
        let kept = stored.channels.entry(told.channel.clone()).or_default();
        match &told.failure {
            None => *kept = Kept { told: Some(time.into()), ..Kept::default() },
            Some(failure) => {
                kept.failing_since.get_or_insert_with(|| time.into());
                kept.failure = Some(failure.clone());
                kept.failures = kept.failures.saturating_add(1);
            }
        }
    }
    state_file::create_private(state)?;
    state_file::replace(&state.join(FILE), &serde_json::to_vec_pretty(&stored)?)
}
