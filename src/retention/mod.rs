//! Which snapshots a policy keeps: pure functions from a list in commit order to a verdict with
//! reasons for each (`format-spec/manifest.md`, Retention policy, for how a policy is stored).
//!
//! **What is guaranteed.** The order of commits is a fact; the time that a snapshot claims is not: a
//! clock may have been wrong, or somebody lied. While all times agree with the order, each rule means
//! what it says. Where they disagree, nobody can tell whose time is false, so the snapshots are judged
//! by several *readings*: all times as claimed, only those that agree
//! with every earlier one, only those that agree with every later one, and the most that agree among
//! each other; all but the first without times in the future. A snapshot is dropped only if **every**
//! reading drops it. So
//!
//! - any number of snapshots whose times lie in the future or before that of an earlier commit make no
//!   other snapshot drop, by whatever rule that looks at times,
//! - and likewise any number whose times lie in the future or behind that of a later commit,
//! - and a rule that keeps N periods keeps at most 4 N snapshots, however the times lie.
//!
//! A false time that fits between those of its neighbours is a true one as far as anyone can know.
//! Keeping the last N counts commits and looks at no time at all. The newest snapshot, the newest
//! complete one, pinned ones, the last verified ones and those below a minimum age always stay.
//!
//! A snapshot gives way only to later ones that hold at least its sources ([`Series`]): the nightly
//! copy of a database never makes the weekly copy of the X-rays drop.

mod calendar;
mod decide;
mod policy;
mod readings;
mod reason;
mod series;

pub use decide::{Snapshot, Verdict, decide};
pub use policy::{Calendar, EVERY, Period, Policy, Rule, Series};
pub use reason::Reason;
pub use series::Selection;

#[cfg(test)]
mod tests;
