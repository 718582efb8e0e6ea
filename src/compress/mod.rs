//! Compression of single chunks (`format-spec/compression.md`). It promises that what is packed
//! depends only on the level and the plaintext, that nothing is handed out packed which was not
//! unpacked and compared first, and that unpacking hostile bytes neither panics nor allocates
//! beyond the length its caller has authenticated.

mod compressor;
mod decompressor;
mod frame;
mod samples;

pub use compressor::Compressor;
pub use decompressor::Decompressor;

/// Codec number: the plaintext as it is.
pub const STORED: u8 = 0;
/// Codec number: one zstd frame.
pub const ZSTD: u8 = 1;
/// Codec number: one zstd frame of differences of 16-bit samples that start at the first byte.
pub const SAMPLES16: u8 = 2;
/// Codec number: the same with samples that start at the second byte.
pub const SAMPLES16_ODD: u8 = 3;

#[cfg(test)]
mod tests;
