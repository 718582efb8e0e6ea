//! What this machine remembers of a container beside the file itself: verifications that the next
//! backup enters into its ledger, and the last commit that was seen, by which an older state of the
//! file or a fork of it is noticed (`format-spec/container.md`, Forks). It promises to be dispensable: a
//! lost or damaged state file costs a note, never a backup.

use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ids::{ContainerId, RootHash};
use crate::snapshot::{LedgerEntry, Level};
use crate::storage::state_file;
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
    #[serde(default)]
    known: Option<StoredKnown>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredKnown {
    generation: u64,
    root: String,
    encrypted: bool,
}

/// The last commit that was seen of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its generation; 0 if no commit was seen for certain.
    pub generation: u64,
    /// Its root hash.
    pub root: RootHash,
    /// Whether a key was needed to open the container.
    pub is_encrypted: bool,
}

impl Known {
    /// Holds a container's newest commits against what is known: `ancestry` as
    /// [`crate::container::Container::ancestry`] gives it, newest first.
    ///
    /// Errors: [`Kind::Rollback`] for an older state, and for a fork as far as it can be proven.
    pub fn check(&self, name: &str, ancestry: &[(u64, RootHash)]) -> Result<()> {
        let newest = ancestry.first().map_or(0, |(generation, _)| *generation);
        let hint = "put the right file in its place; or, if this one is to be used from now on: \
                    coffer repair --adopt";
        if newest < self.generation {
            let message = format!(
                "{name}: this is an older state of the container: commit {newest}, and commit {} is known here",
                self.generation
            );
            return Err(Error::new(Kind::Rollback, message).hint(hint));
        }
        match ancestry.iter().find(|(generation, _)| *generation == self.generation) {
            Some((generation, root)) if *root != self.root => {
                let message = format!(
                    "{name}: this is a fork of the container: its commit {generation} is not the one known here"
                );
                Err(Error::new(Kind::Rollback, message).hint(hint))
            }
            _ => Ok(()),
        }
    }
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
        // Of an unknown or damaged file nothing is used.
        self.read_whole(container).unwrap_or_default()
    }

    fn read_whole(&self, container: &ContainerId) -> Result<Stored> {
        let file = self.file(container);
        let bad = |what| {
            Error::new(Kind::Failed, format!("{}: {what}, so what was known is not used", file.display()))
        };
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Stored::default()),
            Err(error) => return Err(bad("state file cannot be read").because(error)),
        };
        match serde_json::from_slice::<Stored>(&text) {
            Ok(stored) if stored.version == VERSION => Ok(stored),
            Ok(_) => Err(bad("state file of an unknown version")),
            Err(error) => Err(bad("state file is damaged").because(error)),
        }
    }

    /// The last commit that was seen of a container.
    ///
    /// Errors: [`Kind::Failed`] if the state file cannot be used; that is worth a warning, no more.
    pub fn known(&self, container: &ContainerId) -> Result<Option<Known>> {
        let stored = self.read_whole(container)?.known;
        let parsed = stored.map(|known| {
            let root = root_of(&known.root)?;
            Some(Known { generation: known.generation, root, is_encrypted: known.encrypted })
        });
        match parsed {
            Some(None) => Err(Error::new(
                Kind::Failed,
                format!(
                    "{}: state file is damaged, so what was known is not used",
                    self.file(container).display()
                ),
            )),
            known => Ok(known.flatten()),
        }
    }

    /// Remembers a commit. An older one than is known replaces it only if `adopts`.
    pub fn remember(&self, container: &ContainerId, known: &Known, adopts: bool) -> Result<()> {
        let mut stored = self.read(container);
        let before = stored.known.as_ref().filter(|_| !adopts);
        let is_newer = before.is_none_or(|before| before.generation < known.generation);
        // Whoever saw it encrypted once does not forget that.
        let encrypted = known.is_encrypted || before.is_some_and(|before| before.encrypted);
        if is_newer {
            let (generation, root) = (known.generation, known.root.to_string());
            stored.known = Some(StoredKnown { generation, root, encrypted });
            stored.version = VERSION;
            return self.write(container, &stored);
        }
        Ok(())
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
        let text = serde_json::to_vec(stored).map_err(|e| failed(e.into()))?;
        state_file::create_private(&self.folder).map_err(failed)?;
        state_file::replace(&file, &text).map_err(failed)
    }
}

fn root_of(text: &str) -> Option<RootHash> {
    let digits = (text.len() == 2 * RootHash::LEN && text.is_ascii()).then_some(text)?;
    let mut root = RootHash::ZERO;
    for (at, byte) in root.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(root)
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
    fn an_older_state_and_a_fork_are_noticed_and_a_descendant_is_not() {
        let root = |n: u8| RootHash([n; 32]);
        let known = Known { generation: 7, root: root(7), is_encrypted: true };
        let verdict = |ancestry: &[(u64, RootHash)]| known.check("c", ancestry).map_err(|e| e.kind());
        assert_eq!(verdict(&[(7, root(7)), (6, root(6))]), Ok(()));
        assert_eq!(verdict(&[(6, root(6)), (5, root(5))]), Err(Kind::Rollback), "older");
        assert_eq!(verdict(&[(7, root(9)), (6, root(6))]), Err(Kind::Rollback), "a fork");
        assert_eq!(verdict(&[(8, root(8)), (7, root(7))]), Ok(()));
        assert_eq!(verdict(&[(8, root(8)), (7, root(9))]), Err(Kind::Rollback), "a child of another");
        assert_eq!(verdict(&[(9, root(9)), (8, root(8)), (7, root(1))]), Err(Kind::Rollback));
        assert_eq!(verdict(&[(20, root(20)), (19, root(19))]), Ok(()), "nothing is proven");
    }

    #[test]
    fn the_last_commit_is_remembered_and_only_adopting_goes_back() {
        let folder = tempfile::tempdir().expect("folder");
        let state = ClientState::at(folder.path());
        let id = ContainerId([1; 16]);
        let known = |generation, is_encrypted| Known {
            generation,
            root: RootHash([generation as u8 | 0xa0; 32]),
            is_encrypted,
        };
        assert_eq!(state.known(&id).expect("none"), None);
        state.note(&id, &entry(1)).expect("note");
        for (seen, adopts, kept) in [(3, false, 3), (2, false, 3), (5, false, 5), (2, true, 2)] {
            state.remember(&id, &known(seen, true), adopts).expect("remembered");
            assert_eq!(state.known(&id).expect("known"), Some(known(kept, true)));
        }
        state.remember(&id, &known(9, false), false).expect("remembered");
        assert_eq!(state.known(&id).expect("known"), Some(known(9, true)), "encrypted once");
        assert_eq!(state.verifications(&id), [entry(1)]);
        std::fs::write(state.file(&id), b"{").expect("write");
        assert_eq!(state.known(&id).map_err(|e| e.kind()), Err(Kind::Failed));
        state.remember(&id, &known(4, true), false).expect("remembered");
        assert_eq!(state.known(&id).expect("known"), Some(known(4, true)));
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
