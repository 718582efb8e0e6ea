//! SIGINT and SIGTERM at any time: exit code 130, one `result`, and nothing left of what was started.

use crate::held::holder;
use crate::program::{COFFER, Place, bash, command, done, result};
use crate::setup::Terminal;
use rustix::process::{Pid, Signal, kill_process};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const LONGEST: Duration = Duration::from_secs(30);

/// An encrypted container `c` with the password `pw`, and a dump.
fn encrypted() -> Place {
    let place = Place::new();
    bash(place.path(), "seq 1000 > d.sql; echo pw > p; chmod 600 p");
    done(place.path(), "init c --password-file p");
    place
}

/// `coffer` with its arguments, whose standard input is open and says nothing.
fn start(place: &Place, arguments: &[&str]) -> (Child, ChildStdin) {
    let mut child = command(COFFER, place.path())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("coffer runs");
    let input = child.stdin.take().expect("a pipe");
    (child, input)
}

fn wait_for(file: &Path) {
    let began = Instant::now();
    while !file.exists() {
        assert!(began.elapsed() < LONGEST, "{} never came", file.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends `signal`: the command ends soon, and says so in the way that was asked for.
#[track_caller]
fn ends_by(signal: Signal, child: Child, is_json: bool) {
    let began = Instant::now();
    kill_process(Pid::from_child(&child), signal).expect("a signal");
    let output = child.wait_with_output().expect("it ends");
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(130), "{:?}: {out}{said}", output.status);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(said.contains("error[interrupted]: interrupted"), "{said}");
    match is_json {
        true => {
            let found = result(&output.stdout);
            assert_eq!(
                (&found["status"], &found["exit_code"]),
                (&"interrupted".into(), &130.into()),
                "{out}"
            );
            assert_eq!(found["error"]["code"], "interrupted", "{out}");
        }
        false => assert_eq!(out, ""),
    }
}

/// Whether a process still has `word` among its arguments.
fn runs(word: &str) -> bool {
    let ids = std::fs::read_dir("/proc").expect("there").filter_map(|entry| Some(entry.ok()?.path()));
    ids.filter_map(|id| std::fs::read(id.join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|found| found == word.as_bytes()))
}

/// A server that takes a connection and says nothing, and whether one came.
fn silent_server() -> (String, Receiver<()>) {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("a port").port().to_string();
    let (sender, came) = channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((connection, _)) = server.accept() {
            open.push(connection);
            let _ = sender.send(());
        }
    });
    (port, came)
}

#[test]
fn a_password_command_ends_with_the_command_and_all_that_it_started() {
    let place = encrypted();
    let ways = [(Signal::TERM, true, "97.31"), (Signal::INT, false, "97.32"), (Signal::INT, true, "97.33")];
    for (signal, is_json, word) in ways {
        bash(place.path(), "rm -f asked");
        let script = format!("setsid sleep {word} & touch asked; sleep {word}; echo pw");
        let mut arguments = vec!["snapshots", "c", "--password-command", &script];
        arguments.extend(is_json.then_some("--json"));
        let (child, _input) = start(&place, &arguments);
        wait_for(&place.join("asked"));
        assert!(runs(word));
        ends_by(signal, child, is_json);
        assert!(!runs(word), "{word} is left");
    }
}

#[test]
fn a_server_that_does_not_answer_keeps_nobody() {
    let place = encrypted();
    for is_json in [true, false] {
        for words in ["doctor", "backup c --password-file p --database practice"] {
            let (port, came) = silent_server();
            let mut arguments: Vec<&str> = words.split(' ').collect();
            arguments.extend(["--mysql-host", "127.0.0.1", "--mysql-port", &port, "--mysql-user", "nobody"]);
            arguments.extend(is_json.then_some("--json"));
            let (child, _input) = start(&place, &arguments);
            came.recv_timeout(LONGEST).expect("a connection");
            ends_by(Signal::TERM, child, is_json);
        }
    }
    assert_eq!(done(place.path(), "snapshots c --password-file p").lines().count(), 0);
    done(place.path(), "verify c --password-file p");
}

#[test]
fn whoever_waits_for_input_ends() {
    let place = encrypted();
    for (arguments, is_json) in [
        (&["backup", "c", "--password-file", "p", "--dump", "-", "--json"][..], true),
        (&["backup", "c", "--password-file", "p", "--dump", "-"], false),
        (&["stats", "c", "--password-file", "-", "--json"], true),
    ] {
        // In the midst of opening the container, or when it waits for more.
        for delay in [20, 150, 1500] {
            let (child, _input) = start(&place, arguments);
            std::thread::sleep(Duration::from_millis(delay));
            ends_by(Signal::TERM, child, is_json);
        }
    }
    assert_eq!(done(place.path(), "snapshots c --password-file p").lines().count(), 0);
}

#[test]
fn whoever_waits_for_another_writer_ends() {
    let place = Place::new();
    bash(place.path(), "seq 100000 > d.sql");
    done(place.path(), "init c --no-encryption");
    let mut holder = holder(&place);
    let (child, _input) = start(&place, &["backup", "c", "--dump", "d.sql", "--lock-wait", "60", "--json"]);
    std::thread::sleep(Duration::from_millis(700));
    ends_by(Signal::TERM, child, true);
    bash(place.path(), "echo the end > go");
    assert_eq!(holder.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_a_dump_command_started_ends_with_the_backup() {
    let place = encrypted();
    let script = "sleep 97.41 & touch asked; cat d.sql; sleep 97.41 | cat";
    let arguments = ["backup", "c", "--password-file", "p", "--dump-command", script, "--json"];
    let (child, _input) = start(&place, &arguments);
    wait_for(&place.join("asked"));
    ends_by(Signal::TERM, child, true);
    assert!(!runs("97.41"), "it is left");
}

#[test]
fn a_key_file_of_a_container_that_does_not_come_about_goes_away() {
    let place = encrypted();
    let script = "touch asked; sleep 97.51; echo pw";
    let arguments = [
        "init",
        "d",
        "--new-key-file",
        "k",
        "--copy-of",
        "c",
        "--copy-of-password-command",
        script,
        "--json",
    ];
    let (child, _input) = start(&place, &arguments);
    wait_for(&place.join("asked"));
    assert!(place.join("k").exists(), "else nothing is tested");
    ends_by(Signal::TERM, child, true);
    assert!(!place.join("k").exists() && !place.join("d").exists());
    assert!(!runs("97.51"));
}

#[test]
fn a_prompt_leaves_the_terminal_as_it_was() {
    let place = encrypted();
    let mut terminal = Terminal::run(place.path(), "snapshots c");
    terminal.expect("password for c: ");
    std::thread::sleep(Duration::from_millis(150));
    terminal.keys("\u{3}");
    let (code, shown) = terminal.end();
    assert_eq!(code, 130, "{shown}");
    assert!(shown.contains("error[interrupted]: interrupted"), "{shown}");

    let script = format!("{COFFER} snapshots c & echo $! > id; wait $!; echo code $?; stty -a </dev/tty");
    let mut terminal = Terminal::script(place.path(), &script);
    terminal.expect("password for c: ");
    std::thread::sleep(Duration::from_millis(150));
    let id = bash(place.path(), "cat id");
    let id = id.trim().parse().ok().and_then(Pid::from_raw).expect("an id");
    kill_process(id, Signal::TERM).expect("a signal");
    terminal.expect("code 130");
    let (_, shown) = terminal.end();
    assert!(shown.contains(" echo ") && shown.contains(" icanon ") && !shown.contains("-echo "), "{shown}");
}
