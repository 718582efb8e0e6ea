//! How a step of a dump ends when it does not succeed: definitions changed, so that everything can be
//! begun again, or an error that ends the dump.

use super::long::Torn;
use super::place::Unordered;
use crate::error::{Error, Kind};
use crate::mysql::connection::code_of;

/// Why a step did not succeed.
#[derive(Debug)]
pub enum Stop {
    /// The definition of what is named changed, or it came or went.
    Changed(String),
    /// Writers waited too long while what is named was read under the lock, and wait no more.
    Overran(String),
    /// The dump fails.
    Failed(Error),
}

/// The result of a step.
pub type Step<T> = Result<T, Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

/// Errors of the server after which a table is not the one that it was at the snapshot:
/// `ER_TABLE_DEF_CHANGED`, `ER_NO_SUCH_TABLE`, `ER_BAD_FIELD_ERROR`, `ER_BAD_DB_ERROR`,
/// `ER_NEED_REPREPARE`, `ER_KEY_DOES_NOT_EXISTS`, `ER_NOT_SEQUENCE`…, and `ER_VERS_NOT_VERSIONED`.
const CHANGED: [u16; 8] = [1412, 1146, 1054, 1049, 1615, 1176, 4089, 4124];
/// Errors of the server about a table that is broken and not about its rows' readers: crashed,
/// unknown to its engine, without its files, its tablespace discarded, missing or damaged.
const BROKEN: [u16; 18] =
    [13, 29, 126, 127, 144, 145, 1016, 1017, 1030, 1033, 1034, 1194, 1195, 1296, 1712, 1812, 1814, 1877];
/// `ER_NO_SUCH_TABLE_IN_ENGINE`.
const NOT_IN_ENGINE: u16 = 1932;
/// `ER_MASKING_POLICY_COMPONENT_ERROR`: what hides a column's values from some cannot be asked.
const NO_MASKS: u16 = 6561;

/// Errors of the server about a table that somebody has a hand on just now: `ER_LOCK_WAIT_TIMEOUT`,
/// `ER_LOCK_DEADLOCK`, `ER_QUERY_INTERRUPTED`, `ER_TABLE_DEFINITION_BEING_MODIFIED`…, and
/// `ER_STATEMENT_TIMEOUT`.
const PASSING: [u16; 5] = [1205, 1213, 1317, 1684, 1969];

/// Whether a table may well be read in a moment: it is no loss.
pub fn is_passing(error: &Error) -> bool {
    code_of(error).is_some_and(|code| PASSING.contains(&code))
}

/// The step that an error at the table `name` ends.
pub fn at_table(error: Error, name: &str) -> Stop {
    let cause = std::error::Error::source(&error);
    let is_in_vain = cause.is_some_and(|cause| cause.is::<Torn>() || cause.is::<Unordered>());
    match code_of(&error) {
        _ if is_in_vain => Stop::Changed(name.to_owned()),
        Some(code) if CHANGED.contains(&code) => Stop::Changed(name.to_owned()),
        _ => Stop::Failed(error.at(name)),
    }
}

/// The error of a step that is not tried again.
pub fn told(stop: Stop) -> Error {
    match stop {
        Stop::Failed(error) => error,
        Stop::Changed(name) => Error::new(Kind::Database, format!("{name}: it changed while it was read")),
        Stop::Overran(names) => {
            Error::new(Kind::Database, format!("{names}: reading it under the lock took too long"))
                .hint("dump at a quieter time, switch userstat on, or convert the tables to InnoDB")
        }
    }
}

/// Whether the server says that a table is broken: then it is given up, and only it.
pub fn is_broken_table(error: &Error) -> bool {
    code_of(error).is_some_and(|code| BROKEN.contains(&code) || [NOT_IN_ENGINE, NO_MASKS].contains(&code))
}

/// The error of a dump whose definitions changed again and again.
pub fn never_still(name: &str, restarts: u32) -> Error {
    Error::new(
        Kind::Database,
        format!("{name}: its definition changed while it was read, in each of {} attempts", restarts + 1),
    )
    .hint("dump when nobody changes definitions, or exclude the table")
}
