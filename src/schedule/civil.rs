//! Times of the wall at which something is due, without a zone.

use crate::error::{Error, Kind, Result};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime, Time};

/// Which times of the wall.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// On days of the week, at times of day, ascending.
    Weekly {
        /// Bit 0 Monday.
        days: u8,
        /// Times of day.
        times: Vec<Time>,
    },
    /// By a cron expression.
    Cron(Box<Cron>),
}

impl Pattern {
    /// On `days`, at `minutes` after midnight.
    pub fn weekly(days: u8, minutes: &[u16]) -> Result<Pattern> {
        let wrong = |what: &str| Error::new(Kind::Usage, format!("a schedule with {what}"));
        let time = |minutes: &u16| Time::new((minutes / 60) as i8, (minutes % 60) as i8, 0, 0).ok();
        let times: Option<Vec<Time>> =
            minutes.iter().map(|minutes| Some(minutes).filter(|m| **m < 24 * 60).and_then(time)).collect();
        let mut times = times.ok_or_else(|| wrong("a time beyond the day"))?;
        times.sort();
        times.dedup();
        match (days & 0x7f, times.is_empty()) {
            (0, _) => Err(wrong("no day")),
            (_, true) => Err(wrong("no time of day")),
            (days, false) => Ok(Pattern::Weekly { days, times }),
        }
    }

    /// By a cron expression of five fields.
    pub fn cron(expression: &str) -> Result<Pattern> {
        let wrong = || {
            Error::new(Kind::Usage, format!("`{expression}` is no cron expression"))
                .hint("write minute, hour, day of the month, month and day of the week: 30 22 * * mon-fri")
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|cause| wrong().because(cause))?;
        // What never comes, such as the 30th of February, is a mistake.
        let new_year = DateTime::constant(2024, 1, 1, 0, 0, 0, 0);
        match cron.find_next_occurrence(&new_year, true) {
            Ok(_) => Ok(Pattern::Cron(Box::new(cron))),
            Err(cause) => Err(wrong().because(cause)),
        }
    }

    /// The last time before `at`, or at it if `inclusive`.
    pub fn before(&self, at: DateTime, inclusive: bool) -> Option<DateTime> {
        match self {
            Pattern::Cron(cron) => cron.find_previous_occurrence(&at, inclusive).ok(),
            Pattern::Weekly { days, times } => {
                let fits = |time: &DateTime| *time < at || (inclusive && *time == at);
                let mut date = at.date();
                for _ in 0..=7 {
                    let found = times.iter().rev().map(|time| date.to_datetime(*time)).find(fits);
                    if let Some(found) = found.filter(|_| is_on(*days, date)) {
                        return Some(found);
                    }
                    date = date.yesterday().ok()?;
                }
                None
            }
        }
    }

    /// The first time after `at`, or at it if `inclusive`.
    pub fn after(&self, at: DateTime, inclusive: bool) -> Option<DateTime> {
        match self {
            Pattern::Cron(cron) => cron.find_next_occurrence(&at, inclusive).ok(),
            Pattern::Weekly { days, times } => {
                let fits = |time: &DateTime| *time > at || (inclusive && *time == at);
                let mut date = at.date();
                for _ in 0..=7 {
                    let found = times.iter().map(|time| date.to_datetime(*time)).find(fits);
                    if let Some(found) = found.filter(|_| is_on(*days, date)) {
                        return Some(found);
                    }
                    date = date.tomorrow().ok()?;
                }
                None
            }
        }
    }
}

fn is_on(days: u8, date: Date) -> bool {
    days >> date.weekday().to_monday_zero_offset() & 1 == 1
}
