//! Retention against a naive model, against forged times, and over whole small calendars.

use super::calendar::Wall;
use super::*;
use crate::clock::Timestamp;
use crate::ids::SnapshotId;
use proptest::prelude::*;
use std::collections::BTreeSet;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2026-01-05, a Monday, at midnight in UTC.
const MONDAY: i64 = 1_767_571_200;

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanoseconds: 0 }
}

fn snapshot(number: usize, seconds: i64) -> Snapshot {
    let mut id = SnapshotId::ZERO;
    id.0[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Snapshot {
        id,
        time: at(seconds),
        tags: Vec::new(),
        sources: vec![b"database/d.sql".to_vec()],
        is_complete: true,
        is_verified: false,
        is_pinned: false,
    }
}

fn snapshots(times: &[i64]) -> Vec<Snapshot> {
    times.iter().enumerate().map(|(number, &seconds)| snapshot(number, seconds)).collect()
}

fn utc(rules: &[(Period, u32)]) -> Policy {
    let mut policy = Policy::default();
    policy.calendar.time_zone = "UTC".into();
    rules.iter().for_each(|&(every, count)| policy.set(Rule { every, count }));
    policy
}

fn kept(snapshots: &[Snapshot], policy: &Policy, now: i64) -> Vec<usize> {
    let verdicts = decide(snapshots, policy, &Selection::default(), at(now)).expect("a policy");
    let reasoned = |v: &Verdict| !v.reasons.is_empty() && v.reasons.iter().all(|r| r.keeps() == v.is_kept);
    assert!(verdicts.iter().all(reasoned), "{verdicts:?}");
    (0..snapshots.len()).filter(|&n| verdicts[n].is_kept).collect()
}

/// Positions kept, by the definition of each rule, for times that never fall: looks at pairs only.
fn naive(times: &[i64], policy: &Policy, now: i64) -> Vec<usize> {
    let wall = Wall::new(&policy.calendar).expect("a calendar");
    let local = |n: usize| wall.local(at(times[n]));
    let stands_for = |every, n: usize| {
        let rivals =
            (0..times.len()).filter(|&m| wall.period(every, &local(m)) == wall.period(every, &local(n)));
        let weight = |m: &usize| (every != Period::BusinessDay || !wall.is_off(&local(*m)), *m);
        rivals.max_by_key(weight) == Some(n)
    };
    let keeps = |rule: &Rule, n: usize| match rule.every {
        Period::Commit => n + rule.count as usize >= times.len(),
        every => {
            let own = wall.period(every, &local(n));
            let later: BTreeSet<i64> =
                (0..times.len()).map(|m| wall.period(every, &local(m))).filter(|&p| p > own).collect();
            stands_for(every, n) && later.len() < rule.count as usize
        }
    };
    let newest = times.len().wrapping_sub(1);
    let within = |n: usize| policy.within_seconds.is_some_and(|w| times[newest] - times[n] <= w as i64);
    let young = |n: usize| now - times[n] < policy.min_age_seconds as i64;
    (0..times.len())
        .filter(|&n| n == newest || within(n) || young(n) || policy.rules.iter().any(|r| keeps(r, n)))
        .collect()
}

fn any_rules() -> impl Strategy<Value = Vec<(Period, u32)>> {
    let rule = (prop::sample::select(Period::ALL.to_vec()), prop_oneof![1u32..6, Just(EVERY)]);
    prop::collection::vec(rule, 1..4)
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let zone = prop::sample::select(vec![
        "UTC",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "NPT-5:45",
        "<-03>3<-02>,M10.3.0/0,M2.3.0/0",
    ]);
    let parts = (
        any_rules(),
        prop::option::of(1u64..90 * DAY as u64),
        0u64..20 * DAY as u64,
        1u8..128,
        1u8..13,
        zone,
    );
    parts.prop_map(|(rules, within, min_age, business_days, fiscal_year_end, zone)| {
        let mut policy = utc(&rules);
        policy.within_seconds = within;
        policy.min_age_seconds = min_age;
        policy.calendar = Calendar { business_days, fiscal_year_end, time_zone: zone.into() };
        policy
    })
}

/// Times that never fall, with gaps from minutes to months, over some years.
fn rising() -> impl Strategy<Value = Vec<i64>> {
    let gap = prop_oneof![0..2 * HOUR, 0..3 * DAY, 0..60 * DAY, Just(DAY)];
    prop::collection::vec(gap, 1..50)
        .prop_map(|gaps| gaps.iter().scan(MONDAY, |time, gap| Some((*time += gap, *time).1)).collect())
}

/// Rising times with others between them, each with whether it is one of the rising.
fn mixed(
    false_time: impl Fn(&[i64], usize, u64) -> Option<i64>,
    rising: &[i64],
    places: &[(usize, u64)],
) -> Vec<(bool, i64)> {
    let mut out: Vec<Vec<(bool, i64)>> = rising.iter().map(|&time| vec![(true, time)]).collect();
    for &(place, random) in places {
        let place = place % rising.len();
        out[place].extend(false_time(rising, place, random).map(|time| (false, time)));
    }
    out.concat()
}

/// That what is kept of the rising times alone is kept among the others, too.
fn holds_its_own(rising: &[i64], all: &[(bool, i64)], policy: &Policy, now: i64) {
    let alone = kept(&snapshots(rising), policy, now);
    let times: Vec<i64> = all.iter().map(|&(_, time)| time).collect();
    let together: BTreeSet<usize> = kept(&snapshots(&times), policy, now).into_iter().collect();
    let places: Vec<usize> = (0..all.len()).filter(|&n| all[n].0).collect();
    for n in alone {
        assert!(together.contains(&places[n]), "the one of {} drops out of {all:?}", rising[n]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, rng_seed: proptest::test_runner::RngSeed::Fixed(4), failure_persistence: None, ..Default::default() })]

    #[test]
    fn right_clocks_are_judged_as_the_rules_say(times in rising(), policy in any_policy(), wait in 0..100 * DAY) {
        let now = times[times.len() - 1] + wait;
        prop_assert_eq!(kept(&snapshots(&times), &policy, now), naive(&times, &policy, now));
    }

    #[test]
    fn times_before_that_of_an_earlier_commit_drop_nobody(
        times in rising(), places in prop::collection::vec((0usize..50, any::<u64>()), 1..60),
        policy in any_policy(), wait in 0..100 * DAY,
    ) {
        let now = times[times.len() - 1] + wait;
        let mut policy = policy;
        policy.rules.retain(|rule| rule.every != Period::Commit);
        policy.set(Rule { every: Period::Day, count: 3 });
        let too_early = |rising: &[i64], place: usize, random: u64| match random % 5 {
            0 => Some(now + 1 + (random >> 8) as i64 % (3000 * DAY)),
            1 => Some(i64::MIN),
            _ => Some(rising[place] - 1 - (random >> 8) as i64 % (200 * DAY)),
        };
        holds_its_own(&times, &mixed(too_early, &times, &places), &policy, now);
    }

    #[test]
    fn times_behind_that_of_a_later_commit_drop_nobody(
        times in rising(), places in prop::collection::vec((0usize..50, any::<u64>()), 1..60),
        policy in any_policy(), wait in 0..100 * DAY,
    ) {
        let now = times[times.len() - 1] + wait;
        let mut policy = policy;
        policy.rules.retain(|rule| rule.every != Period::Commit);
        policy.set(Rule { every: Period::Month, count: 2 });
        let too_late = |rising: &[i64], place: usize, random: u64| match (random % 4, rising.get(place + 1)) {
            (0, _) => Some(i64::MAX - (random >> 8) as i64 % DAY),
            (_, Some(next)) => Some(next + 1 + (random >> 8) as i64 % (200 * DAY)),
            (_, None) => Some(now + 1 + (random >> 8) as i64 % (200 * DAY)),
        };
        holds_its_own(&times, &mixed(too_late, &times, &places), &policy, now);
    }

    #[test]
    fn whatever_the_times_are_the_promises_hold(
        times in prop::collection::vec(prop_oneof![any::<i64>(), MONDAY..MONDAY + 900 * DAY], 1..60),
        every in prop::sample::select(Period::ALL[1..].to_vec()), count in 1u32..5, last in 1u32..9,
        flags in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 60),
        verified in 0u32..4, now in MONDAY..MONDAY + 900 * DAY,
    ) {
        let mut all = snapshots(&times);
        for (snapshot, flags) in all.iter_mut().zip(flags) {
            (snapshot.is_pinned, snapshot.is_verified, snapshot.is_complete) = flags;
        }
        let newest = times.len() - 1;
        // A rule keeps no more than four times its count.
        let mut plain = all.clone();
        plain.iter_mut().for_each(|s| (s.is_pinned, s.is_complete) = (false, true));
        prop_assert!(kept(&plain, &utc(&[(every, count)]), now).len() <= 4 * count as usize + 1);
        // The last are the last in commit order.
        let only_last: Vec<usize> = (times.len().saturating_sub(last as usize)..times.len()).collect();
        prop_assert_eq!(kept(&plain, &utc(&[(Period::Commit, last)]), now), only_last);
        // What is protected stays.
        let mut policy = utc(&[(every, count)]);
        policy.protect_verified = verified;
        let stay: BTreeSet<usize> = kept(&all, &policy, now).into_iter().collect();
        prop_assert!(stay.contains(&newest));
        prop_assert!((0..all.len()).all(|n| !all[n].is_pinned || stay.contains(&n)));
        let proven = (0..all.len()).rev().filter(|&n| all[n].is_verified).take(verified as usize);
        prop_assert!(proven.into_iter().all(|n| stay.contains(&n)));
        prop_assert!((0..all.len()).rev().find(|&n| all[n].is_complete).is_none_or(|n| stay.contains(&n)));
        // A further rule never drops what is kept without it.
        policy.set(Rule { every: Period::Commit, count: last });
        prop_assert!(stay.is_subset(&kept(&all, &policy, now).into_iter().collect()));
    }

    #[test]
    fn pruning_every_night_keeps_what_pruning_once_keeps(times in rising(), policy in any_policy()) {
        let (mut held, mut held_times): (Vec<usize>, Vec<i64>) = (Vec::new(), Vec::new());
        for (number, &time) in times.iter().enumerate() {
            held.push(number);
            held_times.push(time);
            let stay = kept(&snapshots(&held_times), &policy, time);
            held = stay.iter().map(|&n| held[n]).collect();
            held_times = stay.iter().map(|&n| held_times[n]).collect();
        }
        prop_assert_eq!(held, kept(&snapshots(&times), &policy, times[times.len() - 1]));
    }

    #[test]
    fn periods_of_the_wall_follow_time(seconds in prop_oneof![any::<i64>(), 0..4_000_000_000i64], step in 0..40 * DAY, days in 1u8..128, end in 1u8..13) {
        let wall = Wall::new(&Calendar { business_days: days, fiscal_year_end: end, time_zone: "CET-1CEST,M3.5.0,M10.5.0/3".into() }).expect("a calendar");
        let (a, b) = (wall.local(at(seconds)), wall.local(at(seconds.saturating_add(step))));
        for every in Period::ALL {
            prop_assert!(wall.period(every, &a) <= wall.period(every, &b), "{every:?}");
            let (same, label) = (wall.period(every, &a) == wall.period(every, &b), wall.label(every, &a));
            prop_assert!(!same || every == Period::Hour || label == wall.label(every, &b), "{every:?} {label}");
        }
    }
}

