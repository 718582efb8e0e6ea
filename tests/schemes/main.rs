//! Schemes as they run: the real daemon, with a clock that the test sets, over days, kills and media
//! that are not there.

mod days;
mod kills;
#[path = "../cli/program.rs"]
#[allow(dead_code)]
mod program;
mod runs;
mod said;
#[path = "../mysql/server.rs"]
mod server;
mod world;
