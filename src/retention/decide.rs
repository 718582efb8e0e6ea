//! The decision: a verdict with reasons for every snapshot, in the order given.

use super::calendar::{Local, Wall};
use super::policy::{Period, Policy, Rule};
use super::readings::readings;
use super::reason::Reason;
use super::series::{Selection, series};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ids::SnapshotId;
use std::collections::HashMap;

/// What a policy knows of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub id: SnapshotId,
    /// The time it claims.
    pub time: Timestamp,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its sources: `database/NAME`, `attachments/LABEL`.
    pub sources: Vec<Vec<u8>>,
    /// Whether everything that was asked for was read.
    pub is_complete: bool,
    /// Whether a verification proved it.
    pub is_verified: bool,
    /// Whether it is pinned.
    pub is_pinned: bool,
}

/// What becomes of a snapshot, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it stays.
    pub is_kept: bool,
    /// Why it stays; or, for each rule, why it does not.
    pub reasons: Vec<Reason>,
}

/// A verdict for each of `snapshots`, which stand in commit order, the oldest first.
///
/// [`crate::error::Kind::Usage`] if [`Policy::check`] refuses the policy.
pub fn decide(
    snapshots: &[Snapshot],
    policy: &Policy,
    selection: &Selection,
    now: Timestamp,
) -> Result<Vec<Verdict>> {
    policy.check()?;
    let wall = Wall::new(&policy.calendar)?;
    let locals: Vec<Local> = snapshots.iter().map(|s| wall.local(s.time)).collect();
    let selected: Vec<usize> = (0..snapshots.len()).filter(|&at| selection.has(&snapshots[at])).collect();
    let kept = |reason| Verdict { is_kept: true, reasons: vec![reason] };
    let mut verdicts = vec![kept(Reason::NotSelected); snapshots.len()];
    for (list, members) in series(snapshots, &selected, policy.series) {
        let court = Court { snapshots, policy, wall: &wall, locals: &locals, list: &list, now };
        let (mut reasons, holders) = (court.reasons(), court.holders());
        for at in members {
            if let Ok(position) = list.binary_search(&at) {
                verdicts[at] = court.verdict(position, std::mem::take(&mut reasons[position]), &holders);
            }
        }
    }
    Ok(verdicts)
}

/// One series before its judge. Positions are those in `list`.
struct Court<'a> {
    snapshots: &'a [Snapshot],
    policy: &'a Policy,
    wall: &'a Wall,
    locals: &'a [Local],
    list: &'a [usize],
    now: Timestamp,
}

