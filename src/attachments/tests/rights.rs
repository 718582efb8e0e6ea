//! What root is never refused: these tests run once more in a process of somebody else.

use super::carrier::{entry, file, put, take};
use crate::attachments::problem::ProblemKind;
use crate::attachments::restore::{Existing, RestoreOptions, Target};
use crate::entry::EntryKind;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

const VARIABLE: &str = "COFFER_TEST_AS_SOMEBODY_ELSE";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs `part` on a folder that `prepare` fills, as nobody where this is root: by running this
/// program again for the test `name` only.
fn as_somebody_else(name: &str, prepare: impl Fn(&Path), part: impl Fn(&Path)) {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return part(Path::new(&path));
    }
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    if !rustix::process::geteuid().is_root() {
        return part(dir.path());
    }
    set_mode(dir.path(), 0o777);
    let program = dir.path().join("test-program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let mut command = Command::new(&program);
    command.args(["--exact", &format!("attachments::tests::rights::{name}")]).env(VARIABLE, dir.path());
    std::os::unix::process::CommandExt::gid(&mut command, 65534);
    std::os::unix::process::CommandExt::uid(&mut command, 65534);
    // A child of another test that was born while the program was written holds it open until it starts.
    let output = loop {
        match command.current_dir("/").output() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            output => break output.unwrap(),
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let prepare = |dir: &Path| {
        let root = dir.join("source");
        for folder in ["closed", "listed", "open"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("inside"), "").unwrap();
        }
        fs::write(root.join("secret"), "secret").unwrap();
        set_mode(&root.join("closed"), 0);
        set_mode(&root.join("listed"), 0o444);
        set_mode(&root.join("secret"), 0);
    };
    as_somebody_else("what_cannot_be_read_is_named", prepare, |dir| {
        let (tree, problems) = take(&dir.join("source"));
        let told: Vec<_> = problems.iter().map(|p| (p.path.to_string(), p.what)).collect();
        let expected = [
            ("attachments/x/closed", ProblemKind::UnreadableFolder),
            ("attachments/x/listed/inside", ProblemKind::Unreadable),
            ("attachments/x/secret", ProblemKind::Unreadable),
        ];
        assert_eq!(told, expected.map(|(path, what)| (path.to_owned(), what)));
        assert!(
            problems[0]
                .to_string()
                .starts_with("attachments/x/closed: folder cannot be listed completely: P")
        );
        let kept: Vec<_> = tree.iter().map(|(e, _)| e.path.to_string()).collect();
        let expected = ["", "/closed", "/listed", "/open", "/open/inside"];
        assert_eq!(kept, expected.map(|p| format!("attachments/x{p}")));
        set_mode_if_ours(&dir.join("source/closed"));
        set_mode_if_ours(&dir.join("source/listed"));
    });
}

/// So that the temporary folder can be removed.
fn set_mode_if_ours(path: &Path) {
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
}

#[test]
fn read_only_folders_are_filled_and_entered_again() {
    as_somebody_else(
        "read_only_folders_are_filled_and_entered_again",
        |_| {},
        |dir| {
            let root = dir.join("target");
            for mode in [0o500, 0o000] {
                let mut folder = entry("ro", EntryKind::Folder);
                folder.metadata.mode = mode;
                let tree = vec![(folder.clone(), vec![]), (file("ro/f", 1), b"x".to_vec())];
                let more = vec![tree[0].clone(), tree[1].clone(), (file("ro/g", 1), b"y".to_vec())];
                for (tree, written) in [(&tree, 1), (&more, 1), (&more, 0)] {
                    let target = Target::open(&root, RestoreOptions::default()).unwrap();
                    assert_eq!(put(&target, tree), written);
                    assert_eq!(target.finish(true).unwrap().len(), 0);
                    assert_eq!(fs::metadata(root.join("ro")).unwrap().mode() & 0o777, mode);
                }
                set_mode(&root.join("ro"), 0o700);
                fs::remove_dir_all(root.join("ro")).unwrap();
            }
        },
    );
}

#[test]
fn owners_that_cannot_be_given_are_named() {
    as_somebody_else(
        "owners_that_cannot_be_given_are_named",
        |_| {},
        |dir| {
            let options = RestoreOptions { existing: Existing::Replace, owners: true };
            let target = Target::open(&dir.join("target"), options).unwrap();
            let mut foreign = file("f", 0);
            (foreign.metadata.uid, foreign.metadata.mode) = (0, 0o4755);
            put(&target, &[(foreign, vec![]), (entry("null", EntryKind::CharacterDevice(0x103)), vec![])]);
            assert_eq!(fs::metadata(dir.join("target/f")).unwrap().mode() & 0o7777, 0o755);
            let told: Vec<_> = target.finish(true).unwrap().iter().map(|p| p.what).collect();
            use ProblemKind as K;
            assert_eq!(told, [K::OwnerNotRestored, K::ModeNotRestored, K::NotRestored]);
        },
    );
}

#[test]
fn a_folder_that_refuses_names_only_what_it_refuses() {
    let prepare = |dir: &Path| {
        fs::create_dir_all(dir.join("target/closed")).unwrap();
        set_mode(&dir.join("target"), 0o777);
        if rustix::process::geteuid().is_root() {
            set_mode(&dir.join("target/closed"), 0o755);
        }
    };
    as_somebody_else("a_folder_that_refuses_names_only_what_it_refuses", prepare, |dir| {
        if fs::metadata(dir.join("target/closed")).unwrap().uid() != 0 {
            return;
        }
        let target = Target::open(&dir.join("target"), RestoreOptions::default()).unwrap();
        let tree = vec![(file("closed/f", 1), b"x".to_vec()), (file("open/f", 1), b"x".to_vec())];
        assert_eq!(put(&target, &tree), 1);
        assert_eq!(
            target.finish(true).unwrap()[0].to_string(),
            "closed/f: cannot be restored: Permission denied (os error 13)"
        );
    });
}
