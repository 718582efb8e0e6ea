//! Users and roles with what they may do. It promises statements that make each of them anew, roles
//! before users; passwords travel as the server's hashes.

use super::{environment, one_row};
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Error, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::quote;
use std::collections::HashSet;

/// `ER_PARSE_ERROR`.
const SYNTAX: u16 = 1064;

/// Users that belong to the server itself.
const SYSTEM_USERS: [&str; 4] = ["mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"];

/// All users and roles of the server but its own; needs SELECT on `mysql.*`. A user whom the server
/// lists and cannot show (a host's name under `skip_name_resolve`) has no statements and the reason in
/// [`ObjectRecord::problem`].
///
/// Errors: [`crate::error::Kind::Database`].
pub fn read_users(conn: &mut Connection) -> Result<Vec<ObjectRecord>> {
    let is_role = if conn.is_mariadb() { "is_role='Y'" } else { "FALSE" };
    let mut rows =
        conn.rows(&format!("SELECT User, Host, {is_role} FROM mysql.user ORDER BY 3 DESC, 1, 2")).map_err(
            |error: Error| error.hint("users are read from mysql.user: GRANT SELECT ON mysql.* is needed"),
        )?;
    if !conn.is_mariadb() {
        // Hashes hold any bytes; older servers do not know the words.
        match conn.execute("SET SESSION print_identified_with_as_hex=1") {
            Err(error) if code_of(&error).is_none() => return Err(error),
            _ => {}
        }
        let given = granted_roles(conn)?;
        rows.sort_by_key(|row| !given.contains(&(row.text(0), row.text(1))));
    }
    let mut users = Vec::new();
    for row in rows {
        let (user, host) = (row.text(0).unwrap_or_default(), row.text(1).unwrap_or_default());
        if SYSTEM_USERS.contains(&user.as_str()) {
            continue;
        }
        let is_role = row.text(2).as_deref() == Some("1");
        let account = if is_role { quote(&user) } else { format!("{}@{}", quote(&user), quote(&host)) };
        let name = if is_role { user } else { format!("'{}'@'{}'", user.replace('\'', "''"), host) };
        let (statements, problem) = match statements(conn, &account, is_role) {
            Ok(statements) => (statements, String::new()),
            Err(error) if code_of(&error).is_some() => {
                (Vec::new(), std::error::Error::source(&error).map_or_else(String::new, ToString::to_string))
            }
            Err(error) => return Err(error),
        };
        users.push(ObjectRecord {
            kind: SchemaObject::User,
            name,
            order: u32::try_from(users.len()).unwrap_or(u32::MAX),
            statements,
            problem,
            environment: environment(&[("sql_mode", Some(String::new()))]),
            ..ObjectRecord::default()
        });
    }
    Ok(users)
}

/// The same where the server has no words that make an account but its grants.
fn of_grants(conn: &mut Connection, account: &str) -> Result<Vec<Vec<u8>>> {
    const WORDS: &str = " IDENTIFIED BY PASSWORD ";
    let mut create = format!("CREATE USER {account}");
    let mut grants = Vec::new();
    for row in conn.rows(&format!("SHOW GRANTS FOR {account}"))? {
        let grant = row.text(0).unwrap_or_default();
        let parts = find_plain(&grant, WORDS).map(|at| grant.split_at(at));
        let Some((before, words)) = parts else {
            grants.push(grant.into_bytes());
            continue;
        };
        let hash = words.get(WORDS.len()..).unwrap_or_default();
        let end = hash.get(1..).and_then(|rest| rest.find('\'')).map_or(hash.len(), |end| end + 2);
        create = format!("CREATE USER {account}{WORDS}{}", hash.get(..end).unwrap_or_default());
        grants.push(format!("{before}{}", hash.get(end..).unwrap_or_default()).into_bytes());
    }
    Ok(std::iter::once(create.into_bytes()).chain(grants).collect())
}

