//! Keys, and what is done with them: derive, name, seal, open; key slots.
//!
//! Promises (`format-spec/crypto.md`): nothing is returned from a sealed object before it is
//! authenticated against its container, kind and place; equal secrets, place and content seal to
//! equal bytes; no secret appears in Debug output or outlives its owner in memory.

mod credential;
mod derivation;
mod entropy;
mod kdf;
pub mod key_file;
mod key_slot;
mod key_table;
mod keyring;
mod object;
pub mod recovery;
mod sealed_box;
mod secrets;
#[cfg(test)]
mod vectors;

pub use credential::{Credential, RECOVERY_BYTES, SlotKind};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use kdf::KdfCost;
pub use key_slot::{KeySlot, NewSlot};
pub use key_table::{KeyTable, MAX_KEY_TABLE_BYTES};
pub use keyring::Keyring;
pub use object::{ObjectKind, Place, SEAL_OVERHEAD};
pub use secrets::Secrets;
