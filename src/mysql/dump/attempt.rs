//! One attempt at a dump, from the first look at the definitions to the last row. It promises a whole
//! whose parts belong together, or a reason why there is none.

use super::catalog::Catalog;
use super::documents;
use super::lock::Keeper;
use super::moment::{self, Moment};
use super::plain::{self, Plainly};
use super::plan::{DumpPlan, DumpReport};
use super::queue::{held, on_all};
use super::rights;
use super::rows::Watch;
use super::session::{Session, let_go};
use super::settled::Settled;
use super::step::{Step, Stop, is_broken_table};
use super::table::{Name, Table};
use super::taking::{Draft, Taken, unchanged};
use super::waiting::watched;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::qualified;
use crate::mysql::stream::DumpSink;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

/// What an attempt took.
pub struct Whole<'s> {
    /// The definitions.
    pub catalog: Catalog,
    /// The tables with their rows.
    pub tables: Vec<Taken<'s>>,
    /// The instant.
    pub moment: Moment,
    /// What a person should know; `true`: something is missing.
    pub notes: Vec<(String, bool)>,
}

/// What the steps of an attempt share.
pub struct Work<'a, 's> {
    /// What was asked for.
    pub plan: &'a DumpPlan,
    /// Where tables go.
    pub sink: &'s dyn DumpSink,
    /// Whether to go on.
    pub watch: &'a Watch<'a>,
    /// Bytes that may still wait in memory.
    pub budget: Arc<AtomicUsize>,
    /// Held while a table with large values is read.
    pub heavy: Mutex<()>,
    /// Whether rows stand still while they are read, or are proven to have stood still.
    pub one_instant: bool,
    /// What a person should know; `true`: something is missing.
    notes: Mutex<Vec<(String, bool)>>,
    /// Tables that the server says are broken; each is named in the notes.
    given_up: Mutex<BTreeSet<Name>>,
}

impl<'a, 's> Work<'a, 's> {
    fn new(plan: &'a DumpPlan, sink: &'s dyn DumpSink, watch: &'a Watch<'a>) -> Work<'a, 's> {
        let budget = Arc::new(AtomicUsize::new(plan.limits.memory_bytes));
        Work {
            plan,
            sink,
            watch,
            budget,
            heavy: Mutex::new(()),
            one_instant: false,
            notes: Mutex::new(Vec::new()),
            given_up: Mutex::new(BTreeSet::new()),
        }
    }

    /// Tells a person something.
    pub fn note(&self, note: String, is_loss: bool) {
        held(&self.notes).push((note, is_loss));
    }

    /// Reads a table with one statement; `None`: the server says that it is broken.
    pub fn read(&self, conn: &mut Connection, table: Table) -> Step<Option<Taken<'s>>> {
        let _one = table.is_heavy().then(|| held(&self.heavy));
        let mut draft = Draft::begin(table, self)?;
        match draft.read(conn, self.watch) {
            Ok(()) => {
                self.note_documents(conn, &draft.table)?;
                Ok(Some(draft.end(self.watch)?))
            }
            Err(stop) => self.give_up_broken(conn, &draft.table, stop).map(|()| None),
        }
    }

    /// Tells what of the table's documents is not carried.
    pub fn note_documents(&self, conn: &mut Connection, table: &Table) -> Step<()> {
        if let Some(note) = documents::note(conn, table)? {
            self.note(note, false);
        }
        Ok(())
    }

    /// Takes the error of a table that the server says is broken for a loss of that table; any other
    /// ends the step, and so does one of a table that was made anew.
    pub fn give_up_broken(&self, conn: &mut Connection, table: &Table, stop: Stop) -> Step<()> {
        match stop {
            Stop::Failed(error) if is_broken_table(&error) => {
                unchanged(conn, table)?;
                let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
                self.note(format!("a table is not in the snapshot: {error}: {cause}"), true);
                held(&self.given_up).insert(table.key());
                Ok(())
            }
            stop => Err(stop),
        }
    }

    /// Fails unless each table of `catalog` was taken, or is named as one that could not be: whatever
    /// else became of it, it is not left out in silence.
    fn is_whole(&self, catalog: &Catalog, taken: &[Taken<'_>]) -> Step<()> {
        let given_up = held(&self.given_up);
        let taken: BTreeSet<Name> = taken.iter().map(|taken| taken.table.key()).collect();
        let missing = catalog.names().find(|name| {
            !taken.contains(*name) && !given_up.contains(*name) && !catalog.unreadable.contains(*name)
        });
        missing.map_or(Ok(()), |(database, table)| Err(Stop::Changed(qualified(database, table))))
    }
}

