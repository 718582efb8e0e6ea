//! Months and days of the week as people write them.

use crate::error::{Error, Kind, Result};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The position in `names` of the only one that `text`, at least three letters of it, begins.
fn named(text: &str, names: &[&str]) -> Option<usize> {
    let text = text.trim().to_ascii_lowercase();
    names.iter().position(|name| text.len() >= 3 && name.starts_with(&text))
}

/// The number, 1 to 12, of the month that `text` means: `9`, `sep` or `September`.
pub fn parse_month(text: &str) -> Result<u8> {
    let number = text.trim().parse().ok().filter(|month| (1..=12).contains(month));
    number.or_else(|| named(text, &MONTHS).map(|at| at as u8 + 1)).ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{text}` is no month"))
            .hint("write 1 to 12, or a name: sep, September")
    })
}

/// The days that `text` means, bit 0 Monday to bit 6 Sunday: `mon-fri`, `sun-thu`, `mon,tue,thu-sat`.
pub fn parse_days(text: &str) -> Result<u8> {
    let wrong = || {
        Error::new(Kind::Usage, format!("`{text}` names no days of the week"))
            .hint("write days and ranges of days: mon-fri, or mon,tue,thu")
    };
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (named(first, &DAYS).ok_or_else(wrong)?, named(last, &DAYS).ok_or_else(wrong)?);
        let count = (last + 7 - first) % 7;
        (first..=first + count).for_each(|day| days |= 1 << (day % 7));
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_and_days_are_read() {
        for (text, month) in [("1", 1), ("12", 12), ("sep", 9), ("September", 9), (" MAY ", 5)] {
            assert_eq!(parse_month(text).expect(text), month);
        }
        for (text, days) in [
            ("mon-fri", 0b001_1111),
            ("Sunday-Thursday", 0b100_1111),
            ("mon,tue, thu", 0b000_1011),
            ("sat", 0b010_0000),
            ("mon-sun", 0b111_1111),
            ("fri-mon,wed", 0b111_0101),
        ] {
            assert_eq!(parse_days(text).expect(text), days, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_a_usage_error() {
        for text in ["0", "13", "", "ju", "sept1", "-1"] {
            assert_eq!(parse_month(text).expect_err(text).kind(), Kind::Usage);
        }
        for text in ["", "mo", "mon-", "-fri", "mon,,tue", "mon-fri-sun", "1-5"] {
            assert_eq!(parse_days(text).expect_err(text).kind(), Kind::Usage);
        }
    }
}
