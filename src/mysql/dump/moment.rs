//! The instant that a dump is of. It promises that all readers see the same one (by equal positions
//! in the binary log, or because a lock stood while their snapshots were taken), or an error.

use super::lock::Keeper;
use super::session::{Session, let_go, position};
use crate::entry::database::{Consistency, LogPosition};
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::facts::{ServerFacts, Vendor};

/// Tries to get equal snapshots without a lock.
const SNAPSHOT_TRIES: u32 = 10;
/// Opens a snapshot.
pub const SNAPSHOT: &str = "START TRANSACTION WITH CONSISTENT SNAPSHOT";

/// What the rows have in common and where the binary log stood.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// What the rows have in common.
    pub consistency: Consistency,
    /// Where the binary log stood.
    pub position: Option<LogPosition>,
}

/// Whether equal positions in the binary log prove equal snapshots: the log must see every change.
pub fn log_proves(facts: &ServerFacts) -> bool {
    facts.vendor == Vendor::MariaDb && facts.is_on("log_bin") && facts.log_is_unfiltered()
}

/// Opens a snapshot on every reader, without a lock; `None`: they are not the same after ten tries.
pub fn by_log(session: &mut Session, readers: &mut [Connection]) -> Result<Option<Moment>> {
    for _ in 0..SNAPSHOT_TRIES {
        let mut seen = Vec::new();
        for reader in readers.iter_mut() {
            reader.execute("START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT")?;
        }
        for reader in readers.iter_mut() {
            seen.push(snapshot_position(reader)?);
        }
        if let Some(Some((file, offset))) = seen.first().cloned()
            && seen.iter().all(|s| s == &seen[0])
        {
            let gtid = gtid_at(session, &file, offset)?;
            let position = Some(LogPosition { file, offset, gtid });
            return Ok(Some(Moment { consistency: Consistency::Snapshot, position }));
        }
        for reader in readers.iter_mut() {
            reader.execute("ROLLBACK")?;
        }
    }
    Ok(None)
}

fn snapshot_position(reader: &mut Connection) -> Result<Option<(String, u64)>> {
    let rows = reader.rows("SHOW STATUS LIKE 'binlog_snapshot_%'")?;
    let find = |name: &str| rows.iter().find(|row| row.text(0).is_some_and(|n| n.eq_ignore_ascii_case(name)));
    let file = find("binlog_snapshot_file").and_then(|row| row.text(1)).filter(|file| !file.is_empty());
    let offset = find("binlog_snapshot_position").and_then(|row| row.number(1));
    Ok(file.zip(offset))
}

fn gtid_at(session: &mut Session, file: &str, offset: u64) -> Result<String> {
    let sql = format!("SELECT BINLOG_GTID_POS({}, {offset})", crate::mysql::identifier::literal(file));
    Ok(session.control.value(&sql).ok().flatten().unwrap_or_default())
}

/// Opens a snapshot on every reader while the keeper holds the lock. `under` runs under the lock.
pub fn snapshots(readers: &mut [Connection]) -> Result<()> {
    for reader in readers.iter_mut() {
        reader.execute(SNAPSHOT)?;
    }
    Ok(())
}

/// Where the log stands under the keeper's lock.
pub fn locked(keeper: &mut Connection, facts: &ServerFacts) -> Result<Moment> {
    Ok(Moment { consistency: Consistency::Lock, position: position(keeper, facts)? })
}

/// The statements that keep others from changing definitions while a dump runs beside snapshots that
/// the log proves equal, and the one that lets them again; `None`: the server has none that would not
/// stall writers, or that goes together with the lock.
fn definitions_block(
    facts: &ServerFacts,
    has_plain_tables: bool,
) -> Option<(&'static [&'static str], &'static str)> {
    // It blocks writers of tables without transactions.
    let can = facts.vendor == Vendor::MariaDb && !has_plain_tables && facts.version >= (10, 4, 2);
    can.then_some((&["BACKUP STAGE START", "BACKUP STAGE BLOCK_DDL"], "BACKUP STAGE END"))
}

/// Keeps others from changing definitions, if the server and the user's rights allow; the statement
/// that ends it.
pub fn block_definitions(session: &mut Session, keeper: &mut Keeper) -> Result<Option<&'static str>> {
    let plain = "SELECT COUNT(*) FROM information_schema.TABLES WHERE ENGINE IN \
                 ('MyISAM','Aria','MEMORY','CSV','ARCHIVE','MRG_MyISAM') AND TABLE_TYPE='BASE TABLE' AND \
                 TABLE_SCHEMA NOT IN ('information_schema','performance_schema','mysql','sys')";
    let has_plain_tables = session.control.value(plain)?.as_deref() != Some("0");
    let Some((statements, end)) = definitions_block(&session.facts, has_plain_tables) else {
        return Ok(None);
    };
    for statement in statements {
        if let Err(error) = keeper.conn().execute(statement) {
            return match code_of(&error) {
                Some(_) => {
                    let_go(keeper.conn(), end);
                    Ok(None)
                }
                None => Err(error),
            };
        }
    }
    Ok(Some(end))
}

/// Keeps others from changing definitions from now until the keeper's connection ends, where the
/// server can beside the lock and the user may.
///
/// Only under the lock, and only before it is given back for good: a change that waits for this block
/// holds what the lock waits for, so that whoever took the block first would wait for the lock in vain,
/// or make the server give up that change as a deadlock.
pub fn keep_definitions(keeper: &mut Connection, facts: &ServerFacts) -> Result<()> {
    if facts.vendor != Vendor::MySql || facts.version < (8, 0, 0) {
        return Ok(());
    }
    match keeper.execute("LOCK INSTANCE FOR BACKUP") {
        Err(error) if code_of(&error).is_none() => Err(error),
        // Definitions are compared all the same.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::facts::LogFilter;

    #[test]
    fn definitions_are_blocked_only_where_nobody_is_stalled() {
        let block = |version, plain| {
            definitions_block(&ServerFacts::for_version(version, &[]), plain).map(|(list, _)| list.len())
        };
        assert_eq!(block("10.11.19-MariaDB", false), Some(2));
        assert_eq!(block("10.11.19-MariaDB", true), None);
        assert_eq!(block("10.3.1-MariaDB", false), None);
        assert_eq!(block("8.0.36", false), None);
    }

    #[test]
    fn only_an_unfiltered_log_of_mariadb_proves_equal_snapshots() {
        let with = |version, filter: Option<LogFilter>| {
            let mut facts = ServerFacts::for_version(version, &[("log_bin", "ON")]);
            facts.log_filter = filter;
            facts
        };
        let unfiltered = || Some(LogFilter::default());
        assert!(log_proves(&with("10.11.19-MariaDB", unfiltered())));
        assert!(!log_proves(&with("8.0.36", unfiltered())) && !log_proves(&with("10.11.19-MariaDB", None)));
        let only = LogFilter { only: "shop".into(), not: String::new() };
        assert!(!log_proves(&with("10.11.19-MariaDB", Some(only))));
    }
}
