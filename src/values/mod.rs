//! What people write for sizes, times and snapshots, and how these are shown to them. Pure: text
//! in, values out, and back. Whatever cannot be understood is a [`crate::error::Kind::Usage`]
//! error that quotes it and shows what would be.

mod calendar;
pub mod page;
mod path;
mod selector;
mod size;
mod time;

pub use calendar::{parse_days, parse_month};
pub use path::unescape;
pub use selector::Selector;
pub use size::{format_count, format_rate, format_size, parse_size};
pub use time::{
    format_duration, format_minute, format_stored, format_time, local_day, parse_clock, parse_duration,
    parse_time, rfc3339,
};
