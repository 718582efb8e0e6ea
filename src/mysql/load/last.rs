//! The end of a restore of one or several databases. It promises that the journal of each stays until all
//! of them stand, and the last of them until the others are gone, so that a restore that was killed goes on
//! behind the ones that are done; and another try for views that stand on a database which came after theirs.

use super::choose::Part;
use super::journal::{self, Found, Standing, Stood, Switch};
use super::{
    DatabaseEntries, LoadOptions, LoadPlan, LoadReport, apply, names, objects, session, switch, users,
};
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;
use crate::mysql::options::ServerOptions;
use std::collections::HashSet;

/// A database that stands, and its journal.
pub struct Kept {
    /// The switch, which is finished.
    pub switch: Switch,
    /// Objects of it that could not be made, by their number, with what then is said.
    pub left: Vec<(usize, String)>,
    /// What the last journal is to say of it.
    pub stood: Stood,
}

/// What the journals of `parts` say of those that an earlier run of the same restore finished, all of them.
pub fn earlier(conn: &mut Connection, options: &LoadOptions, parts: &[Part]) -> Result<Standing> {
    let ours: Vec<[u8; 32]> = parts.iter().map(|part| apply::fingerprint(options, part)).collect();
    let mut known = Standing::default();
    for part in parts {
        let Some(mut said) = journal::standing(conn, &names::staging(&part.target))? else { continue };
        said.databases.retain(|stood| ours.contains(&stood.fingerprint));
        if !said.databases.is_empty() {
            known.databases.append(&mut said.databases);
            known.users.append(&mut said.users);
        }
    }
    Ok(known)
}

/// Makes what is left for as long as anything of it can be made, names the rest, gives `users` what they
/// may do, and drops the journals.
pub fn settle(
    plan: &LoadPlan,
    mut kept: Vec<Kept>,
    earlier: &Standing,
    users: &[&ObjectRecord],
    report: &mut LoadReport,
) -> Result<()> {
    make_left(plan, &mut kept, report)?;
    for one in &mut kept {
        let sentences: Vec<String> =
            std::mem::take(&mut one.left).into_iter().map(|(_, said)| said).collect();
        report.not_made.extend(sentences.iter().cloned());
        one.stood.not_made.extend(sentences);
    }
    stand(plan, &kept, earlier, users)?;
    // Grants name tables and routines: these stand by now.
    if !users.is_empty() {
        users::give(&mut session::open(&plan.target)?, users, report)?;
    }
    for one in kept {
        let staging = names::staging(&one.switch.target);
        match forget(plan, &one.switch) {
            // Whoever holds its lock finds it finished, and drops it.
            Err(error) if error.kind() == Kind::Busy => {
                report.notes.push(format!("database `{staging}` stays: {}", error.message()));
            }
            other => other.map_err(|error| {
                error.hint(format!("all stands as it should; the next restore removes `{staging}`"))
            })?,
        }
    }
    Ok(())
}

/// Views of one database may stand on another that came after it.
fn make_left(plan: &LoadPlan, kept: &mut [Kept], report: &mut LoadReport) -> Result<()> {
    let mut is_moving = kept.len() > 1 && kept.iter().any(|one| !one.left.is_empty());
    while std::mem::take(&mut is_moving) {
        for one in kept.iter_mut().filter(|one| !one.left.is_empty()) {
            let mut conn = session::open(&plan.target)?;
            let made = again(&mut conn, one)?;
            is_moving |= made > 0;
            one.stood.objects += made;
            let mut databases = report.databases.iter_mut();
            if let Some(database) = databases.find(|database| database.target == one.switch.target) {
                database.objects += made;
            }
        }
    }
    Ok(())
}

