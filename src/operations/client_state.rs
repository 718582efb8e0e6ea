//! What this machine remembers of a container beside the file itself: verifications that the next
//! backup enters into its ledger. It promises to be dispensable: a lost or damaged state file costs
//! a note, never a backup.

use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ids::ContainerId;
use crate::snapshot::{LedgerEntry, Level};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Version of the state file.
const VERSION: u32 = 1;
/// Most verifications kept until a backup takes them.
const MAX_VERIFICATIONS: usize = 1000;

/// The folder of state files.
#[derive(Clone, Debug)]
pub struct ClientState {
    folder: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    version: u32,
    verifications: Vec<Noted>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    seconds: i64,
    nanoseconds: u32,
    level: String,
    generation: u64,
    segments: u64,
    damaged: u64,
}

impl From<&LedgerEntry> for Noted {
    fn from(entry: &LedgerEntry) -> Noted {
        Noted {
            seconds: entry.time.seconds,
            nanoseconds: entry.time.nanoseconds,
            level: entry.level.word().into(),
            generation: entry.generation,
            segments: entry.segments,
            damaged: entry.damaged,
        }
    }
}

impl Noted {
    fn entry(&self) -> Option<LedgerEntry> {
        let level = [Level::Quick, Level::Scrub, Level::Full].into_iter().find(|l| l.word() == self.level)?;
        let time = Timestamp { seconds: self.seconds, nanoseconds: self.nanoseconds };
        Some(LedgerEntry {
            time,
            level,
            generation: self.generation,
            segments: self.segments,
            damaged: self.damaged,
        })
    }
}

impl ClientState {
    /// State in `folder`, which is made when something is noted.
    pub fn at(folder: impl Into<PathBuf>) -> ClientState {
        ClientState { folder: folder.into() }
    }

    /// The usual folder: `COFFER_STATE_DIR`, else `coffer` under the service manager's
    /// `STATE_DIRECTORY`, under `XDG_STATE_HOME` or under `~/.local/state`; `None` without a home.
    pub fn usual(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<ClientState> {
        let set = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = set("COFFER_STATE_DIR").or_else(|| {
            let base = set("STATE_DIRECTORY").or_else(|| set("XDG_STATE_HOME"));
            Some(base.or_else(|| Some(set("HOME")?.join(".local/state")))?.join("coffer"))
        });
        folder.map(ClientState::at)
    }

    /// Where it lies; other things that this machine remembers may stand beside it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn file(&self, container: &ContainerId) -> PathBuf {
        self.folder.join(format!("{container}.json"))
    }

    fn read(&self, container: &ContainerId) -> Stored {
        let text = std::fs::read(self.file(container)).unwrap_or_default();
        // Of an unknown or damaged file nothing is used.
        serde_json::from_slice(&text).ok().filter(|s: &Stored| s.version == VERSION).unwrap_or_default()
    }

    /// Notes a verification.
    pub fn note(&self, container: &ContainerId, entry: &LedgerEntry) -> Result<()> {
        let mut stored = self.read(container);
        stored.version = VERSION;
        stored.verifications.push(entry.into());
        let surplus = stored.verifications.len().saturating_sub(MAX_VERIFICATIONS);
        stored.verifications.drain(..surplus);
        self.write(container, &stored)
    }

    /// Verifications that no backup has taken yet.
    pub fn verifications(&self, container: &ContainerId) -> Vec<LedgerEntry> {
        self.read(container).verifications.iter().filter_map(Noted::entry).collect()
    }

    /// Forgets `taken`, which now stand in the container's own ledger.
    pub fn forget(&self, container: &ContainerId, taken: &[LedgerEntry]) -> Result<()> {
        if taken.is_empty() {
            return Ok(());
        }
        let mut stored = self.read(container);
        stored.verifications.retain(|noted| noted.entry().is_none_or(|entry| !taken.contains(&entry)));
        self.write(container, &stored)
    }

    /// Writes beside the old file and renames, so that a state file is whole or absent.
    fn write(&self, container: &ContainerId, stored: &Stored) -> Result<()> {
        let file = self.file(container);
        let failed =
            |e: std::io::Error| Error::io(Kind::Failed, format!("{}: state not written", file.display()), e);
        create_private(&self.folder).map_err(failed)?;
        let beside = file.with_extension(format!("json.{}", std::process::id()));
        let text = serde_json::to_vec(stored).map_err(|e| failed(e.into()))?;
        std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, &file)).map_err(failed)
    }
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seconds: i64) -> LedgerEntry {
        let time = Timestamp { seconds, nanoseconds: 5 };
        LedgerEntry { time, level: Level::Scrub, generation: 3, segments: 9, damaged: 0 }
    }

    #[test]
    fn verifications_wait_until_a_backup_takes_them() {
        let folder = tempfile::tempdir().expect("folder");
        let state = ClientState::at(folder.path().join("deep/er"));
        let id = ContainerId([1; 16]);
        assert!(state.verifications(&id).is_empty());
        state.note(&id, &entry(1)).expect("note");
        state.note(&id, &entry(2)).expect("note");
        assert_eq!(state.verifications(&id), [entry(1), entry(2)]);
        state.forget(&id, &[entry(1)]).expect("forget");
        assert_eq!(state.verifications(&id), [entry(2)]);
        assert!(state.verifications(&ContainerId([2; 16])).is_empty());
    }

    #[test]
    fn a_damaged_state_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().expect("folder");
        let state = ClientState::at(folder.path());
        let id = ContainerId([1; 16]);
        std::fs::write(state.file(&id), b"{\"version\":1,\"verif").expect("write");
        assert!(state.verifications(&id).is_empty());
        state.note(&id, &entry(1)).expect("note");
        assert_eq!(state.verifications(&id), [entry(1)]);
    }

    #[test]
    fn the_usual_folder_follows_the_environment() {
        let env = |pairs: &'static [(&str, &str)]| {
            ClientState::usual(move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into()))
                .map(|s| s.folder)
        };
        assert_eq!(env(&[("HOME", "/h")]), Some("/h/.local/state/coffer".into()));
        assert_eq!(env(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")]), Some("/x/coffer".into()));
        assert_eq!(env(&[("COFFER_STATE_DIR", "/c"), ("HOME", "/h")]), Some("/c".into()));
        assert_eq!(env(&[]), None);
    }
}
