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
