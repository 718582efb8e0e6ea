//! A fake clock: sleeps, jumps, kills and failures at random, and the promises hold.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().expect(text);
    Timestamp { seconds: time.as_second(), nanoseconds: 0 }
}

fn nightly() -> Timing {
    let slots = Slots::weekly(None, &[22 * 60], Some("UTC")).expect("good");
    Timing { slots: Some(slots), retries: 2, retry_after: 900, words: String::new() }
}

fn due(position: &mut Position, timing: &Timing, now: &str) -> Option<(Cause, u32)> {
    position.tick(timing, at(now));
    position.due(at(now)).map(|due| (due.cause, due.attempt))
}

fn run(position: &mut Position, timing: &Timing, now: &str, outcome: RunOutcome) -> Next {
    position.begin();
    position.end(timing, outcome, true, at(now))
}

#[test]
fn the_newest_missed_slot_is_caught_up_once() {
    let timing = nightly();
    let mut position = Position::new(at("2026-11-20T23:00:00Z"));
    assert_eq!(due(&mut position, &timing, "2026-11-20T23:30:00Z"), None, "not its slot");
    assert_eq!(due(&mut position, &timing, "2026-11-21T22:00:20Z"), Some((Cause::Schedule, 1)));
    assert_eq!(run(&mut position, &timing, "2026-11-21T22:10:00Z", RunOutcome::Done), Next::Settled);
    assert_eq!(due(&mut position, &timing, "2026-11-25T08:00:00Z"), Some((Cause::CatchUp, 1)));
    assert_eq!(run(&mut position, &timing, "2026-11-25T08:10:00Z", RunOutcome::Warnings), Next::Settled);
    assert_eq!(due(&mut position, &timing, "2026-11-25T08:11:00Z"), None);
    // The clock goes back and forth.
    for now in ["2026-11-20T22:30:00Z", "2026-11-24T22:00:00Z", "2026-11-25T09:00:00Z"] {
        assert_eq!(due(&mut position, &timing, now), None, "{now}");
    }
    assert_eq!(position.next(&timing, at("2026-11-25T09:00:00Z")), Some(at("2026-11-25T22:00:00Z")));
}

#[test]
fn failures_are_tried_again_and_broken_runs_too_but_not_for_ever() {
    let timing = nightly();
    let mut position = Position::new(at("2026-11-20T21:00:00Z"));
    assert_eq!(due(&mut position, &timing, "2026-11-20T22:00:00Z"), Some((Cause::Schedule, 1)));
    let again = run(&mut position, &timing, "2026-11-20T22:01:00Z", RunOutcome::Failed);
    assert_eq!(again, Next::Again(at("2026-11-20T22:16:00Z")));
    assert_eq!(due(&mut position, &timing, "2026-11-20T22:15:00Z"), None);
    assert_eq!(due(&mut position, &timing, "2026-11-20T22:16:00Z"), Some((Cause::Retry, 2)));
    run(&mut position, &timing, "2026-11-20T22:16:00Z", RunOutcome::Failed);
    assert_eq!(due(&mut position, &timing, "2026-11-20T20:00:00Z"), None);
    assert_eq!(due(&mut position, &timing, "2026-11-20T20:15:00Z"), Some((Cause::Retry, 3)), "set back");
    assert_eq!(run(&mut position, &timing, "2026-11-20T20:16:00Z", RunOutcome::Failed), Next::GivenUp);
    assert_eq!(due(&mut position, &timing, "2026-11-21T21:00:00Z"), None);
    let mut starts = 0;
    while due(&mut position, &timing, "2026-11-21T22:00:00Z").is_some() {
        position.begin();
        position.resume(at("2026-11-21T22:00:00Z"));
        starts += 1;
        assert!(starts < 100, "a crash loop ends");
    }
    assert_eq!(starts, MAX_BROKEN + 1);
}

#[test]
fn a_clock_that_was_far_ahead_does_not_silence_a_scheme() {
    let timing = nightly();
    let mut position = Position::new(at("2026-11-20T21:00:00Z"));
    assert_eq!(due(&mut position, &timing, "2036-01-01T00:00:00Z"), Some((Cause::CatchUp, 1)));
    run(&mut position, &timing, "2036-01-01T00:01:00Z", RunOutcome::Done);
    assert!(position.tick(&timing, at("2026-11-20T21:30:00Z")).is_some());
    assert_eq!(due(&mut position, &timing, "2026-11-20T22:00:00Z"), Some((Cause::Schedule, 1)));
    run(&mut position, &timing, "2026-11-20T22:01:00Z", RunOutcome::Done);
    // A battery that ran out, and the time from the network.
    assert_eq!(due(&mut position, &timing, "2000-01-01T00:00:00Z"), None);
    assert_eq!(due(&mut position, &timing, "2026-11-20T22:30:00Z"), None, "it was taken");
    assert_eq!(due(&mut position, &timing, "2026-11-21T22:00:00Z"), Some((Cause::Schedule, 1)));
}

