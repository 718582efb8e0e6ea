//! Users and their grants. It promises that a user whom the server already has stays as it is, and a
//! name for each that could not be made.

use super::LoadReport;
use super::session::{said, tolerate};
use crate::entry::database::ObjectRecord;
use crate::error::{Error, Result};
use crate::mysql::connection::{Cells, Connection, code_of};

/// `CREATE USER` of one that exists.
const CANNOT_USER: u16 = 1396;

/// Makes users, roles first, without what they may do; those that were made. Before the objects: what
/// runs as a role would, where there is none of the name, run as a user of that name. Those of `earlier`
/// were made by a run that this one goes on with, and may lack some of their grants.
pub fn make<'a>(
    conn: &mut Connection,
    users: &'a [ObjectRecord],
    earlier: &[String],
    report: &mut LoadReport,
) -> Result<Vec<&'a ObjectRecord>> {
    let mut ordered: Vec<&ObjectRecord> = users.iter().collect();
    ordered.sort_by_key(|user| user.order);
    let mut made = Vec::new();
    for user in ordered {
        let Some(create) = user.statements.first() else { continue };
        match conn.execute(&String::from_utf8_lossy(create)) {
            Ok(_) => made.push(user),
            Err(error) if code_of(&error) == Some(CANNOT_USER) && earlier.contains(&user.name) => {
                made.push(user);
            }
            // One that an earlier restore made before it was stopped.
            Err(error) if code_of(&error) == Some(CANNOT_USER) && is_bare(conn, create)? => made.push(user),
            Err(error) if code_of(&error) == Some(CANNOT_USER) => {
                report.notes.push(format!("user {} is already there and stays as it is", user.name));
            }
            Err(error) if code_of(&error).is_some() => {
                report.not_made.push(format!("user {} could not be made: {}", user.name, said(&error)));
            }
            Err(error) => return Err(error),
        }
    }
    report.users += made.len() as u64;
    Ok(made)
}

/// Gives users that were made what they may do; all tables and routines that this names stand by now.
pub fn give(conn: &mut Connection, made: &[&ObjectRecord], report: &mut LoadReport) -> Result<()> {
    made.iter().try_for_each(|user| grant(conn, user, report))
}

/// Whether the account that `create` would make is there just so, and may do nothing.
fn is_bare(conn: &mut Connection, create: &[u8]) -> Result<bool> {
    let create = String::from_utf8_lossy(create);
    let (account, shown) = match create.strip_prefix("CREATE ROLE ") {
        Some(role) => (role.to_owned(), Ok(Vec::new())),
        None => {
            let Some(account) = account(&create) else { return Ok(false) };
            // MySQL tells hashes as the snapshot does; others do not know the words.
            tolerate(conn.execute("SET SESSION print_identified_with_as_hex=1"))?;
            let shown = conn.rows(&format!("SHOW CREATE USER {account}"));
            (account, shown)
        }
    };
    let (Ok(shown), Ok(grants)) = (shown, conn.rows(&format!("SHOW GRANTS FOR {account}"))) else {
        return Ok(false);
    };
    let is_same = shown.iter().all(|row| row.text(0).as_deref() == Some(create.as_ref()));
    let is_nothing = |row: &Cells| row.text(0).is_some_and(|grant| grant.starts_with("GRANT USAGE ON *.* "));
    Ok(is_same && grants.len() <= 1 && grants.iter().all(is_nothing))
}

/// The quoted account in a server's own words that make it.
fn account(create: &str) -> Option<String> {
    let rest = create.strip_prefix("CREATE USER ")?;
    let mut is_quoted = false;
    let end = rest.bytes().position(|byte| {
        is_quoted ^= byte == b'`';
        byte == b' ' && !is_quoted
    });
    rest.get(..end.unwrap_or(rest.len())).map(str::to_owned)
}

fn grant(conn: &mut Connection, user: &ObjectRecord, report: &mut LoadReport) -> Result<()> {
    for statement in user.statements.iter().skip(1) {
        let statement = String::from_utf8_lossy(statement);
        let Some(error) = refused(conn, &statement)? else { continue };
        let alone = one_by_one(&statement);
        if alone.is_empty() {
            report.not_made.push(format!(
                "a grant of user {} could not be made: {}",
                user.name,
                said(&error)
            ));
        }
        // A privilege that this server does not know costs no other.
        for (privilege, statement) in alone {
            if let Some(error) = refused(conn, &statement)? {
                report.not_made.push(format!(
                    "the privilege {privilege} of user {} could not be granted: {}",
                    user.name,
                    said(&error)
                ));
            }
        }
    }
    Ok(())
}

/// What the server says against a statement, if it does.
fn refused(conn: &mut Connection, statement: &str) -> Result<Option<Error>> {
    match conn.execute(statement) {
        Err(error) if code_of(&error).is_some() => Ok(Some(error)),
        other => other.map(|_| None),
    }
}

/// The privileges that a statement grants on everything, each with a statement of its own; none, if they
/// are fewer than two.
fn one_by_one(statement: &str) -> Vec<(&str, String)> {
    const PLACE: &str = " ON *.* TO ";
    let parts = statement.strip_prefix("GRANT ").and_then(|rest| rest.split_once(PLACE));
    let Some((privileges, rest)) = parts.filter(|(list, _)| list.contains(',')) else { return Vec::new() };
    let of_one = |privilege: &'_ str| format!("GRANT {privilege}{PLACE}{rest}");
    privileges.split(',').map(str::trim).map(|privilege| (privilege, of_one(privilege))).collect()
}

#[cfg(test)]
mod tests {
    use super::{account, one_by_one};

    #[test]
    fn accounts_are_found() {
        let found = account("CREATE USER `a ``b`@`h 1` IDENTIFIED BY PASSWORD '*'");
        assert_eq!(found.as_deref(), Some("`a ``b`@`h 1`"));
        assert_eq!(account("CREATE USER `x`@`%`").as_deref(), Some("`x`@`%`"));
        assert_eq!(account("CREATE ROLE `x`"), None);
    }

    #[test]
    fn privileges_are_told_apart() {
        let all = one_by_one("GRANT SELECT, A_ADMIN,B ON *.* TO `a, b ON *.* TO `@`%` WITH GRANT OPTION");
        let expected = ["SELECT", "A_ADMIN", "B"]
            .map(|p| (p, format!("GRANT {p} ON *.* TO `a, b ON *.* TO `@`%` WITH GRANT OPTION")));
        assert_eq!(all, expected);
        for other in [
            "GRANT SELECT ON *.* TO `x`@`%`",
            "GRANT SELECT, INSERT ON `a`.* TO `x`@`%`",
            "GRANT `a`,`b` TO `c`",
        ] {
            assert!(one_by_one(other).is_empty());
        }
    }
}
