//! The restore, database by database. It promises the order that keeps the live database whole: load
//! beside it, prove, write the journal, switch.

use super::begun::{self, Next};
use super::choose::Part;
use super::journal::{self, Found, Standing, Step, Stood, Switch};
use super::last::{self, Kept};
use super::session::{self, said};
use super::stage::{self, Staged};
use super::{
    DatabaseReport, LoadOptions, LoadPlan, LoadReport, TableReport, Unfinished, earlier, names, orphans,
    statement, switch, users,
};
use crate::codec::encode;
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Cells, Connection};
use crate::mysql::identifier::{literal, qualified, quote};
use crate::mysql::information::Question;
use crate::mysql::schema::{SchemaOptions, read_database};
use crate::mysql::stream::RowSource;
use crate::progress::Progress;
use std::collections::{BTreeSet, HashSet};
use std::time::Instant;

/// Does what the plan says.
pub fn run(plan: &LoadPlan, source: &dyn RowSource, progress: &Progress) -> Result<LoadReport> {
    let mut report = LoadReport::default();
    let tables: usize = plan.parts.iter().map(|part| part.tables.len()).sum();
    let bytes: u64 = plan.parts.iter().flat_map(|part| &part.tables).map(|t| t.content.size).sum();
    progress.expect(tables as u64, bytes);
    let earlier = last::earlier(&mut session::open(&plan.target)?, &plan.options, &plan.parts)?;
    let mut users = Vec::new();
    if plan.options.users {
        let mut conn = session::open(&plan.target)?;
        users = users::make(&mut conn, &plan.source.users, &earlier.users, &mut report)?;
    }
    let run = Run { plan, source, progress, earlier: &earlier };
    let mut kept = Vec::new();
    for part in &plan.parts {
        let began = Instant::now();
        let (mut one, done) = match run.database(part, &mut report) {
            Ok(done) => done,
            Err(error) => {
                // Who stopped it, or had it stopped, runs it again; who ran into an error sees what stands,
                // and chooses.
                if error.kind() == Kind::Interrupted {
                    return Err(gone_on_with(error, &kept));
                }
                let _ = last::settle(plan, kept, &earlier, &[], &mut report);
                return Err(error);
            }
        };
        one.took = began.elapsed();
        report.databases.push(one);
        kept.extend(done);
    }
    last::settle(plan, kept, &earlier, &users, &mut report)?;
    Ok(report)
}

/// The error of a restore that was stopped behind databases that stand, whose journals stay.
fn gone_on_with(error: Error, kept: &[Kept]) -> Error {
    let names: Vec<String> = kept.iter().map(|one| quote(&one.switch.target)).collect();
    match names.is_empty() {
        true => error,
        false => {
            error.hint(format!("{} done; the same command, run again, goes on behind them", names.join(", ")))
        }
    }
}

/// What was loaded of a database, and its journal, unless an earlier run has dropped that.
type Done = (DatabaseReport, Option<Kept>);

/// A restore under way.
struct Run<'a> {
    plan: &'a LoadPlan<'a>,
    source: &'a dyn RowSource,
    progress: &'a Progress,
    /// Databases that an earlier run says stand.
    earlier: &'a Standing,
}

