//! The options that say what to keep, shared by `init`, `set` and `prune`. It promises that an
//! impossible policy is a usage error before anything is touched.

use crate::cli::args::usage;
use crate::error::{Error, Kind, Result};
use crate::retention::{EVERY, Period, Policy, Rule, Series};
use crate::values::{format_duration, parse_days, parse_duration, parse_month};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// What to keep.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What to keep (N: a number, or all)")]
pub struct PolicyOptions {
    /// A ready policy: practice (10 business days, the ends of 36 months, of 28 quarters and of every
    /// fiscal year), or none
    #[arg(long, value_name = "NAME", value_parser = usage(preset))]
    keep: Option<String>,
    /// The last N snapshots
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_last: Option<u32>,
    /// The last snapshot of each of N hours
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_hourly: Option<u32>,
    /// The last snapshot of each of N days
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_daily: Option<u32>,
    /// The last snapshot of each of N business days
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_business_daily: Option<u32>,
    /// The last snapshot of each of N weeks
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_weekly: Option<u32>,
    /// The last snapshot of each of N months
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_monthly: Option<u32>,
    /// The last snapshot of each of N quarters
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_quarterly: Option<u32>,
    /// The last snapshot of each of N half-years
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_half_yearly: Option<u32>,
    /// The last snapshot of each of N years
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_yearly: Option<u32>,
    /// The last snapshot of each of N fiscal years
    #[arg(long, value_name = "N", value_parser = usage(count), allow_negative_numbers = true)]
    keep_fiscal_year: Option<u32>,
    /// Everything made this long before the newest snapshot: 30d
    #[arg(long, value_name = "TIME", value_parser = usage(parse_duration))]
    keep_within: Option<Duration>,
    /// The month with which the fiscal year ends: 1 to 12, or a name
    #[arg(long, value_name = "MONTH", value_parser = usage(parse_month))]
    fiscal_year_end: Option<u8>,
    /// The days of the week that are business days: mon-fri, or mon,tue,thu
    #[arg(long, value_name = "DAYS", value_parser = usage(parse_days))]
    business_days: Option<u8>,
    /// The zone in which days begin: Europe/Berlin; or machine, which is the zone of the machine
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// Never drop the last K snapshots that a full verification proved
    #[arg(long, value_name = "K")]
    protect_verified: Option<u32>,
    /// Never drop what is younger than this: 7d
    #[arg(long, value_name = "TIME", value_parser = usage(parse_duration))]
    min_age: Option<Duration>,
    /// What a later snapshot must have, too, to take the place of another
    #[arg(long, value_enum)]
    group_by: Option<Grouping>,
}

/// A [`Series`] as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Grouping {
    /// Its sources
    Source,
    /// Its tags
    Tag,
    /// Its sources and tags
    Both,
    /// Nothing
    None,
}

/// What the options ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing was said.
    Unsaid,
    /// No policy.
    NoPolicy,
    /// This one.
    Policy(Policy),
}

impl PolicyOptions {
    fn rules(&self) -> Vec<Rule> {
        let given = [
            (Period::Commit, self.keep_last),
            (Period::Hour, self.keep_hourly),
            (Period::Day, self.keep_daily),
            (Period::BusinessDay, self.keep_business_daily),
            (Period::Week, self.keep_weekly),
            (Period::Month, self.keep_monthly),
            (Period::Quarter, self.keep_quarterly),
            (Period::HalfYear, self.keep_half_yearly),
            (Period::Year, self.keep_yearly),
            (Period::FiscalYear, self.keep_fiscal_year),
        ];
        given.into_iter().filter_map(|(every, count)| Some(Rule { every, count: count? })).collect()
    }

    fn says_rules(&self) -> bool {
        self.keep.is_some() || self.keep_within.is_some() || !self.rules().is_empty()
    }

