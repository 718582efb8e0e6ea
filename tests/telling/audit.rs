//! The audit log and the emergency sheet by the real binary.

use crate::program::{COFFER, Place, bash, command, result};
use std::fs;
use std::path::Path;
use std::process::Output;

fn coffer(folder: &Path, arguments: &str) -> Output {
    command(COFFER, folder)
        .env("COFFER_STATE_DIR", folder.join("state"))
        .env("COFFER_CONFIG", folder.join("coffer.toml"))
        .args(arguments.split_whitespace())
        .output()
        .expect("coffer runs")
}

fn done(folder: &Path, arguments: &str) -> String {
    let output = coffer(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "coffer {arguments}\n{said}");
    String::from_utf8(output.stdout).expect("text")
}

fn practice() -> Place {
    let place = Place::new();
    bash(place.path(), "mkdir images; echo x > images/Miller_Anna.png; echo dump > Miller.sql");
    done(place.path(), "init night.coffer --new-key-file k");
    done(place.path(), "backup night.coffer --key-file k --dump Miller.sql --attachments images");
    place
}

#[test]
fn who_did_what_is_written_down_and_nothing_of_patients() {
    let place = practice();
    for line in [
        "ls night.coffer latest --key-file k",
        "snapshots night.coffer --key-file k",
        "backup night.coffer --key-file k --dump Miller.sql --dry-run",
        "restore night.coffer latest --key-file k --to out --path attachments/images/Miller_Anna.png",
        "verify night.coffer --key-file k",
        "pin night.coffer latest --key-file k --reason Miller",
    ] {
        done(place.path(), line);
    }
    assert_eq!(coffer(place.path(), "restore night.coffer latest --to out2").status.code(), Some(12));
    assert_eq!(coffer(place.path(), "backup night.coffer --level 99").status.code(), Some(2));
    let text = fs::read_to_string(place.join("state/audit.log")).expect("a log");
    let entries: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let what: Vec<&str> = entries.iter().filter_map(|entry| entry["what"].as_str()).collect();
    assert_eq!(what, ["init", "backup", "restore", "verify", "pin", "restore"]);
    assert!(entries[..5].iter().all(|entry| entry["object"] == "night.coffer"), "{text}");
    assert_eq!((&entries[5]["outcome"], &entries[5]["exit_code"]), (&"wrong-key".into(), &12.into()));
    assert!(entries[1]["facts"]["snapshot"].is_string() && entries[1]["facts"]["added_bytes"].is_u64());
    assert!(entries.iter().all(|entry| entry["who"].as_str().is_some_and(|who| who.contains('@'))));
    assert!(!text.contains("Miller") && !text.contains("images"), "{text}");
    let found = result(done(place.path(), "audit verify --json").as_bytes());
    assert_eq!(found["entries"], 6);
    let list = done(place.path(), "audit list");
    assert_eq!(list.lines().count(), 6, "{list}");
    assert_eq!(done(place.path(), "audit list --since 2000-01-01").lines().count(), 6);
    assert_eq!(done(place.path(), "audit list --since 2100-01-01"), "");
}

#[test]
fn a_log_that_was_changed_ends_with_4_and_names_the_line() {
    let place = practice();
    done(place.path(), "verify night.coffer --key-file k");
    let head = result(done(place.path(), "audit verify --json").as_bytes())["head"].clone();
    let head = head.as_str().expect("a head");
    let log = place.join("state/audit.log");
    let text = fs::read_to_string(&log).expect("a log");
    fs::write(&log, text.replace("\"what\":\"backup\"", "\"what\":\"verify\"")).expect("written");
    let output = coffer(place.path(), "audit verify --json");
    assert_eq!((output.status.code(), &result(&output.stdout)["broken_line"]), (Some(4), &2.into()));
    // The tail is cut off, the second copy of the head with it: paper knows better.
    let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(&log, cut).expect("written");
    assert_eq!(coffer(place.path(), "audit verify").status.code(), Some(4));
    fs::remove_file(place.join("state/audit.head")).expect("removed");
    assert_eq!(coffer(place.path(), "audit verify").status.code(), Some(0));
    let output = coffer(place.path(), &format!("audit verify --head {head}"));
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("broken at line 3"), "{said}");
    assert_eq!(coffer(place.path(), "audit verify --head 3:xyz").status.code(), Some(2));
    fs::remove_dir_all(place.join("state")).expect("removed");
    assert_eq!(coffer(place.path(), "audit verify").status.code(), Some(10));
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let place = practice();
    fs::remove_dir_all(place.join("state")).expect("removed");
    fs::write(place.join("state"), "a file in its place").expect("written");
    done(place.path(), "backup night.coffer --key-file k --dump Miller.sql");
}

#[test]
fn an_emergency_sheet_opens_the_container_with_its_new_code() {
    let place = practice();
    let config = format!(
        "version = 1\n[practice]\nname = \"Bright Smiles\"\nremarks = [\"Call Anna\"]\n[container.night]\n\
         path = \"{}\"\nkey-file = \"{}\"\n",
        place.join("night.coffer").display(),
        place.join("k").display()
    );
    fs::write(place.join("coffer.toml"), config).expect("written");
    done(place.path(), "emergency-sheet --output plain.html");
    let plain = fs::read_to_string(place.join("plain.html")).expect("a page");
    for part in ["Call Anna", "coffer restore ", "slot 1: ", "class=\"line\""] {
        assert!(plain.contains(part), "{part}");
    }
    let again = coffer(place.path(), "emergency-sheet --output plain.html");
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert_eq!(again.status.code(), Some(14));
    assert!(said.contains("plain.html: stands there already") && said.contains("hint: "), "{said}");
    done(place.path(), "emergency-sheet --output sheet.html --with-recovery-code");
    let page = fs::read_to_string(place.join("sheet.html")).expect("a page");
    let (_, rest) = page.split_once("Recovery code:</p><pre>").expect("a code");
    let code = rest.split('<').next().expect("a code");
    fs::write(place.join("code.txt"), format!("{code}\n")).expect("written");
    let mode = bash(place.path(), "stat -c %a sheet.html");
    assert_eq!(mode.trim(), "600");
    // The commands of the sheet, as they stand there.
    let commands: Vec<&str> = page
        .split("<pre>")
        .flat_map(|part| part.split("</pre>").next().unwrap_or_default().lines())
        .filter(|line| line.starts_with("coffer snapshots") || line.starts_with("coffer verify"))
        .collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    commands.iter().for_each(|command| {
        bash(place.path(), command);
    });
    let text = fs::read_to_string(place.join("state/audit.log")).expect("a log");
    assert!(text.contains("emergency-sheet") && !text.contains(code), "{text}");
}
