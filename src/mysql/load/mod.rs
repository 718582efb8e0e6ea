//! From a snapshot to a server: restore of databases and tables. It promises that the live database
//! stays whole until the new one is loaded and proven beside it; that what is switched in has the
//! counts and checksums that the snapshot states, read back from the server; that a restore that was
//! killed at any instant is finished or undone by running it again; and a name for everything that
//! could not be made.
//!
//! # How
//!
//! [`plan`] looks and touches nothing. [`apply`] makes a staging database (`NAME__restoring`)
//! without triggers and foreign keys, loads and proves its tables in parallel, writes down what is to
//! be switched (`journal.rs`), and then switches (`switch.rs`) in steps that may each be repeated.

mod apply;
mod beforehand;
mod begun;
mod choose;
mod collation;
pub(in crate::mysql) mod definition;
mod documents;
mod earlier;
mod equal;
pub(in crate::mysql) mod fulltext;
mod infile;
mod insert;
mod journal;
mod last;
mod moving;
mod names;
mod objects;
mod orphans;
mod preflight;
mod proof;
pub(in crate::mysql) mod secondary;
mod session;
mod stage;
mod statement;
mod steps;
mod switch;
mod table;
mod ties;
mod users;
mod vendors;
mod watch;

pub(in crate::mysql) use definition::{without_defaults, without_implied_collations};

pub use choose::{DatabaseEntries, LoadSource, Part};
pub use collation::{Collation, Collations, Weighed, exact};
pub use definition::{ForeignKey, Scan, foreign_key, parts, split_name};
pub use equal::equals;
pub use last::views_again;
pub use preflight::{Obstacle, Unfinished};

use super::options::ServerOptions;
use super::stream::RowSource;
use crate::entry::database::TableRecord;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use std::time::Duration;

/// What is to become of the users that objects run as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Definers {
    /// They stay, whether the server knows them or not.
    #[default]
    Keep,
    /// Everything runs as this user (`user@host`).
    Rewrite(String),
    /// Everything runs with the rights of whoever calls it.
    Invoker,
}

/// What is loaded, and how.
#[derive(Clone)]
pub struct LoadOptions<'a> {
    /// Databases to load; none: all of the snapshot.
    pub databases: Vec<String>,
    /// Tables to load as database and table; none: whole databases.
    pub tables: Vec<(String, String)>,
    /// Databases that stand on the server already as the snapshot has them: they are passed over.
    pub standing: Vec<String>,
    /// The name that the one database gets.
    pub rename_to: Option<String>,
    /// Whether a database or table of the same name is replaced.
    pub replace: bool,
    /// What is to become of definers.
    pub definers: Definers,
    /// Tables that are loaded at once.
    pub threads: usize,
    /// Whether users and their grants are made, too.
    pub users: bool,
    /// Whether events may run; else they are made disabled.
    pub events: bool,
    /// Changes rows on their way.
    pub filter: Option<&'a dyn RowFilter>,
}

impl Default for LoadOptions<'_> {
    /// Everything, under its own name, into a server that has nothing of it.
    fn default() -> Self {
        LoadOptions {
            databases: Vec::new(),
            tables: Vec::new(),
            standing: Vec::new(),
            rename_to: None,
            replace: false,
            definers: Definers::Keep,
            threads: 2,
            users: false,
            events: true,
            filter: None,
        }
    }
}

/// Changes the rows of one table; false: the row is left out.
pub type RowChange<'a> = Box<dyn FnMut(&mut Vec<Option<Vec<u8>>>) -> Result<bool> + Send + 'a>;

/// Changes rows while they are loaded.
pub trait RowFilter: Sync {
    /// What tells it from another: filters that change rows otherwise differ in it.
    fn identity(&self) -> String;

    /// What changes the rows of `table` of `database` (its name in the snapshot); `None`: nothing. The
    /// cells are those of the table's columns, in the column forms of the snapshot; `collations` tells what
    /// the server holds equal in the table as it stands there.
    fn table<'a>(
        &'a self,
        database: &str,
        table: &'a TableRecord,
        collations: &mut dyn Collations,
    ) -> Result<Option<RowChange<'a>>>;
}

/// What would be done, and what stands against it. Nothing was touched.
pub struct LoadPlan<'a> {
    source: &'a LoadSource,
    target: ServerOptions,
    options: LoadOptions<'a>,
    /// The databases, in order.
    pub parts: Vec<Part<'a>>,
    /// Why it cannot be done; [`apply`] refuses while there is any.
    pub obstacles: Vec<Obstacle>,
    /// What should be known before, one sentence each.
    pub warnings: Vec<String>,
}

