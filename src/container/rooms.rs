//! Where metadata goes at the end of a commit: a pure placement (`format-spec/container.md`,
//! Commit). It promises two copies of every object, in different segments where there are two, else at
//! the two ends of one; and, being pure, that it can be tried out before anything is written.

use super::geometry::Geometry;
use super::segment::{DIRECTORY_BASE_BYTES, DIRECTORY_ENTRY_BYTES};

/// The free space of one segment: objects grow from both ends, the directory fits between.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    front: usize,
    back: usize,
    entries: usize,
}

impl Room {
    /// An empty segment.
    pub fn new(g: &Geometry) -> Room {
        Room { front: g.objects().start, back: g.objects().end, entries: 0 }
    }

    /// Whether `count` more objects of `bytes` bytes in all fit.
    pub fn fits(&self, bytes: usize, count: usize) -> bool {
        let directory = DIRECTORY_BASE_BYTES + (self.entries + count) * DIRECTORY_ENTRY_BYTES;
        self.front + bytes + directory <= self.back
    }

    /// Takes `bytes` bytes at the front; the caller has checked that they fit.
    pub fn take_front(&mut self, bytes: usize) -> u32 {
        let offset = self.front;
        (self.front, self.entries) = (offset + bytes, self.entries + 1);
        offset as u32
    }

    /// Takes `bytes` bytes at the back; the caller has checked that they fit.
    pub fn take_back(&mut self, bytes: usize) -> u32 {
        (self.back, self.entries) = (self.back - bytes, self.entries + 1);
        self.back as u32
    }

    /// Where the directory goes: behind the front objects.
    pub fn directory_offset(&self) -> u32 {
        self.front as u32
    }

    /// Bytes still free for objects of one more entry.
    pub fn free(&self) -> usize {
        let directory = DIRECTORY_BASE_BYTES + (self.entries + 1) * DIRECTORY_ENTRY_BYTES;
        (self.back - self.front).saturating_sub(directory)
    }
}

/// The segments open at the end of a commit and which two take the copies.
#[derive(Clone, Debug)]
pub struct Rooms {
    geometry: Geometry,
    rooms: Vec<Room>,
    first: usize,
    second: usize,
}

/// A room's index and an offset in it.
pub type Spot = (usize, u32);

impl Rooms {
    /// Starts with one room for both copies.
    pub fn shared(g: &Geometry, room: Room) -> Rooms {
        Rooms { geometry: *g, rooms: vec![room], first: 0, second: 0 }
    }

    /// Starts with a room for each copy.
    pub fn apart(g: &Geometry, first: Room, second: Room) -> Rooms {
        Rooms { geometry: *g, rooms: vec![first, second], first: 0, second: 1 }
    }

    /// How many rooms there are by now.
    pub fn count(&self) -> usize {
        self.rooms.len()
    }

    /// The room at `index`.
    pub fn room(&self, index: usize) -> &Room {
        &self.rooms[index]
    }

    /// Places two copies of `bytes` bytes, opening rooms as needed.
    pub fn place(&mut self, bytes: usize) -> [Spot; 2] {
        if self.first == self.second && !self.rooms[self.first].fits(2 * bytes, 2) {
            self.first = self.open();
            self.second = self.open();
        }
        if self.first == self.second {
            let room = &mut self.rooms[self.first];
            return [(self.first, room.take_front(bytes)), (self.first, room.take_back(bytes))];
        }
        if !self.rooms[self.first].fits(bytes, 1) {
            self.first = self.open();
        }
        if !self.rooms[self.second].fits(bytes, 1) {
            self.second = self.open();
        }
        [self.first, self.second].map(|index| (index, self.rooms[index].take_front(bytes)))
    }

    fn open(&mut self) -> usize {
        self.rooms.push(Room::new(&self.geometry));
        self.rooms.len() - 1
    }

    /// How many rooms there would be after placing objects of these sizes.
    pub fn count_after(&self, sizes: impl Iterator<Item = usize>) -> usize {
        let mut trial = self.clone();
        sizes.for_each(|bytes| {
            trial.place(bytes);
        });
        trial.count()
    }
}
