//! What schemes work on: the practice, its database servers, its containers and the files that other
//! programs watch.

use super::words::{Days, Month, Size, Span};
use crate::error::Result;
use crate::retention::{EVERY, Period, Policy, Rule};
use serde::Deserialize;
use std::path::PathBuf;

/// `[practice]`: who it is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Practice {
    /// The name in reports and messages.
    pub name: Option<String>,
    /// The zone that times of day are in: `Europe/Berlin`; not given: that of the machine.
    pub time_zone: Option<toml::Spanned<String>>,
    /// The group that may read containers and reports.
    pub group: Option<String>,
    /// Folder of the history, the audit log and reports, instead of the usual one.
    pub state: Option<PathBuf>,
    /// What the emergency sheet tells beside where everything is, such as whom to call.
    pub remarks: Vec<String>,
}

impl Practice {
    /// The zone that times of day are in; `None`: that of the machine.
    pub fn zone(&self) -> Option<&str> {
        self.time_zone.as_ref().map(|zone| zone.get_ref().as_str())
    }
}

/// `[server.NAME]`: a database server, by the words of the `--mysql-…` options.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Server {
    /// Its socket.
    pub socket: Option<PathBuf>,
    /// Its name or address.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The database user.
    pub user: Option<String>,
    /// File with the user's password.
    pub password_file: Option<PathBuf>,
    /// Command whose output is the user's password.
    pub password_command: Option<String>,
    /// Name of the service manager's credential that is the user's password.
    pub credential: Option<String>,
    /// Option file (`my.cnf`).
    pub defaults_file: Option<PathBuf>,
    /// `auto`, `off`, `unverified` or `verified`.
    pub tls: Option<String>,
    /// Certificate authority (PEM).
    pub ca: Option<PathBuf>,
}

/// `[container.NAME]`: a container, what opens it and what it keeps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContainerPlace {
    /// The file.
    pub path: PathBuf,
    /// A folder above it that must be a mounted file system, or nothing is read or written there.
    pub mount: Option<PathBuf>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Command whose output is the password.
    pub password_command: Option<String>,
    /// File that is the key.
    pub key_file: Option<PathBuf>,
    /// Name of the service manager's credential that is the password.
    pub credential: Option<String>,
    /// `false` for a container that everybody can read.
    pub encryption: Option<bool>,
    /// The longest that the file may become.
    pub max_size: Option<Size>,
    /// What is kept, unless a scheme says otherwise.
    pub keep: Option<Keep>,
}

/// What to keep, by the words of the `--keep-…` options.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Keep {
    /// A ready policy: `practice`.
    pub policy: Option<String>,
    /// The last this many snapshots.
    pub last: Option<u32>,
    /// The last snapshot of each of this many hours; so of all that follow; 0: of all there are.
    pub hourly: Option<u32>,
    /// Days.
    pub daily: Option<u32>,
    /// Business days.
    pub business_daily: Option<u32>,
    /// Weeks.
    pub weekly: Option<u32>,
    /// Months.
    pub monthly: Option<u32>,
    /// Quarters.
    pub quarterly: Option<u32>,
    /// Half-years.
    pub half_yearly: Option<u32>,
    /// Years.
    pub yearly: Option<u32>,
    /// Fiscal years.
    pub fiscal_year: Option<u32>,
    /// Everything made this long before the newest snapshot.
    pub within: Option<Span>,
    /// The last this many snapshots that a full verification proved stay.
    pub protect_verified: Option<u32>,
    /// What is younger stays.
    pub min_age: Option<Span>,
    /// The month with which the fiscal year ends.
    pub fiscal_year_end: Option<Month>,
    /// The days of the week that are business days.
    pub business_days: Option<Days>,
}

impl Keep {
    fn counts(&self) -> [(Period, Option<u32>); 10] {
        [
            (Period::Commit, self.last),
            (Period::Hour, self.hourly),
            (Period::Day, self.daily),
            (Period::BusinessDay, self.business_daily),
            (Period::Week, self.weekly),
            (Period::Month, self.monthly),
            (Period::Quarter, self.quarterly),
            (Period::HalfYear, self.half_yearly),
            (Period::Year, self.yearly),
            (Period::FiscalYear, self.fiscal_year),
        ]
    }

    /// The policy that it means, with days in `time_zone`.
    ///
    /// Errors: [`crate::error::Kind::Usage`] if it keeps nothing or contradicts itself.
    pub fn policy(&self, time_zone: Option<&str>) -> Result<Policy> {
        let mut policy = Policy::default();
        for rule in self.policy.as_deref().map(Policy::preset).transpose()?.unwrap_or_default() {
            policy.set(rule);
        }
        for (every, count) in self.counts() {
            let count = count.map(|count| if count == 0 { EVERY } else { count });
            count.into_iter().for_each(|count| policy.set(Rule { every, count }));
        }
        policy.within_seconds = self.within.map(|span| span.0.as_secs());
        policy.protect_verified = self.protect_verified.unwrap_or_default();
        policy.min_age_seconds = self.min_age.map_or(0, |span| span.0.as_secs());
        let calendar = &mut policy.calendar;
        calendar.fiscal_year_end = self.fiscal_year_end.map_or(calendar.fiscal_year_end, |month| month.0);
        calendar.business_days = self.business_days.map_or(calendar.business_days, |days| days.0);
        calendar.time_zone = time_zone.unwrap_or_default().into();
        policy.check()?;
        Ok(policy)
    }
}

/// `[status]`: files that other programs watch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct StatusFiles {
    /// A file for Prometheus' text collector, written anew after each run.
    pub prometheus: Option<PathBuf>,
}
