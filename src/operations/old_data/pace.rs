//! How fast rows go. It promises that the work takes no more than its share of the time, that batches
//! shrink when they take long (which is how a busy server shows), and that a server with many running
//! statements is left alone for a while. Pure but for the question itself.

use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::progress::Progress;
use std::time::{Duration, Instant};

/// A batch that takes longer is too large.
const LONG: Duration = Duration::from_millis(250);
/// A batch that takes less may grow.
const SHORT: Duration = Duration::from_millis(60);
/// The least rows of a batch.
const LEAST_ROWS: u64 = 20;
/// How long a busy server is waited for before the next batch all the same.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// Most rows of a batch.
    pub batch_rows: u64,
    /// The least pause between two batches.
    pub pause: Duration,
    /// Most of a hundred parts of the time that the work takes, 1 to 100.
    pub share: u32,
    /// Running statements of others from which on the server counts as busy.
    pub busy_threads: u64,
}

impl Default for Pacing {
    fn default() -> Pacing {
        Pacing { batch_rows: 1000, pause: Duration::from_millis(50), share: 25, busy_threads: 8 }
    }
}

/// The pace of a removal.
#[derive(Clone, Debug)]
pub struct Pace {
    pacing: Pacing,
    rows: u64,
    /// The longest batch so far.
    pub longest: Duration,
    /// Time spent in pauses.
    pub paused: Duration,
}

impl Pace {
    /// Begins with small batches.
    pub fn new(pacing: Pacing) -> Pace {
        let rows = pacing.batch_rows.clamp(1, 200);
        Pace { pacing, rows, longest: Duration::ZERO, paused: Duration::ZERO }
    }

    /// Rows of the next batch.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Learns how long a batch took; the pause that is due.
    pub fn learn(&mut self, took: Duration) -> Duration {
        self.longest = self.longest.max(took);
        let most = self.pacing.batch_rows.max(1);
        if took > LONG {
            self.rows = (self.rows / 2).max(LEAST_ROWS.min(most));
        } else if took < SHORT {
            self.rows = self.rows.saturating_mul(2).min(most);
        }
        self.share_of(took).max(self.pacing.pause)
    }

    /// The pause after work that took `took`, so that it keeps to its share of the time.
    pub fn share_of(&self, took: Duration) -> Duration {
        let share = self.pacing.share.clamp(1, 100);
        took * (100 - share) / share
    }

    /// Rests after a batch that took `took`, and longer while the server is busy.
    pub fn rest(&mut self, conn: &mut Connection, took: Duration, progress: &Progress) -> Result<()> {
        let began = Instant::now();
        let due = self.learn(took);
        sleep(due, progress)?;
        while running(conn)? > self.pacing.busy_threads && began.elapsed() < PATIENCE {
            sleep(Duration::from_millis(250), progress)?;
        }
        self.paused += began.elapsed();
        Ok(())
    }
}

/// Sleeps, and wakes when somebody wants to stop.
pub fn sleep(time: Duration, progress: &Progress) -> Result<()> {
    let until = Instant::now() + time;
    loop {
        progress.check()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(200)));
    }
}

/// Statements of others that run now.
fn running(conn: &mut Connection) -> Result<u64> {
    let rows = conn.rows("SHOW GLOBAL STATUS LIKE 'Threads_running'")?;
    Ok(rows.first().and_then(|row| row.number(1)).unwrap_or(0).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_its_share_of_the_time_and_long_batches_shrink() {
        let ms = Duration::from_millis;
        let mut pace = Pace::new(Pacing::default());
        assert_eq!(pace.rows(), 200);
        assert_eq!(pace.learn(ms(10)), ms(50), "the least pause");
        assert_eq!((pace.rows(), pace.learn(ms(100))), (400, ms(300)), "three times as long as the batch");
        assert_eq!((pace.learn(ms(400)), pace.rows()), (ms(1200), 200));
        for _ in 0..20 {
            pace.learn(ms(400));
        }
        assert_eq!((pace.rows(), pace.longest), (20, ms(400)));
        for _ in 0..20 {
            pace.learn(ms(1));
        }
        assert_eq!(pace.rows(), 1000);
        let mut whole = Pace::new(Pacing { batch_rows: 7, pause: ms(0), share: 100, busy_threads: 1 });
        assert_eq!((whole.learn(ms(500)), whole.rows()), (ms(0), 7));
    }
}
