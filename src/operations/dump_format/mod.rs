//! A container shown by the names of its specification: for whoever learns the format, doubts a
//! file, or writes a reader. It promises to read only, to say of every check whether it holds
//! instead of stopping at the first that fails, and to give bounded output whatever the file holds.
//! Each section names the part of `format-spec/` that defines it.

mod clear;
mod sealed;
#[cfg(test)]
mod tests;

use crate::container::header::{Header, copy_bases};
use crate::crypto::Keyring;
use crate::error::Result;
use crate::limits::SECTOR_BYTES;
use crate::storage::Storage;

/// One field of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Offset in the structure in bytes: on disk for clear ones, in the plaintext for sealed ones.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
    /// The specification's name for it.
    pub name: String,
    /// Its value, for people.
    pub value: String,
}

/// One structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Which one it is.
    pub title: String,
    /// Where it is defined, such as `container.md, Prologue`.
    pub specification: &'static str,
    /// Where it begins in the file.
    pub at: u64,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// What to show.
#[derive(Clone, Copy, Debug)]
pub struct DumpOptions {
    /// Only this slot's segment, in full; `None`: everything else, with the headers of segments.
    pub slot: Option<u32>,
    /// Most lines of any table: slots, directory entries, runs.
    pub most: usize,
}

impl Default for DumpOptions {
    fn default() -> Self {
        DumpOptions { slot: None, most: 64 }
    }
}

/// Describes a file. Without `keyring`, what lies in clear; with it, also what is sealed.
///
/// Errors: as [`Header::read`], if no prologue or key table survives.
pub fn describe(
    storage: &dyn Storage,
    keyring: Option<&Keyring>,
    options: &DumpOptions,
) -> Result<Vec<Section>> {
    let header = Header::read(storage)?;
    let mut sections = Vec::new();
    if let Some(slot) = options.slot {
        sections.push(clear::segment_header(storage, &header, slot));
        sections.extend(clear::checksum_tables(storage, &header, slot));
        if let Some(keyring) = keyring {
            sections.extend(sealed::segment(storage, &header, keyring, slot, options.most));
        }
        return Ok(sections);
    }
    for (name, base) in copy_bases(header.prologue.segment_bytes) {
        sections.push(clear::prologue(storage, name, base));
        sections.push(clear::key_frame(storage, name, base));
    }
    sections.extend(clear::superblocks(storage));
    sections.push(clear::slot_map(storage, &header, options.most));
    sections.push(clear::segments(storage, &header, options.most));
    if let Some(keyring) = keyring {
        sections.extend(sealed::state(storage, &header, keyring, options.most));
    }
    Ok(sections)
}

impl Section {
    fn new(title: impl Into<String>, specification: &'static str, at: u64) -> Section {
        Section { title: title.into(), specification, at, fields: Vec::new() }
    }

    fn add(&mut self, offset: usize, size: usize, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        self.fields.push(Field { offset: offset as u64, size: size as u64, name, value });
    }

    fn hex(&mut self, bytes: &[u8], offset: usize, size: usize, name: &str) {
        let value = bytes.get(offset..offset + size).map_or("missing".into(), hex);
        self.add(offset, size, name, value);
    }

    fn number(&mut self, bytes: &[u8], offset: usize, size: usize, name: &str) {
        let value = bytes.get(offset..offset + size).map_or("missing".into(), |b| number(b).to_string());
        self.add(offset, size, name, value);
    }

    /// Says how many lines of a table were left out, if any.
    fn left_out(&mut self, count: usize, most: usize) {
        if count > most {
            self.add(0, 0, "…", format!("{} more", count - most));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Up to eight little-endian bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Bytes of the file; zeros and `false` where they cannot be read.
fn read(storage: &dyn Storage, at: u64, length: usize) -> (Vec<u8>, bool) {
    let mut bytes = vec![0; length];
    let whole = storage.read_at(at, &mut bytes).is_ok();
    if !whole {
        bytes.fill(0);
    }
    (bytes, whole)
}

fn sector(storage: &dyn Storage, at: u64) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    if storage.read_at(at, &mut sector).is_err() {
        sector.fill(0);
    }
    sector
}
