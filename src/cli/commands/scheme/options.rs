//! The options that say what a scheme is, shared by `scheme add`, `scheme edit` and `setup`. It promises
//! to write nothing that was not given.

use crate::cli::args::usage;
use crate::error::{Error, Kind, Result};
use crate::schemes::config::edit::Setting;
use clap::Args;
use std::path::Path;

/// What a scheme saves, where to, when, and what is done around it.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The scheme")]
pub struct SchemeOptions {
    /// What it saves: all, database, attachments or tables
    #[arg(long, value_name = "WHAT")]
    pub source: Option<String>,
    /// The server that its databases are on
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// A database; may be given several times; none: all of the server
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// A table, DB.TABLE, of source `tables`; * stands for any characters
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// A table that stays out
    #[arg(long, value_name = "TABLE")]
    exclude_table: Vec<String>,
    /// Whether users and their rights are saved, too
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    users: Option<bool>,
    /// An attachment folder: DIR or LABEL=DIR
    #[arg(long, value_name = "DIR", value_parser = usage(attachments))]
    attachments: Vec<String>,
    /// Files that stay out: *.tmp
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// What is known of the application: open-dental, or the path of a file
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// The container that it saves to
    #[arg(long, value_name = "NAME")]
    pub to: Option<String>,
    /// The days of its runs: mon-fri; daily
    #[arg(long, value_name = "DAYS")]
    days: Option<String>,
    /// The times of day of its runs: 12:30,22:00
    #[arg(long, value_name = "TIMES", value_delimiter = ',')]
    at_times: Vec<String>,
    /// In place of days and times: minute, hour, day, month and day of the week, as cron has it
    #[arg(long, value_name = "CRON")]
    calendar: Option<String>,
    /// zstd level: 1 is fast, 22 is small
    #[arg(long, value_name = "N")]
    level: Option<i64>,
    /// Whether what was written is read back from the medium
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    read_back: Option<bool>,
    /// The share of older data that each run verifies, in percent
    #[arg(long, value_name = "PERCENT")]
    verify_share: Option<f64>,
    /// How often everything is verified: 30d
    #[arg(long, value_name = "TIME")]
    verify_every: Option<String>,
    /// How often a drill proves that it restores: 90d
    #[arg(long, value_name = "TIME")]
    drill_every: Option<String>,
    /// What is kept instead of what its container keeps: practice, or a rule such as daily=14
    #[arg(long, value_name = "RULE", value_parser = usage(keep))]
    keep: Vec<(String, String)>,
    /// A container that its snapshots are copied to
    #[arg(long, value_name = "NAME")]
    copy_to: Vec<String>,
    /// A set of `coffer rotation` that its snapshots are copied to
    #[arg(long, value_name = "SET")]
    copy_rotation: Vec<String>,
    /// A command before it; one that fails stops the run
    #[arg(long, value_name = "CMD")]
    before: Vec<String>,
    /// A command after it, whatever became of it
    #[arg(long, value_name = "CMD")]
    after: Vec<String>,
    /// The command that restarts the database server afterwards; people who work then are thrown out
    #[arg(long, value_name = "CMD")]
    restart_server: Option<String>,
    /// How often a run that failed is tried again
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// How long is waited before that: 15min
    #[arg(long, value_name = "TIME")]
    retry_after: Option<String>,
    /// How long after its time a scheme without a good run is overdue: 1d
    #[arg(long, value_name = "TIME")]
    overdue_after: Option<String>,
}

/// Relative folders are those of who types them.
fn attachments(text: &str) -> Result<String> {
    let (label, folder) = match text.split_once('=') {
        Some((label, folder)) if !label.contains('/') => (Some(label), folder),
        _ => (None, text),
    };
    let whole = std::path::absolute(Path::new(folder))
        .map_err(|cause| Error::io(Kind::Usage, format!("`{text}` is no folder"), cause))?;
    let whole = whole
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::new(Kind::Usage, format!("`{}` is not UTF-8", whole.display())))?;
    Ok(match label {
        Some(label) => format!("{label}={whole}"),
        None => whole,
    })
}

fn keep(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((rule, value)) if !rule.is_empty() && !value.is_empty() => Ok((rule.into(), value.into())),
        Some(_) => Err(Error::new(Kind::Usage, format!("`{text}` is no rule")).hint("write daily=14")),
        None => Ok(("policy".into(), text.into())),
    }
}

impl SchemeOptions {
    /// What was given, in the words of the configuration.
    pub fn settings(&self) -> Vec<(&'static str, Setting)> {
        let mut found = Vec::new();
        let mut put = |key, setting: Option<Setting>| found.extend(setting.map(|setting| (key, setting)));
        let text = |text: &Option<String>| text.clone().map(Setting::Text);
        let texts = |texts: &[String]| Some(texts.to_vec()).filter(|t| !t.is_empty()).map(Setting::Texts);
        put("source", text(&self.source));
        put("server", text(&self.server));
        put("databases", texts(&self.database));
        put("tables", texts(&self.table));
        put("exclude-tables", texts(&self.exclude_table));
        put("users", self.users.map(Setting::Flag));
        put("attachments", texts(&self.attachments));
        put("exclude", texts(&self.exclude));
        put("profile", text(&self.profile));
        put("to", text(&self.to));
        if self.calendar.is_some() {
            put("days", Some(Setting::Absent));
            put("times", Some(Setting::Absent));
        } else if self.days.is_some() || !self.at_times.is_empty() {
            put("calendar", Some(Setting::Absent));
        }
        put("days", text(&self.days));
        put("times", texts(&self.at_times));
        put("calendar", text(&self.calendar));
        put("level", self.level.map(Setting::Number));
        put("read-back", self.read_back.map(Setting::Flag));
        put("verify-share", self.verify_share.map(Setting::Share));
        put("verify-every", text(&self.verify_every));
        put("drill-every", text(&self.drill_every));
        put("keep", kept(&self.keep));
        put("copy", self.copies());
        put("before", hooks(&self.before));
        put("after", hooks(&self.after));
        put("restart-server", self.restart_server.as_ref().map(|command| Setting::Keys(hook(command))));
        put("retries", self.retries.map(|retries| Setting::Number(retries.into())));
        put("retry-after", text(&self.retry_after));
        put("overdue-after", text(&self.overdue_after));
        found
    }

    fn copies(&self) -> Option<Setting> {
        let to = self.copy_to.iter().map(|name| vec![("to".to_owned(), Setting::Text(name.clone()))]);
        let sets =
            self.copy_rotation.iter().map(|set| vec![("rotation".to_owned(), Setting::Text(set.clone()))]);
        let rows: Vec<_> = to.chain(sets).collect();
        (!rows.is_empty()).then_some(Setting::List(rows))
    }
}

/// Rules of retention as keys: numbers are numbers.
fn kept(rules: &[(String, String)]) -> Option<Setting> {
    let value = |text: &String| text.parse().map_or_else(|_| Setting::Text(text.clone()), Setting::Number);
    let keys: Vec<_> = rules.iter().map(|(rule, text)| (rule.clone(), value(text))).collect();
    (!keys.is_empty()).then_some(Setting::Keys(keys))
}

fn hook(command: &str) -> Vec<(String, Setting)> {
    vec![("command".to_owned(), Setting::Text(command.to_owned()))]
}

fn hooks(commands: &[String]) -> Option<Setting> {
    (!commands.is_empty()).then(|| Setting::List(commands.iter().map(|command| hook(command)).collect()))
}
