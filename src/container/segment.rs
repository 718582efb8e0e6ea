//! One segment as bytes: assembled from objects, and read back (`format-spec/container.md`,
//! Segments). Assembly is a pure function of its plan, so that threads may do it in any order;
//! reading trusts nothing before it is authenticated.

use super::checksums::{ChecksumTable, TableHash, write_tables};
use super::geometry::Geometry;
use super::layout::{SegmentHeader, TRAILER_BYTES, array, u32_at, u64_at};
use super::parity;
use crate::codec::{self, Decode, Encode};
use crate::crypto::{Keyring, ObjectKind, Place, SEAL_OVERHEAD};
use crate::error::{Error, Result};
use crate::ids::{ContainerId, SegmentId};
use crate::limits::SECTOR_BYTES;
use std::ops::Range;

/// Directory kind of bytes that lie in clear: parts of the slot map.
pub const CLEAR: u8 = 0;

/// One object to be placed: sealed, unless `kind` is `None` (clear bytes of the slot map).
#[derive(Debug)]
pub struct Placed {
    /// What it is; decides the key.
    pub kind: Option<ObjectKind>,
    /// Offset in the segment.
    pub offset: u32,
    /// Chunk id, or hash of the payload for metadata.
    pub content: [u8; 32],
    /// Plaintext.
    pub payload: Vec<u8>,
}

impl Placed {
    /// Length on disk in bytes.
    pub fn sealed_length(&self) -> usize {
        self.payload.len() + if self.kind.is_some() { SEAL_OVERHEAD } else { 0 }
    }

    fn directory_entry(&self) -> DirectoryEntry {
        DirectoryEntry {
            kind: self.kind.map_or(CLEAR, |k| k as u8),
            offset: self.offset,
            length: self.sealed_length() as u32,
            content: self.content,
        }
    }
}

/// One line of a segment's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DirectoryEntry {
    /// Number of the object's kind; 0 for clear bytes.
    pub kind: u8,
    /// Offset in the segment.
    pub offset: u32,
    /// Length on disk, seal included.
    pub length: u32,
    /// Chunk id, or hash of the payload for metadata.
    pub content: [u8; 32],
}

/// Length of one directory entry in bytes.
pub const DIRECTORY_ENTRY_BYTES: usize = 1 + 4 + 4 + 32;
/// Length of a directory without entries, seal included, in bytes.
pub const DIRECTORY_BASE_BYTES: usize = 8 + SEAL_OVERHEAD;

/// What ends every segment: where its directory is, and the commit root if it holds one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trailer {
    /// Offset of the sealed directory.
    pub directory_offset: u32,
    /// Length of the sealed directory.
    pub directory_length: u32,
    /// Offset of the commit root; 0 if there is none.
    pub root_offset: u32,
    /// Length of the sealed commit root; 0 if there is none.
    pub root_length: u32,
    /// Generation of the commit that wrote the segment.
    pub generation: u64,
}

impl Trailer {
    fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut out = [0; TRAILER_BYTES];
        let fields = [self.directory_offset, self.directory_length, self.root_offset, self.root_length];
        for (at, field) in fields.into_iter().enumerate() {
            out[4 * at..4 * at + 4].copy_from_slice(&field.to_le_bytes());
        }
        out[16..].copy_from_slice(&self.generation.to_le_bytes());
        out
    }

    /// Authentication tag of the directory of the segment `bytes` that this trailer ends.
    pub fn directory_tag(&self, bytes: &[u8]) -> Option<[u8; 16]> {
        let end = self.directory_offset.checked_add(self.directory_length)? as usize;
        bytes.get(..end)?.last_chunk().copied()
    }

    fn decode(bytes: &[u8]) -> Trailer {
        Trailer {
            directory_offset: u32_at(bytes, 0),
            directory_length: u32_at(bytes, 4),
            root_offset: u32_at(bytes, 8),
            root_length: u32_at(bytes, 12),
            generation: u64_at(bytes, 16),
        }
    }
}

/// All that decides a segment's bytes.
#[derive(Debug)]
pub struct Plan {
    /// Container and segment id, epoch.
    pub header: SegmentHeader,
    /// Generation being committed.
    pub generation: u64,
    /// The objects, not overlapping, inside [`Geometry::objects`].
    pub objects: Vec<Placed>,
    /// Where the directory goes: behind the front objects.
    pub directory_offset: u32,
}

/// A segment ready to be written.
#[derive(Debug)]
pub struct Assembled {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Authentication tag of its directory.
    pub directory_tag: [u8; 16],
    /// Hash of its checksum table.
    pub table_hash: TableHash,
}

