//! Users and roles with what they may do. It promises statements that make each of them anew, roles
//! before users; passwords travel as the server's hashes.

use super::{environment, one_row};
use crate::entry::database::{ObjectRecord, SchemaObject};
use crate::error::{Error, Result};
use crate::mysql::connection::{Connection, code_of};
use crate::mysql::identifier::quote;

/// Users that belong to the server itself.
const SYSTEM_USERS: [&str; 4] = ["mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema"];

/// All users and roles of the server but its own; needs SELECT on `mysql.*`. A user whom the server
/// lists and cannot show (a host's name under `skip_name_resolve`) has no statements and the reason in
/// [`ObjectRecord::problem`].
///
/// Errors: [`crate::error::Kind::Database`].
pub fn read_users(conn: &mut Connection) -> Result<Vec<ObjectRecord>> {
    let is_role = if conn.is_mariadb() { "is_role='Y'" } else { "FALSE" };
    let rows =
        conn.rows(&format!("SELECT User, Host, {is_role} FROM mysql.user ORDER BY 3 DESC, 1, 2")).map_err(
            |error: Error| error.hint("users are read from mysql.user: GRANT SELECT ON mysql.* is needed"),
        )?;
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

/// The statement that makes the account, then its grants.
fn statements(conn: &mut Connection, account: &str, is_role: bool) -> Result<Vec<Vec<u8>>> {
    let create = match is_role {
        // It is there as soon as it may do something.
        true if account == "`PUBLIC`" => b"GRANT USAGE ON *.* TO PUBLIC".to_vec(),
        true => format!("CREATE ROLE {account}").into_bytes(),
        false => one_row(conn, &format!("SHOW CREATE USER {account}"))?.bytes(0).unwrap_or_default().to_vec(),
    };
    let grants = conn.rows(&format!("SHOW GRANTS FOR {account}"))?;
    let grants = grants.into_iter().filter_map(|row| row.0.into_iter().next().flatten());
    Ok(std::iter::once(create).chain(grants).collect())
}
