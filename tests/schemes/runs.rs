//! Single runs: media that are not there, commands that fail or hang, disks that are full, two at once.

use crate::program::bash;
use crate::world::{World, steps};
use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

const PICTURES: &str = r#"
[scheme.pictures]
source = "attachments"
attachments = ["{}/images"]
to = "night"
times = ["22:00"]
retries = 1
retry-after = "10min"
"#;

#[test]
fn a_run_by_hand_is_the_same_run_and_a_dry_one_shows_its_commands() {
    let world = World::new(PICTURES);
    let output = world.run("scheme run pictures --dry-run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let night = world.join("night.coffer").display().to_string();
    assert!(text.contains(&format!("backup: coffer backup {night} --key-file=")), "{text}");
    assert!(world.records("pictures").is_empty());
    let result = world.done("scheme run pictures --at 2026-11-20T18:30:00Z");
    assert_eq!((&result["outcome"], &result["steps"][0]["outcome"]), (&"done".into(), &"done".into()));
    // The container keeps everything, so nothing is pruned, and that is no failure.
    assert_eq!(steps(&world.records("pictures")[0]), ["backup done", "prune skipped"]);
    assert_eq!(world.result("scheme run picture").0, Some(10));
    let events = std::fs::read_dir(world.join("state/runs/pictures")).expect("there");
    let events = events.filter_map(|entry| Some(entry.ok()?.path()));
    let events = events.filter(|path| path.extension().is_some_and(|e| e == "jsonl")).count();
    assert_eq!(events, 1);
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn a_medium_that_is_not_mounted_is_told_from_a_container_that_is_gone() {
    let world = World::new(
        "mount = \"{}\"\n[scheme.pictures]\nsource = \"attachments\"\nattachments = [\"{}/images\"]\nto = \"night\"\n",
    );
    bash(world.path(), "mv night.coffer elsewhere");
    let (code, result) = world.result("scheme run pictures");
    assert_eq!((code, &result["error"]["code"]), (Some(14), &"not-mounted".into()), "{result}");
    let run = world.records("pictures").remove(0);
    assert_eq!((&run["outcome"], &run["steps"][0]["code"]), (&"failed".into(), &"not-mounted".into()));
    world.configure(PICTURES);
    let (code, result) = world.result("scheme run pictures");
    let message = result["error"]["message"].as_str().expect("a message");
    assert!(
        code == Some(10) && message.contains("the folder is there and the container is not"),
        "{message}"
    );
    assert!(!world.join("night.coffer").exists(), "never made by surprise");
}

#[test]
fn a_failed_copy_undoes_no_backup() {
    let world = World::new(&format!(
        "[container.offsite]\npath = \"{{}}/none/c\"\nmount = \"{{}}/none\"\nencryption = false\nmax-size = \"200M\"\n{PICTURES}\
         copy = [{{ to = \"offsite\" }}]\n"
    ));
    let (code, result) = world.result("scheme run pictures");
    assert_eq!((code, &result["outcome"]), (Some(3), &"failed".into()), "{result}");
    assert_eq!(result["steps"][2]["code"], "not-mounted", "{result}");
    assert_eq!(world.snapshots(), 1);
}

#[test]
fn a_container_that_is_full_fails_cleanly_and_is_tried_again() {
    let world = World::new(&format!("max-size = \"32M\"\n{PICTURES}"));
    bash(world.path(), "head -c 60000000 /dev/urandom > images/big.jpg");
    let daemon = world.daemon();
    world.set_clock("2026-11-20T22:00:00Z");
    let run = world.finished("pictures", 1);
    assert_eq!((&run["outcome"], &run["steps"][0]["exit_code"]), (&"failed".into(), &14.into()), "{run}");
    bash(world.path(), "rm images/big.jpg");
    world.set_clock("2026-11-20T22:10:01Z");
    let run = world.finished("pictures", 2);
    assert_eq!(
        (&run["outcome"], &run["cause"], &run["attempt"]),
        (&"done".into(), &"retry".into(), &2.into())
    );
    daemon.stop();
    world.done("verify night.coffer --key-file key");
}

#[test]
fn commands_before_and_after_are_bounded_and_told() {
    let hooks = r#"
before = [{ command = "echo stopped; exit 3" }, { command = "touch {}/second" }]
after = [{ command = "echo $COFFER_OUTCOME $COFFER_EXIT_CODE > {}/after" }]
"#;
    let world = World::new(&format!("{PICTURES}{hooks}"));
    let (code, _) = world.result("scheme run pictures");
    let run = world.records("pictures").remove(0);
    let expected = ["before failed", "before skipped", "backup skipped", "prune skipped", "after done"]
        .map(String::from);
    assert_eq!((code, steps(&run)), (Some(1), expected.to_vec()));
    assert_eq!(std::fs::read_to_string(world.join("after")).expect("told"), "failed 1\n");
    assert!(!world.join("second").exists());
    world.configure(&format!(
        "{PICTURES}before = [{{ command = \"sleep 50 & sleep 50\", timeout = \"1s\" }}]\n"
    ));
    let began = Instant::now();
    assert_eq!(world.result("scheme run pictures").0, Some(1));
    let run = world.records("pictures").pop().expect("a run");
    assert_eq!(run["steps"][0]["code"], "hook-timeout", "{run}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn two_at_one_container_wait_for_each_other_and_a_second_daemon_is_refused() {
    let slow = "before = [{ command = \"touch {}/began; while [ ! -e {}/go ]; do sleep 0.05; done\" }]\n";
    let world = World::new(&format!(
        "{PICTURES}{slow}[scheme.other]\nsource = \"attachments\"\nattachments = [\"{{}}/images\"]\nto = \"night\"\n"
    ));
    let daemon = world.daemon();
    let (code, result) = world.result("daemon");
    assert_eq!((code, &result["error"]["code"]), (Some(11), &"busy".into()));
    world.set_clock("2026-11-20T22:00:00Z");
    world.wait("the run", || world.join("began").exists().then_some(()));
    let (code, result) = world.result("scheme run other --lock-wait 1s");
    assert_eq!(code, Some(11), "{result}");
    assert!(result["error"]["message"].as_str().expect("one").contains("scheme `pictures` runs on it"));
    let other = world.coffer("scheme run other").stderr(std::process::Stdio::piped()).spawn().expect("runs");
    let queued = world.wait("the queue", || {
        let found = world.result("status").1["schemes"]["other"]["queued"].clone();
        found["behind"].is_string().then_some(found)
    });
    assert_eq!(queued["behind"], "pictures");
    let said = String::from_utf8_lossy(&world.run("status").stdout).into_owned();
    assert!(said.contains("until `pictures` is done"), "{said}");
    std::fs::write(world.join("go"), "").expect("written");
    let output = other.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("queued behind pictures"), "{said}");
    world.finished("pictures", 1);
    daemon.stop();
    assert_eq!(world.snapshots(), 2);
}

#[test]
fn the_configuration_is_reread_and_the_service_manager_hears_it() {
    let world = World::new(PICTURES);
    let socket = UnixDatagram::bind(world.join("notify")).expect("bound");
    // As the service manager does it: whatever comes is taken at once.
    let (heard, messages) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 300];
        while let Ok(length) = socket.recv(&mut bytes) {
            if heard.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                return;
            }
        }
    });
    let hear = |word: &str| {
        while !messages.recv_timeout(Duration::from_secs(20)).expect(word).contains(word) {}
    };
    let daemon = world.daemon_with(|daemon| {
        daemon.env("NOTIFY_SOCKET", world.join("notify")).env("WATCHDOG_USEC", "2000000");
    });
    hear("READY=1");
    hear("WATCHDOG=1");
    world.configure("[scheme.pictures]\nsource = \"nonsense\"\n");
    daemon.signal(Signal::HUP);
    hear("RELOADING=1");
    hear("READY=1");
    world.wait("the refusal", || world.log().contains("the old one goes on").then_some(()));
    world.configure(&PICTURES.replace("22:00", "23:00"));
    daemon.signal(Signal::HUP);
    world.wait("the new one", || world.log().contains("was reread").then_some(()));
    world.set_clock("2026-11-20T22:30:00Z");
    std::thread::sleep(Duration::from_millis(300));
    assert!(world.records("pictures").is_empty());
    world.set_clock("2026-11-20T23:00:00Z");
    assert_eq!(world.finished("pictures", 1)["outcome"], "done");
    daemon.stop();
    hear("STOPPING=1");
}

