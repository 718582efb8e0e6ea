//! `coffer prune`: removes snapshots by policy, or those that are named, and gives their space back. It
//! promises that a dry run tells what the real one does, snapshot by snapshot and in bytes.

use super::policy::{PolicyOptions, Wish};
use super::snapshots::short;
use crate::cli::args::{places, usage};
use crate::cli::context::{Context, find, selector};
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::operations::prune::{self, PruneOptions, PrunePlan};
use crate::operations::retain::{self, Decision, Judged};
use crate::operations::session::Session;
use crate::retention::{Reason, Selection};
use crate::snapshot::{Catalog, Ledger};
use crate::values::{Selector, format_count, format_size, format_time, parse_size, rfc3339};
use clap::Args;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// Arguments of `coffer prune`.
#[derive(Debug, Args)]
#[command(after_help = "Without options the container's own policy is applied (init --keep, set --keep). \
                        The newest snapshot, the newest complete one and pinned ones always stay.")]
pub struct Prune {
    /// The container, then snapshots: exactly these are removed
    #[arg(value_name = "CONTAINER | SNAPSHOT")]
    places: Vec<OsString>,
    #[command(flatten)]
    policy: PolicyOptions,
    /// Judge only snapshots with this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Judge only snapshots with this source: database, attachments, or a name; may be given several times
    #[arg(long, value_name = "SOURCE")]
    source: Vec<OsString>,
    /// Drop the oldest, too, until the file is at most this long
    #[arg(long, value_name = "SIZE", value_parser = usage(parse_size))]
    max_size: Option<u64>,
}

impl Prune {
    /// Prunes.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let rest = vec!["SNAPSHOT"; self.places.len().max(1)];
        let (path, named) = places(&context.globals, self.places.iter().cloned().map(Some), &rest, 0)?;
        let named: Vec<Selector> = named.iter().map(|name| selector(name)).collect::<Result<_>>()?;
        if !named.is_empty() {
            self.refuse_rules()?;
        }
        // What is impossible is said before a secret is asked for.
        if self.policy.wish(None).is_ok_and(|wish| wish == Wish::NoPolicy) && self.max_size.is_none() {
            return Err(Error::new(Kind::Usage, "with --keep none there is nothing to prune by"));
        }
        let dry = context.globals.dry_run;
        let mut session = context.open(&path, if dry { Access::Read } else { Access::Write })?;
        let options = PruneOptions { time: context.time(None), ..PruneOptions::default() };
        let (decision, plan) = {
            let _meter = context.output.progress("planning", "snapshot", Arc::clone(context.progress()));
            self.plan(context, &session, &named, &options)?
        };
        if !(self.tag.is_empty() && self.source.is_empty()) && decision.judged.iter().all(is_passed_over) {
            context.output.warning("nothing-selected", "no snapshot has what --tag and --source ask for");
        }
        decision.judged.iter().for_each(|judged| context.output.item(line(judged), item(judged)));
        let numbers = [plan.freed_bytes, plan.file_bytes_before, plan.file_bytes_after];
        if dry {
            return Ok(outcome(&decision, numbers, true));
        }
        let report = {
            let _meter = context.output.progress("pruning", "segment", Arc::clone(context.progress()));
            prune::apply(&mut session.store, plan, context.pool()?, context.progress())?
        };
        let numbers = [report.freed_bytes, report.file_bytes_before, report.file_bytes_after];
        Ok(outcome(&decision, numbers, false))
    }

    /// Snapshots that are named and rules that choose them exclude each other.
    fn refuse_rules(&self) -> Result<()> {
        let is_plain = self.policy.wish(None).is_ok_and(|wish| wish == Wish::Unsaid);
        match is_plain && self.tag.is_empty() && self.source.is_empty() && self.max_size.is_none() {
            true => Ok(()),
            false => Err(Error::new(Kind::Usage, "snapshots are named and rules are given, too")
                .hint("name the snapshots to remove, or say what to keep, not both")),
        }
    }

    fn plan(
        &self,
        context: &Context,
        session: &Session,
        named: &[Selector],
        options: &PruneOptions,
    ) -> Result<(Decision, PrunePlan)> {
        let store = &session.store;
        let catalog = Catalog::read(store)?;
        let decision = match named.is_empty() {
            true => self.decide(context, session, &catalog, options)?,
            false => drop_named(context, &catalog, named)?,
        };
        match self.max_size {
            Some(bytes) => retain::fit(store, decision, bytes, options, context.progress()),
            None => {
                let plan = prune::plan(store, &decision.victims(), options, context.progress())?;
                Ok((decision, plan))
            }
        }
    }

    fn decide(
        &self,
        context: &Context,
        session: &Session,
        catalog: &Catalog,
        options: &PruneOptions,
    ) -> Result<Decision> {
        let stored = session.store.contents().settings.retention.as_ref();
        // Where only the size matters, everything else is kept.
        let base = match (stored, self.max_size) {
            (None, Some(_)) => Some(retain::everything(None)),
            _ => stored.cloned(),
        };
        let policy = match (self.policy.wish(base.as_ref())?, base) {
            (Wish::Policy(policy), _) | (Wish::Unsaid, Some(policy)) => policy,
            (Wish::NoPolicy, base) => retain::everything(base.as_ref()),
            (Wish::Unsaid, None) => {
                return Err(Error::new(Kind::Usage, "no policy is given and the container has none").hint(
                    "say what to keep, such as --keep practice or --keep-daily 14; \
                     coffer set --keep practice makes it the container's own",
                ));
            }
        };
        let mut ledger = Ledger::read(&session.store)?;
        let container = session.store.container().base().container;
        let noted = context.state().map(|state| state.verifications(&container)).unwrap_or_default();
        noted.into_iter().for_each(|entry| ledger.add(entry));
        let sources = self.source.iter().cloned().map(OsStringExt::into_vec).collect();
        let selection = Selection { tags: self.tag.clone(), sources };
        retain::decide(catalog, &ledger, &policy, &selection, options.time)
    }
}