impl Run<'_> {
    fn database(&self, part: &Part, report: &mut LoadReport) -> Result<Done> {
        let plan = self.plan;
        let mut conn = session::open(&plan.target)?;
        session::lock(&mut conn, &part.target)?;
        let fingerprint = fingerprint(&plan.options, part);
        let staging = names::staging(&part.target);
        match journal::look(&mut conn, &staging)? {
            Found::Foreign => return Err(super::preflight::foreign(&staging)),
            Found::Switching(found) => {
                if let Some(done) = self.go_on(&mut conn, part, *found, report)? {
                    return Ok(done);
                }
                conn.enter(&staging)?;
                journal::drop_staging(&mut conn, &staging)?;
            }
            Found::Nothing | Found::Leftover => {
                journal::drop_staging(&mut conn, &staging)?;
                if part.unfinished == Unfinished::Stands
                    && let Some(stood) = self.earlier.of(&fingerprint)
                    && journal::exists(&mut conn, &part.target)?
                {
                    return self.pass_over(&mut conn, part, stood, report);
                }
            }
        }
        let is_new = part.is_new
            || part.unfinished == Unfinished::Switching && !journal::exists(&mut conn, &part.target)?;
        let part = &Part { is_new, ..part.clone() };
        let mut staged = prepare(&mut conn, plan, part, &staging)?;
        let Run { source, progress, .. } = *self;
        let loading = Loading { plan, part, staging: &staging, fingerprint, source, progress };
        let result = loading.run(&mut conn, &mut staged).and_then(|(begun, tables)| {
            let outcome = switch::run(&mut conn, &begun)?;
            Ok((described(part, tables, &outcome), Some(add(outcome, begun, report))))
        });
        result.map_err(|error| abandon(plan, &staging, error))
    }

    /// Goes on with the switch that an earlier run began; `None`: it is given up or forgotten, and the
    /// database is to be loaded.
    fn go_on(
        &self,
        conn: &mut Connection,
        part: &Part,
        found: Switch,
        report: &mut LoadReport,
    ) -> Result<Option<Done>> {
        let fingerprint = fingerprint(&self.plan.options, part);
        let staging = names::staging(&part.target);
        match begun::next(conn, &found, &fingerprint, self.plan.options.replace)? {
            Next::Finish => {}
            Next::Forget => return Ok(None),
            Next::TakeBack => {
                begun::take_back(conn, &found)?;
                report.notes.push(format!(
                    "database `{}`: an earlier restore had replaced nothing yet, and was given up",
                    part.target
                ));
                return Ok(None);
            }
        }
        if found.fingerprint != fingerprint {
            let outcome = switch::run(conn, &found)?;
            let kept = add(outcome, found, report);
            report.not_made.extend(kept.left.into_iter().map(|(_, sentence)| sentence));
            report.notes.push(format!("database `{}`: an earlier restore was finished first", part.target));
            return Ok(None);
        }
        let mut read = None;
        if begun::is_whole_still(conn, &found, &staging)? {
            let staged = earlier::compare(conn, &staging, part, &found.proven, self.progress)?;
            if !staged.differing.is_empty() {
                begun::take_back(conn, &found)?;
                report.notes.push(format!(
                    "database `{}`: the server lost some of what an earlier run had loaded, it was loaded anew",
                    part.target
                ));
                return Ok(None);
            }
            read = Some(staged);
        }
        let outcome = switch::run(conn, &found)?;
        let moved = found.proven.iter().filter(|(table, ..)| !outcome.unmoved.contains(table));
        let moved: Vec<_> = moved.cloned().collect();
        let read = match read {
            Some(read) => read,
            None => earlier::compare(conn, &found.target, part, &moved, self.progress)?,
        };
        report.differing.extend(read.differing);
        let resumed = DatabaseReport { is_resumed: true, ..described(part, read.tables, &outcome) };
        Ok(Some((resumed, Some(add(outcome, found, report)))))
    }

    /// A database that an earlier run finished, and whose journal it dropped.
    fn pass_over(
        &self,
        conn: &mut Connection,
        part: &Part,
        stood: &Stood,
        report: &mut LoadReport,
    ) -> Result<Done> {
        let read = earlier::compare(conn, &part.target, part, &stood.proven, self.progress)?;
        report.differing.extend(read.differing);
        report.not_made.extend(stood.not_made.iter().cloned());
        report.notes.extend(stood.notes.iter().cloned());
        let outcome = switch::Outcome { objects: stood.objects, ..switch::Outcome::default() };
        Ok((DatabaseReport { is_resumed: true, ..described(part, read.tables, &outcome) }, None))
    }
}

fn described(part: &Part, tables: Vec<TableReport>, outcome: &switch::Outcome) -> DatabaseReport {
    DatabaseReport {
        database: part.database.name.clone(),
        target: part.target.clone(),
        tables: tables.into_iter().filter(|report| !outcome.unmoved.contains(&report.table)).collect(),
        objects: outcome.objects,
        ..DatabaseReport::default()
    }
}

fn add(outcome: switch::Outcome, switch: Switch, report: &mut LoadReport) -> Kept {
    let stood = Stood {
        fingerprint: switch.fingerprint,
        proven: switch
            .proven
            .iter()
            .filter(|(table, ..)| !outcome.unmoved.contains(table))
            .cloned()
            .collect(),
        objects: outcome.objects,
        not_made: switch.not_made.iter().cloned().chain(outcome.not_made).collect(),
        notes: switch.notes.iter().cloned().chain(outcome.notes).collect(),
    };
    report.not_made.extend(stood.not_made.iter().cloned());
    report.notes.extend(stood.notes.iter().cloned());
    Kept { switch, left: outcome.left, stood }
}

