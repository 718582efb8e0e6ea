//! The drill: a snapshot restored for trial, and a report of it. It promises that everything it calls
//! proven was loaded or written and read back; that what could not be tried is said; that its scratch
//! is gone afterwards, also after a failure; and that its report holds names of databases and tables
//! but nothing of what is in them.

mod attachments;
mod databases;
mod dumps;
mod page;
mod report;

pub use databases::check_prefix;
pub use report::{AttachmentTrial, DatabaseTrial, DrillReport, DumpTrial, Phase, Verdict};

use super::scratch::{Folder, ScratchServer};
use crate::chunk_store::ChunkStore;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::mysql::facts::Vendor;
use crate::mysql::options::ServerOptions;
use crate::operations::session::host_name;
use crate::operations::{paper, server_restore};
use crate::progress::Progress;
use crate::snapshot::{ManifestReader, SnapshotRecord};
use rayon::ThreadPool;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is tried, and where.
#[derive(Clone, Debug)]
pub struct DrillPlan {
    /// Name of the container, for the report.
    pub container: String,
    /// The server to load into; `None`: a private one is started.
    pub server: Option<ServerOptions>,
    /// What the names of databases on a given server begin with.
    pub prefix: String,
    /// Whether live databases are tried at all.
    pub has_databases: bool,
    /// How many of the attachments are tried.
    pub share: Share,
    /// Where the scratch goes; `None`: where temporary files go.
    pub scratch: Option<PathBuf>,
    /// When it is.
    pub time: Timestamp,
    /// Who will review the report.
    pub reviewer: Option<String>,
    /// Tables that are loaded at once.
    pub threads: usize,
}

/// How many of the attachments are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// Five of a hundred, at least 100 and at most 1,000.
    #[default]
    Usual,
    /// So many of a hundred.
    Percent(u8),
    /// All of them.
    All,
}

impl Share {
    /// How many of `count`.
    pub fn of(self, count: u64) -> u64 {
        match self {
            Share::Usual => count.div_ceil(20).clamp(100, 1000).min(count),
            Share::Percent(percent) => {
                let part = u128::from(count) * u128::from(percent.min(100));
                u64::try_from(part.div_ceil(100)).unwrap_or(count)
            }
            Share::All => count,
        }
    }
}

/// Where live databases and dumps are loaded.
enum Place {
    Scratch(ScratchServer),
    Given(ServerOptions),
}

impl Place {
    fn options(&self) -> ServerOptions {
        match self {
            Place::Scratch(server) => server.options(),
            Place::Given(options) => options.clone(),
        }
    }
}

/// What a drill works with.
struct Drill<'a> {
    plan: &'a DrillPlan,
    store: &'a ChunkStore,
    record: &'a SnapshotRecord,
    pool: &'a Arc<ThreadPool>,
    progress: &'a Progress,
    report: DrillReport,
}

/// Tries to restore `record`. What differs is in the report.
///
/// Errors: [`Kind::Database`] if there is no server and the snapshot has live databases;
/// [`Kind::Usage`] if the given server has databases with the prefix; whatever keeps the drill from
/// being held. The scratch is gone then, too.
pub fn drill(
    store: &ChunkStore,
    record: &SnapshotRecord,
    plan: &DrillPlan,
    pool: &Arc<ThreadPool>,
    progress: &Progress,
) -> Result<DrillReport> {
    let report = DrillReport {
        container: plan.container.clone(),
        snapshot: record.id.to_string(),
        snapshot_time: paper::date(record.time),
        held: paper::date(plan.time),
        machine: host_name(),
        program: env!("CARGO_PKG_VERSION").into(),
        reviewer: plan.reviewer.clone().unwrap_or_default(),
        is_complete_backup: record.is_complete(),
        ..DrillReport::default()
    };
    let mut drill = Drill { plan, store, record, pool, progress, report };
    let began = Instant::now();
    drill.run()?;
    drill.report.took_ms = millis(began.elapsed());
    Ok(drill.report)
}

