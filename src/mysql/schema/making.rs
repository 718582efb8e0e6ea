//! Making objects again. It promises the statement's own bytes under its own settings, past a client
//! library that sends text only, and a connection with the settings of [`Connection::open`]
//! afterwards, also after a failure.

use crate::entry::database::{DatabaseRecord, ObjectRecord, SchemaObject};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::{literal, qualified, quote};

/// How often a dead view's wants are served before it is given up.
const WANTS: usize = 200;
/// The first column of a table, and the comment of a function, that stands in for something.
const STAND_IN: &str = "coffer_stand_in";

/// Makes `object` in the connection's current database, whose record (the name it has here, and the
/// collation it shall have) is `database`.
///
/// Errors: what the server says, naming the object; [`Kind::Database`] for a program whose bytes are no
/// UTF-8 on a MySQL, which takes those only as text.
pub fn make_object(conn: &mut Connection, database: &DatabaseRecord, object: &ObjectRecord) -> Result<()> {
    let remembered = setting(object, "collation_database")
        .filter(|c| *c != database.collation && !database.collation.is_empty());
    let alter =
        |collation: &str| format!("ALTER DATABASE {} COLLATE {}", quote(&database.name), quote(collation));
    if let Some(collation) = remembered {
        conn.execute(&alter(collation))?;
    }
    if object.kind == SchemaObject::Event {
        // An event whose time is over would be dropped as soon as it is made.
        conn.execute("SET SESSION timestamp=1")?;
    }
    let made = object.statements.iter().try_for_each(|statement| run(conn, object, statement));
    // Apart: in a statement told in UCS-2, the server does not know its time zones.
    let back = conn
        .execute("SET NAMES utf8mb4")
        .and_then(|_| conn.execute("SET SESSION sql_mode='', time_zone='+00:00', timestamp=DEFAULT"));
    if remembered.is_some() {
        conn.execute(&alter(&database.collation))?;
    }
    made.map_err(|error| error.at(format!("{} {}", object.kind.word(), quote(&object.name))))?;
    back.map(drop)
}

fn run(conn: &mut Connection, object: &ObjectRecord, statement: &[u8]) -> Result<()> {
    const KNOWN: [&str; 4] = ["sql_mode", "time_zone", "character_set_client", "collation_connection"];
    let known = object.environment.iter().filter(|s| KNOWN.contains(&s.name.as_str()));
    let mut pairs: Vec<String> = known.map(|s| format!("{}={}", s.name, literal(&s.value))).collect();
    if pairs.is_empty() {
        pairs.push("sql_mode=''".into());
    }
    let set = format!("SET SESSION {}", pairs.join(", "));
    match std::str::from_utf8(statement) {
        Ok(text) => {
            conn.execute(&set)?;
            conn.execute(text)?;
        }
        Err(_) if conn.is_mariadb() => {
            let digits: String = statement.iter().map(|b| format!("{b:02x}")).collect();
            conn.execute(&format!("SET @coffer_statement=x'{digits}'"))?;
            conn.execute(&set)?;
            conn.execute("EXECUTE IMMEDIATE @coffer_statement")?;
        }
        // A MySQL prepares views, and no programs.
        Err(_) if object.kind == SchemaObject::View => {
            let digits: String = statement.iter().map(|b| format!("{b:02x}")).collect();
            conn.execute(&format!("SET @coffer_statement=x'{digits}'"))?;
            conn.execute(&set)?;
            conn.execute("PREPARE coffer FROM @coffer_statement")?;
            let made = conn.execute("EXECUTE coffer");
            conn.execute("DEALLOCATE PREPARE coffer")?;
            made?;
        }
        Err(_) => {
            return Err(Error::new(Kind::Database, "its text is no UTF-8 and cannot be sent to a MySQL"));
        }
    }
    Ok(())
}

fn setting<'a>(object: &'a ObjectRecord, name: &str) -> Option<&'a str> {
    object.environment.iter().find(|s| s.name == name).map(|s| s.value.as_str())
}

/// Makes those of `objects` that are dead views where they come from ([`ObjectRecord::problem`]);
/// live views and functions exist already. What is missing stands in for a moment. Tables and views
/// that exist are not touched, so a view that wants another column of one of them stays unmade: the
/// name of each, and what the server says.
///
/// Errors: [`Kind::Database`] if a stand-in cannot be dropped again; see [`drop_stand_ins`].
pub fn make_dead_views(
    conn: &mut Connection,
    database: &DatabaseRecord,
    objects: &[ObjectRecord],
) -> Result<Vec<(String, String)>> {
    let mut dead: Vec<&ObjectRecord> =
        objects.iter().filter(|o| o.kind == SchemaObject::View && !o.problem.is_empty()).collect();
    dead.sort_by_key(|view| view.order);
    let mut unmade = Vec::new();
    // They stay until the last view is made: dead views stand on each other, and on living ones only.
    let mut stand_ins: Vec<StandIn> = Vec::new();
    for view in dead {
        if let Err(error) = make_dead_view(conn, database, view, &mut stand_ins) {
            let cause =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            unmade.push((view.name.clone(), cause));
        }
    }
    drop_stand_ins(conn, &database.name)?;
    Ok(unmade)
}

