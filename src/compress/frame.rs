//! The one shape of zstd frame that is accepted (`format-spec/compression.md`, Frames): single
//! segment, exact content size, no dictionary, no checksum, nothing before or behind. It promises
//! to say so before anything is allocated or decompressed.

use crate::error::{Error, Result};
use zstd::zstd_safe;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// In the frame header descriptor: the frame needs no window beyond its content.
const SINGLE_SEGMENT: u8 = 0b0010_0000;
/// Everything else in the descriptor that is neither the content size's width nor that flag.
const REFUSED: u8 = 0b0001_1111;

/// Fails unless `packed` is exactly one acceptable frame whose content is `length` bytes.
pub(super) fn check(packed: &[u8], length: usize) -> Result<()> {
    let Some((magic, rest)) = packed.split_first_chunk::<4>() else {
        return Err(Error::damaged("compressed chunk: too short for a frame"));
    };
    let Some((&descriptor, rest)) = rest.split_first() else {
        return Err(Error::damaged("compressed chunk: too short for a frame"));
    };
    if *magic != MAGIC {
        return Err(Error::damaged("compressed chunk: not a zstd frame"));
    }
    if descriptor & SINGLE_SEGMENT == 0 || descriptor & REFUSED != 0 {
        return Err(Error::damaged("compressed chunk: a frame of a shape that is never written"));
    }
    if content_size(descriptor, rest) != Some(length as u64) {
        return Err(Error::damaged(format!("compressed chunk: does not hold {length} bytes")));
    }
    match zstd_safe::find_frame_compressed_size(packed) {
        Ok(size) if size == packed.len() => Ok(()),
        Ok(_) => Err(Error::damaged("compressed chunk: bytes behind the frame")),
        Err(code) => Err(refused(code)),
    }
}

/// The frame's content size, of the width the descriptor gives; `None` if it is cut off.
fn content_size(descriptor: u8, rest: &[u8]) -> Option<u64> {
    Some(match descriptor >> 6 {
        0 => u64::from(*rest.first()?),
        1 => u64::from(u16::from_le_bytes(*rest.first_chunk()?)) + 256,
        2 => u64::from(u32::from_le_bytes(*rest.first_chunk()?)),
        _ => u64::from_le_bytes(*rest.first_chunk()?),
    })
}

/// What zstd said against a frame.
pub(super) fn refused(code: usize) -> Error {
    Error::damaged(format!("compressed chunk: {}", zstd_safe::get_error_name(code)))
}
