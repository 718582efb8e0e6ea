//! Unpacking. It promises exactly the authenticated length or a [`Kind::Damaged`] failure that
//! leaves the output as it was.
//!
//! [`Kind::Damaged`]: crate::error::Kind::Damaged

use super::{SAMPLES16, SAMPLES16_ODD, STORED, ZSTD, frame, samples};
use crate::error::{Error, Kind, Result};
use zstd::zstd_safe::DCtx;

/// Unpacks chunks; one per thread.
pub struct Decompressor {
    context: DCtx<'static>,
    filtered: Vec<u8>,
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl Decompressor {
    /// A decompressor for every codec this program knows.
    pub fn new() -> Decompressor {
        Decompressor { context: DCtx::create(), filtered: Vec::new() }
    }

    /// Appends to `out` the `length` bytes that `packed` stands for.
    ///
    /// `length` must be authenticated or bounded by the caller: that much is allocated. Fails with
    /// [`Kind::Damaged`], `out` unchanged, if `packed` is not exactly one chunk of that length, and
    /// with [`Kind::FutureVersion`] for an unknown codec.
    pub fn unpack(&mut self, codec: u8, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<()> {
        match codec {
            STORED if packed.len() == length => out.extend_from_slice(packed),
            STORED => {
                return Err(Error::damaged(format!(
                    "stored chunk: {} bytes instead of {length}",
                    packed.len()
                )));
            }
            ZSTD => inflate(&mut self.context, packed, length, out)?,
            SAMPLES16 | SAMPLES16_ODD => {
                self.filtered.clear();
                inflate(&mut self.context, packed, length, &mut self.filtered)?;
                samples::restore(&self.filtered, usize::from(codec - SAMPLES16), out);
            }
            _ => {
                return Err(Error::new(Kind::FutureVersion, format!("chunk of codec {codec}"))
                    .hint("a newer version of this program can read it"));
            }
        }
        Ok(())
    }
}

/// Appends the content of the one frame `packed`.
fn inflate(context: &mut DCtx<'static>, packed: &[u8], length: usize, out: &mut Vec<u8>) -> Result<()> {
    frame::check(packed, length)?;
    let before = out.len();
    out.resize(before + length, 0);
    match context.decompress(&mut out[before..], packed).map_err(frame::refused) {
        Ok(written) if written == length => Ok(()),
        other => {
            out.truncate(before);
            Err(other.err().unwrap_or_else(|| Error::damaged("compressed chunk: too short")))
        }
    }
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decompressor")
    }
}
