//! Identifiers as distinct types, so that none can be taken for another. They promise a total
//! order by bytes and print as lower-case hexadecimal.

use crate::codec::{Decode, Encode};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// All zeros: the value that stands for "none".
            pub const ZERO: Self = Self([0; $len]);
            /// The length in bytes.
            pub const LEN: usize = $len;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

id!(
    /// Random name of one container (`format-spec/container.md`, Prologue).
    ContainerId, 16
);
id!(
    /// Random name shared by a container and its copies (`format-spec/container.md`, Prologue).
    FamilyId, 16
);
id!(
    /// Name of one written segment, derived from the parent commit (`format-spec/container.md`, Segments).
    SegmentId, 16
);
id!(
    /// Keyed BLAKE3 of a chunk's kind and plaintext (`format-spec/crypto.md`, Names and hashes).
    ChunkId, 32
);
id!(
    /// Keyed BLAKE3 of a commit root's plaintext; zero for the parent of the first commit.
    RootHash, 32
);
id!(
    /// First bytes of the keyed BLAKE3 of a snapshot's record.
    SnapshotId, 16
);
