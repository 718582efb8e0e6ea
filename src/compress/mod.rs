//! Compression of single chunks (`format-spec/compression.md`). It promises that what is packed
//! depends only on the level and the plaintext, that nothing is handed out packed which was not
//! unpacked and compared first, and that unpacking hostile bytes neither panics nor allocates
//! beyond the length its caller has authenticated.

mod compressor;
mod decompressor;
mod frame;

pub use compressor::Compressor;
pub use decompressor::Decompressor;

/// Codec number: the plaintext as it is.
pub const STORED: u8 = 0;
/// Codec number: one zstd frame.
pub const ZSTD: u8 = 1;

#[cfg(test)]
mod tests;
