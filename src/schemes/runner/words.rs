//! Values as words of a command line, and command lines as people read them.

use crate::retention::{EVERY, Policy};
use std::ffi::OsString;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// All that `policy` says, by the options of `coffer set` and `coffer prune`.
pub fn policy(policy: &Policy) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let mut add = |name: &str, value: String| words.push((name.to_owned(), value));
    for rule in &policy.rules {
        let count = if rule.count == EVERY { "all".to_owned() } else { rule.count.to_string() };
        add(&format!("--keep-{}", rule.every.word()), count);
    }
    if let Some(seconds) = policy.within_seconds {
        add("--keep-within", format!("{seconds}s"));
    }
    add("--protect-verified", policy.protect_verified.to_string());
    add("--min-age", format!("{}s", policy.min_age_seconds));
    let calendar = &policy.calendar;
    add("--fiscal-year-end", calendar.fiscal_year_end.to_string());
    let days = DAYS.iter().enumerate().filter(|(at, _)| calendar.business_days >> at & 1 == 1);
    let days: Vec<&str> = days.map(|(_, day)| *day).collect();
    if !days.is_empty() {
        add("--business-days", days.join(","));
    }
    let zone = calendar.time_zone.as_str();
    add("--time-zone", if zone.is_empty() { "machine".into() } else { zone.into() });
    words
}

/// A command as a line that a shell would read the same.
pub fn line(words: &[OsString]) -> String {
    let quoted = words.iter().map(|word| {
        let word = word.to_string_lossy();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
        match !word.is_empty() && word.chars().all(is_plain) {
            true => word.into_owned(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
