//! The header zone and the key segment (`format-spec/container.md`, Header zone): prologue and
//! key table in four copies, superblocks in two. It promises that one surviving copy is enough,
//! and that writing never endangers the copies it does not touch.

use super::geometry::Geometry;
use super::layout::{
    HALF_BYTES, HEADER_BYTES, KEY_FRAME_CHECK, KEY_FRAME_LENGTH, KEY_FRAME_SEQUENCE, KEY_FRAME_TABLE,
    KEY_TABLE_BYTES, KEY_TABLE_MAGIC, KEY_TABLE_OFFSET, MAX_KEY_TABLE_BYTES, PROLOGUE_OFFSET, Prologue,
    SUPERBLOCK_0_OFFSET, SUPERBLOCK_1_OFFSET, array, put, u32_at, u64_at,
};
use super::superblock::Superblock;
use crate::error::{Error, Kind, Result};
use crate::limits::{MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, SECTOR_BYTES};
use crate::storage::Storage;

/// Where an encoded key table of any version says its sequence (`format-spec/crypto.md`, Key table).
const OWN_SEQUENCE: std::ops::Range<usize> = 4..12;

/// A key table as it lies in the file: bytes that say their sequence, and else are opaque here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFrame {
    /// The table's own, which rises with every change of it.
    pub sequence: u64,
    /// The encoded table.
    pub table: Vec<u8>,
}

impl KeyFrame {
    /// The frame of an encoded table.
    pub fn of(table: Vec<u8>) -> KeyFrame {
        KeyFrame { sequence: own_sequence(&table).unwrap_or(0), table }
    }

    /// BLAKE3 of the table's bytes, as the commit root keeps it.
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(&self.table).as_bytes()
    }

    fn encode(&self) -> Result<Vec<u8>> {
        if self.table.len() > MAX_KEY_TABLE_BYTES {
            return Err(Error::new(
                Kind::Usage,
                format!("key table: {} bytes are too many", self.table.len()),
            )
            .hint("remove key slots that nobody uses"));
        }
        let mut out = vec![0; KEY_TABLE_BYTES];
        put(&mut out, 0, &KEY_TABLE_MAGIC);
        put(&mut out, KEY_FRAME_SEQUENCE, &self.sequence.to_le_bytes());
        put(&mut out, KEY_FRAME_LENGTH, &(self.table.len() as u32).to_le_bytes());
        put(&mut out, KEY_FRAME_TABLE, &self.table);
        let check = frame_check(&out, self.table.len());
        put(&mut out, KEY_FRAME_CHECK, &check);
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Option<KeyFrame> {
        let length = u32_at(bytes, KEY_FRAME_LENGTH) as usize;
        if bytes[..8] != KEY_TABLE_MAGIC || length > MAX_KEY_TABLE_BYTES {
            return None;
        }
        let whole = frame_check(bytes, length) == array::<32>(bytes, KEY_FRAME_CHECK);
        let frame = KeyFrame::of(bytes[KEY_FRAME_TABLE..KEY_FRAME_TABLE + length].to_vec());
        // Anybody can make a frame; only the table's own sequence is authenticated.
        (whole && u64_at(bytes, KEY_FRAME_SEQUENCE) == frame.sequence).then_some(frame)
    }
}

fn own_sequence(table: &[u8]) -> Option<u64> {
    table.get(OWN_SEQUENCE)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn frame_check(frame: &[u8], length: usize) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&frame[..KEY_FRAME_CHECK]).update(&frame[KEY_FRAME_TABLE..KEY_FRAME_TABLE + length]);
    *hasher.finalize().as_bytes()
}

/// A superblock whose check holds, with its sector.
pub type WholeSuperblock = (Superblock, [u8; SECTOR_BYTES]);

/// What the header zone says, before any key is known.
#[derive(Clone, Debug)]
pub struct Header {
    /// The prologue.
    pub prologue: Prologue,
    /// The shape that follows from it.
    pub geometry: Geometry,
    /// The newest whole key table.
    pub keys: KeyFrame,
    /// Copies of prologue or key table that are not as they should be, by name.
    pub rotten: Vec<String>,
    /// Which copies of the key table, by [`copy_bases`], are whole and older: a change was cut short.
    pub outdated: Vec<usize>,
}

