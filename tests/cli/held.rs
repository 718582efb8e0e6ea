//! A container that another process holds, and signals.

use crate::program::{COFFER, Place, bash, coffer, command, done, result};
use coffer::attachments::restore::RestoreOptions;
use coffer::container::Access;
use coffer::operations::restore::{RestorePlan, restore};
use coffer::operations::select::Selection;
use coffer::operations::session;
use coffer::progress::Progress;
use coffer::snapshot::Catalog;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn prepared() -> Place {
    let place = Place::new();
    bash(place.path(), "seq 100000 > d.sql");
    done(place.path(), "init c --no-encryption");
    done(place.path(), "backup c --dump d.sql");
    place
}

/// A backup that holds the container until a line is sent to the pipe `go`.
pub fn holder(place: &Place) -> Child {
    bash(place.path(), "rm -f go; mkfifo go");
    let script = "cat d.sql; touch reading; cat go";
    let child = command(COFFER, place.path())
        .args(["backup", "c", "--json", "--dump-command", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("coffer runs");
    let began = Instant::now();
    while !place.join("reading").exists() {
        assert!(began.elapsed() < Duration::from_secs(30), "the backup never read its dump");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn snapshots(place: &Place) -> usize {
    done(place.path(), "snapshots c").lines().count()
}

#[test]
fn a_second_writer_is_told_at_once_and_may_wait() {
    let place = prepared();
    let child = holder(&place);
    let began = Instant::now();
    let output = coffer(place.path(), "backup c --dump d.sql --json");
    assert_eq!(output.status.code(), Some(11));
    assert_eq!(result(&output.stdout)["error"]["code"], "busy");
    assert!(began.elapsed() < Duration::from_secs(10));
    let began = Instant::now();
    assert_eq!(coffer(place.path(), "backup c --dump d.sql --lock-wait 1s").status.code(), Some(11));
    assert!(began.elapsed() >= Duration::from_secs(1));
    // Readers are not kept out, and a copy only reads.
    assert_eq!(snapshots(&place), 1);
    done(place.path(), "init d --no-encryption --copy-of c");
    done(place.path(), "copy c --to d --verify full");
    assert_eq!(coffer(place.path(), "verify c").status.code(), Some(0));
    let waiting = command(COFFER, place.path())
        .args(["backup", "c", "--dump", "d.sql", "--lock-wait", "60"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut waiting = waiting.expect("coffer runs");
    bash(place.path(), "echo the end > go");
    let first = child.wait_with_output().expect("it ends");
    assert_eq!(first.status.code(), Some(0), "{}", result(&first.stdout));
    assert_eq!(waiting.wait().expect("it ends").code(), Some(0));
    assert_eq!(snapshots(&place), 3);
}

#[test]
fn a_signal_ends_a_backup_and_nothing_is_committed() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = prepared();
        let before = std::fs::read(place.join("c")).expect("a container");
        let child = holder(&place);
        let began = Instant::now();
        kill_process(Pid::from_child(&child), signal).expect("a signal");
        let output = child.wait_with_output().expect("it ends");
        assert!(began.elapsed() < Duration::from_secs(10), "a silent dump does not keep it");
        let found = result(&output.stdout);
        assert_eq!((output.status.code(), &found["status"]), (Some(130), &"interrupted".into()), "{found}");
        assert_eq!(snapshots(&place), 1);
        done(place.path(), "verify c");
        let after = std::fs::read(place.join("c")).expect("a container");
        assert!(after.len() >= before.len());
    }
}

#[test]
fn a_reader_holds_up_no_backup_and_loses_nothing_to_it() {
    let place = Place::new();
    bash(place.path(), "mkdir folder; head -c 5000000 /dev/urandom > folder/a; cp -r folder before");
    done(place.path(), "init c --no-encryption --segment-size 1M");
    done(place.path(), "backup c --attachments folder");
    let reader = session::open(&place.join("c"), &[], Access::Read, Duration::ZERO).expect("it opens");
    for _ in 0..4 {
        bash(place.path(), "head -c 3000000 /dev/urandom > folder/a");
        done(place.path(), "backup c --attachments folder");
    }
    let record = Catalog::read(&reader.store).expect("its own catalog").snapshots.remove(0);
    let plan = RestorePlan {
        selection: Selection::default(),
        target: place.join("out"),
        options: RestoreOptions::default(),
        compare: true,
        sync: false,
    };
    let pool = session::pool(1).expect("a pool");
    let report = restore(&reader.store, &record, &plan, &pool, &Progress::default()).expect("restored");
    assert!(report.damaged.is_empty() && report.wrong_contents.is_empty(), "{report:?}");
    bash(place.path(), "diff -r before out/attachments/folder");
}

#[test]
fn a_container_replaced_under_a_backup_is_told_and_the_next_backup_is_kept() {
    for (what, left) in [("cp c other; mv other c", 1), ("rm c", 0), ("mv c elsewhere", 0)] {
        let place = prepared();
        let child = holder(&place);
        bash(place.path(), &format!("{what}; echo the end > go"));
        let output = child.wait_with_output().expect("it ends");
        let found = result(&output.stdout);
        assert_eq!(
            (output.status.code(), &found["error"]["code"]),
            (Some(14), &"destination".into()),
            "{found}"
        );
        if left > 0 {
            assert_eq!(snapshots(&place), left, "{what}: what was written is not there");
            done(place.path(), "backup c --dump d.sql");
            assert_eq!(snapshots(&place), left + 1);
        }
    }
}
