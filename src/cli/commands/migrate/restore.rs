//! `coffer migrate restore`: everything of a snapshot onto a new machine. It promises that whatever
//! stands against it is told before anything is touched, that nothing is replaced without `--replace`
//! and a confirmation, and exit code 4 if anything is not as it was. Files come before databases,
//! and a database that an earlier restore moved is proven anew and passed over, so that a restore that was
//! interrupted goes on when it is run again.

use super::{blank, describe, finish};
use crate::attachments::restore::{Existing, RestoreOptions};
use crate::cli::args::places;
use crate::cli::confirm;
use crate::cli::context::{Context, selector};
use crate::cli::events::{Outcome, Status};
use crate::cli::server::ServerArgs;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::load::{LoadOptions, LoadPlan, LoadSource, RowFilter, equals};
use crate::mysql::options::ServerOptions;
use crate::operations::migrate::{
    Accounts, Facts, MigrationReport, Moving, Stage, Surroundings, check, compare_users,
};
use crate::operations::paper;
use crate::operations::profile::scrub::{Scrub, ScrubKey};
use crate::operations::profile::{Leftover, Profile};
use crate::operations::restore::{self, RestorePlan};
use crate::operations::select::{Selection, Side};
use crate::operations::server_restore;
use crate::operations::session::Session;
use crate::snapshot::SnapshotRecord;
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Arguments of `coffer migrate restore`.
#[derive(Debug, Args)]
#[command(override_usage = "coffer migrate restore [CONTAINER] [SNAPSHOT] [OPTIONS]")]
pub struct Restore {
    /// The container
    #[arg(value_name = "CONTAINER")]
    first: Option<OsString>,
    /// latest, latest~2, the first digits of an id, or a day [default: latest]
    #[arg(value_name = "SNAPSHOT")]
    second: Option<OsString>,
    /// Only this database; may be given several times
    #[arg(long, value_name = "NAME")]
    database: Vec<String>,
    /// Restore the attachments here, as DIR/attachments/LABEL
    #[arg(long, value_name = "DIR", conflicts_with = "test_copy")]
    attachments_to: Option<PathBuf>,
    /// Make no users
    #[arg(long)]
    no_users: bool,
    /// Put what is restored in the place of databases and files that are there
    #[arg(long)]
    replace: bool,
    /// Make a test copy, without users: open-dental, or a TOML file
    #[arg(long, value_name = "PROFILE")]
    test_copy: Option<String>,
    /// Write the report here: a folder, or the name of the page
    #[arg(long, value_name = "PATH")]
    report: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

/// The new server before anything is done.
struct Before {
    server: ServerOptions,
    name: String,
    version: String,
    accounts: Accounts,
}

impl Restore {
    /// Restores.
    pub fn run(mut self, context: &Context) -> Result<Outcome> {
        let given = [self.first.take(), self.second.take()];
        let (path, rest) = places(&context.globals, given, &["SNAPSHOT"], 0)?;
        let latest = OsString::from("latest");
        let selector = selector(rest.first().unwrap_or(&latest))?;
        self.report.as_deref().map_or(Ok(()), paper::check_place)?;
        let session = context.open(&path, Access::Read)?;
        let record = context.snapshot(&session.store, &selector)?;
        let source = server_restore::source(&session.store, &record)?;
        let began = Instant::now();
        let mut report = blank(context, Stage::Restore, &path);
        describe(&mut report, &session, &record, Facts::of(&source, &record));
        let keeps = |name: &String| self.database.is_empty() || self.database.contains(name);
        report.facts.databases.retain(|database| keeps(&database.database));

        let before = self.look(context, &source)?;
        report.server = format!("{}, {}", before.name, before.version);
        let scrub = self.scrub(context, &session, &source)?;
        let mut moving = self.moving(context, &record, &before);
        let mut options = self.options(context, scrub.as_ref());
        options.standing = self.moved(context, &source, &before, moving.as_ref(), &mut report)?;
        let plan = server_restore::plan(&source, &before.server, &options)?;
        scrub.as_ref().map_or(Ok(()), |scrub| scrub.check(&plan))?;
        let files = self.files(&record);
        let obstacles = self.obstacles(&session, &record, &plan, files.as_ref(), &before, &mut report)?;
        report.notes.iter().for_each(|note| context.output.warning("note", note));
        if context.globals.dry_run {
            return Ok(would(&record, &plan, &obstacles));
        }
        if let Some((kind, _)) = obstacles.first() {
            let all: Vec<&str> = obstacles.iter().map(|(_, sentence)| sentence.as_str()).collect();
            let hint = match *kind {
                Kind::Usage => {
                    "nothing was touched; --database NAME moves only those named, --replace puts what is moved \
                     in the place of what is there, and a stock database such as `test` may be dropped first"
                }
                _ => "nothing was touched",
            };
            return Err(Error::new(*kind, all.join("; ")).hint(hint));
        }
        if self.replace {
            let hint = "--yes says that replacing is meant";
            plan.parts.iter().try_for_each(|part| {
                let what = format!("this replaces `{}` on the server", part.target);
                confirm::typed(context, &what, &part.target, hint)
            })?;
        }
        report.step("the new server looked at", began.elapsed(), 0);
        if let Some(files) = &files {
            attachments(context, &session, &record, files, &mut report)?;
        }
        if let Some(moving) = &mut moving {
            moving.begin(plan.parts.iter().map(|part| part.target.as_str()))?;
        }
        databases(context, &session, &plan, &mut report)?;
        self.compare_users(&source, &before, &mut report)?;
        if record.counts.files > 0 && files.is_none() {
            let line =
                format!("{} attachments were not restored: --attachments-to DIR does", record.counts.files);
            report.left_to_do.push(line);
        }
        if let Some(scrub) = &scrub {
            let rows: u64 = scrub.counts().iter().map(|count| count.rows).sum();
            report.notes.push(format!("a test copy: {rows} values or rows were replaced or left out"));
            report.notes.extend(scrub.leftover().iter().flat_map(Leftover::sentences));
        }
        if let Some(moving) = moving {
            moving.end();
        }
        report.close(began.elapsed());
        let status = if report.differences.is_empty() { Status::Done } else { Status::Damage };
        finish(context, &report, status, self.report.as_deref())
    }