/// What the directory of a segment with these objects lists: by rising offset.
pub fn directory_of(objects: &[Placed]) -> Vec<DirectoryEntry> {
    let mut entries: Vec<DirectoryEntry> = objects.iter().map(Placed::directory_entry).collect();
    entries.sort_by_key(|entry| entry.offset);
    entries
}

/// Builds the bytes of a segment: header, sealed objects, directory, padding, trailer, parity, tables.
pub fn assemble(g: &Geometry, keyring: &Keyring, mut plan: Plan) -> Assembled {
    let mut bytes = vec![0u8; g.segment_bytes];
    bytes[..SECTOR_BYTES].copy_from_slice(&plan.header.encode());
    plan.objects.sort_by_key(|o| o.offset);
    let directory = codec::encode(&directory_of(&plan.objects));
    let mut trailer = Trailer {
        directory_offset: plan.directory_offset,
        directory_length: (directory.len() + SEAL_OVERHEAD) as u32,
        generation: plan.generation,
        ..Trailer::default()
    };
    let mut used = Vec::with_capacity(plan.objects.len() + 1);
    for object in &plan.objects {
        if object.kind == Some(ObjectKind::CommitRoot) && trailer.root_length == 0 {
            (trailer.root_offset, trailer.root_length) = (object.offset, object.sealed_length() as u32);
        }
        used.push(place_object(&mut bytes, keyring, &plan.header, object));
    }
    let content = keyring.content_hash(ObjectKind::Directory, &directory);
    let sealed = Placed {
        kind: Some(ObjectKind::Directory),
        offset: plan.directory_offset,
        content,
        payload: directory,
    };
    let directory_range = place_object(&mut bytes, keyring, &plan.header, &sealed);
    let directory_tag = array(&bytes, directory_range.end - 16);
    used.push(directory_range);
    used.sort_by_key(|r| r.start);
    pad(&mut bytes, g, keyring, &plan.header.id, &used);
    seal_trailer(&mut bytes, g, keyring, &plan.header, &trailer);
    parity::write_parity(g, &mut bytes);
    let table_hash = write_tables(g, &plan.header, &mut bytes);
    Assembled { bytes, directory_tag, table_hash }
}

fn place_object(
    bytes: &mut [u8],
    keyring: &Keyring,
    header: &SegmentHeader,
    object: &Placed,
) -> Range<usize> {
    let start = object.offset as usize;
    let range = start..start + object.sealed_length();
    let target = &mut bytes[range.clone()];
    match object.kind {
        None => target.copy_from_slice(&object.payload),
        Some(kind) => {
            target[12..12 + object.payload.len()].copy_from_slice(&object.payload);
            let place = Place { kind, epoch: header.epoch, segment: header.id, offset: object.offset };
            keyring.seal(&place, &object.content, target);
        }
    }
    range
}

fn pad(bytes: &mut [u8], g: &Geometry, keyring: &Keyring, id: &SegmentId, used: &[Range<usize>]) {
    let mut at = g.objects().start;
    let end = g.objects().end;
    for range in used.iter().cloned().chain(std::iter::once(end..end)) {
        if at < range.start {
            keyring.padding(id, at as u64, &mut bytes[at..range.start]);
        }
        at = at.max(range.end);
    }
}

fn seal_trailer(
    bytes: &mut [u8],
    g: &Geometry,
    keyring: &Keyring,
    header: &SegmentHeader,
    trailer: &Trailer,
) {
    let plain = trailer.encode();
    let object = Placed {
        kind: Some(ObjectKind::Trailer),
        offset: g.trailer().start as u32,
        content: keyring.content_hash(ObjectKind::Trailer, &plain),
        payload: plain.to_vec(),
    };
    place_object(bytes, keyring, header, &object);
}

/// What checking a segment's sectors against its table found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Every byte is as written.
    Whole,
    /// These covered sectors or tables were wrong; all were rebuilt in memory.
    Healed(usize),
    /// Damage beyond what parity can rebuild, with the number of bad sectors; `None`: no table survives.
    Dead(Option<usize>),
}

/// Checks a segment's bytes and mends them in memory where parity allows. Needs no key.
///
/// `id` is the expected segment id, if known; else the header must tell. `expected` is the table
/// hash from the slot map, if known: a table with another hash belongs to another write.
pub fn mend(
    g: &Geometry,
    container: &ContainerId,
    id: Option<SegmentId>,
    expected: Option<TableHash>,
    bytes: &mut [u8],
) -> Health {
    if let Some(id) = id {
        return mend_known(g, container, id, expected, bytes);
    }
    let first = SegmentHeader::decode(bytes);
    let health = first.map_or(Health::Dead(None), |h| mend_known(g, container, h.id, expected, bytes));
    if health != Health::Dead(None) {
        return health;
    }
    // The header is lost, or it is another segment's.
    mend_blind(g, bytes);
    match SegmentHeader::decode(bytes).filter(|h| Some(*h) != first) {
        // At least the header's sector was rebuilt.
        Some(header) => match mend_known(g, container, header.id, expected, bytes) {
            Health::Whole => Health::Healed(1),
            other => other,
        },
        None => health,
    }
}