/// Every set of days out of two weeks that begin with a Monday, for every rule of days and weeks.
#[test]
fn every_fortnight_there_is() {
    for days in 1u32..1 << 14 {
        let times: Vec<i64> =
            (0..14).filter(|day| days >> day & 1 == 1).map(|day| MONDAY + day * DAY).collect();
        let all = snapshots(&times);
        let date = |n: usize| (times[n] - MONDAY) / DAY;
        let (every, count) =
            [(Period::BusinessDay, 1 + days % 5), (Period::Week, 1), (Period::Day, 1 + days % 7)]
                [days as usize % 3];
        let stay = kept(&all, &utc(&[(every, count)]), times[times.len() - 1]);
        let expected: BTreeSet<usize> = match every {
            Period::Day => (0..all.len()).rev().take(count as usize).collect(),
            Period::Week => [all.len() - 1].into(),
            _ => {
                let business = |n: &usize| date(*n) % 7 < 5;
                let fridays = (0..2).filter_map(|week| {
                    let last = (0..all.len()).rfind(|n| date(*n) / 7 == week && date(*n) % 7 >= 5)?;
                    (0..all.len()).all(|n| date(n) != week * 7 + 4).then_some(last)
                });
                let mut standing: Vec<usize> = (0..all.len()).filter(business).chain(fridays).collect();
                standing.sort_unstable();
                standing.into_iter().rev().take(count as usize).chain([all.len() - 1]).collect()
            }
        };
        assert_eq!(stay, expected.into_iter().collect::<Vec<_>>(), "{every:?} {count} of days {days:014b}");
    }
}

