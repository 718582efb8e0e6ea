//! What the user's rights allow. It promises that nothing is left out because it is hidden from the
//! user (servers show such things as empty lists), unless that was asked for; then it is named.

use super::plan::DumpPlan;
use super::session::Session;
use crate::error::{Error, Result};
use crate::mysql::privileges::{DumpNeeds, Missing, Need, Privileges, Purpose, missing, refusal};

/// What the rights allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Whether all tables can be had at one instant.
    pub one_instant: bool,
    /// What may be missing, one sentence each.
    pub losses: Vec<String>,
}

/// Checks the rights for a dump of databases with or without tables that have no snapshots.
///
/// Errors: [`crate::error::Kind::Database`], naming every missing right and the statement that grants
/// it.
pub fn check(session: &mut Session, plan: &DumpPlan, has_plain_tables: bool) -> Result<Rights> {
    let privileges = Privileges::read(&mut session.control)?;
    let purpose = Purpose::Dump(DumpNeeds { has_plain_tables, users: plan.users });
    let databases = plan.databases.clone().unwrap_or_default();
    let lacking = missing(&privileges, &session.facts, &purpose, &databases);
    let (rights, refused) = weigh(&lacking, plan);
    match refusal(&refused, &privileges.account, session.control.name()) {
        Some(refusal) => Err(with_options(refusal.error, &refused)),
        None => Ok(rights),
    }
}

/// Parts what is missing into what the plan accepts and what it does not.
fn weigh(lacking: &[Missing], plan: &DumpPlan) -> (Rights, Vec<Missing>) {
    let mut rights = Rights { one_instant: true, losses: Vec::new() };
    let mut refused = Vec::new();
    for one in lacking.iter().filter(|one| one.need == Need::Required) {
        let is_for_lock = one.privilege == "RELOAD";
        if is_for_lock && plan.accept_per_table {
            rights.one_instant = false;
        } else if !is_for_lock && plan.accept_partial {
            let place = one.scope.quoted();
            rights.losses.push(format!("the user lacks {} on {place} ({})", one.privilege, one.gives));
        } else {
            refused.push(one.clone());
        }
    }
    (rights, refused)
}

/// Adds what else can be done to the remedy.
fn with_options(error: Error, refused: &[Missing]) -> Error {
    let is_lock_only = refused.iter().all(|one| one.privilege == "RELOAD");
    let remedy = error.remedy().unwrap_or_default().to_owned();
    let other = match is_lock_only {
        true => {
            "or accept an instant of its own for each table (--accept-per-table), which marks the snapshot for ever"
        }
        false => "or accept a partial snapshot, which is marked as such for ever",
    };
    error.hint(format!("{remedy} {other}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::privileges::Scope;

    fn lacking(privilege: &'static str, need: Need) -> Missing {
        Missing { privilege, scope: Scope::Server, need, gives: "x", grant: String::new() }
    }

    #[test]
    fn nothing_missing_is_accepted_unless_asked_for() {
        let all = [
            lacking("RELOAD", Need::Required),
            lacking("TRIGGER", Need::Required),
            lacking("PROCESS", Need::Useful),
        ];
        let plan = DumpPlan::default();
        assert_eq!(weigh(&all, &plan).1.len(), 2);
        let per_table = DumpPlan { accept_per_table: true, ..DumpPlan::default() };
        let (rights, refused) = weigh(&all, &per_table);
        assert!(!rights.one_instant && refused.len() == 1 && refused[0].privilege == "TRIGGER");
        let partial = DumpPlan { accept_partial: true, ..DumpPlan::default() };
        let (rights, refused) = weigh(&all, &partial);
        assert!(rights.one_instant && rights.losses.len() == 1 && refused[0].privilege == "RELOAD");
    }
}
