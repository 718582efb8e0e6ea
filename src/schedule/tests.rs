//! Slots over the changes of the clocks, and at random.

use super::*;
use crate::error::Kind;
use proptest::prelude::*;

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/Denver",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
];

fn at(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().expect(text);
    Timestamp { seconds: time.as_second(), nanoseconds: 0 }
}

fn all(slots: &Slots, from: &str, to: &str) -> Vec<String> {
    let (mut now, mut found) = (at(from), Vec::new());
    while let Some(next) = slots.next_after(now).filter(|next| *next <= at(to)) {
        found.push(jiff::Timestamp::from_second(next.seconds).expect("a time").to_string());
        now = next;
    }
    found
}

#[test]
fn business_days_have_their_slots() {
    let slots = Slots::weekly(Some(0b1_1111), &[22 * 60, 12 * 60 + 30], Some("Europe/Berlin")).expect("good");
    // 20 November 2026 is a Friday.
    assert_eq!(
        all(&slots, "2026-11-20T11:30:00Z", "2026-11-24T00:00:00Z"),
        ["2026-11-20T21:00:00Z", "2026-11-23T11:30:00Z", "2026-11-23T21:00:00Z"]
    );
    assert_eq!(slots.last_due(at("2026-11-22T10:00:00Z")), Some(at("2026-11-20T21:00:00Z")));
    assert_eq!(slots.last_due(at("2026-11-20T21:00:00Z")), Some(at("2026-11-20T21:00:00Z")));
    assert_eq!(slots.last_due(at("2026-11-20T20:59:59Z")), Some(at("2026-11-20T11:30:00Z")));
}

