//! When a scheme runs in four weeks without holidays, counted in minutes: enough to see schemes that
//! meet. It promises nothing about real days, which have time zones.

use super::Scheme;
use crate::clock::Timestamp;

/// Minutes of a day.
const DAY: u32 = 24 * 60;
/// Days that are looked at.
const DAYS: u32 = 28;
/// Most runs that are looked at: one every minute is none that anybody means.
const MOST: usize = 5000;
/// The second before Monday, 2025-05-05, in UTC.
const BEGINNING: Timestamp = Timestamp { seconds: 1_746_403_199, nanoseconds: 999_999_999 };

/// The minutes at which `scheme` begins in four weeks from a Monday, ascending.
pub fn starts(scheme: &Scheme) -> Vec<u32> {
    let Ok(Some(slots)) = scheme.slots(Some("UTC")) else { return Vec::new() };
    let following = std::iter::successors(slots.next_after(BEGINNING), |slot| slots.next_after(*slot));
    let minute =
        |slot: Timestamp| u32::try_from((slot.seconds - BEGINNING.seconds) / 60).unwrap_or(u32::MAX / 2);
    following.take(MOST).map(minute).take_while(|minute| *minute < DAYS * DAY).collect()
}

/// A minute of the four weeks for people: `Mon 22:00`.
pub fn words(minute: u32) -> String {
    const NAMES: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let name = NAMES[(minute / DAY % 7) as usize];
    format!("{name} {:02}:{:02}", minute % DAY / 60, minute % 60)
}
