//! Users and their grants. It promises that a user whom the server already has stays as it is, and a
//! name for each that could not be made.

use super::LoadReport;
use super::session::said;
use crate::entry::database::ObjectRecord;
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};

/// `CREATE USER` of one that exists.
const CANNOT_USER: u16 = 1396;

/// Makes users: all of them in their order (roles first), then what they may do, which may name others.
pub fn make(conn: &mut Connection, users: &[ObjectRecord], report: &mut LoadReport) -> Result<()> {
    let mut ordered: Vec<&ObjectRecord> = users.iter().collect();
    ordered.sort_by_key(|user| user.order);
    let mut made = Vec::new();
    for user in ordered {
        let Some(create) = user.statements.first() else { continue };
        match conn.execute(&String::from_utf8_lossy(create)) {
            Ok(_) => made.push(user),
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
    made.into_iter().try_for_each(|user| grant(conn, user, report))
}

fn grant(conn: &mut Connection, user: &ObjectRecord, report: &mut LoadReport) -> Result<()> {
    for statement in user.statements.iter().skip(1) {
        match conn.execute(&String::from_utf8_lossy(statement)) {
            Err(error) if code_of(&error).is_none() => return Err(error),
            Err(error) => report.not_made.push(format!(
                "a grant of user {} could not be made: {}",
                user.name,
                said(&error)
            )),
            Ok(_) => {}
        }
    }
    Ok(())
}
