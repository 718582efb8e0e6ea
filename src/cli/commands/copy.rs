//! `coffer copy`: snapshots into another container, or to the medium of a rotation set that is due.
//! It promises never to make a container, to write to the one that was meant and no other, and exit
//! code 4 if a snapshot could not be taken whole.

mod media;

use super::snapshots::short;
use super::verify::remember_damage;
use crate::cli::args::{places, usage};
use crate::cli::context::{Context, find, selector};
use crate::cli::events::{Outcome, Status};
use crate::cli::other::{OtherSecret, must_exist};
use crate::clock::Timestamp;
use crate::container::Access;
use crate::crypto::Credential;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::operations::copy::{self, CopyPlan, CopyReport, LeftOut, Missing};
use crate::operations::session::Session;
use crate::snapshot::{Catalog, Level, SnapshotRecord};
use crate::values::{format_count, format_size, format_time, parse_time};
use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Arguments of `coffer copy`.
#[derive(Debug, Args)]
#[command(
    override_usage = "coffer copy [CONTAINER] [SNAPSHOT]... --to FILE [OPTIONS]\n       \
                      coffer copy [CONTAINER] [SNAPSHOT]... --rotation SET [OPTIONS]",
    group = ArgGroup::new("target").required(true)
)]
pub struct Copy {
    /// The container to copy from, and the snapshots: latest, latest~2, an id or a day; without any, all
    #[arg(value_name = "CONTAINER SNAPSHOT")]
    given: Vec<OsString>,
    /// The container to copy to, which exists; see `coffer init --copy-of`
    #[arg(long, value_name = "FILE", group = "target")]
    to: Option<PathBuf>,
    /// Copy to the media of this rotation set that are due
    #[arg(long, value_name = "SET", group = "target")]
    rotation: Option<String>,
    /// Copy to this medium of the rotation set, due or not
    #[arg(long, value_name = "LABEL", requires = "rotation")]
    member: Option<String>,
    /// How to verify the other container afterwards, beyond reading back what was written
    #[arg(long, value_enum, value_name = "LEVEL")]
    verify: Option<VerifyName>,
    /// Time of copying, instead of now: 2026-01-31T18:30:00+01:00
    #[arg(long, value_name = "TIME", value_parser = usage(parse_time))]
    at: Option<Timestamp>,
    #[command(flatten)]
    secret: OtherSecret,
}

/// How to verify, as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VerifyName {
    /// Not at all: what was written was read back
    None,
    /// What leads to the data: commits, lists of files, index
    Quick,
    /// Every checksum
    Scrub,
    /// Every piece of data, decrypted and proven
    Full,
}

impl VerifyName {
    fn level(self) -> Option<Level> {
        match self {
            VerifyName::None => None,
            VerifyName::Quick => Some(Level::Quick),
            VerifyName::Scrub => Some(Level::Scrub),
            VerifyName::Full => Some(Level::Full),
        }
    }
}

impl Copy {
    /// Copies.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let rest = vec!["SNAPSHOT"; self.given.len().max(1)];
        let (path, names) = places(&context.globals, self.given.iter().cloned().map(Some), &rest, 0)?;
        if let Some(to) = &self.to {
            must_exist(to)?;
        }
        self.secret.check_standard_input(context)?;
        let own = context.own_credential(&path)?;
        let session = context.open_with(&path, Access::Read, own.as_ref())?;
        let source = Source { session, own, time: context.time(self.at) };
        let chosen = chosen(&source.session, &names)?;
        match (&self.to, &self.rotation) {
            (_, Some(set)) => self.rotate(context, &source, set, chosen),
            (Some(to), None) => {
                let copying = self.copying(chosen);
                if context.globals.dry_run {
                    return would(context, &source, to, &self.secret, &copying);
                }
                let report = source.copy_to(context, to, &self.secret, &copying)?;
                Ok(outcome(to, &report))
            }
            (None, None) => Err(Error::new(Kind::Usage, "nowhere to copy to").hint("give --to FILE")),
        }
    }

    fn copying(&self, snapshots: Option<Vec<SnapshotId>>) -> Copying {
        Copying { snapshots, verify: self.verify, expected: None }
    }
}

