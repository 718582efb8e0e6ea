//! `coffer service`: units for the service manager. It promises to touch no unit that it did not write,
//! and never to leave the daemon beside timers: both would run every scheme.

use crate::cli::configured::Configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::{Error, Kind, Result};
use crate::operations::client_state::ClientState;
use crate::operations::rotation::RotationSets;
use crate::schemes::units::{self, MARK, Unit, Wish};
use crate::storage::{place, state_file};
use crate::values::format_count;
use clap::{Args, Subcommand};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Arguments of `coffer service`.
#[derive(Debug, Args)]
pub struct Service {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the unit of the daemon, or timers
    Install(Install),
    /// Take away the units that were written
    Remove(Remove),
}

#[derive(Debug, Args)]
struct Install {
    /// A timer for each scheme, instead of the daemon
    #[arg(long)]
    timer: bool,
    /// Who runs it, instead of root
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Show the units and write nothing
    #[arg(long)]
    print: bool,
    /// The root folder of the system that they are written into
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

#[derive(Debug, Args)]
struct Remove {
    /// The root folder of the system that they are taken from
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// The unit of the daemon.
const DAEMON: &str = "coffer.service";

/// The folder of units below `root`.
fn folder(root: &Path) -> PathBuf {
    root.join("etc/systemd/system")
}

impl Service {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Install(_) => "service install",
            Action::Remove(_) => "service remove",
        }
    }

    /// Does it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        match self.action {
            Action::Install(install) => install.run(context),
            Action::Remove(remove) => remove.run(context),
        }
    }
}

impl Install {
    fn run(self, context: &Context) -> Result<Outcome> {
        let configured = Configured::load(context)?;
        check_user(self.user.as_deref())?;
        let program = std::env::current_exe()
            .map_err(|cause| Error::io(Kind::Failed, "where this program is cannot be told", cause))?;
        let wish = Wish {
            program: &program,
            path: &configured.path,
            config: &configured.config,
            state: &configured.state,
            user: self.user.as_deref(),
            media: media(&configured.state),
        };
        let units = match self.timer {
            true => units::timers(&wish)?,
            false => vec![units::daemon(&wish)],
        };
        let folder = folder(&self.root);
        for unit in &units {
            let item = serde_json::json!({ "unit": unit.name, "text": unit.text });
            context.output.item(unit.text.trim_end(), item);
        }
        self.warn_of_others(context, &wish);
        let count = format_count(units.len() as u64, "unit");
        let outcome = Outcome::done().with("units", units.iter().map(|unit| &unit.name).collect::<Vec<_>>());
        if self.print {
            context.only_looks();
        }
        if self.print || context.globals.dry_run {
            return Ok(outcome.summary(format!("{count} would be written to {}", folder.display())));
        }
        units.iter().try_for_each(|unit| refuse_foreign(&folder, &unit.name))?;
        let others = others(&folder, &units);
        if self.timer {
            refuse_foreign(&folder, DAEMON)?;
        }
        if self.root == Path::new("/") {
            state_file::create_private(&configured.state).map_err(|cause| {
                Error::io(Kind::Failed, format!("{}: cannot be made", configured.state.display()), cause)
            })?;
        }
        units.iter().try_for_each(|unit| write(&folder, unit))?;
        others.iter().try_for_each(|name| take_away(&folder, name))?;
        let start: Vec<&str> = match self.timer {
            true => units.iter().map(|unit| unit.name.as_str()).filter(|n| n.ends_with(".timer")).collect(),
            false => vec![DAEMON],
        };
        let mut next = format!("systemctl daemon-reload && systemctl enable --now {}", start.join(" "));
        if !others.is_empty() {
            let names = others.join(" ");
            next = format!("systemctl stop {names}; {next}");
            context.output.warning(
                "units-replaced",
                format_args!(
                    "{names}: taken away, so that nothing runs twice; what runs of it is to be stopped"
                ),
            );
        }
        Ok(outcome
            .with("removed", &others)
            .with("next", &next)
            .summary(format!("{count} written to {}; now: {next}", folder.display())))
    }
}

