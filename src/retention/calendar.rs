//! Periods of a calendar. It promises that every instant, however far, lies in exactly one period of
//! each kind, whatever a time zone does to its clocks.

use super::policy::{Calendar, Period};
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// An instant as a calendar on the wall shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// Seconds since 1970 at which its hour of the clock began. An hour that is shown twice when clocks
    /// are put back is two hours.
    hour: i64,
    /// What the clock shows for the hour.
    hour_of_day: i8,
    /// Days since 1970-01-01.
    day: i64,
    year: i64,
    /// 0 to 11.
    month: i64,
}

/// A calendar in use: zone found, week known.
pub struct Wall {
    zone: TimeZone,
    business_days: u8,
    fiscal_year_end: i64,
    /// 0 Monday to 6 Sunday.
    week_start: i64,
}

/// The zone called `name`; empty: the machine's.
pub fn zone(name: &str) -> Result<TimeZone> {
    if name.is_empty() {
        return Ok(TimeZone::system());
    }
    TimeZone::get(name).or_else(|cause| {
        TimeZone::posix(name).map_err(|_| {
            Error::new(Kind::Usage, format!("time zone `{}` is unknown here", name.escape_debug()))
                .because(cause)
                .hint("write a name such as Europe/Berlin (they come with the package tzdata) or a rule such as EST5EDT,M3.2.0,M11.1.0")
        })
    })
}

impl Wall {
    /// The calendar that a checked policy names.
    pub fn new(calendar: &Calendar) -> Result<Wall> {
        let days = calendar.business_days;
        let is_business = |day: i64| days & (1 << day.rem_euclid(7)) != 0;
        let week_start = (0..7).find(|&d| is_business(d) && !is_business(d - 1)).unwrap_or(0);
        Ok(Wall {
            zone: zone(&calendar.time_zone)?,
            business_days: days,
            fiscal_year_end: calendar.fiscal_year_end.into(),
            week_start,
        })
    }

    /// `time` on the wall; times beyond the year 9999 are its end.
    pub fn local(&self, time: Timestamp) -> Local {
        let seconds = time.seconds.clamp(jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        let instant = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        let shown = self.zone.to_datetime(instant);
        let date = shown.date();
        Local {
            hour: seconds - i64::from(shown.minute()) * 60 - i64::from(shown.second()),
            hour_of_day: shown.hour(),
            day: day_number(date),
            year: date.year().into(),
            month: i64::from(date.month()) - 1,
        }
    }

    /// The number of the period in which an instant lies; equal for all instants of the period.
    pub fn period(&self, every: Period, at: &Local) -> i64 {
        let months = at.year * 12 + at.month;
        match every {
            Period::Commit => 0,
            Period::Hour => at.hour,
            Period::Day => at.day,
            Period::BusinessDay => self.business_day(at),
            Period::Week => self.week(at),
            Period::Month => months,
            Period::Quarter => months.div_euclid(3),
            Period::HalfYear => months.div_euclid(6),
            Period::Year => at.year,
            Period::FiscalYear => at.year + i64::from(at.month >= self.fiscal_year_end),
        }
    }

    /// Whether an instant lies on a day off.
    pub fn is_off(&self, at: &Local) -> bool {
        !self.is_business(at.day)
    }

    fn is_business(&self, day: i64) -> bool {
        self.business_days & (1 << weekday(day)) != 0
    }

    fn business_day(&self, at: &Local) -> i64 {
        (0..7).map(|back| at.day - back).find(|&day| self.is_business(day)).unwrap_or(at.day)
    }

    fn week(&self, at: &Local) -> i64 {
        at.day - (weekday(at.day) - self.week_start).rem_euclid(7)
    }

    /// The period for people: `2026-01-31`, `2026-Q1`, `week of 2026-01-26`.
    pub fn label(&self, every: Period, at: &Local) -> String {
        match every {
            Period::Commit => String::new(),
            Period::Hour => format!("{} {:02} h", date(at.day), at.hour_of_day),
            Period::Day => date(at.day),
            Period::BusinessDay => date(self.business_day(at)),
            Period::Week => format!("week of {}", date(self.week(at))),
            Period::Month => format!("{:04}-{:02}", at.year, at.month + 1),
            Period::Quarter => format!("{:04}-Q{}", at.year, at.month / 3 + 1),
            Period::HalfYear => format!("{:04}-H{}", at.year, at.month / 6 + 1),
            Period::Year => format!("{:04}", at.year),
            Period::FiscalYear => self.period(every, at).to_string(),
        }
    }
}

/// 0 Monday to 6 Sunday; 1970 began with a Thursday.
fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

const EPOCH: Date = Date::constant(1970, 1, 1);

fn day_number(date: Date) -> i64 {
    EPOCH.until(date).map_or(0, |span| i64::from(span.get_days()))
}

fn date(day: i64) -> String {
    let span = day.try_into().ok().and_then(|days: i32| 0.days().try_days(days).ok());
    span.and_then(|span| EPOCH.checked_add(span).ok()).map_or_else(|| format!("day {day}"), |d| d.to_string())
}
