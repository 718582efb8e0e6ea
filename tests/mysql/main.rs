//! Tests against a live server: each starts a private MariaDB in a temporary folder (`server.rs`) and
//! fails where none is installed.

mod asked;
mod compare;
mod connecting;
mod definitions;
mod doctor;
mod dump_basic;
mod dump_faults;
mod dump_live;
mod dump_waits;
mod harness;
mod in_place;
mod kept;
mod load_crash;
mod load_odd;
mod load_parts;
mod long_values;
mod moving;
mod old_data;
mod privileges;
mod proxy;
mod schemas;
mod server;
mod snapshot;
mod trial;
mod unsaid;
mod zoo;
