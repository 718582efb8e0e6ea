//! Telling people and auditors: notices over real connections, to servers that work and servers that
//! do not; and status, report, audit log and emergency sheet by the real binary.

#[path = "../cli/program.rs"]
#[allow(dead_code)]
mod program;

mod audit;
mod doctor;
mod mail;
mod servers;
mod status;
mod truth;
mod web;