/// The staging database with its tables, or nothing.
fn prepare(conn: &mut Connection, plan: &LoadPlan, part: &Part, staging: &str) -> Result<Staged> {
    let is_there = journal::exists(conn, &part.target)?;
    // What came since the plan was made is nothing that may lack a table afterwards.
    if is_there && (!plan.options.replace || part.is_new) {
        return Err(super::preflight::target_exists(&part.target));
    }
    stage::make(conn, part, staging).map_err(|error| abandon(plan, staging, error))
}

/// A database on its way into the staging one.
struct Loading<'a> {
    plan: &'a LoadPlan<'a>,
    part: &'a Part<'a>,
    staging: &'a str,
    fingerprint: [u8; 32],
    source: &'a dyn RowSource,
    progress: &'a Progress,
}

impl Loading<'_> {
    /// Loads, proves, and writes the journal.
    fn run(&self, conn: &mut Connection, staged: &mut Staged) -> Result<(Switch, Vec<TableReport>)> {
        let Loading { plan, part, staging, .. } = *self;
        let reports = stage::fill(conn, plan, part, staged, staging, self.source, self.progress)?;
        staged.notes.extend(orphans::find(conn, staged, staging, &part.target)?);
        let mut begun = Switch::new(self.fingerprint);
        begun.source = part.database.name.clone();
        begun.target = part.target.clone();
        begun.database = part.database.clone();
        begun.is_whole = part.is_whole;
        begun.proven = reports.iter().map(|r| (r.table.clone(), r.rows, r.checksum)).collect();
        begun.new_tables = staged.made.clone();
        begun.not_made = std::mem::take(&mut staged.not_made);
        begun.notes = std::mem::take(&mut staged.notes);
        begun.is_replaced = journal::exists(conn, &part.target)?;
        if begun.is_replaced {
            what_goes(conn, part, &mut begun)?;
        }
        begun.objects = made_objects(plan, part, staged);
        let mut steps = own_steps(part, staged);
        steps.append(&mut begun.steps);
        begun.steps = steps;
        self.progress.check()?;
        conn.enter(staging)?;
        journal::begin(conn, staging, &begun)?;
        Ok((begun, reports))
    }
}

/// What stands in the live database and goes, and foreign keys from elsewhere that point to it.
fn what_goes(conn: &mut Connection, part: &Part, begun: &mut Switch) -> Result<()> {
    let target = &part.target;
    let fold = |name: &String| name.to_lowercase();
    let coming: HashSet<String> = begun.new_tables.iter().map(fold).collect();
    let standing = journal::tables(conn, target)?;
    begun.old_tables = standing.into_iter().filter(|t| part.is_whole || coming.contains(&fold(t))).collect();
    let going: HashSet<String> = begun.old_tables.iter().map(fold).collect();
    let schema = read_database(conn, target, &SchemaOptions::default())?;
    if let Some(loss) = schema.losses.first() {
        return Err(super::unexpected(format!(
            "database `{target}` could not be put back if the switch failed: {loss}"
        ))
        .hint("the user of a restore that replaces must be able to read everything it replaces"));
    }
    let goes = |object: &ObjectRecord| match object.kind {
        SchemaObject::Trigger => going.contains(&fold(&object.parent)),
        SchemaObject::Sequence => false,
        _ => part.is_whole,
    };
    begun.old_objects = schema.objects.into_iter().filter(goes).collect();
    if !part.is_whole {
        // Tables come alone: the database keeps what it has.
        begun.database.character_set = schema.database.character_set;
        begun.database.collation = schema.database.collation;
    }
    begun.steps = keys_from_elsewhere(conn, target, &going)?;
    Ok(())
}

