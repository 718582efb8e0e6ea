//! Bounds on everything that is read from a file, in one place (`format-spec/README.md`, Limits).
//! They promise that no hostile container makes a reader allocate or loop beyond them.

/// Size of a sector in bytes: the unit of checksums, parity and tearing.
pub const SECTOR_BYTES: usize = 4096;
/// Smallest segment: 1 MiB.
pub const MIN_SEGMENT_BYTES: usize = 1 << 20;
/// Largest segment: 64 MiB.
pub const MAX_SEGMENT_BYTES: usize = 64 << 20;
/// Longest chunk of plaintext: 768 KiB, so that one always fits in the smallest segment.
pub const MAX_CHUNK_BYTES: usize = 768 << 10;
/// Deepest nesting of list chunks.
pub const MAX_LIST_DEPTH: u8 = 5;
/// Longest path of an entry in bytes.
pub const MAX_PATH_BYTES: usize = 64 << 10;
/// Longest encoded entry: 16 MiB.
pub const MAX_ENTRY_BYTES: usize = 16 << 20;
/// Most key slots in a container.
pub const MAX_KEY_SLOTS: usize = 32;
/// Most epochs in a container.
pub const MAX_EPOCHS: usize = 64;
/// Most memory that Argon2id may be told to use: 2 GiB, in KiB.
pub const MAX_KDF_MEMORY_KIB: u32 = 2 << 20;
/// Most passes of Argon2id.
pub const MAX_KDF_PASSES: u32 = 64;
/// Most lanes of Argon2id.
pub const MAX_KDF_LANES: u32 = 64;
