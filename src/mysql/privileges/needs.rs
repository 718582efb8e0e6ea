//! Which rights a dump, a load and a drill need, and the statement that grants each that is missing.
//! What is listed was tried right by right on MariaDB 10.11 and MySQL 9.7; other versions follow their
//! manuals.

use super::grants::{Account, Privileges, Scope};
use crate::error::{Error, Kind};
use crate::mysql::facts::{ServerFacts, Vendor};
use std::collections::BTreeMap;

/// What somebody wants to do.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// Read databases.
    Dump(DumpNeeds),
    /// Make databases and fill them.
    Load,
    /// Make and drop scratch databases whose names begin so.
    Drill(String),
}

/// What a dump meets.
#[derive(Clone, Copy, Debug, Default)]
pub struct DumpNeeds {
    /// Tables of engines without transactions are among those to dump.
    pub has_plain_tables: bool,
    /// Users and their grants are wanted.
    pub users: bool,
}

/// How much a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Without it something would be missing or wrong, often without a word from the server.
    Required,
    /// Without it the work is done, but slower, with longer stalls, or telling less.
    Useful,
}

/// A right that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The right, in the server's words.
    pub privilege: &'static str,
    /// Where it is missing.
    pub scope: Scope,
    /// Whether the work can be done without it.
    pub need: Need,
    /// What it is for.
    pub gives: &'static str,
    /// The statement that an administrator runs to grant it.
    pub grant: String,
}

/// One line of the lists below.
struct Right {
    privilege: &'static str,
    need: Need,
    gives: &'static str,
    at: At,
}

/// Where a right must hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Server,
    /// Each database.
    Database,
    /// A table of the server's own.
    Table(&'static str, &'static str),
    /// A database of the server's own.
    Of(&'static str),
}

/// The rights that `privileges` lack to serve `purpose` on `databases`; an empty list means all
/// databases, for which rights must hold everywhere.
pub fn missing(
    privileges: &Privileges,
    facts: &ServerFacts,
    purpose: &Purpose,
    databases: &[String],
) -> Vec<Missing> {
    let rights = match purpose {
        Purpose::Dump(needs) => for_dump(facts, *needs),
        Purpose::Load | Purpose::Drill(_) => for_load(facts),
    };
    let scopes = match purpose {
        // A letter stands for whatever follows the prefix.
        Purpose::Drill(prefix) => vec![Scope::Database(format!("{prefix}x"))],
        _ if databases.is_empty() => vec![Scope::Server],
        _ => databases.iter().cloned().map(Scope::Database).collect(),
    };
    let mut found = Vec::new();
    for right in rights {
        let needed = match right.at {
            At::Server => vec![Scope::Server],
            At::Database => scopes.clone(),
            At::Of(database) => vec![Scope::Database(database.into())],
            At::Table(database, table) => vec![Scope::Table(database.into(), table.into())],
        };
        // To read every row gives every routine, too.
        let is_held = |scope: &Scope| {
            privileges.holds(right.privilege, scope)
                || right.privilege == "SHOW_ROUTINE" && privileges.holds("SELECT", &Scope::Server)
        };
        for scope in needed.into_iter().filter(|scope| !is_held(scope)) {
            let on = match (purpose, &scope) {
                (Purpose::Drill(prefix), Scope::Database(_)) => drill_scope(prefix),
                _ => scope.quoted(),
            };
            let grant = format!("GRANT {} ON {on} TO {}", right.privilege, privileges.account.quoted());
            let Right { privilege, need, gives, .. } = right;
            found.push(Missing { privilege, scope, need, gives, grant });
        }
    }
    found.sort_by_key(|missing| missing.need);
    found
}

fn drill_scope(prefix: &str) -> String {
    let quoted = Scope::Database(prefix.into()).quoted();
    quoted.replace("`.*", "%`.*")
}

fn for_dump(facts: &ServerFacts, needs: DumpNeeds) -> Vec<Right> {
    let required = |privilege, gives, at| Right { privilege, need: Need::Required, gives, at };
    let useful = |privilege, gives, at| Right { privilege, need: Need::Useful, gives, at };
    let mut rights = vec![
        required("SELECT", "to read rows; tables without it do not even show", At::Database),
        required("SHOW VIEW", "to read the definitions of views", At::Database),
        required("TRIGGER", "to see triggers; without it there seem to be none", At::Database),
        required("EVENT", "to see events; without it there seem to be none", At::Database),
    ];
    rights.push(routines(facts));
    // A filter leaves databases out of the log, and without BINLOG MONITOR it may not be seen.
    let log_proves = facts.vendor == Vendor::MariaDb && facts.log_is_unfiltered() && !needs.has_plain_tables;
    rights.push(match log_proves {
        false => required("RELOAD", "for the short lock that makes all tables of one instant", At::Server),
        true => useful("RELOAD", "to keep definitions from changing during the dump", At::Server),
    });
    if facts.vendor == Vendor::MySql && facts.version >= (8, 0, 0) {
        let gives = "to keep definitions from changing during the dump";
        rights.push(useful("BACKUP_ADMIN", gives, At::Server));
    }
    if needs.has_plain_tables {
        let gives = "to read large MyISAM tables that grow during the dump without stalling their writers";
        rights.push(useful("LOCK TABLES", gives, At::Database));
    }
    if facts.is_on("log_bin") {
        let gives = "to note where the binary log stands, for a recovery to a point in time";
        rights.push(useful(log_right(facts), gives, At::Server));
        if needs.has_plain_tables {
            let gives = "to follow changes of large MyISAM tables through the binary log";
            rights.push(useful("REPLICATION SLAVE", gives, At::Server));
        }
    }
    rights.push(useful("PROCESS", "to name the statement that holds the dump up", At::Server));
    if needs.users {
        rights.push(required("SELECT", "to read users and their grants", At::Of("mysql")));
    }
    rights
}

