//! The superblock: the sector whose writing is the commit (`format-spec/container.md`,
//! Superblock). It promises that a torn, stale or foreign one is never taken for a whole one: a
//! plain check for who has no key, and a seal over the pointer and everything beside it.

use super::layout::{
    CHECK_OFFSET, CLOSING_BYTES, MAP_PART_BYTES, MAX_CLOSING, MAX_MAP_PARTS, ROOT_POINTER_BYTES,
    SUPERBLOCK_CLOSING, SUPERBLOCK_CLOSING_COUNT, SUPERBLOCK_CONTAINER, SUPERBLOCK_EPOCH,
    SUPERBLOCK_GENERATION, SUPERBLOCK_MAGIC, SUPERBLOCK_MAP, SUPERBLOCK_MAP_COUNT, SUPERBLOCK_POINTER,
    SUPERBLOCK_RESERVED, SUPERBLOCK_SLOTS, array, check_holds, put, put_check, u32_at, u64_at,
};
use super::root::Location;
use crate::crypto::{Keyring, ObjectKind, Place, SEAL_OVERHEAD};
use crate::error::{Error, Result};
use crate::ids::{ContainerId, RootHash, SegmentId};
use crate::limits::SECTOR_BYTES;

/// The clear part: all that a keyless scrub needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The container it belongs to.
    pub container: ContainerId,
    /// Number of the commit.
    pub generation: u64,
    /// Epoch whose key seals the root pointer.
    pub epoch: u32,
    /// Slots in the file, slot 0 included.
    pub slot_count: u32,
    /// The slot map's parts, each in two copies.
    pub slot_map: Vec<[Location; 2]>,
    /// Segments that were open when the slot map was written, with their table hashes.
    pub closing: Vec<(u32, [u8; 16])>,
}

/// The sealed part: where the commit root is, and what it hashes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootPointer {
    /// The root's copies.
    pub copies: [Location; 2],
    /// Its length on disk, seal included.
    pub length: u32,
    /// Its hash.
    pub hash: RootHash,
}

const POINTER_END: usize = SUPERBLOCK_POINTER + ROOT_POINTER_BYTES + SEAL_OVERHEAD;

fn put_location(sector: &mut [u8], at: usize, location: &Location) {
    put(sector, at, &location.slot.to_le_bytes());
    put(sector, at + 4, &location.offset.to_le_bytes());
}

fn location_at(bytes: &[u8], at: usize) -> Location {
    Location { slot: u32_at(bytes, at), offset: u32_at(bytes, at + 4) }
}

/// The hash of everything but the sealed pointer and the check.
fn clear_hash(sector: &[u8; SECTOR_BYTES]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&sector[..SUPERBLOCK_POINTER]).update(&sector[POINTER_END..CHECK_OFFSET]);
    *hasher.finalize().as_bytes()
}

fn pointer_place(epoch: u32, generation: u64) -> Place {
    Place { kind: ObjectKind::Superblock, epoch, segment: SegmentId::ZERO, offset: (generation % 2) as u32 }
}

impl Superblock {
    /// The sector. Fails if slot map or closing segments are more than a superblock can hold.
    pub fn encode(&self, pointer: &RootPointer, keyring: &Keyring) -> Result<[u8; SECTOR_BYTES]> {
        if self.slot_map.len() > MAX_MAP_PARTS || self.closing.len() > MAX_CLOSING {
            return Err(Error::new(
                crate::error::Kind::Failed,
                "container: more segments than the format holds",
            )
            .hint("copy it into a container with larger segments"));
        }
        let mut s = [0; SECTOR_BYTES];
        put(&mut s, 0, &SUPERBLOCK_MAGIC);
        put(&mut s, SUPERBLOCK_CONTAINER, &self.container.0);
        put(&mut s, SUPERBLOCK_GENERATION, &self.generation.to_le_bytes());
        put(&mut s, SUPERBLOCK_EPOCH, &self.epoch.to_le_bytes());
        put(&mut s, SUPERBLOCK_SLOTS, &self.slot_count.to_le_bytes());
        put(&mut s, SUPERBLOCK_MAP_COUNT, &(self.slot_map.len() as u32).to_le_bytes());
        put(&mut s, SUPERBLOCK_CLOSING_COUNT, &(self.closing.len() as u32).to_le_bytes());
        for (i, copies) in self.slot_map.iter().enumerate() {
            let at = SUPERBLOCK_MAP + i * MAP_PART_BYTES;
            put_location(&mut s, at, &copies[0]);
            put_location(&mut s, at + 8, &copies[1]);
        }
        for (i, (slot, hash)) in self.closing.iter().enumerate() {
            let at = SUPERBLOCK_CLOSING + i * CLOSING_BYTES;
            put(&mut s, at, &slot.to_le_bytes());
            put(&mut s, at + 4, hash);
        }
        self.seal_pointer(&mut s, pointer, keyring);
        put_check(&mut s);
        Ok(s)
    }

