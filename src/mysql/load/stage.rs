//! The staging database: made, filled in parallel, proven. It promises that every table is made
//! before the first row is loaded, so that what the server lacks shows at once; that tables are loaded
//! largest first; and that the first failure ends all threads.

use super::choose::Part;
use super::collation;
use super::definition::{Definition, take_apart, with_room, without_defaults, without_implied_collations};
use super::session::{self, said, tolerate};
use super::table::{self, Rows, Task, Which};
use super::ties::without_ties;
use super::watch::{self, Watch};
use super::{LoadPlan, TableReport, journal, objects, proof, unexpected};
use super::{documents, fulltext, secondary};
use crate::entry::database::{ObjectRecord, SchemaObject, TableRecord};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{qualified, quote};
use crate::mysql::stream::RowSource;
use crate::progress::Progress;
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// What was made and could not be made.
#[derive(Default)]
pub struct Staged {
    /// The tables' statements, taken apart, by name.
    pub definitions: Vec<(String, Definition)>,
    /// Tables and sequences that stand in the staging database.
    pub made: Vec<String>,
    /// What could not be made, one sentence each.
    pub not_made: Vec<String>,
    /// What is not as it was, one sentence each.
    pub notes: Vec<String>,
}

/// Makes the staging database with its sequences and tables.
pub fn make(conn: &mut Connection, part: &Part, staging: &str) -> Result<Staged> {
    let record = part.database;
    conn.execute(&format!(
        "CREATE DATABASE IF NOT EXISTS {}{}",
        quote(staging),
        character_set(&record.character_set, &record.collation)
    ))?;
    // One that was left after a kill has the character set of then.
    let set = character_set(&record.character_set, &record.collation);
    if !set.is_empty() {
        conn.execute(&format!("ALTER DATABASE {}{set}", quote(staging)))?;
    }
    journal::create(conn, staging)?;
    conn.enter(staging)?;
    let mut staged = Staged::default();
    let sequences = part.objects.iter().filter(|object| object.kind == SchemaObject::Sequence);
    for sequence in sequences {
        match make_sequence(conn, sequence) {
            Ok(()) => staged.made.push(sequence.name.clone()),
            Err(error) => staged.not_made.push(objects::not_made(&part.target, sequence, error)?),
        }
    }
    for table in &part.tables {
        make_table(conn, part, table, staging, &mut staged)?;
    }
    Ok(staged)
}

/// The words that give a database its character set.
pub fn character_set(character_set: &str, collation: &str) -> String {
    match (character_set.is_empty(), collation.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!(" CHARACTER SET {}", quote(character_set)),
        (false, false) => format!(" CHARACTER SET {} COLLATE {}", quote(character_set), quote(collation)),
    }
}

fn make_sequence(conn: &mut Connection, sequence: &ObjectRecord) -> Result<()> {
    let statement = sequence.statements.first().map(Vec::as_slice).unwrap_or_default();
    objects::make(conn, sequence, statement, None)
}

fn make_table(
    conn: &mut Connection,
    part: &Part,
    table: &TableRecord,
    staging: &str,
    staged: &mut Staged,
) -> Result<()> {
    let database = &part.database.name;
    let apart = fulltext::set_apart(&table.create);
    let create = apart.as_ref().map_or(&table.create, |(create, _)| create);
    let second = secondary::set_apart(create);
    let create = second.as_ref().map_or(create, |(create, _)| create);
    let mut definition = take_apart(create, database, staging, &part.target);
    definition.secondary = second.as_ref().map(|(_, words)| words.clone());
    if !conn.is_mariadb() {
        definition.create = without_implied_collations(&definition.create);
    }
    for left_out in &definition.left_out {
        staged.notes.push(format!("table `{}`.`{}`: made without {left_out}", part.target, table.name));
    }
    let heap = heap_bytes(table);
    if let Some(bytes) = heap {
        tolerate(conn.execute(&format!("SET SESSION max_heap_table_size={bytes}")))?;
    }
    let made = match conn.execute(&definition.create) {
        Err(error) if code_of(&error).is_some() => {
            again(conn, table, &definition, &part.target, error, staged)?
        }
        other => other.map(drop),
    };
    match made {
        Ok(()) => {
            drop_defaults(conn, part, table, staging, staged)?;
            staged.made.push(table.name.clone());
        }
        Err(error) if code_of(&error).is_none() => return Err(error),
        Err(error) if table.columns.is_empty() || part.is_new => staged.not_made.push(format!(
            "table `{}`.`{}` could not be made: {}",
            part.target,
            table.name,
            said(&error)
        )),
        Err(error) => {
            return Err(unexpected(format!(
                "table `{}`.`{}` cannot be made on {}: {}",
                part.target, table.name, conn.name(), said(&error)
            ))
            .hint("nothing was touched; choose the other tables with --table, or a server that has what it needs"));
        }
    }
    staged.definitions.push((table.name.clone(), definition));
    Ok(())
}

