//! The fuzz targets as plain functions: bytes in, panic if a promise is broken. `fuzz/` wraps each
//! for cargo-fuzz; `smoke.rs` runs each on seeded mutations. Plaintext is mutated and sealed again,
//! or the seals would hide every parser.

use crate::hostile::*;
use crate::rows::{row_patch, rows};
use crate::world::*;
use coffer::attachments::restore::{RestoreOptions, Target};
use coffer::chunk_store::{ChunkStore, IndexEntry, Packers};
use coffer::codec::encode;
use coffer::container::header::Header;
use coffer::container::scrub::{LiveSegments, check};
use coffer::container::{Access, Container};
use coffer::crypto::{KeyTable, ObjectKind};
use coffer::entry::{ChunkList, ChunkRef, Entry, EntryKind, EntryPath, Metadata};
use coffer::ids::{ChunkId, ContainerId};
use coffer::snapshot::{ChunkRefs, Ledger, ManifestReader};
use coffer::storage::{SimulatedDisk, Storage};
use std::sync::Arc;

/// One target: its name and what it does with a run's bytes.
pub type TargetOf = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [TargetOf; 14] = [
    ("header_zone", header_zone),
    ("key_table", key_table),
    ("directory", directory),
    ("root", root),
    ("contents", contents),
    ("index", index),
    ("payload", payload),
    ("manifest", manifest),
    ("lists", lists),
    ("container", container),
    ("paths", paths),
    ("operations", operations),
    ("rows", rows),
    ("row_patch", row_patch),
];

/// Looks at a store in every way there is. Errors are fine; panics and endless work are not.
pub fn look_at_all(store: &ChunkStore) {
    let _ = observe(store);
    let _ = Ledger::read(store);
    for slot in store.live_slots().into_iter().take(64) {
        let _ = store.check_segment(slot);
    }
    let _ = store.locate(&ChunkId([7; 32]));
    let _ = store.chunk_count();
}

/// Opens, reads, and writes on.
pub fn look_at_disk(disk: &SimulatedDisk) {
    if let Ok(header) = Header::read(disk)
        && let Ok(live) = LiveSegments::read(disk, &header)
    {
        let mut buffer = Vec::new();
        for (slot, hash) in live.hashes.iter().take(64) {
            check(disk, &header, *slot, *hash, &mut buffer);
        }
    }
    if let Ok(store) = open(disk, Access::Read) {
        look_at_all(&store);
    }
    if let Ok(mut store) = open(disk, Access::Write)
        && let Ok(writing) = store.begin(pool(), options())
        && let Ok(committed) = writing.finish(b"", b"", Default::default())
    {
        store.install(committed);
        drop(store);
        assert!(open(disk, Access::Read).is_ok(), "committed, then lost");
    }
}

/// Applies patches of four bytes of position, one of operation, and a value of eight.
pub fn patch(target: &mut Vec<u8>, data: &[u8]) {
    for edit in data.chunks_exact(13).take(32) {
        let at = u32::from_le_bytes([edit[0], edit[1], edit[2], edit[3]]) as usize % target.len().max(1);
        match edit[4] % 6 {
            0 => target[at..].iter_mut().zip(&edit[5..13]).for_each(|(t, v)| *t = *v),
            1 => target[at..].iter_mut().take(8).for_each(|t| *t = 0xff),
            2 => target[at..].iter_mut().take(1).for_each(|t| *t ^= 1 << (edit[5] % 8)),
            3 => target.truncate(at.max(1)),
            4 => target.extend_from_slice(&edit[5..13]),
            _ => target[at..].iter_mut().take(8).for_each(|t| *t = 0),
        }
    }
}

/// Prologue, superblocks and framed key table, with checks that hold or not.
pub fn header_zone(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let disk = SimulatedDisk::from_bytes(base_image().to_vec());
    for base in [0, 128 << 10] {
        for sector in 0..6u64 {
            if mode & (1 << sector) == 0 {
                continue;
            }
            disk.corrupt(base + sector * 4096, 4096, |bytes| {
                let mut new = bytes.to_vec();
                patch(&mut new, data);
                new.resize(4096, 0);
                if mode & 0x40 != 0 {
                    let check = *blake3::hash(&new[..4064]).as_bytes();
                    new[4064..].copy_from_slice(&check);
                }
                bytes.copy_from_slice(&new);
            });
        }
    }
    look_at_disk(&disk);
}

