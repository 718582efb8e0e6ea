//! Source folders that lost everything: a medium that is not there is an empty folder, and an empty
//! folder is no error. It promises that a backup which holds no file of a folder of which the snapshot
//! before held some says so, in the night in which it happened.

use super::figures::Figures;
use super::{BackupPlan, Source};
use crate::attachments::problem::{Problem, ProblemKind};
use crate::chunk_store::ChunkStore;
use crate::entry::{Entry, EntryKind, EntryPath};
use crate::error::Result;
use crate::snapshot::{ManifestReader, SnapshotRecord};

/// One problem for each folder of `plan` of which `figures` count no file and `previous` has one.
/// Folders with a problem among `told` are left out: why nothing of them is held is known.
pub fn problems(
    plan: &BackupPlan,
    figures: &Figures,
    previous: Option<&SnapshotRecord>,
    told: &[Problem],
    store: &ChunkStore,
) -> Vec<Problem> {
    let Some(previous) = previous else { return Vec::new() };
    let labels = plan.sources.iter().filter_map(|source| match source {
        Source::Attachments { label, .. } => Some(label),
        _ => None,
    });
    let is_bare = |label: &&Vec<u8>| {
        let root = figures.roots.get(&*String::from_utf8_lossy(label));
        root.is_none_or(|root| root.files == 0)
    };
    let roots = labels.filter(is_bare).map(|label| EntryPath([b"attachments/", label.as_slice()].concat()));
    let is_told = |root: &EntryPath| told.iter().any(|problem| is_within(&problem.path, root));
    // A manifest that cannot be read says nothing; the reading of the sources told that.
    let had_files = |root: &EntryPath| holds_file(store, previous, root).unwrap_or(false);
    let emptied = roots.filter(|root| !is_told(root) && had_files(root));
    emptied.map(|root| Problem::new(&root, ProblemKind::Emptied)).collect()
}

fn is_within(path: &EntryPath, root: &EntryPath) -> bool {
    path.0.strip_prefix(root.0.as_slice()).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

/// Whether `record` has a file below `root`.
fn holds_file(store: &ChunkStore, record: &SnapshotRecord, root: &EntryPath) -> Result<bool> {
    let is_one = |entry: &Entry| matches!(entry.kind, EntryKind::File(_)) && is_within(&entry.path, root);
    for entry in ManifestReader::new(store, &record.manifest)? {
        if is_one(&entry?) {
            return Ok(true);
        }
    }
    Ok(false)
}