/// Accounts of a MySQL that are granted to others, by name and host: any account may be. None where the
/// server has no roles.
fn granted_roles(conn: &mut Connection) -> Result<HashSet<(Option<String>, Option<String>)>> {
    match conn.rows("SELECT DISTINCT FROM_USER, FROM_HOST FROM mysql.role_edges") {
        Ok(rows) => Ok(rows.iter().map(|row| (row.text(0), row.text(1))).collect()),
        Err(error) if code_of(&error).is_some() => Ok(HashSet::new()),
        Err(error) => Err(error),
    }
}

/// A MySQL's words that make an account, without its default roles, which may not be there yet; and
/// those that set them once they are granted.
fn without_default_roles(create: &str, account: &str) -> (String, Option<String>) {
    const WORDS: &str = " DEFAULT ROLE ";
    let Some(start) = find_plain(create, WORDS) else { return (create.to_owned(), None) };
    let rest = &create[start + WORDS.len()..];
    let end = find_plain(rest, " REQUIRE ").unwrap_or(rest.len());
    let (roles, rest) = rest.split_at(end);
    (format!("{}{rest}", &create[..start]), Some(format!("ALTER USER {account} DEFAULT ROLE {roles}")))
}

/// The first place of `needle` outside of quotes.
fn find_plain(text: &str, needle: &str) -> Option<usize> {
    let mut quote = None;
    text.bytes().enumerate().find_map(|(at, byte)| match quote {
        Some(open) => {
            if byte == open {
                quote = None;
            }
            None
        }
        None if text.as_bytes()[at..].starts_with(needle.as_bytes()) => Some(at),
        None => {
            if matches!(byte, b'`' | b'\'' | b'"') {
                quote = Some(byte);
            }
            None
        }
    })
}

/// The statement that makes the account, then its grants.
fn statements(conn: &mut Connection, account: &str, is_role: bool) -> Result<Vec<Vec<u8>>> {
    let create = match is_role {
        // It is there as soon as it may do something.
        true if account == "`PUBLIC`" => b"GRANT USAGE ON *.* TO PUBLIC".to_vec(),
        true => format!("CREATE ROLE {account}").into_bytes(),
        false => match one_row(conn, &format!("SHOW CREATE USER {account}")) {
            // A MySQL before 5.7 tells the hash among the grants.
            Err(error) if code_of(&error) == Some(SYNTAX) => return of_grants(conn, account),
            shown => shown?.bytes(0).unwrap_or_default().to_vec(),
        },
    };
    let grants = conn.rows(&format!("SHOW GRANTS FOR {account}"))?;
    let grants = grants.into_iter().filter_map(|row| row.0.into_iter().next().flatten());
    let (create, roles) = match conn.is_mariadb() {
        true => (create, None),
        false => {
            let (create, roles) = without_default_roles(&String::from_utf8_lossy(&create), account);
            (create.into_bytes(), roles.map(String::into_bytes))
        }
    };
    Ok(std::iter::once(create).chain(grants).chain(roles).collect())
}

#[cfg(test)]
mod tests {
    use super::without_default_roles;

    #[test]
    fn default_roles_are_set_when_they_are_there() {
        let create = "CREATE USER `a DEFAULT ROLE b`@`%` IDENTIFIED WITH 'x' AS 0x2441 DEFAULT ROLE `r`@`%`,\
                      `q REQUIRE `@`%` REQUIRE NONE PASSWORD EXPIRE DEFAULT";
        let (made, roles) = without_default_roles(create, "`a`@`%`");
        assert_eq!(
            made,
            "CREATE USER `a DEFAULT ROLE b`@`%` IDENTIFIED WITH 'x' AS 0x2441 REQUIRE NONE PASSWORD EXPIRE DEFAULT"
        );
        assert_eq!(roles.as_deref(), Some("ALTER USER `a`@`%` DEFAULT ROLE `r`@`%`,`q REQUIRE `@`%`"));
        assert_eq!(without_default_roles(&made, "x"), (made.clone(), None));
    }
}
