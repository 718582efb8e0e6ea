//! The switch: from a proven staging database to the live one. It promises that every step may be
//! repeated, so that whoever runs it again after a kill ends where an unbroken run would; that until
//! the one RENAME statement an error puts back what was taken away, at once; and that the tables that stood
//! there before are dropped last.

use super::journal::{self, Switch};
use super::moving;
use super::names;
use super::objects;
use super::orphans;
use super::session::{said, tolerate};
use super::stage::character_set;
use super::steps;
use crate::entry::database::{DatabaseRecord, ObjectRecord, SchemaObject};
use crate::error::{Error, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{qualified, quote};
use crate::mysql::schema::{drop_stand_ins, make_dead_views};
use std::collections::HashSet;
use std::time::Duration;

/// The mark that the old routines and views are gone, so that objects of their names are new ones.
pub const OLD_GONE: &str = "old objects";

/// How long a statement of the switch waits for a table, in seconds, and how often it tries.
const LOCK_WAIT_SECONDS: u32 = 2;
const LOCK_TRIES: u32 = 20;
/// A lock was not given in time; a deadlock.
const LOCKED: [u16; 2] = [1205, 1213];

/// The mark of the last step.
pub const FINISHED: &str = "finished";

/// What a switch made.
#[derive(Default)]
pub struct Outcome {
    /// Objects that were made.
    pub objects: u64,
    /// What could not be made, one sentence each.
    pub not_made: Vec<String>,
    /// Objects that could not be made yet, by their number, with what then is said: other databases
    /// may have what they stand on.
    pub left: Vec<(usize, String)>,
    /// What else should be known.
    pub notes: Vec<String>,
    /// Tables that the server did not move to their place, by name.
    pub unmoved: Vec<String>,
}

/// Runs or goes on with the switch whose journal stands in the staging database.
///
/// Errors: until the tables are renamed, the live database is as it was before; afterwards the hint
/// says that running the restore again goes on.
pub fn run(conn: &mut Connection, switch: &Switch) -> Result<Outcome> {
    let staging = names::staging(&switch.target);
    let mut outcome = Outcome::default();
    if is_ahead(conn, switch, &staging)?
        && let Err(error) = rename(conn, switch, &staging, &mut outcome)
    {
        return Err(put_back(conn, switch, &staging, error));
    }
    finish(conn, switch, &staging, outcome).map_err(|error| {
        error.hint("the new tables stand in their place; run the restore again to finish what follows")
    })
}

/// Whether tables still wait in the staging database.
fn is_ahead(conn: &mut Connection, switch: &Switch, staging: &str) -> Result<bool> {
    if switch.new_tables.is_empty() && !journal::exists(conn, &switch.target)? {
        return Ok(true);
    }
    let waiting = journal::tables(conn, staging)?;
    let old = folded(&switch.old_tables);
    let stands: HashSet<String> = match switch.new_tables.is_empty() {
        // Nothing comes: the old ones have to go all the same.
        true => journal::tables(conn, &switch.target)?.iter().map(|name| fold(name)).collect(),
        false => HashSet::new(),
    };
    let new = folded(&switch.new_tables);
    Ok(waiting.iter().any(|table| new.contains(&fold(table)))
        || old.iter().any(|table| stands.contains(table)))
}

/// Names are compared in lower case: two that differ in case alone stand in one database only where
/// both are moved anyway.
pub fn fold(name: &str) -> String {
    name.to_lowercase()
}

pub fn folded(tables: &[String]) -> HashSet<String> {
    tables.iter().map(|table| fold(table)).collect()
}

/// Moves all tables in one statement, with the old triggers taken away just before it. They
/// go only once nobody uses the tables, and come back at once if the tables cannot be had after all:
/// rows that people write meanwhile must not miss their triggers.
fn rename(conn: &mut Connection, switch: &Switch, staging: &str, outcome: &mut Outcome) -> Result<()> {
    let target = &switch.target;
    if !journal::exists(conn, target)? {
        let set = character_set(&switch.database.character_set, &switch.database.collation);
        conn.execute(&format!("CREATE DATABASE {}{set}", quote(target)))?;
    }
    conn.enter(target)?;
    let pairs = pairs(conn, switch, staging)?;
    let sql = format!("RENAME TABLE {}", pairs.join(", "));
    let moved = patiently(conn, |conn| {
        let is_locked = lock_old(conn, switch)?;
        let removed = triggers(switch).try_for_each(|trigger| objects::remove(conn, trigger).map(drop));
        if is_locked {
            conn.execute("UNLOCK TABLES")?;
        }
        removed?;
        if pairs.is_empty() {
            return Ok(0);
        }
        let moved = conn.execute(&sql);
        if moved.as_ref().is_err_and(is_refused_lock) && switch.is_replaced {
            make_triggers(conn, switch)?;
        }
        moved
    });
    match moved {
        // It moved none, and nothing stands there that one statement has to change for the new.
        Err(error) if !switch.is_replaced && moving::is_refused(&error) => {
            moving::one_by_one(conn, switch, staging, outcome)
        }
        Err(error) if moving::is_refused(&error) => Err(error.hint(
            "some engines take no table into another database; --as NAME restores the others and names these",
        )),
        other => other,
    }
}

/// Waits until nobody uses the old tables, and keeps everybody out; false: there are none with triggers,
/// or the right to lock them is missing.
fn lock_old(conn: &mut Connection, switch: &Switch) -> Result<bool> {
    let standing = journal::tables(conn, &switch.target)?;
    let has_triggers = triggers(switch).next().is_some();
    let old = folded(&switch.old_tables);
    let locks: Vec<String> = standing
        .iter()
        .filter(|table| has_triggers && old.contains(&fold(table)))
        .map(|table| format!("{} WRITE", qualified(&switch.target, table)))
        .collect();
    if locks.is_empty() {
        return Ok(false);
    }
    match conn.execute(&format!("LOCK TABLES {}", locks.join(", "))) {
        Ok(_) => Ok(true),
        Err(error) if is_refused_lock(&error) => Err(error),
        // Without the right to lock, or with a trigger that cannot be opened, it goes as it can.
        Err(error) if code_of(&error).is_some() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the error says that a table could not be had in time.
fn is_refused_lock(error: &Error) -> bool {
    code_of(error).is_some_and(|code| LOCKED.contains(&code))
}

pub fn triggers(switch: &Switch) -> impl Iterator<Item = &ObjectRecord> {
    switch.old_objects.iter().filter(|object| object.kind == SchemaObject::Trigger)
}

/// Makes the old triggers again.
pub fn make_triggers(conn: &mut Connection, switch: &Switch) -> Result<()> {
    for trigger in triggers(switch) {
        make_one(conn, trigger)?;
    }
    objects::reset(conn)
}

/// Tries often and waits shortly: while a statement waits for a table that somebody reads, everybody
/// else waits behind it.
fn patiently(conn: &mut Connection, mut work: impl FnMut(&mut Connection) -> Result<u64>) -> Result<()> {
    conn.execute(&format!("SET SESSION lock_wait_timeout={LOCK_WAIT_SECONDS}"))?;
    let mut tries = 0;
    let result = loop {
        tries += 1;
        match work(conn) {
            Err(error)
                if code_of(&error).is_some_and(|code| LOCKED.contains(&code)) && tries < LOCK_TRIES =>
            {
                std::thread::sleep(Duration::from_millis(500));
            }
            other => break other,
        }
    };
    match result {
        Ok(_) => conn.execute("SET SESSION lock_wait_timeout=60").map(drop),
        Err(error) if code_of(&error).is_some_and(|code| LOCKED.contains(&code)) => Err(error.hint(
            "somebody uses the tables that are to be replaced: end the practice's programs and try again",
        )),
        Err(error) => Err(error),
    }
}

/// What is still to be renamed: nothing, unless the server can be killed in the middle of the
/// statement.
fn pairs(conn: &mut Connection, switch: &Switch, staging: &str) -> Result<Vec<String>> {
    let (target, old) = (&switch.target, names::old(&switch.target));
    let waiting: HashSet<String> = journal::tables(conn, staging)?.iter().map(|name| fold(name)).collect();
    let standing: HashSet<String> = journal::tables(conn, target)?.iter().map(|name| fold(name)).collect();
    let new = folded(&switch.new_tables);
    let has_come = |table: &String| new.contains(&fold(table)) && !waiting.contains(&fold(table));
    let mut pairs = Vec::new();
    for table in switch.old_tables.iter().filter(|t| standing.contains(&fold(t)) && !has_come(t)) {
        pairs.push(format!("{} TO {}", qualified(target, table), qualified(&old, table)));
    }
    if !pairs.is_empty() {
        tolerate(conn.execute(&format!("CREATE DATABASE IF NOT EXISTS {}", quote(&old))))?;
    }
    for table in switch.new_tables.iter().filter(|t| waiting.contains(&fold(t))) {
        pairs.push(format!("{} TO {}", qualified(staging, table), qualified(target, table)));
    }
    Ok(pairs)
}

/// After an error before the tables were moved: the old triggers again, and no journal.
fn put_back(conn: &mut Connection, switch: &Switch, staging: &str, error: Error) -> Error {
    let target = switch.target.clone();
    let result = (|| -> Result<bool> {
        let waiting: HashSet<String> =
            journal::tables(conn, staging)?.iter().map(|name| fold(name)).collect();
        if !switch.new_tables.iter().all(|table| waiting.contains(&fold(table))) {
            return Ok(false);
        }
        match switch.is_replaced {
            true => {
                conn.enter(&target)?;
                make_triggers(conn, switch)?;
            }
            // Whatever is in it is not ours.
            false if journal::exists(conn, &target)? && journal::is_empty(conn, &target)? => {
                conn.execute(&format!("DROP DATABASE {}", quote(&target)))?;
            }
            false => {}
        }
        let old = names::old(&target);
        if journal::exists(conn, &old)? && journal::tables(conn, &old)?.is_empty() {
            conn.execute(&format!("DROP DATABASE {}", quote(&old)))?;
        }
        conn.enter(staging)?;
        journal::undo(conn, staging)?;
        Ok(true)
    })();
    match result {
        Ok(true) => error.at(format!("database `{target}` is as it was")),
        _ => error.hint("the switch has begun; run the restore again to finish it"),
    }
}

fn make_one(conn: &mut Connection, object: &ObjectRecord) -> Result<()> {
    let statement = object.statements.first().map(Vec::as_slice).unwrap_or_default();
    objects::make(conn, object, statement, None)
}

/// Everything behind the rename.
fn finish(conn: &mut Connection, switch: &Switch, staging: &str, mut outcome: Outcome) -> Result<Outcome> {
    let done = journal::marks(conn, staging)?;
    conn.enter(&switch.target)?;
    if !done.contains(OLD_GONE) {
        for object in &switch.old_objects {
            tolerate(objects::remove(conn, object))?;
        }
        journal::mark(conn, staging, OLD_GONE)?;
    }
    // Whoever was killed while an object was made may have left the database with the collation of that.
    let own = switch.database.collation.as_str();
    if switch.is_whole || switch.objects.iter().any(|object| objects::other_collation(object, own).is_some())
    {
        let set = character_set(&switch.database.character_set, &switch.database.collation);
        if !set.is_empty() {
            conn.execute(&format!("ALTER DATABASE {}{set}", quote(&switch.target)))?;
        }
    }
    if switch.is_whole
        && let Some(comment) = comment_of(&switch.database.create)
        && let Err(error) = conn.execute(&format!("ALTER DATABASE {} {comment}", quote(&switch.target)))
    {
        outcome.not_made.push(format!("the comment of database `{}`: {}", switch.target, said(&error)));
    }
    steps::run(conn, switch, staging, &done, &mut outcome)?;
    make_objects(conn, switch, staging, &done, &mut outcome)?;
    drop_old(conn, switch, &mut outcome)?;
    outcome.notes.extend(orphans::outside(conn, &switch.target, &folded(&switch.new_tables))?);
    if !done.contains(FINISHED) {
        journal::mark(conn, staging, FINISHED)?;
    }
    Ok(outcome)
}

/// The clause that gives a database its comment: behind everything else that `SHOW CREATE DATABASE` says.
fn comment_of(create: &str) -> Option<&str> {
    let at = create.find("*/ COMMENT '")?;
    Some(&create[at + 3..])
}

/// Makes objects in their order, and those that failed again for as long as one of them succeeds: views
/// may stand on views, and functions may be called by them.
fn make_objects(
    conn: &mut Connection,
    switch: &Switch,
    staging: &str,
    done: &HashSet<String>,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut waiting: Vec<(usize, &ObjectRecord)> = switch.objects.iter().enumerate().collect();
    let before = waiting.len();
    waiting.retain(|(number, _)| !done.contains(&format!("object {number}")));
    outcome.objects += (before - waiting.len()) as u64;
    loop {
        let mut failed = Vec::new();
        let round = waiting.len();
        for (number, object) in waiting {
            match in_its_database(conn, switch, object) {
                Ok(()) => {
                    outcome.objects += 1;
                    objects::reset(conn)?;
                    journal::mark(conn, staging, &format!("object {number}"))?;
                }
                Err(error) => {
                    failed.push((number, object, objects::not_made(&switch.target, object, error)?))
                }
            }
            objects::reset(conn)?;
        }
        if failed.is_empty() || failed.len() == round {
            return dead_views(conn, switch, failed, outcome);
        }
        waiting = failed.into_iter().map(|(number, object, _)| (number, object)).collect();
    }
}

/// Makes views that were dead already, with what they miss standing in for a moment; the rest is named.
fn dead_views(
    conn: &mut Connection,
    switch: &Switch,
    failed: Vec<(usize, &ObjectRecord, String)>,
    outcome: &mut Outcome,
) -> Result<()> {
    if switch.objects.iter().any(is_dead) {
        // A program that was killed may have left some.
        drop_stand_ins(conn, &switch.target)?;
    }
    let dead: Vec<ObjectRecord> =
        failed.iter().filter(|(_, view, _)| is_dead(view)).map(|(_, view, _)| (*view).clone()).collect();
    let database = DatabaseRecord { name: switch.target.clone(), ..switch.database.clone() };
    let unmade = match dead.is_empty() {
        true => Vec::new(),
        false => make_dead_views(conn, &database, &dead)?,
    };
    objects::reset(conn)?;
    for (number, object, sentence) in failed {
        let cause = unmade.iter().find(|(name, _)| *name == object.name);
        match cause {
            Some((name, cause)) => outcome.not_made.push(format!(
                "view `{}`.`{name}` was dead already and could not be made: {cause}",
                switch.target
            )),
            None if is_dead(object) => {
                outcome.objects += 1;
                outcome.notes.push(format!(
                    "view `{}`.`{}` is dead, as it was: {}",
                    switch.target, object.name, object.problem
                ));
            }
            None => outcome.left.push((number, sentence)),
        }
    }
    Ok(())
}

fn is_dead(object: &ObjectRecord) -> bool {
    object.kind == SchemaObject::View && !object.problem.is_empty()
}

/// Makes an object while the database has the collation that it had when the object was made.
pub fn in_its_database(conn: &mut Connection, switch: &Switch, object: &ObjectRecord) -> Result<()> {
    let Some(other) = objects::other_collation(object, &switch.database.collation) else {
        return make_one(conn, object);
    };
    let target = quote(&switch.target);
    conn.execute(&format!("ALTER DATABASE {target} COLLATE {other}"))?;
    let made = make_one(conn, object);
    let set = character_set(&switch.database.character_set, &switch.database.collation);
    conn.execute(&format!("ALTER DATABASE {target}{set}"))?;
    made
}

/// Drops the tables that stood there before, and their database if nothing else is in it.
fn drop_old(conn: &mut Connection, switch: &Switch, outcome: &mut Outcome) -> Result<()> {
    let old = names::old(&switch.target);
    if switch.old_tables.is_empty() || !journal::exists(conn, &old)? {
        return Ok(());
    }
    for table in &switch.old_tables {
        journal::drop_table(conn, &old, table)?;
    }
    match journal::tables(conn, &old)?.is_empty() {
        true => conn.execute(&format!("DROP DATABASE {}", quote(&old))).map(drop)?,
        false => outcome.notes.push(format!(
            "database `{old}` stays: it holds tables that are not of the old `{}`",
            switch.target
        )),
    }
    Ok(())
}
