//! What `coffer doctor` finds in a configuration, as far as any machine shows it: space, clocks, media.

use crate::program::{COFFER, Place, bash, command, result};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;

/// A practice whose scheme saves pictures; `container` stands in its container's section, `rest` at the
/// end of its scheme's.
fn practice(container: &str, rest: &str) -> Place {
    let place = Place::new();
    bash(place.path(), "umask 077; mkdir images; echo one > images/one.jpg");
    assert_eq!(coffer(&place, "init c --no-encryption").status.code(), Some(0));
    let folder = place.path().display().to_string();
    let text = format!(
        "version = 1\n[practice]\ntime-zone = \"UTC\"\nstate = \"{folder}/state\"\n[container.night]\n\
         path = \"{folder}/c\"\nencryption = false\n{container}\n[scheme.nightly]\nsource = \"attachments\"\n\
         attachments = [\"{folder}/images\"]\nto = \"night\"\n{rest}\n"
    );
    fs::write(place.join("coffer.toml"), text.replace("{}", &folder)).expect("written");
    place
}

fn coffer(place: &Place, arguments: &str) -> Output {
    command(COFFER, place.path())
        .env("COFFER_STATE_DIR", place.join("state"))
        .env("COFFER_CONFIG", place.join("coffer.toml"))
        .args(arguments.split_whitespace())
        .output()
        .expect("coffer runs")
}

/// The exit code, and each finding: `attention space: the message`.
fn doctor(place: &Place) -> (Option<i32>, Vec<String>) {
    let output = coffer(place, "doctor --json");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    result(&output.stdout);
    let items =
        text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?.get("item").cloned());
    let word = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let line = |item: Value| {
        format!("{} {}: {}", word(&item, "state"), word(&item, "check"), word(&item, "message"))
    };
    (output.status.code(), items.map(line).collect())
}

#[track_caller]
fn finds(found: &(Option<i32>, Vec<String>), start: &str, words: &str) {
    let is_there = found.1.iter().any(|line| line.starts_with(start) && line.contains(words));
    assert!(is_there, "`{start} … {words}` in {found:#?}");
}

#[track_caller]
fn lacks(found: &(Option<i32>, Vec<String>), start: &str) {
    assert!(!found.1.iter().any(|line| line.starts_with(start)), "`{start}` in {found:#?}");
}

/// A run that began `hours` ago, whose backup added as much.
fn ran(place: &Place, hours: i64, added_bytes: u64) {
    let time = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() - hours * 3600);
    let time = time.expect("a time").to_string();
    let id: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    let step = json!({
        "step": "backup", "target": "night", "started": time, "elapsed_ms": 1, "outcome": "done",
        "exit_code": 0, "code": null, "message": null, "warnings": {}, "result": { "added_bytes": added_bytes },
    });
    let run = json!({
        "version": 1, "id": id, "scheme": "nightly", "cause": "manual", "slot": null, "attempt": 1,
        "who": "root@office", "started": time, "finished": time, "outcome": "done", "steps": [step],
    });
    let folder = place.join("state/runs/nightly");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join(format!("{id}.json")), run.to_string()).expect("written");
}

#[test]
fn space_is_held_against_what_backups_add() {
    let place = practice("max-size = \"1G\"", "");
    // The first adds everything and does not count.
    ran(&place, 80, 900 << 20);
    ran(&place, 56, 1 << 20);
    ran(&place, 32, 1 << 20);
    let found = doctor(&place);
    finds(&found, "fine space", "container `night` has room for more than 30 backups");
    lacks(&found, "attention space");
    ran(&place, 8, 400 << 20);
    let found = doctor(&place);
    finds(&found, "attention space", "enough for about 7 backups");
    assert_eq!(found.0, Some(3));
}

#[test]
fn what_is_to_come_makes_the_clock_doubtful() {
    let place = practice("max-size = \"1G\"", "");
    assert_eq!(coffer(&place, "backup c --attachments images").status.code(), Some(0));
    ran(&place, 2, 1);
    lacks(&doctor(&place), "attention clock");
    assert_eq!(
        coffer(&place, "backup c --attachments images --at 2100-01-01T00:00:00Z").status.code(),
        Some(0)
    );
    let found = doctor(&place);
    finds(&found, "attention clock", "container `night`: its newest snapshot is of 2100");
    ran(&place, -30, 1);
    finds(&doctor(&place), "attention clock", "scheme `nightly`: a run began at ");
    assert_eq!(found.0, Some(3));
}

#[test]
fn a_medium_that_is_not_there_stops_a_backup_and_only_delays_a_copy() {
    // The folder is there, and nothing is mounted on it.
    let found = doctor(&practice("max-size = \"1G\"\nmount = \"{}\"", ""));
    finds(&found, "broken not-mounted", "container `night`: nothing is mounted on ");
    assert_eq!(found.0, Some(14));
    let rest = "copy = [{ to = \"usb\" }]\n[container.usb]\npath = \"{}/usb/c\"\nmount = \"{}/usb\"\n\
                encryption = false\nmax-size = \"1G\"";
    let place = practice("max-size = \"1G\"", rest);
    fs::create_dir(place.join("usb")).expect("made");
    let found = doctor(&place);
    finds(&found, "attention not-mounted", "container `usb`: nothing is mounted on ");
    assert_eq!(found.0, Some(3));
}

#[test]
fn a_rotation_set_must_be_there() {
    let place = practice("max-size = \"1G\"", "copy = [{ rotation = \"week\" }]");
    let found = doctor(&place);
    finds(&found, "broken rotation", "scheme `nightly`");
    assert_eq!(found.0, Some(14));
    for line in
        ["init usb --copy-of c --no-snapshots --no-encryption", "rotation add week --member monday=usb"]
    {
        let output = coffer(&place, line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
    }
    let found = doctor(&place);
    lacks(&found, "broken");
    assert_eq!(found.0, Some(3));
}

#[test]
fn a_daemon_with_the_clock_of_a_test_is_told() {
    let place = practice("max-size = \"1G\"", "");
    fs::write(place.join("clock"), "2026-11-20T12:00:00Z").expect("written");
    let mut daemon = command(COFFER, place.path())
        .env("COFFER_STATE_DIR", place.join("state"))
        .env("COFFER_CONFIG", place.join("coffer.toml"))
        .env("COFFER_TEST_CLOCK", place.join("clock"))
        .arg("daemon")
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let began = std::time::Instant::now();
    while !place.join("state/daemon.json").exists() {
        assert!(began.elapsed().as_secs() < 60, "the daemon never came");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let found = doctor(&place);
    let status = String::from_utf8_lossy(&coffer(&place, "status").stderr).into_owned();
    daemon.kill().expect("it ran");
    daemon.wait().expect("it ended");
    finds(&found, "attention test-clock", "COFFER_TEST_CLOCK");
    assert!(status.contains("warning[test-clock]"), "{status}");
    lacks(&doctor(&place), "attention test-clock");
}
