//! Signals, sent to a process of its own.

use super::*;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Not a test of its own: the process that the tests below send signals to.
#[test]
fn watched_process() {
    let Ok(behaviour) = std::env::var("COFFER_TEST_INTERRUPT") else { return };
    let progress = Arc::new(Progress::default());
    begin();
    asks(&progress);
    let folder = std::path::PathBuf::from(std::env::var_os("COFFER_TEST_FOLDER").unwrap());
    std::fs::write(folder.join("ready"), "").unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(20) {
        if progress.check().is_err() {
            std::fs::write(folder.join("stopping"), "").unwrap();
            if behaviour == "obey" {
                std::process::exit(7);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn start(behaviour: &str, folder: &std::path::Path) -> Child {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cli::interrupt::tests::watched_process"])
        .env("COFFER_TEST_INTERRUPT", behaviour)
        .env("COFFER_TEST_FOLDER", folder)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&folder.join("ready"));
    child
}

fn wait_for(file: &std::path::Path) {
    let began = Instant::now();
    while !file.exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "{file:?} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &Child, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(id, signal).unwrap();
}

#[test]
fn the_first_signal_asks_the_operation_to_stop() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start("obey", folder.path());
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }
}

#[test]
fn the_second_signal_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start("refuse", folder.path());
    send(&child, rustix::process::Signal::INT);
    wait_for(&folder.path().join("stopping"));
    assert!(child.try_wait().unwrap().is_none());
    send(&child, rustix::process::Signal::TERM);
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(130), None));
}