/// Writes down that all stand, in the journal that is dropped last: whoever goes on behind a kill then knows
/// what became of those that have none any more.
fn stand(plan: &LoadPlan, kept: &[Kept], earlier: &Standing, users: &[&ObjectRecord]) -> Result<()> {
    let Some(last) = kept.last() else { return Ok(()) };
    if kept.len() == 1 && earlier.databases.is_empty() && users.is_empty() {
        return Ok(());
    }
    let mut standing = earlier.clone();
    standing.databases.retain(|stood| !kept.iter().any(|one| one.stood.fingerprint == stood.fingerprint));
    standing.databases.extend(kept.iter().map(|one| one.stood.clone()));
    standing.users.extend(users.iter().map(|user| user.name.clone()));
    let mut conn = session::open(&plan.target)?;
    match held(&mut conn, &last.switch) {
        Ok(true) => journal::stand(&mut conn, &names::staging(&last.switch.target), &standing),
        Ok(false) => Ok(()),
        Err(error) if error.kind() == Kind::Busy => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes those views of `databases`, which stand under their own names, that are missing and can be made
/// now that all stand; how a sentence about each of them begins that said it was not made.
///
/// Errors: those of the connection.
pub fn views_again(target: &ServerOptions, databases: &[&DatabaseEntries]) -> Result<Vec<String>> {
    let mut kept = Vec::new();
    for entries in databases {
        let mut conn = session::open(target)?;
        let sql = format!("SHOW FULL TABLES FROM {} WHERE Table_type='VIEW'", quote(&entries.record.name));
        let standing: HashSet<String> = conn.rows(&sql)?.iter().filter_map(|row| row.text(0)).collect();
        let is_missing = |object: &&ObjectRecord| {
            object.kind == SchemaObject::View && object.problem.is_empty() && !standing.contains(&object.name)
        };
        let mut switch = Switch::new([0; 32]);
        switch.target = entries.record.name.clone();
        switch.database = entries.record.clone();
        switch.objects = entries.objects.iter().filter(is_missing).cloned().collect();
        let left = (0..switch.objects.len()).map(|number| (number, String::new())).collect();
        kept.push(Kept { switch, left, stood: Stood::default() });
    }
    let mut made = Vec::new();
    let mut is_moving = true;
    while std::mem::take(&mut is_moving) {
        for one in kept.iter_mut().filter(|one| !one.left.is_empty()) {
            is_moving |= again(&mut session::open(target)?, one)? > 0;
        }
    }
    for one in &kept {
        let is_left = |number: usize| one.left.iter().any(|(left, _)| *left == number);
        let views = one.switch.objects.iter().enumerate().filter(|(number, _)| !is_left(*number));
        made.extend(views.map(|(_, view)| format!("view `{}`.`{}` ", one.switch.target, view.name)));
    }
    Ok(made)
}

/// How many of the objects that are left could be made now.
fn again(conn: &mut Connection, one: &mut Kept) -> Result<u64> {
    let before = one.left.len();
    conn.enter(&one.switch.target)?;
    for (number, _) in std::mem::take(&mut one.left) {
        let Some(object) = one.switch.objects.get(number) else { continue };
        let made = switch::in_its_database(conn, &one.switch, object);
        objects::reset(conn)?;
        if let Err(error) = made {
            one.left.push((number, objects::not_made(&one.switch.target, object, error)?));
        }
    }
    Ok((before - one.left.len()) as u64)
}

/// Drops the journal, unless another restore has made one of its own meanwhile.
fn forget(plan: &LoadPlan, done: &Switch) -> Result<()> {
    let mut conn = session::open(&plan.target)?;
    match held(&mut conn, done)? {
        true => journal::drop_staging(&mut conn, &names::staging(&done.target)),
        false => Ok(()),
    }
}

/// Takes the lock of the database; whether its journal is this one's still.
///
/// Errors: [`Kind::Busy`].
fn held(conn: &mut Connection, done: &Switch) -> Result<bool> {
    session::lock(conn, &done.target)?;
    let found = journal::look(conn, &names::staging(&done.target))?;
    Ok(matches!(found, Found::Switching(found) if *found == *done))
}