impl Install {
    /// Says what the service will not be able to write.
    fn warn_of_others(&self, context: &Context, wish: &Wish<'_>) {
        let user = match self.user.as_deref() {
            Some(user) => place::user_number(user),
            None => Some((0, 0)),
        };
        let found = user.map(|user| units::of_others(wish, user)).unwrap_or_default();
        let who = self.user.as_deref().unwrap_or("root");
        for path in found {
            context.output.warning(
                "not-writable",
                format_args!(
                    "{}: the service, which runs as {who} without rights over the files of others, cannot write it; \
                     chown {who} it, or install with --user and the name of its owner",
                    path.display()
                ),
            );
        }
    }
}

/// The folders of the media of rotation sets.
fn media(state: &Path) -> Vec<PathBuf> {
    let sets = RotationSets::of(&ClientState::at(state));
    let names = sets.names().unwrap_or_default();
    let members = names.iter().filter_map(|name| sets.get(name).ok()).flat_map(|set| set.members);
    members.filter_map(|member| Some(member.path.parent()?.to_owned())).collect()
}

fn check_user(user: Option<&str>) -> Result<()> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match user {
        Some(user) if user.is_empty() || !user.chars().all(is_name) => {
            Err(Error::new(Kind::Usage, format!("`{user}` is no name of a user")))
        }
        _ => Ok(()),
    }
}

fn is_ours(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.starts_with(MARK))
}

fn refuse_foreign(folder: &Path, name: &str) -> Result<()> {
    let file = folder.join(name);
    match file.symlink_metadata().is_ok() && !is_ours(&file) {
        true => Err(Error::new(
            Kind::Usage,
            format!("{}: is there, and not written by this command", file.display()),
        )
        .hint("move it away; own settings belong in a folder of overrides: systemctl edit")),
        false => Ok(()),
    }
}

fn write(folder: &Path, unit: &Unit) -> Result<()> {
    let file = folder.join(&unit.name);
    let failed = |cause| Error::io(Kind::Failed, format!("{}: not written", file.display()), cause);
    std::fs::create_dir_all(folder).map_err(failed)?;
    state_file::replace(&file, unit.text.as_bytes()).map_err(failed)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).map_err(failed)
}

/// The names of the units in `folder` that this command wrote.
fn ours(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    found.retain(|name| (name == DAEMON || name.starts_with("coffer-")) && is_ours(&folder.join(name)));
    found.sort();
    found
}

/// Those of them that are not among `units`.
fn others(folder: &Path, units: &[Unit]) -> Vec<String> {
    let mut found = ours(folder);
    found.retain(|name| units.iter().all(|unit| unit.name != *name));
    found
}

/// Removes a unit, and the links by which it is started with the machine.
fn take_away(folder: &Path, name: &str) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let wants = entries.filter(|path| path.extension().is_some_and(|extension| extension == "wants"));
    for link in wants.map(|wants| wants.join(name)).filter(|link| link.is_symlink()) {
        // One that stays leads nowhere, and the service manager passes it over.
        let _ = std::fs::remove_file(link);
    }
    let file = folder.join(name);
    std::fs::remove_file(&file)
        .map_err(|cause| Error::io(Kind::Failed, format!("{}: not removed", file.display()), cause))
}

impl Remove {
    fn run(self, context: &Context) -> Result<Outcome> {
        let folder = folder(&self.root);
        let found = ours(&folder);
        for name in &found {
            let shown = folder.join(name).display().to_string();
            context.output.item(&shown, serde_json::json!({ "unit": shown }));
            if !context.globals.dry_run {
                take_away(&folder, name)?;
            }
        }
        let count = format_count(found.len() as u64, "unit");
        let verb = if context.globals.dry_run { "would be removed" } else { "removed" };
        Ok(Outcome::done().with("removed", found.len()).summary(format!("{count} {verb}")))
    }
}
