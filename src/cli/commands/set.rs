//! `coffer set`: settings that travel with the container.

use super::policy::{self, PolicyOptions, Wish};
use crate::chunk_store::Settings;
use crate::cli::args::{places, usage};
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::operations::settings;
use crate::values::{format_size, parse_size};
use clap::Args;
use std::ffi::OsString;

/// Arguments of `coffer set`.
#[derive(Debug, Args)]
pub struct Set {
    /// The container
    container: Option<OsString>,
    /// The longest the file may become: 50G, or none
    #[arg(long, value_name = "SIZE", value_parser = usage(parse_limit))]
    max_size: Option<Limit>,
    #[command(flatten)]
    policy: PolicyOptions,
}

/// A size or none.
#[derive(Clone, Copy, Debug)]
struct Limit(Option<u64>);

fn parse_limit(text: &str) -> Result<Limit> {
    match text {
        "none" => Ok(Limit(None)),
        _ => parse_size(text).map(|bytes| Limit(Some(bytes))),
    }
}

impl Set {
    /// Changes them.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.container.clone()], &[], 0)?;
        // With nothing stored yet, protection alone is no policy; with something, it is a change of it.
        let is_silent = self.policy.wish(None).is_ok_and(|wish| wish == Wish::Unsaid);
        if self.max_size.is_none() && is_silent {
            return Err(Error::new(Kind::Usage, "nothing to set").hint("give --max-size SIZE or --keep NAME"));
        }
        let dry = context.globals.dry_run;
        let mut session = context.open(&path, if dry { Access::Read } else { Access::Write })?;
        let before = session.store.contents().settings.clone();
        let mut after = before.clone();
        if let Some(Limit(max_bytes)) = self.max_size {
            settings::check_max_bytes(&session, max_bytes)?;
            after.max_bytes = max_bytes;
        }
        match self.policy.wish(before.retention.as_ref())? {
            Wish::Unsaid => {}
            Wish::NoPolicy => after.retention = None,
            Wish::Policy(policy) => after.retention = Some(policy),
        }
        if !dry {
            let change = |settings: &mut Settings| *settings = after.clone();
            settings::change(&mut session, context.time(None), context.pool()?, change)?;
        }
        Ok(Outcome::done()
            .with("max_bytes_before", before.max_bytes)
            .with("max_bytes", after.max_bytes)
            .with("retention_before", before.retention.as_ref().map(policy::value))
            .with("retention", after.retention.as_ref().map(policy::value))
            .summary(self.summary(&path.display().to_string(), &before, &after, dry)))
    }

    fn summary(&self, name: &str, before: &Settings, after: &Settings, dry: bool) -> String {
        let words = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), format_size);
        let verb = if dry { "would become" } else { "is" };
        let mut lines = Vec::new();
        if self.max_size.is_some() {
            let (after, before) = (words(after.max_bytes), words(before.max_bytes));
            lines.push(format!("the limit of {name} {verb} {after}, before: {before}"));
        }
        if self.max_size.is_none() || before.retention != after.retention {
            let of = |settings: &Settings| policy::words(settings.retention.as_ref());
            lines.push(format!("the policy of {name} {verb}: {}; before: {}", of(after), of(before)));
        }
        lines.join("\n")
    }
}
