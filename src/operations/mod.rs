//! What a user asks for: backup, restore, verify and the rest, each planned first, then applied.

pub mod backup;
pub mod client_state;
pub mod copy;
pub mod databases;
pub mod doctor;
pub mod drill;
pub mod dump_format;
pub mod family;
pub mod inspect;
pub mod keys;
pub mod losses;
pub mod migrate;
pub mod old_data;
pub mod paper;
pub mod pins;
pub mod practice;
pub mod profile;
pub mod prune;
pub mod rekeying;
pub mod repair;
pub mod restore;
pub mod retain;
pub mod rotation;
pub mod scratch;
pub mod select;
pub mod server_restore;
pub mod session;
pub mod settings;
pub mod verify;
pub mod verify_share;

#[cfg(test)]
mod tests;
