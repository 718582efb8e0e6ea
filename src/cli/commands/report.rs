//! `coffer report`: the evidence of a period, to print and to keep.

use crate::cli::configured::Configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::{Error, Kind, Result};
use crate::operations::paper::write_new;
use crate::schemes::report::{Period, html, report};
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub use crate::schemes::report::instant;

/// Arguments of `coffer report`.
#[derive(Debug, Args)]
pub struct Report {
    /// The first day: 2026-10-01 [default: the first of this month]
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day [default: today]
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// A whole month: 2026-10
    #[arg(long, value_name = "MONTH", conflicts_with_all = ["from", "to"])]
    month: Option<String>,
    /// Write the page here; - is standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Report {
    /// Makes it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        if self.output.is_none() && !context.globals.json {
            return Err(Error::new(Kind::Usage, "it is not said where to write the report")
                .hint("give --output FILE.html, --output - or --json"));
        }
        let configured = Configured::load(context)?;
        let config = &configured.config;
        let zone = config.practice.zone();
        let (from, to, month) = (self.from.as_deref(), self.to.as_deref(), self.month.as_deref());
        let period = Period::new(from, to, month, zone, context.time(None))?;
        let report = report(config, &configured.state, &period, context.time(None));
        let mut outcome = Outcome::done();
        if let Value::Object(fields) = serde_json::to_value(&report).unwrap_or_default() {
            outcome.fields = fields;
        }
        let days = format!("{} to {}", period.first_day(), period.last_day());
        put(context, self.output.as_deref(), html(&report))?;
        let place = self.output.filter(|path| path != Path::new("-"));
        Ok(match place {
            Some(path) => outcome
                .with("output", path.display().to_string())
                .summary(format!("{}: report of {days}", path.display())),
            None => outcome,
        })
    }
}

/// Writes `page` to `place`, `-` being standard output. Nothing is overwritten.
pub fn put(context: &Context, place: Option<&Path>, page: String) -> Result<()> {
    match place {
        Some(path) if path == Path::new("-") => {
            context.output.item(page.trim_end(), serde_json::json!({ "page": page }));
            Ok(())
        }
        Some(path) if !context.globals.dry_run => write_new(path, page.as_bytes()),
        _ => Ok(()),
    }
}