#[test]
fn a_timer_accepts_nothing_by_itself_and_tries_again() {
    let world = World::new(
        "[scheme.pictures]\nsource = \"attachments\"\nattachments = [\"{}/images\"]\nto = \"night\"\n\
         retries = 1\nretry-after = \"1s\"\n\
         before = [{ command = \"[ ! -e {}/first ] || { rm {}/first; exit 1; }\" }]\n",
    );
    bash(world.path(), "head -c 400000 /dev/urandom > images/big.jpg");
    assert_eq!(world.result("scheme run pictures --unattended").0, Some(0));
    bash(world.path(), "rm images/big.jpg");
    for _ in 0..2 {
        assert_eq!(world.result("scheme run pictures --unattended").0, Some(3));
        let run = world.records("pictures").pop().expect("a run");
        assert_eq!((&run["cause"], &run["steps"][0]["code"]), (&"timer".into(), &Value::Null), "{run}");
        assert_eq!(run["steps"][1]["code"], "shrunk", "{run}");
    }
    assert_eq!(world.result("scheme run pictures").0, Some(0), "a person says that it is meant");
    std::fs::write(world.join("first"), "").expect("written");
    let before = world.records("pictures").len();
    assert_eq!(world.result("scheme run pictures --unattended").0, Some(0));
    let runs = world.records("pictures");
    let told = |run: &Value| format!("{} {} {}", run["cause"], run["attempt"], run["outcome"]);
    let told: Vec<String> = runs[before..].iter().map(told).collect();
    assert_eq!(told, ["\"timer\" 1 \"failed\"", "\"retry\" 2 \"done\""]);
}

