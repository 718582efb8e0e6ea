//! Power loss. It promises that every image it makes could follow a real crash: what was synced is
//! there; each later change is kept, lost or torn at 512-byte sectors on its own; the length is the
//! old one, the new one or between; what was never written is zeros. Seeds replay.

use super::SimulatedDisk;
use super::change::{Change, Fate};
use super::image::Image;
use super::random::Random;
use std::sync::Arc;

/// One recorded operation.
#[derive(Clone)]
pub(super) enum Event {
    /// It changed something, in the cache so far.
    Changed(Arc<Change>),
    /// Everything before it became durable.
    Synced,
    /// It failed, and everything before it will never become durable.
    Dropped,
    /// It failed or had no effect.
    Nothing,
}

/// What is on the medium and what waits for a sync.
#[derive(Clone, Default)]
pub(super) struct Medium {
    pub(super) durable: Image,
    pub(super) pending: Vec<Arc<Change>>,
}

impl Medium {
    /// Takes one operation into account.
    pub(super) fn follow(&mut self, event: &Event) {
        match event {
            Event::Changed(change) => self.pending.push(change.clone()),
            Event::Synced => {
                for change in self.pending.drain(..) {
                    change.apply_content(&mut self.durable);
                    self.durable.len = change.len;
                }
                let len = self.durable.len;
                self.durable.cut(len);
            }
            Event::Dropped => self.pending.clear(),
            Event::Nothing => {}
        }
    }

    /// The image after a power loss now; the first seeds are the plainest losses.
    pub(super) fn crash(&self, seed: u64) -> Image {
        let last = self.pending.len().saturating_sub(1);
        let newest = self.pending.last().map_or(self.durable.len, |change| change.len);
        let mut random = Random::new(seed);
        match seed {
            0 => self.survivor(&mut random, |_, _| Fate::Lost, self.durable.len),
            1 => self.survivor(&mut random, |_, _| Fate::Kept, newest),
            2 => self.survivor(&mut random, |i, _| if i == last { Fate::Kept } else { Fate::Lost }, newest),
            3 => self.survivor(&mut random, |i, _| if i == 0 { Fate::Lost } else { Fate::Kept }, newest),
            4 => self.survivor(&mut random, |_, _| Fate::Kept, self.durable.len),
            5 => self.survivor(&mut random, |_, _| Fate::Lost, newest),
            6 => self.survivor(&mut random, |i, _| if i == last { Fate::Torn } else { Fate::Kept }, newest),
            _ => {
                let len = self.some_length(&mut random, newest);
                let (kept, torn) = (random.below(9), random.below(9));
                let fate = |_, random: &mut Random| match () {
                    () if random.below(8) < torn => Fate::Torn,
                    () if random.below(8) < kept => Fate::Kept,
                    () => Fate::Lost,
                };
                self.survivor(&mut random, fate, len)
            }
        }
    }

    /// The durable image with what survives of each change, cut to `len`.
    fn survivor(&self, random: &mut Random, fate: impl Fn(usize, &mut Random) -> Fate, len: u64) -> Image {
        let mut image = self.durable.clone();
        for (index, change) in self.pending.iter().enumerate() {
            let fate = fate(index, random);
            change.apply(&mut image, fate, random);
        }
        image.cut(len);
        image
    }

    /// The old length, the newest, one that the file had in between, or any between.
    fn some_length(&self, random: &mut Random, newest: u64) -> u64 {
        let old = self.durable.len;
        let lengths = self.pending.iter().map(|change| change.len);
        let (low, high) = lengths.clone().fold((old, old), |(low, high), len| (low.min(len), high.max(len)));
        match random.below(4) {
            0 => old,
            1 => newest,
            2 => {
                let which = random.below(self.pending.len() as u64);
                lengths.clone().nth(which as usize).unwrap_or(old)
            }
            _ => low + random.below(high - low + 1),
        }
    }
}

/// The medium when recording began, and every operation since.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) first: u64,
    pub(super) medium: Medium,
    pub(super) events: Vec<Event>,
}

/// A moment at which the power may fail: right before one operation.
pub struct CrashPoint {
    /// How many operations ([`SimulatedDisk::operations`]) were over at this moment.
    pub operation: u64,
    medium: Medium,
}

impl CrashPoint {
    /// A fresh disk as a power loss at this moment may leave it; equal seeds, equal disks.
    ///
    /// Seeds 0 to 6 are the plain losses: nothing unsynced survives; everything does; only the last
    /// change; all but the first; every byte but the old length; the new length but no byte; all,
    /// with the last change torn. Larger seeds mix at random.
    pub fn image(&self, seed: u64) -> SimulatedDisk {
        SimulatedDisk::from_image(self.medium.crash(seed))
    }

    /// How many changes no sync had made durable; with 0 every seed gives the same disk.
    pub fn unsynced_count(&self) -> usize {
        self.medium.pending.len()
    }
}

/// All crash points of a recorded run in order: one before each operation and one after the last.
pub struct CrashPoints {
    log: Log,
    next: usize,
}

impl CrashPoints {
    pub(super) fn new(log: Log) -> Self {
        CrashPoints { log, next: 0 }
    }
}

impl Iterator for CrashPoints {
    type Item = CrashPoint;

    fn next(&mut self) -> Option<CrashPoint> {
        if let Some(previous) = self.next.checked_sub(1) {
            let event = self.log.events.get(previous)?;
            self.log.medium.follow(event);
        }
        let operation = self.log.first + self.next as u64;
        self.next += 1;
        Some(CrashPoint { operation, medium: self.log.medium.clone() })
    }
}
