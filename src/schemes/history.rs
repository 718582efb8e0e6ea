//! Every run that was made: `STATE/runs/SCHEME/ID.json` is the record, `ID.jsonl` beside it the events
//! of its commands. It promises that a record is whole or absent, that a run that was killed is seen as
//! one that was cut off as soon as it is dead, and that one damaged record hides no other.

use super::audit::Witness;
use super::run::{RunOutcome, RunRecord};
use super::turn;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::storage::state_file;
use crate::values::rfc3339;
use std::path::{Path, PathBuf};

/// The runs of all schemes.
#[derive(Clone, Debug)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// The history in the folder of state `state`.
    pub fn at(state: &Path) -> History {
        History { folder: state.join("runs") }
    }

    /// The file of events of a run.
    pub fn events(&self, scheme: &str, id: &str) -> PathBuf {
        self.folder.join(scheme).join(format!("{id}.jsonl"))
    }

    /// Keeps `run`, in place of what was kept of it.
    pub fn save(&self, run: &RunRecord) -> Result<()> {
        let folder = self.folder.join(&run.scheme);
        let file = folder.join(format!("{}.json", run.id));
        let failed = |cause: std::io::Error| {
            Error::io(Kind::Failed, format!("{}: record of a run not written", file.display()), cause)
        };
        let text = serde_json::to_vec_pretty(run).map_err(|cause| failed(cause.into()))?;
        state_file::create_private(&folder).map_err(failed)?;
        state_file::replace(&file, &text).map_err(failed)
    }

    /// The runs of `scheme`, oldest first, and what could not be read.
    pub fn runs(&self, scheme: &str) -> (Vec<RunRecord>, Vec<Error>) {
        let (mut runs, mut errors) = (Vec::new(), Vec::new());
        let folder = self.folder.join(scheme);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return (runs, errors),
            Err(cause) => {
                errors.push(Error::io(
                    Kind::Failed,
                    format!("{}: runs cannot be read", folder.display()),
                    cause,
                ));
                return (runs, errors);
            }
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|extension| extension == "json") {
                match read(&path) {
                    Ok(run) => runs.push(told_apart(run, &path)),
                    Err(error) => errors.push(error),
                }
            }
        }
        runs.sort_by(|a, b| (&a.started, &a.id).cmp(&(&b.started, &b.id)));
        (runs, errors)
    }

    /// The heads of the audit log that the records of all runs name, also of schemes that are no more.
    pub fn witnesses(&self) -> Vec<Witness> {
        let folders = std::fs::read_dir(&self.folder).into_iter().flatten();
        let schemes = folders.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let runs = schemes.flat_map(|scheme| self.runs(&scheme).0);
        let witness = |run: RunRecord| {
            Some(Witness {
                head: run.audit?,
                who: format!("the record of run {} of `{}`", run.id, run.scheme),
            })
        };
        runs.filter_map(witness).collect()
    }

    /// The newest run of `scheme` with a snapshot to rely on.
    pub fn last_good(&self, scheme: &str) -> Option<RunRecord> {
        self.runs(scheme).0.into_iter().rev().find(RunRecord::has_backup)
    }

    /// The newest run of `scheme` that goes on no more.
    pub fn last_ended(&self, scheme: &str) -> Option<RunRecord> {
        self.runs(scheme).0.into_iter().rev().find(|run| run.outcome != RunOutcome::Running)
    }
}

/// A run that goes on holds its file of events; of one that was cut off nobody does.
fn told_apart(mut run: RunRecord, path: &Path) -> RunRecord {
    let events = path.with_extension("jsonl");
    if run.outcome != RunOutcome::Running || !turn::is_free(&events) {
        return run;
    }
    // It may have ended since it was read.
    if let Ok(again) = read(path)
        && again.outcome != RunOutcome::Running
    {
        return again;
    }
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let last = [changed(&events), changed(path)].into_iter().flatten().max();
    let last = last.map(|time| Timestamp { nanoseconds: 0, ..Timestamp::from(time) });
    run.outcome = RunOutcome::CutOff;
    run.cut_off = Some(last.map_or_else(|| run.started.clone(), rfc3339));
    run
}

fn read(path: &Path) -> Result<RunRecord> {
    let bad = |what: &str| Error::new(Kind::Failed, format!("{}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|cause| bad("record of a run cannot be read").because(cause))?;
    let run: RunRecord =
        serde_json::from_slice(&text).map_err(|cause| bad("record of a run is damaged").because(cause))?;
    match run.version == super::run::VERSION {
        true => Ok(run),
        false => Err(bad("record of a run has a version that this program does not know")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemes::run::{StepKind, examples};

    fn run(id: &str, outcome: RunOutcome) -> RunRecord {
        examples::run(id, outcome, vec![examples::step(StepKind::Backup, id, outcome)])
    }

    #[test]
    fn a_run_whose_process_is_dead_was_cut_off() {
        let state = tempfile::tempdir().expect("folder");
        let history = History::at(state.path());
        history.save(&run("1", RunOutcome::Running)).expect("saved");
        let newest = || history.runs("nightly").0.pop().expect("a run");
        let file = std::fs::File::create(history.events("nightly", "1")).expect("made");
        turn::hold(&file);
        assert_eq!((newest().outcome, newest().cut_off), (RunOutcome::Running, None));
        assert_eq!(history.last_ended("nightly"), None);
        drop(file);
        assert_eq!(newest().outcome, RunOutcome::CutOff);
        let cut_off = newest().cut_off.expect("a time");
        assert!(crate::values::parse_time(&cut_off).is_ok(), "{cut_off}");
        std::fs::remove_file(history.events("nightly", "1")).expect("removed");
        assert_eq!(history.last_ended("nightly").expect("over").outcome, RunOutcome::CutOff);
    }

    #[test]
    fn a_damaged_record_hides_no_other() {
        let state = tempfile::tempdir().expect("folder");
        let history = History::at(state.path());
        assert_eq!(history.runs("nightly").0, []);
        for (id, outcome) in [("2", RunOutcome::Warnings), ("1", RunOutcome::Done), ("3", RunOutcome::Failed)]
        {
            history.save(&run(id, RunOutcome::Running)).expect("saved");
            history.save(&run(id, outcome)).expect("saved again");
        }
        std::fs::write(history.events("nightly", "2").with_extension("json.1"), "x").expect("written");
        std::fs::write(state.path().join("runs/nightly/0.json"), "{").expect("written");
        let (runs, errors) = history.runs("nightly");
        assert_eq!(runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
        assert_eq!(errors.len(), 1);
        assert_eq!(history.last_good("nightly").map(|run| run.id), Some("2".into()));
        assert_eq!(history.last_ended("nightly").map(|run| run.id), Some("3".into()));
    }
}
