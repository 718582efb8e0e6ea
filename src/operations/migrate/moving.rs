//! What a move that was broken off had begun, `STATE/moving-….json`. It promises to name a database only
//! if a restore of this snapshot to this server set out to make it; that it stands there as it should is
//! for whoever reads this to prove.

use crate::error::{Error, Kind, Result};
use crate::storage::state_file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Version of the file.
const VERSION: u32 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    version: u32,
    server: String,
    databases: BTreeSet<String>,
}

/// The record of one move.
#[derive(Debug)]
pub struct Moving {
    file: PathBuf,
    stored: Stored,
}

impl Moving {
    /// That of `snapshot` to `server`, in the folder of state. One that cannot be read, or is of another
    /// server, says nothing.
    pub fn of(state: &Path, snapshot: &str, server: &str) -> Moving {
        let file = state.join(format!("moving-{snapshot}.json"));
        let known = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Stored>(&text).ok());
        let known = known.filter(|stored| stored.version == VERSION && stored.server == server);
        let new = || Stored { version: VERSION, server: server.to_owned(), ..Stored::default() };
        Moving { file, stored: known.unwrap_or_else(new) }
    }

    /// Whether an earlier restore set out to make `database`.
    pub fn has_begun(&self, database: &str) -> bool {
        self.stored.databases.contains(database)
    }

    /// Enters the databases that a restore sets out to make now.
    pub fn begin<'a>(&mut self, databases: impl IntoIterator<Item = &'a str>) -> Result<()> {
        self.stored.databases.extend(databases.into_iter().map(str::to_owned));
        let text = serde_json::to_vec(&self.stored).unwrap_or_default();
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        let written =
            state_file::create_private(folder).and_then(|()| state_file::replace(&self.file, &text));
        written.map_err(|cause| {
            Error::io(Kind::Failed, format!("{}: what is moved is not noted", self.file.display()), cause)
        })
    }

    /// Everything is moved.
    pub fn end(self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_begun_on_this_server_counts() {
        let folder = tempfile::tempdir().expect("folder");
        let state = folder.path().join("state");
        let mut moving = Moving::of(&state, "abc", "new");
        assert!(!moving.has_begun("dental"));
        moving.begin(["dental"]).expect("noted");
        assert!(Moving::of(&state, "abc", "new").has_begun("dental"));
        assert!(!Moving::of(&state, "abc", "new").has_begun("letters"));
        assert!(!Moving::of(&state, "abc", "other").has_begun("dental"));
        assert!(!Moving::of(&state, "abd", "new").has_begun("dental"));
        std::fs::write(state.join("moving-abc.json"), "{").expect("torn");
        assert!(!Moving::of(&state, "abc", "new").has_begun("dental"));
        moving.end();
        assert!(std::fs::read_dir(&state).expect("there").next().is_none());
    }
}
