//! Databases as SQL text, written as a stream. It promises a file that the stock client of the
//! source's kind loads into the same database, byte for byte: numbers as bare digits with all they
//! have, text in UTF-8 as text, everything else as hexadecimal digits, bodies under the settings they
//! were made under. It drops nothing: loading stops at the first table that exists already.
//!
//! The order of calls: [`ScriptWriter::new`], [`ScriptWriter::database`],
//! [`ScriptWriter::before_tables`], for each table [`ScriptWriter::table`], its rows and
//! [`ScriptWriter::end_table`], then [`ScriptWriter::after_tables`] and [`ScriptWriter::finish`].

mod late;
mod program;

use super::identifier::{literal, quote};
use super::schema::mentions;
use super::value::{
    LiteralFormat, is_null_when_empty, long_literal, session_settings, setting_statement, sql_literal,
    zoned_statements,
};
use crate::entry::database::{DatabaseRecord, ObjectRecord, SchemaObject, ServerRecord, TableRecord};
use crate::error::{Error, Kind, Result};
use program::Dialect;
use std::io::Write;

/// An INSERT of several rows ends before this.
const STATEMENT_BYTES: usize = 1 << 20;

/// What the writer is told.
#[derive(Clone, Debug)]
pub struct ScriptOptions {
    /// INSERTs of several rows stay below this; a row that is larger stands alone.
    pub statement_bytes: usize,
    /// The `max_allowed_packet` that loading the file needs, if it is more than the usual.
    pub packet_bytes: Option<u64>,
    /// Files that have to be loaded before this one.
    pub loaded_after: Vec<String>,
}

impl Default for ScriptOptions {
    fn default() -> Self {
        ScriptOptions { statement_bytes: STATEMENT_BYTES, packet_bytes: None, loaded_after: Vec::new() }
    }
}

/// Writes one file of SQL.
pub struct ScriptWriter<W: Write> {
    out: W,
    options: ScriptOptions,
    dialect: Dialect,
    database: DatabaseRecord,
    insert: Option<Insert>,
    /// Foreign keys that come last, as statements.
    late_keys: Vec<String>,
    /// Statements behind which a table takes no other.
    last: Vec<String>,
    /// Definitions of tables whose rows are elsewhere.
    elsewhere: Vec<String>,
    /// The statements of objects that may stand on tables.
    objects: Vec<u8>,
    /// What comes last, a sentence each.
    late: Vec<String>,
    /// What tables are made without, in words.
    left_out: Vec<String>,
}

/// The INSERTs of the table at hand.
struct Insert {
    head: Vec<u8>,
    tail: String,
    formats: Vec<LiteralFormat>,
    /// By column, whether an empty cell goes as NULL.
    null_when_empty: Vec<bool>,
    /// The statement so far; empty before the first row.
    statement: Vec<u8>,
    row: Vec<u8>,
}

impl Insert {
    /// Writes what there is of a row that is too long to be put together; before its first part, the
    /// statement that it stands in begins.
    fn give_row(&mut self, is_begun: &mut bool, out: &mut impl Write) -> Result<()> {
        if !std::mem::replace(is_begun, true) {
            self.end_statement(out)?;
            put(out, &self.head)?;
        }
        put(out, &self.row)?;
        self.row.clear();
        Ok(())
    }

    /// Writes the statement that has rows, if there is one, and ends it.
    fn end_statement(&mut self, out: &mut impl Write) -> Result<()> {
        if !self.statement.is_empty() {
            self.statement.extend_from_slice(b";\n");
            put(out, &self.statement)?;
            self.statement.clear();
        }
        Ok(())
    }
}

impl<W: Write> ScriptWriter<W> {
    /// Writes the head of the file: what it is, and the settings it needs, which
    /// [`ScriptWriter::finish`] puts back.
    pub fn new(out: W, server: &ServerRecord, options: ScriptOptions) -> Result<Self> {
        let dialect = Dialect::of(server);
        let mut writer = ScriptWriter {
            out,
            options,
            dialect,
            database: DatabaseRecord::default(),
            insert: None,
            late_keys: Vec::new(),
            last: Vec::new(),
            elsewhere: Vec::new(),
            objects: Vec::new(),
            late: Vec::new(),
            left_out: Vec::new(),
        };
        let version: String = server.version.chars().filter(|c| !c.is_control()).collect();
        writer.line(&format!("-- A database of {} {version}, in UTF-8.", dialect.vendor()))?;
        if !dialect.runs_immediately {
            writer.line(
                "-- Load it with the options --comments --binary-mode, or bodies lose their comments.",
            )?;
        }
        if let Some(bytes) = writer.options.packet_bytes {
            writer.line(&format!(
                "-- It has long rows: SET GLOBAL max_allowed_packet={bytes}, and load it with the option \
                 --max-allowed-packet={bytes}."
            ))?;
        }
        for name in std::mem::take(&mut writer.options.loaded_after) {
            let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            writer.line(&format!("-- Load {name} before this file, which stands on what it makes."))?;
        }
        writer.line("SET NAMES utf8mb4;")?;
        for (name, value) in session_settings(dialect.is_mariadb, dialect.version) {
            let words = format!("SET @coffer_{name}=@@{name}, SESSION {name}={value}");
            writer.line(&setting_statement(name, &words))?;
        }
        Ok(writer)
    }

