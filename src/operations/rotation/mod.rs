//! Rotation sets: the media that copies go to in turn, such as one for each weekday and one for the
//! ends of months. It promises that a medium is known by its container's id, never by its path, and
//! that which one is due follows from the calendar and from what was copied when.

mod due;
mod stored;

pub use due::{Choice, Schedule, choices};
pub use stored::RotationSets;

use crate::clock::Timestamp;
use crate::container::header::Header;
use crate::crypto::KeyTable;
use crate::error::{Error, Kind, Result};
use crate::ids::ContainerId;
use crate::storage::FileStorage;
use std::path::{Path, PathBuf};

/// Media in rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationSet {
    /// The media, in the order they were added.
    pub members: Vec<Member>,
}

/// A medium: a container that is there at times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name for people.
    pub label: String,
    /// Where its container appears when it is there. Several media may share a path.
    pub path: PathBuf,
    /// Its container.
    pub container: ContainerId,
    /// Whether that needed a key when the medium was added.
    pub is_encrypted: bool,
    /// When it is due.
    pub schedule: Schedule,
    /// The last copy to it.
    pub last: Option<Copied>,
}

/// A copy to a medium that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// When it ended.
    pub time: Timestamp,
    /// The container that was copied.
    pub source: ContainerId,
    /// The generation of that.
    pub source_generation: u64,
    /// The generation that the medium reached.
    pub generation: u64,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The container's id.
    pub container: ContainerId,
    /// Whether it needs a key.
    pub is_encrypted: bool,
}

impl Medium {
    /// Looks what stands at `path`; `None` if nothing does.
    pub fn at(path: &Path) -> Result<Option<Medium>> {
        let name = path.display();
        let storage = match FileStorage::open(path, false) {
            Ok(storage) => storage,
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let header = Header::read(&storage).map_err(|e| e.at(&name))?;
        let is_encrypted = KeyTable::decode(&header.keys.table).map_err(|e| e.at(&name))?.is_encrypted();
        Ok(Some(Medium { container: header.prologue.container, is_encrypted }))
    }
}

impl RotationSet {
    /// Adds the medium that stands at `path`.
    ///
    /// Errors: [`Kind::Destination`] if none does, [`Kind::Usage`] if the label or the medium is in
    /// the set already.
    pub fn add(&mut self, label: &str, path: &Path, schedule: Schedule) -> Result<&Member> {
        let taken = |what: String| {
            Error::new(Kind::Usage, what).hint("coffer rotation list shows the media of a set")
        };
        if self.find(label).is_some() {
            return Err(taken(format!("the set has a medium `{label}` already")));
        }
        let medium = Medium::at(path)?.ok_or_else(|| {
            Error::new(Kind::Destination, format!("{}: no container is there", path.display()))
                .hint("connect the medium; coffer init FILE --copy-of CONTAINER makes a container on it")
        })?;
        if let Some(other) = self.by_container(&medium.container) {
            return Err(taken(format!(
                "{} is the medium `{}` of the set already",
                path.display(),
                other.label
            )));
        }
        self.members.push(Member {
            label: label.into(),
            path: path.into(),
            container: medium.container,
            is_encrypted: medium.is_encrypted,
            schedule,
            last: None,
        });
        self.find(label).ok_or_else(|| Error::new(Kind::Failed, "rotation: the medium was not added"))
    }

    /// The medium called `label`.
    pub fn find(&self, label: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.label == label)
    }

    /// The medium whose container is `id`.
    pub fn by_container(&self, id: &ContainerId) -> Option<&Member> {
        self.members.iter().find(|member| member.container == *id)
    }

    /// Demands that `member` stands at its path.
    ///
    /// Errors: [`Kind::Destination`] if nothing does, or another medium or container, which is named;
    /// [`Kind::NotEncrypted`] if it needs no key any more.
    pub fn check(&self, member: &Member) -> Result<()> {
        let (path, label) = (member.path.display(), &member.label);
        let Some(medium) = Medium::at(&member.path)? else {
            return Err(Error::new(
                Kind::Destination,
                format!("{path}: medium not present: `{label}` is due"),
            )
            .hint(format!("connect the medium `{label}` and run this again")));
        };
        if medium.container != member.container {
            let found = match self.by_container(&medium.container) {
                Some(other) => format!("the medium `{}`", other.label),
                None => format!("container {}, which is not in this set", medium.container),
            };
            return Err(Error::new(
                Kind::Destination,
                format!("{path}: `{label}` is due, but this is {found}"),
            )
            .hint(format!("connect the medium `{label}` and run this again")));
        }
        match member.is_encrypted && !medium.is_encrypted {
            true => Err(Error::new(
                Kind::NotEncrypted,
                format!("{path}: the medium `{label}` needed a key and needs none now"),
            )
            .hint("somebody may have replaced it; nothing is copied to it")),
            false => Ok(()),
        }
    }

    /// Notes a copy to the medium called `label`.
    pub fn note(&mut self, label: &str, copied: Copied) {
        self.members.iter_mut().filter(|m| m.label == label).for_each(|m| m.last = Some(copied));
    }
}
