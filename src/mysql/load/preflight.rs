//! What stands against a restore. It promises to touch nothing, and to find what can be found before
//! the first statement that does: everything at once, each by name.

use super::begun::{self, Next};
use super::choose::Part;
use super::journal::{self, Found, Standing};
use super::{LoadOptions, LoadPlan, apply, beforehand, last, names, session, stage, vendors, watch};
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::facts::{ServerFacts, add_old_names};
use crate::mysql::privileges::{Need, Privileges, Purpose, missing, refusal};
use crate::mysql::schema::mentions;
use std::collections::BTreeSet;

/// Something that stands against a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The kind of failure it would be.
    pub kind: Kind,
    /// What it is, naming the object.
    pub sentence: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What an earlier restore into the same database left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unfinished {
    /// Nothing.
    #[default]
    Nothing,
    /// A staging database; it is removed first.
    Leftover,
    /// A switch that has begun; it is finished first.
    Switching,
    /// It stands, and its journal is gone; the journal of another database of the same restore says so.
    Stands,
}

/// Looks at the server.
pub fn look(plan: &mut LoadPlan) -> Result<()> {
    let mut conn = session::open(&plan.target)?;
    let lacks = Lacks::of(&mut conn)?;
    let mut obstacles = Vec::new();
    let mut warnings = Vec::new();
    for part in &mut plan.parts {
        part.target = journal::spelled(&mut conn, &part.target)?;
    }
    let earlier = last::earlier(&mut conn, &plan.options, &plan.parts)?;
    for part in &mut plan.parts {
        part.unfinished = place(&mut conn, part, &plan.options, &earlier, &mut obstacles)?;
        part.is_new = part.unfinished != Unfinished::Switching && !journal::exists(&mut conn, &part.target)?;
        lacks.look(part, &mut obstacles, &mut warnings);
        warnings.extend(vendors::differences(&conn, &plan.source.server.vendor, part));
        names_in_case(&mut conn, part, &mut obstacles)?;
    }
    rights(&mut conn, &plan.parts, plan.options.replace, &mut obstacles, &mut warnings)?;
    space(&mut conn, &plan.parts, &mut obstacles, &mut warnings)?;
    let (has_infile, packet) = stage::limits(&mut conn)?;
    if !has_infile {
        warnings.push(format!(
            "local_infile is off on {}: rows go by INSERT, which is slower, and none may be longer than {packet} bytes",
            conn.name()
        ));
    }
    definers(&mut conn, plan, &mut obstacles, &mut warnings)?;
    if plan.options.replace {
        for part in plan.parts.iter().filter(|part| part.is_whole) {
            warnings.extend(beforehand::routine_grants(&mut conn, &part.target)?);
        }
    }
    for part in plan.parts.iter().filter(|part| part.target != part.database.name) {
        warnings.extend(part.objects.iter().filter_map(|object| old_name(part, object)));
    }
    for part in plan.parts.iter().filter(|part| !part.is_whole && part.target != part.database.name) {
        warnings.extend(lost_tables(part, &plan.source.databases));
    }
    plan.obstacles = obstacles;
    plan.warnings = warnings;
    Ok(())
}

/// The error for a target that is there.
pub fn target_exists(target: &str) -> Error {
    Error::new(Kind::Usage, format!("database `{target}` already exists on the server"))
        .hint("--replace puts the restored one in its place, --as NAME restores under another name")
}

/// The error for a staging database that is not ours.
pub fn foreign(staging: &str) -> Error {
    Error::new(Kind::Usage, format!("database `{staging}` exists and is not that of an interrupted restore"))
        .hint("rename or drop it: the restore needs the name")
}

