//! The arguments of `coffer`: what stands before, behind or among every command. It promises that the
//! order of options never matters and that each global has its `COFFER_…` variable.

use crate::cli::commands::Command;
use crate::cli::secrets;
use crate::error::{Error, Kind, Result};
use crate::values::{Selector, parse_duration};
use clap::builder::FalseyValueParser;
use clap::{Args, Parser, ValueEnum};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Keeps a practice's nightly backups, database and attachments, in one verified, encrypted,
/// deduplicated file
#[derive(Debug, Parser)]
#[command(name = "coffer", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Arguments {
    /// What every command accepts.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command accepts, in any position.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Globals {
    /// The container, unless it is the first argument [env: COFFER_CONTAINER]
    #[arg(id = "container option", long = "container", value_name = "FILE", global = true)]
    pub container: Option<PathBuf>,
    /// The configuration [env: COFFER_CONFIG]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Write one JSON event a line on standard output, a `result` last
    #[arg(long, global = true, env = "COFFER_JSON", value_parser = FalseyValueParser::new(), hide_env_values = true)]
    pub json: bool,
    /// Say nothing but rows, warnings and errors
    #[arg(short, long, global = true, env = "COFFER_QUIET", value_parser = FalseyValueParser::new(), hide_env_values = true)]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true, env = "COFFER_VERBOSE", value_parser = FalseyValueParser::new(), hide_env_values = true)]
    pub verbose: bool,
    /// Show no progress
    #[arg(long, global = true, env = "COFFER_NO_PROGRESS", value_parser = FalseyValueParser::new(), hide_env_values = true)]
    pub no_progress: bool,
    /// Say what would happen and change nothing
    #[arg(long, global = true, env = "COFFER_DRY_RUN", value_parser = FalseyValueParser::new(), hide_env_values = true)]
    pub dry_run: bool,
    /// Take every question as answered with yes
    #[arg(short = 'y', long, global = true, env = "COFFER_YES", value_parser = FalseyValueParser::new(), hide_env_values = true)]
    pub yes: bool,
    /// Wait this long for another writer: 30, 30s, 5min
    #[arg(long, value_name = "TIME", global = true, env = "COFFER_LOCK_WAIT", value_parser = usage(parse_duration), default_value = "0", hide_env_values = true)]
    pub lock_wait: Duration,
    /// Threads to work with; 0: as many as the machine has
    #[arg(long, value_name = "N", global = true, env = "COFFER_THREADS", default_value_t = 0, value_parser = threads, hide_env_values = true)]
    pub threads: usize,
    /// Add every event to this file, too
    #[arg(long, value_name = "FILE", global = true, env = "COFFER_LOG_FILE", hide_env_values = true)]
    pub log_file: Option<PathBuf>,
    /// How events stand in the log file
    #[arg(long, value_name = "FORMAT", global = true, env = "COFFER_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text, hide_env_values = true)]
    pub log_format: LogFormat,
    /// The secret that opens the container.
    #[command(flatten)]
    pub secret: SecretOptions,
}

/// How events stand in a log file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people, with the time
    Text,
    /// One JSON event a line
    Json,
}

/// Where the secret comes from. None of these holds the secret itself.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Secret (or COFFER_PASSWORD_FILE, COFFER_KEY_FILE, or a prompt)")]
pub struct SecretOptions {
    /// This file holds the password; - is standard input
    #[arg(long, value_name = "FILE", global = true)]
    pub password_file: Option<PathBuf>,
    /// The output of this command is the password
    #[arg(long, value_name = "CMD", global = true)]
    pub password_command: Option<String>,
    /// This file is the key
    #[arg(long, value_name = "FILE", global = true)]
    pub key_file: Option<PathBuf>,
    /// This file holds the recovery code
    #[arg(long, value_name = "FILE", global = true)]
    pub recovery_code_file: Option<PathBuf>,
}

impl SecretOptions {
    /// The same for [`secrets::gather`].
    pub fn sources(&self) -> secrets::Options {
        secrets::Options {
            password_file: self.password_file.clone(),
            password_command: self.password_command.clone(),
            key_file: self.key_file.clone(),
            recovery_code_file: self.recovery_code_file.clone(),
        }
    }
}

