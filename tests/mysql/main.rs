//! Tests against a live server: each starts a private MariaDB in a temporary folder (`server.rs`) and
//! fails where none is installed.

mod harness;
mod proxy;
mod server;