    /// Makes the database, if there is none of its name, and goes into it.
    pub fn database(&mut self, database: &DatabaseRecord) -> Result<()> {
        self.database = database.clone();
        let create = match database.create.strip_prefix("CREATE DATABASE ") {
            Some(rest) if !rest.starts_with("/*!32312 IF") => {
                format!("CREATE DATABASE IF NOT EXISTS {rest};")
            }
            _ => format!("{};", database.create),
        };
        self.line("")?;
        self.line(&create)?;
        self.line(&format!("USE {};", quote(&database.name)))
    }

    /// Writes those of `objects` that tables need: sequences. `objects` are all of the database.
    pub fn before_tables(&mut self, objects: &[ObjectRecord]) -> Result<()> {
        self.objects = late::statements_on_tables(objects);
        for sequence in of_kind(objects, SchemaObject::Sequence) {
            self.line("")?;
            for statement in &sequence.statements {
                self.put(statement)?;
                self.line(";")?;
            }
        }
        Ok(())
    }

    /// Makes a table; its rows follow. `all` are the tables of its database.
    pub fn table(&mut self, table: &TableRecord, all: &[TableRecord]) -> Result<()> {
        let second = super::load::secondary::set_apart(&table.create);
        let create = second.as_ref().map_or(&table.create, |(create, _)| create);
        if let Some((_, words)) = &second {
            self.last.push(format!("ALTER TABLE {} {words};", quote(&table.name)));
        }
        let mut left_out = Vec::new();
        let create = late::without_places(create, self.dialect.is_mariadb, &mut left_out);
        let table = &TableRecord { create, ..table.clone() };
        let without = |words: &String| format!("table {} is made without {words}", quote(&table.name));
        self.left_out.extend(left_out.iter().map(without));
        if late::is_elsewhere(table) && mentions(&self.objects, &table.name).next().is_none() {
            self.elsewhere.push(format!("{};", table.create));
            self.late.push(format!(
                "table {} is one of engine {}, which needs what is outside of the database",
                quote(&table.name),
                table.engine
            ));
            return Ok(());
        }
        let apart = if self.dialect.is_mariadb { None } else { late::set_tablespace_apart(&table.create) };
        let table = &match apart {
            Some((create, tablespace)) => {
                let name = quote(&table.name);
                self.late_keys.push(format!("ALTER TABLE {name} TABLESPACE {tablespace};"));
                self.late.push(format!("table {name} stands in the tablespace {tablespace}"));
                TableRecord { create, ..table.clone() }
            }
            None => table.clone(),
        };
        let Some((table, keys)) = late::set_apart(table, all) else { return self.make(table) };
        for key in keys {
            self.late_keys.push(format!("ALTER TABLE {} ADD {key};", quote(&table.name)));
            self.late.push(format!(
                "a foreign key of table `{}` does not fit the table it points to ({key})",
                table.name
            ));
        }
        self.make(&table)
    }

    /// What tables are made without, because another server would refuse it: a sentence each.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// What stands at the end of the file, because a server may refuse it: a sentence each.
    pub fn late(&self) -> &[String] {
        &self.late
    }