/// Takes the default NULL from columns that had no default at all.
fn drop_defaults(
    conn: &mut Connection,
    part: &Part,
    table: &TableRecord,
    staging: &str,
    staged: &mut Staged,
) -> Result<()> {
    let Some(words) = without_defaults(&table.create).filter(|_| !conn.is_mariadb()) else { return Ok(()) };
    match conn.execute(&format!("ALTER TABLE {} {words}", qualified(staging, &table.name))) {
        Err(error) if code_of(&error).is_some() => staged.notes.push(format!(
            "table `{}`.`{}`: columns without a default have the default NULL: {}",
            part.target,
            table.name,
            said(&error)
        )),
        other => drop(other?),
    }
    Ok(())
}

/// A key, a key's column or a row that does not fit into the server's default row format.
const TOO_LARGE: [u16; 3] = [1071, 1118, 1709];

/// A second try for a table with options that this server does not know.
fn again(
    conn: &mut Connection,
    table: &TableRecord,
    definition: &Definition,
    target: &str,
    first: Error,
    staged: &mut Staged,
) -> Result<Result<()>> {
    let mut left_out = Vec::new();
    let free = without_ties(&definition.create, &mut left_out);
    if !left_out.is_empty() && conn.execute(&free).is_ok() {
        let named = left_out.join(", ");
        staged.notes.push(format!(
            "table `{target}`.`{}`: made without {named}: {}",
            table.name,
            said(&first)
        ));
        return Ok(Ok(()));
    }
    if code_of(&first).is_some_and(|code| TOO_LARGE.contains(&code))
        && let Some(roomy) = with_room(&definition.create)
        && conn.execute(&roomy).is_ok()
    {
        staged.notes.push(format!(
            "table `{target}`.`{}`: made with ROW_FORMAT=DYNAMIC, which is not this server's default: {}",
            table.name,
            said(&first)
        ));
        return Ok(Ok(()));
    }
    let mode = crate::mysql::value::LOAD_SQL_MODE;
    let lenient = conn.execute(&format!("SET SESSION sql_mode='{mode},IGNORE_BAD_TABLE_OPTIONS'"));
    if tolerate(lenient).is_err() {
        return Ok(Err(first));
    }
    let second = conn.execute(&definition.create);
    conn.execute(&format!("SET SESSION sql_mode='{mode}'"))?;
    Ok(match second {
        Ok(_) => {
            staged.notes.push(format!(
                "table `{target}`.`{}`: options are ignored: {}",
                table.name,
                said(&first)
            ));
            Ok(())
        }
        Err(_) => Err(first),
    })
}

/// Memory that a table of the MEMORY engine may need: the limit is the session's when it is made.
fn heap_bytes(table: &TableRecord) -> Option<u64> {
    table.engine.eq_ignore_ascii_case("MEMORY").then(|| table.server_bytes.saturating_mul(2).max(64 << 20))
}

/// Loads and proves all tables that stand in the staging database.
///
/// A table that the server refuses ends the load; where nothing is replaced, it is dropped and named
/// instead, and costs no other.
pub fn fill(
    conn: &mut Connection,
    plan: &LoadPlan,
    part: &Part,
    staged: &mut Staged,
    staging: &str,
    source: &dyn RowSource,
    progress: &Progress,
) -> Result<Vec<TableReport>> {
    let made: HashSet<&str> = staged.made.iter().map(String::as_str).collect();
    let filled = |table: &&&TableRecord| !table.columns.is_empty() && made.contains(table.name.as_str());
    let tables: Vec<&TableRecord> = part.tables.iter().filter(filled).copied().collect();
    let next = AtomicUsize::new(0);
    let done = Mutex::new((Vec::new(), None::<Error>));
    let refused = Mutex::new(Vec::new());
    let long = Mutex::new(());
    let watch = Watch::default();
    let work = || -> Result<()> {
        let mut conn = session::open(&plan.target)?;
        watch.add(&conn);
        let (has_infile, max_packet_bytes) = limits(&mut conn)?;
        while let Some(table) = tables.get(next.fetch_add(1, Ordering::Relaxed)) {
            progress.check()?;
            let is_refused = AtomicBool::new(false);
            let task =
                Task { table, staging, has_infile, max_packet_bytes, long: &long, is_refused: &is_refused };
            match one(&mut conn, plan, part, &task, source, (&watch, progress)) {
                Ok(report) => done.lock().unwrap_or_else(PoisonError::into_inner).0.push(report),
                Err(error) if part.is_new && is_refused.into_inner() => {
                    // The old connection may be in the middle of something.
                    conn = session::open(&plan.target)?;
                    watch.add(&conn);
                    let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
                    refused.push((table.name.clone(), error.message().to_owned()));
                }
                Err(error) => return Err(error),
            }
            progress.advance(1, 0);
        }
        Ok(())
    };
    let folder = watch::data_folder(conn)?;
    std::thread::scope(|scope| {
        scope.spawn(|| watch.run(&plan.target, folder, progress));
        let work = || {
            if let Err(error) = work() {
                // The others end after their table.
                next.store(tables.len(), Ordering::Relaxed);
                let error = told(error, &watch, &plan.target.name(), progress);
                done.lock().unwrap_or_else(PoisonError::into_inner).1.get_or_insert(error);
            }
        };
        let threads = plan.options.threads.clamp(1, tables.len().max(1));
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        // A worker that panicked left its table out, which shows in the count below.
        workers.into_iter().for_each(|worker| drop(worker.join()));
        watch.end();
    });
    let (mut reports, error) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
    match error {
        Some(error) => Err(error),
        None if reports.len() + refused.len() != tables.len() => {
            Err(Error::new(Kind::Failed, "a thread that loads tables ended early"))
        }
        None => {
            reports.sort_by_key(|r: &TableReport| tables.iter().position(|t| t.name == r.table));
            staged.notes.extend(reports.iter().map(|r| r.note.clone()).filter(|note| !note.is_empty()));
            refused
                .into_iter()
                .try_for_each(|table| leave_out(conn, &part.target, staging, staged, table))?;
            Ok(reports)
        }
    }
}

