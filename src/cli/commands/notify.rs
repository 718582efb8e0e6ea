//! `coffer notify`: the ways to tell people, tried out.

use crate::cli::configured::Configured;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::error::{Error, Kind, Result};
use crate::schemes::notices;
use crate::schemes::notify::Channels;
use crate::values::{format_count, rfc3339};
use clap::{Args, Subcommand};
use serde_json::json;

/// Arguments of `coffer notify`.
#[derive(Debug, Args)]
pub struct Notify {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send a test notice, and say what came of it
    Test(Test),
}

#[derive(Debug, Args)]
struct Test {
    /// The way to tell people; all without it
    name: Option<String>,
}

impl Notify {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Test(_) => "notify test",
        }
    }

    /// Does it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let Action::Test(test) = self.action;
        let configured = Configured::load(context)?;
        let config = &configured.config;
        if let Some(name) = test.name.as_ref().filter(|name| !config.notify.contains_key(*name)) {
            let known: Vec<&str> = config.notify.keys().map(String::as_str).collect();
            let error = Error::new(Kind::NotFound, format!("notify `{name}` is not in the configuration"));
            return Err(error.hint(format!("there are: {}", known.join(", "))));
        }
        if config.notify.is_empty() {
            return Err(Error::new(Kind::NotFound, "the configuration names no way to tell people")
                .hint("write a section [notify.NAME]"));
        }
        if context.globals.dry_run {
            return Ok(Outcome::done().with("told", 0).summary("a test notice would be sent"));
        }
        let time = rfc3339(context.time(None));
        let notice = notices::of_test(config.practice.name.as_deref(), &time);
        let told = Channels::of(config, &configured.state).tell_by(&notice, test.name.as_deref());
        let mut failed = 0;
        for told in &told {
            match &told.failure {
                None => context.output.item(
                    format_args!("{}: told", told.channel),
                    json!({ "channel": told.channel, "told": true }),
                ),
                Some(failure) => {
                    failed += 1;
                    let item = json!({ "channel": told.channel, "told": false, "failure": failure });
                    context.output.item(format_args!("{}: not told: {failure}", told.channel), item);
                }
            }
        }
        let status = if failed == 0 { Status::Done } else { Status::Failed };
        let good = told.len() - failed;
        let summary = format!("{} told, {failed} not", format_count(good as u64, "way"));
        Ok(Outcome::new(status).with("told", good).with("failed", failed).summary(summary))
    }
}