/// A value parser that shows an error's hint, too.
pub fn usage<T>(
    parse: impl Fn(&str) -> Result<T> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> std::result::Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        parse(text).map_err(|error| match error.remedy() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        })
    }
}

fn threads(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(threads @ 0..=1024) => Ok(threads),
        _ => Err("write a number from 0 to 1024".into()),
    }
}

/// The container and what else stands among the arguments without a name; `rest` names what may
/// follow the container, the first `required` of them must.
///
/// The first of `given` is the container, unless `--container` names it: then all of them stand
/// one place to the left. A container from the environment gives way to one among the arguments,
/// which is there if all places are taken or if what stands first cannot follow a container.
pub fn places(
    globals: &Globals,
    given: impl IntoIterator<Item = Option<OsString>>,
    rest: &[&str],
    required: usize,
) -> Result<(PathBuf, Vec<OsString>)> {
    let variable = std::env::var_os("COFFER_CONTAINER").filter(|value| !value.is_empty());
    let named = Named { option: globals.container.as_deref(), variable };
    named.places(given.into_iter().flatten().collect(), rest, required)
}

struct Named<'a> {
    option: Option<&'a Path>,
    variable: Option<OsString>,
}

impl Named<'_> {
    fn places(
        self,
        mut given: Vec<OsString>,
        rest: &[&str],
        required: usize,
    ) -> Result<(PathBuf, Vec<OsString>)> {
        let usage = |message: String| Error::new(Kind::Usage, message);
        let can_follow = |first: &OsString| {
            rest.first() != Some(&"SNAPSHOT") || first.to_str().is_some_and(|s| s.parse::<Selector>().is_ok())
        };
        let container = match (self.option, self.variable) {
            (Some(_), _) if given.len() > rest.len() => {
                return Err(usage("the container is named twice".into())
                    .hint("name it with --container FILE or as the first argument, not both"));
            }
            (Some(path), _) => path.to_owned(),
            (None, Some(path)) if given.len() <= rest.len() && given.first().is_none_or(can_follow) => {
                path.into()
            }
            (None, _) if !given.is_empty() => given.remove(0).into(),
            (None, _) => {
                return Err(usage("no container is named".into())
                    .hint("name it as the first argument, with --container FILE or in COFFER_CONTAINER"));
            }
        };
        match rest.get(given.len()) {
            Some(missing) if given.len() < required => Err(usage(format!("no {missing} is given"))
                .hint("the --help of this command shows what it takes")),
            _ => Ok((container, given)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        option: Option<&str>,
        variable: Option<&str>,
        given: &[&str],
    ) -> Option<(String, Vec<OsString>)> {
        let named = Named { option: option.map(Path::new), variable: variable.map(Into::into) };
        let given = given.iter().map(Into::into).collect();
        let (container, rest) = named.places(given, &["SNAPSHOT", "PATH"], 1).ok()?;
        Some((container.to_str()?.to_owned(), rest))
    }

    #[test]
    fn the_container_is_where_it_was_named() {
        let is = |container: &str, rest: &[&str]| {
            Some((container.to_owned(), rest.iter().map(OsString::from).collect()))
        };
        assert_eq!(found(None, None, &["c", "latest", "p"]), is("c", &["latest", "p"]));
        assert_eq!(found(None, None, &["c"]), None);
        assert_eq!(found(None, None, &[]), None);
        assert_eq!(found(Some("c"), Some("e"), &["latest", "p"]), is("c", &["latest", "p"]));
        assert_eq!(found(Some("c"), None, &["c", "latest", "p"]), None);
        assert_eq!(found(None, Some("e"), &["latest", "p"]), is("e", &["latest", "p"]));
        assert_eq!(found(None, Some("e"), &["c", "latest", "p"]), is("c", &["latest", "p"]));
        assert_eq!(found(None, Some("e"), &["night.coffer", "latest"]), is("night.coffer", &["latest"]));
        assert_eq!(found(None, Some("e"), &[]), None);
    }
}
