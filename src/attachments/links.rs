//! Which names share an inode. It promises that of several names of one thing, within one backup
//! and across its sources, exactly the first becomes the thing and the others become hard links,
//! and that what it remembers is dropped once all names were met.

use super::inspect;
use crate::clock::Timestamp;
use crate::entry::EntryPath;
use rustix::fs::Stat;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The things with several names that one backup has met; clones share their memory.
#[derive(Clone, Debug, Default)]
pub struct HardLinks {
    seen: Arc<Mutex<HashMap<Identity, Seen>>>,
}

/// Device, inode, size and time of the content: an inode number that was given to another file while
/// the backup runs is not taken for the same file, and a file that changed is read again.
type Identity = (u64, u64, u64, Timestamp);

#[derive(Debug)]
struct Seen {
    first: EntryPath,
    names_left: u64,
}

impl HardLinks {
    /// Nothing met yet.
    pub fn new() -> Self {
        HardLinks::default()
    }

    /// The first path of the inode, if `path` is a later one; else remembers `path` as the first.
    pub fn first_path(&self, stat: &Stat, path: &EntryPath) -> Option<EntryPath> {
        let names = u64::from(stat.st_nlink as u32);
        if names < 2 {
            return None;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (stat.st_dev, stat.st_ino, inspect::size(stat), inspect::modified(stat));
        let Some(known) = seen.get_mut(&key) else {
            seen.insert(key, Seen { first: path.clone(), names_left: names - 1 });
            return None;
        };
        known.names_left -= 1;
        match known.names_left {
            0 => seen.remove(&key).map(|s| s.first),
            _ => Some(known.first.clone()),
        }
    }
}
