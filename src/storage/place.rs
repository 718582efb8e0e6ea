//! Where a file lies and who may read it: disks, mounted file systems, modes and groups. It promises to
//! change nothing but in [`share`], and to say "not known" rather than guess.

use std::io::Result;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The folder it is mounted on.
    pub folder: PathBuf,
    /// Its kind: `ext4`.
    pub kind: String,
    /// Bytes that may be written.
    pub free_bytes: u64,
}

/// The nearest folder above `path`, or `path` itself, that is there.
pub fn existing(path: &Path) -> Option<PathBuf> {
    let whole = std::path::absolute(path).ok()?;
    whole.ancestors().find(|part| part.exists()).map(Path::to_owned)
}

/// The number of the disk on which `path` is, or will be.
pub fn device(path: &Path) -> Option<u64> {
    existing(path)?.metadata().ok().map(|meta| meta.dev())
}

/// Whether both are on one disk; `None` if that cannot be told.
pub fn same_device(a: &Path, b: &Path) -> Option<bool> {
    Some(device(a)? == device(b)?)
}

/// What tells the file at `path` from every other of this machine, links followed; `None`: there is none.
pub fn file_id(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Bytes that may be written where `path` is or will be.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(&existing(path)?).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether a file system is mounted on `folder`.
pub fn is_mounted(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    if folder.parent().is_none() {
        return true;
    }
    // A bind mount may be of the same disk: the table of mounts knows it, too.
    let table = String::from_utf8_lossy(&std::fs::read("/proc/self/mounts").unwrap_or_default()).into_owned();
    let differs = folder.parent().and_then(device) != device(&folder);
    differs || lines(&table).any(|(mounted, _)| mounted == folder)
}

/// The file systems that something could be kept on: mounted, writable, and not of the system's own.
pub fn mounts() -> Vec<Mount> {
    const KINDS: [&str; 18] = [
        "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "vfat", "exfat", "ntfs",
        "ntfs3", "fuseblk", "nfs", "nfs4", "cifs", "overlay",
    ];
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut found: Vec<Mount> = Vec::new();
    for (folder, kind) in lines(&table).filter(|(_, kind)| KINDS.contains(&kind.as_str())) {
        let is_writable = rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok();
        if let Some(free_bytes) = free_bytes(&folder).filter(|_| is_writable && folder.is_dir()) {
            found.retain(|other| other.folder != folder);
            found.push(Mount { folder, kind, free_bytes });
        }
    }
    found
}

/// Folder and kind of each line of the table of mounts; blanks in it are written as numbers.
fn lines(table: &str) -> impl Iterator<Item = (PathBuf, String)> + '_ {
    table.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (folder, kind) = (words.next()?, words.next()?);
        let folder = folder.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\");
        Some((folder.into(), kind.to_owned()))
    })
}

/// Whether users who are neither owner nor group may read or change `path`; `None` if it is not there.
pub fn is_open_to_all(path: &Path) -> Option<bool> {
    path.metadata().ok().map(|meta| meta.mode() & 0o006 != 0)
}

/// The number of a group of this machine, by its name or as the number itself.
pub fn group_number(group: &str) -> Option<u32> {
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let of = |line: &str| {
        let mut fields = line.split(':');
        let (name, _, number) = (fields.next()?, fields.next()?, fields.next()?);
        (name == group).then(|| number.parse().ok())?
    };
    groups.lines().find_map(of).or_else(|| group.parse().ok())
}

/// Number of a user of this machine and of its own group.
pub fn user_number(user: &str) -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, number, group) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        (name == user).then(|| Some((number.parse().ok()?, group.parse().ok()?)))?
    })
}

/// Whether a user of that number and group may write `path` by what its mode says, without the rights
/// that root has over the files of others; `None`: it is not there.
pub fn may_write(path: &Path, (user, group): (u32, u32)) -> Option<bool> {
    let metadata = path.metadata().ok()?;
    let bit = match (metadata.uid() == user, metadata.gid() == group) {
        (true, _) => 0o200,
        (_, true) => 0o020,
        _ => 0o002,
    };
    Some(metadata.mode() & bit != 0)
}

/// Lets the group of that number read `path`, and nobody else but its owner.
pub fn share(path: &Path, group: u32) -> Result<()> {
    std::os::unix::fs::chown(path, None, Some(group))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640))
}

/// Lets the group of that number enter and list `folder`, and nobody else but its owner.
pub fn share_folder(folder: &Path, group: u32) -> Result<()> {
    std::os::unix::fs::chown(folder, None, Some(group))?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o750))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let folder = tempfile::tempdir().expect("folder");
        let (there, none) = (folder.path(), folder.path().join("none/deeper"));
        assert_eq!(same_device(there, &none), Some(true));
        assert!(free_bytes(&none).is_some_and(|bytes| bytes > 0));
        assert!(is_mounted(Path::new("/")) && is_mounted(Path::new("/proc")) && !is_mounted(there));
        assert!(!is_mounted(&none));
        let table = "/dev/sdb1 /media/two\\040words ext4 rw 0 0\nproc /proc proc rw 0 0\nx\n";
        let found: Vec<_> = lines(table).collect();
        assert_eq!(found[0], ("/media/two words".into(), "ext4".to_owned()));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_file_is_shared_with_a_group_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("c");
        std::fs::write(&file, "x").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).expect("changed");
        assert_eq!(is_open_to_all(&file), Some(true));
        let is_root = rustix::process::geteuid().is_root();
        let group = if is_root { 4711 } else { rustix::process::getegid().as_raw() };
        share(&file, group).expect("shared");
        let owner = file.metadata().expect("there").uid();
        let may = |user| may_write(&file, user);
        assert_eq!((may((owner, group)), may((owner + 1, group))), (Some(true), Some(false)));
        assert_eq!(user_number("root"), Some((0, 0)));
        let meta = file.metadata().expect("there");
        assert_eq!((meta.mode() & 0o777, meta.gid()), (0o640, group));
        assert_eq!((is_open_to_all(&file), is_open_to_all(&folder.path().join("none"))), (Some(false), None));
        assert_eq!(
            (group_number("root"), group_number("4711"), group_number("no such")),
            (Some(0), Some(4711), None)
        );
    }
}