#[test]
fn a_time_that_the_clock_leaps_over_is_due_right_after_and_one_that_comes_twice_once() {
    for slots in [
        Slots::weekly(None, &[150], Some("Europe/Berlin")).expect("good"),
        Slots::cron("30 2 * * *", Some("Europe/Berlin")).expect("good"),
    ] {
        assert_eq!(
            all(&slots, "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            all(&slots, "2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z"),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(slots.last_due(at("2026-10-25T01:10:00Z")), Some(at("2026-10-25T00:30:00Z")));
    }
    // A day that Samoa never had.
    let apia = Slots::weekly(None, &[12 * 60], Some("Pacific/Apia")).expect("good");
    assert_eq!(
        all(&apia, "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z"),
        ["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z", "2011-12-31T22:00:00Z"]
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let kind = |made: Result<Slots>| made.map(|_| ()).map_err(|error| error.kind());
    assert_eq!(kind(Slots::weekly(Some(0), &[5], None)), Err(Kind::Usage));
    assert_eq!(kind(Slots::weekly(None, &[], None)), Err(Kind::Usage));
    assert_eq!(kind(Slots::weekly(None, &[1440], None)), Err(Kind::Usage));
    assert_eq!(kind(Slots::weekly(None, &[5], Some("Europe/Berlim"))), Err(Kind::Usage));
    for expression in ["", "61 * * * *", "* * *", "0 0 30 2 *", "0 0 0 1 1 * 2026", "every day"] {
        assert_eq!(kind(Slots::cron(expression, None)), Err(Kind::Usage), "{expression}");
    }
}

fn schedule() -> impl Strategy<Value = Slots> {
    let zone = prop::sample::select(&ZONES[..]);
    let weekly = (1u8..128, prop::collection::vec(0u16..1440, 1..4), zone.clone())
        .prop_map(|(days, minutes, zone)| Slots::weekly(Some(days), &minutes, Some(zone)).expect("good"));
    const EXPRESSIONS: [&str; 5] =
        ["30 2 * * *", "*/15 * * * *", "0 22 * * mon-fri", "0 3 1 * *", "45 1 * * sun"];
    let cron = (prop::sample::select(&EXPRESSIONS[..]), zone)
        .prop_map(|(text, zone)| Slots::cron(text, Some(zone)).expect("good"));
    prop_oneof![weekly, cron]
}

/// A field of a cron expression, and the numbers that it means.
fn field(least: u32, most: u32) -> impl Strategy<Value = (String, Vec<u32>)> {
    let pair = move || (least..=most, least..=most).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let one = prop_oneof![
        (least..=most).prop_map(|n| (n.to_string(), vec![n])),
        pair().prop_map(|(from, to)| (format!("{from}-{to}"), (from..=to).collect())),
        (pair(), 1..=most).prop_map(|((from, to), step)| {
            (format!("{from}-{to}/{step}"), (from..=to).step_by(step as usize).collect())
        }),
        (1..=most).prop_map(move |step| {
            (format!("{least}-{most}/{step}"), (least..=most).step_by(step as usize).collect())
        }),
    ];
    let several = prop::collection::vec(one, 1..4).prop_map(|parts| {
        let text: Vec<String> = parts.iter().map(|(text, _)| text.clone()).collect();
        (text.join(","), parts.into_iter().flat_map(|(_, numbers)| numbers).collect())
    });
    prop_oneof![Just(("*".to_owned(), (least..=most).collect::<Vec<u32>>())), several]
}

/// Whether a minute is one that the fields mean; with both a day of the month and one of the week, either
/// will do.
fn fits(fields: &[(String, Vec<u32>); 5], minute: jiff::civil::DateTime) -> bool {
    let is_open = |at: usize| fields[at].0 == "*";
    let has = |at: usize, number: i8| is_open(at) || fields[at].1.contains(&(number as u32));
    let (day, weekday) = (has(2, minute.day()), has(4, minute.weekday().to_sunday_zero_offset()));
    let is_day = match (is_open(2), is_open(4)) {
        (false, false) => day || weekday,
        _ => day && weekday,
    };
    has(0, minute.minute()) && has(1, minute.hour()) && has(3, minute.month()) && is_day
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_is_read_or_refused(
        text in prop_oneof!["\\PC{0,40}", "[0-9*/,LW#?@a-z -]{0,30}", "([0-9*/,LW#?-]{1,4} ){4}[0-9*/,LW#?a-z-]{1,4}"],
        seconds in -5_000_000_000i64..9_000_000_000,
    ) {
        let now = Timestamp { seconds, nanoseconds: 0 };
        match Slots::cron(&text, Some("UTC")) {
            Err(error) => prop_assert_eq!(error.kind(), Kind::Usage),
            Ok(slots) => {
                prop_assert!(slots.next_after(now).is_none_or(|next| next > now));
                prop_assert!(slots.last_due(now).is_none_or(|last| last <= now));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_next_slot_is_the_first_minute_that_the_fields_mean(
        minute in field(0, 59),
        hour in field(0, 23),
        day in field(1, 28),
        month in field(1, 12),
        weekday in field(0, 6),
        seconds in 1_300_000_000i64..1_900_000_000,
    ) {
        let fields = [minute, hour, day, month, weekday];
        let text = fields.each_ref().map(|(text, _)| text.as_str()).join(" ");
        let slots = Slots::cron(&text, Some("UTC")).expect(&text);
        let civil = |seconds: i64| {
            let time = jiff::Timestamp::from_second(seconds).expect("a time");
            jiff::tz::TimeZone::UTC.to_datetime(time)
        };
        let next = slots.next_after(Timestamp { seconds, nanoseconds: 0 }).expect("it comes").seconds;
        prop_assert!(next % 60 == 0 && fits(&fields, civil(next)), "{} gives {}", text, civil(next));
        let missed = (seconds / 60 + 1..next / 60).take(5000).find(|minute| fits(&fields, civil(minute * 60)));
        prop_assert_eq!(missed, None, "{} passes over {:?}", text, missed.map(|minute| civil(minute * 60)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn before_and_after_agree(slots in schedule(), seconds in 1_300_000_000i64..1_900_000_000) {
        let now = Timestamp { seconds, nanoseconds: 5 };
        let next = slots.next_after(now).expect("a slot");
        prop_assert!(next > now);
        prop_assert_eq!(slots.last_due(next), Some(next));
        let before = slots.last_due(next.plus_seconds(-1)).expect("a slot");
        prop_assert!(before <= now, "nothing lies between: {before:?} {now:?} {next:?}");
        prop_assert_eq!(slots.last_due(now), Some(before));
        prop_assert_eq!(slots.next_after(before), Some(next));
    }

    #[test]
    fn every_day_has_its_slot(zone in prop::sample::select(&ZONES[..]), minute in 0u16..1440, seconds in 1_400_000_000i64..1_900_000_000) {
        let slots = Slots::weekly(None, &[minute], Some(zone)).expect("good");
        let mut now = Timestamp { seconds, nanoseconds: 0 };
        for _ in 0..400 {
            let next = slots.next_after(now).expect("a slot");
            let apart = next.seconds - now.seconds;
            prop_assert!(now.seconds == seconds || (82_000..=91_000).contains(&apart), "{apart}");
            now = next;
        }
    }
}
