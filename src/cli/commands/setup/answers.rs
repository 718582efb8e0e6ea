//! What is answered beforehand: by options, or in a file by the same names.

use crate::cli::args::usage;
use crate::error::{Error, Kind, Result};
use crate::schemes::config::{Server, misshapen, text};
use crate::values::{parse_clock, parse_days, parse_month, parse_size};
use clap::Args;
use serde::{Deserialize, Deserializer, de};
use std::path::{Path, PathBuf};

/// Answers; what is not given is asked for.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[command(next_help_heading = "Answers")]
pub struct Answers {
    /// The name of the practice
    #[arg(long, value_name = "TEXT")]
    pub practice: Option<String>,
    /// The zone that times of day are in: America/Denver
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// The group that may read the container
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// There is no database to save
    #[arg(long)]
    pub no_database: bool,
    /// A database to save; may be given several times
    #[arg(long, value_name = "NAME")]
    pub database: Vec<String>,
    /// What is known of the application: open-dental, none, or the path of a file
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// An attachment folder: DIR or LABEL=DIR; may be given several times
    #[arg(long, value_name = "DIR")]
    pub attachments: Vec<String>,
    /// There are no attachments to save
    #[arg(long)]
    pub no_attachments: bool,
    /// The container's file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The longest the container may become: 200G, or none
    #[arg(long, value_name = "SIZE", value_parser = usage(limit))]
    #[serde(deserialize_with = "of_limit")]
    pub max_size: Option<String>,
    /// What is kept: practice, or none (then a size is needed)
    #[arg(long, value_name = "NAME", value_parser = usage(kept))]
    #[serde(deserialize_with = "of_kept")]
    pub keep: Option<String>,
    /// The month with which the fiscal year ends
    #[arg(long, value_name = "MONTH", value_parser = usage(month))]
    #[serde(deserialize_with = "of_month")]
    pub fiscal_year_end: Option<String>,
    /// The days of backups: mon-fri
    #[arg(long, value_name = "DAYS", value_parser = usage(days))]
    #[serde(deserialize_with = "of_days")]
    pub days: Option<String>,
    /// The times of backups: 12:30,22:00
    #[arg(long, value_name = "TIMES", value_delimiter = ',', value_parser = usage(time))]
    #[serde(deserialize_with = "of_times")]
    pub times: Vec<String>,
    /// Make a key and write it to this file
    #[arg(long, value_name = "FILE")]
    pub new_key_file: Option<PathBuf>,
    /// Take the password in this file, which must be there, and which backups will read
    #[arg(long, value_name = "FILE", conflicts_with = "new_key_file")]
    pub stored_password: Option<PathBuf>,
    /// Write the recovery sheet, with the recovery code, to this file instead of showing the code
    #[arg(long, value_name = "FILE")]
    pub recovery_sheet: Option<PathBuf>,
    /// Make this database user, with the rights that a backup needs and no others
    #[arg(long, value_name = "NAME")]
    pub new_database_user: Option<String>,
    /// The name of the scheme
    #[arg(long, value_name = "NAME")]
    pub scheme: Option<String>,
    /// The name of the container in the configuration
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Make the first backup at once
    #[arg(long)]
    pub first_backup: bool,
    /// In a file only: a server as the configuration has it.
    #[arg(skip)]
    server: Option<Box<Server>>,
}

fn limit(text: &str) -> Result<String> {
    if text != "none" {
        parse_size(text)?;
    }
    Ok(text.into())
}

fn kept(text: &str) -> Result<String> {
    match text {
        "practice" | "none" => Ok(text.into()),
        _ => Err(Error::new(Kind::Usage, format!("`{text}` is nothing to keep by"))
            .hint("write practice, or none; coffer scheme edit takes single rules")),
    }
}

fn month(text: &str) -> Result<String> {
    parse_month(text).map(|_| text.into())
}

fn days(text: &str) -> Result<String> {
    if text != "daily" {
        parse_days(text)?;
    }
    Ok(text.into())
}

fn time(text: &str) -> Result<String> {
    parse_clock(text).map(|_| text.into())
}

/// A value of the file by the rule of its option.
fn by<'de, D: Deserializer<'de>>(
    from: D,
    rule: impl Fn(&str) -> Result<String> + Clone + Send + Sync + 'static,
) -> std::result::Result<Option<String>, D::Error> {
    usage(rule)(&String::deserialize(from)?).map(Some).map_err(de::Error::custom)
}

macro_rules! by {
    ($($name:ident: $rule:ident;)*) => {$(
        fn $name<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<String>, D::Error> {
            by(from, $rule)
        }
    )*};
}

by! {
    of_limit: limit;
    of_kept: kept;
    of_month: month;
    of_days: days;
}

fn of_times<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    struct Time(#[serde(deserialize_with = "of_time")] String);
    Ok(Vec::<Time>::deserialize(from)?.into_iter().map(|Time(text)| text).collect())
}

fn of_time<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<String, D::Error> {
    usage(time)(&String::deserialize(from)?).map_err(de::Error::custom)
}

impl Answers {
    /// Takes what is not given from the file at `path`; the server that it names is returned.
    ///
    /// Errors: [`Kind::Usage`], with line and column, for what is no answer.
    pub fn complete(&mut self, path: &Path) -> Result<Option<Server>> {
        let origin = format!("answers {}", path.display());
        let bytes = std::fs::read(path)
            .map_err(|cause| Error::io(Kind::Usage, format!("{origin}: cannot be read"), cause))?;
        let text = text(bytes, &origin)?;
        let Answers {
            practice,
            time_zone,
            group,
            no_database,
            database,
            profile,
            attachments,
            no_attachments,
            file,
            max_size,
            keep,
            fiscal_year_end,
            days,
            times,
            new_key_file,
            stored_password,
            recovery_sheet,
            new_database_user,
            scheme,
            name,
            first_backup,
            server,
        } = toml::from_str(&text).map_err(|cause| misshapen(&text, &origin, &cause))?;
        let list = |own: &mut Vec<String>, other| {
            if own.is_empty() {
                *own = other
            }
        };
        list(&mut self.database, database);
        list(&mut self.attachments, attachments);
        list(&mut self.times, times);
        self.no_database |= no_database;
        self.no_attachments |= no_attachments;
        self.first_backup |= first_backup;
        let secret = self.new_key_file.is_some() || self.stored_password.is_some();
        self.new_key_file = self.new_key_file.take().or(new_key_file.filter(|_| !secret));
        self.stored_password = self.stored_password.take().or(stored_password.filter(|_| !secret));
        for (own, other) in [
            (&mut self.practice, practice),
            (&mut self.time_zone, time_zone),
            (&mut self.group, group),
            (&mut self.profile, profile),
            (&mut self.max_size, max_size),
            (&mut self.keep, keep),
            (&mut self.fiscal_year_end, fiscal_year_end),
            (&mut self.days, days),
            (&mut self.new_database_user, new_database_user),
            (&mut self.scheme, scheme),
            (&mut self.name, name),
        ] {
            *own = own.take().or(other);
        }
        self.file = self.file.take().or(file);
        self.recovery_sheet = self.recovery_sheet.take().or(recovery_sheet);
        Ok(server.map(|server| *server))
    }
}
