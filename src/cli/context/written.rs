//! Containers that a command writes to. It promises that no command ends well whose commit went into a
//! file that was deleted, moved or replaced meanwhile: others would find what stands there instead.

use crate::container::Tip;
use crate::error::{Error, Kind, Result};
use crate::storage::place::file_id;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A path, and the file that stood there.
pub struct Place {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl Place {
    /// The file at `path`, about to be opened.
    pub fn of(path: &Path) -> Place {
        Place { path: path.to_owned(), file: file_id(path) }
    }

    /// It was opened for writing; `tip` tells what is committed.
    pub fn written(self, tip: Arc<Tip>) -> Written {
        Written { place: self, tip }
    }
}

/// A container that is open for writing.
pub struct Written {
    place: Place,
    tip: Arc<Tip>,
}

impl Written {
    /// Fails if something was committed and the file is not the one that its path leads to.
    pub fn is_still_there(&self) -> Result<()> {
        let Place { path, file } = &self.place;
        if self.tip.committed().is_none() || file_id(path) == *file {
            return Ok(());
        }
        let what = match path.symlink_metadata() {
            Ok(_) => "another file took its place",
            Err(_) => "it was deleted or moved",
        };
        let message =
            format!("{}: while it was written, {what}: what was committed is not there", path.display());
        Err(Error::new(Kind::Destination, message).hint(
            "run the command again; nothing but Coffer may move, restore or replace the file while it is written",
        ))
    }
}
