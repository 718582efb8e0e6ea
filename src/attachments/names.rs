//! The names in one folder, sorted by bytes and packed: a folder of a million names costs little
//! more than its names.

use rustix::fs::RawDir;
use rustix::io::Result;
use std::ffi::CStr;
use std::os::fd::AsFd;

/// The names in a folder, without `.` and `..`.
#[derive(Debug, Default)]
pub struct Names {
    /// The names one after the other, each with its NUL.
    bytes: Vec<u8>,
    /// Where each begins, in the order of the names.
    starts: Vec<usize>,
}

impl Names {
    /// Reads the names of the open folder `fd`, whose position must be at its beginning. What could
    /// be read before an error is returned with it.
    pub fn read(fd: impl AsFd, buffer: &mut Vec<u8>) -> (Names, Result<()>) {
        let mut names = Names::default();
        buffer.clear();
        buffer.reserve(64 << 10);
        let mut listing = RawDir::new(fd, buffer.spare_capacity_mut());
        let mut result = Ok(());
        while let Some(item) = listing.next() {
            match item {
                Ok(item) => names.push(item.file_name()),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        let Names { bytes, starts } = &mut names;
        starts.sort_unstable_by(|&a, &b| name_at(bytes, a).cmp(name_at(bytes, b)));
        // A folder that changes while it is listed may show a name twice.
        starts.dedup_by(|a, b| name_at(bytes, *a) == name_at(bytes, *b));
        (names, result)
    }

    fn push(&mut self, name: &CStr) {
        if !matches!(name.to_bytes(), b"" | b"." | b"..") {
            self.starts.push(self.bytes.len());
            self.bytes.extend_from_slice(name.to_bytes_with_nul());
        }
    }

    /// The name at `index`.
    pub fn get(&self, index: usize) -> Option<&CStr> {
        self.starts.get(index).map(|&start| name_at(&self.bytes, start))
    }
}

fn name_at(bytes: &[u8], start: usize) -> &CStr {
    CStr::from_bytes_until_nul(&bytes[start..]).unwrap_or_default()
}
