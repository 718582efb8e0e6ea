//! Reading live databases. It promises tables that are all as of one instant (or an error, or, where
//! that was asked for, a mark that says otherwise), definitions that belong to the rows, no statement
//! of others ended unless told, and writers that wait as shortly as the server's engines allow. The
//! order of statements is that of `format-spec/manifest.md`, Databases.

mod attempt;
mod catalog;
mod choose;
mod documents;
mod fence;
mod first;
mod lock;
mod long;
mod moment;
mod place;
mod plain;
mod plan;
mod queue;
mod rights;
mod rows;
mod session;
mod settled;
mod status;
mod step;
mod table;
mod taking;
mod waiting;

pub use plan::{DumpPlan, DumpReport, Limits};

use super::connection::Connection;
use super::schema::Fingerprint;
use super::stream::DumpSink;
use crate::entry::database::{SERVER_PATH, ServerRecord, TableRecord, database_path, object_path};
use crate::entry::{Entry, EntryKind, EntryPath, Metadata};
use crate::error::Result;
use crate::progress::Progress;
use crate::rows::{ChunkSink, RowSummary};
use attempt::Whole;
use rows::{RowFeed, Watch};
use session::Session;
use step::Stop;
use table::Table;

/// Dumps what `plan` names into `sink`.
///
/// Errors: [`crate::error::Kind::Database`] (unreachable, refused, missing privileges, no quiet moment,
/// definitions that never stand still), [`crate::error::Kind::NotFound`] (an unknown database), those
/// of the sink, and [`crate::error::Kind::Interrupted`]. No table was handed over then.
pub fn dump(plan: &DumpPlan, sink: &dyn DumpSink, progress: &Progress) -> Result<DumpReport> {
    let mut session = Session::open(plan)?;
    let mut report = DumpReport::default();
    loop {
        let watch = Watch::new(progress);
        match attempt::attempt(plan, sink, &watch, &mut session, &mut report) {
            Ok(whole) => return hand_over(whole, &session, sink, report),
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Changed(name)) if report.restarts >= plan.limits.restarts => {
                return Err(step::never_still(&name, report.restarts));
            }
            Err(stop @ Stop::Overran(_)) if report.restarts >= plan.limits.restarts => {
                return Err(step::told(stop));
            }
            Err(Stop::Changed(_) | Stop::Overran(_)) => report.restarts += 1,
        }
    }
}

/// Takes chunks that nobody wants.
struct Nowhere;

impl ChunkSink for Nowhere {
    fn chunk(&mut self, _: &[&[u8]]) -> Result<()> {
        Ok(())
    }
}

/// Number and checksum of the rows of `record`'s table in `database`, which nobody writes to, with
/// memory for a piece of a long cell; `None`: its long cells cannot be read in pieces.
pub(in crate::mysql) fn sum_of_long(
    conn: &mut Connection,
    database: &str,
    record: &TableRecord,
    progress: &Progress,
) -> Result<Option<RowSummary>> {
    let long = long::columns(record);
    if long.is_empty() {
        return Ok(None);
    }
    let table = Table {
        database: database.into(),
        record: record.clone(),
        fingerprint: Fingerprint::default(),
        long,
    };
    let mut feed = RowFeed::new(&table, &[0; 32]);
    taking::read_behind(&mut feed, &table, conn, &mut Nowhere, &Watch::new(progress)).map_err(step::told)?;
    feed.finish(&mut Nowhere).map(Some)
}

/// Hands everything over, once it is proven.
fn hand_over(
    whole: Whole,
    session: &Session,
    sink: &dyn DumpSink,
    mut report: DumpReport,
) -> Result<DumpReport> {
    report.consistency = whole.moment.consistency;
    report.position = whole.moment.position;
    for note in &report.notes {
        sink.note(note.clone(), false)?;
    }
    for (note, is_loss) in whole.notes {
        sink.note(note.clone(), is_loss)?;
        report.notes.push(note);
    }
    for taken in whole.tables {
        let schema = whole.catalog.schemas.iter().find(|s| s.database.name == taken.table.database);
        let latest = schema.and_then(|s| s.tables.iter().find(|t| t.name == taken.table.record.name));
        taken.finish(latest, &mut report)?;
    }
    let entry = |path, kind| sink.entry(Entry { path, kind, metadata: Metadata::default() });
    for schema in whole.catalog.schemas {
        let database = schema.database.name.clone();
        for object in schema.objects {
            report.objects += 1;
            let path = object_path(&database, object.kind, &object.name);
            entry(path, EntryKind::Object(Box::new(object)))?;
        }
        report.databases += 1;
        entry(database_path(&database), EntryKind::Database(Box::new(schema.database)))?;
    }
    for user in whole.catalog.users {
        report.objects += 1;
        let path = object_path("", user.kind, &user.name);
        entry(path, EntryKind::Object(Box::new(user)))?;
    }
    let server = ServerRecord {
        consistency: report.consistency,
        position: report.position.clone(),
        stall_us: report.stall_us,
        notes: report.notes.clone(),
        ..session.record()
    };
    entry(EntryPath(SERVER_PATH.to_vec()), EntryKind::Server(Box::new(server)))?;
    Ok(report)
}