#[test]
fn positions_are_kept_and_a_damaged_one_begins_anew() {
    let folder = tempfile::tempdir().expect("folder");
    let positions = Positions::at(folder.path());
    let (mut position, warning) = positions.load("nightly", at("2026-11-20T21:00:00Z")).expect("new");
    assert!(warning.is_none() && positions.get("nightly") == Some(position.clone()));
    position.tick(&nightly(), at("2026-11-20T22:00:00Z"));
    position.begin();
    positions.save("nightly", &position).expect("kept");
    assert_eq!(positions.load("nightly", at("2030-01-01T00:00:00Z")).expect("there").0, position);
    std::fs::write(folder.path().join("schedule/nightly.json"), "{").expect("written");
    let (anew, warning) = positions.load("nightly", at("2026-11-21T00:00:00Z")).expect("anew");
    assert!(warning.is_some() && anew == Position::new(at("2026-11-21T00:00:00Z")));
}

#[derive(Clone, Debug)]
enum Happening {
    Wait(i64),
    Jump(i64),
    Restart,
    Finish(RunOutcome),
    Kill,
}

fn happening() -> impl Strategy<Value = Happening> {
    let outcomes = [
        RunOutcome::Done,
        RunOutcome::Warnings,
        RunOutcome::Failed,
        RunOutcome::Interrupted,
        RunOutcome::Damage,
    ];
    prop_oneof![
        6 => (0i64..40_000).prop_map(Happening::Wait),
        1 => (0i64..2_000_000).prop_map(Happening::Wait),
        1 => (-3_000_000i64..3_000_000).prop_map(Happening::Jump),
        1 => (-40_000i64..40_000).prop_map(Happening::Jump),
        1 => Just(Happening::Restart),
        6 => prop::sample::select(outcomes.to_vec()).prop_map(Happening::Finish),
        1 => Just(Happening::Kill),
    ]
}

fn timings() -> impl Strategy<Value = Timing> {
    let zones: &[&str] = &["UTC", "Europe/Berlin", "America/Denver", "Australia/Lord_Howe"];
    let zone = prop::sample::select(zones);
    (prop::collection::vec(0u16..1440, 1..4), 1u8..128, zone, 0u32..4, 0i64..4000).prop_map(
        |(minutes, days, zone, retries, retry_after)| {
            let slots = Slots::weekly(Some(days), &minutes, Some(zone)).expect("good");
            Timing { slots: Some(slots), retries, retry_after, words: String::new() }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_slot_is_done_twice_and_after_rest_nothing_is_left(timing in timings(), happenings in prop::collection::vec(happening(), 1..120)) {
        let mut now = at("2026-02-01T00:00:00Z");
        let mut position = Position::new(now);
        let mut running: Option<Due> = None;
        let mut done: BTreeMap<i64, u32> = BTreeMap::new();
        let mut begun: BTreeMap<i64, u32> = BTreeMap::new();
        for happening in happenings {
            match happening {
                Happening::Wait(seconds) | Happening::Jump(seconds) => now = now.plus_seconds(seconds),
                Happening::Restart if running.is_none() => position.resume(now),
                Happening::Kill | Happening::Restart => {
                    // What is kept is what a new daemon reads.
                    let kept = serde_json::to_vec(&position).expect("kept");
                    position = serde_json::from_slice(&kept).expect("read");
                    position.resume(now);
                    running = None;
                }
                Happening::Finish(outcome) => if let Some(due) = running.take() {
                    position.end(&timing, outcome, true, now);
                    let is_final = !matches!(outcome, RunOutcome::Failed | RunOutcome::Interrupted);
                    *done.entry(due.slot.seconds).or_default() += u32::from(is_final);
                },
            }
            if running.is_none() {
                position.tick(&timing, now);
                if let Some(due) = position.due(now) {
                    prop_assert_eq!(position.due(now), Some(due), "asking changes nothing");
                    position.begin();
                    prop_assert_eq!(position.due(now), None);
                    *begun.entry(due.slot.seconds).or_default() += 1;
                    running = Some(due);
                }
            }
        }
        prop_assert!(done.values().all(|count| *count <= 1), "{done:?}");
        let limit = 2 + timing.retries + MAX_BROKEN;
        prop_assert!(begun.values().all(|count| *count <= limit), "{begun:?}");
        // Whatever was before: when the clock is right and runs succeed, a long sleep gives one run more.
        position.resume(now);
        now = now.plus_seconds(4_000);
        position.tick(&timing, now);
        position.begin();
        position.end(&timing, RunOutcome::Done, true, now);
        now = now.plus_seconds(40 * 86_400);
        let newest = timing.slots.as_ref().and_then(|slots| slots.last_due(now)).expect("a slot");
        let was_taken = position.taken.contains(&newest.seconds) || newest.seconds <= position.floor;
        position.tick(&timing, now);
        let due = position.due(now).map(|due| due.slot);
        prop_assert_eq!(due, Some(newest).filter(|_| !was_taken));
        position.begin();
        position.end(&timing, RunOutcome::Done, true, now);
        position.tick(&timing, now);
        prop_assert_eq!(position.due(now), None);
    }
}
