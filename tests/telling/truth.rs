//! What `coffer status` must not overlook, and what it must not nag about.

use crate::program::{Place, bash, result};
use crate::status::{answer, codes, coffer, hours_ago, practice, ran};
use serde_json::{Value, json};
use std::fs;

/// The result of a command.
fn found(place: &Place, line: &str) -> Value {
    let output = coffer(place.path(), &format!("{line} --json"));
    result(&output.stdout)
}

fn edit(place: &Place, from: &str, to: &str) {
    let config = fs::read_to_string(place.join("coffer.toml")).expect("read");
    assert!(config.contains(from), "{config}");
    fs::write(place.join("coffer.toml"), config.replacen(from, to, 1)).expect("written");
}

/// A run with these steps: their kind, target and result.
fn ran_steps(place: &Place, hours: i64, steps: &[(&str, &str, Value)]) {
    ran(place, hours, "done", json!({}));
    let id: String = hours_ago(hours).chars().filter(char::is_ascii_alphanumeric).collect();
    let folder = place.join("state/runs/nightly");
    let newest = || fs::read_dir(&folder).expect("there").filter_map(|e| Some(e.ok()?.path())).max();
    let file = folder.join(format!("{id}.json"));
    let file = if file.exists() { file } else { newest().expect("a record") };
    let mut run: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("a record");
    let step = run["steps"][0].clone();
    let steps = steps.iter().map(|(kind, target, result)| {
        let mut step = step.clone();
        (step["step"], step["target"], step["result"]) = ((*kind).into(), (*target).into(), result.clone());
        step
    });
    run["steps"] = steps.collect();
    fs::write(file, run.to_string()).expect("written");
}

#[test]
fn a_copy_is_held_against_what_was_copied() {
    let place = practice("copy = [{ to = \"far\" }]\n[container.far]\npath = \"/far\"\nencryption = false");
    edit(&place, "/far", &place.join("far").display().to_string());
    for line in ["init far --no-encryption", "init stranger --no-encryption"] {
        assert_eq!(coffer(place.path(), line).status.code(), Some(0), "{line}");
    }
    let empty = fs::read(place.join("far")).expect("read");
    let copied = found(&place, "copy c --to far --to-no-encryption");
    assert!(copied["to_generation"].as_u64() > Some(1) && copied["to_container"] != copied["container"]);
    let made = json!({ "container": copied["container"], "generation": copied["generation"] });
    ran_steps(&place, 1, &[("backup", "night", made), ("copy", "far", copied)]);
    assert_eq!(answer(&place), (Some(0), vec![]));
    let whole = fs::read(place.join("far")).expect("read");
    for bytes in [empty, fs::read(place.join("stranger")).expect("read")] {
        fs::write(place.join("far"), bytes).expect("written");
        assert_eq!(answer(&place), (Some(3), codes(&["rollback"])));
    }
    fs::write(place.join("far"), whole).expect("written");
    assert_eq!(answer(&place), (Some(0), vec![]));
}

#[test]
fn a_container_that_was_replaced_counts_anew() {
    let place = practice("");
    let old = found(&place, "backup c --dump d.sql");
    ran(&place, 50, "done", json!({ "container": old["container"], "generation": 900 }));
    assert_eq!(answer(&place), (Some(1), codes(&["rollback"])));
    fs::remove_file(place.join("c")).expect("removed");
    assert_eq!(coffer(place.path(), "init c --no-encryption").status.code(), Some(0));
    let new = found(&place, "backup c --dump d.sql");
    assert_eq!(answer(&place), (Some(1), codes(&["rollback"])), "another container");
    ran(&place, 1, "done", json!({ "container": new["container"], "generation": new["generation"] }));
    assert_eq!(answer(&place), (Some(0), vec![]));
}

#[test]
fn what_is_done_to_another_file_of_the_same_name_is_not_done_here() {
    let place = practice("verify-every = \"30d\"");
    let made = found(&place, "backup c --dump d.sql");
    ran(&place, 50 * 24, "done", json!({}));
    ran(&place, 1, "done", json!({ "container": made["container"], "generation": made["generation"] }));
    assert_eq!(answer(&place), (Some(3), codes(&["verify-overdue"])));
    fs::create_dir(place.join("elsewhere")).expect("made");
    for line in [
        "init elsewhere/c --no-encryption",
        "backup elsewhere/c --dump d.sql",
        "verify elsewhere/c --level full",
        "prune elsewhere/c latest --yes",
    ] {
        assert_eq!(coffer(place.path(), line).status.code(), Some(0), "{line}");
    }
    assert_eq!(answer(&place), (Some(3), codes(&["verify-overdue"])));
    assert_eq!(coffer(place.path(), "verify c --level full").status.code(), Some(0));
    assert_eq!(answer(&place), (Some(0), vec![]));
}

