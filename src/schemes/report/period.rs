//! The days that a report is about, in the practice's zone.

use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::schedule::Slots;
use crate::schemes::run::RunRecord;
use crate::values::parse_time;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Most slots that are looked at: every quarter of an hour for ten years.
const MAX_SLOTS: usize = 400_000;

/// Days, both included.
#[derive(Clone, Debug)]
pub struct Period {
    from: Date,
    to: Date,
    zone: TimeZone,
}

impl Period {
    /// The days `from` to `to`, or all of `month` (`2026-10`), or of this month until today, in `zone`.
    ///
    /// Errors: [`Kind::Usage`] for what is no day or month, and for an end before the beginning.
    pub fn new(
        from: Option<&str>,
        to: Option<&str>,
        month: Option<&str>,
        zone: Option<&str>,
        now: Timestamp,
    ) -> Result<Period> {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system);
        let today = day_of(now, &zone).unwrap_or_default();
        let (first, last) = match month {
            Some(month) => {
                let first = parse_day(&format!("{}-01", month.trim())).map_err(|_| {
                    Error::new(Kind::Usage, format!("`{month}` is no month")).hint("write 2026-10")
                })?;
                (first, first.last_of_month())
            }
            None => (today.first_of_month(), today),
        };
        let from = from.map(parse_day).transpose()?.unwrap_or(first);
        let to = to.map(parse_day).transpose()?.unwrap_or(last.max(from));
        match from <= to {
            true => Ok(Period { from, to, zone }),
            false => Err(Error::new(Kind::Usage, format!("{to} is before {from}"))),
        }
    }

    /// The first day: `2026-10-01`.
    pub fn first_day(&self) -> String {
        self.from.to_string()
    }

    /// The last day.
    pub fn last_day(&self) -> String {
        self.to.to_string()
    }

    /// Whether `time` falls on one of the days.
    pub fn holds(&self, time: Timestamp) -> bool {
        day_of(time, &self.zone).is_some_and(|day| self.from <= day && day <= self.to)
    }

    /// The days with a slot that no good backup followed before the next slot, as far as it has come by
    /// `now`. Slots before the first run of a scheme do not count.
    pub fn gaps(&self, slots: &Slots, runs: &[RunRecord], now: Timestamp) -> Vec<String> {
        let seconds = |run: &RunRecord| parse_time(&run.started).ok().map(|time| time.seconds);
        let Some(first) = runs.iter().filter_map(seconds).min() else { return Vec::new() };
        let good: Vec<i64> = runs.iter().filter(|run| run.has_backup()).filter_map(seconds).collect();
        let start = instant_of(self.from, &self.zone).unwrap_or_default().plus_seconds(-1);
        let mut gaps: Vec<String> = Vec::new();
        let mut slot = slots.next_after(start);
        for _ in 0..MAX_SLOTS {
            let Some(this) = slot.filter(|slot| self.holds(*slot)) else { break };
            slot = slots.next_after(this);
            let end = slot.map_or(i64::MAX, |next| next.seconds);
            // The run of the newest slot may still be coming.
            let is_past = end <= now.seconds;
            let is_made = good.iter().any(|time| (this.seconds..end).contains(time));
            if is_past && end > first && !is_made {
                let day = day_of(this, &self.zone).map(|day| day.to_string()).unwrap_or_default();
                if gaps.last() != Some(&day) {
                    gaps.push(day);
                }
            }
        }
        gaps
    }
}

fn parse_day(text: &str) -> Result<Date> {
    text.trim().parse().map_err(|_| {
        Error::new(Kind::Usage, format!("`{text}` is no day")).hint("write year, month and day: 2026-10-01")
    })
}

/// The instant that `text`, a day in the machine's zone or a time, means.
///
/// Errors: [`Kind::Usage`].
pub fn instant(text: &str) -> Result<Timestamp> {
    if text.contains('T') {
        return parse_time(text);
    }
    let day = parse_day(text)?;
    instant_of(day, &TimeZone::system())
        .ok_or_else(|| Error::new(Kind::Usage, format!("`{text}` is no day that can be told")))
}

fn instant_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let start = day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?;
    Some(Timestamp { seconds: start.timestamp().as_second(), nanoseconds: 0 })
}

fn day_of(time: Timestamp, zone: &TimeZone) -> Option<Date> {
    let time = jiff::Timestamp::from_second(time.seconds).ok()?;
    Some(time.to_zoned(zone.clone()).date())
}
