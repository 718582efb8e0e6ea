//! The command line: the only place with arguments, terminals and exit codes.

mod allocator;
pub mod args;
pub mod commands;
pub mod configured;
pub mod confirm;
pub mod context;
pub mod events;
pub mod interrupt;
mod other;
pub mod output;
mod run;
pub mod secrets;
pub mod server;

pub use run::main;
