//! Entries of a snapshot shown to people and programs, and paths of entries as arguments.

use crate::chunk_store::ChunkStore;
use crate::entry::{Entry, EntryKind, EntryPath};
use crate::error::Result;
use crate::operations::inspect;
use crate::operations::select::Selection;
use crate::snapshot::SnapshotRecord;
use crate::values::{format_size, format_time, rfc3339, unescape};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// The selection that path arguments mean in `record`. An argument with escapes means the entry that
/// has them in its name, if there is one, else the one they stand for.
pub fn paths(store: &ChunkStore, record: &SnapshotRecord, arguments: &[OsString]) -> Result<Vec<EntryPath>> {
    let raw: Vec<Vec<u8>> = arguments.iter().map(|a| a.as_bytes().to_vec()).collect();
    let mut found = Vec::new();
    for (path, bytes) in Selection::new(None, &raw)?.paths.into_iter().zip(&raw) {
        let meant = match unescape(bytes) {
            Some(other) if inspect::list(store, record, Some(path.clone()))?.next().is_none() => {
                Selection::new(None, &[other])?.paths.remove(0)
            }
            _ => path,
        };
        found.push(meant);
    }
    Ok(found)
}

/// An entry as a line for people: its path, and with `long` what else is known.
pub fn line(entry: &Entry, long: bool) -> String {
    let mark = match &entry.kind {
        EntryKind::Folder => "/".to_owned(),
        EntryKind::SymbolicLink(to) if long => format!(" -> {}", EntryPath(to.clone())),
        EntryKind::HardLink(first) if long => format!(" = {first}"),
        _ => String::new(),
    };
    if !long {
        return format!("{}{mark}", entry.path);
    }
    let m = &entry.metadata;
    let size = entry.kind.content().map_or_else(|| "-".into(), |content| format_size(content.size));
    format!(
        "{:9} {:04o} {:>5}:{:<5} {size:>10}  {}  {}{mark}",
        entry.kind.word(),
        m.mode,
        m.uid,
        m.gid,
        format_time(m.modified),
        entry.path
    )
}

/// An entry for programs.
pub fn item(entry: &Entry) -> Value {
    let m = &entry.metadata;
    let mut item = json!({
        "path": entry.path.to_string(),
        "kind": entry.kind.word(),
        "mode": format!("{:04o}", m.mode),
        "uid": m.uid,
        "gid": m.gid,
        "modified": rfc3339(m.modified),
    });
    match &entry.kind {
        EntryKind::SymbolicLink(to) => item["target"] = json!(EntryPath(to.clone()).to_string()),
        EntryKind::HardLink(first) => item["target"] = json!(first.to_string()),
        kind => item["bytes"] = json!(kind.content().map(|content| content.size)),
    }
    item
}