    fn seal_pointer(&self, s: &mut [u8; SECTOR_BYTES], pointer: &RootPointer, keyring: &Keyring) {
        let mut plain = [0; ROOT_POINTER_BYTES];
        put_location(&mut plain, 0, &pointer.copies[0]);
        put_location(&mut plain, 8, &pointer.copies[1]);
        put(&mut plain, 16, &pointer.length.to_le_bytes());
        put(&mut plain, 20, &pointer.hash.0);
        put(&mut plain, 52, &clear_hash(s));
        let content = keyring.content_hash(ObjectKind::Superblock, &plain);
        let target = &mut s[SUPERBLOCK_POINTER..POINTER_END];
        put(target, 12, &plain);
        keyring.seal(&pointer_place(self.epoch, self.generation), &content, target);
    }

    /// Reads the clear part of a sector that may be anything; no key is needed.
    pub fn decode(sector: &[u8; SECTOR_BYTES], container: &ContainerId) -> Option<Superblock> {
        let own = array::<8>(sector, 0) == SUPERBLOCK_MAGIC
            && array::<16>(sector, SUPERBLOCK_CONTAINER) == container.0
            && check_holds(sector);
        let maps = u32_at(sector, SUPERBLOCK_MAP_COUNT) as usize;
        let closing = u32_at(sector, SUPERBLOCK_CLOSING_COUNT) as usize;
        let reserved = sector[SUPERBLOCK_RESERVED..CHECK_OFFSET].iter().any(|&b| b != 0);
        if !own || reserved || maps > MAX_MAP_PARTS || closing > MAX_CLOSING {
            return None;
        }
        let map_at = |i: usize| {
            let at = SUPERBLOCK_MAP + i * MAP_PART_BYTES;
            [location_at(sector, at), location_at(sector, at + 8)]
        };
        let closing_at = |i: usize| {
            let at = SUPERBLOCK_CLOSING + i * CLOSING_BYTES;
            (u32_at(sector, at), array(sector, at + 4))
        };
        Some(Superblock {
            container: *container,
            generation: u64_at(sector, SUPERBLOCK_GENERATION),
            epoch: u32_at(sector, SUPERBLOCK_EPOCH),
            slot_count: u32_at(sector, SUPERBLOCK_SLOTS),
            slot_map: (0..maps).map(map_at).collect(),
            closing: (0..closing).map(closing_at).collect(),
        })
    }

    /// Authenticates the whole sector and reads the root pointer.
    pub fn open_pointer(&self, sector: &[u8; SECTOR_BYTES], keyring: &Keyring) -> Result<RootPointer> {
        let mut sealed = sector[SUPERBLOCK_POINTER..POINTER_END].to_vec();
        let plain = keyring.open(&pointer_place(self.epoch, self.generation), &mut sealed)?;
        if plain.len() != ROOT_POINTER_BYTES || array::<32>(plain, 52) != clear_hash(sector) {
            return Err(Error::damaged(format!("superblock of generation {}: altered", self.generation)));
        }
        Ok(RootPointer {
            copies: [location_at(plain, 0), location_at(plain, 8)],
            length: u32_at(plain, 16),
            hash: RootHash(array(plain, 20)),
        })
    }
}
