//! A recovery code that nobody sees takes the place of nothing.

use crate::program::{COFFER, Place, bash, command, done, result};
use std::process::{Output, Stdio};

fn key(place: &Place, arguments: &str, script: &str) -> Output {
    let script = format!("exec coffer {arguments} {script}");
    command("bash", place.path()).args(["-c", &script]).output().expect("bash runs")
}

#[test]
fn a_code_that_nobody_sees_replaces_nothing() {
    let place = Place::new();
    done(place.path(), "init c --new-key-file k");
    bash(place.path(), "sha256sum c > sum");
    for arguments in ["key change c 1", "key add c"] {
        let arguments = format!("{arguments} --new-recovery-code --key-file k");
        for nowhere in [">&-", ">/dev/null", ">/dev/full", "--json >&-", "--json >/dev/full"] {
            let output = key(&place, &arguments, nowhere);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(14), "{arguments} {nowhere}: {said}");
            assert!(said.contains("the recovery code cannot be shown"), "{said}");
        }
        for json in ["", " --json"] {
            let mut child = command(COFFER, place.path())
                .args(format!("{arguments}{json}").split_whitespace())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("coffer runs");
            drop(child.stdout.take());
            assert_eq!(child.wait().expect("a child").code(), Some(14), "{arguments}{json}, reader gone");
        }
    }
    bash(place.path(), "sha256sum -c sum");
    let changed = done(place.path(), "key change c 1 --new-recovery-code --key-file k --json");
    assert_eq!(result(changed.as_bytes())["exit_code"], 0);
    assert!(changed.contains("\"recovery_code\":"), "{changed}");
}

#[test]
fn init_makes_nothing_for_a_code_that_nobody_sees() {
    let place = Place::new();
    let output = key(&place, "init c --new-key-file k --recovery-code", ">&-");
    assert_eq!(output.status.code(), Some(14));
    assert!(!place.join("c").exists() && !place.join("k").exists());
}