/// Whether the names that a restore needs are free.
fn place(
    conn: &mut Connection,
    part: &Part,
    options: &LoadOptions,
    earlier: &Standing,
    obstacles: &mut Vec<Obstacle>,
) -> Result<Unfinished> {
    let (staging, old) = (names::staging(&part.target), names::old(&part.target));
    let is_there = journal::exists(conn, &part.target)?;
    let fingerprint = apply::fingerprint(options, part);
    let unfinished = match journal::look(conn, &staging)? {
        Found::Nothing | Found::Leftover
            if is_there && !options.replace && earlier.of(&fingerprint).is_some() =>
        {
            Unfinished::Stands
        }
        Found::Nothing => Unfinished::Nothing,
        Found::Leftover => Unfinished::Leftover,
        Found::Switching(found) => match begun::next(conn, &found, &fingerprint, options.replace)? {
            Next::Finish => Unfinished::Switching,
            Next::TakeBack | Next::Forget => Unfinished::Leftover,
        },
        Found::Foreign => {
            obstacles.push(obstacle(&foreign(&staging)));
            Unfinished::Nothing
        }
    };
    if matches!(unfinished, Unfinished::Switching | Unfinished::Stands) {
        return Ok(unfinished);
    }
    if is_there && !options.replace {
        obstacles.push(obstacle(&target_exists(&part.target)));
    }
    if is_there && journal::exists(conn, &old)? && !journal::tables(conn, &old)?.is_empty() {
        obstacles.push(Obstacle {
            kind: Kind::Usage,
            sentence: format!("database `{old}` exists"),
            hint: Some(
                "rename or drop it: the tables that are replaced go there until the new ones stand".into(),
            ),
        });
    }
    Ok(unfinished)
}

fn obstacle(error: &Error) -> Obstacle {
    Obstacle {
        kind: error.kind(),
        sentence: error.message().to_owned(),
        hint: error.remedy().map(str::to_owned),
    }
}

/// What the server has.
struct Lacks {
    server: String,
    engines: BTreeSet<String>,
    collations: BTreeSet<String>,
    character_sets: BTreeSet<String>,
}

impl Lacks {
    fn of(conn: &mut Connection) -> Result<Lacks> {
        let lower = |rows: Vec<crate::mysql::connection::Cells>| -> BTreeSet<String> {
            rows.iter().filter_map(|row| row.text(0)).map(|name| name.to_lowercase()).collect()
        };
        let engines =
            conn.rows("SELECT ENGINE FROM information_schema.ENGINES WHERE SUPPORT IN ('YES','DEFAULT')")?;
        let mut engines = lower(engines);
        // A MySQL may have engines, and let nobody make tables of them.
        for row in conn.rows("SHOW GLOBAL VARIABLES LIKE 'disabled_storage_engines'")? {
            for name in row.text(1).unwrap_or_default().split(',') {
                engines.remove(&name.trim().to_lowercase());
            }
        }
        let mut collations = lower(conn.rows("SELECT COLLATION_NAME FROM information_schema.COLLATIONS")?);
        // Newer MariaDBs list some collations by their full name here alone.
        let full = "SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY";
        if let Ok(rows) = conn.rows(full) {
            collations.extend(lower(rows));
        }
        let sets = conn.rows("SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS")?;
        // Every server has it, and none lists it.
        collations.insert("filename".into());
        let mut character_sets = lower(sets);
        character_sets.insert("filename".into());
        add_old_names(&mut collations);
        add_old_names(&mut character_sets);
        Ok(Lacks { server: conn.name().into(), engines, collations, character_sets })
    }

    fn look(&self, part: &Part, obstacles: &mut Vec<Obstacle>, warnings: &mut Vec<String>) {
        let mut add = |sentence: String| {
            obstacles.push(Obstacle {
                kind: Kind::Database,
                sentence,
                hint: Some("nothing was touched".into()),
            });
        };
        let database = part.database;
        let environments = part.objects.iter().flat_map(|object| &object.environment);
        let unknown: BTreeSet<&str> = environments
            .filter(|setting| setting.name == "collation_connection")
            .map(|setting| setting.value.as_str())
            .filter(|collation| !collation.is_empty() && !self.collations.contains(&collation.to_lowercase()))
            .collect();
        for collation in unknown {
            warnings.push(format!(
                "{} lacks the collation {collation}, under which objects of `{}` were made: texts in them compare \
                 by its own for utf8mb4",
                self.server, database.name
            ));
        }
        if !database.collation.is_empty() && !self.collations.contains(&database.collation.to_lowercase()) {
            add(format!(
                "{} lacks the collation {} of database `{}`",
                self.server, database.collation, database.name
            ));
        }
        for table in &part.tables {
            let name = format!("`{}`.`{}`", database.name, table.name);
            if !table.engine.is_empty() && !self.engines.contains(&table.engine.to_lowercase()) {
                let sentence = format!("{} lacks the engine {} of table {name}", self.server, table.engine);
                match table.columns.is_empty() {
                    true => warnings.push(sentence),
                    false => add(sentence),
                }
            }
            for (word, known) in [
                ("COLLATE", &self.collations),
                ("CHARSET", &self.character_sets),
                ("CHARACTER SET", &self.character_sets),
            ] {
                for unknown in words_after(&table.create, word).filter(|w| !known.contains(&w.to_lowercase()))
                {
                    let what = if word == "COLLATE" { "collation" } else { "character set" };
                    add(format!("{} lacks the {what} {unknown} of table {name}", self.server));
                }
            }
        }
    }
}

