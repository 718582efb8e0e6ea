//! People who wait for a dump. It promises that nobody waits unseen: behind a change of a table's
//! definition, which waits until the table was read, every later statement on that table waits, too.

use super::queue::held;
use crate::mysql::connection::Connection;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Waiting for less is no news.
const NEWS_SECONDS: u64 = 2;
/// As both vendors' process lists have it, and, on a MySQL, while definitions are kept.
const WAITING: &str = "SELECT COUNT(*), MAX(TIME) FROM information_schema.PROCESSLIST \
     WHERE STATE IN ('Waiting for table metadata lock','Waiting for backup lock')";

/// Does `work` and looks meanwhile who waits for tables; says afterwards, in one sentence, what a person
/// should know. Statements themselves are not told: they may hold anything.
pub fn watched<T>(control: &mut Connection, work: impl FnOnce() -> T) -> (T, Option<String>) {
    let (is_done, ended) = (Mutex::new(false), Condvar::new());
    let (result, most) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| longest(control, &is_done, &ended));
        let result = work();
        *held(&is_done) = true;
        ended.notify_all();
        (result, watcher.join().unwrap_or_default())
    });
    let news = (most.1 >= NEWS_SECONDS).then(|| {
        format!(
            "{} statement(s) of others waited {} s for tables that were read: an ALTER TABLE or the like had \
             to wait, and everything on its table behind it; change definitions while no backup runs",
            most.0, most.1
        )
    });
    (result, news)
}

/// How many statements waited at the same time, and for how many seconds, until `is_done`.
fn longest(control: &mut Connection, is_done: &Mutex<bool>, ended: &Condvar) -> (u64, u64) {
    let mut most = (0, 0);
    let mut done = held(is_done);
    while !*done {
        drop(done);
        // Who may not look sees nobody.
        let rows = control.rows(WAITING).unwrap_or_default();
        if let Some(row) = rows.first() {
            let seconds = row.text(1).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
            most = (row.number(0).unwrap_or(0).max(most.0), (seconds.max(0.0) as u64).max(most.1));
        }
        done = held(is_done);
        if !*done {
            done = match ended.wait_timeout(done, PAUSE) {
                Ok((done, _)) => done,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }
    most
}
