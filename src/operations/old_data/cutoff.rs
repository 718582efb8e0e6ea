//! The day before which data counts as old: a day, or an age. Pure.

use crate::error::{Error, Kind, Result};
use jiff::civil::Date;
use jiff::{Span, ToSpan};

/// An age: years, months or days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// Years and months, in months.
    months: i32,
    days: i32,
}

impl Age {
    /// What `text` means: `3y`, `36m`, `1095d`.
    ///
    /// Errors: [`Kind::Usage`].
    pub fn parse(text: &str) -> Result<Age> {
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        // A thousand years and more is a mistake.
        let number = number.parse::<i32>().ok().filter(|number| (1..=400_000).contains(number));
        let age = match (number, unit) {
            (Some(years @ ..=999), "y") => Some(Age { months: years * 12, days: 0 }),
            (Some(months @ ..=11_999), "m") => Some(Age { months, days: 0 }),
            (Some(days), "d") => Some(Age { months: 0, days }),
            _ => None,
        };
        age.ok_or_else(|| {
            Error::new(Kind::Usage, format!("`{text}` is no age"))
                .hint("write years, months or days: 3y, 36m, 1095d")
        })
    }

    /// The day that was so long ago on `today`: what is before it is older. 29 February becomes 28.
    pub fn before(self, today: Date) -> Result<Date> {
        let span: Span = self.months.months().days(self.days);
        today.checked_sub(span).map_err(|cause| {
            Error::new(Kind::Usage, "an age that begins before the calendar does").because(cause)
        })
    }
}

/// The day that `text` means, `2023-01-01`; it must not lie behind `today`.
///
/// Errors: [`Kind::Usage`].
pub fn day(text: &str, today: Date) -> Result<Date> {
    let day: Date = text.trim().parse().map_err(|cause: jiff::Error| {
        Error::new(Kind::Usage, format!("`{text}` is no day"))
            .because(cause)
            .hint("write year, month and day: 2023-01-01")
    })?;
    match day > today {
        true => Err(Error::new(Kind::Usage, format!("{day} lies in the future"))
            .hint("data of today and later is never old")),
        false => Ok(day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn ages_reach_back_by_the_calendar() {
        let today = date(2026, 2, 28);
        for (text, expected) in
            [("3y", date(2023, 2, 28)), ("36m", date(2023, 2, 28)), ("1095d", date(2023, 3, 1))]
        {
            assert_eq!(Age::parse(text).expect(text).before(today).expect(text), expected, "{text}");
        }
        let leap = Age::parse("1y").expect("age").before(date(2024, 2, 29)).expect("day");
        assert_eq!(leap, date(2023, 2, 28));
    }

    #[test]
    fn what_is_no_age_or_day_is_refused() {
        for text in ["", "3", "y", "0d", "-1y", "3w", "3 y", "9999y", "99999999999d", "1.5y"] {
            assert_eq!(Age::parse(text).expect_err(text).kind(), Kind::Usage, "{text}");
        }
        let today = date(2026, 2, 28);
        for text in ["", "2023", "2023-02-30", "01.02.2023", "2026-03-01"] {
            assert_eq!(day(text, today).expect_err(text).kind(), Kind::Usage, "{text}");
        }
        assert_eq!(day(" 2023-01-01 ", today).expect("a day"), date(2023, 1, 1));
    }
}