/// What was loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// The databases, in order.
    pub databases: Vec<DatabaseReport>,
    /// Users that were made.
    pub users: u64,
    /// What could not be made, one sentence each, naming the object.
    pub not_made: Vec<String>,
    /// Tables that an earlier run of the same restore loaded and compared, and that this run, which went
    /// on with it, found to hold something else: one sentence each.
    pub differing: Vec<String>,
    /// What else should be known.
    pub notes: Vec<String>,
}

/// What was loaded of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseReport {
    /// Its name in the snapshot.
    pub database: String,
    /// Its name on the server.
    pub target: String,
    /// Its tables, largest first.
    pub tables: Vec<TableReport>,
    /// Objects other than tables that were made.
    pub objects: u64,
    /// Whether what an earlier run of the same restore had loaded was gone on with.
    pub is_resumed: bool,
    /// From the first to the last statement.
    pub took: Duration,
}

/// What was loaded of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableReport {
    /// Its name.
    pub table: String,
    /// Rows that were read back when it was loaded.
    pub rows: u64,
    /// The checksum of the rows that were read back, equal to that of the rows that were sent.
    pub checksum: u128,
    /// Whether an earlier run of the same restore loaded it.
    pub is_earlier: bool,
    /// Whether this run read its rows back and found them as they should be.
    pub is_compared: bool,
    /// Time of loading.
    pub load: Duration,
    /// Time of reading back.
    pub proof: Duration,
    /// What of its rows is only almost as it was, one sentence; empty: nothing.
    pub note: String,
}

impl LoadReport {
    /// Whether anything of what was asked for is missing, or not as it should be.
    pub fn is_partial(&self) -> bool {
        !self.not_made.is_empty() || !self.differing.is_empty()
    }

    /// All tables.
    pub fn tables(&self) -> impl Iterator<Item = &TableReport> {
        self.databases.iter().flat_map(|database| &database.tables)
    }

    /// Rows of all tables that were read back and are as they should be.
    pub fn rows(&self) -> u64 {
        self.tables().filter(|table| table.is_compared).map(|table| table.rows).sum()
    }
}

/// Looks whether the chosen part of `source` can be loaded into the server of `target`, and how.
///
/// Errors: [`Kind::NotFound`] for a database or table that the snapshot lacks, [`Kind::Usage`] for
/// options that exclude each other, [`Kind::Database`] if the server cannot be asked. What stands
/// against the load is no error here: see [`LoadPlan::obstacles`].
pub fn plan<'a>(
    source: &'a LoadSource,
    target: &ServerOptions,
    options: &LoadOptions<'a>,
) -> Result<LoadPlan<'a>> {
    let parts = choose::parts(source, options)?;
    let mut plan = LoadPlan {
        source,
        target: target.clone(),
        options: options.clone(),
        parts,
        obstacles: Vec::new(),
        warnings: Vec::new(),
    };
    preflight::look(&mut plan)?;
    Ok(plan)
}

/// Does what `plan` says; `source` gives the rows.
///
/// Errors: those of [`LoadPlan::ready`]; [`Kind::Busy`] while another restore of the database runs;
/// [`Kind::Damaged`] if the rows that were read back are not those of the snapshot; and whatever ends
/// the load. After an error the live database is what it was, or the error's hint says that running
/// the restore again finishes the switch.
pub fn apply(plan: &LoadPlan, source: &dyn RowSource, progress: &Progress) -> Result<LoadReport> {
    plan.ready()?;
    apply::run(plan, source, progress)
}

impl LoadPlan<'_> {
    /// Fails if there are obstacles: with the kind of the first, naming all.
    pub fn ready(&self) -> Result<()> {
        let Some(first) = self.obstacles.first() else { return Ok(()) };
        let sentences: Vec<&str> = self.obstacles.iter().map(|o| o.sentence.as_str()).collect();
        let error = Error::new(first.kind, sentences.join("; "));
        Err(match self.obstacles.iter().find_map(|o| o.hint.as_deref()) {
            Some(hint) => error.hint(hint),
            None => error.hint("nothing was touched"),
        })
    }
}

/// A failure of what this module expects of a server.
fn unexpected(message: impl Into<String>) -> Error {
    Error::new(Kind::Database, message)
}
