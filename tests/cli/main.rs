//! The program as its users meet it: the real binary, real files, real signals. Most tests are the
//! cases in `cases/`, which `case.rs` explains; the rest needs more than a script can do.

mod case;
mod damage;
mod equal;
mod faithful;
mod held;
mod killed;
mod program;
#[path = "../mysql/server.rs"]
mod server;
mod setup;
mod shown;
mod signals;
mod tree;