/// Three years of nights: what a practice is told to keep.
#[test]
fn the_practice_preset_over_three_years() {
    let nights: Vec<i64> = (0..3 * 365).map(|night| MONDAY + night * DAY + 20 * HOUR).collect();
    let mut policy = Policy { rules: Policy::preset("practice").expect("a preset"), ..utc(&[]) };
    policy.calendar.fiscal_year_end = 9;
    let all = snapshots(&nights);
    let verdicts =
        decide(&all, &policy, &Selection::default(), at(nights[nights.len() - 1])).expect("a policy");
    let of = |every: Period| {
        let labels = verdicts.iter().flat_map(|v| &v.reasons).filter_map(move |reason| match reason {
            Reason::Last { every: found, label } if *found == every => Some(label.as_str()),
            _ => None,
        });
        labels.collect::<Vec<_>>()
    };
    // The last night is that of 2029-01-03, a Wednesday.
    assert_eq!(of(Period::BusinessDay)[0], "2028-12-21");
    assert_eq!(of(Period::BusinessDay).len(), 10);
    assert_eq!((of(Period::Month).len(), of(Period::Month)[0]), (36, "2026-02"));
    assert_eq!(of(Period::Quarter).len(), 13);
    assert_eq!(of(Period::FiscalYear), ["2026", "2027", "2028", "2029"]);
    let wall = Wall::new(&policy.calendar).expect("a calendar");
    let end = (0..all.len()).find(|&n| wall.label(Period::Day, &wall.local(all[n].time)) == "2027-09-30");
    assert!(verdicts[end.expect("a night")].is_kept);
}

