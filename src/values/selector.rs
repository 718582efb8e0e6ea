//! How a person names a snapshot: `latest`, `latest~2`, the first digits of its id, or the day it
//! was made. Naming is separate from finding, so that neither needs a container to be tested.

use super::time::calendar;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt;
use std::str::FromStr;

/// The fewest digits that name a snapshot: fewer are sooner a slip (the number of something else) than
/// a name, and what they name may be removed.
const LEAST_DIGITS: usize = 4;

/// A snapshot as a person names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// `latest`: 0 back; `latest~2`: two before it.
    Latest {
        /// How many snapshots before the newest.
        back: u32,
    },
    /// The first digits of its id, lower-case hexadecimal, 4 to 32 of them.
    Id(String),
    /// A day: the last snapshot made on it, in the machine's time zone.
    Day(Date),
}

impl FromStr for Selector {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || {
            Error::new(Kind::Usage, format!("`{text}` is no name of a snapshot"))
                .hint("write latest, latest~2, the first digits of its id, or a day such as 2026-01-31")
        };
        if let Some(rest) = text.strip_prefix("latest") {
            let back = match rest.strip_prefix('~') {
                Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
                None if rest.is_empty() => Some(0),
                _ => None,
            };
            return back.map(|back| Selector::Latest { back }).ok_or_else(unknown);
        }
        if text.contains('-') {
            return text.parse().map(Selector::Day).map_err(|cause| unknown().because(cause));
        }
        let digits = LEAST_DIGITS..=SnapshotId::LEN * 2;
        if digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Selector::Id(text.to_ascii_lowercase()));
        }
        if text.len() < LEAST_DIGITS && !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let message = format!("`{text}` is too short for the beginning of a snapshot's id");
            return Err(Error::new(Kind::Usage, message)
                .hint(format!("write at least {LEAST_DIGITS} digits; coffer snapshots lists them")));
        }
        Err(unknown())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Latest { back: 0 } => f.write_str("latest"),
            Selector::Latest { back } => write!(f, "latest~{back}"),
            Selector::Id(prefix) => f.write_str(prefix),
            Selector::Day(date) => write!(f, "{date}"),
        }
    }
}

impl Selector {
    /// The position of the named snapshot in `snapshots`, which are in order from the oldest to the
    /// newest. Fails with [`Kind::NotFound`] if there is none, and with [`Kind::Usage`] if the
    /// digits of an id fit several.
    pub fn find(&self, snapshots: &[(SnapshotId, Timestamp)]) -> Result<usize> {
        self.find_in(snapshots, &TimeZone::system())
    }

    fn find_in(&self, snapshots: &[(SnapshotId, Timestamp)], zone: &TimeZone) -> Result<usize> {
        let found = match self {
            Selector::Latest { back } => {
                usize::try_from(*back).ok().and_then(|back| snapshots.len().checked_sub(1)?.checked_sub(back))
            }
            Selector::Id(prefix) => {
                let mut fitting =
                    (0..snapshots.len()).filter(|&at| snapshots[at].0.to_string().starts_with(prefix));
                let first = fitting.next();
                if let (Some(first), Some(second)) = (first, fitting.next()) {
                    return Err(self.ambiguous(snapshots[first].0, snapshots[second].0));
                }
                first
            }
            Selector::Day(date) => snapshots.iter().rposition(|(_, time)| {
                calendar(*time).is_some_and(|t| t.to_zoned(zone.clone()).date() == *date)
            }),
        };
        found.ok_or_else(|| {
            let hint = match snapshots.len() {
                0 => "the container holds no snapshot yet",
                _ => "coffer snapshots lists what the container holds",
            };
            Error::new(Kind::NotFound, format!("no snapshot `{self}`")).hint(hint)
        })
    }

    fn ambiguous(&self, first: SnapshotId, second: SnapshotId) -> Error {
        Error::new(Kind::Usage, format!("`{self}` fits several snapshots"))
            .hint(format!("write more digits: {first} or {second}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::parse_time;

    fn selector(text: &str) -> Selector {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_read_and_written_the_same() {
        assert_eq!(selector("latest"), Selector::Latest { back: 0 });
        assert_eq!(selector("latest~2"), Selector::Latest { back: 2 });
        assert_eq!(selector("20260131"), Selector::Id("20260131".into()));
        assert_eq!(selector("2026-01-31"), Selector::Day(jiff::civil::date(2026, 1, 31)));
        for text in ["latest", "latest~12", "0a1b", "2026-01-31"] {
            assert_eq!(selector(text).to_string(), text);
        }
        assert_eq!(selector("0A1B"), selector("0a1b"));
    }

    #[test]
    fn other_names_are_usage_errors() {
        let long = "0".repeat(33);
        for text in [
            "",
            "newest",
            "latest~",
            "latest~-1",
            "latest~+1",
            "latest~99999999999",
            "latestx",
            "2026-02-30",
            "-",
            "8",
            "abc",
            &long,
        ] {
            assert_eq!(text.parse::<Selector>().expect_err(text).kind(), Kind::Usage);
        }
    }

    fn snapshots() -> Vec<(SnapshotId, Timestamp)> {
        ["2026-01-30T22:00:00Z", "2026-01-31T08:00:00Z", "2026-01-31T22:30:00Z", "2026-01-31T23:30:00Z"]
            .iter()
            .zip([0x0a, 0xab, 0xac, 0x0b])
            .map(|(time, first)| {
                let mut id = SnapshotId::ZERO;
                id.0[..2].copy_from_slice(&[0xee, first]);
                (id, parse_time(time).unwrap())
            })
            .collect()
    }

    #[test]
    fn names_find_their_snapshot() {
        let all = snapshots();
        let find = |text: &str, zone: &TimeZone| selector(text).find_in(&all, zone).ok();
        for (text, at) in [
            ("latest", Some(3)),
            ("latest~3", Some(0)),
            ("latest~4", None),
            ("eeab", Some(1)),
            ("eead", None),
        ] {
            assert_eq!(find(text, &TimeZone::UTC), at, "{text}");
        }
        assert_eq!(find("2026-01-31", &TimeZone::UTC), Some(3));
        assert_eq!(find("2026-01-31", &TimeZone::fixed(jiff::tz::offset(1))), Some(2));
        assert_eq!(find("2026-01-29", &TimeZone::UTC), None);
    }

    #[test]
    fn errors_say_what_to_do() {
        let all = snapshots();
        let error = Selector::Id("eea".into()).find_in(&all, &TimeZone::UTC).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.remedy().unwrap().contains("eeab00") && error.remedy().unwrap().contains("eeac00"));
        assert_eq!(selector("ffff").find(&all).unwrap_err().kind(), Kind::NotFound);
        let empty = selector("latest").find(&[]).unwrap_err();
        assert_eq!(
            (empty.kind(), empty.remedy()),
            (Kind::NotFound, Some("the container holds no snapshot yet"))
        );
    }
}
