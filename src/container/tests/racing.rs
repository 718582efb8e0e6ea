//! A reader that is overtaken: commits happen between its look at the superblocks and what they lead to.

use super::*;
use crate::storage::{Lock, Storage};
use std::io::Result as IoResult;
use std::sync::Mutex;

/// Does something once, before the first read behind the header.
struct Overtaken {
    disk: SimulatedDisk,
    before: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Storage for Overtaken {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> IoResult<()> {
        let first_slot = Header::read(&self.disk).expect("header").geometry.slot_offset(0);
        if offset >= first_slot
            && let Some(before) = self.before.lock().expect("alone").take()
        {
            before();
        }
        self.disk.read_at(offset, buffer)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> IoResult<()> {
        self.disk.write_at(offset, bytes)
    }
    fn len(&self) -> IoResult<u64> {
        self.disk.len()
    }
    fn set_len(&self, bytes: u64) -> IoResult<()> {
        self.disk.set_len(bytes)
    }
    fn allocate(&self, offset: u64, length: u64) -> IoResult<()> {
        self.disk.allocate(offset, length)
    }
    fn sync(&self) -> IoResult<()> {
        self.disk.sync()
    }
    fn punch(&self, offset: u64, length: u64) -> IoResult<()> {
        self.disk.punch(offset, length)
    }
    fn start_writeback(&self, offset: u64, length: u64) {
        self.disk.start_writeback(offset, length);
    }
    fn drop_cache(&self, offset: u64, length: u64) {
        self.disk.drop_cache(offset, length);
    }
    fn lock(&self, byte: u64, exclusive: bool) -> IoResult<Lock> {
        self.disk.lock(byte, exclusive)
    }
    fn unlock(&self, byte: u64) {
        self.disk.unlock(byte);
    }
    fn locked_by_others(&self, first: u64, count: u64) -> IoResult<Vec<u64>> {
        self.disk.locked_by_others(first, count)
    }
}

#[test]
fn a_reader_that_is_overtaken_looks_again() {
    let disk = SimulatedDisk::new();
    let mut container = new_container(&disk);
    commit(&mut container, 1, 0, 0).expect("commit");
    let header = Header::read(&disk).expect("header");
    let overtake = move || {
        (2..30).for_each(|seed| commit(&mut container, seed, 0, 0).expect("commit"));
        drop(container);
    };
    let storage = Overtaken { disk: disk.reopen(), before: Mutex::new(Some(Box::new(overtake))) };
    let reader = Container::open(Arc::new(storage), header, keyring(), "test", Access::Read).expect("open");
    assert!(!reader.has_fallen_back());
    assert_eq!((check(&reader), reader.notes().len()), (29, 0), "{:?}", reader.notes());
}
