//! Extended attributes, POSIX ACLs among them (as raw `system.posix_acl_*` values). It promises
//! sorted names, bounded memory and that a file system without attributes is no problem.

use crate::entry::Attribute;
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::os::fd::AsFd;

/// Most bytes of attributes that one thing may have: half of what an entry may hold.
pub const MAX_ATTRIBUTE_BYTES: usize = crate::limits::MAX_ENTRY_BYTES / 2;

/// Where attributes are read from or written to.
pub enum Place<'a, Fd: AsFd> {
    /// An open file or folder.
    Opened(Fd),
    /// A path whose last component is not followed.
    Path(&'a [u8]),
    /// The path of a descriptor below `/proc`, which leads to what is open there.
    Descriptor(&'a [u8]),
}

impl<Fd: AsFd> Place<'_, Fd> {
    fn list(&self, buffer: &mut [u8]) -> Result<usize> {
        match self {
            Place::Opened(fd) => rustix::fs::flistxattr(fd, buffer),
            Place::Path(path) => rustix::fs::llistxattr(*path, buffer),
            Place::Descriptor(path) => rustix::fs::listxattr(*path, buffer),
        }
    }

    fn get(&self, name: &[u8], buffer: &mut [u8]) -> Result<usize> {
        match self {
            Place::Opened(fd) => rustix::fs::fgetxattr(fd, name, buffer),
            Place::Path(path) => rustix::fs::lgetxattr(*path, name, buffer),
            Place::Descriptor(path) => rustix::fs::getxattr(*path, name, buffer),
        }
    }

    /// Sets one attribute.
    pub fn set(&self, attribute: &Attribute) -> Result<()> {
        let flags = rustix::fs::XattrFlags::empty();
        let name = CString::new(attribute.name.as_slice()).map_err(|_| Errno::INVAL)?;
        match self {
            Place::Opened(fd) => rustix::fs::fsetxattr(fd, &name, &attribute.value, flags),
            Place::Path(path) => rustix::fs::lsetxattr(*path, &name, &attribute.value, flags),
            Place::Descriptor(path) => rustix::fs::setxattr(*path, &name, &attribute.value, flags),
        }
    }

    /// Removes one attribute.
    pub fn remove(&self, name: &[u8]) -> Result<()> {
        match self {
            Place::Opened(fd) => rustix::fs::fremovexattr(fd, name),
            Place::Path(path) => rustix::fs::lremovexattr(*path, name),
            Place::Descriptor(path) => rustix::fs::removexattr(*path, name),
        }
    }

    /// All attributes, sorted by name; fails with [`Errno::TOOBIG`] beyond [`MAX_ATTRIBUTE_BYTES`].
    pub fn read(&self) -> Result<Vec<Attribute>> {
        let mut small = [0u8; 1024];
        let list = match self.list(&mut small) {
            Ok(0) | Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
            Ok(length) => small[..length].to_vec(),
            Err(Errno::RANGE) => grown(|buffer| self.list(buffer))?,
            Err(error) => return Err(error),
        };
        let mut attributes = Vec::new();
        let mut total = 0usize;
        for name in list.split(|&b| b == 0).filter(|name| !name.is_empty()) {
            let value = match self.get(name, &mut small) {
                Ok(length) => small[..length].to_vec(),
                Err(Errno::RANGE) => grown(|buffer| self.get(name, buffer))?,
                // Removed since it was listed, or listed by a file system that gives no value.
                Err(Errno::NODATA | Errno::NOTSUP) => continue,
                Err(error) => return Err(error),
            };
            total += name.len() + value.len() + 16;
            if total > MAX_ATTRIBUTE_BYTES {
                return Err(Errno::TOOBIG);
            }
            attributes.push(Attribute { name: name.to_vec(), value });
        }
        attributes.sort();
        Ok(attributes)
    }
}

/// Whether an attribute is the thing's own: others are given by the system, or only by root.
pub fn is_own(attribute: &Attribute) -> bool {
    attribute.name.starts_with(b"user.") || attribute.name.starts_with(b"system.posix_acl_")
}

/// Calls `read` with growing buffers until the result fits.
fn grown(read: impl Fn(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    let mut buffer = vec![0u8; 16 << 10];
    loop {
        match read(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < MAX_ATTRIBUTE_BYTES => buffer.resize(buffer.len() * 4, 0),
            Err(error) => return Err(error),
        }
    }
}