    fn make(&mut self, table: &TableRecord) -> Result<()> {
        let apart = super::load::fulltext::set_apart(&table.create);
        let without =
            apart.as_ref().map(|(create, _)| TableRecord { create: create.clone(), ..table.clone() });
        let table = without.as_ref().unwrap_or(table);
        self.line("")?;
        let has_odd_options = late::has_odd_options(&table.create);
        if has_odd_options {
            self.line(
                "/*M!100000 SET @coffer_mode=@@sql_mode, SESSION \
                 sql_mode=CONCAT(@@sql_mode,',IGNORE_BAD_TABLE_OPTIONS') */;",
            )?;
        }
        match self.dialect.is_mariadb {
            true => self.line(&format!("{};", table.create))?,
            false => self.make_on_mysql(table)?,
        }
        if has_odd_options {
            self.line("/*M!100000 SET SESSION sql_mode=@coffer_mode */;")?;
        }
        let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
        let later = |key: &String| format!("ALTER TABLE {} ADD {key};\n", quote(&table.name));
        let documents: String = apart.iter().flat_map(|(_, keys)| keys.iter().map(later)).collect();
        let keys = is_keyed_apart(&table.engine)
            .then(|| format!("ALTER TABLE {} ENABLE KEYS;\n", quote(&table.name)));
        if keys.is_some() {
            self.line(&format!("ALTER TABLE {} DISABLE KEYS;", quote(&table.name)))?;
        }
        let mut tail = keys.unwrap_or_default() + &documents;
        for statement in zoned_statements(table, &quote(&table.name)) {
            tail.push_str(&format!("{statement};\n"));
        }
        if let Some(next) = super::value::moved_counter(&table.create) {
            tail.push_str(&format!("ALTER TABLE {} AUTO_INCREMENT={next};\n", quote(&table.name)));
        }
        if table.has_history {
            self.line("/*M!101100 SET SESSION system_versioning_insert_history=1 */;")?;
            tail.push_str("/*M!101100 SET SESSION system_versioning_insert_history=0 */;\n");
        }
        let is_mariadb = self.dialect.is_mariadb;
        self.insert = Some(Insert {
            head: format!("INSERT INTO {} ({}) VALUES\n", quote(&table.name), columns.join(",")).into_bytes(),
            tail,
            formats: table.columns.iter().map(LiteralFormat::of).collect(),
            null_when_empty: table
                .columns
                .iter()
                .map(|c| is_mariadb && is_null_when_empty(&table.create, c))
                .collect(),
            statement: Vec::new(),
            row: Vec::new(),
        });
        Ok(())
    }

    fn make_on_mysql(&mut self, table: &TableRecord) -> Result<()> {
        let create = format!("{};", super::load::without_implied_collations(&table.create));
        if late::is_strictly_refused(&table.create) {
            // For these alone: it needs a right that not everybody has.
            self.line("SET @coffer_strict=@@innodb_strict_mode, SESSION innodb_strict_mode=0;")?;
            self.line(&create)?;
            self.line("SET SESSION innodb_strict_mode=@coffer_strict;")?;
        } else {
            self.line(&create)?;
        }
        match super::load::without_defaults(&table.create) {
            Some(words) => self.line(&format!("ALTER TABLE {} {words};", quote(&table.name))),
            None => Ok(()),
        }
    }

