//! The report of a move, of both its sides: a checklist with times. It promises names and numbers, and
//! nothing of what is in a database or what an attachment is called.

use super::facts::Facts;
use crate::error::Result;
use crate::operations::drill::Phase;
use crate::operations::paper::{self, Cell, Page, Written, seconds};
use serde::Serialize;
use std::path::Path;

/// The version of the report's form. It grows when a field changes its meaning or goes away.
const FORM: u32 = 1;

/// The side of a move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// On the old server: looked at, backed up, verified.
    #[default]
    Plan,
    /// On the new server: restored and compared.
    Restore,
}

/// The report.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MigrationReport {
    /// The side.
    pub stage: Stage,
    /// The container's name.
    pub container: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// When it was made.
    pub snapshot_time: String,
    /// When this was done.
    pub held: String,
    /// On which machine.
    pub machine: String,
    /// The version of the program.
    pub program: String,
    /// The server.
    pub server: String,
    /// What moves.
    pub facts: Facts,
    /// Length of the container, in bytes.
    pub container_bytes: u64,
    /// Free space that the new machine needs: container, databases and attachments, in bytes.
    pub needed_bytes: u64,
    /// Estimated time of the restore, in milliseconds.
    pub estimated_restore_ms: u64,
    /// What was done, and how long it took.
    pub steps: Vec<Phase>,
    /// What is not as it was.
    pub differences: Vec<String>,
    /// What should be known.
    pub notes: Vec<String>,
    /// What is left for a person.
    pub left_to_do: Vec<String>,
    /// Time of all, in milliseconds.
    pub took_ms: u64,
}

/// What people do after the old server was backed up.
const AFTER_PLAN: [&str; 4] = [
    "close the application on every workstation, and run coffer migrate plan once more: what is entered after the snapshot does not move",
    "carry the container to the new machine, and its key on another way",
    "set on the new server what the notes name, before anything is restored",
    "there: coffer migrate restore CONTAINER --attachments-to DIR --report DIR",
];

/// What people do after the new server stands.
const AFTER_RESTORE: [&str; 5] = [
    "look at the report's notes: what differs between the servers shows later",
    "start the application, look up some patients and open some of their images",
    "pair the workstations with the new server: its name or address, and the paths of the image folders",
    "make a backup of the new server and hold a drill: coffer backup, coffer drill",
    "keep the old server switched off or read-only until the new one has proven itself",
];

impl MigrationReport {
    /// Adds a step.
    pub fn step(&mut self, name: impl Into<String>, took: std::time::Duration, bytes: u64) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.steps.push(Phase { name: name.into(), ms, bytes });
    }

    /// Completes the list of what is left for a person.
    pub fn close(&mut self, took: std::time::Duration) {
        let usual: &[&str] = match self.stage {
            Stage::Plan => &AFTER_PLAN,
            Stage::Restore => &AFTER_RESTORE,
        };
        self.left_to_do.extend(usual.iter().map(|line| (*line).to_owned()));
        self.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
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
        let word = match self.stage {
            Stage::Plan => "plan",
            Stage::Restore => "restore",
        };
        paper::write(place, &format!("coffer-move-{word}-{digits}"), &self.html(), &self.json())
    }

    fn html(&self) -> String {
        let (title, verdict) = match (self.stage, self.differences.is_empty()) {
            (Stage::Plan, true) => ("Move: the old server", "Backed up and verified: ready to move."),
            (Stage::Plan, false) => ("Move: the old server", "Not ready: see the differences."),
            (Stage::Restore, true) => {
                ("Move: the new server", "Restored and compared: everything is as it was.")
            }
            (Stage::Restore, false) => ("Move: the new server", "Restored; something is not as it was."),
        };
        let mut page = Page::new(title, verdict);
        page.facts(&[
            ("Container", format!("{}, {} bytes", self.container, self.container_bytes)),
            ("Snapshot", format!("{} of {}", self.snapshot, self.snapshot_time)),
            ("Server", self.server.clone()),
            ("Moved from", format!("{} {}", self.facts.vendor, self.facts.version)),
            ("Users", self.facts.users.len().to_string()),
            ("Attachments", format!("{} files, {} bytes", self.facts.files, self.facts.attachment_bytes)),
            ("Space the new machine needs", format!("{} bytes", self.needed_bytes)),
            ("Estimated time of the restore", seconds(self.estimated_restore_ms)),
            ("Done", format!("{} on {}, coffer {}", self.held, self.machine, self.program)),
        ]);
        page.list("Differences", &self.differences);
        page.heading("Databases");
        let number = |value: u64| Cell::Number(value.to_string());
        let rows: Vec<Vec<Cell>> = self
            .facts
            .databases
            .iter()
            .map(|d| {
                let (name, time) = (Cell::Text(d.database.clone()), Cell::Number(seconds(d.ms)));
                vec![name, number(d.tables), number(d.rows), number(d.objects), number(d.server_bytes), time]
            })
            .collect();
        page.table(
            &["Database", "Tables", "Rows", "Objects", "Bytes on the old server", "Restored in"],
            &rows,
        );
        page.heading("Done");
        let rows: Vec<Vec<Cell>> = self
            .steps
            .iter()
            .map(|step| {
                vec![
                    Cell::Text(format!("\u{2611} {}", step.name)),
                    Cell::Number(seconds(step.ms)),
                    number(step.bytes),
                ]
            })
            .collect();
        page.table(&["Step", "Time", "Bytes"], &rows);
        let open: Vec<String> = self.left_to_do.iter().map(|line| format!("\u{2610} {line}")).collect();
        page.list("Left for a person", &open);
        page.list("Notes", &self.notes);
        page.review("", "");
        page.finish("This report holds names of databases and numbers, and nothing of what is in them. Keep it for six years.")
    }
}
