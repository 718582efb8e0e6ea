//! The fuzz targets, shared with `tests/campaign`, where continuous integration runs each of them on
//! seeded mutations. With cargo-fuzz, on the stable toolchain:
//!
//! ```text
//! cargo fuzz run --sanitizer none root -- -rss_limit_mb=256 -timeout=10
//! ```
#![allow(dead_code)]

#[path = "../../tests/campaign/hostile.rs"]
pub mod hostile;
#[path = "../../tests/campaign/model.rs"]
pub mod model;
#[path = "../../tests/campaign/rows.rs"]
pub mod rows;
#[path = "../../tests/campaign/targets.rs"]
pub mod targets;
#[path = "../../tests/campaign/world.rs"]
pub mod world;
