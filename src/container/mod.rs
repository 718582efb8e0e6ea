//! The single file: moves opaque sealed bytes and commits them crash-safely
//! (`format-spec/container.md`). It promises that at any instant the file opens to the last
//! acknowledged commit or to one that was in flight, whole; that nothing is handed out
//! unauthenticated; and that damage which parity can mend is mended in memory and reported.

pub mod checksums;
pub mod commit;
pub mod create;
pub mod geometry;
pub mod header;
pub mod layout;
mod lock;
pub mod parity;
mod recovery;
mod rooms;
pub mod root;
pub mod scrub;
pub mod segment;
pub mod slot_map;
pub mod superblock;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use crate::crypto::{Keyring, ObjectKind, Place};
use crate::error::{Error, Kind, Result};
use crate::ids::{ContainerId, RootHash, SegmentId};
use crate::limits::SECTOR_BYTES;
use crate::storage::Storage;
use geometry::Geometry;
use header::{Header, KeyFrame};
use layout::SegmentHeader;
use lock::Pin;
use root::{CommitRoot, Location, PartRef, SegmentRecord, StreamRef};
use segment::Health;
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
    name: String,
    poisoned: AtomicBool,
    healed: Mutex<BTreeSet<u32>>,
}

/// One committed state, as far as it is kept in memory.
#[derive(Clone, Debug)]
pub struct State {
    /// The commit root.
    pub root: CommitRoot,
    /// Its hash.
    pub hash: RootHash,
    /// Where it lies.
    pub pointer: superblock::RootPointer,
    /// Segments that were open when table and slot map were written, with their table hashes.
    pub closing: Vec<(u32, checksums::TableHash)>,
    /// The segment table.
    pub table: Vec<SegmentRecord>,
}

/// How a container is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading: pins the generation so that nothing it reaches is overwritten.
    Read,
    /// Writing: takes the writer lock, at once or not at all.
    Write,
}