fn drop_named(context: &Context, catalog: &Catalog, named: &[Selector]) -> Result<Decision> {
    let at = |selector: &Selector| Ok(catalog.snapshots[find(catalog, selector)?].id);
    let ids: Vec<SnapshotId> = named.iter().map(at).collect::<Result<_>>()?;
    let decision = retain::drop_named(catalog, &ids)?;
    let is_any_left = decision.judged.iter().any(|judged| judged.verdict.is_kept);
    match is_any_left || context.globals.yes {
        true => Ok(decision),
        false => Err(Error::new(Kind::Usage, "nothing would be kept: these are all snapshots there are")
            .hint("leave one, or say --yes if that is meant")),
    }
}

/// Whether the rules were not asked about it.
fn is_passed_over(judged: &Judged) -> bool {
    judged.verdict.reasons.contains(&Reason::NotSelected)
}

/// A verdict as a line for people.
fn line(judged: &Judged) -> String {
    let verb = if judged.verdict.is_kept { "keep" } else { "drop" };
    let reasons: Vec<String> = judged.verdict.reasons.iter().map(Reason::to_string).collect();
    format!("{verb}  {}  {}  {}", short(&judged.id), format_time(judged.time), reasons.join(", "))
}

/// A verdict for programs.
fn item(judged: &Judged) -> Value {
    let reason = |reason: &Reason| json!({ "code": reason.word(), "text": reason.to_string() });
    json!({
        "snapshot": judged.id.to_string(),
        "short": short(&judged.id),
        "time": rfc3339(judged.time),
        "kept": judged.verdict.is_kept,
        "reasons": judged.verdict.reasons.iter().map(reason).collect::<Vec<_>>(),
    })
}

fn outcome(decision: &Decision, [freed, before, after]: [u64; 3], dry: bool) -> Outcome {
    let dropped = decision.victims();
    let kept = decision.judged.len() - dropped.len();
    let summary = format!(
        "{} {}, {kept} kept; {} {}; the file {} {}, before {}",
        format_count(dropped.len() as u64, "snapshot"),
        if dry { "would be dropped" } else { "dropped" },
        format_size(freed),
        if dry { "would be free" } else { "freed" },
        if dry { "would have" } else { "has" },
        format_size(after),
        format_size(before),
    );
    Outcome::done()
        .with("freed_bytes", freed)
        .with("file_bytes_before", before)
        .with("file_bytes_after", after)
        .with("kept", kept)
        .with("dropped", dropped.len())
        .with("snapshots", dropped.iter().map(SnapshotId::to_string).collect::<Vec<_>>())
        .summary(summary)
}