/// The key table, its checksum made to hold.
pub fn key_table(data: &[u8]) {
    let _ = KeyTable::decode(data);
    let mut bytes = key_table_bytes();
    let length = bytes.len() - 16;
    bytes.truncate(length);
    patch(&mut bytes, data);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(&checksum.as_bytes()[..16]);
    if let Ok(table) = KeyTable::decode(&bytes) {
        assert_eq!(table.encode(), bytes, "one encoding");
        let _ = table.unlock(ContainerId([1; 16]), &[]);
    }
}

/// Directory and trailer of a segment that no table pins.
pub fn directory(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let disk = with_segment(|directory, trailer| match mode % 3 {
        0 => patch(directory, data),
        1 => patch(trailer, data),
        _ => {
            patch(directory, data);
            patch(trailer, data);
        }
    });
    look_at_disk(&disk);
}

/// The commit root, sealed again.
pub fn root(data: &[u8]) {
    let mut bytes = encode(&base_root());
    patch(&mut bytes, data);
    look_at_disk(&with_root(&bytes, 9));
}

/// The chunk store's contents.
pub fn contents(data: &[u8]) {
    let mut bytes = base_root().contents;
    patch(&mut bytes, data);
    look_at_disk(&with_contents(&bytes));
}

/// Index page, fence and filter.
pub fn index(data: &[u8]) {
    let Some((&mode, data)) = data.split_first() else { return };
    let entry =
        IndexEntry { id: ChunkId([7; 32]), location: Default::default(), length: 100, segment: [0; 4] };
    let mut page = [encode(&entry), encode(&entry)].concat();
    let mut filter = vec![0xff; 64];
    if mode & 1 != 0 {
        patch(&mut page, data);
    }
    if mode & 2 != 0 {
        patch(&mut filter, data);
    }
    let disk = with_index(&page, &filter, |fence| {
        if mode & 4 != 0 {
            patch(fence, data);
        }
    });
    look_at_disk(&disk);
}

/// Unpacking.
pub fn payload(data: &[u8]) {
    let packers = Packers::default();
    if let Ok(plain) = packers.unpack(data, 768 << 10) {
        assert!(plain.len() <= 768 << 10);
    }
    let mut packed =
        packers.pack(3, &b"some words, some words, some words again ".repeat(20)).expect("packed");
    patch(&mut packed, data);
    let _ = packers.unpack(&packed, 768 << 10);
}

/// A manifest stream: garbage, and a valid one with patches.
pub fn manifest(data: &[u8]) {
    let mut valid = base_manifest();
    patch(&mut valid, data);
    for stream in [data, &valid[..]] {
        let disk = SimulatedDisk::from_bytes(base_image().to_vec());
        let Ok(mut store) = open(&disk, Access::Write) else { panic!("base opens") };
        let pieces: Vec<&[u8]> = stream.chunks(4000).collect();
        let refs = put_raw(&mut store, ObjectKind::Manifest, &pieces);
        read_manifest(&store, &ChunkList { depth: 0, chunks: refs });
    }
}

/// Reads a manifest and, bounded, what it names. Checks the order that is promised.
fn read_manifest(store: &ChunkStore, list: &ChunkList) {
    let Ok(reader) = ManifestReader::new(store, list) else { return };
    let mut last: Option<EntryPath> = None;
    for entry in reader.take(10_000) {
        let Ok(entry) = entry else { return };
        assert!(entry.path.is_valid() && last.as_ref().is_none_or(|last| *last < entry.path));
        if let Some(content) = entry.kind.content() {
            let bytes = content.data_bytes().expect("checked by the reader");
            if let Ok(refs) = ChunkRefs::of_length(store, &content.chunks, bytes) {
                let _ = refs.take(1000).try_for_each(|chunk| chunk.map(|_| ()));
            }
        }
        last = Some(entry.path);
    }
}

