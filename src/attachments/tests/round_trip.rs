//! Odd trees through the walk and back: what comes out equals what went in.

use super::carrier::{put, take};
use crate::attachments::attributes::Place;
use crate::attachments::restore::{RestoreOptions, Target};
use crate::entry::{Attribute, Entry};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags,
};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn set_modified(path: &Path, seconds: i64, nanoseconds: i64) {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Restores `source` and requires the result to be equal, entry by entry.
fn round_trip(source: &Path) -> tempfile::TempDir {
    let (before, problems) = take(source);
    assert!(problems.is_empty(), "{problems:?}");
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("new/target");
    let target = Target::open(&root, RestoreOptions::default()).unwrap();
    put(&target, &before);
    let problems = target.finish(true).unwrap();
    assert!(problems.is_empty(), "{problems:?}");

    let (after, problems) = take(&root.join("attachments/x"));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(before.len(), after.len());
    for ((was, bytes), (is, new_bytes)) in before.iter().zip(&after) {
        assert_eq!(bare(was), bare(is));
        assert!(bytes == new_bytes, "{} has other bytes", was.path);
    }
    let target = Target::open_existing(&root, RestoreOptions::default()).unwrap();
    for (entry, _) in &before {
        assert_eq!(target.compare(entry).unwrap(), [], "{}", entry.path);
    }
    dir
}

/// The entry without what differs by nature.
fn bare(entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    entry.metadata.changed = Default::default();
    entry.metadata.inode = 0;
    entry
}

#[test]
fn names_of_any_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let longest = [b'n'; 255];
    let names: [&[u8]; 7] = [b"\xff\xfe", b"new\nline", b" ", b"-rf", b"a\\b", b"\x1b[0m", &longest];
    for name in names {
        let folder = dir.path().join("d").join(OsStr::from_bytes(name));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(OsStr::from_bytes(name)), name).unwrap();
    }
    round_trip(dir.path());
}

#[test]
fn every_type_of_thing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("empty"), "").unwrap();
    fs::write(at("file"), vec![7; 100_000]).unwrap();
    for (name, to) in
        [("dangling", "no/where"), ("absolute", "/etc"), ("loop", "loop"), ("up", "../.."), ("b", "\n")]
    {
        symlink(to, at(name)).unwrap();
        set_modified(&at(name), 1_234_567_890, 987_654_321);
    }
    symlink(OsStr::from_bytes(&[0xff; 4000]), at("long")).unwrap();
    fs::create_dir_all(at("d/e")).unwrap();
    fs::hard_link(at("file"), at("d/e/again")).unwrap();
    fs::hard_link(at("file"), at("again")).unwrap();
    fs::hard_link(at("dangling"), at("d/dangling-again")).unwrap();
    rustix::fs::mkfifoat(CWD, at("pipe"), Mode::from_raw_mode(0o640)).unwrap();
    drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
    if is_root() {
        let number = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(CWD, at("null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), number)
            .unwrap();
        rustix::fs::mknodat(CWD, at("block"), FileType::BlockDevice, Mode::from_raw_mode(0o600), number)
            .unwrap();
        rustix::fs::chownat(
            CWD,
            at("dangling"),
            Some(Uid::from_raw(77)),
            Some(Gid::from_raw(78)),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .unwrap();
    }
    let restored = round_trip(dir.path());
    let at = |name: &str| restored.path().join("new/target/attachments/x").join(name);
    let (one, two) = (fs::metadata(at("file")).unwrap(), fs::metadata(at("d/e/again")).unwrap());
    assert_eq!((one.ino(), one.nlink()), (two.ino(), 3));
}

#[test]
fn modes_owners_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let times = [(0, 0), (-1, 999_999_999), (-2_000_000_000, 1), (4_000_000_000, 500), (15_000_000_000, 3)];
    for (i, mode) in [0o000, 0o4755, 0o2711, 0o1777, 0o444].into_iter().enumerate() {
        let (file, folder) = (at(&format!("f{i}")), at(&format!("d{i}")));
        fs::write(&file, "x").unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("inside"), "y").unwrap();
        for path in [&file, &folder] {
            if is_root() {
                std::os::unix::fs::chown(path, Some(1000 + i as u32), Some(2000)).unwrap();
            }
            set_mode(path, if is_root() { mode } else { mode & 0o777 | 0o500 });
            set_modified(path, times[i].0, times[i].1);
        }
    }
    set_modified(dir.path(), 1_500_000_000, 17);
    round_trip(dir.path());
}