#[test]
fn clocks_put_forward_and_back() {
    let hours = |zone: &str, from: &str, count: i64| {
        let wall =
            Wall::new(&Calendar { time_zone: zone.into(), ..Calendar::default() }).expect("a calendar");
        let from = from.parse::<jiff::Timestamp>().expect("a time").as_second();
        let found = |every| {
            let half_hours = (0..2 * count).map(|n| wall.local(at(from + n * HOUR / 2)));
            half_hours.map(|local| wall.period(every, &local)).collect::<BTreeSet<_>>().len()
        };
        (found(Period::Hour), found(Period::Day))
    };
    // Berlin, the day of 23 hours and the day of 25; New York; Lord Howe moves by half an hour.
    assert_eq!(hours("Europe/Berlin", "2026-03-28T23:00:00Z", 23), (23, 1));
    assert_eq!(hours("Europe/Berlin", "2026-10-24T22:00:00Z", 25), (25, 1));
    assert_eq!(hours("America/New_York", "2026-11-01T04:00:00Z", 25), (25, 1));
    assert_eq!(hours("Australia/Lord_Howe", "2026-04-04T13:00:00Z", 24), (25, 1));
    // Midnight in Kathmandu is 18:15 in UTC.
    assert_eq!(hours("Asia/Kathmandu", "2026-01-30T18:15:00Z", 24), (24, 1));
}

#[test]
fn a_night_belongs_to_the_day_of_its_zone() {
    // 23:30 and 00:30 in Berlin, both on the same day in UTC.
    let all = snapshots(&[MONDAY + 22 * HOUR + HOUR / 2, MONDAY + 23 * HOUR + HOUR / 2]);
    let mut policy = utc(&[(Period::Day, 2)]);
    assert_eq!(kept(&all, &policy, MONDAY + 2 * DAY), [1]);
    policy.calendar.time_zone = "Europe/Berlin".into();
    assert_eq!(kept(&all, &policy, MONDAY + 2 * DAY), [0, 1]);
}

#[test]
fn weeks_begin_with_the_first_business_day() {
    let sunday_to_thursday = 0b100_1111;
    let mut policy = utc(&[(Period::Week, 2)]);
    policy.calendar.business_days = sunday_to_thursday;
    // Saturday and Sunday belong to different weeks there, Sunday and Monday to one.
    let weekend = snapshots(&[MONDAY + 5 * DAY, MONDAY + 6 * DAY, MONDAY + 7 * DAY]);
    assert_eq!(kept(&weekend, &policy, MONDAY + 9 * DAY), [0, 2]);
    policy.calendar = Calendar { time_zone: "UTC".into(), ..Calendar::default() };
    assert_eq!(kept(&weekend, &policy, MONDAY + 9 * DAY), [1, 2]);
}

