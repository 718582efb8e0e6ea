//! The doubter's campaign against the engine: power loss, failing disks, damage, hostile plaintext,
//! a naive model, and smoke runs of every fuzz target, all on a simulated disk and from one seed.
//!
//! - `COFFER_CAMPAIGN=full` runs the full counts (hours); without it a share that takes minutes.
//! - `COFFER_SEED=N` chooses the seed (printed by what fails); without it always the same.

mod copies;
mod damage;
mod faults;
mod hostile;
mod memory;
mod model;
mod power;
mod prune;
mod repair;
mod rows;
mod smoke;
mod space;
mod targets;
mod world;
