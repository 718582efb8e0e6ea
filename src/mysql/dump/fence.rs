//! A fence around growing tables: `LOCK TABLES … READ LOCAL` lets new rows in behind the others, and
//! makes every other change wait, which proves that there was none. It promises to fall the moment
//! somebody waits at it.

use super::session::let_go;
use super::table::Table;
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two looks for somebody who waits.
const LOOK: Duration = Duration::from_millis(40);

/// Whoever waits for a table for so long may wait at the fence without naming it.
const LONG_WAIT_MS: f64 = 250.0;

/// A fence that stands, or fell.
pub struct Fence {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<Fate>>,
}

/// What became of a fence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Whether it stood until it was taken away.
    pub stood: bool,
    /// How long somebody waited at it.
    pub stall: Duration,
}

impl Fence {
    /// Puts a fence around `tables`; `watcher` looks for those who wait. `None`: the server or the
    /// user's rights do not allow it now.
    pub fn put(mut conn: Connection, watcher: Connection, tables: &[Table]) -> Result<Option<Fence>> {
        let list: Vec<String> = tables.iter().map(|table| format!("{} READ LOCAL", table.name())).collect();
        // Should this program be stopped, the server takes the fence away.
        conn.execute("SET SESSION lock_wait_timeout=1, wait_timeout=5")?;
        match conn.execute(&format!("LOCK TABLES {}", list.join(","))) {
            Ok(_) => {}
            Err(error) if code_of(&error).is_some() => return Ok(None),
            Err(error) => return Err(error),
        }
        let names: Vec<String> = tables.iter().map(|table| table.record.name.to_lowercase()).collect();
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let thread = std::thread::spawn(move || stand(conn, watcher, &names, &told));
        Ok(Some(Fence { end, thread: Some(thread) }))
    }

    /// Whether it still stands.
    pub fn stands(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Takes the fence away.
    pub fn take_away(mut self) -> Fate {
        self.end.store(true, Ordering::Release);
        match self.thread.take() {
            Some(thread) => {
                thread.thread().unpark();
                thread.join().unwrap_or_default()
            }
            None => Fate::default(),
        }
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Release);
    }
}

/// Stands until told to end or somebody waits.
fn stand(mut conn: Connection, mut watcher: Connection, names: &[String], end: &AtomicBool) -> Fate {
    let mut last_look = Instant::now();
    while !end.load(Ordering::Acquire) {
        // The fence is alive as long as this thread is.
        let is_alive = conn.execute("DO 1").is_ok();
        if !is_alive || is_waited_for(&mut watcher, names) {
            let_go(&mut conn, "UNLOCK TABLES");
            return Fate { stood: false, stall: last_look.elapsed() };
        }
        last_look = Instant::now();
        std::thread::park_timeout(LOOK);
    }
    // Whoever came after the last look was first stopped by what stands now in the fence's place.
    let stood = conn.execute("UNLOCK TABLES").is_ok();
    Fate { stood, stall: Duration::ZERO }
}

/// Whether somebody waits at the fence: a statement that names one of its tables, or any that waits for
/// long (it may reach a table through a trigger or routine); also if that is not to be known.
fn is_waited_for(watcher: &mut Connection, names: &[String]) -> bool {
    let time = if watcher.is_mariadb() { "TIME_MS" } else { "TIME*1000" };
    let sql = format!(
        "SELECT INFO, {time} FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'"
    );
    let Ok(rows) = watcher.rows(&sql) else { return true };
    rows.iter().any(|row| {
        let statement = row.text(0).unwrap_or_default().to_lowercase();
        let waited = row.text(1).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::MAX);
        waited >= LONG_WAIT_MS || names.iter().any(|name| statement.contains(name.as_str()))
    })
}
