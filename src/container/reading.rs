//! Reading below a container's state: segments, and single objects out of them
//! (`format-spec/container.md`, Segments). It promises that nothing is handed out unauthenticated, and
//! that what parity can mend is mended in memory and remembered.

use super::checksums::TableHash;
use super::geometry::Geometry;
use super::layout::SegmentHeader;
use super::root::{Location, PartRef, SegmentRecord, StreamRef};
use super::segment::{self, DirectoryEntry, Health};
use crate::codec;
use crate::crypto::{Keyring, ObjectKind, Place};
use crate::error::{Error, Kind, Result};
use crate::ids::{ContainerId, SegmentId};
use crate::limits::SECTOR_BYTES;
use crate::storage::Storage;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What commits and readers share.
pub struct Base {
    pub(crate) storage: Arc<dyn Storage>,
    /// Shape of the segments.
    pub geometry: Geometry,
    /// The container's id.
    pub container: ContainerId,
    pub(crate) keyring: Arc<Keyring>,
    pub(super) name: String,
    pub(super) poisoned: AtomicBool,
    pub(super) healed: Mutex<BTreeSet<u32>>,
}

/// A decrypted object; dereferences to its payload.
pub struct Payload {
    bytes: Vec<u8>,
    length: usize,
}

impl std::ops::Deref for Payload {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[NONCE_BYTES..NONCE_BYTES + self.length]
    }
}

const NONCE_BYTES: usize = 12;

impl Base {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        geometry: Geometry,
        container: ContainerId,
        keyring: Keyring,
        name: &str,
    ) -> Base {
        Base {
            storage,
            geometry,
            container,
            keyring: Arc::new(keyring),
            name: name.into(),
            poisoned: AtomicBool::new(false),
            healed: Mutex::default(),
        }
    }

    /// A failure of the medium while doing `what`.
    pub(crate) fn io(&self, what: impl std::fmt::Display, cause: std::io::Error) -> Error {
        Error::io(Kind::Destination, format!("{}: {what}", self.name), cause)
    }

    /// The bytes below.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The keys.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The container's name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::SeqCst);
    }

    pub(crate) fn write_segment(&self, slot: u32, bytes: &[u8]) -> Result<()> {
        let offset = self.geometry.slot_offset(slot);
        self.storage.write_at(offset, bytes).map_err(|e| {
            self.poison();
            self.io(format_args!("segment in slot {slot} not written"), e)
        })?;
        self.storage.start_writeback(offset, bytes.len() as u64);
        Ok(())
    }

    /// Reads a whole segment as it lies in the file.
    pub fn read_segment(&self, slot: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.geometry.segment_bytes];
        self.read_segment_into(slot, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a whole segment into `bytes`, sector by sector if the medium refuses the whole: what
    /// cannot be read stays zero and fails its checksum.
    pub fn read_segment_into(&self, slot: u32, bytes: &mut [u8]) -> Result<()> {
        match read_segment_parts(&*self.storage, &self.geometry, slot, bytes) {
            true => Ok(()),
            false => Err(Error::damaged(format!("{}: slot {slot} cannot be read", self.name))),
        }
    }

    /// Reads a whole segment and mends it in memory if need be.
    pub fn read_mended(&self, slot: u32, id: Option<SegmentId>) -> Result<(Vec<u8>, Health)> {
        let mut bytes = vec![0; self.geometry.segment_bytes];
        let health = self.read_mended_into(slot, id, None, &mut bytes)?;
        Ok((bytes, health))
    }

    /// The same into `bytes`, as long as a segment, for one whose checksum table must have the hash
    /// `expected`, if that is known.
    pub fn read_mended_into(
        &self,
        slot: u32,
        id: Option<SegmentId>,
        expected: Option<TableHash>,
        bytes: &mut [u8],
    ) -> Result<Health> {
        self.read_segment_into(slot, bytes)?;
        let health = segment::mend(&self.geometry, &self.container, id, expected, bytes);
        if matches!(health, Health::Healed(_)) {
            self.healed.lock().unwrap_or_else(PoisonError::into_inner).insert(slot);
        }
        Ok(health)
    }

    /// The header of the segment in `slot`, mended if need be.
    pub(crate) fn segment_header(&self, slot: u32) -> Result<SegmentHeader> {
        let mut sector = [0; SECTOR_BYTES];
        let own = |h: &SegmentHeader| h.container == self.container;
        if self.storage.read_at(self.geometry.slot_offset(slot), &mut sector).is_ok()
            && let Some(header) = SegmentHeader::decode(&sector).filter(own)
        {
            return Ok(header);
        }
        Err(Error::damaged(format!("{}: header of the segment in slot {slot}", self.name)))
    }

    /// The directory of the live segment in `slot`, whose header is `header`; the segment is mended
    /// if need be.
    pub fn read_directory(&self, header: &SegmentHeader, slot: u32) -> Result<Vec<DirectoryEntry>> {
        if let Some(entries) = self.small_directory(header, slot) {
            return Ok(entries);
        }
        let (bytes, _) = self.read_mended(slot, Some(header.id))?;
        Ok(segment::open_directory(&self.geometry, &self.keyring, header, &bytes)?.1)
    }

    /// The same from trailer and directory alone, as they lie in the file.
    fn small_directory(&self, header: &SegmentHeader, slot: u32) -> Option<Vec<DirectoryEntry>> {
        let g = &self.geometry;
        let mut sealed = vec![0; g.trailer().len()];
        self.storage.read_at(g.slot_offset(slot) + g.trailer().start as u64, &mut sealed).ok()?;
        let trailer = segment::open_trailer(g, &self.keyring, header, &sealed).ok()?;
        let location = Location { slot, offset: trailer.directory_offset };
        let plain =
            self.read_object(ObjectKind::Directory, header, location, trailer.directory_length).ok()?;
        let entries: Vec<DirectoryEntry> = codec::decode(&plain, "segment directory").ok()?;
        entries.iter().all(|e| segment::object_range(g, e.offset, e.length).is_some()).then_some(entries)
    }

    /// Reads and authenticates one sealed object; if that fails, mends the segment and tries again.
    pub(crate) fn read_object(
        &self,
        kind: ObjectKind,
        header: &SegmentHeader,
        location: Location,
        length: u32,
    ) -> Result<Payload> {
        let range = segment::object_range(&self.geometry, location.offset, length)
            .ok_or_else(|| Error::damaged(format!("{}: {} out of place", self.name, kind.name())))?;
        let place = Place { kind, epoch: header.epoch, segment: header.id, offset: location.offset };
        let mut bytes = vec![0; range.len()];
        let offset = self.geometry.slot_offset(location.slot) + range.start as u64;
        let first = match self.storage.read_at(offset, &mut bytes) {
            Ok(()) => self.keyring.open(&place, &mut bytes).map(|plain| plain.len()),
            Err(e) => Err(self.io(format_args!("slot {} not read", location.slot), e)),
        };
        if let Ok(length) = first {
            return Ok(Payload { bytes, length });
        }
        let (whole, health) = self.read_mended(location.slot, Some(header.id))?;
        bytes.copy_from_slice(&whole[range]);
        match self.keyring.open(&place, &mut bytes).map(|plain| plain.len()) {
            Ok(length) => Ok(Payload { bytes, length }),
            Err(error) => Err(match health {
                Health::Dead(Some(n)) => Error::damaged(format!(
                    "{}: {} in slot {}: {n} bad sectors, more than parity can mend",
                    self.name,
                    kind.name(),
                    location.slot
                )),
                _ => error.at(format_args!("{}: slot {}", self.name, location.slot)),
            }),
        }
    }
}

