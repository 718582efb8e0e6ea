//! What a user may do on a server, and what of that a dump or a load lacks. It promises to find a
//! missing right before it shows as an empty list: servers hide triggers, events, routines and
//! databases from whoever may not see them and report no error.

mod grants;
mod needs;

pub use grants::{Account, Privileges, Scope};
pub use needs::{DumpNeeds, Missing, Need, Purpose, Refusal, missing, refusal, statements};

#[cfg(test)]
mod tests;
