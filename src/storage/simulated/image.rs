//! A sparse disk image that is cheap to copy: pages in shared groups, copied when written. It
//! promises that what was never written, or was cleared, reads as zeros and takes no page.
//!
//! Content and length are separate, because a crash separates them: only [`Image::cut`] ties them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes in a page, the unit of allocation.
pub(super) const PAGE_BYTES: u64 = 4096;
const GROUP_PAGES: u64 = 64;
const GROUP_BYTES: u64 = PAGE_BYTES * GROUP_PAGES;

type Page = [u8; PAGE_BYTES as usize];
type Group = [Option<Arc<Page>>; GROUP_PAGES as usize];

/// Content and length of a disk.
#[derive(Clone, Default)]
pub(super) struct Image {
    groups: BTreeMap<u64, Arc<Group>>,
    page_count: u64,
    /// The length in bytes.
    pub(super) len: u64,
}

/// A part of a page: its number, where in it the part begins, how long it is.
struct Part {
    page: u64,
    start: usize,
    length: usize,
}

/// The pages that a range touches, with the part of each.
fn parts(offset: u64, length: u64) -> impl Iterator<Item = Part> {
    let end = offset.saturating_add(length);
    let mut at = offset;
    std::iter::from_fn(move || {
        (at < end).then(|| {
            let start = at % PAGE_BYTES;
            let length = (PAGE_BYTES - start).min(end - at);
            let part = Part { page: at / PAGE_BYTES, start: start as usize, length: length as usize };
            at += length;
            part
        })
    })
}

