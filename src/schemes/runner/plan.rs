//! The steps of a run, from the configuration alone. It promises that every step is a command that a
//! person could type, with secrets only by where they are.

use super::words;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::retention::Policy;
use crate::schemes::config::{Config, ContainerPlace, Copying, Hook, Scheme, Server, Source};
use crate::schemes::run::StepKind;
use crate::values::rfc3339;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What a run does beside the configuration's every-day things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Whether everything is verified, not a share.
    pub full_verification: bool,
    /// Whether a drill is due.
    pub drill: bool,
}

/// What surrounds the plan.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The folder of state.
    pub state: &'a Path,
    /// The service manager's folder of credentials.
    pub credentials: Option<&'a Path>,
    /// The time of the snapshot and of copies, if not now.
    pub at: Option<Timestamp>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub kind: StepKind,
    /// What it is about, by the name in the configuration.
    pub target: Option<String>,
    /// What is done.
    pub work: Work,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// `coffer` with these arguments.
    Command(Vec<OsString>),
    /// A command of the practice.
    Hook(Hook),
}

/// The whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// Commands before.
    pub before: Vec<Step>,
    /// `coffer set` with what the container is to be like, if the configuration says so.
    pub settings: Option<Vec<OsString>>,
    /// The same of the containers that copies go to, by name.
    pub copy_settings: BTreeMap<String, Vec<OsString>>,
    /// The steps, the backup first.
    pub steps: Vec<Step>,
    /// Commands after, whatever became of it.
    pub after: Vec<Step>,
}

/// The plan of the scheme `name`.
pub fn plan(config: &Config, name: &str, wants: Wants, place: Place<'_>) -> Result<RunPlan> {
    let scheme = config.scheme(name)?;
    let planner = Planner { config, name, scheme, place };
    let to = scheme.to.get_ref();
    let step = |kind, work| Step { kind, target: Some(to.clone()), work };
    let mut steps = vec![step(StepKind::Backup, Work::Command(planner.backup()?))];
    steps.extend(scheme.restart_server.clone().map(|hook| Step {
        kind: StepKind::Restart,
        target: None,
        work: Work::Hook(hook),
    }));
    if let Some(verify) = planner.verify(wants)? {
        steps.push(step(StepKind::Verify, Work::Command(verify)));
    }
    steps.push(step(StepKind::Prune, Work::Command(planner.prune()?)));
    for copying in &scheme.copy {
        steps.push(planner.copy(copying)?);
        steps.extend(planner.prune_copy(copying)?);
    }
    if wants.drill {
        steps.push(step(StepKind::Drill, Work::Command(planner.drill()?)));
    }
    let hooks = |kind, hooks: &[Hook]| -> Vec<Step> {
        let numbered = hooks.iter().enumerate();
        numbered
            .map(|(at, hook)| Step {
                kind,
                target: Some((at + 1).to_string()),
                work: Work::Hook(hook.clone()),
            })
            .collect()
    };
    Ok(RunPlan {
        before: hooks(StepKind::Before, &scheme.before),
        settings: planner.settings(planner.container()?)?,
        copy_settings: planner.copy_settings()?,
        steps,
        after: hooks(StepKind::After, &scheme.after),
    })
}

/// Arguments that grow.
#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn of(command: &str) -> Arguments {
        Arguments(vec![command.into()])
    }

    fn add(mut self, argument: impl Into<OsString>) -> Self {
        self.0.push(argument.into());
        self
    }

    fn option(self, name: &str, value: impl Into<OsString>) -> Self {
        // In one word, so that a value that begins with a hyphen stays one.
        let mut word = OsString::from(name);
        word.push("=");
        word.push(value.into());
        self.add(word)
    }

    fn options<T: Into<OsString>>(self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        values.into_iter().fold(self, |arguments, value| arguments.option(name, value))
    }
}

struct Planner<'a> {
    config: &'a Config,
    name: &'a str,
    scheme: &'a Scheme,
    place: Place<'a>,
}

