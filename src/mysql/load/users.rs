//! Users and their grants. It promises that a user whom the server already has stays as it is, and a
//! name for each that could not be made.

use super::LoadReport;
use super::session::said;
use crate::entry::database::ObjectRecord;
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};

/// `CREATE USER` of one that exists.
const CANNOT_USER: u16 = 1396;

/// Makes users.
pub fn make(conn: &mut Connection, users: &[ObjectRecord], report: &mut LoadReport) -> Result<()> {
    for user in users {
        let mut statements = user.statements.iter();
        let Some(create) = statements.next() else { continue };
        match conn.execute(&String::from_utf8_lossy(create)) {
            Ok(_) => report.users += 1,
            Err(error) if code_of(&error) == Some(CANNOT_USER) => {
                report.notes.push(format!("user {} is already there and stays as it is", user.name));
                continue;
            }
            Err(error) if code_of(&error).is_some() => {
                report.not_made.push(format!("user {} could not be made: {}", user.name, said(&error)));
                continue;
            }
            Err(error) => return Err(error),
        }
        for grant in statements {
            match conn.execute(&String::from_utf8_lossy(grant)) {
                Err(error) if code_of(&error).is_none() => return Err(error),
                Err(error) => {
                    report.not_made.push(format!(
                        "a grant of user {} could not be made: {}",
                        user.name,
                        said(&error)
                    ));
                }
                Ok(_) => {}
            }
        }
    }
    Ok(())
}