/// Drops a table whose rows the server does not take as they are: in part, or changed, it would lie.
fn leave_out(
    conn: &mut Connection,
    target: &str,
    staging: &str,
    staged: &mut Staged,
    (table, why): (String, String),
) -> Result<()> {
    journal::drop_table(conn, staging, &table)?;
    staged.made.retain(|made| *made != table);
    staged.definitions.retain(|(made, _)| *made != table);
    staged.not_made.push(format!("table `{target}`.`{table}` could not be restored: {why}"));
    Ok(())
}

/// What ended the load, where that is not what the connection met.
fn told(error: Error, watch: &Watch, server: &str, progress: &Progress) -> Error {
    match progress.check() {
        Err(interrupted) => interrupted,
        Ok(()) if watch.is_full() => Error::new(Kind::Full, format!("{server}: its disk is full"))
            .hint("the live database was not touched; make room and restore again"),
        Ok(()) => error,
    }
}

fn one(
    conn: &mut Connection,
    plan: &LoadPlan,
    part: &Part,
    task: &Task,
    source: &dyn RowSource,
    (watch, progress): (&Watch, &Progress),
) -> Result<TableReport> {
    let table = task.table;
    let rows = |conn: &mut Connection, which| -> Result<Rows> {
        let change = match plan.options.filter {
            Some(filter) => {
                let mut collations = collation::Staged { conn, staging: task.staging, table: &table.name };
                filter.table(&part.database.name, table, &mut collations)?
            }
            None => None,
        };
        Ok(Rows::new(source.chunks(table)?, table, which, change))
    };
    let began = Instant::now();
    let momentary = match table.has_history {
        true => {
            let rows = rows(conn, Which::Momentary)?;
            Some(table::load_momentary(conn, task, rows, progress)?)
        }
        false => None,
    };
    let lasting = rows(conn, Which::Lasting)?;
    let sent = table::load(conn, task, lasting, progress)?;
    let sent = momentary.map_or(sent, |momentary| momentary.and(sent));
    for key in fulltext::set_apart(&table.create).map_or(Vec::new(), |(_, keys)| keys) {
        conn.execute(&format!("ALTER TABLE {} ADD {key}", task.place()))?;
    }
    let (load, began) = (began.elapsed(), Instant::now());
    let _one = sent.has_long.then(|| task.long.lock().unwrap_or_else(PoisonError::into_inner));
    let read = proof::read_back(conn, task, sent.has_long, progress)?;
    let mut note = String::new();
    if let Err(error) = proof::compare(table, &sent, &read) {
        let is_almost = !conn.is_mariadb() && documents::has_documents(table) && {
            let again = rows(conn, Which::Lasting)?;
            documents::agree(conn, task, again, progress)?
        };
        if !is_almost {
            let is_whole = sent.checksum.is_some() || sent.rows == table.rows;
            task.is_refused.store(is_whole, Ordering::Relaxed);
            return Err(error);
        }
        note = format!(
            "table `{}`.`{}`: decimals inside of JSON are doubles of the same value now, as MySQL reads them \
             from text",
            part.target, table.name
        );
    }
    if sent.has_long {
        // The old connection would keep buffers for long rows, beside those of the others.
        *conn = session::open(&plan.target)?;
        watch.add(conn);
    }
    Ok(TableReport {
        table: table.name.clone(),
        rows: read.rows,
        checksum: read.checksum.unwrap_or_default(),
        note,
        is_earlier: false,
        is_compared: true,
        load,
        proof: began.elapsed(),
    })
}

/// Whether the server takes LOAD DATA LOCAL, and its longest packet.
pub fn limits(conn: &mut Connection) -> Result<(bool, u64)> {
    let rows = conn.rows("SELECT @@GLOBAL.local_infile, @@SESSION.max_allowed_packet")?;
    let number = |at| rows.first().and_then(|row| row.number(at)).unwrap_or(0);
    Ok((number(0) == 1, number(1).max(1 << 16)))
}