/// Foreign keys of tables that stay to tables that go would follow them: they are set anew.
fn keys_from_elsewhere(conn: &mut Connection, target: &str, going: &HashSet<String>) -> Result<Vec<Step>> {
    let question = Question {
        from: "KEY_COLUMN_USAGE",
        columns: "CONSTRAINT_NAME, REFERENCED_TABLE_NAME",
        bare: None,
        filter: &format!("REFERENCED_TABLE_SCHEMA={}", literal(target)),
    };
    // A key of two columns has two rows.
    let text = |row: &Cells| std::array::from_fn(|cell| row.text(cell).unwrap_or_default());
    let keys: BTreeSet<[String; 4]> = question.everywhere(conn)?.iter().map(text).collect();
    let mut steps = Vec::new();
    for [database, table, key, referenced] in keys {
        let is_inside = database == target && going.contains(&table.to_lowercase());
        if is_inside || !going.contains(&referenced.to_lowercase()) {
            continue;
        }
        let place = qualified(&database, &table);
        let shown = conn.rows(&format!("SHOW CREATE TABLE {place}"))?;
        let create = shown.first().and_then(|row| row.text(1)).unwrap_or_default();
        let definition = super::definition::take_apart(&create, &database, &database, &database);
        let begins = format!("CONSTRAINT {} FOREIGN KEY", quote(&key));
        let Some(words) = definition.foreign_keys.iter().find(|words| words.starts_with(&begins)) else {
            continue;
        };
        let what = format!("foreign key `{key}` of table `{database}`.`{table}`");
        let dropping = format!("ALTER TABLE {place} DROP FOREIGN KEY {}", quote(&key));
        steps.push(Step { what: what.clone(), sql: dropping, may_fail: true });
        steps.push(Step { what, sql: format!("ALTER TABLE {place} ADD {words}"), may_fail: false });
    }
    Ok(steps)
}

/// Foreign keys and defaults of the new tables.
fn own_steps(part: &Part, staged: &Staged) -> Vec<Step> {
    let mut steps = Vec::new();
    for (table, definition) in &staged.definitions {
        let place = qualified(&part.target, table);
        let name = format!("`{}`.`{table}`", part.target);
        for default in &definition.defaults {
            let what = format!("a default of table {name}");
            steps.push(Step {
                what,
                sql: format!("ALTER TABLE {place} ALTER COLUMN {default}"),
                may_fail: false,
            });
        }
        for key in &definition.foreign_keys {
            let what = format!("a foreign key of table {name} ({key})");
            steps.push(Step { what, sql: format!("ALTER TABLE {place} ADD {key}"), may_fail: false });
        }
    }
    // Last: a table that has it takes no other change.
    for (table, definition) in &staged.definitions {
        if let Some(words) = &definition.secondary {
            let what = format!("the second engine of table `{}`.`{table}` ({words})", part.target);
            let sql = format!("ALTER TABLE {} {words}", qualified(&part.target, table));
            steps.push(Step { what, sql, may_fail: false });
        }
    }
    steps
}

/// The objects to make, with their statements as they shall be.
fn made_objects(plan: &LoadPlan, part: &Part, staged: &Staged) -> Vec<ObjectRecord> {
    let options = &plan.options;
    let stands = |table: &String| staged.made.contains(table);
    let of_part = part.objects.iter().filter(|object| match object.kind {
        SchemaObject::Sequence | SchemaObject::User => false,
        SchemaObject::Trigger => stands(&object.parent),
        _ => true,
    });
    of_part
        .map(|object| {
            let mut made = (*object).clone();
            let mut statements = vec![statement::prepared(object, &options.definers, options.events)];
            statements.extend(object.statements.iter().skip(1).cloned());
            statements.extend(statement::invoker(object, &options.definers).map(String::into_bytes));
            made.statements = statements;
            made
        })
        .collect()
}

/// What identifies a restore: the same snapshot, options and target give the same.
pub fn fingerprint(options: &LoadOptions, part: &Part) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(part.target.as_bytes());
    add(&encode(part.database));
    add(format!("{:?} {} {}", options.definers, options.events, part.is_whole).as_bytes());
    add(options.filter.map_or(String::new(), |filter| filter.identity()).as_bytes());
    for table in &part.tables {
        add(table.name.as_bytes());
        add(table.create.as_bytes());
        add(&table.checksum);
    }
    part.objects.iter().for_each(|object| add(&encode(*object)));
    *hasher.finalize().as_bytes()
}

/// After an error: what was staged goes, unless the switch has begun.
fn abandon(plan: &LoadPlan, staging: &str, error: Error) -> Error {
    // The connection that failed may be in the middle of something.
    let cleaned = session::open(&plan.target).and_then(|mut conn| {
        // Whoever still holds a table of it is not waited for long: the next restore removes it, too.
        conn.execute("SET SESSION lock_wait_timeout=5")?;
        match journal::look(&mut conn, staging)? {
            Found::Leftover => journal::drop_staging(&mut conn, staging),
            _ => Ok(()),
        }
    });
    match cleaned {
        Err(cause) if error.kind() != Kind::Interrupted && error.remedy().is_none() => error.hint(format!(
            "what was loaded so far still stands in `{staging}` ({}); the next restore removes it",
            said(&cause)
        )),
        _ => error,
    }
}
