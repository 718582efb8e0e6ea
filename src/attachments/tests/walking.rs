//! The walk: order, exclusion, links, sources that change under it.

use crate::attachments::exclude::Excludes;
use crate::attachments::file::{Change, Handle};
use crate::attachments::links::HardLinks;
use crate::attachments::problem::ProblemKind;
use crate::attachments::walk::{Found, Source, Walk};
use crate::entry::{Entry, EntryKind};
use crate::error::Kind;
use rustix::fs::{CWD, Mode};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn source(root: &Path) -> Source {
    Source { label: b"x".to_vec(), root: root.to_owned() }
}

fn walk(root: &Path, patterns: &[&str]) -> Walk {
    let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
    Walk::new(&source(root), Excludes::new(&patterns).unwrap(), &HardLinks::new()).unwrap()
}

fn entries(root: &Path, patterns: &[&str]) -> Vec<(Entry, Option<Handle>)> {
    let found = walk(root, patterns).map(|found| match found {
        Found::Entry(entry, handle) => (entry, handle),
        Found::Problem(problem) => panic!("{problem}"),
    });
    found.collect()
}

fn paths(root: &Path, patterns: &[&str]) -> Vec<String> {
    entries(root, patterns).iter().map(|(e, _)| e.path.to_string()).collect()
}

fn handle(root: &Path, name: &str) -> Handle {
    let found = entries(root, &[]);
    let mut found = found.into_iter().filter(|(e, _)| e.path.name() == name.as_bytes());
    found.next().unwrap().1.unwrap()
}

#[test]
fn everything_comes_in_path_order() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a/z", "a-b", "a b", "a/b/c", "ab", "\u{e9}"] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    fs::write(dir.path().join(OsStr::from_bytes(b"a\n\xff")), "").unwrap();
    let found = entries(dir.path(), &[]);
    assert!(found.iter().map(|(e, _)| &e.path).is_sorted());
    assert_eq!(found.len(), 10);
    assert_eq!(found[0].0.path.0, b"attachments/x");
    assert!(found.iter().all(|(e, h)| h.is_some() == matches!(e.kind, EntryKind::File(_))));
    assert!(found.iter().any(|(e, _)| e.path.name() == b"a\n\xff"));
}

#[test]
fn what_is_excluded_is_not_entered() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cache/a", "b/cache/c", "b/x.tmp", "b/y", "x.tmp/z"] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, name).unwrap();
    }
    let kept = paths(dir.path(), &["/cache", "*.tmp"]);
    let all = ["", "/b", "/b/cache", "/b/cache/c", "/b/y"];
    assert_eq!(kept, all.map(|p| format!("attachments/x{p}")));
}

#[test]
fn a_root_that_cannot_be_read_fails() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for name in ["missing", "file"] {
        let result = Walk::new(&source(&dir.path().join(name)), Excludes::none(), &HardLinks::new());
        assert_eq!(result.unwrap_err().kind(), Kind::Source, "{name}");
    }
    for label in ["", "..", "a/b"] {
        let source = Source { label: label.into(), root: dir.path().into() };
        let result = Walk::new(&source, Excludes::none(), &HardLinks::new());
        assert_eq!(result.unwrap_err().kind(), Kind::Usage, "{label}");
    }
}

#[test]
fn the_first_of_several_names_is_the_file_across_sources() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("one")).unwrap();
    fs::create_dir_all(dir.path().join("two")).unwrap();
    fs::write(dir.path().join("one/b"), "x").unwrap();
    fs::hard_link(dir.path().join("one/b"), dir.path().join("one/c")).unwrap();
    fs::hard_link(dir.path().join("one/b"), dir.path().join("two/a")).unwrap();
    let links = HardLinks::new();
    let mut kinds = Vec::new();
    for label in ["one", "two"] {
        let source = Source { label: label.into(), root: dir.path().join(label) };
        for found in Walk::new(&source, Excludes::none(), &links).unwrap() {
            let Found::Entry(entry, handle) = found else { panic!() };
            if let EntryKind::HardLink(first) = &entry.kind {
                assert!(handle.is_none());
                kinds.push((entry.path.to_string(), first.to_string()));
            }
        }
    }
    let link = |path: &str| (format!("attachments/{path}"), "attachments/one/b".to_owned());
    assert_eq!(kinds, [link("one/c"), link("two/a")]);
}

