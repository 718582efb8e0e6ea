//! Tests of both ends: odd trees, sources that change, hostile targets.

mod carrier;
mod comparing;
mod escapes;
mod restoring;
mod rights;
mod round_trip;
mod walking;