    /// What is asked for, over the `stored` policy: rules that are given take the place of all stored
    /// ones, every other option that of its own.
    pub fn wish(&self, stored: Option<&Policy>) -> Result<Wish> {
        let mut policy = stored.cloned().unwrap_or_default();
        if self.says_rules() {
            policy.rules.clear();
            policy.within_seconds = self.keep_within.map(|within| within.as_secs());
        }
        match self.keep.as_deref() {
            Some("none") if self.rules().is_empty() && self.keep_within.is_none() => {
                return Ok(Wish::NoPolicy);
            }
            Some("none") => {
                return Err(Error::new(Kind::Usage, "--keep none and other rules exclude each other"));
            }
            Some(name) => policy.rules = Policy::preset(name)?,
            None => {}
        }
        self.rules().into_iter().for_each(|rule| policy.set(rule));
        let is_said = self.says_rules() | self.protection(&mut policy) | self.calendar(&mut policy);
        if !is_said {
            return Ok(Wish::Unsaid);
        }
        policy.check()?;
        Ok(Wish::Policy(policy))
    }

    fn protection(&self, policy: &mut Policy) -> bool {
        policy.protect_verified = self.protect_verified.unwrap_or(policy.protect_verified);
        policy.min_age_seconds = self.min_age.map_or(policy.min_age_seconds, |age| age.as_secs());
        policy.series = match self.group_by {
            None => policy.series,
            Some(Grouping::Source) => Series::Sources,
            Some(Grouping::Tag) => Series::Tags,
            Some(Grouping::Both) => Series::Both,
            Some(Grouping::None) => Series::Together,
        };
        self.protect_verified.is_some() || self.min_age.is_some() || self.group_by.is_some()
    }

    fn calendar(&self, policy: &mut Policy) -> bool {
        let calendar = &mut policy.calendar;
        calendar.fiscal_year_end = self.fiscal_year_end.unwrap_or(calendar.fiscal_year_end);
        calendar.business_days = self.business_days.unwrap_or(calendar.business_days);
        if let Some(zone) = &self.time_zone {
            calendar.time_zone = if zone == "machine" { String::new() } else { zone.clone() };
        }
        self.fiscal_year_end.is_some() || self.business_days.is_some() || self.time_zone.is_some()
    }
}

fn preset(text: &str) -> Result<String> {
    match text {
        "none" => Ok(()),
        name => Policy::preset(name).map(|_| ()),
    }?;
    Ok(text.to_owned())
}

fn count(text: &str) -> Result<u32> {
    let wrong = || {
        Error::new(Kind::Usage, format!("`{text}` keeps nothing"))
            .hint("give a number from 1, or all; to keep none of these, leave the option out")
    };
    match text {
        "all" => Ok(EVERY),
        _ => text.parse().ok().filter(|&count| count > 0).ok_or_else(wrong),
    }
}

/// A policy in words: `10 business-daily, 36 monthly, all fiscal-year`.
pub fn words(policy: Option<&Policy>) -> String {
    let Some(policy) = policy else { return "everything is kept".into() };
    let rule = |rule: &Rule| match rule.count {
        EVERY => format!("all {}", rule.every.word()),
        count => format!("{count} {}", rule.every.word()),
    };
    let mut parts: Vec<String> = policy.rules.iter().map(rule).collect();
    parts
        .extend(policy.within_seconds.map(|s| format!("within {}", format_duration(Duration::from_secs(s)))));
    if policy.protect_verified > 0 {
        parts.push(format!("the last {} verified", policy.protect_verified));
    }
    if policy.min_age_seconds > 0 {
        let age = format_duration(Duration::from_secs(policy.min_age_seconds));
        parts.push(format!("what is younger than {age}"));
    }
    format!("kept: {}", parts.join(", "))
}

/// A policy for programs.
pub fn value(policy: &Policy) -> Value {
    let count = |rule: &Rule| if rule.count == EVERY { json!("all") } else { json!(rule.count) };
    let keep: Map<String, Value> = policy.rules.iter().map(|r| (r.every.word().into(), count(r))).collect();
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let business = (0..7).filter(|day| policy.calendar.business_days >> day & 1 == 1).map(|day| days[day]);
    json!({
        "keep": keep,
        "keep_within_seconds": policy.within_seconds,
        "protect_verified": policy.protect_verified,
        "min_age_seconds": policy.min_age_seconds,
        "group_by": match policy.series {
            Series::Sources => "source",
            Series::Tags => "tag",
            Series::Both => "both",
            Series::Together => "none",
        },
        "business_days": business.collect::<Vec<_>>(),
        "fiscal_year_end": policy.calendar.fiscal_year_end,
        "time_zone": policy.calendar.time_zone,
    })
}
