//! The invented practice's days: its first night is that of Monday, 5 January 2026, at 18:00 UTC.

use std::time::{Duration, SystemTime};

/// Days from 1970-01-01 to the first night.
const FIRST_NIGHT: u64 = 20_458;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy)]
pub(super) struct Day(u64);

impl Day {
    /// The day of a night; 0 is the first.
    pub(super) fn of_night(night: u32) -> Day {
        Day(FIRST_NIGHT + u64::from(night))
    }

    /// A day of a history of `days` that ends with the first night; more than `days` is after it.
    pub(super) fn of_history(day: u64, days: u64) -> Day {
        Day(FIRST_NIGHT + day - days.min(FIRST_NIGHT))
    }

    /// Its evening, `seconds` after 18:00 UTC.
    pub(super) fn evening(self, seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0 * 86_400 + 18 * 3600 + seconds)
    }

    /// `2026-01-05`: the proleptic Gregorian calendar, by Howard Hinnant's arithmetic.
    pub(super) fn date(self) -> String {
        let z = self.0 + 719_468;
        let (era, day_of_era) = (z / 146_097, z % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(Day::of_night(0).date(), "2026-01-05");
        assert_eq!(Day::of_night(31).date(), "2026-02-05");
        assert_eq!(Day::of_history(0, 1500).date(), "2021-11-27");
        assert_eq!(Day(11_016).date(), "2000-02-29");
        assert_eq!(Day(0).date(), "1970-01-01");
        let evening = Day::of_night(0).evening(1).duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(evening.as_secs(), 1_767_636_001);
    }
}
