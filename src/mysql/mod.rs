//! Live MySQL and MariaDB: from a server to entries and from entries to a server. It promises to know
//! nothing of containers: it gives and takes entries and chunks of rows ([`crate::rows`]), and never
//! to let an error of the server pass for an empty answer.

pub mod answer;
pub mod connection;
pub mod dump;
pub mod facts;
mod fault;
pub mod identifier;
pub mod identity;
pub mod information;
pub mod key;
pub mod load;
pub mod opener;
pub mod option_file;
pub mod options;
pub mod privileges;
mod reach;
pub mod schema;
pub mod script;
pub mod sources;
pub mod stream;
pub mod value;