/// The words that follow `word` outside of quotes, each once.
fn words_after(statement: &str, word: &str) -> std::vec::IntoIter<String> {
    let plain = super::definition::without_quoted(statement);
    let mut found = BTreeSet::new();
    for (at, _) in plain.match_indices(word) {
        let rest = plain.get(at + word.len()..).unwrap_or_default();
        if let Some(rest) = rest.strip_prefix([' ', '=']) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                found.insert(name);
            }
        }
    }
    found.into_iter().collect::<Vec<_>>().into_iter()
}

/// Tables whose names differ in case alone cannot stand on a server that folds them.
fn names_in_case(conn: &mut Connection, part: &Part, obstacles: &mut Vec<Obstacle>) -> Result<()> {
    if conn.value("SELECT @@lower_case_table_names")?.as_deref() == Some("0") {
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    for table in part.tables.iter().filter(|t| !seen.insert(t.name.to_lowercase())) {
        obstacles.push(Obstacle {
            kind: Kind::Database,
            sentence: format!(
                "table `{}`.`{}`: {} takes its name for that of another (lower_case_table_names)",
                part.database.name,
                table.name,
                conn.name()
            ),
            hint: None,
        });
    }
    Ok(())
}

/// What the user may not do.
fn rights(
    conn: &mut Connection,
    parts: &[Part],
    replace: bool,
    obstacles: &mut Vec<Obstacle>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    let facts = ServerFacts::read(conn)?;
    if facts.is_on("log_bin") && !facts.is_on("log_bin_trust_function_creators") {
        warnings.extend(parts.iter().filter_map(|part| beforehand::undeclared_functions(part, conn.name())));
    }
    let held = Privileges::read(conn)?;
    let mut databases = Vec::new();
    for part in parts {
        databases.extend([part.target.clone(), names::staging(&part.target)]);
        databases.extend(replace.then(|| names::old(&part.target)));
    }
    let missing = missing(&held, &facts, &Purpose::Load, &databases);
    if let Some(refused) = refusal(&missing, &held.account, conn.name()) {
        obstacles.push(obstacle(&refused.error));
    }
    let useful = missing.iter().filter(|one| one.need == Need::Useful);
    warnings.extend(useful.map(|one| {
        format!("{} lacks {} ({}): {}", held.account.quoted(), one.privilege, one.gives, one.grant)
    }));
    Ok(())
}

/// Room for everything beside what is there; known only for a server of this machine.
fn space(
    conn: &mut Connection,
    parts: &[Part],
    obstacles: &mut Vec<Obstacle>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    // What an earlier run loaded is there already.
    let is_loaded = |part: &&Part| matches!(part.unfinished, Unfinished::Switching | Unfinished::Stands);
    let coming = parts.iter().filter(|part| !is_loaded(part));
    let needed: u64 = coming.flat_map(|part| &part.tables).map(|t| t.server_bytes).sum();
    let folder = watch::data_folder(conn)?.unwrap_or_default();
    let Some(free) = watch::free_bytes(&folder).filter(|_| !folder.as_os_str().is_empty()) else {
        warnings.push(format!(
            "free space of {} is unknown; the restore needs about {needed} bytes",
            conn.name()
        ));
        return Ok(());
    };
    let mut freed = 0;
    for part in parts.iter().filter(|part| part.unfinished == Unfinished::Leftover) {
        freed += journal::bytes(conn, &names::staging(&part.target))?;
    }
    if free.saturating_add(freed) < needed {
        obstacles.push(Obstacle {
            kind: Kind::Full,
            sentence: format!(
                "{}: the restore needs about {needed} bytes in {}, {free} are free",
                conn.name(),
                folder.display()
            ),
            hint: Some(
                "the database that is replaced stays until the new one stands, so both need room".into(),
            ),
        });
    }
    Ok(())
}

/// Definers whom the server does not know.
fn definers(
    conn: &mut Connection,
    plan: &LoadPlan,
    obstacles: &mut Vec<Obstacle>,
    warnings: &mut Vec<String>,
) -> Result<()> {
    if plan.options.definers == super::Definers::Invoker {
        return Ok(());
    }
    // Without the right to read it, nothing is said.
    let Ok(rows) = conn.rows("SELECT User, Host FROM mysql.user") else { return Ok(()) };
    let known: BTreeSet<String> = rows
        .iter()
        .flat_map(|row| {
            let (user, host) = (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default());
            [format!("{user}@{host}"), user]
        })
        .collect();
    let coming: BTreeSet<String> = plan
        .source
        .users
        .iter()
        .filter(|_| plan.options.users)
        .map(|user| user.name.replace(['\'', '`'], ""))
        .collect();
    let is_unknown = |definer: &str| !known.contains(definer) && !coming.contains(definer);
    if let super::Definers::Rewrite(user) = &plan.options.definers {
        // Views are not made for somebody whom the server does not know.
        if is_unknown(&whole_account(user)) && is_unknown(user) {
            obstacles.push(Obstacle {
                kind: Kind::Usage,
                sentence: format!("`{user}`, as whom objects shall run, is no user of {}", conn.name()),
                hint: Some("nothing was touched; CREATE USER makes the account, SELECT User, Host FROM mysql.user lists those there are".into()),
            });
        }
        return Ok(());
    }
    let named: BTreeSet<&str> = plan
        .parts
        .iter()
        .flat_map(|part| &part.objects)
        .map(|o| o.definer.as_str())
        .filter(|d| !d.is_empty())
        .collect();
    for definer in named.into_iter().filter(|definer| is_unknown(definer)) {
        warnings.push(format!("objects run as `{definer}`, whom {} does not know", conn.name()));
    }
    Ok(())
}

/// A user with a host: the server takes `user` for `user@%`, or for the role of that name.
fn whole_account(user: &str) -> String {
    if user.contains('@') { user.to_owned() } else { format!("{user}@%") }
}

/// A trigger of a table that comes alone, whose text names tables that do not come with it.
fn lost_tables(part: &Part, source: &[super::DatabaseEntries]) -> Vec<String> {
    let entries = source.iter().find(|d| d.record.name == part.database.name);
    let absent = |name: &str| !part.tables.iter().any(|table| table.name == name);
    let mut found = Vec::new();
    let triggers = part.objects.iter().filter(|o| o.kind == SchemaObject::Trigger);
    for trigger in triggers {
        let text = trigger.statements.first().map_or(&[][..], Vec::as_slice);
        let named: Vec<String> = entries
            .into_iter()
            .flat_map(|entries| &entries.tables)
            .filter(|table| absent(&table.name) && mentions(text, &table.name).next().is_some())
            .map(|table| format!("`{}`", table.name))
            .collect();
        if !named.is_empty() {
            found.push(format!(
                "trigger `{}` of table `{}` names {}, not restored with it: writing to the table fails while \
                 `{}` has none",
                trigger.name,
                trigger.parent,
                named.join(", "),
                part.target
            ));
        }
    }
    found
}

/// An object whose text names the database that now has another name.
fn old_name(part: &Part, object: &ObjectRecord) -> Option<String> {
    let names = |statement: &Vec<u8>| crate::mysql::schema::names_database(statement, &part.database.name);
    object.statements.iter().any(names).then(|| {
        format!(
            "{} `{}` names the database `{}` in its text, and still will in `{}`",
            object.kind.word(),
            object.name,
            part.database.name,
            part.target
        )
    })
}
