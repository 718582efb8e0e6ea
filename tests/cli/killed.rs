//! The real binary, killed at instants that follow from a seed. Whatever the instant: the container
//! opens, what was there before is there and whole, and the same command run again completes.

use crate::program::{COFFER, Place, Random, bash, command, done, result, scale};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const SEED: u64 = 20_260_131;

fn start(place: &Path, arguments: &str) -> Child {
    command(COFFER, place)
        .args(arguments.split(' '))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("coffer runs")
}

/// Runs `arguments` and kills the process after `delay`; whether it was quicker.
fn kill_after(place: &Path, arguments: &str, delay: Duration) -> bool {
    let mut child = start(place, arguments);
    let began = Instant::now();
    while began.elapsed() < delay {
        if let Some(status) = child.try_wait().expect("a child") {
            assert!(status.success(), "coffer {arguments}: {status}");
            return true;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().expect("a kill");
    // Killed, or done in that very instant.
    child.wait().expect("a child").success()
}

/// A dump and a folder that a night makes others of.
fn night(place: &Path, random: &mut Random, number: u64) {
    std::fs::create_dir_all(place.join("folder")).expect("a folder");
    let size = 2_000_000 + random.below(2_000_000) as usize;
    std::fs::write(place.join(format!("folder/{number}.jpg")), random.bytes(size)).expect("a file");
    let rows: String = (0..40_000).map(|row| format!("{row},{}\n", random.below(1 << 40))).collect();
    std::fs::write(place.join("d.sql"), rows).expect("a dump");
}

fn snapshots(place: &Path) -> u64 {
    let output = command(COFFER, place).args(["snapshots", "c", "--json"]).output().expect("coffer runs");
    result(&output.stdout)["snapshots"].as_u64().expect("a count")
}

#[test]
fn a_killed_backup_leaves_every_earlier_snapshot() {
    let place = Place::new();
    let place = place.path();
    let mut random = Random(SEED);
    done(place, "init c --no-encryption --segment-size 1M");
    night(place, &mut random, 0);
    let backup = "backup c --dump d.sql --attachments folder";
    let began = Instant::now();
    done(place, backup);
    let whole = began.elapsed().as_micros() as u64;
    bash(place, "cp -a folder first; cp d.sql first.sql");
    let mut known = 1;
    for round in 1..=scale(8, 60) {
        night(place, &mut random, round);
        if round % 16 == 0 {
            bash(place, "rm folder/*.jpg; cp -a first/. folder");
        }
        let delay = Duration::from_micros(random.below(whole * 3 / 2));
        let finished = kill_after(place, backup, delay);
        let name = format!("seed {SEED}, round {round}, killed after {delay:?}");
        let now = snapshots(place);
        assert!(now == known + 1 || (now == known && !finished), "{name}: {known} snapshots became {now}");
        known = now;
        bash(
            place,
            &format!("coffer verify c >verified 2>&1 || {{ cat verified >&2; echo '{name}' >&2; exit 1; }}"),
        );
        // The oldest snapshot, byte by byte.
        done(place, &format!("restore c latest~{} --to out --compare --no-sync", known - 1));
        bash(place, "diff -r first out/attachments/folder; cmp first.sql out/database/d.sql; rm -r out");
    }
    done(place, backup);
    assert_eq!(snapshots(place), known + 1);
    done(place, "restore c latest --to out --compare");
    bash(place, "diff -r folder out/attachments/folder; cmp d.sql out/database/d.sql");
}

#[test]
fn a_killed_copy_goes_on_when_run_again() {
    let place = Place::new();
    let place = place.path();
    let mut random = Random(SEED + 3);
    done(place, "init c --no-encryption --segment-size 1M");
    for number in 0..4 {
        night(place, &mut random, number);
        done(place, "backup c --dump d.sql --attachments folder");
    }
    bash(place, "sha256sum c > sum");
    for (kind, init) in [
        ("family", "init to --no-encryption --copy-of c --no-snapshots"),
        ("other", "init to --no-encryption"),
    ] {
        done(place, init);
        let began = Instant::now();
        done(place, "copy c --to to");
        let whole = began.elapsed().as_micros() as u64;
        for round in 0..scale(4, 40) {
            bash(place, "rm to");
            done(place, init);
            let delays: Vec<Duration> = (0..3).map(|_| Duration::from_micros(random.below(whole))).collect();
            let name = format!("seed {}, {kind}, round {round}, killed after {delays:?}", SEED + 3);
            for delay in delays {
                kill_after(place, "copy c --to to", delay);
            }
            done(place, "copy c --to to");
            bash(place, &format!("coffer verify to || {{ echo '{name}' >&2; exit 1; }}"));
            done(place, "restore to latest --to out --compare");
            bash(
                place,
                "diff -r folder out/attachments/folder; cmp d.sql out/database/d.sql; rm -r out; sha256sum -c sum",
            );
            assert_eq!(bash(place, "coffer snapshots to | wc -l").trim(), "4", "{name}");
        }
        bash(place, "rm to");
    }
}

#[test]
fn a_killed_restore_completes_when_run_again() {
    let place = Place::new();
    let place = place.path();
    let mut random = Random(SEED + 1);
    done(place, "init c --no-encryption");
    bash(
        place,
        "mkdir -p folder/a/b; seq 300 | while read i; do echo $i > folder/a/b/$i.txt; done; ln folder/a/b/1.txt folder/one",
    );
    (0..3).for_each(|number| night(place, &mut random, number));
    done(place, "backup c --dump d.sql --attachments folder");
    let restore = "restore c latest --to out";
    let began = Instant::now();
    done(place, restore);
    let whole = began.elapsed().as_micros() as u64;
    for round in 0..scale(6, 40) {
        bash(place, "rm -rf out");
        let delay = Duration::from_micros(random.below(whole));
        kill_after(place, restore, delay);
        let name = format!("seed {}, round {round}, killed after {delay:?}", SEED + 1);
        done(place, &format!("{restore} --compare"));
        bash(
            place,
            &format!(
                "diff -r folder out/attachments/folder && cmp d.sql out/database/d.sql || {{ echo '{name}' >&2; exit 1; }}"
            ),
        );
        let left = bash(place, "find out | wc -l; find folder | wc -l");
        let counts: Vec<u32> = left.lines().map(|line| line.trim().parse().expect("a count")).collect();
        assert_eq!(counts[0], counts[1] + 4, "{name}: nothing unfinished is left: {left}");
    }
}

#[test]
fn a_killed_init_leaves_no_container() {
    let place = Place::new();
    let place = place.path();
    let mut random = Random(SEED + 2);
    for round in 0..scale(8, 100) {
        let delay = Duration::from_micros(random.below(30_000));
        let finished = kill_after(place, "init c --no-encryption", delay);
        assert!(!finished || place.join("c").exists());
        if place.join("c").exists() {
            done(place, "verify c");
            bash(place, "rm c");
        }
        done(place, "init c --no-encryption");
        bash(
            place,
            &format!(
                "coffer verify c -q; rm c; test -z \"$(ls -A)\" || {{ echo 'round {round}, {delay:?}' >&2; ls -A >&2; exit 1; }}"
            ),
        );
    }
}
