//! A retention policy: rules, protection and the calendar they are read by. It promises that a policy
//! that [`Policy::check`] accepts keeps something and can be applied, wherever it came from.

use super::calendar::zone;
use crate::codec::{Decode, Encode};
use crate::error::{Error, Kind, Result};

/// The count of a rule that keeps one snapshot of every period there is.
pub const EVERY: u32 = u32::MAX;
/// Longest name of a time zone in bytes.
const MAX_ZONE_BYTES: usize = 255;

/// What a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Period {
    /// Commits: no time is looked at.
    Commit,
    /// Hours of the clock.
    Hour,
    /// Days.
    Day,
    /// Business days; a day off counts for the business day before it if that has no snapshot.
    BusinessDay,
    /// Weeks, beginning with the first business day after days off.
    Week,
    /// Months.
    Month,
    /// Quarters of the calendar year.
    Quarter,
    /// Halves of the calendar year.
    HalfYear,
    /// Calendar years.
    Year,
    /// Years that end with the month of [`Calendar::fiscal_year_end`].
    FiscalYear,
}

impl Period {
    /// All, from the shortest.
    pub const ALL: [Period; 10] = [
        Period::Commit,
        Period::Hour,
        Period::Day,
        Period::BusinessDay,
        Period::Week,
        Period::Month,
        Period::Quarter,
        Period::HalfYear,
        Period::Year,
        Period::FiscalYear,
    ];

    /// The word for a rule of this period, as in `--keep-WORD`.
    pub fn word(self) -> &'static str {
        match self {
            Period::Commit => "last",
            Period::Hour => "hourly",
            Period::Day => "daily",
            Period::BusinessDay => "business-daily",
            Period::Week => "weekly",
            Period::Month => "monthly",
            Period::Quarter => "quarterly",
            Period::HalfYear => "half-yearly",
            Period::Year => "yearly",
            Period::FiscalYear => "fiscal-year",
        }
    }
}

/// Keeps the last snapshot of each of the newest periods that have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rule {
    /// The period.
    pub every: Period,
    /// How many of them, at least 1; [`EVERY`]: all.
    pub count: u32,
}

/// Which snapshots compete: one gives way only to later ones that have at least what is named here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Series {
    /// Its sources.
    #[default]
    Sources,
    /// Its tags.
    Tags,
    /// Its sources and its tags.
    Both,
    /// Nothing: all snapshots are one series.
    Together,
}

/// How a practice counts its days and years.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Calendar {
    /// Business days: bit 0 Monday to bit 6 Sunday.
    pub business_days: u8,
    /// The month, 1 to 12, with whose last day the fiscal year ends.
    pub fiscal_year_end: u8,
    /// A name of the time zone database, such as `Europe/Berlin`, or a POSIX rule; empty: the zone of
    /// the machine that applies the policy.
    pub time_zone: String,
}

impl Default for Calendar {
    /// Monday to Friday, the calendar year, the machine's zone.
    fn default() -> Self {
        Calendar { business_days: 0b001_1111, fiscal_year_end: 12, time_zone: String::new() }
    }
}

/// What is kept, what is protected, and how time is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Policy {
    /// The rules, at most one for each period.
    pub rules: Vec<Rule>,
    /// Keeps everything this many seconds back from the newest snapshot.
    pub within_seconds: Option<u64>,
    /// Protects the last this many verified snapshots.
    pub protect_verified: u32,
    /// Protects snapshots younger than this.
    pub min_age_seconds: u64,
    /// Which snapshots compete.
    pub series: Series,
    /// How time is counted.
    pub calendar: Calendar,
}

impl Policy {
    /// The names of ready-made sets of rules.
    pub const PRESETS: [&'static str; 1] = ["practice"];

    /// The rules of a ready-made set. `practice`: 10 business days, the ends of 36 months, 28 quarters
    /// and of every fiscal year.
    pub fn preset(name: &str) -> Result<Vec<Rule>> {
        let rule = |every, count| Rule { every, count };
        match name {
            "practice" => Ok(vec![
                rule(Period::BusinessDay, 10),
                rule(Period::Month, 36),
                rule(Period::Quarter, 28),
                rule(Period::FiscalYear, EVERY),
            ]),
            _ => Err(Error::new(Kind::Usage, format!("no retention policy is called `{name}`"))
                .hint(format!("there is: {}", Self::PRESETS.join(", ")))),
        }
    }

    /// Sets the rule for one period, in place of another.
    pub fn set(&mut self, rule: Rule) {
        self.rules.retain(|r| r.every != rule.every);
        self.rules.push(rule);
        self.rules.sort_by_key(|r| r.every);
    }

    /// Whether it names anything to keep beside what is protected.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty() || self.within_seconds.is_some()
    }

    /// Fails with [`Kind::Usage`] if it would keep nothing, contradicts itself or cannot be applied.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| Error::new(Kind::Usage, format!("retention policy: {what}"));
        if !self.has_rules() {
            return Err(wrong("keeps nothing".into())
                .hint("say what to keep: --keep practice, --keep-daily 14, --keep-last 10 and the like"));
        }
        for (at, rule) in self.rules.iter().enumerate() {
            let word = rule.every.word();
            if rule.count == 0 {
                return Err(wrong(format!("{word} 0 keeps nothing"))
                    .hint("give a number from 1, or leave the rule out"));
            }
            if self.rules.iter().take(at).any(|other| other.every == rule.every) {
                return Err(wrong(format!("has two rules called {word}")));
            }
        }
        if self.within_seconds == Some(0) {
            return Err(wrong("within 0 keeps nothing".into()).hint("give a duration such as 30d"));
        }
        self.calendar.check()
    }
}

impl Calendar {
    fn check(&self) -> Result<()> {
        let wrong = |what: String| Error::new(Kind::Usage, format!("retention policy: {what}"));
        if self.business_days == 0 || self.business_days > 0b111_1111 {
            return Err(wrong("no day of the week is a business day".into())
                .hint("name some: mon-fri, or mon,tue,thu"));
        }
        if !(1..=12).contains(&self.fiscal_year_end) {
            return Err(wrong(format!("no month has the number {}", self.fiscal_year_end)));
        }
        if self.time_zone.len() > MAX_ZONE_BYTES {
            return Err(wrong("a time zone with an endless name".into()));
        }
        zone(&self.time_zone).map(|_| ())
    }
}