#[test]
fn a_file_that_vanishes_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "x").unwrap();
    let handle = handle(dir.path(), "f");
    fs::remove_file(dir.path().join("f")).unwrap();
    assert_eq!(handle.open().unwrap_err().what, ProblemKind::Vanished);
}

#[test]
fn a_file_replaced_by_something_else_is_never_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, "x").unwrap();
    let handle = handle(dir.path(), "f");
    let replaced = || handle.open().unwrap_err().what;
    fs::remove_file(&path).unwrap();
    rustix::fs::mkfifoat(CWD, &path, Mode::RWXU).unwrap();
    assert_eq!(replaced(), ProblemKind::Replaced);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    assert_eq!(replaced(), ProblemKind::Replaced);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(replaced(), ProblemKind::Replaced);
}

#[test]
fn a_file_saved_anew_is_read_unless_it_had_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str| {
        fs::write(dir.path().join("new"), "newer").unwrap();
        fs::rename(dir.path().join("new"), dir.path().join(name)).unwrap();
    };
    fs::write(dir.path().join("f"), "x").unwrap();
    let single = handle(dir.path(), "f");
    save("f");
    assert_eq!(single.open().unwrap().size(), 5);
    fs::hard_link(dir.path().join("f"), dir.path().join("g")).unwrap();
    let linked = handle(dir.path(), "f");
    save("f");
    assert_eq!(linked.open().unwrap_err().what, ProblemKind::Replaced);
}

#[test]
fn change_and_shrinking_while_reading_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut buffer = [0; 64];
    fs::write(&path, [1; 100]).unwrap();
    let handle = handle(dir.path(), "f");

    let mut same = handle.open().unwrap();
    while same.read(&mut buffer).unwrap() > 0 {}
    let end = same.finish().unwrap();
    assert_eq!((end.change, end.size), (Change::Same, 100));
    assert!(end.problem().is_none());

    let mut grown = handle.open().unwrap();
    grown.read(&mut buffer).unwrap();
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(&[2; 50]).unwrap();
    assert_eq!(grown.read(&mut buffer).unwrap(), 36);
    let end = grown.finish().unwrap();
    assert_eq!((end.change, end.size), (Change::Changed, 100));

    let mut shrunk = handle.open().unwrap();
    shrunk.read(&mut buffer).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(80).unwrap();
    assert_eq!((shrunk.read(&mut buffer).unwrap(), shrunk.read(&mut buffer).unwrap()), (16, 0));
    let end = shrunk.finish().unwrap();
    assert_eq!((end.change, end.size), (Change::Shrunk, 80));
    assert_eq!(end.problem().unwrap().what, ProblemKind::Shrunk);
}

#[test]
fn a_folder_that_vanishes_or_is_swapped_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("f"), "").unwrap();
    }
    let mut walk = walk(dir.path(), &[]);
    assert!(matches!(walk.next(), Some(Found::Entry(..))));
    fs::remove_dir_all(dir.path().join("a")).unwrap();
    fs::remove_dir_all(dir.path().join("b")).unwrap();
    std::os::unix::fs::symlink("/etc", dir.path().join("b")).unwrap();
    let rest: Vec<_> = walk.collect();
    assert!(matches!(&rest[0], Found::Problem(p) if p.what == ProblemKind::Vanished));
    assert!(matches!(&rest[1], Found::Entry(e, None) if matches!(e.kind, EntryKind::SymbolicLink(_))));
    assert_eq!(rest.len(), 4);
}

#[test]
fn many_handles_hold_few_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..300 {
        let path = dir.path().join(format!("d{i:03}"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("f"), i.to_string()).unwrap();
    }
    let found = entries(dir.path(), &[]);
    let links: Vec<_> = fs::read_dir("/proc/self/fd").unwrap().filter_map(|e| e.ok()).collect();
    let ours = links.iter().filter(|e| fs::read_link(e.path()).is_ok_and(|t| t.starts_with(dir.path())));
    assert!(ours.count() <= 66);
    let mut read = 0;
    for handle in found.iter().filter_map(|(_, handle)| handle.as_ref()) {
        let mut buffer = [0; 8];
        let length = handle.open().unwrap().read(&mut buffer).unwrap();
        assert_eq!(buffer[..length], *read.to_string().as_bytes());
        read += 1;
    }
    assert_eq!(read, 300);
}
