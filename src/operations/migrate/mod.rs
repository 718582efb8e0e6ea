//! Moving to another server, with the container alone between the machines. It promises that what the
//! new machine must have is told from the snapshot, all of it before anything is touched; that what
//! was moved is proven there (rows by count and checksum, files byte by byte, users statement by
//! statement); and a list of what is left for a person.
//!
//! The work itself is that of backup, verify, the load of [`crate::mysql::load`] and restore: here is
//! only what belongs to a move.

mod checks;
mod facts;
mod moving;
mod report;
mod users;

pub use checks::{Check, Surroundings, check};
pub use facts::{Facts, MovedDatabase};
pub use moving::Moving;
pub use report::{MigrationReport, Stage};
pub use users::{Accounts, compare_users};
