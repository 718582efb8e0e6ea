//! Small files that a machine keeps for itself: state, records, reports, the configuration. It promises
//! that such a file is whole or absent whatever happens while it is written, and that nobody else may
//! read it unless that is asked for.

use std::fs::File;
use std::io::{Result, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its mode.
    pub mode: u32,
    /// The number of its user; `None`: whoever writes it.
    pub user: Option<u32>,
    /// The number of its group; `None`: that of whoever writes it.
    pub group: Option<u32>,
}

impl Owner {
    /// Only whoever writes it may read it.
    pub const PRIVATE: Owner = Owner { mode: 0o600, user: None, group: None };

    /// That of the file at `path`, if there is one.
    pub fn of(path: &Path) -> Option<Owner> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Owner { mode: meta.mode() & 0o777, user: Some(meta.uid()), group: Some(meta.gid()) })
    }

    /// Private, but for a group that may read it, if there is one.
    pub fn readable_by(group: Option<u32>) -> Owner {
        match group {
            Some(_) => Owner { mode: 0o640, user: None, group },
            None => Owner::PRIVATE,
        }
    }
}

/// Makes `folder`, and those above it, for the user alone. One that is there stays as it is.
pub fn create_private(folder: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Puts `bytes` in the place of `file`, durably: written beside it, then renamed. Only its owner may
/// read it then.
pub fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    replace_for(file, bytes, Owner::PRIVATE)
}

/// The same for `owner`. Where the user or group cannot be given, nobody gets more than that owner's
/// rest: the rights of a group that is not the one meant are taken away.
pub fn replace_for(file: &Path, bytes: &[u8], owner: Owner) -> Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write(&beside, bytes, owner).and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn write(path: &Path, bytes: &[u8], owner: Owner) -> Result<()> {
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    let meta = file.metadata()?;
    let wanted = |wanted: Option<u32>, own: u32| wanted.filter(|wanted| *wanted != own);
    let mut mode = owner.mode & 0o777;
    if let Some(group) = wanted(owner.group, meta.gid())
        && std::os::unix::fs::fchown(&file, None, Some(group)).is_err()
    {
        mode &= !0o070;
    }
    // Only root gives files away; others become the owner of what they may replace.
    if let Some(user) = wanted(owner.user, meta.uid()) {
        let _ = std::os::unix::fs::fchown(&file, Some(user), None);
    }
    if mode != 0o600 {
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("there").mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_private() {
        let folder = tempfile::tempdir().expect("folder");
        let inner = folder.path().join("a/b");
        create_private(&inner).expect("made");
        create_private(&inner).expect("there");
        let file = inner.join("state.json");
        for text in ["first, longer", "second"] {
            replace(&file, text.as_bytes()).expect("replaced");
            assert_eq!(std::fs::read_to_string(&file).expect("read"), text);
        }
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&inner).expect("read").count(), 1);
        assert!(replace(&inner, b"a folder").is_err());
        assert_eq!(std::fs::read_dir(folder.path().join("a")).expect("read").count(), 1, "nothing is left");
    }

    #[test]
    fn mode_and_owner_can_be_kept() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("coffer.toml");
        let is_root = rustix::process::geteuid().is_root();
        let group = if is_root { 4711 } else { rustix::process::getegid().as_raw() };
        replace_for(&file, b"x", Owner::readable_by(Some(group))).expect("written");
        let owner = Owner::of(&file).expect("there");
        assert_eq!((owner.mode, owner.group), (0o640, Some(group)));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).expect("changed");
        let before = Owner::of(&file).expect("there");
        replace_for(&file, b"y", before).expect("written");
        assert_eq!(Owner::of(&file), Some(before));
        replace_for(&file, b"z", Owner::readable_by(None)).expect("written");
        assert_eq!(mode(&file), 0o600);
    }
}