/// Reads an object of a live segment of `table`.
pub(super) fn read_in(
    base: &Base,
    table: &[SegmentRecord],
    kind: ObjectKind,
    location: Location,
    length: u32,
) -> Result<Payload> {
    let record = table.get(location.slot as usize).filter(|r| r.live && r.id != SegmentId::ZERO);
    let record = record.ok_or_else(|| {
        Error::damaged(format!(
            "{}: {} in slot {}, which is not in use",
            base.name,
            kind.name(),
            location.slot
        ))
    })?;
    let header = SegmentHeader { epoch: record.epoch, container: base.container, id: record.id };
    base.read_object(kind, &header, location, length)
}

/// Reads whichever copy of `part` is whole and has its hash.
pub(super) fn read_copies(
    base: &Base,
    kind: ObjectKind,
    part: &PartRef,
    read: impl Fn(Location) -> Result<Payload>,
) -> Result<Payload> {
    let mut last = None;
    for location in part.copies {
        match read(location) {
            Ok(payload) if base.keyring.content_hash(kind, &payload) == part.hash => return Ok(payload),
            Ok(_) => {
                last = Some(Error::damaged(format!(
                    "{}: {} in slot {} is not the one expected",
                    base.name,
                    kind.name(),
                    location.slot
                )))
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::damaged(format!("{}: {} has no copy", base.name, kind.name()))))
}

/// The parts of `stream`, read by `read` and joined.
pub(super) fn join_parts(
    base: &Base,
    kind: ObjectKind,
    stream: &StreamRef,
    read: impl Fn(&PartRef) -> Result<Payload>,
) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for part in &stream.parts {
        out.extend_from_slice(&read(part)?);
        if out.len() as u64 > stream.bytes {
            break;
        }
    }
    match out.len() as u64 == stream.bytes {
        true => Ok(out),
        false => {
            Err(Error::damaged(format!("{}: {} has another length than stated", base.name, kind.name())))
        }
    }
}

/// Fills `bytes` with the segment in `slot`, sector by sector if the medium refuses the whole; what
/// cannot be read becomes zeros. False if nothing can be read.
pub(super) fn read_segment_parts(storage: &dyn Storage, g: &Geometry, slot: u32, bytes: &mut [u8]) -> bool {
    let offset = g.slot_offset(slot);
    if storage.read_at(offset, bytes).is_ok() {
        return true;
    }
    let mut any = false;
    for (index, sector) in bytes.chunks_exact_mut(SECTOR_BYTES).enumerate() {
        match storage.read_at(offset + (index * SECTOR_BYTES) as u64, sector) {
            Ok(()) => any = true,
            Err(_) => sector.fill(0),
        }
    }
    any
}
