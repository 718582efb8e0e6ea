//! Ends in every phase of a run: the daemon killed, its command killed, the daemon asked to stop. After a
//! new start no slot is lost, none is done twice, and the container verifies.

use crate::program::bash;
use crate::world::{Daemon, World};
use rustix::process::{Signal, kill_process};

const SCHEME: &str = r#"
keep = { last = 3 }
[container.offsite]
path = "{}/offsite.coffer"
encryption = false
max-size = "200M"
[scheme.pictures]
source = "attachments"
attachments = ["{}/images"]
to = "night"
times = ["22:00"]
verify-share = 50
copy = [{ to = "offsite" }]
before = [{ command = "sleep 0.1" }]
after = [{ command = "sleep 0.1" }]
retries = 3
retry-after = "1s"
"#;

/// The steps of a run, in order.
const PHASES: [&str; 6] = ["before", "backup", "verify", "prune", "copy", "after"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    KillDaemon,
    KillChild,
    Stop,
}

/// Waits until so many steps of the newest run are over, and ends it.
fn end(world: &World, daemon: Daemon, runs: usize, phase: usize, how: End) -> Option<Daemon> {
    world.wait(PHASES[phase], || {
        let all = world.records("pictures");
        let steps = all.get(runs).and_then(|run| run["steps"].as_array().map(Vec::len));
        steps.filter(|steps| *steps >= phase)
    });
    match how {
        End::KillDaemon => {
            drop(daemon);
            None
        }
        End::KillChild => {
            for child in daemon.children() {
                // It may be over in this instant.
                let _ = kill_process(child, Signal::KILL);
            }
            Some(daemon)
        }
        End::Stop => {
            daemon.stop();
            None
        }
    }
}

#[test]
fn no_end_loses_a_slot_or_does_one_twice() {
    let world = World::new(SCHEME);
    world.done("init offsite.coffer --no-encryption --segment-size 1M");
    let mut daemon = None;
    let mut day = 20;
    for how in [End::KillDaemon, End::Stop, End::KillChild] {
        for (phase, word) in PHASES.iter().enumerate() {
            let name = format!("{how:?} in {word}");
            day += 1;
            let date = if day <= 30 { format!("2026-11-{day}") } else { format!("2026-12-{:02}", day - 30) };
            bash(world.path(), &format!("head -c 400000 /dev/urandom > images/{day}.jpg"));
            let running = daemon.take().unwrap_or_else(|| world.daemon());
            let before = world.records("pictures").len();
            world.set_clock(&format!("{date}T22:00:01Z"));
            daemon = end(&world, running, before, phase, how);
            world.set_clock(&format!("{date}T22:30:00Z"));
            let again = daemon.take().unwrap_or_else(|| world.daemon());
            let slot = format!("{date}T22:00:00Z");
            let outcomes = || -> Vec<String> {
                let runs = world.records("pictures");
                let own = runs.iter().filter(|run| run["slot"] == *slot);
                own.map(|run| run["outcome"].as_str().unwrap_or_default().to_owned()).collect()
            };
            // Time goes on, so that what waits before it is tried again gets its turn.
            let began = std::time::Instant::now();
            world.wait(&name, || {
                world.set_clock(&format!("{date}T22:{:02}:00Z", 30 + began.elapsed().as_secs().min(29)));
                let is_kept = |run: &serde_json::Value| run["finished"].is_string() && run["slot"] == *slot;
                let last = world.records("pictures").pop().filter(is_kept)?;
                let is_good =
                    last["steps"].as_array()?.iter().any(|s| s["step"] == "backup" && s["outcome"] == "done");
                (is_good && last["outcome"] != "interrupted").then_some(())
            });
            std::thread::sleep(std::time::Duration::from_millis(150));
            let done =
                outcomes().iter().filter(|outcome| *outcome == "done" || *outcome == "warnings").count();
            assert!(done <= 1, "{name}: {:?}\n{}", outcomes(), world.log());
            // A child that was killed after the backup leaves a run that failed behind it, and is told.
            assert!(done == 1 || how == End::KillChild, "{name}: {:?}\n{}", outcomes(), world.log());
            daemon = Some(again);
        }
    }
    daemon.into_iter().for_each(Daemon::stop);
    world.done("verify night.coffer --key-file key");
    world.done("verify offsite.coffer");
    world.done("restore night.coffer latest --key-file key --to out --compare");
    bash(world.path(), "diff -r images out/attachments/images");
    // The next night is like any other.
    let daemon = world.daemon();
    let before = world.records("pictures").len();
    world.set_clock("2026-12-20T22:00:00Z");
    assert_eq!(world.finished("pictures", before + 1)["outcome"], "done");
    daemon.stop();
}

#[test]
fn a_run_that_was_killed_is_seen_as_cut_off_at_once() {
    let world = World::new(
        "[scheme.pictures]\nsource = \"attachments\"\nattachments = [\"{}/images\"]\nto = \"night\"\n\
         before = [{ command = \"[ -e {}/go ] || sleep 9\" }]\n",
    );
    std::fs::write(world.join("go"), "").expect("written");
    assert_eq!(world.result("scheme run pictures").0, Some(0));
    assert_eq!(world.result("status").0, Some(0));
    std::fs::remove_file(world.join("go")).expect("removed");
    let mut run = world.coffer("scheme run pictures").spawn().expect("it runs");
    world.wait("the run", || (world.records("pictures").len() == 2).then_some(()));
    let (code, found) = world.result("status");
    assert!(code == Some(0) && found["schemes"]["pictures"]["running"].is_string(), "{found}");
    run.kill().expect("killed");
    run.wait().expect("it ended");
    let (code, found) = world.result("status");
    let scheme = &found["schemes"]["pictures"];
    assert_eq!((code, &found["reasons"][0]["code"]), (Some(3), &"cut-off".into()), "{found}");
    assert!(scheme["running"].is_null() && scheme["last_run"]["cut_off"].is_string(), "{found}");
    for line in ["status", "scheme list"] {
        let output = world.run(line);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(said.contains("cut off at 20"), "{line}: {said}");
    }
    assert_eq!(world.result("report").1["schemes"]["pictures"]["broken_off"], 1);
    // The next run stands for it, and tells of it.
    std::fs::write(world.join("go"), "").expect("written");
    assert_eq!(world.result("scheme run pictures").0, Some(0));
    assert_eq!(world.result("status").0, Some(0));
}
