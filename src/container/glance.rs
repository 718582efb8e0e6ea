//! A short look at a container without a key: a bounded share of its live segments, against their
//! checksums (`format-spec/container.md`, Verification). It promises to stay within its bounds, to look
//! first where damage was found before and at the last commit's own segments, and that looks which go on
//! where the one before ended come by every segment. What it has not read it says nothing of.

use super::header::Header;
use super::scrub::{self, LiveSegments};
use super::segment::Health;
use crate::storage::Storage;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How much a [`glance`] reads at most; one segment it reads in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// In bytes.
    pub bytes: u64,
    /// After how long no further segment is read.
    pub time: Duration,
}

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glance {
    /// Segments that were read whole.
    pub segments: u64,
    /// Live segments that there are.
    pub of: u64,
    /// Where the next look goes on.
    pub next: u64,
    /// Slots of segments with damage that parity mends.
    pub mendable: BTreeSet<u32>,
    /// Slots of segments with damage beyond that.
    pub lost: BTreeSet<u32>,
}

impl Glance {
    /// Whether every live segment was read.
    pub fn is_whole(&self) -> bool {
        self.segments == self.of
    }
}

/// Looks at those of the `live` segments that are in the slots `first`, at the last commit's own, and
/// then goes on from `from`. What lies in the page cache is read from there: that is fast, and what rots
/// on a medium lies there long after the cache forgot it.
///
/// A commit that begins meanwhile overwrites nothing that is live, and neither does the one after it
/// until it is made: the findings hold if the newest generation is then still that of `live`.
pub fn glance(
    storage: &dyn Storage,
    header: &Header,
    live: &LiveSegments,
    first: &BTreeSet<u32>,
    from: u64,
    bounds: Bounds,
) -> Glance {
    let began = Instant::now();
    let size = header.geometry.segment_bytes as u64;
    let most = (bounds.bytes / size).max(1);
    let slots: Vec<u32> = live.hashes.keys().copied().collect();
    let mut found = Glance { of: slots.len() as u64, next: from, ..Glance::default() };
    let (mut seen, mut buffer) = (BTreeSet::new(), Vec::new());
    let mut look = |slot: u32, found: &mut Glance| {
        let Some(hash) = live.hashes.get(&slot) else { return true };
        if !seen.insert(slot) {
            return true;
        }
        if found.segments > 0 && (found.segments >= most || began.elapsed() >= bounds.time) {
            return false;
        }
        match scrub::check(storage, header, slot, *hash, &mut buffer) {
            Health::Whole => {}
            Health::Healed(_) => _ = found.mendable.insert(slot),
            Health::Dead(_) => _ = found.lost.insert(slot),
        }
        found.segments += 1;
        true
    };
    if !first.iter().chain(&live.closing).all(|slot| look(*slot, &mut found)) {
        return found;
    }
    for at in 0..found.of {
        let position = place(from.wrapping_add(at), found.of);
        let Some(slot) = usize::try_from(position).ok().and_then(|at| slots.get(at)) else { break };
        if !look(*slot, &mut found) {
            break;
        }
        found.next = from.wrapping_add(at).wrapping_add(1);
    }
    found
}

/// The place, among `count`, that is looked at in turn `turn`: any turns in a row lie far apart, and
/// `count` of them are all places.
fn place(turn: u64, count: u64) -> u64 {
    let golden = (count as f64 * 0.618_033_988_75) as u64;
    let step = (golden.max(1)..).find(|step| are_coprime(*step, count)).unwrap_or(1);
    (u128::from(turn) * u128::from(step) % u128::from(count.max(1))) as u64
}

fn are_coprime(a: u64, b: u64) -> bool {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests {
    use super::super::tests::{commit, new_container};
    use super::*;
    use crate::storage::SimulatedDisk;

    const ALL: Bounds = Bounds { bytes: u64::MAX, time: Duration::from_secs(60) };
    const ONE: Bounds = Bounds { bytes: 1, time: Duration::from_secs(60) };

    fn look(disk: &SimulatedDisk, first: &[u32], from: u64, bounds: Bounds) -> Glance {
        let header = Header::read(disk).expect("header");
        let live = LiveSegments::read(disk, &header).expect("map");
        glance(disk, &header, &live, &first.iter().copied().collect(), from, bounds)
    }

    #[test]
    fn every_place_has_its_turn_and_neighbours_in_time_lie_apart() {
        for count in [1, 2, 3, 4, 6, 10, 97, 1000, 250_000] {
            let places: BTreeSet<u64> = (0..count).map(|turn| place(u64::MAX / 2 + turn, count)).collect();
            assert_eq!(places.len() as u64, count);
        }
        let few: BTreeSet<u64> = (0..100).map(|turn| place(turn, 10_000)).collect();
        let gaps = few.iter().zip(few.iter().skip(1)).map(|(a, b)| b - a);
        assert!(gaps.max() < Some(300), "{few:?}");
    }

    #[test]
    fn damage_is_found_where_it_is_looked_for_and_within_bounds() {
        let disk = SimulatedDisk::new();
        let mut container = new_container(&disk);
        commit(&mut container, 1, 90, 100_000).expect("commit");
        let whole = look(&disk, &[], 0, ALL);
        assert!(whole.is_whole() && whole.of >= 7, "{whole:?}");
        assert_eq!((whole.lost.len(), whole.mendable.len()), (0, 0));
        let header = Header::read(&disk).expect("header");
        let live = LiveSegments::read(&disk, &header).expect("map");
        let data: Vec<u32> =
            live.hashes.keys().copied().filter(|slot| !live.closing.contains(slot)).collect();
        let zero = |slot: u32, sectors: usize| {
            let offset = header.geometry.slot_offset(slot) + 200_704;
            disk.write_at(offset, &vec![0; sectors * 4096]).expect("written");
        };
        zero(data[0], 2);
        zero(data[2], 60);
        let found = look(&disk, &[], 0, ALL);
        assert_eq!((&found.mendable, &found.lost), (&[data[0]].into(), &[data[2]].into()));
        // One segment at a time, each look going on where the last one ended.
        let (mut from, mut lost) = (1 << 40, BTreeSet::new());
        for _ in 0..found.of {
            let share = look(&disk, &[data[2]], from, ONE);
            assert_eq!((share.segments, &share.lost), (1, &[data[2]].into()), "what was bad comes first");
            let two = Bounds { bytes: (live.closing.len() as u64 + 1) << 20, ..ONE };
            let share = look(&disk, &[], from, two);
            assert!(share.segments <= live.closing.len() as u64 + 1);
            (from, lost) = (share.next, &lost | &share.lost);
        }
        assert_eq!(lost, [data[2]].into());
    }
}
