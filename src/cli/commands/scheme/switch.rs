//! `coffer scheme enable` and `coffer scheme disable`.

use super::add::save;
use crate::cli::configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::Result;
use crate::schemes::config::edit::{Draft, Setting};
use clap::Args;

/// Arguments of `coffer scheme enable|disable`.
#[derive(Debug, Args)]
pub struct Switch {
    /// The scheme
    name: String,
}

impl Switch {
    /// Switches it on or off. Nothing is written if it is so already.
    pub fn run(self, context: &Context, on: bool) -> Result<Outcome> {
        let mut draft = Draft::open(&configured::path(context)?)?;
        let word = if on { "enabled" } else { "disabled" };
        if draft.config()?.scheme(&self.name)?.enabled == on {
            let summary = format!("scheme {} is {word} already", self.name);
            return Ok(Outcome::done().with("scheme", &self.name).with("enabled", on).summary(summary));
        }
        draft.put("scheme", Some(&self.name), &[("enabled", Setting::Flag(on))], "")?;
        let would = if context.globals.dry_run { "would be " } else { "" };
        save(context, &draft, &self.name, &format!("{would}{word}"))
    }
}
