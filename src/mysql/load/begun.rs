//! A switch that an earlier run began: whether it goes on, is taken back or forgotten. It promises that one
//! which is wanted no more never replaces what people wrote since.

use super::journal::{self, Switch};
use super::names;
use super::switch::{FINISHED, OLD_GONE, fold, folded, make_triggers, triggers};
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;
use std::collections::HashSet;

/// What is to become of a switch that somebody else began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Finish,
    /// It has replaced nothing yet, and is not what is wanted now: what stands there stays.
    TakeBack,
    /// It was finished; what stands there now is what is wanted now, or is replaced again.
    Forget,
}

/// What a restore of `fingerprint` does with the switch that it finds. One that is wanted no more must
/// not replace what people wrote since.
pub fn next(conn: &mut Connection, switch: &Switch, fingerprint: &[u8; 32], replace: bool) -> Result<Next> {
    let staging = names::staging(&switch.target);
    let is_same = switch.fingerprint == *fingerprint;
    let done = journal::marks(conn, &staging)?;
    Ok(match done.contains(FINISHED) {
        true if is_same && !replace => Next::Finish,
        true => Next::Forget,
        false if is_same && replace || !switch.is_replaced || done.contains(OLD_GONE) => Next::Finish,
        false if is_whole_still(conn, switch, &staging)? => Next::TakeBack,
        false => Next::Finish,
    })
}

/// Whether no table was moved.
pub fn is_whole_still(conn: &mut Connection, switch: &Switch, staging: &str) -> Result<bool> {
    let waiting = folded(&journal::tables(conn, staging)?);
    let gone = folded(&journal::tables(conn, &names::old(&switch.target))?);
    Ok(switch.new_tables.iter().all(|table| waiting.contains(&fold(table)))
        && !switch.old_tables.iter().any(|table| gone.contains(&fold(table))))
}

/// Takes a switch back that has replaced nothing: the old triggers again, and no journal.
pub fn take_back(conn: &mut Connection, switch: &Switch) -> Result<()> {
    let (staging, old) = (names::staging(&switch.target), names::old(&switch.target));
    if !switch.is_replaced {
        // Made for the tables that were to come; whatever is in it is not ours.
        if journal::exists(conn, &switch.target)? && journal::is_empty(conn, &switch.target)? {
            conn.execute(&format!("DROP DATABASE {}", quote(&switch.target)))?;
        }
    } else if journal::exists(conn, &switch.target)? {
        conn.enter(&switch.target)?;
        let standing = conn.rows("SHOW TRIGGERS")?;
        let standing: HashSet<String> = standing.iter().filter_map(|row| row.text(0)).collect();
        if triggers(switch).any(|trigger| !standing.contains(&trigger.name)) {
            make_triggers(conn, switch)?;
        }
    }
    if journal::exists(conn, &old)? && journal::tables(conn, &old)?.is_empty() {
        conn.execute(&format!("DROP DATABASE {}", quote(&old)))?;
    }
    conn.enter(&staging)?;
    journal::undo(conn, &staging)
}
