//! Carries a tree from a walk to a target in memory, in place of a container.

use crate::attachments::exclude::Excludes;
use crate::attachments::links::HardLinks;
use crate::attachments::problem::Problem;
use crate::attachments::restore::Target;
use crate::attachments::walk::{Found, Source, Walk};
use crate::entry::{Content, Entry, EntryKind, EntryPath, Metadata};
use std::path::Path;

/// Entries with the bytes of those that are files (without their holes).
pub type Tree = Vec<(Entry, Vec<u8>)>;

/// Reads the tree at `root` under the label `x`; the problems beside it.
pub fn take(root: &Path) -> (Tree, Vec<Problem>) {
    let source = Source { label: b"x".to_vec(), root: root.to_owned() };
    let (mut tree, mut problems) = (Tree::new(), Vec::new());
    for found in Walk::new(&source, Excludes::none(), &HardLinks::new()).unwrap() {
        match found {
            Found::Problem(problem) => problems.push(problem),
            Found::Entry(entry, None) => tree.push((entry, Vec::new())),
            Found::Entry(mut entry, Some(handle)) => {
                let mut file = match handle.open() {
                    Ok(file) => file,
                    Err(problem) => {
                        problems.push(problem);
                        continue;
                    }
                };
                let (metadata, problem) = file.metadata();
                problems.extend(problem);
                let (mut bytes, mut buffer) = (Vec::new(), [0; 1000]);
                loop {
                    match file.read(&mut buffer).unwrap() {
                        0 => break,
                        read => bytes.extend_from_slice(&buffer[..read]),
                    }
                }
                let end = file.finish().unwrap();
                problems.extend(end.problem());
                let content = Content { size: end.size, holes: end.holes, ..Content::default() };
                assert_eq!(content.data_bytes(), Some(bytes.len() as u64));
                entry = Entry { kind: EntryKind::File(content), metadata, ..entry };
                tree.push((entry, bytes));
            }
        }
    }
    (tree, problems)
}

/// Restores one entry; whether it had to be written.
pub fn put_one(target: &Target, entry: &Entry, bytes: &[u8]) -> bool {
    if target.entry_is_done(entry).unwrap() {
        return false;
    }
    match &entry.kind {
        EntryKind::Folder => drop(target.create_folder(entry).unwrap()),
        EntryKind::File(content) | EntryKind::Dump(content) => {
            let Some(writer) = target.begin_file(entry).unwrap() else { return false };
            let (mut position, mut rest) = (0, bytes);
            for hole in &content.holes {
                let (piece, later) = rest.split_at((hole.offset - position) as usize);
                writer.write_at(position, piece).unwrap();
                (position, rest) = (hole.offset + hole.length, later);
            }
            writer.write_at(position, rest).unwrap();
            writer.finish().unwrap();
        }
        _ => drop(target.create_other(entry).unwrap()),
    }
    true
}

/// Restores the whole tree; how many things other than folders were written.
pub fn put(target: &Target, tree: &[(Entry, Vec<u8>)]) -> usize {
    let written = tree.iter().filter(|(entry, bytes)| put_one(target, entry, bytes));
    written.filter(|(entry, _)| !matches!(entry.kind, EntryKind::Folder)).count()
}

/// A tree made by hand.
pub fn entry(path: &str, kind: EntryKind) -> Entry {
    let mode = if matches!(kind, EntryKind::Folder) { 0o755 } else { 0o644 };
    let modified = crate::clock::Timestamp { seconds: 1_000_000, nanoseconds: 123_456_789 };
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let metadata = Metadata { mode, modified, uid, gid, ..Metadata::default() };
    Entry { path: EntryPath(path.into()), kind, metadata }
}

/// A file made by hand.
pub fn file(path: &str, size: usize) -> Entry {
    entry(path, EntryKind::File(Content { size: size as u64, ..Content::default() }))
}
