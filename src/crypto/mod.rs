//! Keys, and what is done with them: derive, name, seal, open; key slots.
//!
//! Promises (`format-spec/crypto.md`): nothing is returned from a sealed object before it is
//! authenticated against its container, kind and place; equal secrets, place and content seal to
//! equal bytes; no secret appears in Debug output or outlives its owner in memory.

mod derivation;
mod entropy;
mod keyring;
mod object;
mod secrets;

pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use keyring::Keyring;
pub use object::{ObjectKind, Place, SEAL_OVERHEAD};
pub use secrets::Secrets;
