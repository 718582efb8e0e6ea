//! `coffer rotation`: the media that copies go to in turn. It promises that a medium enters a set by
//! its container, which must be there, and that none of these needs a secret.

use crate::cli::args::usage;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::operations::rotation::{Choice, Medium, Member, RotationSet, RotationSets, Schedule, choices};
use crate::values::{format_count, format_time, local_day, parse_time, rfc3339};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments of `coffer rotation`.
#[derive(Debug, Args)]
pub struct Rotation {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add media, which must be connected, to a set
    Add(Add),
    /// List the media of a set, or of all
    List(List),
    /// Take media out of a set; the containers stay as they are
    Remove(Remove),
    /// Tell which medium belongs to this day
    Due(Due),
}

#[derive(Debug, Args)]
struct Add {
    /// The set
    set: String,
    /// A medium: its name, and where its container is when it is connected
    #[arg(long, value_name = "LABEL=PATH", required = true, value_parser = usage(parse_member))]
    member: Vec<(String, PathBuf)>,
    /// When it is due: mon,thu or mon-fri, daily, monthly or in-turn
    #[arg(long, value_name = "DAYS", default_value = "in-turn", value_parser = usage(str::parse::<Schedule>))]
    days: Schedule,
}

#[derive(Debug, Args)]
struct List {
    /// The set
    set: Option<String>,
}

#[derive(Debug, Args)]
struct Remove {
    /// The set
    set: String,
    /// Only the medium of this name
    #[arg(long, value_name = "LABEL")]
    member: Option<String>,
}

#[derive(Debug, Args)]
struct Due {
    /// The set
    set: String,
    /// As of this time, instead of now
    #[arg(long, value_name = "TIME", value_parser = usage(parse_time))]
    at: Option<Timestamp>,
}

fn parse_member(text: &str) -> Result<(String, PathBuf)> {
    match text.split_once('=') {
        Some((label, path)) if !label.is_empty() && !path.is_empty() => {
            let path = std::path::absolute(path)
                .map_err(|e| Error::io(Kind::Usage, format!("`{path}` is no path"), e))?;
            Ok((label.into(), path))
        }
        _ => Err(Error::new(Kind::Usage, format!("`{text}` is no medium"))
            .hint("write monday=/media/usb/practice.coffer")),
    }
}

impl Rotation {
    /// Its name, as events carry it.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Add(_) => "rotation add",
            Action::List(_) => "rotation list",
            Action::Remove(_) => "rotation remove",
            Action::Due(_) => "rotation due",
        }
    }

    /// Does it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let sets = sets(context)?;
        match self.action {
            Action::Add(add) => add.run(context, &sets),
            Action::List(list) => list.run(context, &sets),
            Action::Remove(remove) => remove.run(context, &sets),
            Action::Due(due) => due.run(context, &sets),
        }
    }
}

/// The sets of this machine.
pub fn sets(context: &Context) -> Result<RotationSets> {
    context.state().as_ref().map(RotationSets::of).ok_or_else(|| {
        Error::new(Kind::Failed, "there is no place for rotation sets").hint("set COFFER_STATE_DIR or HOME")
    })
}

/// The media of `set` that belong to `day`.
pub fn of_day(set: &RotationSet, day: Date) -> Vec<Choice> {
    let last = |member: &Member| member.last.and_then(|copied| local_day(copied.time));
    let members: Vec<_> = set.members.iter().map(|member| (member.schedule, last(member))).collect();
    choices(&members, day)
}

impl Add {
    fn run(self, context: &Context, sets: &RotationSets) -> Result<Outcome> {
        let mut set = sets.read(&self.set)?.unwrap_or_default();
        for (label, path) in &self.member {
            let member = set.add(label, path, self.days)?;
            context.output.detail(format_args!("{}", line(&self.set, member)));
        }
        if !context.globals.dry_run {
            sets.write(&self.set, &set)?;
        }
        let verb = if context.globals.dry_run { "would be added" } else { "added" };
        let count = format_count(self.member.len() as u64, "medium").replace("mediums", "media");
        Ok(Outcome::done()
            .with("rotation", &self.set)
            .with("added", self.member.len())
            .with("members", set.members.len())
            .summary(format!("{count} {verb} to `{}`", self.set)))
    }
}