/// The ids that `names` choose; `None`: all.
fn chosen(session: &Session, names: &[OsString]) -> Result<Option<Vec<SnapshotId>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let catalog = Catalog::read(&session.store)?;
    let id = |name: &OsString| Ok(catalog.snapshots[find(&catalog, &selector(name)?)?].id);
    names.iter().map(id).collect::<Result<_>>().map(Some)
}

/// The container that is copied.
pub struct Source {
    /// It, open for reading: backups may go on meanwhile.
    pub session: Session,
    /// What opened it.
    pub own: Option<Credential>,
    /// The time of copying.
    pub time: Timestamp,
}

/// What to copy to one container.
pub struct Copying {
    /// The snapshots; `None`: all.
    pub snapshots: Option<Vec<SnapshotId>>,
    /// How to verify afterwards.
    pub verify: Option<VerifyName>,
    /// The container that must be there.
    pub expected: Option<crate::ids::ContainerId>,
}

impl Source {
    fn plan(&self, copying: &Copying) -> CopyPlan {
        CopyPlan {
            snapshots: copying.snapshots.clone(),
            time: self.time,
            verify: copying.verify.unwrap_or(VerifyName::Quick).level(),
            verify_anyway: copying.verify.is_some(),
            verifications: Vec::new(),
            commit_bytes: copy::COMMIT_BYTES,
        }
    }

    /// Copies to the container at `to`, which must exist.
    pub fn copy_to(
        &self,
        context: &Context,
        to: &Path,
        secret: &OtherSecret,
        copying: &Copying,
    ) -> Result<CopyReport> {
        let mut other = secret.open(context, to, Access::Write, self.own.as_ref())?;
        self.copy_into(context, &mut other, to, copying)
    }

    /// Copies into an open container.
    pub fn copy_into(
        &self,
        context: &Context,
        other: &mut Session,
        to: &Path,
        copying: &Copying,
    ) -> Result<CopyReport> {
        let id = other.store.container().base().container;
        if copying.expected.is_some_and(|expected| expected != id) {
            let message = format!("{}: another container has taken its place", to.display());
            return Err(Error::new(Kind::Destination, message));
        }
        let state = context.state();
        let noted = state.as_ref().map(|state| state.verifications(&id)).unwrap_or_default();
        let plan = CopyPlan { verifications: noted.clone(), ..self.plan(copying) };
        let mut report = CopyReport::default();
        let result = {
            let _meter = context.output.progress("copying", "snapshot", Arc::clone(context.progress()));
            let (store, progress) = (&mut other.store, context.progress());
            copy::copy(&self.session.store, store, &plan, &context.pool()?, progress, &mut report)
        };
        remember_damage(context, &self.session.store, report.left_out.len());
        tell(context, &report);
        if let Err(error) = result {
            if !report.copied.is_empty() {
                let count = format_count(report.copied.len() as u64, "snapshot");
                context.output.note(format_args!("{count} copied before that; run it again to go on"));
            }
            return Err(error);
        }
        if let Some(state) = state.filter(|_| !noted.is_empty() && !report.copied.is_empty()) {
            // What stays is entered again, and the ledger holds it once all the same.
            let _ = state.forget(&id, &noted);
        }
        Ok(report)
    }
}

fn tell(context: &Context, report: &CopyReport) {
    for record in &report.copied {
        let line = format!(
            "copied {}  {}  {}",
            short(&record.id),
            format_time(record.time),
            format_size(record.restored_bytes())
        );
        context.output.item(line, json!({ "copied": record.id.to_string() }));
    }
    report.left_out.iter().for_each(|left_out| warn(context, left_out));
    for damage in report.verified.iter().flat_map(|found| &found.damaged) {
        context.output.warning_about(
            "destination-damaged",
            &damage.object,
            format_args!("the copy: {}: {}", damage.object, damage.reason),
        );
    }
}

fn warn(context: &Context, left_out: &LeftOut) {
    let place = left_out.path.as_ref().map_or("its list of files".to_owned(), ToString::to_string);
    let message = format!(
        "snapshot {} is damaged and left out: {place}: {}",
        short(&left_out.snapshot),
        left_out.reason
    );
    context.output.warning_about("damaged", &place, message);
}

