//! The statements that follow once the tables stand in their place: defaults, foreign keys, second engines.
//! It promises that each may be repeated, that the keys of one table go in one statement where the server
//! takes it, and that what the server refuses is named key by key.

use super::definition::Scan;
use super::journal::{self, Step, Switch};
use super::session::said;
use super::switch::Outcome;
use crate::error::Result;
use crate::mysql::connection::{Connection, code_of};
use std::collections::HashSet;

/// How each of them begins.
const ALTER: &str = "ALTER TABLE ";

/// Runs the steps that are not marked as done; what the server refuses is named in `outcome`.
pub fn run(
    conn: &mut Connection,
    switch: &Switch,
    staging: &str,
    done: &HashSet<String>,
    outcome: &mut Outcome,
) -> Result<()> {
    let waiting: Vec<(usize, &Step)> =
        switch.steps.iter().enumerate().filter(|(number, _)| !done.contains(&mark_of(*number))).collect();
    for group in grouped(&waiting) {
        let marks: Vec<String> = group.iter().map(|(number, _)| mark_of(*number)).collect();
        if let Some(sql) = together(group)
            && is_made(conn, &sql)?
        {
            journal::mark_all(conn, staging, &marks)?;
            continue;
        }
        for ((_, step), mark) in group.iter().zip(&marks) {
            match run_step(conn, step) {
                Ok(()) => {}
                Err(error) if code_of(&error).is_none() => return Err(error),
                Err(_) if step.may_fail => {}
                Err(error) => {
                    outcome.not_made.push(format!("{} could not be made: {}", step.what, said(&error)));
                    // Without a mark: whoever goes on tries it again, and names it.
                    continue;
                }
            }
            journal::mark(conn, staging, mark)?;
        }
    }
    Ok(())
}

/// The steps in their order, those that add keys to one table together.
fn grouped<'a>(steps: &'a [(usize, &'a Step)]) -> impl Iterator<Item = &'a [(usize, &'a Step)]> {
    steps.chunk_by(|a, b| added_key(a.1).is_some_and(|(table, _)| are_of(table, b.1)))
}

fn mark_of(number: usize) -> String {
    format!("step {number}")
}

/// The words before a key that a step adds, and the key with its `ADD`.
fn added_key(step: &Step) -> Option<(&str, &str)> {
    let place = step.sql.strip_prefix(ALTER).filter(|_| !step.may_fail)?;
    let mut scan = Scan::new(place);
    let is_name = scan.skip_quoted() && place.as_bytes().get(scan.at) == Some(&b'.');
    scan.at += 1;
    if !is_name || !scan.skip_quoted() {
        return None;
    }
    let (table, key) = step.sql.split_at_checked(ALTER.len() + scan.at)?;
    key.starts_with(" ADD CONSTRAINT ").then_some((table, key))
}

/// Whether the step adds a key to the same table.
fn are_of(table: &str, step: &Step) -> bool {
    added_key(step).is_some_and(|(other, _)| other == table)
}

/// One statement for the foreign keys of one table: the server rewrites the table's definition once for
/// all of them, which is most of what each of them costs. None for what goes alone.
fn together(group: &[(usize, &Step)]) -> Option<String> {
    let keys: Vec<(&str, &str)> = group.iter().filter_map(|(_, step)| added_key(step)).collect();
    let (table, _) = *keys.first().filter(|_| keys.len() > 1)?;
    let words: Vec<&str> = keys.iter().map(|(_, key)| *key).collect();
    Some(format!("{table}{}", words.join(",")))
}

/// Whether the server took the statement; false: it refused, and whoever asks takes smaller steps.
fn is_made(conn: &mut Connection, sql: &str) -> Result<bool> {
    match conn.execute(sql) {
        Err(error) if code_of(&error).is_none() => Err(error),
        other => Ok(other.is_ok()),
    }
}

/// Names that a table already has: a step that ran before its mark was written.
const ALREADY_THERE: [u16; 3] = [1826, 1022, 1061];

fn run_step(conn: &mut Connection, step: &Step) -> Result<()> {
    match conn.execute(&step.sql) {
        Err(error) if code_of(&error).is_some_and(|code| ALREADY_THERE.contains(&code)) => Ok(()),
        // InnoDB's word for a foreign key of that name.
        Err(error) if code_of(&error) == Some(1005) && said(&error).contains("errno: 121") => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(sql: &str) -> Step {
        Step { sql: sql.to_owned(), ..Step::default() }
    }

    #[test]
    fn keys_of_one_table_go_together_and_nothing_else() {
        let steps: Vec<Step> = [
            "ALTER TABLE `d`.`a ADD CONSTRAINT ``x` ALTER COLUMN `c` SET DEFAULT ' ADD CONSTRAINT '",
            "ALTER TABLE `d`.`a ADD CONSTRAINT ``x` ADD CONSTRAINT `k1` FOREIGN KEY (`c`) REFERENCES `p` (`i`)",
            "ALTER TABLE `d`.`a ADD CONSTRAINT ``x` ADD CONSTRAINT `k2` FOREIGN KEY (`d`) REFERENCES `p` (`i`)",
            "ALTER TABLE `d`.`b` ADD CONSTRAINT `k1` FOREIGN KEY (`c`) REFERENCES `p` (`i`)",
            "ALTER TABLE `d`.`b` DROP FOREIGN KEY `k2`",
        ]
        .map(step)
        .into();
        let numbered: Vec<(usize, &Step)> = steps.iter().enumerate().collect();
        let groups: Vec<&[(usize, &Step)]> = grouped(&numbered).collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [1, 2, 1, 1]);
        assert_eq!(
            groups.iter().filter_map(|group| together(group)).collect::<Vec<_>>(),
            [
                "ALTER TABLE `d`.`a ADD CONSTRAINT ``x` ADD CONSTRAINT `k1` FOREIGN KEY (`c`) REFERENCES `p` (`i`), \
              ADD CONSTRAINT `k2` FOREIGN KEY (`d`) REFERENCES `p` (`i`)"
            ]
        );
    }
}