impl Drill<'_> {
    fn run(&mut self) -> Result<()> {
        let has_live = self.has_live();
        let place = self.place(has_live)?;
        if has_live && !self.plan.has_databases {
            self.report.notes.push("the live databases were not tried, as asked for".into());
        }
        if has_live
            && self.plan.has_databases
            && let Some(place) = &place
        {
            self.databases(place)?;
        }
        let folder = Folder::create(self.plan.scratch.as_deref(), "coffer-drill")?;
        self.dumps(place.as_ref(), &folder)?;
        self.attachments(&folder)
    }

    /// Whether the snapshot has live databases. A manifest that cannot be read is met, and named, later.
    fn has_live(&mut self) -> bool {
        match server_restore::source(self.store, self.record) {
            Ok(_) => true,
            Err(error) if error.kind() == Kind::NotFound => false,
            Err(error) => {
                self.report.differences.push(format!("the snapshot's entries: {error}"));
                false
            }
        }
    }

    fn place(&mut self, has_live: bool) -> Result<Option<Place>> {
        if !self.plan.has_databases {
            return Ok(None);
        }
        if let Some(server) = &self.plan.server {
            databases::check_prefix(server, &self.plan.prefix)?;
            return Ok(Some(Place::Given(server.clone())));
        }
        if !has_live && !self.has_dumps() {
            return Ok(None);
        }
        let began = Instant::now();
        let case = self.letter_case();
        let vendor = self.vendor();
        match ScratchServer::start(self.plan.scratch.as_deref(), case, vendor, self.progress) {
            Ok(server) => {
                self.phase("a private server started", began.elapsed(), 0);
                Ok(Some(Place::Scratch(server)))
            }
            Err(error) if !has_live && error.kind() == Kind::Database => {
                self.report.not_proven.push(format!("the dumps were not loaded: {error}"));
                Ok(None)
            }
            Err(error) if error.kind() == Kind::Database && error.remedy().is_none() => {
                Err(error.hint("--to-server names another server; --no-database tries the rest alone"))
            }
            Err(error) => Err(error),
        }
    }

    fn has_dumps(&self) -> bool {
        let is_dump = |entry: Result<crate::entry::Entry>| {
            entry.is_ok_and(|entry| matches!(entry.kind, crate::entry::EntryKind::Dump(_)))
        };
        ManifestReader::new(self.store, &self.record.manifest).is_ok_and(|mut entries| entries.any(is_dump))
    }

    /// How the server that was backed up takes the case of tables' names.
    fn letter_case(&self) -> Option<u8> {
        let source = server_restore::source(self.store, self.record).ok()?;
        let setting = source.server.settings.iter().find(|s| s.name == "lower_case_table_names")?;
        setting.value.parse().ok()
    }

    /// Who made the server that was backed up.
    fn vendor(&self) -> Option<Vendor> {
        let source = server_restore::source(self.store, self.record).ok()?;
        [Vendor::MariaDb, Vendor::MySql].into_iter().find(|vendor| vendor.word() == source.server.vendor)
    }

    fn phase(&mut self, name: impl Into<String>, took: Duration, bytes: u64) {
        self.report.phases.push(Phase { name: name.into(), ms: millis(took), bytes });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An error for a report: the server's words may quote a value, and nothing between single quotes
/// leaves.
fn without_values(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('\'');
    out.push_str(parts.next().unwrap_or_default());
    // Everything from the first quote to the last goes: a value may hold quotes of its own.
    if let Some(last) = parts.next_back() {
        out.push_str("'…'");
        out.push_str(last);
    }
    out
}

/// The error for what a drill needs and a person gave wrongly.
fn usage(message: impl Into<String>) -> Error {
    Error::new(Kind::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_there_is() {
        for (count, usual) in [(0, 0), (7, 7), (100, 100), (2_500, 125), (1_000_000, 1000)] {
            assert_eq!(Share::Usual.of(count), usual);
            assert_eq!(Share::All.of(count), count);
        }
        assert_eq!((Share::Percent(5).of(21), Share::Percent(100).of(9), Share::Percent(0).of(9)), (2, 9, 0));
    }

    #[test]
    fn no_value_leaves_in_words_of_a_server() {
        let said =
            "table `patient` could not be loaded: Duplicate entry 'O'Neil-7' for key 'name' (error 1062)";
        assert_eq!(
            without_values(said),
            "table `patient` could not be loaded: Duplicate entry '…' (error 1062)"
        );
        assert_eq!(without_values("plain"), "plain");
        assert_eq!(without_values("one ' only"), "one '…' only");
    }
}