    /// A row of the table at hand: its cells in the order of the table's columns, `None` for NULL.
    ///
    /// Errors: [`Kind::Damaged`] for another number of cells than the table has columns.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = Option<&'a [u8]>>) -> Result<()> {
        let Some(insert) = &mut self.insert else {
            return Err(Error::new(Kind::Failed, "a row outside of a table"));
        };
        insert.row.clear();
        let (mut count, mut is_long, mut has_empty) = (0, false, false);
        for mut cell in cells {
            insert.row.push(if count == 0 { b'(' } else { b',' });
            let Some(&format) = insert.formats.get(count) else { return Err(too_many(&insert.formats)) };
            if cell == Some(b"") && insert.null_when_empty.get(count) == Some(&true) {
                (cell, has_empty) = (None, true);
            }
            count += 1;
            let length = cell.map_or(0, <[u8]>::len);
            // A long row goes cell by cell, and a long cell in parts: it is in memory at no time.
            let is_next_long = length > self.options.statement_bytes;
            if is_next_long || insert.row.len() > self.options.statement_bytes {
                insert.give_row(&mut is_long, &mut self.out)?;
            }
            let mut give = |part: &[u8]| put(&mut self.out, part);
            if !(is_next_long && long_literal(cell.unwrap_or_default(), format, &mut give)?) {
                sql_literal(cell, format, &mut insert.row);
            }
        }
        if count != insert.formats.len() || count == 0 {
            return Err(too_many(&insert.formats));
        }
        insert.row.push(b')');
        if is_long || insert.row.len() > self.options.statement_bytes {
            insert.give_row(&mut is_long, &mut self.out)?;
            insert.row.extend_from_slice(b";\n");
            return put(&mut self.out, &insert.row);
        }
        if has_empty {
            // A statement of one row of VALUES would not take the NULL.
            insert.end_statement(&mut self.out)?;
            let head = insert.head.strip_suffix(b"VALUES\n").unwrap_or(&insert.head);
            let row = insert.row.strip_prefix(b"(").and_then(|row| row.strip_suffix(b")"));
            let parts = [head, b"SELECT ", row.unwrap_or(&insert.row), b";\n"];
            return put(&mut self.out, &parts.concat());
        }
        let is_full = insert.statement.len() + insert.row.len() + 2 > self.options.statement_bytes;
        if is_full {
            insert.end_statement(&mut self.out)?;
        }
        match insert.statement.is_empty() {
            true => insert.statement.extend_from_slice(&insert.head),
            false => insert.statement.extend_from_slice(b",\n"),
        }
        insert.statement.extend_from_slice(&insert.row);
        Ok(())
    }

    /// A row of `table`, the one at hand, that lived for no time ([`is_momentary`]); before all others.
    ///
    /// [`is_momentary`]: super::value::is_momentary
    pub fn momentary_row(&mut self, table: &TableRecord, cells: &[Option<&[u8]>]) -> Result<()> {
        for statement in super::value::momentary_statements(table, &quote(&table.name), cells) {
            self.put(&statement)?;
            self.line(";")?;
        }
        Ok(())
    }

    /// Ends the table at hand.
    pub fn end_table(&mut self) -> Result<()> {
        let Some(mut insert) = self.insert.take() else { return Ok(()) };
        insert.end_statement(&mut self.out)?;
        self.put(insert.tail.as_bytes())
    }

    /// Writes those of `objects` that come after the tables: libraries, routines and packages, views in their
    /// order, triggers, events. Users are none of a database and are left out. `all` are its tables.
    pub fn after_tables(&mut self, objects: &[ObjectRecord], all: &[TableRecord]) -> Result<()> {
        const KINDS: [SchemaObject; 8] = [
            SchemaObject::Library,
            SchemaObject::Function,
            SchemaObject::Procedure,
            SchemaObject::Package,
            SchemaObject::PackageBody,
            SchemaObject::View,
            SchemaObject::Trigger,
            SchemaObject::Event,
        ];
        let odd = late::tables_of_odd_triggers(objects, all);
        let is_late = |object: &ObjectRecord| {
            object.kind == SchemaObject::Trigger && odd.contains(&object.parent.as_str())
        };
        let (late, others): (Vec<_>, Vec<_>) =
            KINDS.iter().flat_map(|&kind| of_kind(objects, kind)).partition(|object| is_late(object));
        for object in others.into_iter().chain(late) {
            program::write(&mut self.out, &self.dialect, &self.database, object)?;
        }
        self.late.extend(odd.iter().map(|table| {
            format!("a trigger of table `{table}` names a column that the table does not have")
        }));
        Ok(())
    }

    /// Puts the settings back and gives the stream back, flushed.
    pub fn finish(mut self) -> Result<W> {
        self.line("")?;
        let last = std::mem::take(&mut self.last);
        let elsewhere = std::mem::take(&mut self.elsewhere);
        for statement in std::mem::take(&mut self.late_keys).into_iter().chain(last).chain(elsewhere) {
            self.line(&statement)?;
        }
        for (name, _) in session_settings(self.dialect.is_mariadb, self.dialect.version) {
            self.line(&setting_statement(name, &format!("SET SESSION {name}=@coffer_{name}")))?;
        }
        self.line(&format!("-- The end of {}.", literal(&self.database.name).replace(['\n', '\r'], " ")))?;
        self.out.flush().map_err(unwritten)?;
        Ok(self.out)
    }

    fn line(&mut self, text: &str) -> Result<()> {
        self.put(text.as_bytes())?;
        self.put(b"\n")
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        put(&mut self.out, bytes)
    }
}

fn put(out: &mut impl Write, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes).map_err(unwritten)
}

fn unwritten(cause: std::io::Error) -> Error {
    Error::io(Kind::Destination, "the SQL file cannot be written", cause)
}

fn too_many(formats: &[LiteralFormat]) -> Error {
    Error::damaged(format!(
        "a row has another number of cells than its table has columns ({})",
        formats.len()
    ))
}

/// Whether the engine builds the keys of many rows at once when told so.
fn is_keyed_apart(engine: &str) -> bool {
    ["MyISAM", "Aria"].iter().any(|known| known.eq_ignore_ascii_case(engine))
}

/// The objects of a kind in their order; triggers by table, too.
fn of_kind(objects: &[ObjectRecord], kind: SchemaObject) -> Vec<&ObjectRecord> {
    let mut found: Vec<&ObjectRecord> = objects.iter().filter(|object| object.kind == kind).collect();
    found.sort_by_key(|object| (&object.parent, object.order));
    found
}

#[cfg(test)]
mod tests;