/// Drops what stood in for something in `database`, also where the program was killed before it could.
pub fn drop_stand_ins(conn: &mut Connection, database: &str) -> Result<()> {
    let name = literal(database);
    let tables = format!(
        "SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA={name} AND \
         COLUMN_NAME='{STAND_IN}' AND ORDINAL_POSITION=1 AND TABLE_NAME IN (SELECT TABLE_NAME FROM \
         information_schema.TABLES WHERE TABLE_SCHEMA={name} AND TABLE_TYPE='BASE TABLE')"
    );
    for row in conn.rows(&tables)? {
        let name = row.text(0).unwrap_or_default();
        conn.execute(&format!("DROP TABLE {}", qualified(database, &name)))?;
    }
    let functions = format!(
        "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA={name} AND \
         ROUTINE_TYPE='FUNCTION' AND ROUTINE_COMMENT='{STAND_IN}'"
    );
    for row in conn.rows(&functions)? {
        let name = row.text(0).unwrap_or_default();
        conn.execute(&format!("DROP FUNCTION {}", qualified(database, &name)))?;
    }
    Ok(())
}

fn make_dead_view(
    conn: &mut Connection,
    database: &DatabaseRecord,
    view: &ObjectRecord,
    stand_ins: &mut Vec<StandIn>,
) -> Result<()> {
    for _ in 0..WANTS {
        match make_object(conn, database, view) {
            Err(error) if serve(conn, database, &error, stand_ins)? => {}
            made => return made,
        }
    }
    make_object(conn, database, view)
}

/// What stands in for something that is gone.
enum StandIn {
    Table(String),
    Function(String),
}

/// Makes what `error` says is missing; `false`: it cannot be made here.
fn serve(
    conn: &mut Connection,
    database: &DatabaseRecord,
    error: &Error,
    stand_ins: &mut Vec<StandIn>,
) -> Result<bool> {
    let said = std::error::Error::source(error).map_or_else(String::new, ToString::to_string);
    let Some(object) = said.split('\'').nth(1) else {
        return serve_function(conn, database, error, &said, stand_ins);
    };
    let own = |name: &str| name.strip_prefix(&format!("{}.", database.name)).map(str::to_owned);
    match code_of(error) {
        // Table 'db.t' doesn't exist
        Some(1146) => {
            let Some(name) = own(object) else { return Ok(false) };
            conn.execute(&format!("CREATE TABLE {} ({STAND_IN} INT)", quote(&name)))?;
            stand_ins.push(StandIn::Table(name));
            Ok(true)
        }
        // Unknown column 'db.t.c' in 'SELECT'
        Some(1054) => {
            let name = own(object).unwrap_or_else(|| object.to_owned());
            let fits = |table: &&String| name.strip_prefix(&format!("{table}.")).is_some();
            let tables =
                stand_ins.iter().filter_map(|s| if let StandIn::Table(name) = s { Some(name) } else { None });
            let mut tables: Vec<&String> = tables.collect();
            if name.contains('.') && tables.iter().any(&fits) {
                tables.retain(fits);
            }
            let Some(table) = tables.last() else { return Ok(false) };
            let column = name.strip_prefix(&format!("{table}.")).or(name.rsplit('.').next()).unwrap_or(&name);
            Ok(conn
                .execute(&format!("ALTER TABLE {} ADD COLUMN {} INT", quote(table), quote(column)))
                .is_ok())
        }
        _ => serve_function(conn, database, error, &said, stand_ins),
    }
}

/// `FUNCTION db.f does not exist`, or one with another number of arguments.
fn serve_function(
    conn: &mut Connection,
    database: &DatabaseRecord,
    error: &Error,
    said: &str,
    stand_ins: &mut Vec<StandIn>,
) -> Result<bool> {
    let own = format!("FUNCTION {}.", database.name);
    let Some(rest) = said.split_once(own.as_str()).map(|(_, rest)| rest) else { return Ok(false) };
    let (name, arguments) = match code_of(error) {
        Some(1305) => {
            (rest.strip_suffix(" }").unwrap_or(rest).split(" does not exist").next().unwrap_or(""), 0)
        }
        Some(1318) => {
            let got: String =
                said.rsplit("got ").next().unwrap_or("").chars().take_while(char::is_ascii_digit).collect();
            (rest.split("; expected").next().unwrap_or(""), got.parse().unwrap_or(0_usize))
        }
        _ => return Ok(false),
    };
    let is_ours = stand_ins.iter().any(|s| matches!(s, StandIn::Function(known) if known == name));
    if name.is_empty() || arguments > 100 || (arguments > 0 && !is_ours) {
        return Ok(false);
    }
    if is_ours {
        conn.execute(&format!("DROP FUNCTION {}", quote(name)))?;
    } else {
        stand_ins.push(StandIn::Function(name.into()));
    }
    let arguments: Vec<String> = (0..arguments).map(|n| format!("a{n} INT")).collect();
    conn.execute(&format!(
        "CREATE FUNCTION {} ({}) RETURNS INT COMMENT '{STAND_IN}' RETURN 1",
        quote(name),
        arguments.join(", ")
    ))?;
    Ok(true)
}