#[test]
fn holes_stay_holes() {
    let dir = tempfile::tempdir().unwrap();
    const MIB: u64 = 1 << 20;
    let sparse = |name: &str, size: u64, data: &[u64]| {
        let file = fs::File::create(dir.path().join(name)).unwrap();
        file.set_len(size).unwrap();
        data.iter().for_each(|&at| file.write_all_at(&[5; 10_000], at).unwrap());
    };
    sparse("start", 8 * MIB, &[8 * MIB - 10_000]);
    sparse("middle", 8 * MIB, &[0, 8 * MIB - 10_000]);
    sparse("end", 8 * MIB, &[0]);
    sparse("several", 64 * MIB + 1, &[MIB, 9 * MIB, 33 * MIB]);
    sparse("all", 1 << 40, &[]);
    sparse("tiny", 1, &[]);
    let restored = round_trip(dir.path());
    for name in ["start", "middle", "end", "several", "all"] {
        let blocks = |path: &Path| fs::metadata(path.join(name)).unwrap().blocks();
        let new = blocks(&restored.path().join("new/target/attachments/x"));
        assert!(new <= blocks(dir.path()) + 16, "{name}: {new}");
    }
}

#[test]
fn attributes_and_access_lists() {
    let dir = tempfile::tempdir().unwrap();
    let (file, folder) = (dir.path().join("file"), dir.path().join("folder"));
    fs::write(&file, "x").unwrap();
    fs::create_dir(&folder).unwrap();
    let set = |path: &Path, name: &str, value: &[u8]| {
        rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
    };
    for path in [&file, &folder] {
        set(path, "user.empty", b"");
        set(path, "user.bytes", b"\0\xff\n");
        set(path, "user.large", &[3; 3000]);
        // user::rwx, user:1000:r--, group::r--, mask::r--, other::---
        let tags = [(1u16, 7u16, !0u32), (2, 4, 1000), (4, 4, !0), (16, 4, !0), (32, 0, !0)];
        let mut list = 2u32.to_le_bytes().to_vec();
        for (tag, permission, id) in tags {
            list.extend(
                tag.to_le_bytes().into_iter().chain(permission.to_le_bytes()).chain(id.to_le_bytes()),
            );
        }
        set(path, "system.posix_acl_access", &list);
        if path == &folder {
            set(path, "system.posix_acl_default", &list);
        }
    }
    fs::write(folder.join("inherits"), "").unwrap();
    let (tree, _) = take(dir.path());
    let count = |name: &str| {
        let found = tree.iter().find(|(e, _)| e.path.name() == name.as_bytes()).unwrap();
        found.0.metadata.attributes.iter().filter(|a| !a.name.starts_with(b"security.")).count()
    };
    assert_eq!((count("file"), count("folder"), count("inherits")), (4, 5, 1));
    round_trip(dir.path());
}

#[test]
fn attributes_that_the_target_gives_are_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "x").unwrap();
    let (tree, _) = take(dir.path());
    let restored = round_trip(dir.path());
    let path = restored.path().join("new/target/attachments/x");
    rustix::fs::setxattr(&path, "user.more", b"1", XattrFlags::empty()).unwrap();
    let target = Target::open(&restored.path().join("new/target"), RestoreOptions::default()).unwrap();
    put(&target, &tree);
    assert!(target.finish(true).unwrap().is_empty());
    let fd = fs::File::open(&path).unwrap();
    let left: Vec<Attribute> = Place::Opened(&fd).read().unwrap();
    assert!(left.iter().all(|a| a.name != b"user.more"));
}

#[test]
fn very_deep_trees() {
    const LEVELS: usize = 1500;
    let dir = tempfile::tempdir().unwrap();
    let mut fd = fs::File::open(dir.path()).unwrap().into();
    for level in 0..LEVELS {
        let name = if level % 100 == 0 { "n".repeat(150) } else { "abc".to_owned() };
        rustix::fs::mkdirat(&fd, &name, Mode::RWXU).unwrap();
        rustix::fs::mkdirat(&fd, "zz", Mode::RWXU).unwrap();
        fd = rustix::fs::openat(&fd, &name, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    drop(rustix::fs::openat(&fd, "deepest", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap());
    let (tree, _) = take(dir.path());
    assert_eq!(tree.len(), 2 * LEVELS + 2);
    assert!(tree.iter().any(|(e, _)| e.path.name() == b"deepest" && e.path.0.len() > 4096));
    round_trip(dir.path());
}
