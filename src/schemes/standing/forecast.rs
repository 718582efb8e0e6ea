//! How long the space will last: a straight line through the sizes of the file after the last backups.

use serde::Serialize;

/// Most backups that are looked at.
const LAST: usize = 60;
/// Fewest that say anything.
const FEWEST: usize = 4;
/// The shortest time that they must span, in days.
const SHORTEST: f64 = 2.0;
/// The furthest that is said, in days: ten years.
const FURTHEST: f64 = 3650.0;

/// How long the space will last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Growth of the file, in bytes a day.
    pub bytes_per_day: i64,
    /// Bytes that are left: of the cap, or of the file system.
    pub room_bytes: u64,
    /// Days until nothing is left; `None`: not within ten years.
    pub days: Option<u64>,
}

/// The forecast from `sizes` (time in seconds since 1970, bytes of the file), oldest first, with
/// `room` bytes left; `None` if they say too little.
pub fn forecast(sizes: &[(i64, u64)], room: u64) -> Option<Forecast> {
    let sizes = &sizes[sizes.len().saturating_sub(LAST)..];
    let (first, last) = (sizes.first()?, sizes.last()?);
    let day = |time: i64| time.saturating_sub(first.0) as f64 / 86_400.0;
    if sizes.len() < FEWEST || day(last.0) < SHORTEST {
        return None;
    }
    let count = sizes.len() as f64;
    let mean_day = sizes.iter().map(|(time, _)| day(*time)).sum::<f64>() / count;
    let mean_bytes = sizes.iter().map(|(_, bytes)| *bytes as f64).sum::<f64>() / count;
    let spread: f64 = sizes.iter().map(|(time, _)| (day(*time) - mean_day).powi(2)).sum();
    let common: f64 =
        sizes.iter().map(|(time, bytes)| (day(*time) - mean_day) * (*bytes as f64 - mean_bytes)).sum();
    if spread <= 0.0 {
        return None;
    }
    let slope = common / spread;
    let days = room as f64 / slope;
    let days = (slope >= 1.0 && days <= FURTHEST).then_some(days as u64);
    Some(Forecast { bytes_per_day: slope as i64, room_bytes: room, days })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nights(bytes: impl Fn(u64) -> u64) -> Vec<(i64, u64)> {
        (0..20).map(|night| (1_700_000_000 + night as i64 * 86_400, bytes(night))).collect()
    }

    #[test]
    fn steady_growth_is_foretold_and_no_growth_lasts() {
        let found = forecast(&nights(|night| 1_000_000 + night * 1000), 25_000).expect("enough");
        assert_eq!((found.bytes_per_day, found.days), (1000, Some(25)));
        let found = forecast(&nights(|_| 1_000_000), 25_000).expect("enough");
        assert_eq!((found.bytes_per_day, found.days), (0, None));
        assert_eq!(forecast(&nights(|night| 1_000_000 - night), 0).expect("enough").days, None);
        let full = forecast(&nights(|night| night * 1000), 0).expect("enough");
        assert_eq!(full.days, Some(0));
    }

    #[test]
    fn too_little_says_nothing() {
        assert_eq!(forecast(&[], 5), None);
        assert_eq!(forecast(&nights(|n| n)[..3], 5), None);
        assert_eq!(forecast(&[(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)], 5), None);
        let odd = [(i64::MIN, 0), (0, 1), (1, 2), (i64::MAX, u64::MAX)];
        assert!(forecast(&odd, u64::MAX).is_some());
    }
}
