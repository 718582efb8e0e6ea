//! Between instants and what clocks on the wall show. It promises that the way from the wall to the
//! instant is one for every time that is written, and never goes backwards.

use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

/// A time zone.
#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of that name; `None`: that of the machine.
    pub fn named(name: Option<&str>) -> Result<Zone> {
        let Some(name) = name else { return Ok(Zone(TimeZone::system())) };
        TimeZone::get(name).map(Zone).map_err(|_| {
            Error::new(Kind::Usage, format!("there is no time zone `{name}`"))
                .hint("write a name such as Europe/Berlin or America/Denver")
        })
    }

    /// What the wall shows at `instant`, to the second.
    pub fn civil(&self, instant: Timestamp) -> Option<DateTime> {
        let instant = jiff::Timestamp::from_second(instant.seconds).ok()?;
        Some(self.0.to_datetime(instant))
    }

    /// The instant, in seconds, that `civil` means: the first of two, or the end of the gap it is in.
    pub fn instant(&self, civil: DateTime) -> Option<i64> {
        let ambiguous = self.0.to_ambiguous_timestamp(civil);
        let found = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok()?,
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok()?,
            // By the offset after it, `civil` is before the change: the next change is the gap itself.
            AmbiguousOffset::Gap { after, .. } => {
                let early = after.to_timestamp(civil).ok()?;
                self.0.following(early).next()?.timestamp()
            }
        };
        Some(found.as_second())
    }

    /// A time of the wall that no slot up to `instant` is written after.
    pub fn latest_civil(&self, instant: Timestamp) -> Option<DateTime> {
        let civil = self.civil(instant)?;
        // Within the second pass of an hour, all that is written for the first one is past.
        let repeated = instant.seconds.saturating_sub(self.instant(civil)?).max(0);
        civil.checked_add(SignedDuration::from_secs(repeated)).ok()
    }

    /// A time of the wall that no slot after `instant` is written before.
    pub fn earliest_civil(&self, instant: Timestamp) -> Option<DateTime> {
        let civil = self.civil(instant)?;
        // Right before a gap, what is written into it is still to come, and is later on the wall.
        Some(civil)
    }
}