#[test]
fn a_report_counts_what_a_run_proved_once() {
    let world = World::new(&PICTURES.replace("retries = 1", "verify-share = 50\ndrill-every = \"30d\""));
    for _ in 0..2 {
        assert_eq!(world.result("scheme run pictures").0, Some(0));
    }
    world.done("verify night.coffer --key-file key");
    world.done("drill night.coffer --key-file key --no-database --report drill.html");
    let found = world.done("report");
    let there_is = |at: usize| found["evidence"][at]["there_is"].clone();
    let expected = ["2 backups made and kept by schemes", "3 verifications, 0 of them found damage"];
    assert_eq!(there_is(0), serde_json::json!(expected));
    assert_eq!(there_is(2).as_array().map(Vec::len), Some(2), "one of a run, one by hand: {}", there_is(2));
}

#[test]
fn the_records_of_runs_witness_for_the_audit_log() {
    let world = World::new(PICTURES);
    for _ in 0..2 {
        assert_eq!(world.result("scheme run pictures").0, Some(0));
    }
    world.done("verify night.coffer --key-file key");
    assert_eq!(world.result("audit verify").0, Some(0));
    let log = world.join("state/audit.log");
    let text = std::fs::read_to_string(&log).expect("a log");
    let codes = |found: &Value| found["reasons"].to_string();
    for lines in [None, Some(0), Some(1), Some(3)] {
        std::fs::remove_file(world.join("state/audit.head")).expect("there");
        match lines {
            None => std::fs::remove_file(&log).expect("removed"),
            Some(count) => {
                let kept: String = text.lines().take(count).map(|line| format!("{line}\n")).collect();
                std::fs::write(&log, kept).expect("cut");
            }
        }
        let (code, found) = world.result("audit verify");
        let reason = found["reason"].as_str().expect("a reason");
        assert!(code == Some(4) && reason.contains("the record of run 20"), "{lines:?}: {found}");
        let (code, found) = world.result("status");
        assert!(code == Some(3) && codes(&found).contains("audit"), "{lines:?}: {found}");
        // What is added goes its own way, and the witnesses stay.
        world.done("verify night.coffer --key-file key");
        assert_eq!(world.result("audit verify").0, Some(4), "{lines:?}");
    }
    std::fs::write(&log, &text).expect("whole again");
    std::fs::remove_file(world.join("state/audit.head")).expect("there");
    assert_eq!(world.result("audit verify").0, Some(0));
    std::fs::remove_dir_all(world.join("state/runs")).expect("removed");
    std::fs::remove_file(&log).expect("removed");
    assert_eq!(world.result("audit verify").0, Some(10), "without a witness nothing is known");
}

