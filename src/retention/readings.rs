//! Readings: which claimed times are believed, in four ways. It promises that each reading names its
//! members in commit order, that all but the first have times that never fall and none after `now`,
//! and that where the clocks were right all four are the same.

use crate::clock::Timestamp;

/// The readings of `times`, which stand in commit order: positions of the members of each, equal
/// readings once. The first is always that of all times as claimed.
pub fn readings(times: &[Timestamp], now: Timestamp) -> Vec<Vec<usize>> {
    let mut out: Vec<Vec<usize>> = vec![(0..times.len()).collect()];
    let past: Vec<usize> = (0..times.len()).filter(|&at| times[at] <= now).collect();
    for reading in
        [agreeing_with_earlier(times, &past), agreeing_with_later(times, &past), most(times, &past)]
    {
        if !out.contains(&reading) {
            out.push(reading);
        }
    }
    out
}

/// Those that no earlier one exceeds.
fn agreeing_with_earlier(times: &[Timestamp], past: &[usize]) -> Vec<usize> {
    let mut highest = None;
    let believed = |&at: &usize| {
        let agrees = highest.is_none_or(|highest| times[at] >= highest);
        if agrees {
            highest = Some(times[at]);
        }
        agrees
    };
    past.iter().copied().filter(believed).collect()
}

/// Those that exceed no later one.
fn agreeing_with_later(times: &[Timestamp], past: &[usize]) -> Vec<usize> {
    let mut lowest = None;
    let believed = |&at: &usize| {
        let agrees = lowest.is_none_or(|lowest| times[at] <= lowest);
        if agrees {
            lowest = Some(times[at]);
        }
        agrees
    };
    let mut reading: Vec<usize> = past.iter().copied().rev().filter(believed).collect();
    reading.reverse();
    reading
}

/// A longest series of times that never fall.
fn most(times: &[Timestamp], past: &[usize]) -> Vec<usize> {
    // `ends[n]`: the position with the lowest time at which a series of n + 1 can end.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; times.len()];
    for &at in past {
        let length = ends.partition_point(|&end| times[end] <= times[at]);
        before[at] = length.checked_sub(1).and_then(|n| ends.get(n).copied());
        match ends.get_mut(length) {
            Some(end) => *end = at,
            None => ends.push(at),
        }
    }
    let mut reading: Vec<usize> = std::iter::successors(ends.last().copied(), |&at| before[at]).collect();
    reading.reverse();
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(seconds: &[i64], now: i64) -> Vec<Vec<usize>> {
        let times: Vec<Timestamp> =
            seconds.iter().map(|&s| Timestamp { seconds: s, nanoseconds: 0 }).collect();
        readings(&times, Timestamp { seconds: now, nanoseconds: 0 })
    }

    #[test]
    fn right_clocks_have_one_reading() {
        assert_eq!(of(&[], 9), vec![Vec::<usize>::new()]);
        assert_eq!(of(&[1, 2, 2, 5], 5), [vec![0, 1, 2, 3]]);
    }

    #[test]
    fn wrong_clocks_have_several() {
        // The third went ahead, the last fell back.
        let found = of(&[1, 2, 8, 3, 4, 0], 9);
        assert_eq!(found, [vec![0, 1, 2, 3, 4, 5], vec![0, 1, 2], vec![5], vec![0, 1, 3, 4]]);
        // One in the future is believed by the first only.
        assert_eq!(of(&[1, 99, 2], 9), [vec![0, 1, 2], vec![0, 2]]);
        // A machine whose own clock fell back believes nothing but the order.
        assert_eq!(of(&[5, 6], 1), [vec![0, 1], vec![]]);
    }
}