impl Planner<'_> {
    fn zone(&self) -> Option<&str> {
        self.config.practice.zone()
    }

    fn container(&self) -> Result<&ContainerPlace> {
        self.config.container(self.scheme.to.get_ref())
    }

    /// `command` on the scheme's container.
    fn on_container(&self, command: &str) -> Result<Arguments> {
        self.on(self.container()?, command)
    }

    fn on(&self, place: &ContainerPlace, command: &str) -> Result<Arguments> {
        self.secret(Arguments::of(command).add(&place.path), place, "--")
    }

    fn credential(&self, name: &str) -> Result<PathBuf> {
        let folder = self.place.credentials.ok_or_else(|| {
            Error::new(Kind::WrongKey, format!("credential `{name}`: there is no folder of credentials"))
                .hint("only the service manager gives credentials: run it as a service, or use password-file")
        })?;
        Ok(folder.join(name))
    }

    fn secret(&self, arguments: Arguments, place: &ContainerPlace, prefix: &str) -> Result<Arguments> {
        let name = |option: &str| format!("{prefix}{option}");
        Ok(if let Some(file) = &place.password_file {
            arguments.option(&name("password-file"), file)
        } else if let Some(command) = &place.password_command {
            arguments.option(&name("password-command"), command)
        } else if let Some(file) = &place.key_file {
            arguments.option(&name("key-file"), file)
        } else if let Some(credential) = &place.credential {
            arguments.option(&name("password-file"), self.credential(credential)?)
        } else if prefix == "--to-" {
            arguments.add("--to-no-encryption")
        } else {
            arguments
        })
    }

    fn backup(&self) -> Result<Vec<OsString>> {
        let scheme = self.scheme;
        let mut arguments = self.on_container("backup")?;
        if scheme.has_databases() {
            arguments = match scheme.databases.is_empty() {
                true => arguments.add("--all-databases"),
                false => arguments.options("--database", &scheme.databases),
            };
            arguments = arguments.options("--table", tables(scheme));
            arguments = arguments.options("--exclude-table", &scheme.exclude_tables);
            if scheme.users {
                arguments = arguments.add("--users");
            }
            if let Some(profile) = &scheme.profile {
                arguments = arguments.option("--profile", profile.get_ref());
            }
            arguments = self.server(arguments)?;
        }
        arguments =
            arguments.options("--attachments", scheme.attachments.iter().map(|folder| folder.get_ref()));
        arguments = arguments.options("--exclude", &scheme.exclude);
        if let Some(level) = &scheme.level {
            arguments = arguments.option("--level", level.get_ref().to_string());
        }
        if scheme.read_back {
            arguments = arguments.add("--read-back");
        }
        Ok(self.timed(arguments.option("--tag", format!("scheme={}", self.name))).0)
    }

    fn timed(&self, arguments: Arguments) -> Arguments {
        arguments.options("--at", self.place.at.map(rfc3339))
    }

    fn server(&self, arguments: Arguments) -> Result<Arguments> {
        let named = self.scheme.server.as_ref().map(|name| name.get_ref());
        let found =
            named.or_else(|| self.config.server.keys().next()).and_then(|name| self.config.server.get(name));
        let Some(server) = found else { return Ok(arguments) };
        let Server { socket, host, port, user, password_file, password_command, .. } = server;
        let password = match &server.credential {
            Some(name) => Some(self.credential(name)?),
            None => password_file.clone(),
        };
        Ok(arguments
            .options("--mysql-socket", socket)
            .options("--mysql-host", host)
            .options("--mysql-port", port.map(|port| port.to_string()))
            .options("--mysql-user", user)
            .options("--mysql-password-file", password)
            .options("--mysql-password-command", password_command)
            .options("--mysql-defaults-file", &server.defaults_file)
            .options("--mysql-tls", &server.tls)
            .options("--mysql-ca", &server.ca))
    }

    fn verify(&self, wants: Wants) -> Result<Option<Vec<OsString>>> {
        let arguments = self.on_container("verify")?;
        let share = self.scheme.verify_share.map(|share| share.0).filter(|share| *share > 0.0);
        Ok(match (wants.full_verification, share) {
            (true, _) => Some(arguments.0),
            (false, Some(share)) => Some(arguments.option("--share", share.to_string()).0),
            (false, None) => None,
        })
    }

    fn prune(&self) -> Result<Vec<OsString>> {
        let arguments = self.on_container("prune")?;
        let Some(keep) = &self.scheme.keep else { return Ok(arguments.0) };
        let policy = keep.policy(self.zone())?;
        Ok(with_policy(arguments.option("--tag", format!("scheme={}", self.name)), &policy).0)
    }

    fn settings(&self, place: &ContainerPlace) -> Result<Option<Vec<OsString>>> {
        if place.max_size.is_none() && place.keep.is_none() {
            return Ok(None);
        }
        let arguments = self.on(place, "set")?;
        let arguments = arguments.options("--max-size", place.max_size.map(|size| size.0.to_string()));
        Ok(Some(match &place.keep {
            Some(keep) => with_policy(arguments, &keep.policy(self.zone())?).0,
            None => arguments.0,
        }))
    }

    fn copy_settings(&self) -> Result<BTreeMap<String, Vec<OsString>>> {
        let mut all = BTreeMap::new();
        for to in self.scheme.copy.iter().filter_map(|copying| copying.to.as_ref()) {
            let settings = self.settings(self.config.container(to.get_ref())?)?;
            all.extend(settings.map(|settings| (to.get_ref().clone(), settings)));
        }
        Ok(all)
    }

    /// Retention of the container that was copied to, if the configuration says what it keeps.
    fn prune_copy(&self, copying: &Copying) -> Result<Option<Step>> {
        let Some(to) = copying.to.as_ref().map(|to| to.get_ref()) else { return Ok(None) };
        let place = self.config.container(to)?;
        let Some(_) = &place.keep else { return Ok(None) };
        let work = Work::Command(self.on(place, "prune")?.0);
        Ok(Some(Step { kind: StepKind::Prune, target: Some(to.clone()), work }))
    }

    fn copy(&self, copying: &Copying) -> Result<Step> {
        let arguments = self.timed(self.on_container("copy")?);
        let (arguments, target) = match (&copying.to, &copying.rotation) {
            (Some(to), _) => {
                let other = self.config.container(to.get_ref())?;
                // What a rule of its own dropped there would be copied anew each time.
                let has_own_rule = other.keep.is_some() && other.keep != self.container()?.keep;
                let arguments = if has_own_rule { arguments.add("latest") } else { arguments };
                (self.secret(arguments.option("--to", &other.path), other, "--to-")?, to.get_ref())
            }
            (None, Some(set)) => (arguments.option("--rotation", set.get_ref()), set.get_ref()),
            (None, None) => return Err(Error::new(Kind::Usage, "a copy that goes nowhere")),
        };
        let work = Work::Command(arguments.0);
        Ok(Step { kind: StepKind::Copy, target: Some(target.clone()), work })
    }

    fn drill(&self) -> Result<Vec<OsString>> {
        let arguments = self.on_container("drill")?.option("--report", reports(self.place.state));
        Ok(if self.scheme.has_databases() { arguments.0 } else { arguments.add("--no-database").0 })
    }
}

/// The folder of reports.
pub fn reports(state: &Path) -> PathBuf {
    state.join("reports")
}

fn tables(scheme: &Scheme) -> &[String] {
    match scheme.source.get_ref() {
        Source::Tables => &scheme.tables,
        _ => &[],
    }
}

/// All that a policy says, so that nothing of an older one stays.
fn with_policy(arguments: Arguments, policy: &Policy) -> Arguments {
    words::policy(policy)
        .into_iter()
        .fold(arguments, |arguments, (name, value)| arguments.option(&name, value))
}

#[cfg(test)]
mod tests;
