//! Where schemes stand, kept: `STATE/schedule/NAME.json`. It promises that a position is whole or
//! absent, and that a damaged one is treated as that of a new scheme, with a warning.

use super::Position;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::storage::state_file;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Version of the file.
const VERSION: u32 = 1;

/// The positions of all schemes.
#[derive(Clone, Debug)]
pub struct Positions {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    position: Position,
}

impl Positions {
    /// The positions in the folder of state `state`.
    pub fn at(state: &Path) -> Positions {
        Positions { folder: state.join("schedule") }
    }

    fn file(&self, scheme: &str) -> PathBuf {
        self.folder.join(format!("{scheme}.json"))
    }

    /// Where `scheme` stands; a new one begins at `now`, and is kept.
    ///
    /// Errors: [`Kind::Failed`] if it cannot be kept; what could not be read comes as a warning.
    pub fn load(&self, scheme: &str, now: Timestamp) -> Result<(Position, Option<Error>)> {
        let file = self.file(scheme);
        let bad = |what: &str| {
            Error::new(Kind::Failed, format!("{}: {what}", file.display()))
                .hint("its slots count from now on; coffer scheme run makes up for one that was missed")
        };
        let warning = match std::fs::read(&file) {
            Ok(text) => match serde_json::from_slice::<Stored>(&text) {
                Ok(stored) if stored.version == VERSION => return Ok((stored.position, None)),
                Ok(_) => Some(bad("schedule of an unknown version")),
                Err(cause) => Some(bad("schedule is damaged").because(cause)),
            },
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(bad("schedule cannot be read").because(cause)),
        };
        let position = Position::new(now);
        self.save(scheme, &position)?;
        Ok((position, warning))
    }

    /// Where `scheme` stands, if it was ever seen.
    pub fn get(&self, scheme: &str) -> Option<Position> {
        let text = std::fs::read(self.file(scheme)).ok()?;
        let stored: Stored = serde_json::from_slice(&text).ok()?;
        (stored.version == VERSION).then_some(stored.position)
    }

    /// Keeps it.
    pub fn save(&self, scheme: &str, position: &Position) -> Result<()> {
        let file = self.file(scheme);
        let failed = |cause: std::io::Error| {
            Error::io(Kind::Failed, format!("{}: schedule not written", file.display()), cause)
        };
        let stored = Stored { version: VERSION, position: position.clone() };
        let text = serde_json::to_vec(&stored).map_err(|cause| failed(cause.into()))?;
        state_file::create_private(&self.folder).map_err(failed)?;
        state_file::replace(&file, &text).map_err(failed)
    }
}
