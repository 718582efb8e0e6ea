//! What a real file must do: exact reads, refused paths, blocks given and freed, locks between two
//! open files.

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// Where the locks of a container begin.
const LOCKS: u64 = 1 << 62;

fn fresh() -> (tempfile::TempDir, FileStorage) {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = FileStorage::create(folder.path().join("a.coffer")).expect("a file");
    (folder, storage)
}

#[test]
fn writes_are_read_back_and_the_end_is_an_error() {
    let (_folder, storage) = fresh();
    assert!(storage.is_empty().unwrap());
    storage.write_at(10, b"hello").unwrap();
    assert_eq!(storage.len().unwrap(), 15);
    let mut all = [1; 15];
    storage.read_at(0, &mut all).unwrap();
    assert_eq!(&all, b"\0\0\0\0\0\0\0\0\0\0hello");
    for offset in [1, 15, 1 << 40] {
        assert_eq!(storage.read_at(offset, &mut all).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
    let far = storage.write_at(u64::MAX - 2, b"hello").unwrap_err();
    assert_eq!(far.kind(), io::ErrorKind::InvalidInput);
    storage.set_len(12).unwrap();
    storage.sync().unwrap();
    sync_folder_of(storage.path()).unwrap();
    assert_eq!(std::fs::read(storage.path()).unwrap(), b"\0\0\0\0\0\0\0\0\0\0he");
}

#[test]
fn create_is_private_and_never_replaces() {
    let (folder, storage) = fresh();
    let mode = std::fs::metadata(storage.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(FileStorage::create(storage.path()).unwrap_err().kind(), Kind::Usage);
    let link = folder.path().join("dangling");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
    assert_eq!(FileStorage::create(&link).unwrap_err().kind(), Kind::Usage);
    let orphan = FileStorage::create(folder.path().join("no/such/folder")).unwrap_err();
    assert_eq!(orphan.kind(), Kind::Destination);
}

#[test]
fn only_regular_files_open_and_nothing_hangs() {
    let (folder, storage) = fresh();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for writable in [false, true] {
        assert!(FileStorage::open(storage.path(), writable).is_ok());
        for (path, what) in
            [(folder.path(), "a folder"), (&pipe, "a pipe"), (Path::new("/dev/null"), "a device")]
        {
            let error = FileStorage::open(path, writable).unwrap_err();
            assert_eq!(error.kind(), Kind::NotAContainer);
            assert_eq!(error.message(), format!("{} is {what}", path.display()));
        }
        let missing = FileStorage::open(folder.path().join("none"), writable).unwrap_err();
        assert_eq!(missing.kind(), Kind::NotFound);
    }
    let read_only = FileStorage::open(storage.path(), false).unwrap();
    assert!(read_only.write_at(0, b"no").is_err());
}

#[test]
fn allocation_gives_blocks_and_punching_frees_them() {
    let (_folder, storage) = fresh();
    let blocks = || storage.file.metadata().unwrap().blocks() * 512;
    storage.write_at(0, &[7; 100]).unwrap();
    storage.allocate(0, 1 << 20).unwrap();
    assert_eq!(storage.len().unwrap(), 1 << 20);
    assert!(blocks() >= 1 << 20, "{} bytes were allocated", blocks());
    let mut start = [1; 200];
    storage.read_at(0, &mut start).unwrap();
    assert_eq!((&start[..100], &start[100..]), (&[7; 100][..], &[0; 100][..]));

    storage.write_at(0, &vec![9; 1 << 20]).unwrap();
    storage.punch(4096, 8192).unwrap();
    assert_eq!(storage.len().unwrap(), 1 << 20);
    let mut around = vec![1; 16384];
    storage.read_at(0, &mut around).unwrap();
    let hole = around[4096..12288].iter().all(|&byte| byte == 0);
    let untouched = around[4096..12288].iter().all(|&byte| byte == 9);
    assert!(hole || untouched, "a hole, or nothing where holes are unsupported");
    assert!(around[..4096].iter().chain(&around[12288..]).all(|&byte| byte == 9));

    storage.allocate(4096, 0).unwrap();
    storage.punch(4096, 0).unwrap();
    storage.start_writeback(0, 1 << 20);
    storage.sync().unwrap();
    storage.drop_cache(0, 1 << 20);
    assert_eq!(storage.allocate(1, u64::MAX).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn locks_exclude_other_open_files_and_die_with_theirs() {
    let (_folder, first) = fresh();
    let second = FileStorage::open(first.path(), true).unwrap();
    assert_eq!(first.lock(LOCKS, true).unwrap(), Lock::Acquired);
    assert_eq!(first.lock(LOCKS, true).unwrap(), Lock::Acquired, "our own lock is no obstacle");
    assert_eq!(second.lock(LOCKS, true).unwrap(), Lock::Busy);
    assert_eq!(second.lock(LOCKS, false).unwrap(), Lock::Busy);
    assert_eq!(second.lock(LOCKS + 1, true).unwrap(), Lock::Acquired);

    assert_eq!(first.lock(LOCKS, false).unwrap(), Lock::Acquired, "exclusive becomes shared");
    assert_eq!(second.lock(LOCKS, false).unwrap(), Lock::Acquired);
    assert_eq!(first.lock(LOCKS, true).unwrap(), Lock::Busy);
    second.unlock(LOCKS);
    assert_eq!(first.lock(LOCKS, true).unwrap(), Lock::Acquired);
    drop(first);
    assert_eq!(second.lock(LOCKS, true).unwrap(), Lock::Acquired, "a closed file holds nothing");
    assert_eq!(FileStorage::open(second.path(), false).unwrap().lock(LOCKS, false).unwrap(), Lock::Busy);
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
fn foreign_locks_are_listed_completely_and_in_order() {
    let (_folder, first) = fresh();
    let others: Vec<_> = (0..4).map(|_| FileStorage::open(first.path(), false).unwrap()).collect();
    let held = [900, 3, 65535, 4, 5, 0, 700, 3];
    for (index, byte) in held.iter().enumerate() {
        assert_eq!(others[index % 4].lock(LOCKS + byte, false).unwrap(), Lock::Acquired);
    }
    assert_eq!(others[0].lock(LOCKS + 65536, false).unwrap(), Lock::Acquired);
    assert_eq!(first.lock(LOCKS + 20, false).unwrap(), Lock::Acquired);
    let listed = |storage: &FileStorage| -> Vec<u64> {
        let bytes = storage.locked_by_others(LOCKS, 65536).unwrap();
        bytes.into_iter().map(|byte| byte - LOCKS).collect()
    };
    assert_eq!(listed(&first), [0, 3, 4, 5, 700, 900, 65535]);
    assert_eq!(listed(&others[0]), [0, 3, 4, 20, 700, 65535], "not its own 5 and 900");
    drop(others);
    assert!(listed(&first).is_empty());
    assert!(first.locked_by_others(LOCKS, 0).unwrap().is_empty());
}
