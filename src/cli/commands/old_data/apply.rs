//! `coffer remove-old-data apply`: rows that a pinned snapshot is proven to hold, removed in batches. It
//! promises that the container is open for writing only while it is backed up and pinned, so that
//! backups run meanwhile, and that a removal that was broken off goes on from its journal.

use super::{Apply, Looked, newest_with};
use crate::cli::args::places;
use crate::cli::commands::snapshots::short;
use crate::cli::confirm;
use crate::cli::context::{Context, selector};
use crate::cli::events::Outcome;
use crate::container::Access;
use crate::crypto::Credential;
use crate::error::{Error, Kind, Result};
use crate::mysql::dump::DumpPlan;
use crate::operations::backup::{self, BackupPlan, Source};
use crate::operations::databases::StoredRows;
use crate::operations::old_data::{
    self, Journal, JournalEntry, JournalTable, OldDataReport, Pacing, Removal,
};
use crate::operations::paper;
use crate::operations::pins;
use crate::operations::session::{Session, host_name};
use crate::snapshot::{Catalog, SnapshotRecord};
use crate::values::format_count;
use std::path::PathBuf;
use std::sync::Arc;

impl Apply {
    /// Removes.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let (path, _) = places(&context.globals, [self.what.container.clone()], &[], 0)?;
        let credential = context.own_credential(&path)?;
        let state = context.state().ok_or_else(|| {
            Error::new(Kind::Usage, "this machine has no place for the journal of the removal")
                .hint("name a folder in COFFER_STATE_DIR")
        })?;
        let mut looked = self.what.look(context, &path, true)?;
        let target = Target { context, path, credential };
        let container = target.open(Access::Read)?.store.container().base().container.to_string();
        let (server, database) = (looked.report.server.clone(), looked.fitted.database.clone());
        let earlier = Journal::unfinished(state.folder(), &container, &server, &database)?;
        looked.report.is_resumed = earlier.is_some();
        if looked.report.old() == 0 {
            finish(context, earlier, &mut looked)?;
            return self.what.end(context, looked);
        }
        let what = format!(
            "this removes {} of `{database}` on {server} for ever",
            format_count(looked.report.old(), "row")
        );
        let hint = "--yes says that it is meant; remove-old-data plan only counts";
        confirm::typed(context, &what, &database, hint)?;
        let record = self.snapshot(&target, earlier.as_ref(), &looked)?;
        looked.report.snapshot = record.id.to_string();
        looked.report.snapshot_time = paper::date(record.time);
        let journal =
            earlier.unwrap_or_else(|| Journal::new(state.folder(), entry(&container, &looked.report)));
        self.remove(&target, &record, journal, &mut looked)?;
        self.what.end(context, looked)
    }

    /// The snapshot that is to hold every row that goes.
    fn snapshot(
        &self,
        target: &Target,
        earlier: Option<&Journal>,
        looked: &Looked,
    ) -> Result<SnapshotRecord> {
        if self.backup {
            return target.backed_up(looked);
        }
        let session = target.open(Access::Read)?;
        if let Some(named) = &self.snapshot {
            return target.context.snapshot(&session.store, &selector(named)?);
        }
        let catalog = Catalog::read(&session.store)?;
        let of_earlier = earlier.and_then(|journal| {
            catalog.snapshots.iter().find(|record| record.id.to_string() == journal.entry.snapshot)
        });
        of_earlier.or_else(|| newest_with(&catalog, &looked.fitted.database)).cloned().ok_or_else(|| {
            let (path, database) = (target.path.display(), &looked.fitted.database);
            Error::new(Kind::NotFound, format!("{path}: no snapshot holds database `{database}`"))
                .hint("--backup makes one first; or run coffer backup with --database")
        })
    }

    fn remove(
        &self,
        target: &Target,
        record: &SnapshotRecord,
        mut journal: Journal,
        looked: &mut Looked,
    ) -> Result<()> {
        let context = target.context;
        let pool = context.pool()?;
        // The container is open for reading only while rows go, so that backups run meanwhile.
        let session = target.open(Access::Read)?;
        let stored = old_data::stored_tables(&session.store, record, &looked.fitted)?;
        let snapshot = record.id.to_string();
        let source = StoredRows::new(&session.store, Arc::clone(&pool));
        let removal = Removal {
            fitted: &looked.fitted,
            stored: &stored,
            source: &source,
            snapshot: &snapshot,
            pacing: self.pacing(),
            progress: context.progress(),
        };
        {
            let _meter = context.output.progress("proving", "row", Arc::clone(context.progress()));
            old_data::prove(&removal, &mut looked.conn)?;
        }
        target.pin(record, looked.question.before)?;
        journal.entry.snapshot = snapshot.clone();
        enter(&mut journal, &mut looked.report);
        journal.write(true)?;
        {
            let _meter = context.output.progress("removing", "row", Arc::clone(context.progress()));
            old_data::apply(&removal, &mut looked.conn, &mut journal, &mut looked.report.tables)?;
        }
        count_left(context, looked)?;
        finish(context, Some(journal), looked)
    }

    fn pacing(&self) -> Pacing {
        Pacing {
            batch_rows: self.batch,
            pause: self.pause,
            share: self.share,
            busy_threads: self.busy_threads,
        }
    }
}

