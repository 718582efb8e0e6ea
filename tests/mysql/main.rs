//! Tests against a live server: each starts a private MariaDB in a temporary folder (`server.rs`) and
//! fails where none is installed.

mod compare;
mod connecting;
mod doctor;
mod harness;
mod privileges;
mod load_odd;
mod proxy;
mod schemas;
mod server;
mod zoo;
mod snapshot;