#[test]
fn a_forged_week_pushes_no_night_out() {
    let nights: Vec<i64> = (0..10).map(|night| MONDAY + night * DAY).collect();
    let policy = utc(&[(Period::Day, 7)]);
    let now = MONDAY + 10 * DAY;
    for forged in [MONDAY + 3000 * DAY, MONDAY - 3000 * DAY, MONDAY + DAY / 2] {
        let mut times = nights.clone();
        times.extend((0..7).map(|n| forged + n * DAY).filter(|&t| t > now || t < nights[9]));
        let stay = kept(&snapshots(&times), &policy, now);
        assert!((3..10).all(|n| stay.contains(&n)), "{forged}: {stay:?}");
    }
    // The clock of the machine that prunes fell back: everything lies in its future.
    assert_eq!(kept(&snapshots(&nights), &policy, 0), (3..10).collect::<Vec<_>>());
}

#[test]
fn snapshots_give_way_only_to_those_that_hold_as_much() {
    let mut all = snapshots(&[MONDAY, MONDAY + 1, MONDAY + 2, MONDAY + 3]);
    all[0].sources = vec![b"database/d.sql".to_vec(), b"attachments/x".to_vec()];
    all[1].sources = vec![b"attachments/x".to_vec()];
    let policy = utc(&[(Period::Day, 1)]);
    assert_eq!(kept(&all, &policy, MONDAY + DAY), [0, 1, 3], "the X-rays are in 0 and 1 only");
    all[3].sources = all[0].sources.clone();
    assert_eq!(kept(&all, &policy, MONDAY + DAY), [3]);
    all[2].sources.clear();
    let together = Policy { series: Series::Together, ..policy.clone() };
    all[3].sources.clear();
    assert_eq!(kept(&all, &together, MONDAY + DAY), [3]);
    // By tags, and asked about one tag or source only.
    all[0].tags = vec!["monthly".into()];
    let tags = Policy { series: Series::Tags, ..policy };
    assert_eq!(kept(&all, &tags, MONDAY + DAY), [0, 3]);
    let asked = |tags: &[&str], sources: &[&str]| {
        let selection = Selection {
            tags: tags.iter().map(|t| t.to_string()).collect(),
            sources: sources.iter().map(|s| s.as_bytes().to_vec()).collect(),
        };
        let verdicts = decide(&all, &together, &selection, at(MONDAY + DAY)).expect("a policy");
        (0..all.len()).filter(|&n| verdicts[n].is_kept).collect::<Vec<_>>()
    };
    assert_eq!(asked(&["monthly"], &[]), [0, 1, 2, 3]);
    assert_eq!(asked(&[], &["x"]), [1, 2, 3]);
    assert_eq!(asked(&[], &["attachments/x", "nothing"]), [1, 2, 3]);
    assert_eq!(asked(&[], &["database"]), [0, 1, 2, 3]);
}

#[test]
fn impossible_policies_are_refused() {
    let good = utc(&[(Period::Day, 1)]);
    assert!(good.check().is_ok());
    let bad = [
        utc(&[]),
        utc(&[(Period::Day, 0)]),
        Policy { rules: vec![Rule { every: Period::Day, count: 1 }; 2], ..Policy::default() },
        Policy { within_seconds: Some(0), ..good.clone() },
        Policy { calendar: Calendar { business_days: 0, ..Calendar::default() }, ..good.clone() },
        Policy { calendar: Calendar { business_days: 128, ..Calendar::default() }, ..good.clone() },
        Policy { calendar: Calendar { fiscal_year_end: 0, ..Calendar::default() }, ..good.clone() },
        Policy { calendar: Calendar { fiscal_year_end: 13, ..Calendar::default() }, ..good.clone() },
        Policy {
            calendar: Calendar { time_zone: "Mars/Olympus".into(), ..Calendar::default() },
            ..good.clone()
        },
        Policy {
            calendar: Calendar { time_zone: "../../etc/passwd".into(), ..Calendar::default() },
            ..good.clone()
        },
    ];
    for policy in bad {
        let error = policy.check().expect_err("impossible");
        assert_eq!(error.kind(), crate::error::Kind::Usage, "{policy:?}");
        assert!(decide(&[], &policy, &Selection::default(), at(0)).is_err());
    }
    assert!(Policy::preset("dentist").is_err());
}
