//! What becomes of a log that somebody, or a power cut, has had hands on.

use super::*;
use crate::error::Kind;
use std::fs;

fn act(what: &str) -> Act {
    let mut act = Act::new("2026-10-01T00:00:00Z".into(), "anna@office".into(), what, "done");
    act.object = Some("night.coffer".into());
    act.facts.insert("added_bytes".into(), 7.into());
    act
}

fn log_of(count: usize) -> (tempfile::TempDir, AuditLog) {
    let folder = tempfile::tempdir().expect("folder");
    let log = AuditLog::at(&folder.path().join("state"));
    for number in 0..count {
        log.append(&act(&format!("act {number}"))).expect("written");
    }
    (folder, log)
}

fn broken(log: &AuditLog) -> Option<u64> {
    verify(log, &[]).expect("read").broken.map(|(line, _)| line)
}

#[test]
fn a_log_that_nobody_touched_holds() {
    let (_folder, log) = log_of(5);
    let found = verify(&log, &[]).expect("read");
    assert_eq!((found.entries, found.broken, found.notes), (5, None, vec![]));
    assert_eq!(entries(&log).expect("read").iter().map(|e| e.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let none = AuditLog::at(&log.folder.join("none"));
    assert_eq!(verify(&none, &[]).expect_err("none").kind(), Kind::NotFound);
}

#[test]
fn every_changed_byte_is_found_in_its_line() {
    let (_folder, log) = log_of(4);
    let whole = fs::read(log.file()).expect("read");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(log.file(), &changed).expect("written");
        let line = whole[..at].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
        let found = broken(&log);
        // A line end that is gone joins two lines; the last one's makes it a torn line that the head names.
        assert_eq!(found, Some(line), "byte {at}: {}", String::from_utf8_lossy(&whole[at..at + 1]));
    }
}

#[test]
fn lines_taken_out_put_in_moved_or_cut_off_are_found() {
    let (_folder, log) = log_of(5);
    let whole = fs::read_to_string(log.file()).expect("read");
    let lines: Vec<&str> = whole.lines().collect();
    let other = act("forged").line(3, &hash_of(lines[1].as_bytes())).expect("a line");
    let mut cases: Vec<(&str, Vec<&str>, u64)> = Vec::new();
    for gone in 0..5 {
        let rest = lines.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, line)| *line).collect();
        cases.push(("removed", rest, gone as u64 + 1));
    }
    cases.push(("swapped", vec![lines[0], lines[2], lines[1], lines[3], lines[4]], 2));
    cases.push(("twice", vec![lines[0], lines[1], lines[1], lines[2], lines[3], lines[4]], 3));
    cases.push(("forged in the middle", vec![lines[0], lines[1], &other, lines[3], lines[4]], 4));
    cases.push(("forged at the end", vec![lines[0], lines[1], &other], 4));
    cases.push(("cut", lines[..3].to_vec(), 4));
    cases.push(("empty", vec![], 1));
    for (name, kept, line) in cases {
        let text: String = kept.iter().map(|line| format!("{line}\n")).collect();
        fs::write(log.file(), text).expect("written");
        assert_eq!(broken(&log), Some(line), "{name}");
    }
    fs::remove_file(log.file()).expect("removed");
    assert_eq!(broken(&log), Some(1), "the file is gone, the head is not");
}

#[test]
fn no_later_line_hides_a_break() {
    for cut in 0..5 {
        let (_folder, log) = log_of(5);
        let whole = fs::read_to_string(log.file()).expect("read");
        let kept: String = whole.lines().take(cut).map(|line| format!("{line}\n")).collect();
        fs::write(log.file(), kept).expect("written");
        for _ in 0..3 {
            log.append(&act("later")).expect("written");
        }
        assert_eq!(broken(&log), Some(cut as u64 + 1), "cut to {cut}");
    }
    let (_folder, log) = log_of(3);
    let text = fs::read_to_string(log.file()).expect("read").replace("act 2", "act 9");
    fs::write(log.file(), text).expect("written");
    log.append(&act("later")).expect("written");
    assert_eq!(broken(&log), Some(3));
}

#[test]
fn a_torn_line_is_healed_and_told_at_every_length() {
    let (_folder, log) = log_of(2);
    let before = fs::read(log.file()).expect("read");
    let head = fs::read(log.head_file()).expect("read");
    log.append(&act("torn")).expect("written");
    let after = fs::read(log.file()).expect("read");
    for length in before.len() + 1..after.len() {
        fs::write(log.file(), &after[..length]).expect("written");
        fs::write(log.head_file(), &head).expect("written");
        assert!(broken(&log).is_none(), "{length}");
        log.append(&act("next")).expect("written");
        let found = verify(&log, &[]).expect("read");
        assert_eq!((found.entries, found.broken), (4, None), "{length}");
        assert!(found.notes.iter().any(|note| note.contains("line 3: a torn line")), "{:?}", found.notes);
    }
}

#[test]
fn a_head_that_is_missing_is_told_for_ever_and_one_that_was_printed_must_fit() {
    let (_folder, log) = log_of(3);
    let printed = verify(&log, &[]).expect("read").head.expect("a head");
    fs::remove_file(log.head_file()).expect("removed");
    assert!(verify(&log, &[]).expect("read").notes[0].contains("missing"));
    log.append(&act("next")).expect("written");
    let found = verify(&log, &[Witness::given(&printed)]).expect("read");
    assert_eq!((found.entries, &found.broken), (5, &None));
    assert!(found.notes[0].contains("line 4: the second copy of the head was missing"), "{:?}", found.notes);
    // Somebody who makes all of it anew cannot make it fit what is on paper.
    let (_other, other) = log_of(2);
    assert_eq!(verify(&other, &[Witness::given(&printed)]).expect("read").broken.map(|b| b.0), Some(3));
    other.append(&act("x")).expect("written");
    assert_eq!(verify(&other, &[Witness::given(&printed)]).expect("read").broken.map(|b| b.0), Some(3));
}

#[test]
fn a_crash_between_line_and_head_leaves_a_chain_that_holds() {
    let (_folder, log) = log_of(1);
    fs::remove_file(log.head_file()).expect("removed");
    log.append(&act("second")).expect("written");
    let head = fs::read(log.head_file()).expect("read");
    log.append(&act("third")).expect("written");
    fs::write(log.head_file(), head).expect("written");
    log.append(&act("fourth")).expect("written");
    let found = verify(&log, &[]).expect("read");
    assert_eq!((found.entries, found.broken, found.notes), (4, None, vec![]));
}

#[test]
fn many_writers_at_once_make_one_chain() {
    let (_folder, log) = log_of(0);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let log = &log;
            scope.spawn(move || {
                for round in 0..10 {
                    log.append(&act(&format!("{writer}/{round}"))).expect("written");
                }
            });
        }
    });
    let found = verify(&log, &[]).expect("read");
    assert_eq!((found.entries, found.broken), (80, None));
}