/// Chunk lists of any depth that name each other.
pub fn lists(data: &[u8]) {
    let Some((&depth, data)) = data.split_first() else { return };
    let disk = SimulatedDisk::from_bytes(base_image().to_vec());
    let Ok(mut store) = open(&disk, Access::Write) else { panic!("base opens") };
    let mut refs = put_raw(&mut store, ObjectKind::Manifest, &[b"", data, b"x"]);
    refs.extend(data.first().map(|&length| ChunkRef { id: ChunkId([length; 32]), length: length.into() }));
    for level in 0..depth % 8 {
        let copies = usize::from(data.get(usize::from(level)).copied().unwrap_or(3)) % 200;
        let mut list: Vec<u8> = (0..copies).flat_map(|i| encode(&refs[i % refs.len()])).collect();
        if level == 0 && !list.is_empty() {
            patch(&mut list, data);
        }
        refs = put_raw(&mut store, ObjectKind::List, &[&list]);
    }
    let list = ChunkList { depth: depth % 8, chunks: refs };
    if let Ok(refs) = ChunkRefs::of_length(&store, &list, 100_000) {
        let count = refs.take_while(Result::is_ok).count();
        assert!(count <= 100_000, "more chunks than bytes");
    }
    read_manifest(&store, &list);
}

/// The whole file with bytes changed anywhere and nothing sealed again.
pub fn container(data: &[u8]) {
    let mut bytes = base_image().to_vec();
    for edit in data.chunks_exact(13) {
        if edit[4] % 6 != 4 && (edit[4] % 6 != 3 || edit[5] == 0) {
            patch(&mut bytes, edit);
        }
    }
    let disk = SimulatedDisk::from_bytes(bytes);
    if let Ok(store) = open(&disk, Access::Read)
        && store.container().state().root.generation == base_state().generation
        && let Ok(seen) = observe(&store)
    {
        assert!(seen == base_state().seen(), "other bytes are read");
    }
    look_at_disk(&disk);
}

/// Restoring entries of any path and kind into a folder: nothing outside it changes.
pub fn paths(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (inner, outside) = (folder.path().join("inner"), folder.path().join("outside"));
    std::fs::create_dir(&inner).expect("made");
    std::fs::create_dir(&outside).expect("made");
    std::fs::write(outside.join("kept"), b"kept").expect("written");
    let target = Target::open(&inner, RestoreOptions::default()).expect("target");
    for line in data.split(|&b| b == b'\n').take(40) {
        let Some((&kind, path)) = line.split_first() else { continue };
        let (path, rest) = path.split_at(path.iter().position(|&b| b == b'>').unwrap_or(path.len()));
        let other = rest.get(1..).unwrap_or(b"../outside").to_vec();
        let kind = match kind % 6 {
            0 => EntryKind::Folder,
            1 => EntryKind::SymbolicLink(other),
            2 => EntryKind::HardLink(EntryPath(other)),
            3 => EntryKind::Pipe,
            _ => EntryKind::File(Default::default()),
        };
        let entry = Entry {
            path: EntryPath(path.to_vec()),
            kind,
            metadata: Metadata { mode: 0o644, ..Metadata::default() },
        };
        match &entry.kind {
            EntryKind::Folder => drop(target.create_folder(&entry)),
            EntryKind::File(_) => {
                if let Ok(Some(file)) = target.begin_file(&entry) {
                    let _ = file.write_at(0, b"new");
                    let _ = file.finish();
                }
            }
            _ => drop(target.create_other(&entry)),
        }
    }
    let _ = target.finish(false);
    let names = |path: &std::path::Path| -> Vec<_> {
        let mut names: Vec<_> =
            std::fs::read_dir(path).expect("read").map(|e| e.expect("entry").file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.path()), ["inner", "outside"], "something appeared outside");
    assert_eq!(names(&outside), ["kept"], "something appeared outside");
    assert_eq!(std::fs::read(outside.join("kept")).expect("read"), b"kept");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(outside.join("kept")).expect("stat").nlink(), 1, "linked from inside");
}

/// Random operations with crashes against the naive model.
pub fn operations(data: &[u8]) {
    crate::model::run(data);
}

/// The container below the chunk store, for commits of anything.
pub fn raw_open(disk: &SimulatedDisk) -> coffer::error::Result<Container> {
    let header = Header::read(disk)?;
    Container::open(Arc::new(disk.reopen()) as Arc<dyn Storage>, header, keyring(1), "hostile", Access::Write)
}
