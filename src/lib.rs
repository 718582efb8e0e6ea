//! Coffer keeps a practice's nightly backups (database and attachments) in one versioned,
//! content-addressed, crash-safe, encrypted file, and proves that they restore.
//!
//! Modules stand on floors; each uses strictly lower ones (`tests/tidy` checks it):
//!
//! | floor | modules |
//! |---|---|
//! | 8 | `cli` |
//! | 6 | `schemes` |
//! | 5 | `operations` |
//! | 4 | `snapshot`, `attachments`, `mysql` |
//! | 3 | `chunk_store` |
//! | 2 | `container`, `rows` |
//! | 1 | `chunking`, `compress`, `crypto`, `retention`, `schedule`, `storage`, `values` |
//! | 0 | `error`, `ids`, `entry`, `codec`, `limits`, `progress`, `clock` |

pub mod clock;
pub mod codec;
pub mod entry;
pub mod error;
pub mod ids;
pub mod limits;
pub mod progress;

pub mod chunking;
pub mod compress;
pub mod crypto;
pub mod retention;
pub mod schedule;
pub mod storage;
pub mod values;

pub mod container;
pub mod rows;

pub mod chunk_store;

pub mod attachments;
pub mod mysql;
pub mod snapshot;

pub mod operations;

pub mod schemes;

pub mod cli;
