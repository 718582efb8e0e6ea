//! Which days count as days without a backup.

use super::*;
use crate::schedule::Slots;
use crate::schemes::run::examples;

fn run(started: &str, outcome: RunOutcome) -> RunRecord {
    let step = examples::step(StepKind::Backup, started, outcome);
    RunRecord { finished: Some(started.into()), ..examples::run(started, outcome, vec![step]) }
}

fn gaps(month: &str, runs: &[RunRecord], now: &str) -> Vec<String> {
    let now = parse_time(now).expect("a time");
    let period = Period::new(None, None, Some(month), Some("Europe/Berlin"), now).expect("a month");
    let slots = Slots::weekly(Some(0b1_1111), &[22 * 60], Some("Europe/Berlin")).expect("slots");
    period.gaps(&slots, runs, now)
}

#[test]
fn a_day_counts_as_missed_only_if_its_slot_had_no_good_run_before_the_next() {
    // Monday 2026-03-23 to Friday; the clocks change on Sunday the 29th.
    let runs = [
        run("2026-03-23T21:00:01Z", RunOutcome::Done),
        run("2026-03-25T06:00:00Z", RunOutcome::Warnings), // Tuesday's, caught up in the morning
        run("2026-03-25T21:00:01Z", RunOutcome::Failed),
        run("2026-03-29T06:00:00Z", RunOutcome::Done), // Friday's, on Sunday
        run("2026-03-30T20:00:01Z", RunOutcome::Done), // Monday's, in summer time
    ];
    assert_eq!(gaps("2026-03", &runs, "2026-04-05T00:00:00Z"), ["2026-03-25", "2026-03-26", "2026-03-31"]);
    // What is still to come is no gap, and neither is what was before the first run.
    assert_eq!(gaps("2026-03", &runs, "2026-03-31T21:00:00Z"), ["2026-03-25", "2026-03-26"]);
    assert_eq!(gaps("2026-03", &[], "2026-04-05T00:00:00Z"), Vec::<String>::new());
}

#[test]
fn days_are_those_of_the_zone() {
    let now = parse_time("2026-10-31T23:30:00Z").expect("a time");
    let period = |from, to, month| Period::new(from, to, month, Some("Europe/Berlin"), now);
    let today = period(None, None, None).expect("this month");
    assert_eq!((today.first_day(), today.last_day()), ("2026-11-01".into(), "2026-11-01".into()));
    assert!(today.holds(now));
    let february = period(None, None, Some("2028-02")).expect("a month");
    assert_eq!(february.last_day(), "2028-02-29");
    for (from, to, month) in [
        (Some("2026-02-30"), None, None),
        (Some("2026-02-02"), Some("2026-02-01"), None),
        (None, None, Some("2026-00")),
        (None, None, Some("October")),
    ] {
        assert_eq!(period(from, to, month).expect_err("none").kind(), crate::error::Kind::Usage);
    }
}