impl Image {
    /// An image of these bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut image = Image::default();
        image.write(0, bytes);
        image.len = bytes.len() as u64;
        image
    }

    /// All bytes up to the length.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len as usize];
        self.read(0, &mut bytes);
        bytes
    }

    /// Bytes in allocated pages.
    pub(super) fn allocated_bytes(&self) -> u64 {
        self.page_count * PAGE_BYTES
    }

    /// Fills `buffer`, with zeros where nothing is; the length plays no part.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) {
        let mut done = 0;
        for part in parts(offset, buffer.len() as u64) {
            let target = &mut buffer[done..done + part.length];
            match self.page(part.page) {
                Some(page) => target.copy_from_slice(&page[part.start..part.start + part.length]),
                None => target.fill(0),
            }
            done += part.length;
        }
    }

    /// Puts bytes in place, allocating pages; the length stays.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        for part in parts(offset, bytes.len() as u64) {
            let slot = self.slot(part.page);
            let page = Arc::make_mut(slot.get_or_insert_with(|| Arc::new([0; PAGE_BYTES as usize])));
            page[part.start..part.start + part.length].copy_from_slice(&bytes[done..done + part.length]);
            done += part.length;
        }
    }

    /// Gives the range pages of zeros where it has none.
    pub(super) fn allocate(&mut self, offset: u64, length: u64) {
        let zeros = Arc::new([0; PAGE_BYTES as usize]);
        for part in parts(offset, length) {
            self.slot(part.page).get_or_insert_with(|| zeros.clone());
        }
    }

    /// How many bytes from `offset` on, at most `length`, fit if `free_bytes` may be allocated.
    pub(super) fn fitting(&self, offset: u64, length: u64, free_bytes: u64) -> u64 {
        let mut free = free_bytes / PAGE_BYTES;
        let mut fitting = 0;
        for part in parts(offset, length) {
            if self.page(part.page).is_none() {
                match free.checked_sub(1) {
                    Some(left) => free = left,
                    None => break,
                }
            }
            fitting += part.length as u64;
        }
        fitting
    }

    /// Makes a range zeros and frees the pages wholly inside; cheap however long the range is.
    pub(super) fn clear(&mut self, offset: u64, length: u64) {
        let end = offset.saturating_add(length);
        if offset >= end {
            return;
        }
        let mut freed = 0;
        for (number, group) in self.groups.range_mut(offset / GROUP_BYTES..=(end - 1) / GROUP_BYTES) {
            let group = Arc::make_mut(group);
            for (index, slot) in group.iter_mut().enumerate() {
                let first = number * GROUP_BYTES + index as u64 * PAGE_BYTES;
                let from = offset.clamp(first, first + PAGE_BYTES) - first;
                let to = end.clamp(first, first + PAGE_BYTES) - first;
                if to - from == PAGE_BYTES {
                    freed += u64::from(slot.take().is_some());
                } else if let (true, Some(page)) = (from < to, slot) {
                    Arc::make_mut(page)[from as usize..to as usize].fill(0);
                }
            }
        }
        self.groups.retain(|_, group| group.iter().any(Option::is_some));
        self.page_count -= freed;
    }

    /// Sets the length and clears what lies beyond it.
    pub(super) fn cut(&mut self, len: u64) {
        self.len = len;
        self.clear(len, u64::MAX - len);
    }

    fn page(&self, number: u64) -> Option<&Page> {
        let group = self.groups.get(&(number / GROUP_PAGES))?;
        group[(number % GROUP_PAGES) as usize].as_deref()
    }

    /// The place of a page that is about to be filled.
    fn slot(&mut self, number: u64) -> &mut Option<Arc<Page>> {
        let group = self.groups.entry(number / GROUP_PAGES);
        let group = group.or_insert_with(|| Arc::new(std::array::from_fn(|_| None)));
        let slot = &mut Arc::make_mut(group)[(number % GROUP_PAGES) as usize];
        self.page_count += u64::from(slot.is_none());
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn it_behaves_as_a_plain_vector() {
        let mut random = Random::new(7);
        let mut image = Image { len: 700_000, ..Image::default() };
        let mut model = vec![0_u8; 700_000];
        for step in 0..400 {
            let offset = random.below(600_000);
            let length = random.below(1 + [700, 20_000, 90_000][step % 3]);
            let range = offset as usize..(offset + length) as usize;
            let before = image.clone();
            match random.below(5) {
                0 => {
                    image.clear(offset, length);
                    model[range].fill(0);
                }
                1 => image.allocate(offset, length),
                2 if step % 9 == 0 => {
                    image.cut(offset);
                    model[offset as usize..].fill(0);
                    image.len = 700_000;
                }
                _ => {
                    image.write(offset, &vec![step as u8 | 1; length as usize]);
                    model[range].fill(step as u8 | 1);
                }
            }
            assert_eq!(image.to_vec(), model, "step {step}");
            let pages = image.groups.values().flat_map(|group| group.iter()).flatten().count();
            assert_eq!(image.page_count, pages as u64, "step {step}");
            drop(before);
        }
    }

    #[test]
    fn huge_ranges_cost_nothing() {
        let mut image = Image::from_bytes(&[5; 10_000]);
        image.clear(5_000, i64::MAX as u64);
        assert_eq!(image.allocated_bytes(), 2 * PAGE_BYTES);
        image.write(1 << 62, &[1]);
        image.cut(1);
        assert_eq!((image.allocated_bytes(), image.to_vec()), (PAGE_BYTES, vec![5]));
    }

    #[test]
    fn copies_do_not_share_what_is_written_later() {
        let mut image = Image::from_bytes(&[1; 5_000]);
        let copy = image.clone();
        image.write(0, &[2; 5_000]);
        image.clear(0, 4_096);
        assert_eq!(copy.to_vec(), [1; 5_000]);
    }

    #[test]
    fn only_missing_pages_need_room() {
        let image = Image::from_bytes(&[1; 4_096]);
        assert_eq!(image.fitting(100, 10_000, 0), 3_996);
        assert_eq!(image.fitting(100, 10_000, PAGE_BYTES), 3_996 + 4_096);
        assert_eq!(image.fitting(100, 10_000, 9 * PAGE_BYTES), 10_000);
    }
}
