//! Tests against a live server: each starts a private MariaDB in a temporary folder (`server.rs`) and
//! fails where none is installed. With COFFER_TEST_MYSQL=target/mysql-server they start the MySQL that
//! `tests/mysql-server` has brought there (`tests/run --mysql` does both); a test of what only the other
//! vendor has says so aloud.

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
mod invented;
mod kept;
mod load_again;
mod load_crash;
mod load_killed;
mod load_odd;
mod load_parts;
mod long_values;
mod moving;
mod mysqls_odd;
mod mysqls_own;
mod old_data;
mod privileges;
mod proxy;
#[path = "../campaign/random.rs"]
mod random;
mod schemas;
mod scrubbed;
mod server;
mod snapshot;
mod trial;
mod unsaid;
mod zoo;
