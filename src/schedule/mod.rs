//! When something is due: slots at fixed times of chosen days, or by a cron expression, in a time zone.
//! Pure: no clock is read. It promises that every slot is one instant, that slots never go backwards,
//! and that daylight saving neither loses nor doubles a fixed time: one that the clock leaps over is due
//! at the first instant after the leap, one that comes twice is due the first time.

mod civil;
mod zone;

use crate::clock::Timestamp;
use crate::error::Result;
use civil::Pattern;
use jiff::civil::DateTime;
use zone::Zone;

/// The slots of a schedule.
#[derive(Clone, Debug)]
pub struct Slots {
    pattern: Pattern,
    zone: Zone,
}

impl Slots {
    /// Slots on `days` (bit 0 Monday to bit 6 Sunday; `None`: every day) at `minutes` after midnight, in
    /// the zone of that name, or of the machine.
    ///
    /// Errors: [`crate::error::Kind::Usage`] for no day, no time, or an unknown zone.
    pub fn weekly(days: Option<u8>, minutes: &[u16], zone: Option<&str>) -> Result<Slots> {
        Ok(Slots { pattern: Pattern::weekly(days.unwrap_or(0x7f), minutes)?, zone: Zone::named(zone)? })
    }

    /// Slots by a cron expression: minute, hour, day of the month, month, day of the week.
    ///
    /// Errors: [`crate::error::Kind::Usage`] for one that cannot be read, and for an unknown zone.
    pub fn cron(expression: &str, zone: Option<&str>) -> Result<Slots> {
        Ok(Slots { pattern: Pattern::cron(expression)?, zone: Zone::named(zone)? })
    }

    /// The newest slot that is not later than `now`; `None` if there is none in living memory.
    pub fn last_due(&self, now: Timestamp) -> Option<Timestamp> {
        let mut at = self.zone.latest_civil(now)?;
        let mut is_inclusive = true;
        loop {
            at = self.pattern.before(at, is_inclusive)?;
            let slot = self.zone.instant(at)?;
            if slot <= now.seconds {
                return Some(Timestamp { seconds: slot, nanoseconds: 0 });
            }
            is_inclusive = false;
        }
    }

    /// The first slot that is later than `instant`; `None` if there is none for many years.
    pub fn next_after(&self, instant: Timestamp) -> Option<Timestamp> {
        let mut at: DateTime = self.zone.earliest_civil(instant)?;
        let mut is_inclusive = true;
        loop {
            at = self.pattern.after(at, is_inclusive)?;
            let slot = self.zone.instant(at)?;
            if slot > instant.seconds {
                return Some(Timestamp { seconds: slot, nanoseconds: 0 });
            }
            is_inclusive = false;
        }
    }

    /// The day on which `instant` falls in the zone of the schedule.
    pub fn day(&self, instant: Timestamp) -> Option<jiff::civil::Date> {
        self.zone.civil(instant).map(|civil| civil.date())
    }
}

#[cfg(test)]
mod tests;
