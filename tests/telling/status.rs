//! Are we protected? The answer, its reasons, and the report of a month.

use crate::program::{COFFER, Place, bash, command, result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Output;

pub fn coffer(folder: &Path, arguments: &str) -> Output {
    command(COFFER, folder)
        .env("COFFER_STATE_DIR", folder.join("state"))
        .env("COFFER_CONFIG", folder.join("coffer.toml"))
        .args(arguments.split_whitespace())
        .output()
        .expect("coffer runs")
}

/// A practice with a container, its configuration with `more` in the scheme, and no run yet.
pub fn practice(more: &str) -> Place {
    let place = Place::new();
    bash(place.path(), "echo dump > d.sql; touch password");
    for line in ["init c --no-encryption", "backup c --dump d.sql"] {
        assert_eq!(coffer(place.path(), line).status.code(), Some(0), "{line}");
    }
    let config = format!(
        "version = 1\n[practice]\nname = \"Bright <Smiles>\"\ntime-zone = \"UTC\"\n[server.main]\n\
         [container.night]\npath = \"{}\"\nencryption = false\n\
         [scheme.nightly]\nsource = \"database\"\ndatabases = [\"d\"]\nto = \"night\"\n{more}\n",
        place.join("c").display()
    );
    fs::write(place.join("coffer.toml"), config).expect("written");
    place
}

pub fn hours_ago(hours: i64) -> String {
    let now = jiff::Timestamp::now().as_second() - hours * 3600;
    jiff::Timestamp::from_second(now).expect("a time").to_string()
}

/// A run that ended `hours` ago as `outcome`, with these fields in the result of its backup.
pub fn ran(place: &Place, hours: i64, outcome: &str, result: Value) {
    let time = hours_ago(hours);
    let id: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    let step = json!({
        "step": "backup", "target": "night", "started": time, "elapsed_ms": 1000, "outcome": outcome,
        "exit_code": 0, "code": (outcome == "failed").then_some("database"),
        "message": "patients/Miller.png cannot be read", "warnings": {}, "result": result,
    });
    let run = json!({
        "version": 1, "id": id, "scheme": "nightly", "cause": "timer", "slot": null, "attempt": 1,
        "who": "root@office", "started": time, "finished": time, "outcome": outcome, "steps": [step],
    });
    let folder = place.join("state/runs/nightly");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join(format!("{id}.json")), run.to_string()).expect("written");
}

fn generation(place: &Place) -> u64 {
    let output = coffer(place.path(), "backup c --dump d.sql --json");
    result(&output.stdout)["generation"].as_u64().expect("a generation")
}

pub fn answer(place: &Place) -> (Option<i32>, Vec<String>) {
    let output = coffer(place.path(), "status --json");
    let found = result(&output.stdout);
    let reasons = found["reasons"].as_array().expect("reasons");
    let codes = reasons.iter().filter_map(|reason| reason["code"].as_str().map(str::to_owned));
    (output.status.code(), codes.collect())
}

pub fn codes(expected: &[&str]) -> Vec<String> {
    expected.iter().map(|code| (*code).to_owned()).collect()
}

#[test]
fn protected_is_said_only_if_everything_is() {
    let place = practice("");
    assert_eq!(answer(&place), (Some(1), codes(&["no-backup"])));
    ran(&place, 2, "done", json!({ "bytes": 5, "added_bytes": 3, "generation": generation(&place) }));
    assert_eq!(answer(&place), (Some(0), vec![]));
    let said = String::from_utf8_lossy(&coffer(place.path(), "status").stdout).into_owned();
    assert!(said.contains("nightly: last complete backup") && said.ends_with("protected: yes\n"), "{said}");
    ran(&place, 1, "failed", json!({}));
    assert_eq!(answer(&place), (Some(3), codes(&["backup-failed"])));
    ran(&place, 0, "warnings", json!({}));
    assert_eq!(answer(&place), (Some(3), codes(&["partial"])));
    fs::write(place.join("state/runs/nightly/0.json"), "{").expect("written");
    assert_eq!(answer(&place), (Some(3), codes(&["partial", "history"])));
    let output = coffer(place.path(), "status");
    let said = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains("Miller"));
}

