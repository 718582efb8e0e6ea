//! What there is to remove, counted. It promises exact numbers as of the moment each window was read,
//! and that no statement reads more than a window: people go on working meanwhile.

use super::table::{OldTable, Standing};
use crate::error::Result;
use crate::mysql::answer::each_row;
use crate::mysql::connection::Connection;
use crate::progress::Progress;

/// Rows that one statement looks at.
pub const WINDOW_ROWS: u64 = 5000;

/// The rows of a table, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All rows.
    pub rows: u64,
    /// Those that are old.
    pub old: u64,
    /// Those without a date, which are never old.
    pub dateless: u64,
    /// Those that belong to a row that is not there.
    pub orphans: u64,
}

impl Counts {
    fn add(&mut self, standing: Standing) {
        self.rows += 1;
        match standing {
            Standing::Old => self.old += 1,
            Standing::Dateless => self.dateless += 1,
            Standing::Orphan => self.orphans += 1,
            Standing::Young => {}
        }
    }
}

/// A row's key: a cell for each of its columns.
pub type Key = Vec<Vec<u8>>;

/// A window of rows.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The keys of old rows.
    pub old: Vec<Key>,
    /// The key of the last row; `None`: there was no row.
    pub last: Option<Key>,
    /// What was in it.
    pub counts: Counts,
}

/// From now on text comes from the server as it is stored: keys and rows must not be converted.
pub fn as_stored(conn: &mut Connection) -> Result<()> {
    conn.execute("SET SESSION character_set_results=NULL").map(drop)
}

/// The next window behind the row `last`; the session is one of [`as_stored`].
pub fn window(conn: &mut Connection, table: &OldTable, last: Option<&Key>, limit: u64) -> Result<Window> {
    let mut window = Window::default();
    let sql = table.scan(last.map(Vec::as_slice), limit);
    each_row(conn, &sql, &table.scan_formats(), &mut |cells| {
        let Some((standing, key)) = cells.split_last() else { return Ok(()) };
        let key: Key = key.iter().map(|cell| cell.unwrap_or_default().to_vec()).collect();
        let standing = Standing::of(*standing);
        window.counts.add(standing);
        if standing == Standing::Old {
            window.old.push(key.clone());
        }
        window.last = Some(key);
        Ok(())
    })?;
    Ok(window)
}

/// Counts all rows of a table.
pub fn count(conn: &mut Connection, table: &OldTable, progress: &Progress) -> Result<Counts> {
    as_stored(conn)?;
    let (mut counts, mut last) = (Counts::default(), None);
    loop {
        progress.check()?;
        let next = window(conn, table, last.as_ref(), WINDOW_ROWS)?;
        counts.rows += next.counts.rows;
        counts.old += next.counts.old;
        counts.dateless += next.counts.dateless;
        counts.orphans += next.counts.orphans;
        progress.advance(next.counts.rows, 0);
        if next.last.is_none() {
            return Ok(counts);
        }
        last = next.last;
    }
}