impl Court<'_> {
    fn snapshot(&self, position: usize) -> &Snapshot {
        &self.snapshots[self.list[position]]
    }

    /// The reasons to keep each.
    fn reasons(&self) -> Vec<Vec<Reason>> {
        let mut reasons = vec![Vec::new(); self.list.len()];
        self.protect(&mut reasons);
        let times: Vec<Timestamp> = (0..self.list.len()).map(|at| self.snapshot(at).time).collect();
        for reading in readings(&times, self.now) {
            for rule in &self.policy.rules {
                for at in self.elected(rule, &reading) {
                    let label = self.wall.label(rule.every, &self.locals[self.list[at]]);
                    add(&mut reasons[at], Reason::Last { every: rule.every, label });
                }
            }
            for at in self.within(&reading) {
                add(&mut reasons[at], Reason::Within);
            }
        }
        reasons
    }

    fn protect(&self, reasons: &mut [Vec<Reason>]) {
        let newest_first = || (0..self.list.len()).rev();
        for at in newest_first().take(1) {
            add(&mut reasons[at], Reason::Newest);
        }
        for at in newest_first().filter(|&at| self.snapshot(at).is_complete).take(1) {
            add(&mut reasons[at], Reason::NewestComplete);
        }
        let verified = newest_first().filter(|&at| self.snapshot(at).is_verified);
        for at in verified.take(self.policy.protect_verified as usize) {
            add(&mut reasons[at], Reason::Verified);
        }
        // A snapshot from the future is as old as the next one that is not.
        let mut next = self.now;
        for at in newest_first() {
            let time = self.snapshot(at).time;
            next = if time <= self.now { time } else { next };
            if next > back(self.now, self.policy.min_age_seconds) {
                add(&mut reasons[at], Reason::Young);
            }
            if self.snapshot(at).is_pinned {
                add(&mut reasons[at], Reason::Pinned);
            }
        }
    }

    /// Whom `rule` keeps of `reading`.
    fn elected(&self, rule: &Rule, reading: &[usize]) -> Vec<usize> {
        let count = rule.count as usize;
        if rule.every == Period::Commit {
            // The last are the last, whatever a clock says.
            return (self.list.len().saturating_sub(count)..self.list.len()).collect();
        }
        self.representatives(rule.every, reading).into_iter().take(count).map(|(_, at)| at).collect()
    }

    /// Who stands for each period, the newest first: its last in commit order; of a business day, the
    /// last on the day itself before those on days off after it.
    fn representatives(&self, every: Period, reading: &[usize]) -> Vec<(i64, usize)> {
        let is_second_choice = |at: usize| every == Period::BusinessDay && self.wall.is_off(self.local(at));
        let mut found: Vec<(i64, usize)> = Vec::new();
        let mut places: HashMap<i64, usize> = HashMap::new();
        for &at in reading.iter().rev() {
            let period = self.wall.period(every, self.local(at));
            let place = *places.entry(period).or_insert_with(|| {
                found.push((period, at));
                found.len() - 1
            });
            let holder = found[place].1;
            if is_second_choice(holder) && !is_second_choice(at) {
                found[place].1 = at;
            }
        }
        found
    }

    fn local(&self, position: usize) -> &Local {
        &self.locals[self.list[position]]
    }

    /// Those made shortly before the newest of `reading`.
    fn within(&self, reading: &[usize]) -> Vec<usize> {
        let (Some(seconds), Some(&newest)) = (self.policy.within_seconds, reading.last()) else {
            return Vec::new();
        };
        let since = back(self.snapshot(newest).time, seconds);
        // None is younger than one committed later.
        let mut age = self.snapshot(newest).time;
        let mut is_within = |&&at: &&usize| {
            age = age.min(self.snapshot(at).time);
            age >= since
        };
        reading.iter().rev().take_while(&mut is_within).copied().collect()
    }

    /// For each rule, who stands for the periods it keeps, all times as claimed.
    fn holders(&self) -> Vec<HashMap<i64, usize>> {
        let all: Vec<usize> = (0..self.list.len()).collect();
        let of_rule = |rule: &Rule| match rule.every {
            Period::Commit => HashMap::new(),
            every => self.representatives(every, &all).into_iter().take(rule.count as usize).collect(),
        };
        self.policy.rules.iter().map(of_rule).collect()
    }

    fn verdict(&self, position: usize, reasons: Vec<Reason>, holders: &[HashMap<i64, usize>]) -> Verdict {
        if !reasons.is_empty() {
            return Verdict { is_kept: true, reasons };
        }
        let against = |(rule, holders): (&Rule, &HashMap<i64, usize>)| {
            let every = rule.every;
            let at = self.local(position);
            match holders.get(&self.wall.period(every, at)) {
                Some(&holder) => {
                    let label = self.wall.label(every, at);
                    Reason::Superseded { every, label, by: self.snapshot(holder).id }
                }
                None => Reason::Beyond { every, count: rule.count },
            }
        };
        let mut reasons: Vec<Reason> = self.policy.rules.iter().zip(holders).map(against).collect();
        reasons.extend(self.policy.within_seconds.map(|_| Reason::NotWithin));
        Verdict { is_kept: false, reasons }
    }
}

fn add(reasons: &mut Vec<Reason>, reason: Reason) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

/// `time` moved back, saturating.
fn back(time: Timestamp, seconds: u64) -> Timestamp {
    time.plus_seconds(i64::try_from(seconds).map_or(i64::MIN, |s| -s))
}
