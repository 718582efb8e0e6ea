//! What is sealed: root pointers, commit root, segment table, contents, and a segment's trailer and
//! directory (`format-spec/container.md`, `format-spec/manifest.md`).

use super::{Section, hex, read};
use crate::chunk_store::Contents;
use crate::codec;
use crate::container::geometry::Geometry;
use crate::container::header::Header;
use crate::container::layout::SegmentHeader;
use crate::container::root::{
    self, CommitRoot, Location, PartRef, SEGMENT_RECORD_BYTES, SegmentRecord, StreamRef,
};
use crate::container::segment::{self, DIRECTORY_ENTRY_BYTES, DirectoryEntry};
use crate::container::superblock::RootPointer;
use crate::crypto::{Keyring, ObjectKind, Place};
use crate::error::{Error, Result};
use crate::retention::Policy;
use crate::storage::Storage;

struct View<'a> {
    storage: &'a dyn Storage,
    g: &'a Geometry,
    keyring: &'a Keyring,
}

impl View<'_> {
    /// Opens an object of a segment whose own header tells its id and epoch; mends nothing.
    fn open(&self, kind: ObjectKind, location: Location, length: u32) -> Result<Vec<u8>> {
        let range = segment::object_range(self.g, location.offset, length)
            .ok_or_else(|| Error::damaged(format!("{kind}: out of place")))?;
        let base = self.g.slot_offset(location.slot);
        let (sector, _) = read(self.storage, base, crate::limits::SECTOR_BYTES);
        let header = SegmentHeader::decode(&sector)
            .ok_or_else(|| Error::damaged(format!("slot {}: no header", location.slot)))?;
        let (mut bytes, _) = read(self.storage, base + range.start as u64, range.len());
        let place = Place { kind, epoch: header.epoch, segment: header.id, offset: location.offset };
        Ok(self.keyring.open(&place, &mut bytes)?.to_vec())
    }

    fn part(&self, kind: ObjectKind, part: &PartRef) -> Result<Vec<u8>> {
        let mut last = Error::damaged(format!("{kind}: no copy"));
        for location in part.copies {
            match self.open(kind, location, part.length) {
                Ok(bytes) if self.keyring.content_hash(kind, &bytes) == part.hash => return Ok(bytes),
                Ok(_) => last = Error::damaged(format!("{kind}: another than expected")),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Everything that hangs from the newest superblock, as far as it opens.
pub(super) fn state(storage: &dyn Storage, header: &Header, keyring: &Keyring, most: usize) -> Vec<Section> {
    let view = View { storage, g: &header.geometry, keyring };
    let mut sections = Vec::new();
    let mut newest: Option<(u64, RootPointer)> = None;
    for (slot, block) in header.superblocks(storage).0.into_iter().enumerate() {
        let Some((block, sector)) = block else { continue };
        let mut section =
            Section::new(format!("root pointer of superblock {slot}"), "container.md, Superblock", 0);
        match block.open_pointer(&sector, keyring) {
            Err(error) => section.add(0, 0, "verdict", error.to_string()),
            Ok(pointer) => {
                section.add(0, 8, "first copy", location(&pointer.copies[0]));
                section.add(8, 8, "second copy", location(&pointer.copies[1]));
                section.add(16, 4, "length", pointer.length.to_string());
                section.add(20, 32, "root hash", pointer.hash.to_string());
                if newest.is_none_or(|(generation, _)| generation < block.generation) {
                    newest = Some((block.generation, pointer));
                }
            }
        }
        sections.push(section);
    }
    if let Some((_, pointer)) = newest {
        sections.extend(below(&view, &pointer, most));
    }
    sections
}

fn below(view: &View, pointer: &RootPointer, most: usize) -> Vec<Section> {
    let open = |copy: Location| {
        let bytes = view.open(ObjectKind::CommitRoot, copy, pointer.length)?;
        match view.keyring.root_hash(&bytes) == pointer.hash {
            true => CommitRoot::decode(&bytes, view.g),
            false => Err(Error::damaged("commit root: not the one expected")),
        }
    };
    let [first, second] = pointer.copies;
    match open(first).or_else(|_| open(second)) {
        Ok(root) => {
            let at = view.g.slot_offset(first.slot) + u64::from(first.offset);
            vec![commit_root(&root, at), segment_table(view, &root, most), contents(&root, most)]
        }
        Err(error) => {
            let mut section = Section::new("commit root", "container.md, Commit root", 0);
            section.add(0, 0, "verdict", error.to_string());
            vec![section]
        }
    }
}

fn commit_root(root: &CommitRoot, at: u64) -> Section {
    let mut section = Section::new("commit root", "container.md, Commit root", at);
    let table = 16 + 52 * root.segment_table.parts.len();
    let map = 8 + 16 * root.slot_map.len();
    let fields = [
        (8, "generation", root.generation.to_string()),
        (32, "parent", root.parent.to_string()),
        (12, "time", format!("{} s {} ns", root.time.seconds, root.time.nanoseconds)),
        (32, "hash of the prologue", hex(&root.prologue_hash)),
        (8, "sequence of the key table", root.key_table_sequence.to_string()),
        (32, "hash of the key table", hex(&root.key_table_hash)),
        (4, "slots", root.slot_count.to_string()),
        (table, "segment table", stream(&root.segment_table)),
        (map, "slot map", format!("{} parts", root.slot_map.len())),
        (32, "closing hash", hex(&root.closing)),
        (8 + root.contents.len(), "contents", format!("{} bytes", root.contents.len())),
    ];
    let mut offset = 0;
    for (size, name, value) in fields {
        section.add(offset, size, name, value);
        offset += size;
    }
    section
}

fn segment_table(view: &View, root: &CommitRoot, most: usize) -> Section {
    let mut section = Section::new("segment table", "container.md, Commit root", 0);
    let parts = root.segment_table.parts.iter().map(|part| view.part(ObjectKind::SegmentTable, part));
    let records = parts.collect::<Result<Vec<_>>>().and_then(|parts| root::decode_table(&parts.concat()));
    match records {
        Err(error) => section.add(0, 0, "verdict", error.to_string()),
        Ok(records) => {
            for (slot, record) in records.iter().enumerate().take(most) {
                let at = slot * SEGMENT_RECORD_BYTES;
                section.add(at, SEGMENT_RECORD_BYTES, format!("slot {slot}"), describe_record(record));
            }
            section.left_out(records.len(), most);
        }
    }
    section
}

fn describe_record(record: &SegmentRecord) -> String {
    match record.live {
        false => format!("free since generation {}", record.generation),
        true => format!(
            "live since generation {}, epoch {}, id {}, directory tag {}, {} chunks",
            record.generation,
            record.epoch,
            record.id,
            hex(&record.directory_tag),
            record.chunk_count
        ),
    }
}

fn contents(root: &CommitRoot, most: usize) -> Section {
    let mut section = Section::new("contents", "manifest.md, Contents", 0);
    if root.contents.is_empty() {
        section.add(0, 0, "contents", "none yet");
        return section;
    }
    let contents: Contents = match codec::decode(&root.contents, "contents") {
        Ok(contents) => contents,
        Err(error) => {
            section.add(0, root.contents.len(), "verdict", error.to_string());
            return section;
        }
    };
    let mut at = 8;
    section.add(0, 8, "index runs", contents.runs.len().to_string());
    for (number, run) in contents.runs.iter().enumerate().take(most) {
        let size = codec::encode(run).len();
        let (fence, filter) = (stream(&run.fence), stream(&run.filter));
        let value = format!("{} entries; fence {fence}; filter {filter}", run.count);
        section.add(at, size, format!("run {number}"), value);
        at += size;
    }
    section.left_out(contents.runs.len(), most);
    let runs = contents.runs.iter().map(|run| codec::encode(run).len()).sum::<usize>();
    let catalog = 8 + runs;
    let ledger = catalog + codec::encode(&contents.catalog).len();
    let settings = ledger + codec::encode(&contents.ledger).len();
    section.add(catalog, ledger - catalog, "catalog", stream(&contents.catalog));
    section.add(ledger, settings - ledger, "ledger", stream(&contents.ledger));
    let limit = contents.settings.max_bytes.map_or("none".into(), |bytes| format!("{bytes} bytes"));
    let length = codec::encode(&contents.settings.max_bytes).len();
    section.add(settings, length, "limit of the file's length", limit);
    let policy = contents.settings.retention.as_ref();
    let words = |policy: &Policy| format!("{} rules", policy.rules.len());
    let size = codec::encode(&contents.settings.retention).len();
    section.add(settings + length, size, "retention policy", policy.map_or("none".into(), words));
    section
}

fn stream(stream: &StreamRef) -> String {
    match stream.parts.first() {
        None => format!("{} bytes", stream.bytes),
        Some(first) => format!(
            "{} bytes in {} parts, the first at {} and {}",
            stream.bytes,
            stream.parts.len(),
            location(&first.copies[0]),
            location(&first.copies[1])
        ),
    }
}

fn location(location: &Location) -> String {
    format!("slot {} byte {}", location.slot, location.offset)
}

/// Trailer and directory of one segment.
pub(super) fn segment(
    storage: &dyn Storage,
    header: &Header,
    keyring: &Keyring,
    slot: u32,
    most: usize,
) -> Vec<Section> {
    let g = &header.geometry;
    let base = g.slot_offset(slot);
    let (bytes, _) = read(storage, base, g.segment_bytes);
    let mut trailer_section =
        Section::new("trailer", "container.md, Trailer", base + g.trailer().start as u64);
    let Some(own) = SegmentHeader::decode(&bytes) else {
        trailer_section.add(0, 0, "verdict", "the header is lost, and with it the segment id");
        return vec![trailer_section];
    };
    match segment::open_directory(g, keyring, &own, &bytes) {
        Err(error) => {
            trailer_section.add(0, 0, "verdict", error.to_string());
            vec![trailer_section]
        }
        Ok((trailer, entries)) => {
            trailer_section.add(0, 4, "offset of the directory", trailer.directory_offset.to_string());
            trailer_section.add(4, 4, "length of the directory", trailer.directory_length.to_string());
            trailer_section.add(8, 4, "offset of a commit root", trailer.root_offset.to_string());
            trailer_section.add(12, 4, "length of the commit root", trailer.root_length.to_string());
            trailer_section.add(16, 8, "generation", trailer.generation.to_string());
            let at = base + u64::from(trailer.directory_offset);
            vec![trailer_section, directory(&entries, at, most)]
        }
    }
}

fn directory(entries: &[DirectoryEntry], at: u64, most: usize) -> Section {
    let mut section = Section::new("directory", "container.md, Directory", at);
    section.add(0, 8, "entries", entries.len().to_string());
    for (number, entry) in entries.iter().enumerate().take(most) {
        let kind = match ObjectKind::try_from(entry.kind) {
            Ok(kind) => kind.name(),
            Err(_) => "slot map, in clear",
        };
        let value = format!("{kind}, {} bytes at {}, {}", entry.length, entry.offset, hex(&entry.content));
        let at = 8 + number * DIRECTORY_ENTRY_BYTES;
        section.add(at, DIRECTORY_ENTRY_BYTES, format!("entry {number}"), value);
    }
    section.left_out(entries.len(), most);
    section
}