impl List {
    fn run(self, context: &Context, sets: &RotationSets) -> Result<Outcome> {
        let names = match self.set {
            Some(name) => vec![name],
            None => sets.names()?,
        };
        for name in &names {
            for member in &sets.get(name)?.members {
                context.output.item(line(name, member), item(name, member));
            }
        }
        if names.is_empty() && !context.globals.json {
            context.output.note("no rotation sets");
        }
        Ok(Outcome::done().with("rotations", names))
    }
}

fn line(set: &str, member: &Member) -> String {
    let last = match member.last {
        Some(copied) => format!("copied {}", format_time(copied.time)),
        None => "never copied".into(),
    };
    let (path, id) = (member.path.display(), member.container.to_string());
    format!("{set}  {:<12} {:<20} {}  {path}  {last}", member.label, member.schedule.to_string(), &id[..8])
}

fn item(set: &str, member: &Member) -> Value {
    json!({
        "rotation": set,
        "label": member.label,
        "path": member.path.display().to_string(),
        "container": member.container.to_string(),
        "days": member.schedule.to_string(),
        "last": member.last.map(|copied| json!({
            "time": rfc3339(copied.time),
            "source": copied.source.to_string(),
            "source_generation": copied.source_generation,
            "generation": copied.generation,
        })),
    })
}

impl Remove {
    fn run(self, context: &Context, sets: &RotationSets) -> Result<Outcome> {
        let mut set = sets.get(&self.set)?;
        let before = set.members.len();
        match &self.member {
            None => set.members.clear(),
            Some(label) => set.members.retain(|member| member.label != *label),
        }
        let removed = before - set.members.len();
        if let (0, Some(label)) = (removed, &self.member) {
            return Err(Error::new(
                Kind::NotFound,
                format!("the set `{}` has no medium `{label}`", self.set),
            )
            .hint("coffer rotation list shows the media of a set"));
        }
        if !context.globals.dry_run {
            sets.write(&self.set, &set)?;
        }
        let verb = if context.globals.dry_run { "would be taken" } else { "taken" };
        let count = format_count(removed as u64, "medium").replace("mediums", "media");
        Ok(Outcome::done()
            .with("rotation", &self.set)
            .with("removed", removed)
            .summary(format!("{count} {verb} out of `{}`", self.set)))
    }
}

impl Due {
    fn run(self, context: &Context, sets: &RotationSets) -> Result<Outcome> {
        let set = sets.get(&self.set)?;
        let day = local_day(context.time(self.at))
            .ok_or_else(|| Error::new(Kind::Usage, "a time beyond the calendar"))?;
        let mut due = 0;
        for choice in of_day(&set, day) {
            let Some(member) = set.members.get(choice.member) else { continue };
            due += usize::from(!choice.is_done);
            let is_present = is_present(member);
            let (done, place) = match (choice.is_done, is_present) {
                (true, _) => ("copied already", ""),
                (false, true) => ("due", ", connected"),
                (false, false) => ("due", ", not connected"),
            };
            let line =
                format!("{}  {done} for {}{place}  {}", member.label, choice.day, member.path.display());
            let mut item = item(&self.set, member);
            item["day"] = json!(choice.day.to_string());
            item["done"] = json!(choice.is_done);
            item["present"] = json!(is_present);
            context.output.item(line, item);
        }
        let count = format_count(due as u64, "medium").replace("mediums", "media");
        Ok(Outcome::done().with("rotation", &self.set).with("due", due).summary(format!("{count} due")))
    }
}

fn is_present(member: &Member) -> bool {
    let at = |path: &Path| Medium::at(path).ok().flatten();
    at(&member.path).is_some_and(|medium| medium.container == member.container)
}
