//! Attachments on trial: a share of them, drawn by the snapshot and the day, restored into a folder and
//! compared byte by byte. It promises the same draw for the same snapshot and day, and another one on
//! other days, so that in time every file has its turn.

use super::report::AttachmentTrial;
use super::{Drill, millis};
use crate::attachments::restore::RestoreOptions;
use crate::entry::{EntryKind, EntryPath};
use crate::error::Result;
use crate::operations::restore::{self, RestorePlan};
use crate::operations::scratch::Folder;
use crate::operations::select::{Selection, Side};
use crate::snapshot::ManifestReader;
use std::collections::BinaryHeap;
use std::time::Instant;

impl Drill<'_> {
    /// Tries a share of them in `folder`.
    pub fn attachments(&mut self, folder: &Folder) -> Result<()> {
        let mut trial = AttachmentTrial::default();
        let wanted = self.plan.share.of(self.record.counts.files);
        let mut drawn = self.draw(usize::try_from(wanted).unwrap_or(usize::MAX), &mut trial)?;
        if trial.files == 0 {
            return Ok(());
        }
        if drawn.is_empty() {
            self.report.notes.push("no attachment was tried, as asked for".into());
            self.report.attachments = Some(trial);
            return Ok(());
        }
        trial.tried = drawn.len() as u64;
        if trial.tried == trial.files {
            drawn.clear();
        }
        let plan = RestorePlan {
            selection: Selection { only: Some(Side::Attachments), paths: drawn },
            target: folder.path().join("attachments"),
            options: RestoreOptions::default(),
            compare: true,
            sync: false,
        };
        let began = Instant::now();
        let report = restore::restore(self.store, self.record, &plan, self.pool, self.progress)?;
        trial.ms = millis(began.elapsed());
        trial.bytes = report.restored_bytes;
        let wrong = report
            .wrong_contents
            .iter()
            .map(|path| (path, "its bytes are not those of the snapshot".to_owned()));
        let damaged = report.damaged.iter().map(|(path, reason)| (path, reason.clone()));
        trial.failed = wrong.chain(damaged).map(|(path, why)| format!("{path}: {why}")).collect();
        trial.failed.extend(report.problems.iter().map(ToString::to_string));
        trial.failed_count = trial.failed.len() as u64;
        if trial.failed_count > 0 {
            let count = trial.failed_count;
            self.report
                .differences
                .push(format!("attachments: {count} of {} could not be restored as they were", trial.tried));
        }
        if !report.differences.is_empty() {
            let count = report.differences.len();
            self.report
                .notes
                .push(format!("attachments: {count} times or rights could not be set in the scratch folder"));
        }
        self.phase("attachments restored and compared", began.elapsed(), trial.bytes);
        self.report.attachments = Some(trial);
        Ok(())
    }

    /// Draws `wanted` files, and counts what there is to draw from.
    fn draw(&mut self, wanted: usize, trial: &mut AttachmentTrial) -> Result<Vec<EntryPath>> {
        let day = self.report.held.get(..10).unwrap_or_default().to_owned();
        let mut drawn: BinaryHeap<([u8; 16], EntryPath)> = BinaryHeap::new();
        for entry in ManifestReader::new(self.store, &self.record.manifest)? {
            self.progress.check()?;
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.report
                        .differences
                        .push(format!("the snapshot's entries end early: {}", error.message()));
                    break;
                }
            };
            let EntryKind::File(content) = &entry.kind else { continue };
            if entry.path.components().next() != Some(b"attachments") {
                continue;
            }
            trial.files += 1;
            trial.all_bytes = trial.all_bytes.saturating_add(content.size);
            let lot = lot(&self.report.snapshot, &day, &entry.path);
            if drawn.len() < wanted || drawn.peek().is_some_and(|(highest, _)| lot < *highest) {
                drawn.push((lot, entry.path));
            }
            if drawn.len() > wanted {
                drawn.pop();
            }
        }
        let mut paths: Vec<EntryPath> = drawn.into_iter().map(|(_, path)| path).collect();
        paths.sort();
        Ok(paths)
    }
}

/// The lot of a file on a day.
fn lot(snapshot: &str, day: &str, path: &EntryPath) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(snapshot.as_bytes()).update(day.as_bytes()).update(&path.0);
    let mut lot = [0; 16];
    hasher.finalize_xof().fill(&mut lot);
    lot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_draw_depends_on_snapshot_day_and_path() {
        let path = EntryPath(b"attachments/x/a".to_vec());
        let first = lot("s", "2026-01-31", &path);
        assert_eq!(first, lot("s", "2026-01-31", &path));
        assert_ne!(first, lot("s", "2026-02-01", &path));
        assert_ne!(first, lot("t", "2026-01-31", &path));
    }
}
