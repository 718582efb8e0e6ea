//! Finding the last commit at open (`format-spec/container.md`, Opening). It promises the highest
//! generation whose authentication and root hold; if the newest superblock was torn in both
//! copies, the commit that had been synced before it is found by its root at a segment's end and
//! rolled forward; nothing is written here.

use super::checksums::{ChecksumTable, TableHash};
use super::header::{Header, WholeSuperblock};
use super::layout::SegmentHeader;
use super::root::{self, CommitRoot, Location, SegmentRecord};
use super::segment::{self, DirectoryEntry, Health, Trailer};
use super::superblock::{RootPointer, Superblock};
use super::{Base, Payload, State, join_parts, layout, read_copies};
use crate::crypto::ObjectKind;
use crate::error::{Error, Kind, Result};
use crate::ids::{RootHash, SegmentId};

/// What opening found.
pub struct Found {
    /// The state to use.
    pub state: State,
    /// What had to be worked around.
    pub notes: Vec<String>,
    /// Whether the state was found by scanning, so that its superblock should be written again.
    pub adopted: bool,
    /// Whether a newer commit exists whose root is damaged.
    pub fallen_back: bool,
}

/// Most times that a state is looked for anew because the file went on meanwhile.
const MAX_TURNS: usize = 100;

/// The newest whole state of the container. What another process commits meanwhile, giving up what the
/// superblocks of before led to, is no damage: it is looked for again.
pub fn newest(base: &Base, header: &Header) -> Result<Found> {
    for _ in 0..MAX_TURNS {
        if let Some(found) = newest_of_now(base, header)? {
            return Ok(found);
        }
    }
    Err(Error::new(Kind::Busy, format!("{}: commits follow too fast to read one", base.name())))
}

/// The same by the superblocks of this moment; `None` if they lead nowhere and are others by now.
fn newest_of_now(base: &Base, header: &Header) -> Result<Option<Found>> {
    let (slots, rotten) = header.superblocks(&*base.storage);
    let generations = generations(&slots);
    let lost = slots.iter().any(Option::is_none);
    let mut blocks: Vec<_> = slots.into_iter().flatten().collect();
    blocks.sort_by_key(|(block, _)| std::cmp::Reverse(block.generation));
    let mut notes: Vec<String> = header.rotten.iter().map(|what| format!("{what} is damaged")).collect();
    if !header.outdated.is_empty() {
        notes.push("a change of the keys was cut short; the next command that writes ends it".into());
    }
    if rotten > 0 {
        notes.push(format!("{rotten} of 4 superblock copies are damaged"));
    }
    let mut fallen_back = false;
    for (block, sector) in &blocks {
        match block.open_pointer(sector, &base.keyring).and_then(|p| load(base, p, block)) {
            Ok(state) => {
                let (newer, passed) = match lost || fallen_back {
                    true => scan(base, Some(&state))?,
                    false => (None, false),
                };
                let (newer, foreign) = match newer {
                    Some(newer) if is_contradicted(base, &blocks, &newer) => (None, true),
                    newer => (newer, false),
                };
                let (adopted, unusable) = (newer.is_some(), passed && !foreign);
                if adopted {
                    notes
                        .push("the last commit's superblock was lost; its root was found and adopted".into());
                    fallen_back = false;
                } else if foreign {
                    notes.push("another commit upon the same one stands in the file, a fork's".into());
                } else if unusable {
                    notes.push("a newer commit was found, but not all of its segments are whole".into());
                    fallen_back = true;
                }
                return Ok(Some(Found { state: newer.unwrap_or(state), notes, adopted, fallen_back }));
            }
            Err(_) if self::generations(&header.superblocks(&*base.storage).0) != generations => {
                return Ok(None);
            }
            Err(error) => {
                notes.push(format!("commit {} cannot be opened: {error}", block.generation));
                fallen_back = true;
            }
        }
    }
    by_its_root(base, &blocks, notes).map(Some)
}

