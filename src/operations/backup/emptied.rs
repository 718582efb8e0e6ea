//! Sources that lost everything: a medium that is not there is an empty folder, a database that somebody
//! dropped is no error of `--all-databases`. It promises that a backup which holds no file of a folder,
//! or no table of a database, of which the snapshot before held some says so, in the night in which it
//! happened.

use super::figures::Figures;
use crate::attachments::problem::{Problem, ProblemKind};
use crate::chunk_store::ChunkStore;
use crate::entry::database::database_path;
use crate::entry::{EntryKind, EntryPath};
use crate::snapshot::{Catalog, Counts, ManifestReader, SnapshotRecord, SourceKind, SourceRecord};
use std::collections::BTreeMap;

/// What a backup read, as far as it says whether something is missing.
pub struct Held<'a> {
    /// The sources.
    pub sources: &'a [SourceRecord],
    /// The computer.
    pub host: &'a str,
    /// What each source holds.
    pub figures: &'a Figures,
    /// What all hold together.
    pub counts: &'a Counts,
}

/// One problem for each folder and database of which nothing is held now, and something was in the
/// newest snapshot of `catalog` that this computer made of the same sources. What has a problem among
/// `told` is left out: why nothing of it is held is known.
pub fn problems(held: &Held, catalog: &Catalog, told: &[Problem], store: &ChunkStore) -> Vec<Problem> {
    let is_own = |s: &&SnapshotRecord| s.host == held.host && s.sources == held.sources;
    let Some(previous) = catalog.snapshots.iter().rev().find(is_own) else { return Vec::new() };
    if !may_lack(held, previous) {
        return Vec::new();
    }
    let is_told = |root: &EntryPath| told.iter().any(|problem| is_within(&problem.path, root));
    let emptied = roots(store, previous).into_iter().filter(|root| !is_held(held, root) && !is_told(root));
    emptied.map(|root| Problem::new(&root, ProblemKind::Emptied)).collect()
}

/// Whether it is worth while to read what `previous` held: a source has nothing, or all databases of a
/// server have fewer things than before.
fn may_lack(held: &Held, previous: &SnapshotRecord) -> bool {
    held.sources.iter().any(|source| {
        let name = String::from_utf8_lossy(&source.name);
        match source.kind {
            SourceKind::Attachments => held.figures.roots.get(&*name).is_none_or(|root| root.files == 0),
            SourceKind::Database if name == "*" => held.counts.dumps < previous.counts.dumps,
            SourceKind::Database => !is_held(held, &database_path(&name)),
            _ => false,
        }
    })
}

/// The folders and databases of which `record` holds a file or table; what cannot be read of it names
/// none.
fn roots(store: &ChunkStore, record: &SnapshotRecord) -> Vec<EntryPath> {
    let mut found: BTreeMap<Vec<u8>, EntryPath> = BTreeMap::new();
    let reader = ManifestReader::new(store, &record.manifest).into_iter().flatten();
    for entry in reader.map_while(Result::ok) {
        if matches!(entry.kind, EntryKind::File(_) | EntryKind::Table(_)) {
            let root: Vec<&[u8]> = entry.path.components().take(2).collect();
            let root = root.join(&b'/');
            found.entry(root.clone()).or_insert(EntryPath(root));
        }
    }
    found.into_values().collect()
}

fn is_held(held: &Held, root: &EntryPath) -> bool {
    let mut components = root.components();
    let side = components.next();
    let name = components.next().map(String::from_utf8_lossy).unwrap_or_default();
    match side {
        Some(b"database") => held.figures.databases.get(&*name).is_some_and(|d| d.tables > 0),
        _ => held.figures.roots.get(&*name).is_some_and(|root| root.files > 0),
    }
}

fn is_within(path: &EntryPath, root: &EntryPath) -> bool {
    path.0.strip_prefix(root.0.as_slice()).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}
