//! Tests of both ends: odd trees, sources that change, hostile targets.

mod walking;
