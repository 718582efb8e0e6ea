//! The command line: the only place with arguments, terminals and exit codes.

pub mod events;
pub mod interrupt;
pub mod output;
pub mod secrets;
pub mod values;
