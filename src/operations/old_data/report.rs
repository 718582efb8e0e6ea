//! What was planned and removed, for people and programs. It promises names of tables and numbers, and
//! nothing of what is in the rows.

use super::count::Counts;
use super::table::OldTable;
use crate::error::Result;
use crate::operations::paper::{self, Cell, Page, Written, seconds};
use serde::Serialize;
use std::path::Path;

/// The version of the report's form. It grows when a field changes its meaning or goes away.
const FORM: u32 = 1;

/// What was planned and removed of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableOutcome {
    /// The table.
    pub table: String,
    /// What tells the age of a row.
    pub dated_by: String,
    /// Rows before.
    pub rows: u64,
    /// Those that are old.
    pub old: u64,
    /// Bytes of those: an estimate, from the server's average length of a row.
    pub estimated_bytes: u64,
    /// Rows without a date, which stay.
    pub dateless: u64,
    /// Rows that belong to a row that is not there; they stay.
    pub orphans: u64,
    /// Rows that an earlier run removed before it was interrupted.
    pub deleted_before: u64,
    /// Rows that this run removed.
    pub deleted: u64,
    /// Old rows that are left.
    pub left: u64,
    /// Batches that removed rows.
    pub batches: u64,
    /// The longest batch, with the time of reading it, in milliseconds.
    pub longest_batch_ms: u64,
    /// Time spent in pauses, in milliseconds.
    pub paused_ms: u64,
    /// Time of all, in milliseconds.
    pub ms: u64,
}

impl TableOutcome {
    /// What there is to do.
    pub fn planned(table: &OldTable, counts: &Counts) -> TableOutcome {
        TableOutcome {
            table: table.record.name.clone(),
            dated_by: table.dated(),
            rows: counts.rows,
            old: counts.old,
            estimated_bytes: counts.old.saturating_mul(table.row_bytes),
            dateless: counts.dateless,
            orphans: counts.orphans,
            left: counts.old,
            ..TableOutcome::default()
        }
    }
}

/// The report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OldDataReport {
    /// The container's name.
    pub container: String,
    /// Id of the snapshot that holds every row that was removed; empty: nothing was.
    pub snapshot: String,
    /// When that was made.
    pub snapshot_time: String,
    /// The server.
    pub server: String,
    /// The database.
    pub database: String,
    /// The profile.
    pub profile: String,
    /// The first day that is not old.
    pub before: String,
    /// When it was asked for.
    pub held: String,
    /// By whom.
    pub asked_by: String,
    /// On which machine.
    pub machine: String,
    /// The version of the program.
    pub program: String,
    /// Whether rows were to be removed; else they were only counted.
    pub is_applied: bool,
    /// Whether this goes on with a removal that was interrupted.
    pub is_resumed: bool,
    /// The journal of the removal on that machine; empty: nothing was removed.
    pub journal: String,
    /// The tables, in the order in which rows go.
    pub tables: Vec<TableOutcome>,
    /// What should be known.
    pub notes: Vec<String>,
    /// Time of all, in milliseconds.
    pub took_ms: u64,
}

impl OldDataReport {
    /// Old rows of all tables.
    pub fn old(&self) -> u64 {
        self.tables.iter().map(|table| table.old).sum()
    }

    /// Rows that this run removed.
    pub fn deleted(&self) -> u64 {
        self.tables.iter().map(|table| table.deleted).sum()
    }

    /// Old rows that are left.
    pub fn left(&self) -> u64 {
        self.tables.iter().map(|table| table.left).sum()
    }

    /// The report for programs.
    pub fn json(&self) -> serde_json::Value {
        paper::value(self, FORM)
    }

    /// Writes both forms.
    ///
    /// Errors: those of [`paper::write`].
    pub fn write(&self, place: &Path) -> Result<Written> {
        let digits: String = self.held.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let word = if self.is_applied { "removed" } else { "planned" };
        paper::write(place, &format!("coffer-old-data-{word}-{digits}"), &self.html(), &self.json())
    }

    fn html(&self) -> String {
        let title = format!("Old data of {} before {}", self.database, self.before);
        let verdict = match (self.is_applied, self.left()) {
            (false, _) => "Planned: nothing was changed.",
            (true, 0) => "Removed: every row that went is in the pinned snapshot.",
            (true, _) => "Removed in part: every row that went is in the pinned snapshot; old rows are left.",
        };
        let mut page = Page::new(&title, verdict);
        let asked = format!("{} on {}, {}, coffer {}", self.asked_by, self.machine, self.held, self.program);
        page.facts(&[
            ("Server", self.server.clone()),
            ("Profile", self.profile.clone()),
            ("Container", self.container.clone()),
            ("Snapshot", format!("{} {}", self.snapshot, self.snapshot_time)),
            ("Asked by", asked),
            ("Time", seconds(self.took_ms)),
        ]);
        page.heading("Tables");
        let headings =
            ["Table", "Age by", "Rows", "Old", "Bytes (estimate)", "No date", "Removed", "Earlier", "Left"];
        let rows: Vec<Vec<Cell>> = self.tables.iter().map(row).collect();
        page.table(&headings, &rows);
        page.list("Notes", &self.notes);
        page.review("", "");
        page.finish("This report holds names of tables and numbers, and nothing of what is in them. Keep it for six years.")
    }
}

fn row(table: &TableOutcome) -> Vec<Cell> {
    let mut cells = vec![Cell::Text(table.table.clone()), Cell::Text(table.dated_by.clone())];
    let numbers = [
        table.rows,
        table.old,
        table.estimated_bytes,
        table.dateless,
        table.deleted,
        table.deleted_before,
        table.left,
    ];
    cells.extend(numbers.map(|number| Cell::Number(number.to_string())));
    cells
}
