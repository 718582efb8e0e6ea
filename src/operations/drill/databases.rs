//! Live databases on trial: loaded, proven row by row (which loading does), their objects compared, and
//! dropped again. It promises to drop only what it made, and that one damaged database does not keep
//! the others from being tried.

use super::report::DatabaseTrial;
use super::{Drill, Place, millis, usage, without_values};
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::identifier::quote;
use crate::mysql::load::{DatabaseEntries, LoadOptions, LoadSource};
use crate::mysql::options::ServerOptions;
use crate::mysql::schema::{SchemaOptions, list_databases, read_database};
use crate::operations::server_restore;
use std::collections::BTreeMap;
use std::time::Instant;

/// The longest name that leaves room for those of a restore.
const MAX_NAME: usize = 48;

/// Looks whether the prefix is one and the server has no database with it.
///
/// Errors: [`Kind::Usage`]; [`Kind::Database`] if the server cannot be asked.
pub fn check_prefix(server: &ServerOptions, prefix: &str) -> Result<()> {
    let is_word = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_word || !(4..=24).contains(&prefix.len()) {
        return Err(usage(format!("`{prefix}` is no prefix for the drill's databases"))
            .hint("4 to 24 letters, digits and underscores"));
    }
    let mut conn = Connection::open(server)?;
    match list_databases(&mut conn)?.iter().find(|name| has_prefix(name, prefix)) {
        Some(name) => Err(usage(format!("{}: database `{name}` is there already", conn.name()))
            .hint("a drill never touches what it did not make: drop it, or choose another --prefix")),
        None => Ok(()),
    }
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// The name that a database gets for the trial.
fn trial_name(place: &Place, prefix: &str, database: &str, number: usize) -> String {
    match place {
        Place::Scratch(_) => database.to_owned(),
        Place::Given(_) if prefix.len() + database.chars().count() <= MAX_NAME => {
            format!("{prefix}{database}")
        }
        Place::Given(_) => format!("{prefix}{number}"),
    }
}

impl Drill<'_> {
    /// Tries all of them.
    pub fn databases(&mut self, place: &Place) -> Result<()> {
        let source = server_restore::source(self.store, self.record)?;
        let server = place.options();
        let mut conn = Connection::open(&server)?;
        let version = conn.value("SELECT VERSION()")?.unwrap_or_default();
        self.report.server = match place {
            Place::Scratch(_) => format!("a private {version}"),
            Place::Given(_) => format!("{}, {version}", conn.name()),
        };
        let is_other_vendor = (source.server.vendor == "MariaDB") != version.contains("MariaDB");
        let is_same_version = release(&version) == release(&source.server.version);
        if !is_same_version {
            self.report.notes.push(format!(
                "the databases come from {} and were tried on {version}: statements are not compared word by word",
                source.server.version
            ));
        }
        // Such a server has databases, tables and views under names in lower case.
        let folds = conn.value("SELECT @@lower_case_table_names")?.as_deref() == Some("1");
        drop(conn);
        let names: Vec<String> = source
            .databases
            .iter()
            .enumerate()
            .map(|(n, d)| trial_name(place, &self.plan.prefix, &d.record.name, n))
            .map(|name| if folds { name.to_lowercase() } else { name })
            .collect();
        let made = Made { server: server.clone(), names: &names, is_given: matches!(place, Place::Given(_)) };
        let outcome = self.all(&source, &server, (&names, folds), is_same_version, is_other_vendor);
        let dropped = made.drop_all();
        outcome.and(dropped)
    }

    /// Loads all, and compares them when all stand: their views may stand on each other.
    fn all(
        &mut self,
        source: &LoadSource,
        server: &ServerOptions,
        (names, folds): (&[String], bool),
        is_same_version: bool,
        is_other_vendor: bool,
    ) -> Result<()> {
        let mut loaded = Vec::new();
        for (database, target) in source.databases.iter().zip(names) {
            let (trial, stands) = self.one(source, database, server, target, is_other_vendor)?;
            loaded.push((database, target.as_str(), trial, stands));
        }
        let standing: Vec<_> =
            loaded.iter().filter(|one| one.3 && one.0.record.name == one.1).map(|one| one.0).collect();
        let made = crate::mysql::load::views_again(server, &standing)?;
        for (database, target, mut trial, stands) in loaded {
            trial.differences.retain(|sentence| !made.iter().any(|view| sentence.starts_with(view)));
            if stands {
                let began = Instant::now();
                let has_same_words = is_same_version && target == database.record.name;
                self.objects(database, server, (target, folds), has_same_words, &mut trial)?;
                trial.compare_ms = millis(began.elapsed());
            }
            let name = &database.record.name;
            self.report.differences.extend(trial.differences.iter().map(|d| format!("database {name}: {d}")));
            self.report.databases.push(trial);
        }
        Ok(())
    }

    /// Loads a database and reads it back; whether it stands.
    fn one(
        &mut self,
        source: &LoadSource,
        entries: &DatabaseEntries,
        server: &ServerOptions,
        target: &str,
        is_other_vendor: bool,
    ) -> Result<(DatabaseTrial, bool)> {
        let name = entries.record.name.clone();
        let is_renamed = *target != name;
        let options = LoadOptions {
            databases: vec![name.clone()],
            rename_to: is_renamed.then(|| target.to_owned()),
            threads: self.plan.threads,
            // A private server runs no events; on a given one they must not run.
            events: !is_renamed,
            ..LoadOptions::default()
        };
        let mut trial = DatabaseTrial { database: name.clone(), ..DatabaseTrial::default() };
        let began = Instant::now();
        let plan = server_restore::plan(source, server, &options);
        if let (Ok(plan), true) = (&plan, is_other_vendor)
            && let Some(obstacle) = plan.obstacles.first()
        {
            return Err(other_vendor(&source.server.vendor, &name, &obstacle.sentence));
        }
        let loaded = plan.and_then(|plan| server_restore::apply(&plan, self.store, self.pool, self.progress));
        trial.ms = millis(began.elapsed());
        let stands = loaded.is_ok();
        match loaded {
            Ok(report) => {
                trial.tables = report.tables().filter(|table| table.is_compared).count() as u64;
                trial.rows = report.rows();
                trial.bytes = entries.tables.iter().map(|t| t.content.size).sum();
                let known: Vec<&ObjectRecord> =
                    entries.objects.iter().filter(|o| !o.problem.is_empty()).collect();
                for lost in &report.not_made {
                    let is_known = known.iter().any(|o| lost.contains(&quote(&o.name)));
                    let told = without_values(lost);
                    if is_known { trial.notes.push(told) } else { trial.differences.push(told) }
                }
                trial.differences.extend(report.differing.iter().map(|table| without_values(table)));
                trial.notes.extend(report.notes.iter().map(|note| without_values(note)));
            }
            // No space, or a signal, says nothing of the snapshot.
            Err(error)
                if matches!(
                    error.kind(),
                    Kind::Interrupted | Kind::Busy | Kind::Full | Kind::Destination
                ) =>
            {
                return Err(error);
            }
            Err(error) => trial.differences.push(without_values(&told(&error))),
        }
        let took = std::time::Duration::from_millis(trial.ms);
        self.phase(format!("database {name} loaded and read back"), took, trial.bytes);
        Ok((trial, stands))
    }

    /// Compares tables and other objects: all are there, and their statements are the same.
    fn objects(
        &self,
        entries: &DatabaseEntries,
        server: &ServerOptions,
        (target, folds): (&str, bool),
        has_same_words: bool,
        trial: &mut DatabaseTrial,
    ) -> Result<()> {
        let mut conn = Connection::open(server)?;
        let schema = read_database(&mut conn, target, &SchemaOptions::default())?;
        let tables: BTreeMap<&str, &str> =
            schema.tables.iter().map(|t| (t.name.as_str(), t.create.as_str())).collect();
        let stored = |name: &str| if folds { name.to_lowercase() } else { name.to_owned() };
        for table in &entries.tables {
            match tables.get(stored(&table.name).as_str()) {
                None if table.columns.is_empty() => {
                    trial.notes.push(format!("table `{}` is not there", table.name))
                }
                None => trial.differences.push(format!("table `{}` is not there", table.name)),
                Some(create) if has_same_words && !is_made_so(&table.create, create) => {
                    trial.differences.push(format!("table `{}` is not made as it was", table.name));
                }
                Some(_) => {}
            }
        }
        let key = |o: &ObjectRecord| match o.kind {
            SchemaObject::View | SchemaObject::Sequence => (o.kind, stored(&o.parent), stored(&o.name)),
            _ => (o.kind, stored(&o.parent), o.name.clone()),
        };
        let objects: BTreeMap<_, _> = schema.objects.iter().map(|o| (key(o), o)).collect();
        for object in entries.objects.iter().filter(|o| o.problem.is_empty()) {
            let name = format!("{} `{}`", object.kind.word(), object.name);
            match objects.get(&key(object)) {
                None => trial.differences.push(format!("{name} is not there")),
                Some(made) if has_same_words && !is_same(object, made) => {
                    trial.differences.push(format!("{name} is not made as it was"));
                }
                Some(_) => trial.objects += 1,
            }
        }
        Ok(())
    }
}

