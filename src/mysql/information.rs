//! Questions to `information_schema` about tables. They promise an answer for every table even where one
//! of them ends the question for all, as a FEDERATED one does whose server is away: each table is then
//! asked for by itself, and such a one by what stands in its definition.

use super::connection::{Cells, Connection, code_of};
use super::identifier::literal;
use crate::error::{Error, Result};

/// A question to a table of `information_schema` that names databases and tables.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The table.
    pub from: &'a str,
    /// The columns after `TABLE_SCHEMA` and `TABLE_NAME`.
    pub columns: &'a str,
    /// As many for a table that the server cannot open, from its definition alone; `None`: nothing is
    /// asked of it.
    pub bare: Option<&'a str>,
    /// Which rows, if not all.
    pub filter: &'a str,
}

/// Errors that are not of a table: a wait that took too long, a statement that was ended, a server that
/// goes down (`ER_LOCK_WAIT_TIMEOUT`, `ER_LOCK_DEADLOCK`, `ER_QUERY_INTERRUPTED`,
/// `ER_STATEMENT_TIMEOUT`, `ER_QUERY_TIMEOUT`, `ER_SERVER_SHUTDOWN`).
const NO_FAULT_OF_A_TABLE: [u16; 6] = [1205, 1213, 1317, 1969, 3024, 1053];

fn is_of_a_table(error: &Error) -> bool {
    code_of(error).is_some_and(|code| !NO_FAULT_OF_A_TABLE.contains(&code))
}

impl Question<'_> {
    /// The rows of all tables of `database`, spelled exactly so.
    pub fn of(&self, conn: &mut Connection, database: &str) -> Result<Vec<Cells>> {
        let place = format!("TABLE_SCHEMA={}", literal(database));
        let mut rows = match conn.rows(&self.sql(self.columns, &place)) {
            Err(error) if is_of_a_table(&error) => self.one_by_one(conn, database, error)?,
            rows => rows?,
        };
        rows.retain(|row| row.bytes(0) == Some(database.as_bytes()));
        Ok(rows)
    }

    /// The rows of one table.
    pub fn of_table(&self, conn: &mut Connection, database: &str, table: &str) -> Result<Vec<Cells>> {
        let place = format!("TABLE_SCHEMA={} AND TABLE_NAME={}", literal(database), literal(table));
        let rows = conn.rows(&self.sql(self.columns, &place));
        match (rows, self.bare) {
            (Err(error), Some(bare)) if is_of_a_table(&error) => conn.rows(&self.sql(bare, &place)),
            (Err(error), None) if is_of_a_table(&error) => Ok(Vec::new()),
            (rows, _) => rows,
        }
    }

    /// The rows of the tables of all databases.
    pub fn everywhere(&self, conn: &mut Connection) -> Result<Vec<Cells>> {
        match conn.rows(&self.sql(self.columns, "TRUE")) {
            Err(error) if is_of_a_table(&error) => {}
            rows => return rows,
        }
        let mut found = Vec::new();
        for database in conn.rows("SHOW DATABASES")?.iter().filter_map(|row| row.text(0)) {
            found.extend(self.of(conn, &database)?);
        }
        Ok(found)
    }

    /// The same, table by table, after all at once ended with `error`.
    fn one_by_one(&self, conn: &mut Connection, database: &str, error: Error) -> Result<Vec<Cells>> {
        let names = format!(
            "SELECT DISTINCT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA={}",
            literal(database)
        );
        // Where not even the names can be had, what went wrong before says more.
        let names = conn.rows(&names).map_err(|_| error)?;
        let mut found = Vec::new();
        for table in names.iter().filter_map(|row| row.text(0)) {
            found.extend(self.of_table(conn, database, &table)?);
        }
        Ok(found)
    }

    fn sql(&self, columns: &str, place: &str) -> String {
        let filter = if self.filter.is_empty() { "TRUE" } else { self.filter };
        format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, {columns} FROM information_schema.{} WHERE {place} AND ({filter})",
            self.from
        )
    }
}
