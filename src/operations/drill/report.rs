//! What a drill found, for people and programs. It promises dates in UTC, exact numbers, no word of
//! "certified", and nothing of what is in a database or what an attachment is called.

use super::page;
use crate::error::Result;
use crate::operations::paper::{self, Written};
use serde::Serialize;
use std::path::Path;

/// The version of the report's form. It grows when a field changes its meaning or goes away.
const FORM: u32 = 1;

/// What a drill found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DrillReport {
    /// The container's name.
    pub container: String,
    /// The snapshot's id.
    pub snapshot: String,
    /// When the backup was made.
    pub snapshot_time: String,
    /// Whether the backup read everything that it was asked to read.
    pub is_complete_backup: bool,
    /// When the drill was held.
    pub held: String,
    /// The machine that it was held on.
    pub machine: String,
    /// The version of the program.
    pub program: String,
    /// The server that databases were loaded into; empty: none was.
    pub server: String,
    /// How long all of it took, in milliseconds.
    pub took_ms: u64,
    /// The steps and how long each took.
    pub phases: Vec<Phase>,
    /// Live databases.
    pub databases: Vec<DatabaseTrial>,
    /// Dump files.
    pub dumps: Vec<DumpTrial>,
    /// Attachments; `None`: there are none.
    pub attachments: Option<AttachmentTrial>,
    /// What is not as it was backed up.
    pub differences: Vec<String>,
    /// What could not be tried.
    pub not_proven: Vec<String>,
    /// What else should be known.
    pub notes: Vec<String>,
    /// Who reviews the report; empty: to be filled in by hand.
    pub reviewer: String,
    /// What was done about it; to be filled in by hand.
    pub corrective_actions: String,
}

/// A step.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Phase {
    /// What was done.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Bytes that went through it; 0: not counted.
    pub bytes: u64,
}

/// A live database on trial.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DatabaseTrial {
    /// Its name in the snapshot.
    pub database: String,
    /// Tables that were loaded and read back, with equal counts and checksums.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Other objects that stand as they stood.
    pub objects: u64,
    /// Time of loading and reading back, in milliseconds.
    pub ms: u64,
    /// Time of comparing the objects, in milliseconds.
    pub compare_ms: u64,
    /// What is not as it was.
    pub differences: Vec<String>,
    /// What else should be known.
    pub notes: Vec<String>,
}

/// A dump file on trial.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DumpTrial {
    /// Its path in the snapshot.
    pub dump: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Tables that it made.
    pub tables: u64,
    /// Time of loading, in milliseconds.
    pub ms: u64,
    /// Why it was not loaded; empty: it was.
    pub not_loaded: String,
    /// Why it is not what it should be; empty: it is.
    pub failure: String,
}

/// Attachments on trial.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AttachmentTrial {
    /// Files that the snapshot has.
    pub files: u64,
    /// Their bytes.
    pub all_bytes: u64,
    /// Files that were restored and compared.
    pub tried: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Time of both, in milliseconds.
    pub ms: u64,
    /// Files that are not as they were.
    pub failed_count: u64,
    /// Which, and why: names of files may tell of patients, so they are for the screen only.
    #[serde(skip)]
    pub failed: Vec<String>,
}

/// How a drill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything that was tried is as it was, and everything was tried that was asked for.
    Proven,
    /// What was tried is as it was; something could not be tried.
    InPart,
    /// Something is not as it was.
    Differs,
}

impl Verdict {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Proven => "proven",
            Verdict::InPart => "proven in part",
            Verdict::Differs => "differs",
        }
    }
}

impl DrillReport {
    /// How it ended.
    pub fn verdict(&self) -> Verdict {
        match (self.differences.is_empty(), self.not_proven.is_empty()) {
            (false, _) => Verdict::Differs,
            (true, false) => Verdict::InPart,
            (true, true) => Verdict::Proven,
        }
    }

    /// Time that the steps of recovery took, and what all attachments would take at their rate, in
    /// milliseconds.
    pub fn recovery_ms(&self) -> u64 {
        let tried: u64 = self.phases.iter().map(|phase| phase.ms).sum();
        let rest = self.attachments.as_ref().map_or(0, |a| match a.bytes {
            0 => 0,
            bytes => {
                let rest = u128::from(a.all_bytes.saturating_sub(bytes));
                u64::try_from(rest * u128::from(a.ms) / u128::from(bytes)).unwrap_or(u64::MAX)
            }
        });
        tried.saturating_add(rest)
    }

    /// The report for programs.
    pub fn json(&self) -> serde_json::Value {
        let mut value = paper::value(self, FORM);
        if let Some(fields) = value.as_object_mut() {
            fields.insert("verdict".into(), self.verdict().word().into());
            fields.insert("recovery_ms".into(), self.recovery_ms().into());
        }
        value
    }

    /// Writes both forms: under dated names if `place` is a folder, else as `place` (a page) and beside
    /// it. Nothing is overwritten.
    ///
    /// Errors: those of [`paper::write`].
    pub fn write(&self, place: &Path) -> Result<Written> {
        let digits: String = self.held.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let id = self.snapshot.get(..8).unwrap_or(&self.snapshot);
        paper::write(place, &format!("coffer-drill-{digits}-{id}"), &page::html(self), &self.json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::error::Kind;
    use crate::operations::paper::date;

    #[test]
    fn a_report_says_how_it_ended_and_how_long_all_would_take() {
        let mut report = DrillReport::default();
        assert_eq!(report.verdict(), Verdict::Proven);
        report.phases.push(Phase { name: "x".into(), ms: 100, bytes: 10 });
        report.attachments = Some(AttachmentTrial {
            all_bytes: 50,
            bytes: 10,
            ms: 100,
            failed: vec!["smith.png".into()],
            ..AttachmentTrial::default()
        });
        assert_eq!(report.recovery_ms(), 500);
        report.not_proven.push("y".into());
        assert_eq!(report.verdict(), Verdict::InPart);
        report.differences.push("z".into());
        assert_eq!(report.verdict(), Verdict::Differs);
        let json = report.json();
        assert_eq!((json["verdict"].as_str(), json["recovery_ms"].as_u64()), (Some("differs"), Some(500)));
        assert!(!json.to_string().contains("smith"), "names of files stay on the screen");
    }

    #[test]
    fn reports_are_dated_and_never_overwritten() {
        let folder = tempfile::tempdir().expect("folder");
        let held = date(Timestamp { seconds: 1_769_860_800, nanoseconds: 0 });
        let report = DrillReport { held, snapshot: "ab12cd34ef".into(), ..DrillReport::default() };
        let written = report.write(folder.path()).expect("written");
        assert!(written.page.ends_with("coffer-drill-20260131T120000Z-ab12cd34.html"), "{:?}", written.page);
        assert!(written.json.exists());
        assert_eq!(report.write(folder.path()).expect_err("there").kind(), Kind::Destination);
        assert_eq!(report.write(&folder.path().join("x.json")).expect_err("no page").kind(), Kind::Usage);
    }
}