/// The right to see the bodies of routines that others made. `EXECUTE` or `ALTER ROUTINE` show their
/// names with NULL for a body; without any right they do not show.
fn routines(facts: &ServerFacts) -> Right {
    let gives = "to see routines and packages; without it there seem to be none, or their bodies are empty";
    let (privilege, at) = match facts.vendor {
        Vendor::MariaDb if facts.version >= (11, 3, 0) => ("SHOW CREATE ROUTINE", At::Database),
        Vendor::MySql if facts.version >= (8, 0, 20) => ("SHOW_ROUTINE", At::Server),
        Vendor::MySql if facts.version >= (8, 0, 0) => ("SELECT", At::Server),
        _ => ("SELECT", At::Table("mysql", "proc")),
    };
    Right { privilege, need: Need::Required, gives, at }
}

fn log_right(facts: &ServerFacts) -> &'static str {
    match facts.vendor == Vendor::MariaDb && facts.version >= (10, 5, 2) {
        true => "BINLOG MONITOR",
        false => "REPLICATION CLIENT",
    }
}

fn for_load(facts: &ServerFacts) -> Vec<Right> {
    let make = "to make and fill the tables";
    let list: [(&'static str, &'static str); 16] = [
        ("CREATE", "to make databases and tables"),
        ("DROP", "to replace what is there, and to take away the staging database"),
        ("ALTER", "to move tables into place"),
        ("INDEX", make),
        ("INSERT", make),
        ("UPDATE", make),
        ("DELETE", make),
        ("REFERENCES", "to make foreign keys"),
        ("SELECT", "to prove that every row arrived"),
        ("LOCK TABLES", "to keep others away while the new tables move into place"),
        ("CREATE VIEW", "to make views"),
        ("SHOW VIEW", "to compare views"),
        ("CREATE ROUTINE", "to make routines"),
        ("ALTER ROUTINE", "to replace routines"),
        ("TRIGGER", "to make triggers"),
        ("EVENT", "to make events"),
    ];
    let mut rights: Vec<Right> = list
        .into_iter()
        .map(|(privilege, gives)| Right { privilege, need: Need::Required, gives, at: At::Database })
        .collect();
    let definer = match facts.vendor {
        Vendor::MariaDb if facts.version >= (10, 5, 2) => "SET USER",
        Vendor::MySql if facts.version >= (8, 2, 0) => "SET_ANY_DEFINER",
        Vendor::MySql if facts.version >= (8, 0, 0) => "SET_USER_ID",
        _ => "SUPER",
    };
    let useful = |privilege, gives| Right { privilege, need: Need::Useful, gives, at: At::Server };
    rights.push(useful(definer, "to keep the definers of views, routines, triggers and events"));
    if facts.vendor == Vendor::MySql && facts.version >= (8, 0, 16) {
        let gives = "to make what runs as a system user, as root is; without it such objects are not made";
        rights.push(useful("SYSTEM_USER", gives));
    }
    if facts.vendor == Vendor::MySql && facts.version >= (8, 2, 0) {
        let gives = "to make what runs as a user who is not there; without it such objects are not made";
        rights.push(useful("ALLOW_NONEXISTENT_DEFINER", gives));
    }
    if facts.is_on("log_bin") && !facts.is_on("log_bin_trust_function_creators") && definer != "SUPER" {
        let gives =
            "to make functions and triggers beside a binary log (log_bin_trust_function_creators is off)";
        rights.push(useful("SUPER", gives));
    }
    rights
}

/// The fewest statements that grant all of `missing`.
pub fn statements(missing: &[Missing], account: &Account) -> Vec<String> {
    let mut scopes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for one in missing {
        let on = one.grant.split_once(" ON ").map_or("*.*", |(_, rest)| rest);
        let on = on.strip_suffix(&format!(" TO {}", account.quoted())).unwrap_or(on);
        let names = scopes.entry(on.to_owned()).or_default();
        if !names.contains(&one.privilege) {
            names.push(one.privilege);
        }
    }
    let statement = |(on, names): (String, Vec<&str>)| {
        format!("GRANT {} ON {on} TO {};", names.join(", "), account.quoted())
    };
    scopes.into_iter().map(statement).collect()
}

/// What is missing, parted into what stops the work and what does not.
#[derive(Debug)]
pub struct Refusal {
    /// The error that names each required right and the statements that grant them.
    pub error: Error,
    /// How many rights it names.
    pub count: usize,
}

/// The refusal of work that lacks required rights; `None`: nothing required is missing.
pub fn refusal(missing: &[Missing], account: &Account, server: &str) -> Option<Refusal> {
    let required: Vec<Missing> = missing.iter().filter(|m| m.need == Need::Required).cloned().collect();
    if required.is_empty() {
        return None;
    }
    let named: Vec<String> = required
        .iter()
        .map(|one| format!("{} on {} ({})", one.privilege, one.scope.quoted(), one.gives))
        .collect();
    let message = format!("{server}: {} lacks {}", account.quoted(), named.join("; "));
    let hint = format!("let an administrator run: {}", statements(&required, account).join(" "));
    Some(Refusal { error: Error::new(Kind::Database, message).hint(hint), count: required.len() })
}
