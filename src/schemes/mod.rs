//! Unattended runs: what the configuration names (schemes, containers, servers, people to tell), when
//! each scheme is due, and what became of it. It promises that a run is a chain of the commands that a
//! person could type, so that nothing works by itself that cannot be done and checked by hand.

pub mod audit;
mod child;
pub mod config;
pub mod daemon;
pub mod destination;
pub mod history;
mod hooks;
pub mod notice;
pub mod notices;
pub mod notify;
pub mod place;
pub mod prometheus;
pub mod report;
pub mod run;
pub mod runner;
pub mod scheduler;
pub mod sheet;
pub mod standing;
pub mod stop;
pub mod turn;
pub mod units;
