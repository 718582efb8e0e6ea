//! `[scheme.NAME]`: what is saved, where to, when, and what is done before and after.

use super::places::Keep;
use super::words::{Clock, Days, Percent, Span};
use super::wrong::meant;
use crate::error::{Error, Kind, Result};
use crate::schedule::Slots;
use serde::{Deserialize, Deserializer, de};
use std::time::Duration;
use toml::Spanned;

/// Every key that a scheme may have.
const KEYS: [&str; 27] = [
    "enabled",
    "source",
    "server",
    "databases",
    "tables",
    "exclude-tables",
    "users",
    "attachments",
    "exclude",
    "profile",
    "to",
    "days",
    "times",
    "calendar",
    "level",
    "read-back",
    "verify-share",
    "verify-every",
    "drill-every",
    "keep",
    "copy",
    "before",
    "after",
    "restart-server",
    "retries",
    "retry-after",
    "overdue-after",
];

/// A scheme.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scheme {
    /// Whether the daemon runs it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What of the practice it saves.
    pub source: Spanned<Source>,
    /// The server that its databases are on; not needed if there is one.
    pub server: Option<Spanned<String>>,
    /// Its databases; empty: all of the server.
    #[serde(default)]
    pub databases: Vec<String>,
    /// The tables that it saves, `*` stands for any characters: of [`Source::Tables`].
    #[serde(default)]
    pub tables: Vec<String>,
    /// Tables that it leaves out.
    #[serde(default)]
    pub exclude_tables: Vec<String>,
    /// Whether users and their grants are saved, too.
    #[serde(default)]
    pub users: bool,
    /// Its attachment folders: `DIR` or `LABEL=DIR`.
    #[serde(default)]
    pub attachments: Vec<Spanned<String>>,
    /// Files that it leaves out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// What is known of the practice's application: `open-dental`, or a TOML file.
    pub profile: Option<Spanned<String>>,
    /// The container that it saves to.
    pub to: Spanned<String>,
    /// The days of its runs.
    pub days: Option<Days>,
    /// The times of day of its runs, in the practice's zone.
    #[serde(default, deserialize_with = "some_times")]
    pub times: Vec<Clock>,
    /// In place of days and times: a cron expression, in the practice's zone.
    pub calendar: Option<Spanned<String>>,
    /// zstd level, 1 to 22.
    pub level: Option<Spanned<i32>>,
    /// Whether what was written is read back from the medium; that is so unless it says `false`.
    #[serde(default = "yes")]
    pub read_back: bool,
    /// The share of older data that each run verifies, in turn.
    pub verify_share: Option<Percent>,
    /// How often everything is verified in full.
    pub verify_every: Option<Span>,
    /// How often a drill proves that it restores.
    pub drill_every: Option<Span>,
    /// What is kept of its snapshots, instead of what its container keeps.
    pub keep: Option<Keep>,
    /// Where its snapshots are copied to.
    #[serde(default)]
    pub copy: Vec<Copying>,
    /// Commands before it; one that fails stops the run.
    #[serde(default)]
    pub before: Vec<Hook>,
    /// Commands after it, whatever became of it.
    #[serde(default)]
    pub after: Vec<Hook>,
    /// The command that restarts the database server after the backup. People who work at that time are
    /// thrown out.
    pub restart_server: Option<Hook>,
    /// How often a run that failed is tried again.
    #[serde(default = "two")]
    pub retries: u32,
    /// How long is waited before that.
    #[serde(default = "quarter_of_an_hour")]
    pub retry_after: Span,
    /// How long after its slot a scheme without a good run is overdue; not given: a day.
    pub overdue_after: Option<Span>,
}

/// An empty list would be a scheme that never runs by itself, though it looks as if it did.
fn some_times<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<Clock>, D::Error> {
    let times = Vec::deserialize(from)?;
    match times.is_empty() {
        true => Err(de::Error::custom("there is no time in it; write times = [\"22:00\"], or leave it out")),
        false => Ok(times),
    }
}

/// What of the practice a scheme saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Databases and attachments.
    All,
    /// Databases.
    Database,
    /// Attachment folders.
    Attachments,
    /// Chosen tables: critical data.
    Tables,
}

/// A place that snapshots are copied to after the backup: `{ to = "offsite" }` or `{ rotation = "week" }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Copying {
    /// The container.
    pub to: Option<Spanned<String>>,
    /// The rotation set whose medium of the day it goes to.
    pub rotation: Option<Spanned<String>>,
}

/// A command of the practice's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hook {
    /// The command, for `/bin/sh`.
    pub command: String,
    /// How long it may take.
    #[serde(default = "ten_minutes")]
    pub timeout: Span,
}

impl Scheme {
    /// Refuses what is no key of a scheme.
    ///
    /// Errors: [`Kind::Usage`] with the nearest key.
    pub fn check_key(key: &str) -> Result<()> {
        match KEYS.contains(&key) {
            true => Ok(()),
            false => {
                let error = Error::new(Kind::Usage, format!("`{key}` is no key of a scheme"));
                Err(error.hint(meant(key, &KEYS, "keys of a scheme").unwrap_or_default()))
            }
        }
    }

    /// Its slots in the zone of that name, or of the machine; `None`: it runs only by hand.
    ///
    /// Errors: [`crate::error::Kind::Usage`] for what is no calendar or no zone.
    pub fn slots(&self, zone: Option<&str>) -> Result<Option<Slots>> {
        if let Some(calendar) = &self.calendar {
            return Slots::cron(calendar.get_ref(), zone).map(Some);
        }
        let minutes: Vec<u16> = self.times.iter().map(|time| time.0).collect();
        match minutes.is_empty() {
            true => Ok(None),
            false => Slots::weekly(self.days.map(|days| days.0), &minutes, zone).map(Some),
        }
    }

    /// When it runs, in words: `mon-fri 12:30 22:00`.
    pub fn when(&self) -> String {
        if let Some(calendar) = &self.calendar {
            return format!("calendar {}", calendar.get_ref());
        }
        if self.times.is_empty() {
            return "by hand".into();
        }
        let days = self.days.map_or_else(|| "daily".to_owned(), |days| days.to_string());
        let times: Vec<String> = self.times.iter().map(Clock::to_string).collect();
        format!("{days} {}", times.join(" "))
    }

    /// Whether it saves databases.
    pub fn has_databases(&self) -> bool {
        *self.source.get_ref() != Source::Attachments
    }

    /// Whether it saves attachment folders.
    pub fn has_attachments(&self) -> bool {
        matches!(self.source.get_ref(), Source::All | Source::Attachments)
    }
}

impl Source {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Source::All => "all",
            Source::Database => "database",
            Source::Attachments => "attachments",
            Source::Tables => "tables",
        }
    }
}

fn yes() -> bool {
    true
}

fn two() -> u32 {
    2
}

fn quarter_of_an_hour() -> Span {
    Span(Duration::from_secs(15 * 60))
}

fn ten_minutes() -> Span {
    Span(Duration::from_secs(10 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_that_are_read() {
        let refused = toml::from_str::<Scheme>("nothing = 1").expect_err("no such key").to_string();
        let listed = refused.split("expected one of ").nth(1).expect("a list").trim();
        let keys: Vec<&str> = listed.split(", ").map(|key| key.trim_matches('`')).collect();
        assert_eq!(keys, KEYS);
        assert!(Scheme::check_key("level").is_ok());
        let error = Scheme::check_key("verify_shar").expect_err("none");
        assert_eq!(error.remedy(), Some("did you mean `verify-share`?"));
    }
}