fn mend_known(
    g: &Geometry,
    container: &ContainerId,
    id: SegmentId,
    expected: Option<TableHash>,
    bytes: &mut [u8],
) -> Health {
    let copies = [g.first_table(), g.second_table()];
    let tables = copies.clone().map(|range| {
        ChecksumTable::decode(g, container, &id, &bytes[range])
            .filter(|table| expected.is_none_or(|hash| hash == table.hash))
    });
    let rotten_tables = tables.iter().filter(|t| t.is_none()).count();
    let Some(source) = tables.iter().position(Option::is_some) else { return Health::Dead(None) };
    let Some(table) = &tables[source] else { return Health::Dead(None) };
    let bad = table.bad_sectors(g, bytes);
    if bad.is_empty() && rotten_tables == 0 {
        return Health::Whole;
    }
    if !bad.is_empty() && (!parity::heal(g, bytes, &bad) || !table.bad_sectors(g, bytes).is_empty()) {
        return Health::Dead(Some(bad.len()));
    }
    let good = bytes[copies[source].clone()].to_vec();
    copies.into_iter().for_each(|range| bytes[range].copy_from_slice(&good));
    Health::Healed(bad.len() + rotten_tables)
}

/// Mends a segment whose header is lost, so that its id is unknown and no table can prove itself:
/// takes the first table as it stands and lets the rebuilt header say whether that was right.
pub fn mend_blind(g: &Geometry, bytes: &mut [u8]) {
    for range in [g.first_table(), g.second_table()] {
        let table = ChecksumTable::unproven(g, &bytes[range]);
        let bad = table.bad_sectors(g, bytes);
        let mut trial = bytes.to_vec();
        if !bad.is_empty() && parity::heal(g, &mut trial, &bad) && SegmentHeader::decode(&trial).is_some() {
            bytes.copy_from_slice(&trial);
            return;
        }
    }
}

/// Reads the trailer from a segment's bytes.
pub fn open_trailer(
    g: &Geometry,
    keyring: &Keyring,
    header: &SegmentHeader,
    sealed: &[u8],
) -> Result<Trailer> {
    let place = Place {
        kind: ObjectKind::Trailer,
        epoch: header.epoch,
        segment: header.id,
        offset: g.trailer().start as u32,
    };
    let mut buffer = sealed.to_vec();
    let plain = keyring.open(&place, &mut buffer)?;
    match plain.len() {
        TRAILER_BYTES => Ok(Trailer::decode(plain)),
        n => Err(Error::damaged(format!("trailer of segment {}: {n} bytes", header.id))),
    }
}

/// Reads the directory from a whole segment's bytes.
pub fn open_directory(
    g: &Geometry,
    keyring: &Keyring,
    header: &SegmentHeader,
    bytes: &[u8],
) -> Result<(Trailer, Vec<DirectoryEntry>)> {
    let trailer = open_trailer(g, keyring, header, &bytes[g.trailer()])?;
    let range = object_range(g, trailer.directory_offset, trailer.directory_length)
        .ok_or_else(|| Error::damaged(format!("directory of segment {}: out of place", header.id)))?;
    let place = Place {
        kind: ObjectKind::Directory,
        epoch: header.epoch,
        segment: header.id,
        offset: trailer.directory_offset,
    };
    let mut sealed = bytes[range].to_vec();
    let plain = keyring.open(&place, &mut sealed)?;
    let entries: Vec<DirectoryEntry> = codec::decode(plain, "segment directory")?;
    let sound = entries.iter().all(|e| object_range(g, e.offset, e.length).is_some());
    match sound {
        true => Ok((trailer, entries)),
        false => Err(Error::damaged(format!("directory of segment {}: entry out of place", header.id))),
    }
}

/// The bytes of an object at `offset`, if they lie in the object region and can hold a seal.
pub fn object_range(g: &Geometry, offset: u32, length: u32) -> Option<Range<usize>> {
    let (start, length) = (offset as usize, length as usize);
    let end = start.checked_add(length)?;
    (start >= g.objects().start && end <= g.objects().end).then_some(start..end)
}
