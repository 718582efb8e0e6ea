//! Times and durations. A time is written in RFC 3339 with its offset, so that it means the same
//! instant everywhere; it is shown to people in the machine's time zone and to programs in UTC.

use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::Duration;

/// The instant that `text` means: RFC 3339, such as `2026-01-31T18:30:00+01:00`.
pub fn parse_time(text: &str) -> Result<Timestamp> {
    let parsed: jiff::Timestamp = text.trim().parse().map_err(|cause: jiff::Error| {
        Error::new(Kind::Usage, format!("`{text}` is no time"))
            .because(cause)
            .hint("write date, time and offset: 2026-01-31T18:30:00Z or 2026-01-31T18:30:00+01:00")
    })?;
    // Nanoseconds within a second are counted forwards, also before 1970.
    let nanoseconds = parsed.as_nanosecond();
    let seconds = nanoseconds.div_euclid(1_000_000_000) as i64;
    Ok(Timestamp { seconds, nanoseconds: nanoseconds.rem_euclid(1_000_000_000) as u32 })
}

/// The same instant for the calendar, if its year has at most four digits.
pub(super) fn calendar(time: Timestamp) -> Option<jiff::Timestamp> {
    let total = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    jiff::Timestamp::from_nanosecond(total).ok()
}

/// `time` in UTC for programs: `2026-01-31T17:30:00Z`, with a fraction only if there is one.
/// A time out of the calendar's range is shown as `@seconds`.
pub fn rfc3339(time: Timestamp) -> String {
    calendar(time).map_or_else(|| format!("@{}", time.seconds), |t| t.to_string())
}

/// `time` for people, in the machine's time zone: `2026-01-31 18:30:00`.
pub fn format_time(time: Timestamp) -> String {
    format_time_in(time, TimeZone::system())
}

fn format_time_in(time: Timestamp, zone: TimeZone) -> String {
    match calendar(time) {
        Some(t) => t.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        None => format!("@{}", time.seconds),
    }
}

/// `time` for people, to the minute, in `zone` (else the machine's) with its offset named:
/// `2026-11-22 22:28 +01:00`. One form wherever it is told when schemes ran or will run.
pub fn format_minute(time: Timestamp, zone: Option<&str>) -> String {
    let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system);
    match calendar(time) {
        Some(t) => t.to_zoned(zone).strftime("%Y-%m-%d %H:%M %:z").to_string(),
        None => format!("@{}", time.seconds),
    }
}

/// The same for a time as it is stored (RFC 3339); what is none is shown as it is.
pub fn format_stored(time: &str, zone: Option<&str>) -> String {
    parse_time(time).map_or_else(|_| time.to_owned(), |time| format_minute(time, zone))
}

/// The day on which `time` falls in the machine's time zone; `None` beyond the years 1 to 9999.
pub fn local_day(time: Timestamp) -> Option<Date> {
    calendar(time).map(|time| time.to_zoned(TimeZone::system()).date())
}

/// The duration that `text` means: `90` or `90s`, `5m` or `5min`, `2h`, `1d`.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let unit = match unit.trim() {
        "" | "s" | "sec" => Some(1),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let seconds = unit.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{text}` is no duration"))
            .hint("write seconds or a number with a unit: 30, 30s, 5min, 2h, 1d")
    })
}

/// The minutes after midnight that `text`, a time of day, means: `22:30`, `7:05`.
pub fn parse_clock(text: &str) -> Result<u16> {
    let number = |part: &str, below: u16| {
        let is_number = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u16>().ok().filter(|number| is_number && *number < below)
    };
    let minutes = text.trim().split_once(':').and_then(|(hour, minute)| {
        let minute = number(minute, 60).filter(|_| minute.len() == 2)?;
        Some(number(hour, 24)? * 60 + minute)
    });
    minutes.ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{text}` is no time of day")).hint("write 22:30 or 7:05")
    })
}

/// `duration` for people: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`, `3 d 04 h`.
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{seconds}.{} s", duration.subsec_millis() / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants() {
        let time = parse_time("2026-01-31T18:30:00+01:00").unwrap();
        assert_eq!(time, Timestamp { seconds: 1_769_880_600, nanoseconds: 0 });
        assert_eq!(parse_time("2026-01-31T17:30:00Z").unwrap(), time);
        assert_eq!(rfc3339(time), "2026-01-31T17:30:00Z");
        let early = parse_time("1969-12-31T23:59:59.25Z").unwrap();
        assert_eq!(early, Timestamp { seconds: -1, nanoseconds: 250_000_000 });
        assert_eq!(rfc3339(early), "1969-12-31T23:59:59.25Z");
    }

    #[test]
    fn times_of_day_are_minutes() {
        for (text, minutes) in [("0:00", 0), ("7:05", 425), ("07:05", 425), ("23:59", 1439)] {
            assert_eq!(parse_clock(text).expect(text), minutes);
        }
        for text in ["", "7", "7:5", "24:00", "12:60", "+7:05", "007:05", "7:05 pm"] {
            assert!(parse_clock(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_without_its_offset_is_refused() {
        for text in
            ["2026-01-31T18:30:00", "2026-01-31", "yesterday", "", "2026-02-30T00:00:00Z", "1769880600"]
        {
            let error = parse_time(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.remedy().unwrap().contains("+01:00"));
        }
    }

    #[test]
    fn times_for_people_name_their_zone() {
        let shown = |zone| format_stored("2026-11-22T21:28:41Z", Some(zone));
        assert_eq!(shown("Europe/Berlin"), "2026-11-22 22:28 +01:00");
        assert_eq!(shown("America/Denver"), "2026-11-22 14:28 -07:00");
        assert_eq!(shown("UTC"), "2026-11-22 21:28 +00:00");
        assert_eq!(format_stored("yesterday", None), "yesterday");
        assert_eq!(
            format_minute(Timestamp { seconds: i64::MAX, nanoseconds: 0 }, None),
            "@9223372036854775807"
        );
    }

    #[test]
    fn no_stored_time_is_too_far_to_be_shown() {
        for seconds in [i64::MIN, i64::MAX] {
            let time = Timestamp { seconds, nanoseconds: u32::MAX };
            assert_eq!(rfc3339(time), format!("@{seconds}"));
            assert_eq!(format_time(time), format!("@{seconds}"));
        }
    }

    #[test]
    fn people_see_their_own_zone() {
        let time = parse_time("2026-01-31T17:30:00.5Z").unwrap();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(format_time_in(time, zone), "2026-01-31 18:30:00");
    }

    #[test]
    fn durations_both_ways() {
        for (text, seconds) in
            [("0", 0), ("90", 90), ("30s", 30), ("5min", 300), ("5 m", 300), ("2h", 7200), ("1d", 86_400)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "s", "-1", "1.5h", "2w", "99999999999999999999", "18446744073709551615d"] {
            assert_eq!(parse_duration(text).expect_err(text).kind(), Kind::Usage);
        }
        let shown = |ms| format_duration(Duration::from_millis(ms));
        assert_eq!(shown(0), "0.0 s");
        assert_eq!(shown(9_949), "9.9 s");
        assert_eq!(shown(10_999), "10 s");
        assert_eq!(shown(59_999), "59 s");
        assert_eq!(shown(185_000), "3 min 05 s");
        assert_eq!(shown(7_620_000), "2 h 07 min");
        assert_eq!(shown(273_600_000), "3 d 04 h");
    }
}