/// Where the copies of prologue and key table begin.
pub fn copy_bases(segment_bytes: usize) -> [(&'static str, u64); 4] {
    [
        ("first header half", 0),
        ("second header half", HALF_BYTES),
        ("key segment", HEADER_BYTES),
        ("middle of the key segment", HEADER_BYTES + segment_bytes as u64 / 2),
    ]
}

fn read_sector(storage: &dyn Storage, offset: u64) -> Option<[u8; SECTOR_BYTES]> {
    let mut sector = [0; SECTOR_BYTES];
    storage.read_at(offset, &mut sector).ok().map(|()| sector)
}

fn find_prologue(storage: &dyn Storage) -> Result<Prologue> {
    let mut sizes = MIN_SEGMENT_BYTES;
    let mut bases = vec![0, HALF_BYTES, HEADER_BYTES];
    while sizes <= MAX_SEGMENT_BYTES {
        bases.push(HEADER_BYTES + sizes as u64 / 2);
        sizes *= 2;
    }
    let mut worst = Error::new(Kind::NotAContainer, "no container begins here");
    for base in bases {
        let Some(sector) = read_sector(storage, base + PROLOGUE_OFFSET) else { continue };
        match Prologue::decode(&sector) {
            Ok(prologue) => return Ok(prologue),
            // A whole copy from the future says more than a rotten one, and that more than none.
            Err(error) if weight(&error) > weight(&worst) => worst = error,
            Err(_) => {}
        }
    }
    Err(worst)
}

fn weight(error: &Error) -> u8 {
    match error.kind() {
        Kind::NotAContainer => 0,
        Kind::FutureVersion => 2,
        _ => 1,
    }
}

impl Header {
    /// Reads prologue and key table from whichever copies are whole.
    ///
    /// Errors: [`Kind::NotAContainer`], [`Kind::FutureVersion`], or [`Kind::Damaged`] when no copy
    /// survives.
    ///
    /// They are read past the page cache: after a sync that failed, the cache may show what the
    /// medium never got, and a commit that relies on it could be lost with it.
    pub fn read(storage: &dyn Storage) -> Result<Header> {
        storage.drop_cache(0, HEADER_BYTES);
        let prologue = find_prologue(storage)?;
        storage.drop_cache(HEADER_BYTES, prologue.segment_bytes as u64);
        let expected = prologue.encode();
        let mut keys: Option<KeyFrame> = None;
        let mut rotten = Vec::new();
        let mut frames = Vec::new();
        for (name, base) in copy_bases(prologue.segment_bytes) {
            if read_sector(storage, base + PROLOGUE_OFFSET) != Some(expected) {
                rotten.push(format!("prologue in the {name}"));
            }
            let mut frame = vec![0; KEY_TABLE_BYTES];
            let read = storage.read_at(base + KEY_TABLE_OFFSET, &mut frame).is_ok();
            frames.push((name, KeyFrame::decode(&frame).filter(|_| read)));
        }
        for (_, frame) in &frames {
            if let Some(frame) = frame
                && keys.as_ref().is_none_or(|k| k.sequence < frame.sequence)
            {
                keys = Some(frame.clone());
            }
        }
        let keys = keys.ok_or_else(|| {
            Error::damaged("key table: no copy survives")
                .hint("restore the file from a copy; without a key table nothing can be decrypted")
        })?;
        let mut outdated = Vec::new();
        for (number, (name, frame)) in frames.into_iter().enumerate() {
            match frame {
                Some(frame) if frame == keys => {}
                Some(frame) if frame.sequence < keys.sequence => outdated.push(number),
                _ => rotten.push(format!("key table in the {name}")),
            }
        }
        Ok(Header { geometry: Geometry::of(&prologue), prologue, keys, rotten, outdated })
    }

    /// Writes everything of the header zone and slot 0 but the superblocks. For new files.
    pub fn write_new(&self, storage: &dyn Storage) -> std::io::Result<()> {
        let prologue = self.prologue.encode();
        for (_, base) in copy_bases(self.prologue.segment_bytes) {
            storage.write_at(base + PROLOGUE_OFFSET, &prologue)?;
        }
        Ok(())
    }

    /// Replaces the key table, copy by copy, each synced before the next is touched, so that at any
    /// instant a whole copy (old or new) exists.
    pub fn write_keys(&mut self, storage: &dyn Storage, keys: KeyFrame) -> Result<()> {
        for number in 0..4 {
            self.write_copy(storage, &keys, number)?;
        }
        self.keys = keys;
        self.outdated.clear();
        Ok(())
    }

    /// Ends a change of the key table that was cut short: writes it into the copies that are older, and
    /// into no other.
    pub fn end_change(&mut self, storage: &dyn Storage) -> Result<()> {
        for number in std::mem::take(&mut self.outdated) {
            self.write_copy(storage, &self.keys, number)?;
        }
        Ok(())
    }

    /// Writes one copy of the key table and syncs it.
    fn write_copy(&self, storage: &dyn Storage, keys: &KeyFrame, number: usize) -> Result<()> {
        let failed = |e| Error::io(Kind::Destination, "key table: not written", e);
        let (_, base) = copy_bases(self.prologue.segment_bytes)[number];
        storage.write_at(base + KEY_TABLE_OFFSET, &keys.encode()?).map_err(failed)?;
        storage.sync().map_err(failed)
    }

    /// The two superblock slots, each from its first whole copy, with the sector's bytes, and the
    /// number of copies (of four) that are not whole.
    pub fn superblocks(&self, storage: &dyn Storage) -> ([Option<WholeSuperblock>; 2], usize) {
        let mut rotten = 0;
        let slots = [SUPERBLOCK_0_OFFSET, SUPERBLOCK_1_OFFSET].map(|offset| {
            let copies = [0, HALF_BYTES].map(|base| {
                let sector = read_sector(storage, base + offset)?;
                Superblock::decode(&sector, &self.prologue.container).map(|block| (block, sector))
            });
            rotten += copies.iter().filter(|c| c.is_none()).count();
            let [first, second] = copies;
            match (first, second) {
                // A crash between the two copies leaves an older and a newer one: both are whole.
                (Some(a), Some(b)) => Some(if b.0.generation > a.0.generation { b } else { a }),
                (a, b) => a.or(b),
            }
        });
        (slots, rotten)
    }

    /// Writes both copies of superblock slot `slot` (a generation's is its parity). Not synced.
    pub fn write_superblock(
        storage: &dyn Storage,
        slot: u64,
        sector: &[u8; SECTOR_BYTES],
    ) -> std::io::Result<()> {
        let offset = if slot.is_multiple_of(2) { SUPERBLOCK_0_OFFSET } else { SUPERBLOCK_1_OFFSET };
        storage.write_at(offset, sector)?;
        storage.write_at(HALF_BYTES + offset, sector)
    }
}