/// The error of databases that a server of another vendor does not take: it says nothing of the snapshot.
fn other_vendor(vendor: &str, database: &str, obstacle: &str) -> Error {
    let message = format!("database `{database}` comes from {vendor} and cannot be tried here: {obstacle}");
    Error::new(Kind::Database, message).hint(format!(
        "install the server of {vendor} on this machine, or name one with --to-server and --mysql-…"
    ))
}

/// A version without the word that only says that the server keeps a log.
fn release(version: &str) -> &str {
    version.strip_suffix("-log").unwrap_or(version)
}

/// Whether the statement `new` makes the table that `old` made. Where keys were altered one by one they
/// stand in another order than a server that makes them all gives them; and a counter that rows have
/// overtaken is behind them in the new table, as it would be in the old one after a restart.
fn is_made_so(old: &str, new: &str) -> bool {
    let parts = |create: &str| {
        let (mut keys, mut others, mut counter) = (Vec::new(), Vec::new(), 0u64);
        for line in create.lines() {
            let words = line.strip_suffix(',').unwrap_or(line);
            let counts = words.split_once(" AUTO_INCREMENT=").filter(|_| words.starts_with(')'));
            if let Some((before, after)) = counts {
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                counter = after[..digits].parse().unwrap_or(0);
                others.push(format!("{before}{}", &after[digits..]));
            } else if words.trim_start().starts_with("UNIQUE KEY ") || words.trim_start().starts_with("KEY ")
            {
                keys.push(words.to_owned());
            } else {
                others.push(words.to_owned());
            }
        }
        keys.sort();
        (keys, others, counter)
    };
    let (old, new) = (parts(old), parts(new));
    (&old.0, &old.1) == (&new.0, &new.1) && new.2 >= old.2
}

