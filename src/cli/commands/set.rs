//! `coffer set`: settings that travel with the container.

use crate::cli::args::{places, usage};
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::cli::values::{format_size, parse_size};
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::operations::settings;
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
        let (path, _) = places(&context.globals, [self.container], &[], 0)?;
        let Some(Limit(max_bytes)) = self.max_size else {
            return Err(Error::new(Kind::Usage, "nothing to set").hint("give --max-size SIZE"));
        };
        let dry = context.globals.dry_run;
        let mut session = context.open(&path, if dry { Access::Read } else { Access::Write })?;
        let before = session.store.contents().settings.max_bytes;
        settings::check_max_bytes(&session, max_bytes)?;
        if !dry && before != max_bytes {
            settings::set_max_bytes(&mut session, max_bytes, context.time(None), context.pool()?)?;
        }
        let words = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), format_size);
        let verb = if dry { "would become" } else { "is" };
        Ok(Outcome::done().with("max_bytes_before", before).with("max_bytes", max_bytes).summary(format!(
            "the limit of {} {verb} {}, before: {}",
            path.display(),
            words(max_bytes),
            words(before)
        )))
    }
}
