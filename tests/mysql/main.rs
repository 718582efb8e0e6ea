//! Tests against a live server: each starts a private MariaDB in a temporary folder (`server.rs`) and
//! fails where none is installed.

mod compare;
mod connecting;
mod doctor;
mod harness;
mod load_odd;
mod dump_basic;
mod kept;
mod privileges;
mod proxy;
mod schemas;
mod server;
mod snapshot;
mod zoo;
