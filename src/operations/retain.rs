//! Retention applied to a container: from catalog, ledger, pins and policy to a decision. It reads
//! nothing else and writes nothing; [`super::prune`] carries a decision out.

use super::prune::{self, PruneOptions, PrunePlan};
use crate::chunk_store::ChunkStore;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::ids::SnapshotId;
use crate::progress::Progress;
use crate::retention::{self, EVERY, Period, Policy, Reason, Rule, Selection, Snapshot, Verdict};
use crate::snapshot::{Catalog, Ledger, Level, SnapshotRecord, SourceKind};

/// What becomes of each snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The snapshots in commit order, each with its verdict.
    pub judged: Vec<Judged>,
}

/// One snapshot and its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The snapshot.
    pub id: SnapshotId,
    /// The time it claims.
    pub time: Timestamp,
    /// What becomes of it, and why.
    pub verdict: Verdict,
}

impl Decision {
    /// The snapshots to be removed, in commit order.
    pub fn victims(&self) -> Vec<SnapshotId> {
        self.judged.iter().filter(|j| !j.verdict.is_kept).map(|j| j.id).collect()
    }

    /// Positions of snapshots that only rules keep, the oldest first: they give way when space matters
    /// more.
    fn unprotected(&self) -> Vec<usize> {
        let may_go = |v: &Verdict| v.is_kept && !v.reasons.iter().any(Reason::protects);
        (0..self.judged.len()).filter(|&at| may_go(&self.judged[at].verdict)).collect()
    }

    /// This decision with `positions` dropped as well.
    fn without(&self, positions: &[usize]) -> Decision {
        let mut smaller = self.clone();
        for &at in positions {
            smaller.judged[at].verdict = Verdict { is_kept: false, reasons: vec![Reason::Size] };
        }
        smaller
    }
}

/// Judges the snapshots of `catalog` by `policy`, as of `now`.
///
/// A snapshot is verified if a full verification of its commit or a later one found no damage.
/// [`Kind::Usage`] for an impossible policy.
pub fn decide(
    catalog: &Catalog,
    ledger: &Ledger,
    policy: &Policy,
    selection: &Selection,
    now: Timestamp,
) -> Result<Decision> {
    let sound = ledger.entries.iter().filter(|e| e.level == Level::Full && e.damaged == 0);
    let verified = sound.map(|e| e.generation).max().unwrap_or(0);
    let snapshot = |record: &SnapshotRecord| Snapshot {
        id: record.id,
        time: record.time,
        tags: record.tags.clone(),
        sources: record.sources.iter().map(|s| source_path(s.kind, &s.name)).collect(),
        is_complete: record.is_complete(),
        is_verified: record.generation <= verified,
        is_pinned: catalog.pin(&record.id).is_some(),
    };
    let snapshots: Vec<Snapshot> = catalog.snapshots.iter().map(snapshot).collect();
    let verdicts = retention::decide(&snapshots, policy, selection, now)?;
    let judged = |(s, verdict): (&Snapshot, Verdict)| Judged { id: s.id, time: s.time, verdict };
    Ok(Decision { judged: snapshots.iter().zip(verdicts).map(judged).collect() })
}

/// What the container's own policy decides about all its snapshots; `None` if it has none.
pub fn decide_stored(store: &ChunkStore, now: Timestamp) -> Result<Option<Decision>> {
    let Some(policy) = &store.contents().settings.retention else { return Ok(None) };
    let (catalog, ledger) = (Catalog::read(store)?, Ledger::read(store)?);
    decide(&catalog, &ledger, policy, &Selection::default(), now).map(Some)
}

/// Where a source stands in its snapshot.
fn source_path(kind: SourceKind, name: &[u8]) -> Vec<u8> {
    let side: &[u8] = if kind == SourceKind::Attachments { b"attachments/" } else { b"database/" };
    [side, name].concat()
}

/// The decision that drops exactly `named`.
///
/// [`Kind::Usage`] if one of them is pinned.
pub fn drop_named(catalog: &Catalog, named: &[SnapshotId]) -> Result<Decision> {
    // Taken out of a copy, so that there is one place that says what may be removed.
    catalog.clone().remove(named)?;
    let judged = |record: &SnapshotRecord| {
        let is_kept = !named.contains(&record.id);
        let reason = if is_kept { Reason::NotSelected } else { Reason::Named };
        Judged { id: record.id, time: record.time, verdict: Verdict { is_kept, reasons: vec![reason] } }
    };
    Ok(Decision { judged: catalog.snapshots.iter().map(judged).collect() })
}

/// The policy that drops nothing by itself, with the protection of `policy`.
pub fn everything(policy: Option<&Policy>) -> Policy {
    let rules = vec![Rule { every: Period::Commit, count: EVERY }];
    Policy { rules, ..policy.cloned().unwrap_or_default() }
}

/// Drops, beside what `decision` drops, the oldest that only rules keep, as few as make the file at most
/// `max_bytes` long.
///
/// [`Kind::Full`] if it is longer even without all of them.
pub fn fit(
    store: &ChunkStore,
    decision: Decision,
    max_bytes: u64,
    options: &PruneOptions,
    progress: &Progress,
) -> Result<(Decision, PrunePlan)> {
    let candidates = decision.unprotected();
    let options = PruneOptions { max_bytes: Some(max_bytes), ..options.clone() };
    // An inner error: what would stay does not fit, and how long it would be.
    let attempt = |count: usize| {
        let smaller = decision.without(&candidates[..count]);
        match prune::plan(store, &smaller.victims(), &options, progress) {
            Ok(plan) => Ok(Ok((smaller, plan))),
            Err(error) if error.kind() == Kind::Usage => Ok(Err(error)),
            Err(error) => Err(error),
        }
    };
    if let Ok(none) = attempt(0)? {
        return Ok(none);
    }
    let mut best = attempt(candidates.len())?.map_err(|error| {
        let full = Error::new(Kind::Full, error.message());
        full.hint("unpin snapshots, lower --protect-verified or --min-age, or allow more")
    })?;
    // Dropping `low` does not suffice, dropping `high` does.
    let (mut low, mut high) = (0, candidates.len());
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match attempt(middle)? {
            Ok(found) => (high, best) = (middle, found),
            Err(_) => low = middle,
        }
    }
    Ok(best)
}