#[test]
fn times_and_sizes_are_told_in_one_form() {
    let place = practice("times = [\"00:00\"]");
    let config = fs::read_to_string(place.join("coffer.toml")).expect("read");
    let config = config.replace("encryption = false", "encryption = false\nmax-size = \"1G\"");
    fs::write(place.join("coffer.toml"), config.replace("UTC", "America/Phoenix")).expect("written");
    ran(&place, 2, "done", json!({ "bytes": 5, "generation": generation(&place) }));
    ran(&place, 1, "failed", json!({}));
    for line in ["status", "scheme list"] {
        let output = coffer(place.path(), line);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let dates = said.matches(&hours_ago(12)[..5]).count();
        assert!(dates >= 2 && said.matches(" -07:00").count() == dates, "{line}: {said}");
    }
    let said = String::from_utf8_lossy(&coffer(place.path(), "status").stdout).into_owned();
    assert!(said.contains("night: there, ") && said.contains(" of at most 1.0 GiB"), "{said}");
    fs::remove_file(place.join("c")).expect("removed");
    let said = String::from_utf8_lossy(&coffer(place.path(), "status").stdout).into_owned();
    assert!(said.contains("night: missing") && !said.contains("at most"), "{said}");
}

#[test]
fn a_backup_that_lacks_something_is_no_good_one() {
    let place = practice("times = [\"00:00\"]");
    let said = || {
        let output = coffer(place.path(), "status");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    ran(&place, 3, "warnings", json!({ "bytes": 0, "files": 0, "dumps": 0, "problems": 7 }));
    assert_eq!(answer(&place), (Some(1), codes(&["no-backup", "partial"])));
    assert!(said().contains("holds nothing"), "{}", said());
    ran(&place, 2, "warnings", json!({ "bytes": 9, "files": 1, "dumps": 0, "problems": 2 }));
    assert_eq!(answer(&place), (Some(3), codes(&["partial"])));
    assert!(said().contains("there is no complete backup yet; 2 in a row"), "{}", said());
    ran(&place, 100, "done", json!({ "bytes": 9 }));
    let complete = hours_ago(100)[..10].to_owned();
    assert!(said().contains("lacks 2 files that could not be read, named in runs/nightly/"), "{}", said());
    assert!(said().contains(&format!("; the last complete backup is of {complete}")), "{}", said());
    assert!(said().contains(&format!("nightly: last complete backup {complete}")), "{}", said());
    assert!(said().contains("protected: in part, ") && !said().contains("protected: yes"), "{}", said());
    assert_eq!(result(&coffer(place.path(), "status --json").stdout)["protected"], false);
    // One that holds nothing does not stand for its night.
    let place = practice("times = [\"00:00\"]");
    ran(&place, 100, "done", json!({ "bytes": 9 }));
    ran(&place, 1, "warnings", json!({ "bytes": 0, "files": 0, "dumps": 0, "problems": 7 }));
    assert_eq!(answer(&place), (Some(1), codes(&["overdue", "partial"])));
    ran(&place, 0, "done", json!({ "bytes": 9 }));
    assert_eq!(answer(&place), (Some(0), vec![]));
}

#[test]
fn what_lies_there_is_held_against_what_was_made() {
    let place = practice("");
    fs::copy(place.join("c"), place.join("old")).expect("copied");
    let newest = generation(&place);
    ran(&place, 1, "done", json!({ "generation": newest }));
    assert_eq!(answer(&place), (Some(0), vec![]));
    fs::rename(place.join("c"), place.join("away")).expect("moved");
    assert_eq!(answer(&place), (Some(1), codes(&["container-missing"])));
    fs::copy(place.join("old"), place.join("c")).expect("copied");
    assert_eq!(answer(&place), (Some(1), codes(&["rollback"])));
    fs::write(place.join("c"), "no container").expect("written");
    assert_eq!(answer(&place), (Some(1), codes(&["container-unreadable"])));
    let config = fs::read_to_string(place.join("coffer.toml")).expect("read");
    let mount = format!("encryption = false\nmount = \"{}\"", place.path().display());
    fs::write(place.join("coffer.toml"), config.replace("encryption = false", &mount)).expect("written");
    assert_eq!(answer(&place), (Some(3), codes(&["not-mounted"])));
}

#[test]
fn a_file_that_holds_nothing_any_more_protects_nobody() {
    let place = practice("");
    ran(&place, 1, "done", json!({ "generation": generation(&place) }));
    assert_eq!(answer(&place), (Some(0), vec![]));
    let whole = fs::read(place.join("c")).expect("read");
    for bytes in [whole.len() / 2, 200_000] {
        fs::write(place.join("c"), &whole[..bytes]).expect("cut");
        assert_eq!(answer(&place).0, Some(1), "{bytes} of {} bytes", whole.len());
    }
    fs::write(place.join("c"), &whole).expect("whole again");
    assert_eq!(answer(&place), (Some(0), vec![]));
    let pruned = coffer(place.path(), "prune c latest latest~1 --yes");
    assert_eq!(pruned.status.code(), Some(0));
    assert_eq!(answer(&place), (Some(1), codes(&["no-snapshot"])));
}

#[test]
fn damaged_bytes_protect_nobody_and_stay_known() {
    let place = practice("");
    bash(place.path(), "head -c 3000000 /dev/urandom > d.sql");
    ran(&place, 1, "done", json!({ "generation": generation(&place) }));
    assert_eq!(answer(&place), (Some(0), vec![]));
    let whole = fs::read(place.join("c")).expect("read");
    let segment = 4 << 20;
    let damaged = |length: usize, byte: u8| {
        let mut bytes = whole.clone();
        for slot in (262_144 + segment..bytes.len()).step_by(segment) {
            bytes[slot + 100_000..slot + 100_000 + length].fill(byte);
        }
        fs::write(place.join("c"), bytes).expect("written");
    };
    for (length, byte, code, reason) in [
        (1 << 20, 0, 1, "container-damaged"),
        (1 << 20, 0x5a, 1, "container-damaged"),
        (4096, 0, 3, "container-worn"),
    ] {
        damaged(length, byte);
        assert_eq!(answer(&place), (Some(code), codes(&[reason])), "{length}");
    }
    damaged(1 << 20, 0);
    let output = coffer(place.path(), "status");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let file = place.join("c");
    assert!(
        said.contains(&format!("run coffer verify {0}, then coffer repair {0}", file.display())),
        "{said}"
    );
    // The header zone stands there more than once; without any copy nothing opens.
    let mut bytes = whole.clone();
    bytes[..131_072].fill(0);
    fs::write(&file, &bytes).expect("written");
    assert_eq!(answer(&place).1, codes(&["container-worn"]));
    bytes[131_072..262_144].fill(0);
    fs::write(&file, &bytes).expect("written");
    assert_eq!(answer(&place), (Some(1), codes(&["container-damaged"])));
    damaged(1 << 20, 0);
    assert_eq!(coffer(place.path(), "verify c --level full").status.code(), Some(4), "verify agrees");
    fs::write(&file, &whole).expect("whole again");
    coffer(place.path(), "verify c --level full");
    assert_eq!(answer(&place), (Some(0), vec![]));
}

#[test]
fn runs_of_another_container_and_of_the_future_do_not_count() {
    let place = practice("");
    ran(&place, 1, "failed", json!({}));
    ran(&place, -48, "done", json!({}));
    let (code, reasons) = answer(&place);
    assert_eq!(code, Some(1), "{reasons:?}");
    assert!(reasons.contains(&"clock".into()) && reasons.contains(&"no-backup".into()), "{reasons:?}");
    let place = practice("");
    ran(&place, 1, "done", json!({ "generation": generation(&place) }));
    let config = fs::read_to_string(place.join("coffer.toml")).expect("read");
    let moved = config.replace("to = \"night\"", "to = \"other\"")
        + &format!("[container.other]\npath = \"{}\"\nencryption = false\n", place.join("c").display());
    let moved = moved.replacen("c\"\nencryption", "d\"\nencryption", 1);
    fs::write(place.join("coffer.toml"), moved).expect("written");
    let (code, reasons) = answer(&place);
    assert!(code == Some(1) && reasons.contains(&"no-backup".into()), "{reasons:?}");
}

#[test]
fn what_is_overdue_is_said() {
    let place = practice("times = [\"00:00\"]\nverify-every = \"30d\"\ndrill-every = \"90d\"");
    ran(&place, 100 * 24, "done", json!({}));
    let (code, reasons) = answer(&place);
    assert_eq!(
        (code, reasons),
        (Some(1), codes(&["overdue", "verify-overdue", "drill-overdue", "no-daemon"]))
    );
    ran(&place, 1, "done", json!({}));
    assert_eq!(answer(&place), (Some(3), codes(&["verify-overdue", "drill-overdue"])));
    // A verification by hand counts; a quick one does not.
    assert_eq!(coffer(place.path(), "verify c --level quick").status.code(), Some(0));
    assert_eq!(answer(&place).1, codes(&["verify-overdue", "drill-overdue"]));
    assert_eq!(coffer(place.path(), "verify c --level full").status.code(), Some(0));
    assert_eq!(answer(&place), (Some(3), codes(&["drill-overdue"])));
    let drill = "drill c --no-database --report drill.html";
    assert_eq!(coffer(place.path(), drill).status.code(), Some(0));
    assert_eq!(answer(&place), (Some(0), vec![]));
}

#[test]
fn space_and_ways_that_fail_are_said() {
    let place =
        practice("[notify.office]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\ntimeout = \"1s\"");
    let config = fs::read_to_string(place.join("coffer.toml")).expect("read");
    let config = config.replace("encryption = false", "encryption = false\nmax-size = \"200M\"");
    fs::write(place.join("coffer.toml"), config).expect("written");
    for day in 0..10 {
        ran(&place, (10 - day) * 24 - 1, "done", json!({ "file_bytes_after": 10_000_000 * (day + 1) }));
    }
    assert_eq!(answer(&place), (Some(3), codes(&["space"])));
    assert_eq!(coffer(place.path(), "notify test").status.code(), Some(1));
    assert_eq!(answer(&place), (Some(3), codes(&["space", "notify"])));
    assert_eq!(coffer(place.path(), "notify test nobody").status.code(), Some(10));
}

#[test]
fn prometheus_gets_a_whole_file_that_everybody_may_read() {
    let place = practice("");
    ran(&place, 2, "done", json!({ "bytes": 5, "added_bytes": 3 }));
    let output = coffer(place.path(), "status --prometheus coffer.prom");
    assert_eq!(output.status.code(), Some(0));
    let text = fs::read_to_string(place.join("coffer.prom")).expect("written");
    for part in [
        "coffer_standing 0\n",
        "coffer_last_success_timestamp_seconds{scheme=\"nightly\"} ",
        "coffer_last_added_bytes{scheme=\"nightly\"} 3\n",
        "coffer_overdue{scheme=\"nightly\"} 0\n",
        "coffer_container_there{container=\"night\"} 1\n",
        "coffer_free_bytes{container=\"night\"} ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(bash(place.path(), "stat -c %a coffer.prom").trim(), "644");
}

#[test]
fn a_report_says_what_is_there_and_what_is_missing() {
    let place = practice("times = [\"00:00\"]");
    for (hours, outcome) in [(24 * 9, "done"), (24 * 8, "warnings"), (24 * 5, "failed"), (24 * 2, "done")] {
        ran(&place, hours, outcome, json!({ "bytes": 5 }));
    }
    assert_eq!(coffer(place.path(), "drill c --no-database --report drill.html").status.code(), Some(0));
    let from = hours_ago(24 * 12)[..10].to_owned();
    let made = coffer(place.path(), &format!("report --from {from} --output r.html"));
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let page = fs::read_to_string(place.join("r.html")).expect("a page");
    for part in [
        "Backup readiness of Bright &lt;Smiles&gt;",
        "<td>nightly</td><td class=\"n\">4</td><td class=\"n\">2</td><td class=\"n\">1</td><td class=\"n\">1</td>",
        "164.308(a)(7)(ii)(D)",
        "trial restore at ",
        "no emergency sheet was made",
        "night: is not encrypted",
        "coffer audit verify --head 3:",
        "days without a good backup",
        "<td>failed</td><td>database</td>",
        "Corrective actions",
        "six years",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.to_lowercase().contains("certif") && !page.contains("Miller") && !page.contains("http"));
    let again = coffer(place.path(), "report --output r.html");
    assert_eq!(again.status.code(), Some(14), "nothing is overwritten");
    let found = result(&coffer(place.path(), &format!("report --from {from} --json")).stdout);
    assert_eq!(found["schemes"]["nightly"]["gaps"].as_array().map(Vec::len), Some(6), "{found}");
    assert_eq!(found["evidence"].as_array().map(Vec::len), Some(7));
    for (line, code) in [
        ("report", 2),
        ("report --month 2026-13 --json", 2),
        ("report --from 2026-02-01 --to 2026-01-01 --json", 2),
        ("report --from tomorrow --json", 2),
        ("report --month 2020-01 --json", 0),
    ] {
        assert_eq!(coffer(place.path(), line).status.code(), Some(code), "{line}");
    }
}

#[test]
fn without_a_configuration_it_is_said_what_to_do() {
    let place = Place::new();
    for line in ["status", "report --json", "emergency-sheet --output x.html", "notify test"] {
        let output = coffer(place.path(), line);
        assert_eq!(output.status.code(), Some(10), "{line}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("coffer setup"), "{line}");
    }
    assert!(!place.join("x.html").exists());
}