/// Whether an object was made as it was. What a sequence counts to is not compared: it goes on.
fn is_same(old: &ObjectRecord, new: &ObjectRecord) -> bool {
    match old.kind {
        SchemaObject::Sequence => old.statements.first() == new.statements.first(),
        _ => old.statements == new.statements && old.definer == new.definer,
    }
}

/// An error with what caused it.
fn told(error: &Error) -> String {
    let mut text = error.message().to_owned();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text += &format!(": {words}");
        }
        next = cause.source();
    }
    text
}

/// What was made on a given server.
struct Made<'a> {
    server: ServerOptions,
    names: &'a [String],
    is_given: bool,
}

impl Made<'_> {
    /// Drops the databases of the trial, and what a restore that failed left beside them. A private
    /// server goes as a whole.
    fn drop_all(self) -> Result<()> {
        if !self.is_given {
            return Ok(());
        }
        let mut conn = Connection::open(&self.server)?;
        conn.execute("SET SESSION foreign_key_checks=0")?;
        let is_ours = |name: &String| {
            self.names.iter().any(|own| {
                name == own || name.strip_prefix(own.as_str()).is_some_and(|r| r.starts_with("__"))
            })
        };
        for name in list_databases(&mut conn)?.iter().filter(|name| is_ours(name)) {
            conn.execute(&format!("DROP DATABASE {}", quote(name)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_may_differ_in_the_order_of_keys_and_a_counter_that_was_overtaken() {
        let table =
            |keys: &str, end: &str| format!("CREATE TABLE `t` (\n  `a` int,\n{keys}\n) ENGINE=InnoDB{end}");
        let old = table("  UNIQUE KEY `b` (`b`),\n  UNIQUE KEY `a` (`a`)", " AUTO_INCREMENT=10 COMMENT='x'");
        let new = |counter: u32| {
            let end = format!(" AUTO_INCREMENT={counter} COMMENT='x'");
            table("  UNIQUE KEY `a` (`a`),\n  UNIQUE KEY `b` (`b`)", &end)
        };
        assert!(is_made_so(&old, &old) && is_made_so(&old, &new(10)) && is_made_so(&old, &new(13)));
        assert!(!is_made_so(&old, &new(9)) && !is_made_so(&old, &new(10).replace("'x'", "'y'")));
        assert!(!is_made_so(&old, &new(10).replace("UNIQUE KEY `b`", "KEY `b`")));
        assert_eq!(release("10.11.6-MariaDB-log"), release("10.11.6-MariaDB"));
    }
}
