//! Content-defined cutting of byte streams into chunks (`format-spec/chunking.md`, Cutting). It
//! promises that the cut points depend on nothing but the key, the sizes and the bytes, however
//! the bytes arrive; that every chunk but a stream's last holds `min..=max` bytes; and that an
//! edit moves only cuts in its neighbourhood.

mod cutter;
mod gear;
mod sizes;

pub use cutter::Cutter;
pub use gear::GearTable;
pub use sizes::Sizes;

#[cfg(test)]
mod tests;