/// Makes one attempt.
pub fn attempt<'s>(
    plan: &DumpPlan,
    sink: &'s dyn DumpSink,
    watch: &Watch,
    session: &mut Session,
    report: &mut DumpReport,
) -> Step<Whole<'s>> {
    let mut work = Work::new(plan, sink, watch);
    let mut keeper = Keeper::new(session.connect()?, plan.kill_blockers);
    let mut readers = session.readers(plan.threads)?;
    rights::check(session, plan, false)?;
    let before = Catalog::read(session, plan)?;
    let (plain, transactional) = split(before.tables());
    let rights = rights::check(session, plan, !plain.is_empty())?;
    work.one_instant = rights.one_instant;
    let bytes = plain.iter().chain(&transactional).map(|table| table.record.server_bytes).sum();
    watch.progress.expect((plain.len() + transactional.len()) as u64, bytes);

    let settled = Settled::wait(&mut session.control, &transactional, watch)?;
    let taken = match (rights.one_instant, plain.is_empty()) {
        (false, _) => table_by_table(&work, session)?,
        (true, true) => snapshots_only(&work, session, &mut keeper, &mut readers)?,
        (true, false) => plain::take(&work, session, &mut keeper, &mut readers)?,
    };
    report.stall_us = report.stall_us.max(u64::try_from(keeper.stall.as_micros()).unwrap_or(u64::MAX));
    report.read_under_lock = taken.under_lock;
    let after = Catalog::read(session, plan)?;
    if let Some(name) = taken.catalog.difference(&after) {
        return Err(Stop::Changed(name));
    }
    let mut tables = taken.tables;
    if rights.one_instant {
        let transactional = split(taken.catalog.tables()).1;
        let reading = || read_snapshots(&work, &mut readers, transactional, &settled);
        let (read, news) = watched(&mut session.control, reading);
        // Told also if this attempt was in vain: what waited then is what changed the definitions.
        report.notes.extend(news);
        tables.extend(read?);
    }
    work.is_whole(&taken.catalog, &tables)?;
    let mut notes = held(&work.notes).split_off(0);
    notes.extend(rights.losses.into_iter().map(|loss| (loss, true)));
    for schema in &after.schemas {
        notes.extend(schema.notes.iter().map(|note| (note.clone(), false)));
        notes.extend(schema.losses.iter().map(|loss| (loss.clone(), true)));
    }
    Ok(Whole { catalog: after, tables, moment: taken.moment, notes })
}

/// Tables without and with snapshots, the largest first.
pub fn split(mut tables: Vec<Table>) -> (Vec<Table>, Vec<Table>) {
    tables.sort_by_key(|table| std::cmp::Reverse(table.record.server_bytes));
    tables.into_iter().partition(|table| table.has_rows() && !table.is_transactional())
}

/// Opens the snapshots where no table needs more: without a lock if the log proves them equal.
fn snapshots_only<'s>(
    work: &Work<'_, 's>,
    session: &mut Session,
    keeper: &mut Keeper,
    readers: &mut [Connection],
) -> Step<Plainly<'s>> {
    let catalog = Catalog::read(session, work.plan)?;
    let taken = |catalog, moment| Plainly { catalog, moment, tables: Vec::new(), under_lock: Vec::new() };
    if moment::log_proves(&session.facts) {
        let block = moment::block_definitions(session, keeper)?;
        if let Some(moment) = moment::by_log(session, readers)? {
            return Ok(taken(catalog, moment));
        }
        // It does not go together with the lock.
        block.into_iter().for_each(|end| let_go(keeper.conn(), end));
    }
    let mut lock = keeper.lock(&work.plan.limits, &mut session.control, work.watch)?;
    moment::snapshots(readers)?;
    let moment = moment::locked(lock.conn(), &session.facts)?;
    moment::keep_definitions(lock.conn(), &session.facts)?;
    lock.release()?;
    Ok(taken(catalog, moment))
}

/// Reads each table as of an instant of its own.
fn table_by_table<'s>(work: &Work<'_, 's>, session: &mut Session) -> Step<Plainly<'s>> {
    let catalog = Catalog::read(session, work.plan)?;
    let mut others = session.readers(work.plan.threads)?;
    let (mut tables, transactional) = split(catalog.tables());
    tables.extend(transactional);
    let taken = on_all(&mut others, tables, work.watch, |conn, table| work.read(conn, table))?;
    work.note("each table is as of an instant of its own: the user may not lock the server".into(), false);
    let tables = taken.into_iter().flatten().collect();
    Ok(Plainly { catalog, moment: Moment::default(), tables, under_lock: Vec::new() })
}

/// Reads the tables that the readers' snapshots hold.
fn read_snapshots<'s>(
    work: &Work<'_, 's>,
    readers: &mut [Connection],
    tables: Vec<Table>,
    settled: &Settled,
) -> Step<Vec<Taken<'s>>> {
    let taken = on_all(readers, tables, work.watch, |reader, table| {
        let guarded = table.clone();
        // Rolled back to, it gives the table free for changes of its definition.
        reader.execute("SAVEPOINT coffer")?;
        let taken = work.read(reader, table)?;
        reader.execute("ROLLBACK TO SAVEPOINT coffer")?;
        unchanged(reader, &guarded)?;
        match settled.is_new(reader, &guarded)? {
            true => Err(Stop::Changed(guarded.name())),
            false => Ok(taken),
        }
    })?;
    Ok(taken.into_iter().flatten().collect())
}