/// An open container.
pub struct Container {
    base: Arc<Base>,
    header: Header,
    state: Arc<State>,
    /// Held for its effect: released when the container is dropped.
    _pin: Option<Pin>,
    writable: bool,
    notes: Vec<String>,
    fallen_back: bool,
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
    fn new(
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

    fn poison(&self) {
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
        let offset = self.geometry.slot_offset(slot);
        if self.storage.read_at(offset, bytes).is_ok() {
            return Ok(());
        }
        let mut any = false;
        for (index, sector) in bytes.chunks_exact_mut(SECTOR_BYTES).enumerate() {
            match self.storage.read_at(offset + (index * SECTOR_BYTES) as u64, sector) {
                Ok(()) => any = true,
                Err(_) => sector.fill(0),
            }
        }
        match any {
            true => Ok(()),
            false => Err(Error::damaged(format!("{}: slot {slot} cannot be read", self.name))),
        }
    }

    /// Reads a whole segment and mends it in memory if need be.
    pub fn read_mended(&self, slot: u32, id: Option<SegmentId>) -> Result<(Vec<u8>, Health)> {
        self.read_mended_as(slot, id, None)
    }

    /// The same, for a segment whose checksum table must have the hash `expected`, if that is known.
    pub fn read_mended_as(
        &self,
        slot: u32,
        id: Option<SegmentId>,
        expected: Option<checksums::TableHash>,
    ) -> Result<(Vec<u8>, Health)> {
        let mut bytes = self.read_segment(slot)?;
        let health = segment::mend(&self.geometry, &self.container, id, expected, &mut bytes);
        if matches!(health, Health::Healed(_)) {
            self.healed.lock().unwrap_or_else(PoisonError::into_inner).insert(slot);
        }
        Ok((bytes, health))
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

impl Container {
    /// Opens the container behind `header` to its newest whole state.
    ///
    /// Errors: [`Kind::Busy`] for a second writer, [`Kind::Damaged`] when no state survives,
    /// [`Kind::FutureVersion`] when a feature forbids writing.
    pub fn open(
        storage: Arc<dyn Storage>,
        header: Header,
        keyring: Keyring,
        name: &str,
        access: Access,
    ) -> Result<Container> {
        let base = Arc::new(Base::new(storage, header.geometry, header.prologue.container, keyring, name));
        if access == Access::Write {
            if header.prologue.read_compatible != 0 {
                return Err(Error::new(
                    Kind::FutureVersion,
                    format!("{name}: made by a newer coffer; it can be read, not written"),
                ));
            }
            lock::take_writer(&base)?;
        }
        let mut notes = Vec::new();
        let (found, pin) = match access {
            Access::Write => (recovery::newest(&base, &header)?, None),
            Access::Read => lock::pinned(&base, &mut notes, || recovery::newest(&base, &header))?,
        };
        notes.extend(found.notes);
        let header = header_of_now(&*base.storage, header, &found.state.root, access)?;
        check_header(&header, &found.state.root, name)?;
        let container = Container {
            base,
            header,
            state: Arc::new(found.state),
            _pin: pin,
            writable: access == Access::Write,
            notes,
            fallen_back: found.fallen_back,
        };
        if let (Access::Write, true) = (access, found.adopted) {
            container.rewrite_superblocks()?;
        }
        Ok(container)
    }

    /// What readers and commits share.
    pub fn base(&self) -> &Arc<Base> {
        &self.base
    }

    /// Length of the file in the current state, in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.base.geometry.file_bytes(self.state.root.slot_count)
    }

    /// The committed state.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Header zone as it was read.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether this handle may commit.
    pub fn is_writable(&self) -> bool {
        self.writable
    }

    /// What opening had to work around, for people.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the newest commit is damaged beyond use and its predecessor was opened instead.
    pub fn has_fallen_back(&self) -> bool {
        self.fallen_back
    }

    /// Accepts the predecessor that was opened in place of a damaged newest commit, so that writing may
    /// go on from it. Whatever only the damaged commit held is given up.
    pub fn adopt_state(&mut self) {
        self.fallen_back = false;
    }

    /// Slots whose segments were mended in memory so far.
    pub fn healed_slots(&self) -> Vec<u32> {
        self.base.healed.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Publishes the state that a commit of this container produced.
    pub fn install(&mut self, state: State) {
        self.state = Arc::new(state);
    }

    /// Reads a sealed object at a location of the current state.
    pub fn read(&self, kind: ObjectKind, location: Location, length: u32) -> Result<Payload> {
        read_in(&self.base, &self.state.table, kind, location, length)
    }

    /// Reads a metadata object from whichever copy is whole, and proves its hash.
    pub fn read_part(&self, kind: ObjectKind, part: &PartRef) -> Result<Payload> {
        read_copies(&self.base, kind, part, |location| {
            read_in(&self.base, &self.state.table, kind, location, part.length)
        })
    }

    /// Reads a whole stream.
    pub fn read_stream(&self, kind: ObjectKind, stream: &StreamRef) -> Result<Vec<u8>> {
        join_parts(&self.base, kind, stream, |part| self.read_part(kind, part))
    }

    /// Writes a new key table into every copy. A commit should follow, so that the root names it.
    pub fn write_keys(&mut self, keys: KeyFrame) -> Result<()> {
        self.ensure_writable()?;
        let storage = self.base.storage.clone();
        self.header.write_keys(&*storage, keys).inspect_err(|_| self.base.poison())
    }

    /// Writes every copy of prologue and key table anew, for those that are rotten.
    pub fn rewrite_header(&mut self) -> Result<()> {
        self.ensure_writable()?;
        let base = self.base.clone();
        self.header.write_new(&*base.storage).map_err(|e| {
            base.poison();
            base.io("prologue not written", e)
        })?;
        self.write_keys(self.header.keys.clone())?;
        self.header.rotten.clear();
        Ok(())
    }

    fn ensure_writable(&self) -> Result<()> {
        let name = &self.base.name;
        match (self.writable, self.base.poisoned.load(Ordering::SeqCst)) {
            (true, false) => Ok(()),
            (false, _) => Err(Error::new(Kind::Failed, format!("{name}: opened for reading only"))),
            (true, true) => Err(Error::new(
                Kind::Poisoned,
                format!("{name}: an earlier write failed; nothing more is written"),
            )
            .hint("check the disk, then run the command again")),
        }
    }

    /// Writes the superblock of the current state anew into both slots, its own first: after its
    /// copies were lost, or for the first commit, so that one slot can be lost from the start.
    fn rewrite_superblocks(&self) -> Result<()> {
        let block = recovery::superblock_of(&self.base, &self.state);
        let sector = block.encode(&self.state.pointer, &self.base.keyring)?;
        let storage = &*self.base.storage;
        let write = (0..2).try_for_each(|turn| {
            Header::write_superblock(storage, block.generation + turn, &sector)?;
            storage.sync()
        });
        write.map_err(|e| {
            self.base.poison();
            self.base.io("superblock not written", e)
        })
    }
}

/// The header zone as it is under the lock. Unlocking takes long, and another process may have changed
/// the key table meanwhile: a writer must build upon the newest, a reader must not take it for a forgery.
fn header_of_now(storage: &dyn Storage, read: Header, root: &CommitRoot, access: Access) -> Result<Header> {
    let keys = &read.keys;
    let agrees = keys.sequence == root.key_table_sequence && keys.hash() == root.key_table_hash;
    match access == Access::Read && agrees {
        true => Ok(read),
        false => Header::read(storage),
    }
}

/// Prologue and key table must be those the root knows, or a newer key table.
fn check_header(header: &Header, root: &CommitRoot, name: &str) -> Result<()> {
    if *blake3::hash(&header.prologue.encode()).as_bytes() != root.prologue_hash {
        return Err(Error::damaged(format!(
            "{name}: the prologue is not the one this container was made with"
        )));
    }
    let keys = &header.keys;
    let older = keys.sequence < root.key_table_sequence;
    let other = keys.sequence == root.key_table_sequence && keys.hash() != root.key_table_hash;
    match older || other {
        true => Err(Error::damaged(format!(
            "{name}: the key table was replaced by {}",
            if older { "an older one" } else { "another" }
        ))
        .hint("someone may have put a removed password back; restore the file from a copy")),
        false => Ok(()),
    }
}

fn read_in(
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

fn read_copies(
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

fn join_parts(
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
