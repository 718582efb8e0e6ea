//! Which medium is due: a pure function of the calendar and of the days of the last copies. It
//! promises that each day has the same media whenever it is asked, and that the end of a month stays
//! due until it is copied.

use crate::error::{Error, Kind, Result};
use crate::values::parse_days;
use jiff::civil::Date;

/// When a medium is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// On days of the week: a bit for each, Monday lowest.
    Days(u8),
    /// At the end of each month, and until it was copied.
    MonthEnd,
    /// Whenever it is its turn: the one that was copied longest ago, one a day.
    InTurn,
}

/// Words for the days, Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl std::str::FromStr for Schedule {
    type Err = Error;

    /// Reads `mon,tue`, `mon-fri`, `daily`, `monthly` or `in-turn`.
    fn from_str(text: &str) -> Result<Schedule> {
        match text {
            "monthly" => Ok(Schedule::MonthEnd),
            "in-turn" => Ok(Schedule::InTurn),
            "daily" => Ok(Schedule::Days(0x7f)),
            days => parse_days(days).map(Schedule::Days).map_err(|error| {
                Error::new(Kind::Usage, error.message())
                    .hint("write days such as mon,thu or mon-fri, daily, monthly or in-turn")
            }),
        }
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Schedule::MonthEnd => f.write_str("monthly"),
            Schedule::InTurn => f.write_str("in-turn"),
            Schedule::Days(0x7f) => f.write_str("daily"),
            Schedule::Days(days) => {
                let words: Vec<&str> =
                    (0..7).filter(|day| days >> day & 1 == 1).map(|day| DAYS[day]).collect();
                f.write_str(&words.join(","))
            }
        }
    }
}

/// A medium that belongs to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its number in the set.
    pub member: usize,
    /// The day it is due for: this one, or the last of a month.
    pub day: Date,
    /// Whether it has been copied for that day.
    pub is_done: bool,
}

/// The media of `today`: those of the weekday, the one whose turn it is, then ends of months. For each
/// member its schedule and the day it was last copied on.
pub fn choices(members: &[(Schedule, Option<Date>)], today: Date) -> Vec<Choice> {
    let weekday = 1 << today.weekday().to_monday_zero_offset();
    let mut chosen = Vec::new();
    for (member, (schedule, last)) in members.iter().enumerate() {
        if matches!(schedule, Schedule::Days(days) if days & weekday != 0) {
            chosen.push(Choice { member, day: today, is_done: *last >= Some(today) });
        }
    }
    chosen.extend(in_turn(members, today));
    let end = month_end(today);
    for (member, (schedule, last)) in members.iter().enumerate() {
        let is_done = *last >= Some(end);
        if *schedule == Schedule::MonthEnd && (!is_done || end == today) {
            chosen.push(Choice { member, day: end, is_done });
        }
    }
    chosen
}

/// The one whose turn it is: that of today if there was one, else the one copied longest ago.
fn in_turn(members: &[(Schedule, Option<Date>)], today: Date) -> Option<Choice> {
    let turns = || members.iter().enumerate().filter(|(_, (schedule, _))| *schedule == Schedule::InTurn);
    let done = turns().find(|(_, (_, last))| *last >= Some(today));
    if let Some((member, _)) = done {
        return Some(Choice { member, day: today, is_done: true });
    }
    let next = turns().min_by_key(|(number, (_, last))| (*last, *number));
    next.map(|(member, _)| Choice { member, day: today, is_done: false })
}

