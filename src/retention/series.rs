//! Series: which snapshots a policy is asked about, and which of them a snapshot competes with.

use super::decide::Snapshot;
use super::policy::Series;
use std::collections::{BTreeMap, BTreeSet};

/// Digits in a dump's name from which on they are taken for a date.
const DATE_DIGITS: usize = 4;

/// Which snapshots a policy is asked about; the others stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those with one of these tags; none: any.
    pub tags: Vec<String>,
    /// Those with one of these sources, `database`, `attachments`, `attachments/LABEL` or the name
    /// alone; none: any.
    pub sources: Vec<Vec<u8>>,
}

impl Selection {
    /// Whether the policy is asked about `snapshot`.
    pub fn has(&self, snapshot: &Snapshot) -> bool {
        let is = |source: &[u8], wanted: &[u8]| {
            let mut sides = source.splitn(2, |&b| b == b'/');
            source == wanted || sides.any(|part| part == wanted)
        };
        let tagged = self.tags.is_empty() || self.tags.iter().any(|tag| snapshot.tags.contains(tag));
        let fits = |wanted: &Vec<u8>| snapshot.sources.iter().any(|source| is(source, wanted));
        tagged && (self.sources.is_empty() || self.sources.iter().any(fits))
    }
}

/// What a snapshot must have to take another's place.
type Labels = BTreeSet<(bool, Vec<u8>)>;

/// Series as lists of positions in commit order, each with those of its members that it judges: every
/// position of `selected` is judged once, among all that have at least its labels.
pub fn series(snapshots: &[Snapshot], selected: &[usize], by: Series) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut judged: BTreeMap<Labels, Vec<usize>> = BTreeMap::new();
    for &at in selected {
        judged.entry(labels(&snapshots[at], by)).or_default().push(at);
    }
    let list = |labels: &Labels| {
        let covering = judged.iter().filter(|(other, _)| other.is_superset(labels));
        let mut list: Vec<usize> = covering.flat_map(|(_, members)| members).copied().collect();
        list.sort_unstable();
        list
    };
    judged.iter().map(|(labels, members)| (list(labels), members.clone())).collect()
}

fn labels(snapshot: &Snapshot, by: Series) -> Labels {
    let mut labels = Labels::new();
    if matches!(by, Series::Sources | Series::Both) {
        labels.extend(snapshot.sources.iter().map(|source| (false, undated(source))));
    }
    if matches!(by, Series::Tags | Series::Both) {
        labels.extend(snapshot.tags.iter().map(|tag| (true, tag.clone().into_bytes())));
    }
    labels
}

/// The name of a dump without the date in it: `praxis-2026-01-31.sql` and `praxis-2026-02-01.sql` are
/// one source. Few digits are no date: `room1.sql` and `room2.sql` are two.
fn undated(source: &[u8]) -> Vec<u8> {
    let digits = source.iter().filter(|b| b.is_ascii_digit()).count();
    if !source.starts_with(b"database/") || digits < DATE_DIGITS {
        return source.to_vec();
    }
    let mut name: Vec<u8> = Vec::with_capacity(source.len());
    for &byte in source {
        match byte.is_ascii_digit() {
            true if name.last() == Some(&b'#') => {}
            true => name.push(b'#'),
            false => name.push(byte),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_the_names_of_dumps_do_not_count() {
        let same = |a: &str, b: &str| undated(a.as_bytes()) == undated(b.as_bytes());
        assert!(same("database/p-2026-01-31.sql", "database/p-2026-02-01.sql"));
        assert!(same("database/p20260131_0130.sql", "database/p20260201_2359.sql"));
        assert!(!same("database/room1.sql", "database/room2.sql"));
        assert!(!same("database/a-2026.sql", "database/b-2026.sql"));
        assert!(!same("attachments/2025-x", "attachments/2026-x"));
    }
}
