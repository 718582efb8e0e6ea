//! Sizes in bytes. `K`, `M`, `G`, `T`, `P` and `KiB`… are powers of 1024; `KB`, `MB`… are powers
//! of 1000, as in the GNU tools. Parsing is exact: no floating point, rounded down to a byte.

use crate::error::{Error, Kind, Result};

const LETTERS: &str = "KMGTPE";
/// More digits after the point than this mean nothing below a byte.
const MAX_FRACTION_DIGITS: usize = 18;

/// The number of bytes that `text` means: `4096`, `4M`, `1.5 T`, `100MB`, `64 kib`.
pub fn parse_size(text: &str) -> Result<u64> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let size = multiplier(unit.trim()).and_then(|unit| scaled(number, unit));
    size.ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{text}` is no size that fits"))
            .hint("write a number of bytes or one with a unit: 50G, 1.5T, 512KiB, 100MB")
    })
}

fn multiplier(unit: &str) -> Option<u128> {
    let unit = unit.to_ascii_uppercase();
    let mut chars = unit.chars();
    let Some(letter) = chars.next() else { return Some(1) };
    if unit == "B" {
        return Some(1);
    }
    let base: u128 = match chars.as_str() {
        "" | "IB" => 1024,
        "B" => 1000,
        _ => return None,
    };
    let power = LETTERS.find(letter)? + 1;
    base.checked_pow(u32::try_from(power).ok()?)
}

fn scaled(number: &str, unit: u128) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    if fraction.len() > MAX_FRACTION_DIGITS {
        return None;
    }
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    let part = match fraction {
        "" => 0,
        digits => digits.parse::<u128>().ok()?.checked_mul(unit)? / 10u128.pow(digits.len() as u32),
    };
    u64::try_from(whole.checked_add(part)?).ok()
}

/// `bytes` for people: `512 B`, `1.5 KiB`, `12.3 MiB`, `123 GiB`.
pub fn format_size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 1024u128;
    for letter in LETTERS.chars() {
        // Rounded to tenths before the unit is chosen, so that it is 1.0 MiB and never 1024.0 KiB.
        let tenths = (u128::from(bytes) * 10 + unit / 2) / unit;
        if tenths < 1000 {
            return format!("{}.{} {letter}iB", tenths / 10, tenths % 10);
        }
        let whole = (u128::from(bytes) + unit / 2) / unit;
        if whole < 1024 {
            return format!("{whole} {letter}iB");
        }
        unit *= 1024;
    }
    format!("{bytes} B")
}

/// Bytes per second for people: `12.3 MiB/s`.
pub fn format_rate(bytes: u64, seconds: f64) -> String {
    let rate = if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
    format!("{}/s", format_size(rate as u64))
}

/// A number and its noun: `1 file`, `12,345 files`.
pub fn format_count(count: u64, noun: &str) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3 + noun.len() + 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match noun.strip_suffix("ry") {
        _ if count == 1 => format!("{grouped} {noun}"),
        Some(stem) => format!("{grouped} {stem}ries"),
        None => format!("{grouped} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_exactly() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("4096B", 4096),
            ("50G", 50 << 30),
            ("50g", 50 << 30),
            ("4M", 4 << 20),
            (" 4 MiB ", 4 << 20),
            ("1.5T", 3 << 39),
            ("100MB", 100_000_000),
            ("64kb", 64_000),
            ("0.1K", 102),
            ("1.000000000000000001K", 1024),
            ("15.999E", 18445591152204944769),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_a_usage_error() {
        for text in [
            "", " ", "G", "-1", "+1", "1e3", "1.G", ".5G", "1..5G", "1.2.3", "16E", "5X", "5KKB", "5 G B",
            "1,5G", "inf",
        ] {
            let error = parse_size(text).expect_err(text);
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.message().contains(&format!("`{text}`")) && error.remedy().is_some());
        }
        assert!(parse_size("99999999999999999999999999999999999999999").is_err());
        assert!(parse_size("0.1111111111111111111111111111111111111111111").is_err());
    }

    #[test]
    fn sizes_are_shown_with_three_digits_or_so() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (100 * 1024 - 1, "100 KiB"),
            (123 << 20, "123 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            ((1 << 30) - 1, "1.0 GiB"),
            (50 << 30, "50.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(format_size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn counts_and_rates() {
        assert_eq!(format_count(1, "file"), "1 file");
        assert_eq!(format_count(0, "file"), "0 files");
        assert_eq!(format_count(1_234_567, "row"), "1,234,567 rows");
        assert_eq!(format_count(123, "row"), "123 rows");
        assert_eq!(format_count(2, "entry"), "2 entries");
        assert_eq!(format_count(1, "entry"), "1 entry");
        assert_eq!(format_rate(10 << 20, 2.0), "5.0 MiB/s");
        assert_eq!(format_rate(10, 0.0), "0 B/s");
    }
}
