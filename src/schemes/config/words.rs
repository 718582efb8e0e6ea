//! Values of the configuration that are words for people: sizes, times, days. Each is read by the same
//! rule as on the command line, so that an error quotes it and shows what would do.

use crate::error;
use crate::values;
use serde::{Deserialize, Deserializer, de};
use std::time::Duration;

/// A size: `50G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// A time to wait: `15min`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// Days of the week, bit 0 Monday: `mon-fri`, or `daily`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days(pub u8);

/// A month, 1 to 12: `sep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month(pub u8);

/// A time of day, in minutes after midnight: `22:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock(pub u16);

/// A share of a hundred: `5`, `2.5`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(pub f64);

impl std::fmt::Display for Days {
    /// As it would be written: `daily`, `mon-fri`, `mon,wed,sat`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let is_in = |day: usize| day < 7 && self.0 >> day & 1 == 1;
        if (0..7).all(is_in) {
            return f.write_str("daily");
        }
        let mut parts = Vec::new();
        let mut day = 0;
        while day < 7 {
            let first = day;
            while is_in(day) {
                day += 1;
            }
            match day - first {
                0 => {}
                1 | 2 => parts.extend(NAMES[first..day].iter().map(|name| (*name).to_owned())),
                _ => parts.push(format!("{}-{}", NAMES[first], NAMES[day - 1])),
            }
            day += 1;
        }
        f.write_str(&parts.join(","))
    }
}

impl std::fmt::Display for Clock {
    /// As it would be written: `22:30`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

fn text<'de, D: Deserializer<'de>, T>(
    from: D,
    read: impl Fn(&str) -> error::Result<T>,
) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    read(&text).map_err(|error| {
        let hint = error.remedy().map(|hint| format!("; {hint}")).unwrap_or_default();
        de::Error::custom(format!("{error}{hint}"))
    })
}

macro_rules! words {
    ($($name:ident: $read:expr;)*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                text(from, $read).map($name)
            }
        }
    )*};
}

words! {
    Size: values::parse_size;
    Span: values::parse_duration;
    Days: |word| if word == "daily" { Ok(0x7f) } else { values::parse_days(word) };
    Month: values::parse_month;
    Clock: values::parse_clock;
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Percent, D::Error> {
        let share = f64::deserialize(from)?;
        match (0.0..=100.0).contains(&share) {
            true => Ok(Percent(share)),
            false => Err(de::Error::custom(format!("{share} is no share of a hundred; write 0 to 100"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_shown_as_they_are_written() {
        for bits in 1..0x80 {
            let shown = Days(bits).to_string();
            let read = if shown == "daily" { 0x7f } else { values::parse_days(&shown).expect(&shown) };
            assert_eq!(read, bits, "{shown}");
        }
        assert_eq!(Days(0b101_1111).to_string(), "mon-fri,sun");
        assert_eq!(Clock(425).to_string(), "07:05");
    }
}