/// The generations that the superblocks name.
fn generations(slots: &[Option<WholeSuperblock>; 2]) -> [Option<u64>; 2] {
    slots.each_ref().map(|slot| slot.as_ref().map(|(block, _)| block.generation))
}

/// Whether a superblock whose root pointer opens was written for another commit of the generation of
/// `state`, or a later one: that was acknowledged, so `state` is no commit of this file.
fn is_contradicted(base: &Base, blocks: &[WholeSuperblock], state: &State) -> bool {
    let own = state.root.generation;
    let newer = blocks.iter().filter(|(block, _)| block.generation >= own);
    newer
        .filter_map(|(block, sector)| {
            Some((block.generation, block.open_pointer(sector, &base.keyring).ok()?))
        })
        .any(|(generation, pointer)| generation > own || pointer.hash != state.hash)
}

/// The newest whole commit where none of the superblocks, `blocks`, leads to one.
fn by_its_root(base: &Base, blocks: &[WholeSuperblock], mut notes: Vec<String>) -> Result<Found> {
    match scan(base, None)? {
        (Some(state), passed) => {
            // A superblock is written after all that it names was synced: a higher one says that a
            // newer commit was acknowledged, however little of it is left.
            let outdated = passed
                || blocks.iter().any(|(b, _)| b.generation > state.root.generation)
                || is_contradicted(base, blocks, &state);
            let lost =
                if blocks.is_empty() { "both superblocks were lost" } else { "no superblock leads on" };
            notes.push(format!("{lost}; the newest whole commit was found by its root"));
            Ok(Found { state, notes, adopted: !outdated, fallen_back: outdated })
        }
        (None, _) => {
            Err(Error::damaged(format!("{}: no commit survives ({})", base.name(), notes.join("; ")))
                .hint("restore the file from a copy"))
        }
    }
}

/// The hash of the parent of `root`'s parent, if the other superblock still leads to that parent.
pub fn parent_of(base: &Base, header: &Header, root: &CommitRoot) -> Option<RootHash> {
    let generation = root.generation.checked_sub(1).filter(|before| *before > 1)?;
    let (slots, _) = header.superblocks(&*base.storage);
    let (block, sector) = slots.into_iter().flatten().find(|(block, _)| block.generation == generation)?;
    let pointer = block.open_pointer(&sector, &base.keyring).ok().filter(|p| p.hash == root.parent)?;
    let parent =
        pointer.copies.iter().find_map(|l| load_root(base, *l, pointer.length, &pointer.hash).ok())?;
    (parent.generation == generation).then_some(parent.parent)
}

/// The commit before `state`, by the other superblock.
pub fn predecessor(base: &Base, header: &Header, state: &State) -> Result<State> {
    let (slots, _) = header.superblocks(&*base.storage);
    let before = |block: &Superblock| block.generation.checked_add(1) == Some(state.root.generation);
    let found = slots.into_iter().flatten().find(|(block, _)| before(block));
    let (block, sector) =
        found.ok_or_else(|| Error::damaged(format!("{}: the commit before is lost, too", base.name())))?;
    load(base, block.open_pointer(&sector, &base.keyring)?, &block)
}

/// Loads root and segment table of one commit and proves them.
fn load(base: &Base, pointer: RootPointer, block: &Superblock) -> Result<State> {
    let mut last = None;
    for location in pointer.copies {
        match load_root(base, location, pointer.length, &pointer.hash) {
            Ok(root) if root.generation == block.generation => {
                let table = load_table(base, &root)?;
                let closing = block.closing.clone();
                return Ok(State { root, hash: pointer.hash, pointer, closing, table });
            }
            Ok(_) => last = Some(Error::damaged("commit root: another generation than the superblock's")),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::damaged("commit root: no copy")))
}

fn load_root(base: &Base, location: Location, length: u32, hash: &RootHash) -> Result<CommitRoot> {
    let payload = read_unlisted(base, ObjectKind::CommitRoot, location, length)?;
    match base.keyring.root_hash(&payload) == *hash {
        true => CommitRoot::decode(&payload, &base.geometry),
        false => Err(Error::damaged("commit root: not the one expected")),
    }
}

