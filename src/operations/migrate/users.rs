//! Users of the new server, held against those of the snapshot. It promises that a user whom the new
//! server had before is named and not compared: it stays as it was.

use crate::entry::database::ObjectRecord;
use crate::error::Result;
use crate::mysql::connection::Connection;
use crate::mysql::schema::read_users;
use std::collections::BTreeMap;

/// Users of a server by name, with the statements that make them.
#[derive(Clone, Debug, Default)]
pub struct Accounts(BTreeMap<String, Vec<Vec<u8>>>);

impl Accounts {
    /// Asks the server.
    pub fn read(conn: &mut Connection) -> Result<Accounts> {
        let users = read_users(conn)?;
        Ok(Accounts(users.into_iter().map(|user| (user.name, user.statements)).collect()))
    }

    /// Those of `coming` that are there already; true: made alike.
    pub fn there<'a>(&self, coming: &'a [ObjectRecord]) -> Vec<(&'a str, bool)> {
        let found = |user: &'a ObjectRecord| {
            let own = self.0.get(&user.name)?;
            Some((user.name.as_str(), *own == user.statements))
        };
        coming.iter().filter_map(found).collect()
    }
}

/// What is not as in the snapshot of the users that were made; `before`: who was there before. The
/// statements are compared only where both servers speak alike.
pub fn compare_users(
    coming: &[ObjectRecord],
    before: &Accounts,
    after: &Accounts,
    is_same_version: bool,
) -> Vec<String> {
    let mut found = Vec::new();
    // Who could not be read was named when the backup was made.
    let made = coming.iter().filter(|user| user.problem.is_empty() && !before.0.contains_key(&user.name));
    for user in made {
        match after.0.get(&user.name) {
            None => found.push(format!("user {} is not there", user.name)),
            Some(statements) if is_same_version && *statements != user.statements => {
                found.push(format!("user {} is not made as it was, or has other grants", user.name));
            }
            Some(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_that_were_made_are_compared_and_others_are_not() {
        let user = |name: &str, grant: &str| ObjectRecord {
            name: name.into(),
            statements: vec![grant.as_bytes().to_vec()],
            ..ObjectRecord::default()
        };
        let accounts = |users: &[ObjectRecord]| {
            Accounts(users.iter().map(|u| (u.name.clone(), u.statements.clone())).collect())
        };
        let coming = [user("a", "1"), user("b", "2"), user("c", "3"), user("d", "4")];
        let before = accounts(&[user("a", "other"), user("d", "4")]);
        let after = accounts(&[user("a", "other"), user("b", "changed")]);
        assert_eq!(before.there(&coming), [("a", false), ("d", true)]);
        let found = compare_users(&coming, &before, &after, true);
        assert!(
            found.len() == 2 && found[0].contains("user b") && found[1].contains("user c is not"),
            "{found:?}"
        );
        assert_eq!(compare_users(&coming, &before, &after, false).len(), 1);
    }
}