/// The container that holds what goes.
struct Target<'a> {
    context: &'a Context,
    path: PathBuf,
    credential: Option<Credential>,
}

impl Target<'_> {
    fn open(&self, access: Access) -> Result<Session> {
        self.context.open_with(&self.path, access, self.credential.as_ref())
    }

    /// A snapshot of the database as it is now.
    fn backed_up(&self, looked: &Looked) -> Result<SnapshotRecord> {
        let context = self.context;
        let mut session = self.open(Access::Write)?;
        let dump = DumpPlan {
            server: looked.question.server.clone(),
            databases: Some(vec![looked.fitted.database.clone()]),
            ..DumpPlan::default()
        };
        let sources = vec![Source::Databases(Arc::new(dump))];
        let plan = BackupPlan::usual(sources, "before-remove-old-data", host_name(), context.time(None));
        let _meter = context.output.progress("backing up", "file", Arc::clone(context.progress()));
        let report = backup::backup(&mut session.store, plan, context.pool()?, context.progress())?;
        context.output.note(format_args!(
            "snapshot {} was made of `{}`",
            short(&report.record.id),
            looked.fitted.database
        ));
        Ok(report.record)
    }

    /// Pins the snapshot, unless it is pinned.
    fn pin(&self, record: &SnapshotRecord, before: impl std::fmt::Display) -> Result<()> {
        let mut session = self.open(Access::Write)?;
        let mut catalog = Catalog::read(&session.store)?;
        if catalog.pins.iter().any(|pin| pin.snapshot == record.id) {
            return Ok(());
        }
        let reason = format!("holds data before {before} that was removed from the server");
        let time = self.context.time(None);
        pins::pin(&mut catalog, &[record.id], &reason, time)?;
        pins::commit(&mut session, &catalog, time, self.context.pool()?)
    }
}

fn entry(container: &str, report: &OldDataReport) -> JournalEntry {
    JournalEntry {
        container: container.to_owned(),
        server: report.server.clone(),
        database: report.database.clone(),
        profile: report.profile.clone(),
        before: report.before.clone(),
        asked_by: report.asked_by.clone(),
        machine: report.machine.clone(),
        began: report.held.clone(),
        ..JournalEntry::default()
    }
}

/// Enters what is planned of each table, and takes from the journal what an earlier removal did.
fn enter(journal: &mut Journal, report: &mut OldDataReport) {
    for table in &mut report.tables {
        let known = journal.entry.tables.iter().find(|known| known.table == table.table);
        table.deleted_before = known.map_or(0, |known| known.planned.saturating_sub(table.old));
        if known.is_none() {
            let (name, planned) = (table.table.clone(), table.old);
            journal.entry.tables.push(JournalTable { table: name, planned, removed: 0 });
        }
    }
}

/// Counts what is there after the removal.
fn count_left(context: &Context, looked: &mut Looked) -> Result<()> {
    let now = old_data::plan(&mut looked.conn, &looked.fitted, context.progress())?;
    for (table, now) in looked.report.tables.iter_mut().zip(now) {
        table.left = now.left;
        if now.orphans > table.orphans {
            let more = now.orphans - table.orphans;
            let note = format!("{}: {more} rows came meanwhile that belong to removed rows", table.table);
            context.output.warning("orphans", &note);
            looked.report.notes.push(note);
        }
    }
    looked.report.notes.push(
        "space becomes free for new rows; the files shrink only by OPTIMIZE TABLE, which locks the table"
            .into(),
    );
    Ok(())
}

/// Closes the journal, if nothing is left.
fn finish(context: &Context, journal: Option<Journal>, looked: &mut Looked) -> Result<()> {
    let Some(mut journal) = journal else { return Ok(()) };
    looked.report.journal = journal.file().display().to_string();
    if looked.report.left() == 0 {
        journal.entry.ended = paper::date(context.time(None));
        looked.report.snapshot.clone_from(&journal.entry.snapshot);
    }
    journal.write(true)
}