    fn users(&self) -> bool {
        !self.no_users && self.test_copy.is_none()
    }

    fn look(&self, context: &Context, source: &LoadSource) -> Result<Before> {
        let server = self.server.options(context)?;
        let mut conn = Connection::open(&server)?;
        let version = conn.value("SELECT VERSION()")?.unwrap_or_default();
        let accounts = match self.users() && !source.users.is_empty() {
            true => Accounts::read(&mut conn)?,
            false => Accounts::default(),
        };
        Ok(Before { name: conn.name().to_owned(), server, version, accounts })
    }

    /// The record of what is moved, by which a restore that was broken off goes on. A test copy is none.
    fn moving(&self, context: &Context, record: &SnapshotRecord, before: &Before) -> Option<Moving> {
        let state = context.state_folder().filter(|_| self.test_copy.is_none())?;
        Some(Moving::of(&state, &record.id.to_string(), &before.name))
    }

    /// The databases that an earlier restore of the same moved, proven anew.
    fn moved(
        &self,
        context: &Context,
        source: &LoadSource,
        before: &Before,
        moving: Option<&Moving>,
        report: &mut MigrationReport,
    ) -> Result<Vec<String>> {
        let Some(moving) = moving else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for entries in &source.databases {
            let name = &entries.record.name;
            let is_meant = self.database.is_empty() || self.database.contains(name);
            if is_meant && moving.has_begun(name) && equals(&before.server, entries, context.progress())? {
                let note =
                    format!("database `{name}` was moved before; every row was compared anew, and it stays");
                report.notes.push(note);
                found.push(name.clone());
            }
        }
        Ok(found)
    }

    fn scrub(&self, context: &Context, session: &Session, source: &LoadSource) -> Result<Option<Scrub>> {
        let Some(name) = &self.test_copy else { return Ok(None) };
        let key = ScrubKey::of(session.store.container().base().keyring());
        let scrub = Scrub::new(&Profile::find(name)?, source, &self.database, &key)?;
        scrub.notes().iter().for_each(|note| context.output.warning("profile", note));
        let left = scrub.leftover().iter().flat_map(Leftover::sentences);
        left.for_each(|sentence| context.output.warning("as-it-is", &sentence));
        Ok(Some(scrub))
    }

