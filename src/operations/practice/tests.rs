//! The same seed gives the same practice, and a night changes little of it.

use super::*;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

/// Everything below a folder: kind and mode, time, and a hash of the bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, (i64, blake3::Hash)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let bytes = if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().as_bytes().to_vec()
        } else {
            fs::read(&path).unwrap()
        };
        let relative = path.strip_prefix(folder).unwrap().to_owned();
        found.insert(relative, (metadata.mtime(), blake3::hash(&bytes)));
    }
    found
}

fn practice(seed: u64) -> (tempfile::TempDir, Practice) {
    let folder = tempfile::tempdir().unwrap();
    let practice = Practice::create(folder.path(), seed).unwrap();
    (folder, practice)
}

#[test]
fn a_seed_is_a_practice() {
    let (one, mut first) = practice(7);
    let (two, mut second) = practice(7);
    assert_eq!(tree(one.path()), tree(two.path()));
    let begun = tree(one.path());
    first.age(1).unwrap();
    first.age(2).unwrap();
    second.age(2).unwrap();
    assert_eq!(first.night(), 2);
    // Whether the days pass one by one or at once: only folder times may tell.
    let files =
        |root: &Path| tree(root).into_iter().filter(|(p, _)| root.join(p).is_file()).collect::<Vec<_>>();
    assert_eq!(files(one.path()).len(), files(two.path()).len());
    let bytes =
        |root: &Path| files(root).into_iter().map(|(path, (_, hash))| (path, hash)).collect::<Vec<_>>();
    assert_eq!(bytes(one.path()), bytes(two.path()));
    assert_ne!(tree(one.path()), begun);
    let (three, _) = practice(8);
    assert_ne!(tree(three.path()), begun);
}

#[test]
fn it_is_of_a_believable_size_and_variety() {
    let (folder, practice) = practice(1);
    let dump = fs::metadata(practice.dump()).unwrap().len();
    assert!((11_000_000..15_000_000).contains(&dump), "{dump}");
    let all = tree(folder.path());
    let files = all.keys().filter(|path| folder.path().join(path).is_file());
    let bytes: u64 = files.clone().map(|path| fs::metadata(folder.path().join(path)).unwrap().len()).sum();
    assert!((25_000_000..35_000_000).contains(&(bytes - dump)), "{}", bytes - dump);
    assert!((395..=410).contains(&files.count()));
    assert!(all.keys().any(|path| path.to_str().is_none()), "a name that is not UTF-8");
    let shared = practice.attachments().join("shared");
    assert_eq!(fs::metadata(shared.join("consent form.pdf")).unwrap().nlink(), 2);
    assert!(fs::symlink_metadata(shared.join("current form")).unwrap().is_symlink());
    assert!(all.values().all(|(time, _)| (1_767_636_000..1_767_640_000).contains(time)));
}

#[test]
fn the_dump_is_sql() {
    let (_folder, practice) = practice(1);
    let text = fs::read_to_string(practice.dump()).unwrap();
    for part in [
        "CREATE TABLE `patient`",
        "O\\'Brien",
        "Müller",
        ",NULL,",
        "'0000-00-00'",
        ",0xFFD8FFE0",
        "\\n",
        "\\\\",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(text.ends_with("-- Dump completed on 2026-01-05 18:00:00\n"));
    assert!(text.lines().filter(|line| line.starts_with("INSERT INTO")).count() > 10);
    assert!(text.lines().all(|line| line.len() < 10_000), "a row a line");
}

#[test]
fn a_night_changes_little() {
    let (folder, mut practice) = practice(3);
    let before = tree(folder.path());
    let old_text = fs::read_to_string(practice.dump()).unwrap();
    let change = practice.age(1).unwrap();
    assert_eq!((change.files_added, change.files_changed, change.files_removed), (8, 1, 1));
    assert_eq!((change.rows_added, change.rows_changed), (264, 121));
    let after = tree(folder.path());
    let is_file = |path: &&PathBuf| path.extension().is_some() && !path.starts_with("dump");
    let added = after.keys().filter(is_file).filter(|path| !before.contains_key(*path)).count();
    let removed = before.keys().filter(is_file).filter(|path| !after.contains_key(*path)).count();
    let changed =
        before.iter().filter(|(path, was)| is_file(path) && after.get(*path).is_some_and(|is| is != *was));
    assert_eq!((added, removed, changed.count()), (8, 1, 1));
    let text = fs::read_to_string(practice.dump()).unwrap();
    let old: std::collections::HashSet<&str> = old_text.lines().map(row).collect();
    let new = text.lines().filter(|line| !old.contains(row(line))).count();
    assert!((264..=264 + 121 + 20).contains(&new), "{new} lines are new");
    assert_eq!(practice.age(1).unwrap(), Change::default());
    assert_eq!(practice.age(0).unwrap_err().kind(), Kind::Usage);
}

/// A line without what ends a row: that depends on the rows around it.
fn row(line: &str) -> &str {
    line.trim_end_matches([',', ';'])
}

#[test]
fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), "").unwrap();
    let error = Practice::create(folder.path(), 1).err().unwrap();
    assert_eq!(error.kind(), Kind::Usage);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
