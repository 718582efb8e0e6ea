//! What can be seen of a container without its secret: whether its file is there, on the medium that
//! was meant, not older than the last run made it, and as far as a short look goes undamaged
//! (`format-spec/container.md`, Superblock).

use super::forecast::{Forecast, forecast};
use super::looked::{self, Looked};
use super::past::Past;
use crate::clock::Timestamp;
use crate::container::header::Header;
use crate::container::scrub::LiveSegments;
use crate::error::{Kind, Result};
use crate::schemes::config::{Config, ContainerPlace};
use crate::storage::FileStorage;
use crate::storage::place::is_mounted;
use crate::values::parse_time;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What was found where a container should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// The file, as the last run made it or newer.
    There,
    /// Its medium is not connected.
    NotMounted,
    /// No file, though the medium is there.
    Missing,
    /// A file that cannot be read, or is no container.
    Unreadable,
    /// Another container, or an older state than the last run made.
    Older,
    /// A file that is shorter than what it holds.
    Short,
    /// The container, without any snapshot since the last were removed.
    Emptied,
    /// The container, with damage that is beyond mending.
    Damaged,
}

impl FileState {
    /// What it is, for people.
    pub fn words(self) -> &'static str {
        match self {
            FileState::There => "there",
            FileState::NotMounted => "not connected",
            FileState::Missing => "missing",
            FileState::Unreadable => "not readable",
            FileState::Older => "not as the last run made it",
            FileState::Short => "shorter than what it holds",
            FileState::Emptied => "without any snapshot",
            FileState::Damaged => "damaged",
        }
    }
}

/// How a container stands.
#[derive(Clone, Debug, Serialize)]
pub struct ContainerStanding {
    /// The file.
    pub path: PathBuf,
    /// What was found there.
    pub state: FileState,
    /// Whether a scheme makes its snapshots there, rather than copies them.
    pub is_target: bool,
    /// Its id, as far as it can be read.
    pub id: Option<String>,
    /// The number of its newest commit.
    pub generation: Option<u64>,
    /// Length of the file.
    pub file_bytes: Option<u64>,
    /// The longest that it may become.
    pub max_bytes: Option<u64>,
    /// Bytes left on its file system.
    pub free_bytes: Option<u64>,
    /// How long the space will last.
    pub forecast: Option<Forecast>,
    /// What a short look at its bytes found.
    pub looked: Option<Looked>,
}

/// The containers that schemes save or copy to.
pub(super) fn all(
    config: &Config,
    state: &Path,
    past: &Past,
    now: Timestamp,
) -> BTreeMap<String, ContainerStanding> {
    let enabled = || config.scheme.values().filter(|scheme| scheme.enabled);
    let targets: BTreeSet<&str> = enabled().map(|scheme| scheme.to.get_ref().as_str()).collect();
    let copies = enabled().flat_map(|scheme| &scheme.copy).filter_map(|copying| copying.to.as_ref());
    let named: BTreeSet<&str> =
        copies.map(|to| to.get_ref().as_str()).chain(targets.iter().copied()).collect();
    let one = |name: &str| {
        let place = config.container.get(name)?;
        let mut found = stands(place, targets.contains(name));
        held_against(&mut found, config, past, name, now);
        if found.state == FileState::There {
            found.looked = looked::look(&found.path, state);
            let is_lost = found.looked.as_ref().is_some_and(|looked| looked.lost > 0);
            found.state = if is_lost { FileState::Damaged } else { FileState::There };
        }
        Some((name.to_owned(), found))
    };
    named.into_iter().filter_map(one).collect()
}

fn stands(place: &ContainerPlace, is_target: bool) -> ContainerStanding {
    let path = place.path.clone();
    let mut found = ContainerStanding {
        state: FileState::There,
        is_target,
        id: None,
        generation: None,
        file_bytes: None,
        max_bytes: place.max_size.map(|size| size.0),
        free_bytes: None,
        forecast: None,
        looked: None,
        path,
    };
    if place.mount.as_deref().is_some_and(|mount| !is_mounted(mount)) {
        found.state = FileState::NotMounted;
        return found;
    }
    found.free_bytes = place.path.parent().and_then(free_bytes);
    match std::fs::metadata(&place.path) {
        Ok(meta) => found.file_bytes = Some(meta.len()),
        Err(cause) => {
            let is_gone = cause.kind() == std::io::ErrorKind::NotFound;
            found.state = if is_gone { FileState::Missing } else { FileState::Unreadable };
            return found;
        }
    }
    let clear = match clear_part(&place.path) {
        Ok(clear) => clear,
        Err(error) => {
            let is_damaged = error.kind() == Kind::Damaged;
            found.state = if is_damaged { FileState::Damaged } else { FileState::Unreadable };
            return found;
        }
    };
    if found.file_bytes < Some(clear.needed_bytes) {
        found.state = FileState::Short;
    }
    (found.id, found.generation) = (Some(clear.id), Some(clear.generation));
    found
}

/// Holds a container against what the runs say they made of it, and looks ahead.
fn held_against(found: &mut ContainerStanding, config: &Config, past: &Past, name: &str, now: Timestamp) {
    let made = past.made_in(config, name);
    if let (Some(last), FileState::There) = (made.last(), found.state) {
        // A container that was lawfully replaced counts its commits anew.
        let same = made.iter().filter(|made| made.container == last.container);
        let known = same.filter_map(|made| made.generation).max();
        let is_other = last.container.is_some() && last.container != found.id.as_deref();
        if is_other || known > found.generation {
            found.state = FileState::Older;
        }
    }
    if let (Some(last), Some(id), FileState::There) = (made.last(), &found.id, found.state)
        && past.is_emptied(id, last.time)
    {
        found.state = FileState::Emptied;
    }
    let backups = made.iter().filter(|made| !made.is_copy);
    let sizes: Vec<(i64, u64)> = backups
        .filter_map(|made| Some((parse_time(made.time).ok()?.seconds, made.file_bytes?)))
        .filter(|(time, _)| *time <= now.seconds)
        .collect();
    let cap = found.max_bytes.zip(found.file_bytes).map(|(max, bytes)| max.saturating_sub(bytes));
    let room = [cap, found.free_bytes].into_iter().flatten().min();
    found.forecast = room.and_then(|room| forecast(&sizes, room));
}

/// What lies in clear.
struct Clear {
    id: String,
    generation: u64,
    /// Bytes up to the end of the last segment that is in use.
    needed_bytes: u64,
}

fn clear_part(path: &Path) -> Result<Clear> {
    let storage = FileStorage::open(path, false)?;
    let header = Header::read(&storage)?;
    let live = LiveSegments::read(&storage, &header)?;
    let slots = live.hashes.last_key_value().map_or(0, |(slot, _)| slot.saturating_add(1));
    let needed_bytes = header.geometry.file_bytes(slots);
    Ok(Clear { id: header.prologue.container.to_string(), generation: live.generation, needed_bytes })
}

fn free_bytes(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}