/// Reads an object of a segment that no table names yet: the segment's own header tells its id. A
/// header that is lost, or is another segment's, is rebuilt from the parity.
fn read_unlisted(base: &Base, kind: ObjectKind, location: Location, length: u32) -> Result<Payload> {
    let first = base.segment_header(location.slot);
    if let Ok(header) = &first
        && let Ok(payload) = base.read_object(kind, header, location, length)
    {
        return Ok(payload);
    }
    base.read_object(kind, &rebuilt_header(base, location.slot)?, location, length)
}

/// The header of a segment from its healed bytes.
fn rebuilt_header(base: &Base, slot: u32) -> Result<SegmentHeader> {
    // Without the header the segment id, and with it the table's hash, is unknown; so heal by
    // whichever table agrees with the sectors, then let the header prove itself.
    let mut bytes = base.read_segment(slot)?;
    segment::mend_blind(&base.geometry, &mut bytes);
    SegmentHeader::decode(&bytes)
        .filter(|h| h.container == base.container)
        .ok_or_else(|| Error::damaged(format!("{}: header of the segment in slot {slot}", base.name())))
}

/// Reads the segment table that `root` names. Its own segments are not yet known from a table, so
/// their headers tell who they are; the hashes in the root decide.
fn load_table(base: &Base, root: &CommitRoot) -> Result<Vec<SegmentRecord>> {
    let bytes = join_parts(base, ObjectKind::SegmentTable, &root.segment_table, |part| {
        read_copies(base, ObjectKind::SegmentTable, part, |location| {
            read_unlisted(base, ObjectKind::SegmentTable, location, part.length)
        })
    })?;
    root::decode_table(&bytes)
}

/// Looks at every segment's end for commit roots: children of `survivor`, or all. Returns the newest
/// whole commit, and whether a newer root was passed over because its segments are not whole.
fn scan(base: &Base, survivor: Option<&State>) -> Result<(Option<State>, bool)> {
    let length = base.storage.len().map_err(|e| base.io("length not read", e))?;
    let follows = |root: &CommitRoot| {
        survivor.is_none_or(|s| {
            root.parent == s.hash && Some(root.generation) == s.root.generation.checked_add(1)
        })
    };
    let roots = (1..base.geometry.slots_in(length)).filter_map(|slot| {
        let found = root_at_end(base, slot).filter(|found| follows(&found.root))?;
        Some((found.root.generation, found.root.time, slot))
    });
    let mut roots: Vec<_> = roots.collect();
    roots.sort_unstable();
    let newest = roots.last().map(|(generation, time, _)| (*generation, *time));
    for (generation, time, slot) in roots.into_iter().rev() {
        // Two attempts on one parent can both be whole if a reader kept them apart: the later counts.
        if let Some(state) = root_at_end(base, slot).and_then(|state| proven(base, state)) {
            return Ok((Some(state), Some((generation, time)) != newest));
        }
    }
    Ok((None, newest.is_some()))
}

/// The commit whose root the segment in `slot` holds; a lost header or trailer is mended.
fn root_at_end(base: &Base, slot: u32) -> Option<State> {
    let g = &base.geometry;
    let (header, trailer) = match segment_end(base, slot) {
        Some(end) => end,
        None => {
            let header = rebuilt_header(base, slot).or_else(|_| base.segment_header(slot)).ok()?;
            let (bytes, _) = base.read_mended(slot, Some(header.id)).ok()?;
            (header, segment::open_trailer(g, &base.keyring, &header, &bytes[g.trailer()]).ok()?)
        }
    };
    if trailer.root_length == 0 {
        return None;
    }
    let location = Location { slot, offset: trailer.root_offset };
    let payload = base.read_object(ObjectKind::CommitRoot, &header, location, trailer.root_length).ok()?;
    let hash = base.keyring.root_hash(&payload);
    let root = CommitRoot::decode(&payload, g).ok()?;
    let table = load_table(base, &root).ok()?;
    let pointer = RootPointer { copies: [location; 2], length: trailer.root_length, hash };
    Some(State { root, hash, pointer, closing: Vec::new(), table })
}

