//! What a user asks for: backup, restore, verify and the rest, each planned first, then applied.

pub mod practice;
