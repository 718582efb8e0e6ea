//! The target: what exists, what was finished before, what is in the way.

use super::carrier::{entry, file, put, put_one};
use crate::attachments::problem::ProblemKind;
use crate::attachments::restore::{Existing, Outcome, RestoreOptions, Target};
use crate::entry::{Entry, EntryKind, EntryPath};
use crate::error::Kind;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn open(root: &Path, existing: Existing) -> Target {
    Target::open(root, RestoreOptions { existing, ..RestoreOptions::default() }).unwrap()
}

fn tree() -> Vec<(Entry, Vec<u8>)> {
    vec![
        (entry("a", EntryKind::Folder), vec![]),
        (file("a/f", 3), b"one".to_vec()),
        (file("a/g", 3), b"two".to_vec()),
        (entry("a/h", EntryKind::HardLink(EntryPath(b"a/g".to_vec()))), vec![]),
        (entry("a/l", EntryKind::SymbolicLink(b"f".to_vec())), vec![]),
        (entry("a/p", EntryKind::Pipe), vec![]),
        (entry("a/ro", EntryKind::Folder), vec![]),
        (file("a/ro/f", 5), b"three".to_vec()),
    ]
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_second_run_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for existing in [Existing::Replace, Existing::Keep, Existing::Fail] {
        let target = open(dir.path(), existing);
        let written = put(&target, &tree());
        assert_eq!(written, if existing == Existing::Replace { 6 } else { 0 });
        assert!(target.finish(true).unwrap().is_empty());
    }
}

#[test]
fn a_killed_run_is_finished_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tree();
    let target = open(dir.path(), Existing::Replace);
    for (entry, bytes) in &tree[..2] {
        put_one(&target, entry, bytes);
    }
    let half = target.begin_file(&tree[2].0).unwrap().unwrap();
    half.write_at(0, b"t").unwrap();
    // Neither finished nor cleaned up, as by a kill.
    std::mem::forget((half, target));
    assert_eq!(names(&dir.path().join("a")).len(), 2);
    let inode = fs::metadata(dir.path().join("a/f")).unwrap().ino();

    let target = open(dir.path(), Existing::Keep);
    assert_eq!(put(&target, &tree), 5);
    assert!(target.finish(true).unwrap().is_empty());
    assert_eq!(fs::metadata(dir.path().join("a/f")).unwrap().ino(), inode);
    assert_eq!(fs::read(dir.path().join("a/h")).unwrap(), b"two");
    assert_eq!(names(&dir.path().join("a")), ["f", "g", "h", "l", "p", "ro"]);
}

#[test]
fn a_file_given_up_leaves_nothing_and_no_link_is_made_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let target = open(dir.path(), Existing::Replace);
    fs::create_dir(dir.path().join("a")).unwrap();
    fs::write(dir.path().join("a/g"), "old").unwrap();
    let tree = tree();
    drop(target.begin_file(&tree[2].0).unwrap());
    assert_eq!(fs::read(dir.path().join("a/g")).unwrap(), b"old");
    assert_eq!(target.create_other(&tree[3].0).unwrap(), Outcome::Failed);
    assert_eq!(names(&dir.path().join("a")), ["g"]);
    assert_eq!(target.finish(true).unwrap()[0].what, ProblemKind::NotRestored);
}

#[test]
fn what_exists_is_replaced_kept_or_refused() {
    for existing in [Existing::Replace, Existing::Keep, Existing::Fail] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/f"), "other").unwrap();
        symlink("/etc/passwd", dir.path().join("a/l")).unwrap();
        let target = open(dir.path(), existing);
        let (tree, read) = (tree(), || fs::read(dir.path().join("a/f")).unwrap());
        target.create_folder(&tree[0].0).unwrap();
        match (existing, target.begin_file(&tree[1].0)) {
            (Existing::Replace, Ok(Some(writer))) => {
                writer.write_at(0, b"one").unwrap();
                assert_eq!(read(), b"other");
                assert_eq!(writer.finish().unwrap(), Outcome::Written);
                assert_eq!(target.create_other(&tree[4].0).unwrap(), Outcome::Written);
                assert_eq!(read(), b"one");
                assert_eq!(fs::read_link(dir.path().join("a/l")).unwrap(), Path::new("f"));
            }
            (Existing::Keep, Ok(None)) => {
                assert_eq!(target.create_other(&tree[4].0).unwrap(), Outcome::Kept);
                let kept = target.finish(true).unwrap();
                assert!(kept.len() == 2 && kept.iter().all(|p| p.what == ProblemKind::Kept));
                assert_eq!(read(), b"other");
            }
            (Existing::Fail, Err(error)) => {
                assert!(error.message().ends_with("a/f exists already"));
                assert_eq!(target.create_other(&tree[4].0).unwrap_err().kind(), Kind::Failed);
                assert_eq!(read(), b"other");
            }
            (_, result) => panic!("{existing:?} {result:?}"),
        }
    }
}