/// Whether the container that was copied to is as it was written.
fn is_sound(report: &CopyReport) -> bool {
    report.verified.as_ref().is_none_or(|found| found.damaged.is_empty() && found.affected.is_empty())
}

/// The status of one copy.
pub fn status(report: &CopyReport) -> Status {
    match report.left_out.is_empty() && is_sound(report) {
        true => Status::Done,
        false => Status::Damage,
    }
}

/// A copy for programs.
pub fn fields(report: &CopyReport) -> serde_json::Map<String, Value> {
    let left_out = |l: &LeftOut| json!({ "snapshot": l.snapshot.to_string(), "path": l.path.as_ref().map(ToString::to_string), "reason": l.reason });
    let ids = |records: &[SnapshotRecord]| records.iter().map(|r| r.id.to_string()).collect::<Vec<_>>();
    let pairs = [
        ("same_family", json!(report.is_family)),
        ("copied", json!(ids(&report.copied))),
        ("copied_count", json!(report.copied.len())),
        ("present_count", json!(report.present.len())),
        ("left_out", json!(report.left_out.iter().map(left_out).collect::<Vec<_>>())),
        ("new_chunks", json!(report.statistics.new_chunk_count)),
        ("new_bytes", json!(report.statistics.new_plain_bytes)),
        ("added_bytes", json!(report.statistics.new_packed_bytes)),
        ("file_bytes_before", json!(report.file_bytes.0)),
        ("file_bytes_after", json!(report.file_bytes.1)),
        ("verified", json!(report.verified.is_some())),
        ("damaged", json!(report.verified.as_ref().map_or(0, |found| found.damaged.len()))),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A copy as a line for people.
pub fn summary(to: &Path, report: &CopyReport) -> String {
    let mut line = format!(
        "{} copied to {}, {} added",
        format_count(report.copied.len() as u64, "snapshot"),
        to.display(),
        format_size(report.statistics.new_packed_bytes),
    );
    if !report.present.is_empty() {
        line += &format!("; {} there already", report.present.len());
    }
    if !report.left_out.is_empty() {
        line += &format!("; {} damaged and left out", report.left_out.len());
    }
    if !is_sound(report) {
        line += "; the copy does not verify";
    }
    line
}

/// The end of a command that copied to `to`.
pub fn outcome(to: &Path, report: &CopyReport) -> Outcome {
    let mut outcome = Outcome::new(status(report)).with("to", to.display().to_string());
    outcome.fields.extend(fields(report));
    outcome.summary(summary(to, report))
}

fn would(
    context: &Context,
    source: &Source,
    to: &Path,
    secret: &OtherSecret,
    copying: &Copying,
) -> Result<Outcome> {
    let other = secret.open(context, to, Access::Read, source.own.as_ref())?;
    let plan = source.plan(copying);
    let missing = copy::missing(&source.session.store, &other.store, &plan, context.progress())?;
    for record in &missing.snapshots {
        let line = format!("would copy {}  {}", short(&record.id), format_time(record.time));
        context.output.item(line, json!({ "would_copy": record.id.to_string() }));
    }
    missing.left_out.iter().for_each(|left_out| warn(context, left_out));
    Ok(would_outcome(to, &missing))
}

fn would_outcome(to: &Path, missing: &Missing) -> Outcome {
    let most = if missing.is_family { "" } else { "at most " };
    let status = if missing.left_out.is_empty() { Status::Done } else { Status::Damage };
    Outcome::new(status)
        .with("to", to.display().to_string())
        .with("same_family", missing.is_family)
        .with("would_copy_count", missing.snapshots.len())
        .with("present_count", missing.present.len())
        .with("missing_chunks", missing.chunks)
        .with("missing_bytes", missing.plain_bytes)
        .with("missing_sealed_bytes", missing.sealed_bytes)
        .summary(format!(
            "{} would be copied to {}, {most}{} on disk; {} there already",
            format_count(missing.snapshots.len() as u64, "snapshot"),
            to.display(),
            format_size(missing.sealed_bytes),
            missing.present.len()
        ))
}
