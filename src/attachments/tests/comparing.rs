//! Comparing: every kind of difference is named, and nothing but differences.

use super::carrier::{entry, file, put, put_one};
use crate::attachments::compare::Difference;
use crate::attachments::restore::{RestoreOptions, Target};
use crate::entry::{Attribute, Entry, EntryKind, EntryPath};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn tree() -> Vec<(Entry, Vec<u8>)> {
    vec![
        (entry("a", EntryKind::Folder), vec![]),
        (file("a/f", 3), b"one".to_vec()),
        (entry("a/h", EntryKind::HardLink(EntryPath(b"a/f".to_vec()))), vec![]),
        (entry("a/l", EntryKind::SymbolicLink(b"f".to_vec())), vec![]),
        (entry("a/p", EntryKind::Pipe), vec![]),
    ]
}

/// The differences of all entries after `change` to the restored tree, as text.
fn differences(change: impl Fn(&Path)) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path(), RestoreOptions::default()).unwrap();
    put(&target, &tree());
    assert!(target.finish(true).unwrap().is_empty());
    change(&dir.path().join("a"));
    let target = Target::open_existing(dir.path(), RestoreOptions::default()).unwrap();
    let mut found = Vec::new();
    for (entry, _) in tree() {
        for difference in target.compare(&entry).unwrap() {
            // The times of what is made anew differ as well.
            if !matches!(difference, Difference::Modified(..)) {
                found.push(format!("{} {difference}", entry.path));
            }
        }
    }
    found
}

#[test]
fn nothing_changed_is_no_difference() {
    assert!(differences(|_| {}).is_empty());
}

#[test]
fn each_difference_is_named() {
    let again = |path: &Path, name: &str| fs::remove_file(path.join(name)).unwrap();
    assert_eq!(differences(|p| again(p, "h")), ["a/h missing"]);
    assert_eq!(differences(|p| fs::write(p.join("f"), "longer").unwrap()), ["a/f 6 bytes, expected 3"]);
    let mode = |p: &Path| fs::set_permissions(p.join("f"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(differences(mode), ["a/f mode 0600, expected 0644"]);
    let link = |p: &Path| {
        again(p, "l");
        symlink("g", p.join("l")).unwrap();
    };
    assert_eq!(differences(link), ["a/l points elsewhere"]);
    let copy = |p: &Path| {
        again(p, "h");
        fs::write(p.join("h"), "one").unwrap();
    };
    assert_eq!(differences(copy), ["a/h not the same file as its other name"]);
    let pipe = |p: &Path| {
        again(p, "p");
        fs::write(p.join("p"), "").unwrap();
    };
    assert_eq!(differences(pipe), ["a/p not a pipe"]);
    let value = |p: &Path| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(p.join("f"), "user.x", b"1", flags).unwrap();
    };
    assert_eq!(differences(value), ["a/f other attributes: user.x"]);
}

#[test]
fn a_time_that_differs_by_a_nanosecond_is_a_difference() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path(), RestoreOptions::default()).unwrap();
    put(&target, &tree());
    let mut entry = tree()[1].0.clone();
    entry.metadata.modified.nanoseconds += 1;
    let found = target.compare(&entry).unwrap();
    assert_eq!(found[0].to_string(), "changed at 1000000.123456789, expected 1000000.123456790");
    assert!(!target.entry_is_done(&entry).unwrap());
}

#[test]
fn only_files_beneath_the_target_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("t");
    let target = Target::open(&root, RestoreOptions::default()).unwrap();
    put(&target, &tree());
    fs::write(dir.path().join("outside"), "").unwrap();
    symlink("..", root.join("up")).unwrap();
    let mut text = String::new();
    let open = |path: &str| target.open_for_reading(&EntryPath(path.into()));
    open("a/f").unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "one");
    for path in ["a", "a/l", "a/p", "up/outside", "../outside", "missing"] {
        assert!(open(path).is_err(), "{path}");
    }
}

#[test]
fn a_file_whose_attributes_differ_is_not_done() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path(), RestoreOptions::default()).unwrap();
    put(&target, &tree());
    let (mut entry, bytes) = tree().swap_remove(1);
    let path = dir.path().join("a/f");
    let (none, create) = (rustix::fs::XattrFlags::empty(), rustix::fs::XattrFlags::CREATE);
    assert!(target.entry_is_done(&entry).unwrap());
    rustix::fs::setxattr(&path, "user.foreign", b"1", none).unwrap();
    assert!(!target.entry_is_done(&entry).unwrap(), "one too many");
    assert!(put_one(&target, &entry, &bytes));
    rustix::fs::setxattr(&path, "user.foreign", b"1", create).expect("it was gone");
    entry.metadata.attributes = vec![Attribute { name: b"user.foreign".to_vec(), value: b"2".to_vec() }];
    assert!(!target.entry_is_done(&entry).unwrap(), "another value");
    assert!(put_one(&target, &entry, &bytes));
    assert!(target.entry_is_done(&entry).unwrap());
    // What the system or only root gives is no sign of another thing.
    let label = Attribute { name: b"security.selinux".to_vec(), value: b"x".to_vec() };
    entry.metadata.attributes.insert(0, label);
    assert!(target.entry_is_done(&entry).unwrap());
}