#[test]
fn a_backup_that_somebody_removed_is_not_the_last() {
    let place = practice("");
    for hours in [50, 2] {
        let made = found(&place, "backup c --dump d.sql");
        ran(&place, hours, "done", json!({ "container": made["container"], "snapshot": made["snapshot"] }));
    }
    assert_eq!(answer(&place), (Some(0), vec![]));
    let newest = found(&place, "status")["schemes"]["nightly"]["last_success"]["id"].clone();
    assert_eq!(coffer(place.path(), "prune c latest --yes").status.code(), Some(0));
    assert_eq!(answer(&place), (Some(3), codes(&["removed"])));
    let left = found(&place, "status")["schemes"]["nightly"]["last_success"]["id"].clone();
    assert!(left.is_string() && left != newest, "{left}");
    assert_eq!(coffer(place.path(), "prune c latest --yes").status.code(), Some(0));
    let (code, reasons) = answer(&place);
    assert!(code == Some(1) && reasons.contains(&"no-backup".into()), "{reasons:?}");
}

#[test]
fn a_scheme_without_times_grows_old_too() {
    let place = practice("overdue-after = \"1d\"");
    ran(&place, 20, "done", json!({}));
    assert_eq!(answer(&place), (Some(0), vec![]));
    let place = practice("overdue-after = \"1d\"");
    ran(&place, 30, "done", json!({}));
    assert_eq!(answer(&place), (Some(1), codes(&["overdue"])));
    edit(&place, "overdue-after = \"1d\"", "");
    assert_eq!(answer(&place), (Some(0), vec![]));
    let place = practice("");
    ran(&place, 24 * 8, "done", json!({}));
    assert_eq!(answer(&place), (Some(3), codes(&["by-hand-only"])));
    edit(&place, "to = \"night\"", "to = \"night\"\ntimes = []");
    let output = coffer(place.path(), "status");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("there is no time in it"), "{said}");
    assert!(said.contains("coffer.toml, line 13, column 9"), "{said}");
}

#[test]
fn a_scheme_that_is_switched_off_stays_in_sight() {
    let other = "[scheme.noon]\nenabled = false\nsource = \"database\"\ndatabases = [\"d\"]\nto = \"night\"";
    let place = practice(other);
    ran(&place, 1, "done", json!({}));
    assert_eq!(answer(&place), (Some(3), codes(&["switched-off"])));
}

#[test]
fn a_round_of_shares_is_a_verification_of_everything() {
    let place = practice("verify-share = 5\nverify-every = \"30d\"");
    ran(&place, 40 * 24, "done", json!({}));
    let share = |is_whole: bool| json!({ "level": "full", "share": 5.0, "round_complete": is_whole });
    ran_steps(&place, 30, &[("backup", "night", json!({})), ("verify", "night", share(false))]);
    assert_eq!(answer(&place), (Some(3), codes(&["verify-overdue"])));
    ran_steps(&place, 1, &[("backup", "night", json!({})), ("verify", "night", share(true))]);
    assert_eq!(answer(&place), (Some(0), vec![]));
}

#[test]
fn a_time_that_nothing_keeps_is_not_promised() {
    let place = practice("times = [\"00:00\"]");
    ran(&place, 1, "done", json!({}));
    let next = |place: &Place| found(place, "status")["schemes"]["nightly"]["next"].clone();
    assert_eq!(answer(&place), (Some(0), vec![]), "a timer ran it");
    assert!(next(&place).is_string());
    let folder = place.join("state/runs/nightly");
    bash(&folder, "sed -i 's/\"timer\"/\"manual\"/' *.json");
    assert_eq!(answer(&place), (Some(3), codes(&["no-daemon"])));
    assert!(next(&place).is_null());
    let said = String::from_utf8_lossy(&coffer(place.path(), "scheme list").stdout).into_owned();
    assert!(said.contains("next never: nothing runs the schemes"), "{said}");
}

#[test]
fn a_log_that_is_gone_is_missed() {
    let place = practice("");
    ran(&place, 1, "done", json!({}));
    assert_eq!(answer(&place), (Some(0), vec![]));
    let head = place.join("state/audit.head");
    let whole = fs::read(&head).expect("read");
    fs::write(&head, "garbage").expect("written");
    assert_eq!(answer(&place), (Some(3), codes(&["audit"])));
    fs::write(&head, whole).expect("written");
    assert_eq!(answer(&place), (Some(0), vec![]));
    for file in ["state/audit.head", "state/audit.log"] {
        fs::remove_file(place.join(file)).expect("removed");
    }
    assert_eq!(answer(&place), (Some(3), codes(&["audit"])));
}