#[test]
fn a_scheme_that_is_changed_reaches_the_daemon() {
    let world = World::new(PICTURES);
    let has = |code: &str| world.result("status").1["reasons"].to_string().contains(&format!("\"{code}\""));
    let said = |line: &str| String::from_utf8_lossy(&world.run(line).stdout).into_owned();
    assert!(has("no-daemon") && said("scheme list").contains("nothing runs the schemes"));
    let daemon = world.daemon();
    assert!(!has("no-daemon") && !has("old-configuration"));
    world.configure(&PICTURES.replace("22:00", "23:00"));
    assert!(has("old-configuration"));
    world.done("scheme edit pictures --at-times 23:30");
    world.wait("the new one", || world.log().contains("was reread").then_some(()));
    world.wait("what it shows", || (!has("old-configuration")).then_some(()));
    world.done("scheme disable pictures");
    world.wait("the scheme switched off", || (world.log().matches("was reread").count() == 2).then_some(()));
    daemon.stop();
}

#[test]
fn a_folder_whose_medium_is_gone_is_told_beside_one_that_holds_much_more() {
    let world = World::new(
        "[scheme.pictures]\nsource = \"attachments\"\n\
         attachments = [\"{}/images\", \"{}/letters\"]\nto = \"night\"\n",
    );
    bash(
        world.path(),
        "head -c 400000 /dev/urandom > images/big.jpg; mkdir letters; echo a > letters/patient.txt",
    );
    assert_eq!(world.result("scheme run pictures --unattended").0, Some(0));
    bash(world.path(), "rm letters/patient.txt");
    assert_eq!(world.result("scheme run pictures --unattended").0, Some(3));
    let run = world.records("pictures").pop().expect("a run");
    let message = run["steps"][0]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("folder letters: no files any more") && !message.contains("patient"),
        "{run}"
    );
    assert_eq!(steps(&run), ["backup warnings", "prune skipped"]);
    let reasons = world.result("status").1["reasons"].to_string();
    assert!(reasons.contains("folder letters: no files any more"), "{reasons}");
    assert_eq!(world.result("scheme run pictures").0, Some(0), "a person says that it is meant");
    assert_eq!(world.result("scheme run pictures --unattended").0, Some(0));
}

#[test]
fn a_container_of_copies_gets_its_limit_and_keeps_what_the_configuration_says() {
    let world = World::new(&format!(
        "[container.offsite]\npath = \"{{}}/offsite.coffer\"\nencryption = false\nmax-size = \"200M\"\n\
         keep = {{ last = 1 }}\n{PICTURES}copy = [{{ to = \"offsite\" }}]\n"
    ));
    world.done("init offsite.coffer --no-encryption");
    world.done("scheme run pictures --at 2026-11-20T18:30:00Z");
    bash(world.path(), "echo more > images/more.jpg");
    world.done("scheme run pictures --at 2026-11-21T18:30:00Z");
    let run = world.records("pictures").pop().expect("a run");
    assert_eq!(steps(&run), ["backup done", "prune skipped", "copy done", "prune done"], "{run}");
    assert_eq!(
        (&run["steps"][3]["target"], &run["steps"][3]["result"]["dropped"]),
        (&"offsite".into(), &1.into())
    );
    let set = world.done("set offsite.coffer --max-size 200M --dry-run");
    assert_eq!(set["max_bytes_before"], 200 << 20, "{set}");
    assert_eq!(world.snapshots(), 2);
}