/// Header and trailer as they lie in the file.
fn segment_end(base: &Base, slot: u32) -> Option<(SegmentHeader, Trailer)> {
    let g = &base.geometry;
    let header = base.segment_header(slot).ok()?;
    let mut sealed = vec![0; g.trailer().len()];
    base.storage.read_at(g.slot_offset(slot) + g.trailer().start as u64, &mut sealed).ok()?;
    let trailer = segment::open_trailer(g, &base.keyring, &header, &sealed).ok()?;
    Some((header, trailer))
}

fn closing_slots(table: &[SegmentRecord], generation: u64) -> impl Iterator<Item = u32> {
    let closing = move |(_, r): &(usize, &SegmentRecord)| {
        r.live && r.generation == generation && r.directory_tag == [0; 16] && r.id != SegmentId::ZERO
    };
    table.iter().enumerate().filter(closing).map(|(slot, _)| slot as u32)
}

/// The state with both places of its root, if every segment that the commit wrote is whole and is
/// the one it wrote: then it had been synced in full. An attempt that was given up has the parent
/// and the segment ids of the one that followed it, so that ids alone prove nothing.
fn proven(base: &Base, mut state: State) -> Option<State> {
    let own = |r: &SegmentRecord| r.live && r.generation == state.root.generation && r.id != SegmentId::ZERO;
    let mut closing = Vec::new();
    let mut roots = Vec::new();
    for (slot, record) in state.table.iter().enumerate().filter(|(_, r)| own(r)) {
        let (tag, entries) = directory_of(base, slot as u32, record.id)?;
        if record.directory_tag != [0; 16] {
            if record.directory_tag != tag {
                return None;
            }
            continue;
        }
        let of_root =
            |e: &&DirectoryEntry| e.kind == ObjectKind::CommitRoot as u8 && e.content == state.hash.0;
        roots
            .extend(entries.iter().filter(of_root).map(|e| Location { slot: slot as u32, offset: e.offset }));
        closing.push((slot as u32, entries));
    }
    let bound = root::closing_hash(&base.keyring, &closing) == state.root.closing;
    match roots[..] {
        [first, second] if bound => {
            state.pointer.copies = [first, second];
            state.closing = closing_hashes(base, &state.table, state.root.generation);
            Some(state)
        }
        _ => None,
    }
}

/// Tag and entries of a segment's directory, if the segment is whole or can be mended.
fn directory_of(base: &Base, slot: u32, id: SegmentId) -> Option<([u8; 16], Vec<DirectoryEntry>)> {
    let (bytes, health) = base.read_mended(slot, Some(id)).ok()?;
    let header = SegmentHeader::decode(&bytes).filter(|h| h.id == id)?;
    let (trailer, entries) = segment::open_directory(&base.geometry, &base.keyring, &header, &bytes).ok()?;
    let end = (trailer.directory_offset + trailer.directory_length) as usize;
    (!matches!(health, Health::Dead(_))).then(|| (layout::array(&bytes, end - 16), entries))
}

/// Table hashes of a commit's closing segments, as far as they can be read.
fn closing_hashes(base: &Base, table: &[SegmentRecord], generation: u64) -> Vec<(u32, TableHash)> {
    let hash = |slot: u32| {
        let id = table[slot as usize].id;
        let (bytes, _) = base.read_mended(slot, Some(id)).ok()?;
        let first = &bytes[base.geometry.first_table()];
        ChecksumTable::decode(&base.geometry, &base.container, &id, first).map(|table| (slot, table.hash))
    };
    closing_slots(table, generation).filter_map(hash).collect()
}

/// The superblock of a state, made anew.
pub fn superblock_of(base: &Base, state: &State) -> Superblock {
    Superblock {
        container: base.container,
        generation: state.root.generation,
        epoch: base.keyring.epoch(),
        slot_count: state.root.slot_count,
        slot_map: state.root.slot_map.clone(),
        closing: state.closing.clone(),
    }
}
