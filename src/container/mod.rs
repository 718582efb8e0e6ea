//! The single file: moves opaque sealed bytes and commits them crash-safely
//! (`format-spec/container.md`). It promises that at any instant the file opens to the last
//! acknowledged commit or to one that was in flight, whole; that nothing is handed out
//! unauthenticated; and that damage which parity can mend is mended in memory and reported.

pub mod checksums;
pub mod commit;
pub mod create;
pub mod geometry;
pub mod glance;
pub mod header;
mod keys;
pub mod layout;
mod lock;
pub mod parity;
mod reading;
mod recovery;
mod rooms;
pub mod root;
pub mod scrub;
pub mod segment;
pub mod slot_map;
mod space;
pub mod superblock;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use reading::{Base, Payload};

use crate::crypto::{Keyring, ObjectKind};
use crate::error::{Error, Kind, Result};
use crate::ids::RootHash;
use crate::storage::Storage;
use geometry::Geometry;
use header::Header;
use keys::{check_header, header_of_now};
use lock::Pin;
use reading::{join_parts, read_copies, read_in};
use root::{CommitRoot, Location, PartRef, SegmentRecord};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

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
    _pin: Option<Pin<Arc<dyn Storage>>>,
    writable: bool,
    notes: Vec<String>,
    fallen_back: bool,
    tip: Arc<Tip>,
}

/// The last commit that a handle made, for who outlives the handle.
#[derive(Debug, Default)]
pub struct Tip(Mutex<Option<(u64, RootHash)>>);

impl Tip {
    /// Generation and root hash; `None` if nothing was committed.
    pub fn committed(&self) -> Option<(u64, RootHash)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            Access::Read => {
                let newest = || recovery::newest(&base, &header);
                let (found, pin) =
                    lock::pinned(base.storage.clone(), name, newest, |found| found.state.root.generation)?;
                if pin.is_none() {
                    notes.push(
                        "this file system has no locks: a backup running now could disturb this reading"
                            .into(),
                    );
                }
                (found, pin)
            }
        };
        notes.extend(found.notes);
        let header = header_of_now(&*base.storage, header, &found.state.root, access)?;
        check_header(&header, &found.state.root, name)?;
        let mut container = Container {
            base,
            header,
            state: Arc::new(found.state),
            _pin: pin,
            writable: access == Access::Write,
            notes,
            fallen_back: found.fallen_back,
            tip: Arc::default(),
        };
        if let (Access::Write, true) = (access, found.adopted) {
            container.rewrite_superblocks()?;
        }
        if access == Access::Write {
            container.end_change()?;
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

    /// What the newest commit of the file holds live by now, which another process may have written.
    pub fn live_segments(&self) -> Result<scrub::LiveSegments> {
        scrub::LiveSegments::read(&*self.base.storage, &self.header)
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

    /// Goes back to the commit before, for a newest one whose root stands and whose contents do not.
    /// Nothing is written; what was gone back from counts as damaged beyond use.
    pub fn step_back(mut self) -> Result<Container> {
        self.state = Arc::new(recovery::predecessor(&self.base, &self.header, &self.state)?);
        self.fallen_back = true;
        Ok(self)
    }

    /// Accepts the predecessor that was opened in place of a damaged newest commit, so that writing may
    /// go on from it. Whatever only the damaged commit held is given up.
    pub fn adopt_state(&mut self) {
        self.fallen_back = false;
    }

    /// Where this handle tells its last commit.
    pub fn tip(&self) -> Arc<Tip> {
        self.tip.clone()
    }

    /// The current commit and as many before it as can be proven, newest first: by the parent that a
    /// root names, and the parent that the root in the other superblock names.
    pub fn ancestry(&self) -> Vec<(u64, RootHash)> {
        let root = &self.state.root;
        let mut known = vec![(root.generation, self.state.hash)];
        if root.generation > 1 {
            known.push((root.generation - 1, root.parent));
        }
        if let Some(grandparent) = recovery::parent_of(&self.base, &self.header, root) {
            known.push((root.generation - 2, grandparent));
        }
        known
    }

    /// Slots whose segments were mended in memory so far.
    pub fn healed_slots(&self) -> Vec<u32> {
        self.base.healed.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Publishes the state that a commit of this container produced.
    pub fn install(&mut self, state: State) {
        let committed = Some((state.root.generation, state.hash));
        *self.tip.0.lock().unwrap_or_else(PoisonError::into_inner) = committed;
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

    /// Bytes that the file lacks because it was cut off within its live segments.
    pub fn missing_bytes(&self) -> Result<u64> {
        let length = self.base.storage.len().map_err(|e| self.base.io("length not read", e))?;
        let needed = self.state.table.iter().rposition(|r| r.live).map_or(0, |last| last as u32 + 1);
        Ok(self.base.geometry.file_bytes(needed).saturating_sub(length))
    }

    /// Gives the file its length again if it was cut off within its live segments: what was there reads
    /// as zeros, which is damage like any other. Returns the bytes that were added.
    pub fn restore_length(&self) -> Result<u64> {
        self.ensure_writable()?;
        let missing = self.missing_bytes()?;
        if missing > 0 {
            let slots = self.state.table.iter().rposition(|r| r.live).map_or(0, |last| last as u32 + 1);
            let start = self.base.geometry.file_bytes(slots) - missing;
            let grown = self.base.storage.allocate(start, missing).and_then(|()| self.base.storage.sync());
            grown.map_err(|e| self.base.io("no room to grow", e))?;
        }
        Ok(missing)
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