    fn options<'a>(&self, context: &Context, scrub: Option<&'a Scrub>) -> LoadOptions<'a> {
        let usual = LoadOptions::default();
        LoadOptions {
            databases: self.database.clone(),
            replace: self.replace,
            threads: if context.globals.threads == 0 { usual.threads } else { context.globals.threads },
            users: self.users(),
            events: self.test_copy.is_none(),
            filter: scrub.map(|scrub| scrub as &dyn RowFilter),
            ..usual
        }
    }

    fn files(&self, record: &SnapshotRecord) -> Option<RestorePlan> {
        let target =
            self.attachments_to.clone().filter(|_| record.counts.files + record.counts.folders > 0)?;
        let existing = if self.replace { Existing::Replace } else { Existing::Fail };
        Some(RestorePlan {
            selection: Selection { only: Some(Side::Attachments), paths: Vec::new() },
            target,
            options: RestoreOptions { existing, ..RestoreOptions::default() },
            compare: true,
            sync: true,
        })
    }

    /// Everything that stands against it; what does not is noted.
    fn obstacles(
        &self,
        session: &Session,
        record: &SnapshotRecord,
        plan: &LoadPlan,
        files: Option<&RestorePlan>,
        before: &Before,
        report: &mut MigrationReport,
    ) -> Result<Vec<(Kind, String)>> {
        let mut conn = Connection::open(&before.server)?;
        let mut found: Vec<(Kind, String)> =
            plan.obstacles.iter().map(|o| (o.kind, o.sentence.clone())).collect();
        report.notes.extend(plan.warnings.iter().cloned());
        for check in check(&report.facts, &Surroundings::read(&mut conn)?, self.users()) {
            match check.is_obstacle {
                true => found.push((Kind::Database, check.sentence)),
                false => report.notes.push(check.sentence),
            }
        }
        if self.users() {
            let source = server_restore::source(&session.store, record)?;
            for (name, is_same) in before.accounts.there(&source.users) {
                let how = if is_same { "as it was" } else { "but made in another way, or with other grants" };
                report.notes.push(format!("user {name} is there already, {how}; it stays"));
            }
        }
        if let Some(files) = files {
            let need = restore::need(&session.store, record, files)?;
            if let Err(error) = need.check(&files.target) {
                found.push((error.kind(), error.message().to_owned()));
            }
        }
        Ok(found)
    }

    fn compare_users(
        &self,
        source: &LoadSource,
        before: &Before,
        report: &mut MigrationReport,
    ) -> Result<()> {
        if !self.users() || source.users.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        let after = Accounts::read(&mut Connection::open(&before.server)?)?;
        let is_same = before.version == source.server.version;
        report.differences.extend(compare_users(&source.users, &before.accounts, &after, is_same));
        report.step("users and grants compared", began.elapsed(), 0);
        Ok(())
    }
}

fn attachments(
    context: &Context,
    session: &Session,
    record: &SnapshotRecord,
    files: &RestorePlan,
    report: &mut MigrationReport,
) -> Result<()> {
    let began = Instant::now();
    let _meter = context.output.progress("restoring", "file", Arc::clone(context.progress()));
    let done = restore::restore(&session.store, record, files, &context.pool()?, context.progress())?;
    // Names of files may tell of patients: they are for the screen only.
    for path in &done.wrong_contents {
        context.output.warning_about("differs", path, "its bytes are not those of the snapshot");
    }
    for (path, reason) in &done.damaged {
        context.output.warning_about("damaged", path, reason);
    }
    done.problems.iter().for_each(|problem| context.output.warning_about("problem", &problem.path, problem));
    for (path, difference) in &done.differences {
        context.output.warning_about("differs", path, format_args!("{difference:?}"));
    }
    let count = done.wrong_contents.len() + done.damaged.len() + done.problems.len();
    if count > 0 {
        report.differences.push(format!("{count} attachments could not be restored as they were"));
    }
    if !done.differences.is_empty() {
        let count = done.differences.len();
        report.notes.push(format!("{count} times, owners or rights of attachments are not as they were"));
    }
    report.step("attachments restored and compared", began.elapsed(), done.restored_bytes);
    Ok(())
}

fn databases(
    context: &Context,
    session: &Session,
    plan: &LoadPlan,
    report: &mut MigrationReport,
) -> Result<()> {
    let began = Instant::now();
    let _meter = context.output.progress("loading", "table", Arc::clone(context.progress()));
    let done = server_restore::apply(plan, &session.store, &context.pool()?, context.progress())?;
    for database in &done.databases {
        if let Some(known) = report.facts.databases.iter_mut().find(|d| d.database == database.database) {
            known.ms = u64::try_from(database.took.as_millis()).unwrap_or(u64::MAX);
        }
    }
    let bytes = plan.parts.iter().flat_map(|part| &part.tables).map(|table| table.content.size).sum();
    report.notes.extend(done.notes.iter().cloned());
    report.differences.extend(done.not_made.iter().chain(&done.differing).cloned());
    let earlier = done.tables().filter(|table| table.is_earlier).count();
    if earlier > 0 {
        report
            .notes
            .push(format!("{earlier} tables were loaded by an earlier run, which this one went on with"));
    }
    let compared = match done.differing.len() {
        0 => "every row read back and compared".to_owned(),
        count => format!("rows read back and compared, {count} tables not as an earlier run left them"),
    };
    report.step(format!("databases loaded, {compared}; {} users made", done.users), began.elapsed(), bytes);
    Ok(())
}

fn would(record: &SnapshotRecord, plan: &LoadPlan, obstacles: &[(Kind, String)]) -> Outcome {
    let names: Vec<&str> = plan.parts.iter().map(|part| part.target.as_str()).collect();
    let sentences: Vec<&str> = obstacles.iter().map(|(_, sentence)| sentence.as_str()).collect();
    let can = if sentences.is_empty() { "would be restored" } else { "could not be restored" };
    let status = if sentences.is_empty() { Status::Done } else { Status::Failed };
    Outcome::new(status)
        .with("snapshot", record.id.to_string())
        .with("databases", names.clone())
        .with("obstacles", sentences)
        .summary(format!("{} {can}", names.join(", ")))
}