/// The last end of a month up to `today`.
fn month_end(today: Date) -> Date {
    match today == today.last_of_month() {
        true => today,
        false => today.first_of_month().yesterday().unwrap_or(today),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use jiff::civil::date;

    fn schedule(text: &str) -> Schedule {
        text.parse().expect(text)
    }

    #[test]
    fn schedules_are_read_and_written() {
        for (text, shown) in [
            ("mon,tue", "mon,tue"),
            ("monday, THURSDAY", "mon,thu"),
            ("mon-fri", "mon,tue,wed,thu,fri"),
            ("sat-mon", "mon,sat,sun"),
            ("mon-sun", "daily"),
            ("daily", "daily"),
            ("monthly", "monthly"),
            ("in-turn", "in-turn"),
        ] {
            assert_eq!(schedule(text).to_string(), shown, "{text}");
            assert_eq!(schedule(shown), schedule(text));
        }
        for bad in ["", "mo", "mon,", "mon-", "funday", "mondays", "weekly", "mon;tue", "-"] {
            assert_eq!(bad.parse::<Schedule>().expect_err(bad).kind(), Kind::Usage, "{bad}");
        }
    }

    #[test]
    fn each_weekday_has_its_medium_and_a_missed_day_is_not_caught_up_on_the_wrong_one() {
        let mut members: Vec<_> = DAYS[..5].iter().map(|day| (schedule(day), None)).collect();
        let monday = date(2026, 8, 3);
        for ahead in 0..5 {
            let today = monday.checked_add((ahead as i64).days()).expect("a day");
            let found = choices(&members, today);
            assert_eq!(found, [Choice { member: ahead, day: today, is_done: false }]);
            if ahead != 1 {
                members[ahead].1 = Some(today);
                assert!(choices(&members, today)[0].is_done, "asked again on the same day");
            }
        }
        assert!(choices(&members, date(2026, 8, 8)).is_empty(), "nothing on Saturday");
        assert_eq!(choices(&members, date(2026, 8, 10))[0].member, 0, "Monday again, Tuesday stays missed");
    }

    #[test]
    fn the_end_of_a_month_stays_due_until_it_is_copied() {
        let due = |last: Option<Date>, today| {
            choices(&[(Schedule::MonthEnd, last)], today).first().map(|c| (c.day, c.is_done))
        };
        let (july, june) = (date(2026, 7, 31), date(2026, 6, 30));
        assert_eq!(due(Some(june), date(2026, 7, 30)), None);
        assert_eq!(due(Some(june), july), Some((july, false)));
        assert_eq!(due(Some(june), date(2026, 8, 9)), Some((july, false)), "missed, and still due");
        assert_eq!(due(Some(july), july), Some((july, true)));
        assert_eq!(due(Some(date(2026, 8, 2)), date(2026, 8, 9)), None, "copied late");
        assert_eq!(due(Some(date(2026, 7, 30)), date(2026, 8, 1)), Some((july, false)), "copied early");
        assert_eq!(due(None, date(2026, 8, 9)), Some((july, false)));
        assert_eq!(due(None, date(2024, 2, 29)), Some((date(2024, 2, 29), false)), "a leap day");
        assert_eq!(due(None, date(2026, 1, 1)), Some((date(2025, 12, 31), false)));
    }

    #[test]
    fn media_in_turn_go_round_one_a_day() {
        let mut members = vec![(Schedule::InTurn, None); 3];
        let mut order = Vec::new();
        for ahead in 0..9 {
            let today = date(2026, 2, 25).checked_add((2 * ahead).days()).expect("a day");
            let found = choices(&members, today);
            assert_eq!(found.len(), 1);
            order.push(found[0].member);
            members[found[0].member].1 = Some(today);
            let again = choices(&members, today);
            assert_eq!(again, [Choice { is_done: true, ..found[0] }], "one a day");
        }
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    }

    /// Every day of three years, whatever was copied before: the day's media are those of the weekday,
    /// none twice, and asking changes nothing.
    #[test]
    fn every_day_has_its_media() {
        let plan = ["mon", "tue", "wed", "thu", "fri", "monthly", "in-turn", "in-turn"].map(schedule);
        let mut last: Vec<Option<Date>> = vec![None; plan.len()];
        let mut seed = 1u64;
        let mut day = date(2026, 1, 1);
        for _ in 0..1100 {
            let members: Vec<_> = plan.iter().copied().zip(last.iter().copied()).collect();
            let found = choices(&members, day);
            assert_eq!(found, choices(&members, day));
            let mut numbers: Vec<usize> = found.iter().map(|c| c.member).collect();
            numbers.dedup();
            assert_eq!(numbers.len(), found.len());
            let offset = day.weekday().to_monday_zero_offset() as usize;
            assert_eq!(found.iter().any(|c| c.member == offset && offset < 5), offset < 5, "{day}");
            assert_eq!(found.iter().filter(|c| c.member >= 6).count(), 1, "{day}");
            let missing_end = last[5] < Some(month_end(day));
            assert_eq!(found.iter().any(|c| c.member == 5 && !c.is_done), missing_end, "{day}");
            for choice in found {
                assert!(choice.day <= day);
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if seed >> 33 & 3 != 0 {
                    last[choice.member] = Some(day);
                }
            }
            day = day.tomorrow().expect("a day");
        }
    }
}
