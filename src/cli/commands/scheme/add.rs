//! `coffer scheme add` and `coffer scheme remove`. They promise that the configuration keeps every
//! remark, and that nothing wrong is saved.

use super::options::SchemeOptions;
use crate::cli::configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::{Error, Kind, Result};
use crate::schemes::config::Config;
use crate::schemes::config::edit::{Draft, Setting};
use crate::schemes::daemon;
use crate::storage::state_file::Owner;
use clap::Args;

/// Arguments of `coffer scheme add`.
#[derive(Debug, Args)]
pub struct Add {
    /// The new scheme
    name: String,
    /// It does not run by itself until `coffer scheme enable`
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    options: SchemeOptions,
}

/// Arguments of `coffer scheme remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// The scheme; its snapshots and records stay
    name: String,
}

impl Add {
    /// Adds it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let mut draft = Draft::open(&configured::path(context)?)?;
        if draft.has("scheme", &self.name) {
            return Err(Error::new(Kind::Usage, format!("scheme `{}` exists already", self.name))
                .hint(format!("coffer scheme edit {} changes it", self.name)));
        }
        let mut settings = self.options.settings();
        if self.disabled {
            settings.insert(0, ("enabled", Setting::Flag(false)));
        }
        draft.put("scheme", Some(&self.name), &settings, "")?;
        let done = if context.globals.dry_run { "would be added" } else { "added" };
        save(context, &draft, &self.name, done)
    }
}

impl Remove {
    /// Removes it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let mut draft = Draft::open(&configured::path(context)?)?;
        draft.remove("scheme", &self.name)?;
        let done = if context.globals.dry_run { "would be removed" } else { "removed; its snapshots stay" };
        save(context, &draft, &self.name, done)
    }
}

/// Checks and, unless nothing is to be changed, saves; warns of what the change brings about.
pub fn save(context: &Context, draft: &Draft, name: &str, done: &str) -> Result<Outcome> {
    let config = draft.config()?;
    warn(context, &config, name);
    if let Some(section) = draft.section("scheme", name) {
        context.output.detail(format_args!("[scheme.{name}]\n{}", section.trim()));
    }
    if !context.globals.dry_run {
        draft.save(Owner::PRIVATE)?;
        reload(context, &config);
    }
    let outcome = Outcome::done().with("scheme", name).with("config", draft.path().display().to_string());
    let scheme = config.scheme.get(name);
    Ok(outcome
        .with("enabled", scheme.map(|scheme| scheme.enabled))
        .with("when", scheme.map(|scheme| scheme.when()))
        .summary(format!("scheme {name} {done}")))
}

/// Has the daemon, if one lives, go by what was saved.
fn reload(context: &Context, config: &Config) {
    let Ok(state) = configured::state(config) else { return };
    match daemon::ask_to_reload(&state) {
        Some((process, true)) => {
            context.output.note(format_args!("the daemon, process {process}, rereads the configuration"));
        }
        Some((process, false)) => context.output.warning(
            "reload",
            format_args!(
                "the daemon, process {process}, still goes by the old configuration: have it reread \
                 (systemctl reload coffer, or kill -HUP {process})"
            ),
        ),
        None => {}
    }
}

/// What the new state of a scheme gets in the way of.
fn warn(context: &Context, config: &Config, name: &str) {
    let quoted = format!("`{name}`");
    for remark in config.remarks() {
        let is_meant = match remark.code {
            "overlap" => remark.message.contains(&quoted),
            "restart-server" | "by-hand" => remark.scheme.as_deref() == Some(name),
            _ => false,
        };
        if is_meant {
            context.output.warning(remark.code, &remark.message);
        }
    }
}
