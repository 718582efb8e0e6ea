//! Restore to a server: what of a snapshot's live databases is meant, from the container into
//! [`crate::mysql::load`]. It promises that a snapshot without live databases says what to do instead.

use crate::chunk_store::ChunkStore;
use crate::entry::EntryKind;
use crate::error::{Error, Kind, Result};
use crate::mysql::load::{self, DatabaseEntries, LoadOptions, LoadPlan, LoadReport, LoadSource};
use crate::mysql::options::ServerOptions;
use crate::operations::databases::{Databases, StoredRows};
use crate::operations::select::{Selection, Side};
use crate::progress::Progress;
use crate::snapshot::{ManifestReader, SnapshotRecord};
use rayon::ThreadPool;
use std::sync::Arc;

/// The live databases of a snapshot, ready to be loaded.
///
/// Errors: [`Kind::NotFound`] if it has none, saying how its dump files are loaded.
pub fn source(store: &ChunkStore, record: &SnapshotRecord) -> Result<LoadSource> {
    let side = Selection { only: Some(Side::Database), paths: Vec::new() };
    let databases = Databases::read(store, record, &side)?;
    if databases.is_empty() {
        return Err(nothing_live(store, record)?);
    }
    let entries = |database: crate::operations::databases::Database| DatabaseEntries {
        record: database.record,
        tables: database.tables,
        objects: database.objects,
    };
    Ok(LoadSource {
        server: databases.server.unwrap_or_default(),
        databases: databases.databases.into_values().map(entries).collect(),
        users: databases.users,
    })
}

fn nothing_live(store: &ChunkStore, record: &SnapshotRecord) -> Result<Error> {
    let mut dumps = Vec::new();
    for entry in ManifestReader::new(store, &record.manifest)? {
        let entry = entry?;
        if matches!(entry.kind, EntryKind::Dump(_)) {
            dumps.push(entry.path.to_string());
        }
    }
    let error = Error::new(Kind::NotFound, format!("snapshot {}: holds no live database", record.id));
    Ok(match dumps.first() {
        Some(dump) => error.hint(format!(
            "it holds the dump {dump}: restore it with --to DIR, then load the file with the server's own \
             client, such as `mariadb DATABASE < DIR/{dump}`"
        )),
        None => error.hint("coffer ls CONTAINER SNAPSHOT lists what it holds"),
    })
}

/// Looks at the server and touches nothing.
pub fn plan<'a>(
    source: &'a LoadSource,
    target: &ServerOptions,
    options: &LoadOptions<'a>,
) -> Result<LoadPlan<'a>> {
    load::plan(source, target, options)
}

/// Loads what was planned.
pub fn apply(
    plan: &LoadPlan,
    store: &ChunkStore,
    pool: &Arc<ThreadPool>,
    progress: &Progress,
) -> Result<LoadReport> {
    let tables = plan.parts.iter().flat_map(|part| &part.tables);
    let (count, bytes) = tables.fold((0, 0), |(n, b), table| (n + 1, b + table.content.size));
    progress.expect(count, bytes);
    load::apply(plan, &StoredRows::new(store, pool.clone()), progress)
}
