//! Rotation sets on this machine: one file a set beside the rest of what it remembers. It promises
//! that a file is whole or absent, and that one which cannot be read is an error, never an empty set.

use super::{Copied, Member, RotationSet};
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ids::ContainerId;
use crate::operations::client_state::ClientState;
use crate::storage::state_file;
use serde::{Deserialize, Serialize};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Version of the file.
const VERSION: u32 = 1;
/// Longest name of a set in bytes.
const MAX_NAME_BYTES: usize = 64;

/// The sets of this machine.
#[derive(Clone, Debug)]
pub struct RotationSets {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    members: Vec<StoredMember>,
}

#[derive(Serialize, Deserialize)]
struct StoredMember {
    label: String,
    /// Any bytes, in hexadecimal where they are not UTF-8.
    path: StoredPath,
    container: String,
    encrypted: bool,
    schedule: String,
    last: Option<StoredCopy>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredPath {
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Serialize, Deserialize)]
struct StoredCopy {
    seconds: i64,
    source: String,
    source_generation: u64,
    generation: u64,
}

impl RotationSets {
    /// The sets beside the rest of `state`.
    pub fn of(state: &ClientState) -> RotationSets {
        RotationSets { folder: state.folder().join("rotation") }
    }

    fn file(&self, name: &str) -> Result<PathBuf> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        let fits = !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.starts_with('.');
        match fits && name.bytes().all(plain) {
            true => Ok(self.folder.join(format!("{name}.json"))),
            false => Err(Error::new(Kind::Usage, format!("`{name}` is no name for a rotation set"))
                .hint("use letters, digits, - and _, at most 64 of them")),
        }
    }

    /// The names of all sets, sorted.
    pub fn names(&self) -> Result<Vec<String>> {
        let failed = |e| Error::io(Kind::Failed, format!("{}: not listed", self.folder.display()), e);
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(failed)?.file_name().into_string().unwrap_or_default();
            names.extend(file.strip_suffix(".json").map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// The set called `name`; `None` if there is none.
    pub fn read(&self, name: &str) -> Result<Option<RotationSet>> {
        let file = self.file(name)?;
        let damaged = || {
            Error::new(Kind::Failed, format!("{}: is not as coffer wrote it", file.display()))
                .hint("remove the file and add the media again")
        };
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Error::io(Kind::Failed, format!("{}: not read", file.display()), error));
            }
        };
        let stored: Stored = serde_json::from_slice(&text).map_err(|cause| damaged().because(cause))?;
        if stored.version != VERSION {
            return Err(damaged());
        }
        let members = stored.members.into_iter().map(|m| member(m).ok_or_else(damaged));
        Ok(Some(RotationSet { members: members.collect::<Result<_>>()? }))
    }

    /// The set called `name`, which must exist.
    pub fn get(&self, name: &str) -> Result<RotationSet> {
        self.read(name)?.ok_or_else(|| {
            Error::new(Kind::NotFound, format!("no rotation set `{name}`"))
                .hint("coffer rotation add makes one; coffer rotation list shows them")
        })
    }

    /// Writes the set called `name`; one without media goes away.
    pub fn write(&self, name: &str, set: &RotationSet) -> Result<()> {
        let file = self.file(name)?;
        let failed =
            |e: std::io::Error| Error::io(Kind::Failed, format!("{}: not written", file.display()), e);
        if set.members.is_empty() {
            return match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        let stored = Stored { version: VERSION, members: set.members.iter().map(store).collect() };
        let text = serde_json::to_vec_pretty(&stored).map_err(|e| failed(e.into()))?;
        state_file::create_private(&self.folder).map_err(failed)?;
        state_file::replace(&file, &text).map_err(failed)
    }
}

fn store(member: &Member) -> StoredMember {
    let path = match member.path.to_str() {
        Some(text) => StoredPath::Text(text.into()),
        None => StoredPath::Bytes(member.path.as_os_str().as_bytes().to_vec()),
    };
    StoredMember {
        label: member.label.clone(),
        path,
        container: member.container.to_string(),
        encrypted: member.is_encrypted,
        schedule: member.schedule.to_string(),
        last: member.last.map(|copied| StoredCopy {
            seconds: copied.time.seconds,
            source: copied.source.to_string(),
            source_generation: copied.source_generation,
            generation: copied.generation,
        }),
    }
}

fn member(stored: StoredMember) -> Option<Member> {
    let path = match stored.path {
        StoredPath::Text(text) => text.into(),
        StoredPath::Bytes(bytes) => PathBuf::from(std::ffi::OsString::from_vec(bytes)),
    };
    let last = match stored.last {
        None => None,
        Some(copied) => Some(Copied {
            time: Timestamp { seconds: copied.seconds, nanoseconds: 0 },
            source: id(&copied.source)?,
            source_generation: copied.source_generation,
            generation: copied.generation,
        }),
    };
    Some(Member {
        label: stored.label,
        path,
        container: id(&stored.container)?,
        is_encrypted: stored.encrypted,
        schedule: stored.schedule.parse().ok()?,
        last,
    })
}

/// The id that `text` is in hexadecimal.
fn id(text: &str) -> Option<ContainerId> {
    let mut id = ContainerId::ZERO;
    if text.len() != 2 * ContainerId::LEN || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in id.0.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::super::Schedule;
    use super::*;

    fn member(label: &str, path: &[u8], last: Option<Copied>) -> Member {
        Member {
            label: label.into(),
            path: PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())),
            container: ContainerId([0xab; 16]),
            is_encrypted: true,
            schedule: Schedule::Days(3),
            last,
        }
    }

    #[test]
    fn sets_come_back_as_they_were_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let sets = RotationSets::of(&ClientState::at(folder.path()));
        assert!(sets.names().expect("none").is_empty() && sets.read("week").expect("none").is_none());
        assert_eq!(sets.get("week").expect_err("none").kind(), Kind::NotFound);
        let time = Timestamp { seconds: -5, nanoseconds: 0 };
        let copied = Copied { time, source: ContainerId([1; 16]), source_generation: 7, generation: 9 };
        let members = vec![member("monday", b"/media/usb/c", None), member("b", b"/m/\xff", Some(copied))];
        let set = RotationSet { members };
        sets.write("week", &set).expect("written");
        assert_eq!(sets.get("week").expect("read"), set);
        assert_eq!(sets.names().expect("one"), ["week"]);
        sets.write("week", &RotationSet::default()).expect("removed");
        assert!(sets.names().expect("none").is_empty());
    }

    #[test]
    fn a_damaged_set_is_an_error_and_names_stay_in_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let sets = RotationSets::of(&ClientState::at(folder.path()));
        sets.write("week", &RotationSet { members: vec![member("a", b"p", None)] }).expect("written");
        let file = sets.file("week").expect("a name");
        let text = std::fs::read_to_string(&file).expect("text");
        for damaged in [
            text.replace("mon,tue", "never"),
            text.replace("abab", "xyab"),
            text[..text.len() / 2].to_owned(),
            String::new(),
            text.replace("\"version\": 1", "\"version\": 2"),
        ] {
            assert_ne!(damaged, text);
            std::fs::write(&file, damaged).expect("written");
            assert_eq!(sets.read("week").expect_err("damaged").kind(), Kind::Failed);
        }
        for bad in ["", "../x", "a/b", ".hidden", "a b", &"x".repeat(65)] {
            assert_eq!(sets.read(bad).expect_err(bad).kind(), Kind::Usage);
        }
    }
}
