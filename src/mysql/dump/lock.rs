//! The global read lock. It promises to make nobody wait while it is not there yet (it asks without
//! waiting, again and again, and only then waits for a second now and then), to give up after a set
//! time and name who was in the way, and to measure how long writers waited.

use super::plan::Limits;
use super::rows::Watch;
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Connection, code_of};
use std::time::{Duration, Instant};

/// `ER_LOCK_WAIT_TIMEOUT`.
const LOCK_WAIT_TIMEOUT: u16 = 1205;
/// `ER_LOCK_DEADLOCK`: another session's `FLUSH TABLES` was in the way.
const LOCK_DEADLOCK: u16 = 1213;
/// What the server waits longer for a silent holder of the lock than it may be held.
const SPARE_SECONDS: u64 = 10;
/// A statement that has run for this long may run on for long.
const LONG_STATEMENT: u64 = 1;

/// The connection that takes the lock.
pub struct Keeper {
    conn: Connection,
    /// Whether waits of a second go with the end of the statements that are in the way.
    kills: bool,
    seed: u64,
    /// Longest time that writers waited for the lock or while it was held.
    pub stall: Duration,
}

impl Keeper {
    /// A keeper without the lock.
    pub fn new(conn: Connection, kills: bool) -> Keeper {
        let seed = u64::from(conn.id()).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Keeper { conn, kills, seed, stall: Duration::ZERO }
    }

    /// The connection, for statements under the lock.
    pub fn conn(&mut self) -> &mut Connection {
        &mut self.conn
    }

    /// Takes the lock.
    ///
    /// Errors: [`Kind::Database`] once the patience is over, naming who was in the way.
    pub fn lock(&mut self, limits: &Limits, control: &mut Connection, watch: &Watch) -> Result<Held<'_>> {
        // Should this program be stopped or cut off with the lock, the server takes it back.
        let seconds = limits.most_hold.as_secs() + SPARE_SECONDS;
        self.conn.execute(&format!("SET SESSION wait_timeout={seconds}"))?;
        let began = Instant::now();
        let mut waits = 0;
        let mut tries = 0;
        loop {
            watch.check()?;
            let patient = tries >= limits.tries;
            let asked = Instant::now();
            if self.ask(if patient { 1 } else { 0 })? {
                let waited = asked.elapsed();
                return Ok(Held { keeper: self, waited, since: Instant::now() });
            }
            self.stall = self.stall.max(asked.elapsed());
            tries += 1;
            waits += u32::from(patient);
            if began.elapsed() >= limits.patience || waits >= limits.waits {
                return Err(in_the_way(control, began.elapsed())?);
            }
            match tries < limits.tries {
                true => std::thread::sleep(self.jitter(limits.pause)),
                false => self.wait_for_quiet(limits, control, began, watch)?,
            }
        }
    }

    /// Asks for the lock; whether it was given.
    fn ask(&mut self, seconds: u32) -> Result<bool> {
        self.conn.execute(&format!("SET SESSION lock_wait_timeout={seconds}"))?;
        match self.conn.execute("FLUSH TABLES WITH READ LOCK") {
            Ok(_) => Ok(true),
            Err(error) if matches!(code_of(&error), Some(LOCK_WAIT_TIMEOUT | LOCK_DEADLOCK)) => {
                self.conn.execute("UNLOCK TABLES")?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Before the first wait, and between two: the pause, then no wait while a long statement runs.
    fn wait_for_quiet(
        &mut self,
        limits: &Limits,
        control: &mut Connection,
        began: Instant,
        watch: &Watch,
    ) -> Result<()> {
        let mut until = Instant::now() + self.jitter(limits.long_pause);
        while began.elapsed() < limits.patience {
            watch.check()?;
            let long = long_writers(control)?;
            if self.kills {
                for blocker in &long {
                    // It may have ended by itself meanwhile.
                    _ = control.execute(&format!("KILL QUERY {}", blocker.id));
                }
                until = until.min(Instant::now());
            }
            if (self.kills || long.is_empty()) && Instant::now() >= until {
                return Ok(());
            }
            std::thread::sleep(limits.pause.min(Duration::from_millis(500)));
        }
        Ok(())
    }

    /// Half to one and a half of `pause`.
    fn jitter(&mut self, pause: Duration) -> Duration {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        pause / 2 + pause.mul_f64((self.seed % 1024) as f64 / 1024.0)
    }
}

/// The lock, held.
pub struct Held<'k> {
    keeper: &'k mut Keeper,
    waited: Duration,
    since: Instant,
}

impl Held<'_> {
    /// The connection that holds the lock.
    pub fn conn(&mut self) -> &mut Connection {
        &mut self.keeper.conn
    }

    /// Gives the lock back and proves that it was held until now: the connection is still the one
    /// that took it.
    pub fn release(self) -> Result<()> {
        let released = self.keeper.conn.execute("UNLOCK TABLES");
        self.keeper.stall = self.keeper.stall.max(self.waited + self.since.elapsed());
        released?;
        self.keeper.conn.execute("SET SESSION wait_timeout=86400").map(drop)
    }
}

/// A statement of somebody else.
struct Statement {
    id: u64,
    user: String,
    seconds: u64,
    text: String,
}

/// Statements of others that write, or that are not known not to, and have run for a while.
fn long_writers(control: &mut Connection) -> Result<Vec<Statement>> {
    let mut found = statements(control)?;
    found.retain(|s| s.seconds >= LONG_STATEMENT && !is_read(&s.text));
    Ok(found)
}

fn statements(control: &mut Connection) -> Result<Vec<Statement>> {
    let rows = control.rows(
        "SELECT ID, USER, TIME, INFO FROM information_schema.PROCESSLIST \
         WHERE COMMAND NOT IN ('Sleep','Daemon','Binlog Dump') AND INFO IS NOT NULL AND ID<>CONNECTION_ID()",
    )?;
    let statement = |row: &crate::mysql::connection::Cells| Statement {
        id: row.number(0).unwrap_or(0),
        user: row.text(1).unwrap_or_default(),
        seconds: row.text(2).and_then(|t| t.parse::<f64>().ok()).map_or(0, |t| t.max(0.0) as u64),
        text: row.text(3).unwrap_or_default().chars().take(120).collect(),
    };
    Ok(rows.iter().map(statement).collect())
}

fn is_read(text: &str) -> bool {
    let text = text.trim_start().to_ascii_uppercase();
    ["SELECT", "SHOW", "FLUSH TABLES WITH READ LOCK", "SET "].iter().any(|word| text.starts_with(word))
}

/// The error of a lock that was not to be had.
fn in_the_way(control: &mut Connection, after: Duration) -> Result<Error> {
    let mut found = statements(control)?;
    found.sort_by_key(|s| (is_read(&s.text), std::cmp::Reverse(s.seconds)));
    let who = match found.first() {
        Some(s) => format!("connection {} of {} ({} s: {})", s.id, s.user, s.seconds, s.text),
        None => {
            "a transaction that changed something and is still open, or a statement not shown to this user"
                .into()
        }
    };
    let name = control.name();
    let message =
        format!("{name}: no moment without running writes within {} s; in the way: {who}", after.as_secs());
    Ok(Error::new(Kind::Database, message).hint("dump at a quieter time, or end that statement"))
}

#[cfg(test)]
mod tests {
    use super::is_read;

    #[test]
    fn reads_are_told_from_the_rest() {
        assert!(is_read(" select 1") && is_read("SHOW TABLES"));
        assert!(!is_read("update t set a=1") && !is_read("ALTER TABLE x") && !is_read("CALL p()"));
    }
}