#[test]
fn what_appears_while_a_file_is_written_is_kept_too() {
    let dir = tempfile::tempdir().unwrap();
    let target = open(dir.path(), Existing::Keep);
    let writer = target.begin_file(&file("f", 1)).unwrap().unwrap();
    fs::write(dir.path().join("f"), "late").unwrap();
    assert_eq!(writer.finish().unwrap(), Outcome::Kept);
    assert_eq!(names(dir.path()), ["f"]);
    assert_eq!(fs::read(dir.path().join("f")).unwrap(), b"late");
}

#[test]
fn a_folder_with_something_in_it_is_never_removed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("full/inside")).unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    let target = open(dir.path(), Existing::Replace);
    assert!(target.begin_file(&file("full", 1)).unwrap().is_none());
    assert_eq!(target.create_other(&entry("full", EntryKind::Pipe)).unwrap(), Outcome::Failed);
    assert!(target.begin_file(&file("empty", 0)).unwrap().unwrap().finish().is_ok());
    assert!(dir.path().join("full/inside").is_dir() && dir.path().join("empty").is_file());
    // One that fills up while the file is written stays as well.
    let writer = target.begin_file(&file("late", 0)).unwrap().unwrap();
    fs::create_dir_all(dir.path().join("late/inside")).unwrap();
    assert_eq!(writer.finish().unwrap(), Outcome::Failed);
    assert!(dir.path().join("late/inside").is_dir());
    assert_eq!(target.finish(true).unwrap().len(), 3);
}

#[test]
fn content_beyond_the_size_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let target = open(dir.path(), Existing::Replace);
    let writer = target.begin_file(&file("f", 3)).unwrap().unwrap();
    assert_eq!(writer.write_at(1, b"abc").unwrap_err().kind(), Kind::Damaged);
    assert_eq!(writer.write_at(u64::MAX, b"a").unwrap_err().kind(), Kind::Damaged);
    writer.write_at(0, b"abc").unwrap();
    writer.finish().unwrap();
}

#[test]
fn dumps_and_folders_without_an_entry_are_for_the_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let target = open(&dir.path().join("deep/target"), Existing::Replace);
    let mut dump = file("database/dump.sql", 4);
    dump.kind = EntryKind::Dump(dump.kind.content().unwrap().clone());
    dump.metadata = Default::default();
    let writer = target.begin_file(&dump).unwrap().unwrap();
    writer.write_at(0, b"dump").unwrap();
    writer.finish().unwrap();
    assert!(!target.entry_is_done(&dump).unwrap());
    assert!(target.finish(true).unwrap().is_empty());
    for (path, mode) in [("", 0o700), ("database", 0o700), ("database/dump.sql", 0o600)] {
        let found = fs::metadata(dir.path().join("deep/target").join(path)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{path}");
        assert!(found.mtime() > 1_700_000_000);
    }
}

#[test]
fn set_id_bits_are_not_given_to_somebody_else() {
    let dir = tempfile::tempdir().unwrap();
    let options = RestoreOptions { existing: Existing::Replace, owners: false };
    let target = Target::open(dir.path(), options).unwrap();
    let mut entry = file("f", 0);
    entry.metadata.mode = 0o6755;
    entry.metadata.uid += 1;
    target.begin_file(&entry).unwrap().unwrap().finish().unwrap();
    assert_eq!(fs::metadata(dir.path().join("f")).unwrap().mode() & 0o7777, 0o755);
    assert!(target.entry_is_done(&entry).unwrap());
    assert_eq!(target.finish(true).unwrap()[0].what, ProblemKind::ModeNotRestored);
}

#[test]
fn several_threads_restore_one_tree() {
    let dir = tempfile::tempdir().unwrap();
    let target = open(dir.path(), Existing::Replace);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let target = &target;
            scope.spawn(move || {
                for i in 0..100 {
                    put_one(target, &file(&format!("d{}/e/{thread}-{i}", i % 40), 1), b"x");
                }
            });
        }
    });
    assert!(target.finish(true).unwrap().is_empty());
    let count = |i: usize| names(&dir.path().join(format!("d{i}/e"))).len();
    assert_eq!((0..40).map(count).sum::<usize>(), 400);
}
