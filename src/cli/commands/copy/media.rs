//! `coffer copy --rotation`: to the media that are due. It promises that a medium is taken by its
//! container, that an absent or wrong one is refused by name, and that a copy is noted only when it
//! came to its end.

use super::{Copy, Copying, Source, fields, status, summary, would};
use crate::cli::commands::rotation::{of_day, sets};
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status};
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::operations::copy::CopyReport;
use crate::operations::rotation::{Choice, Copied, Member, RotationSet, Schedule};
use crate::snapshot::Catalog;
use crate::values::local_day;
use serde_json::{Value, json};

impl Copy {
    /// Copies to every medium of `set` that belongs to this day.
    pub(super) fn rotate(
        &self,
        context: &Context,
        source: &Source,
        name: &str,
        chosen: Option<Vec<SnapshotId>>,
    ) -> Result<Outcome> {
        let set = sets(context)?.get(name)?;
        let mut turn = Turn { copy: self, context, source, name, lines: Vec::new(), media: Vec::new() };
        let due = self.due(&set, source)?;
        let (mut worst, mut absent) = (Status::Done, Vec::new());
        for choice in &due {
            let Some(member) = set.members.get(choice.member) else { continue };
            match set.check(member) {
                // What was there today already is needed no more.
                Err(error) if error.kind() == Kind::Destination => {
                    absent.extend((!choice.is_done).then_some(error));
                    continue;
                }
                other => other?,
            }
            let status = turn.copy_to(member, choice, chosen.clone())?;
            worst = if status == Status::Damage { status } else { worst };
        }
        if turn.media.is_empty() && !absent.is_empty() {
            let first = absent.remove(0);
            absent.iter().for_each(|error| context.output.problem(error));
            return Err(first);
        }
        if !absent.is_empty() && worst == Status::Done {
            worst = Status::Warnings;
        }
        absent.iter().for_each(|error| context.output.problem(error));
        let none = format!("no medium of `{name}` is due");
        let line = if turn.lines.is_empty() { none } else { turn.lines.join("; ") };
        Ok(Outcome::new(worst)
            .with("rotation", name)
            .with("media", turn.media)
            .with("absent", absent.len())
            .summary(line))
    }

    fn due(&self, set: &RotationSet, source: &Source) -> Result<Vec<Choice>> {
        let day =
            local_day(source.time).ok_or_else(|| Error::new(Kind::Usage, "a time beyond the calendar"))?;
        let Some(label) = &self.member else { return Ok(of_day(set, day)) };
        match set.members.iter().position(|member| member.label == *label) {
            Some(member) => Ok(vec![Choice { member, day, is_done: false }]),
            None => Err(Error::new(Kind::NotFound, format!("the rotation set has no medium `{label}`"))
                .hint("coffer rotation list shows the media of a set")),
        }
    }
}

/// One round of copying to media.
struct Turn<'a> {
    copy: &'a Copy,
    context: &'a Context,
    source: &'a Source,
    name: &'a str,
    lines: Vec<String>,
    media: Vec<Value>,
}

impl Turn<'_> {
    fn copy_to(
        &mut self,
        member: &Member,
        choice: &Choice,
        chosen: Option<Vec<SnapshotId>>,
    ) -> Result<Status> {
        let chosen = match (chosen, member.schedule) {
            (None, Schedule::MonthEnd) => self.month_end(choice)?,
            (chosen, _) => chosen,
        };
        let verify = self.copy.verify;
        let copying = Copying { snapshots: chosen, verify, expected: Some(member.container) };
        let (context, source, secret) = (self.context, self.source, &self.copy.secret);
        if context.globals.dry_run {
            let outcome = would(context, source, &member.path, secret, &copying)?;
            self.lines.extend(outcome.summary.map(|line| format!("{}: {line}", member.label)));
            self.media.push(json!({ "label": member.label, "container": member.container.to_string() }));
            return Ok(outcome.status);
        }
        let mut other =
            secret.open(context, &member.path, crate::container::Access::Write, source.own.as_ref())?;
        let report = source.copy_into(context, &mut other, &member.path, &copying)?;
        let generation = other.store.container().state().root.generation;
        drop(other);
        let copied = Copied {
            time: source.time,
            source: source.session.store.container().base().container,
            source_generation: source.session.store.container().state().root.generation,
            generation,
        };
        let status = status(&report);
        if status == Status::Done {
            self.note(&member.label, copied)?;
        }
        self.lines.push(format!("{}: {}", member.label, summary(&member.path, &report)));
        self.media.push(self.medium(&member.label, member.container, &report));
        Ok(status)
    }

    /// Notes the copy in the set as it is now: others may have changed it meanwhile.
    fn note(&self, label: &str, copied: Copied) -> Result<()> {
        let sets = sets(self.context)?;
        let mut set = sets.get(self.name)?;
        set.note(label, copied);
        sets.write(self.name, &set)
    }

    fn medium(&self, label: &str, container: crate::ids::ContainerId, report: &CopyReport) -> Value {
        let mut fields = fields(report);
        fields.insert("label".into(), json!(label));
        fields.insert("container".into(), json!(container.to_string()));
        Value::Object(fields)
    }

    /// For the end of a month, the last snapshot up to it, or the newest if all are later.
    fn month_end(&self, choice: &Choice) -> Result<Option<Vec<SnapshotId>>> {
        let catalog = Catalog::read(&self.source.session.store)?;
        let up_to =
            catalog.snapshots.iter().rev().find(|s| local_day(s.time).is_some_and(|d| d <= choice.day));
        Ok(up_to.or(catalog.snapshots.last()).map(|record| vec![record.id]))
    }
}
