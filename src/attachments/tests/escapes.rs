//! Hostile targets and hostile entries: nothing outside the target changes.

use super::carrier::{entry, file, put, put_one};
use crate::attachments::restore::{Existing, Outcome, RestoreOptions, Target};
use crate::entry::{EntryKind, EntryPath};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A target beside a folder that must stay as it is.
struct Place {
    dir: tempfile::TempDir,
    before: Vec<(PathBuf, u32, i64, i64, u64)>,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir_all(outside.join("b/c")).unwrap();
        fs::write(outside.join("f"), "precious").unwrap();
        fs::write(outside.join("b/f"), "precious").unwrap();
        fs::set_permissions(outside.join("f"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(dir.path().join("target")).unwrap();
        let before = state(&outside);
        Place { dir, before }
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.dir.path().join("outside").join(name)
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("target")
    }

    fn open(&self, existing: Existing, by_component: bool) -> Target {
        let options = RestoreOptions { existing, ..RestoreOptions::default() };
        match by_component {
            true => Target::open_by_component(&self.target(), options),
            false => Target::open(&self.target(), options).unwrap(),
        }
    }

    fn is_untouched(&self) -> bool {
        state(&self.outside("")) == self.before
    }
}

/// Everything that a write could change, change times included.
fn state(path: &Path) -> Vec<(PathBuf, u32, i64, i64, u64)> {
    let found = fs::symlink_metadata(path).unwrap();
    let mut all = vec![(path.to_owned(), found.mode(), found.ctime(), found.ctime_nsec(), found.nlink())];
    if found.is_dir() {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        all.extend(names.iter().flat_map(|path| state(path)));
    }
    all
}

fn everywhere(test: impl Fn(Place, Existing, bool)) {
    for existing in [Existing::Replace, Existing::Keep, Existing::Fail] {
        for by_component in [false, true] {
            test(Place::new(), existing, by_component);
        }
    }
}

#[test]
fn links_planted_at_every_component_are_not_followed() {
    for (link, to) in
        [("a", "../outside"), ("a/b", "../../outside"), ("a/b/c", "../../../outside"), ("a", "b"), ("a", "a")]
    {
        everywhere(|place, existing, by_component| {
            let link = place.target().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(to, &link).unwrap();
            let target = place.open(existing, by_component);
            let tree = [
                entry("a", EntryKind::Folder),
                entry("a/b", EntryKind::Folder),
                entry("a/b/c", EntryKind::Folder),
                file("a/b/c/f", 1),
                file("a/b/f", 1),
                file("a/f", 1),
                entry("a/p", EntryKind::Pipe),
            ];
            let mut failed = false;
            for entry in &tree {
                failed |= match &entry.kind {
                    EntryKind::Folder => target.create_folder(entry).is_err(),
                    EntryKind::Pipe => target.create_other(entry).is_err(),
                    _ => match target.begin_file(entry) {
                        Ok(Some(writer)) => writer.write_at(0, b"x").and(writer.finish()).is_err(),
                        Ok(None) => false,
                        Err(_) => true,
                    },
                };
            }
            let problems = target.finish(true).unwrap();
            match existing {
                Existing::Replace => assert!(problems.is_empty() && !failed, "{problems:?}"),
                Existing::Keep => assert!(!problems.is_empty() && !failed),
                Existing::Fail => assert!(failed),
            }
            assert_eq!(fs::symlink_metadata(&link).unwrap().is_symlink(), existing != Existing::Replace);
            assert!(place.is_untouched());
        });
    }
}

#[test]
fn links_planted_between_calls_are_not_followed() {
    everywhere(|place, existing, by_component| {
        let target = place.open(existing, by_component);
        target.create_folder(&entry("a", EntryKind::Folder)).unwrap();
        target.create_folder(&entry("a/b", EntryKind::Folder)).unwrap();
        let writer = target.begin_file(&file("a/b/f", 1)).unwrap().unwrap();
        fs::rename(place.target().join("a"), place.target().join("old")).unwrap();
        symlink("../outside", place.target().join("a")).unwrap();
        let _ = writer.write_at(0, b"x").and_then(|()| writer.finish());
        let _ = target.begin_file(&file("a/b/g", 1)).map(|writer| writer.map(|w| w.finish()));
        let _ = target.begin_file(&file("a/f", 1)).map(|writer| writer.map(|w| w.finish()));
        let _ = target.create_other(&entry("a/b/l", EntryKind::SymbolicLink(b"x".to_vec())));
        let _ = target.finish(true);
        assert!(place.is_untouched());
    });
}

#[test]
fn paths_that_leave_the_target_are_refused() {
    everywhere(|place, existing, by_component| {
        let target = place.open(existing, by_component);
        for path in
            ["../outside/new", "a/../../outside/new", "/outside/new", "..", ".", "", "a//b", "a/", "./f"]
        {
            assert_eq!(
                target.create_folder(&entry(path, EntryKind::Folder)).unwrap(),
                Outcome::Failed,
                "{path}"
            );
            assert!(target.begin_file(&file(path, 0)).unwrap().is_none(), "{path}");
            assert_eq!(target.create_other(&entry(path, EntryKind::Pipe)).unwrap(), Outcome::Failed);
            assert!(!target.entry_is_done(&file(path, 8)).unwrap());
            assert!(target.open_for_reading(&EntryPath(path.into())).is_err());
        }
        assert_eq!(target.finish(true).unwrap().len(), 27);
        assert!(place.is_untouched());
        assert_eq!(fs::read_dir(place.target()).unwrap().count(), 0);
    });
}

#[test]
fn hard_links_reach_nothing_outside() {
    everywhere(|place, existing, by_component| {
        symlink("../outside", place.target().join("way")).unwrap();
        symlink("../outside/f", place.target().join("file")).unwrap();
        let target = place.open(existing, by_component);
        for first in ["../outside/f", "/etc/passwd", "way/f", "way/../f", "missing", "way/b"] {
            let link = entry("link", EntryKind::HardLink(EntryPath(first.into())));
            assert_eq!(target.create_other(&link).unwrap(), Outcome::Failed, "{first}");
        }
        // A link to a link is a link: what it points to is not touched.
        let link = entry("link", EntryKind::HardLink(EntryPath(b"file".to_vec())));
        target.create_other(&link).unwrap();
        assert!(fs::symlink_metadata(place.target().join("link")).unwrap().is_symlink());
        let _ = target.finish(true);
        assert!(place.is_untouched());
    });
}

#[test]
fn entries_that_lead_through_their_own_link_stay_inside() {
    everywhere(|place, existing, by_component| {
        let target = place.open(existing, by_component);
        let outside = place.outside("").into_os_string().into_encoded_bytes();
        target.create_other(&entry("a", EntryKind::SymbolicLink(outside))).unwrap();
        let _ = target.begin_file(&file("a/f", 1)).map(|w| w.map(|w| w.finish()));
        let _ = target.create_folder(&entry("a", EntryKind::Folder));
        let _ = target.finish(true);
        assert!(place.is_untouched());
    });
}

#[test]
fn metadata_is_not_set_through_a_link() {
    everywhere(|place, existing, by_component| {
        let target = place.open(existing, by_component);
        let mut open = entry("d", EntryKind::Folder);
        open.metadata.mode = 0o777;
        target.create_folder(&open).unwrap();
        fs::remove_dir(place.target().join("d")).unwrap();
        symlink("../outside", place.target().join("d")).unwrap();
        let problems = target.finish(true).unwrap_or_default();
        assert!(problems.len() == 1 || existing == Existing::Fail);
        assert!(place.is_untouched());

        let target = place.open(existing, by_component);
        let mut link = entry("l", EntryKind::SymbolicLink(b"../outside/f".to_vec()));
        link.metadata.mode = 0o777;
        target.create_other(&link).unwrap();
        target.finish(true).unwrap();
        assert!(place.is_untouched());
    });
}

#[test]
fn a_file_with_an_outside_name_is_replaced_not_written_into() {
    let place = Place::new();
    fs::hard_link(place.outside("f"), place.target().join("f")).unwrap();
    let target = place.open(Existing::Replace, false);
    put_one(&target, &file("f", 3), b"new");
    target.finish(true).unwrap();
    assert_eq!(fs::read(place.outside("f")).unwrap(), b"precious");
    assert_eq!(fs::read(place.target().join("f")).unwrap(), b"new");
}

#[test]
fn a_link_planted_under_the_unfinished_name_is_not_followed() {
    let place = Place::new();
    let target = place.open(Existing::Replace, false);
    let unfinished = {
        let _writer = target.begin_file(&file("f", 1)).unwrap().unwrap();
        fs::read_dir(place.target()).unwrap().next().unwrap().unwrap().path()
    };
    symlink("../outside/f", &unfinished).unwrap();
    put_one(&target, &file("f", 1), b"x");
    // Swapped while it is written: the file is not what stands there, so it gets no name.
    let writer = target.begin_file(&file("g", 1)).unwrap().unwrap();
    let mut names = fs::read_dir(place.target()).unwrap().map(|e| e.unwrap().path());
    let unfinished = names.find(|p| !p.ends_with("f")).unwrap();
    fs::remove_file(&unfinished).unwrap();
    symlink("../outside/f", &unfinished).unwrap();
    assert_eq!(writer.finish().unwrap(), Outcome::Failed);
    assert!(place.is_untouched());
    assert_eq!(fs::read(place.target().join("f")).unwrap(), b"x");
}

/// Swaps the folder `real` and the symbolic link `link` until `stop`.
fn swap(real: &Path, link: &Path, stop: &AtomicBool) {
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
    while !stop.load(Ordering::Relaxed) {
        let cwd = rustix::fs::CWD;
        let _ = rustix::fs::renameat_with(cwd, real, cwd, link, rustix::fs::RenameFlags::EXCHANGE);
        if !is_link(real) && !is_link(link) {
            // The restore replaced the link by a folder: plant it anew.
            let _ = fs::remove_dir_all(link);
            let _ = symlink("../outside", link);
        }
    }
}

#[test]
fn a_race_for_a_folder_is_not_won() {
    for (existing, by_component) in [
        (Existing::Replace, false),
        (Existing::Replace, true),
        (Existing::Keep, false),
        (Existing::Keep, true),
    ] {
        let place = Place::new();
        let (real, link) = (place.target().join("a"), place.target().join("link"));
        fs::create_dir_all(real.join("b")).unwrap();
        symlink("../outside", &link).unwrap();
        let stop = AtomicBool::new(false);
        let until = std::time::Instant::now() + std::time::Duration::from_millis(400);
        std::thread::scope(|scope| {
            scope.spawn(|| swap(&real, &link, &stop));
            let mut round = 0u8;
            while std::time::Instant::now() < until {
                round = round.wrapping_add(1);
                let target = place.open(existing, by_component);
                let tree = [
                    (entry("a", EntryKind::Folder), vec![]),
                    (entry("a/b", EntryKind::Folder), vec![]),
                    (file("a/b/f", 1), vec![round]),
                    (file("a/f", 1), vec![round]),
                    (entry("a/h", EntryKind::HardLink(EntryPath(b"a/f".to_vec()))), vec![]),
                    (entry("a/p", EntryKind::Pipe), vec![]),
                ];
                // With and without the folder's entries, which would put the folder back.
                put(&target, &tree[usize::from(round % 3)..]);
                drop(target);
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(place.is_untouched());
    }
}
