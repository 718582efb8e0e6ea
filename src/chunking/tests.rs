//! The cutter against its definition, its vectors and its promises.

use super::*;
use proptest::prelude::*;
use std::fmt::Write;

const SMALL: Sizes = Sizes { min: 64, average: 256, max: 1024 };
const ALL: [(&str, Sizes); 4] = [
    ("dump", Sizes::DUMP),
    ("attachment", Sizes::ATTACHMENT),
    ("manifest", Sizes::MANIFEST),
    ("small", SMALL),
];

fn noise(label: &str, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(label.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// The ends of all chunks of a whole stream.
fn ends(cutter: &Cutter, stream: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    while let Some(length) = cutter.cut(&stream[ends[ends.len() - 1]..], true) {
        ends.push(ends[ends.len() - 1] + length);
    }
    ends.split_off(1)
}

/// The definition, word for word: the hash of the 64 bytes before each place, computed anew.
fn ends_by_definition(key: &[u8; 32], sizes: Sizes, stream: &[u8]) -> Vec<usize> {
    let table = GearTable::from_key(key);
    let bits = sizes.average.trailing_zeros();
    let (mut start, mut ends) = (0, vec![]);
    while start < stream.len() {
        let left = (stream.len() - start).min(sizes.max as usize);
        let hit = (sizes.min as usize..=left).find(|&length| {
            let window = &stream[start + length - 64..start + length];
            let hash = window.iter().fold(0, |hash, &byte| table.roll(hash, byte));
            let zeros = if length < sizes.average as usize { bits + 2 } else { bits - 2 };
            hash.leading_zeros() >= zeros
        });
        start += hit.unwrap_or(left);
        ends.push(start);
    }
    ends
}

/// What `format-spec/vectors/chunking.txt` holds, computed.
fn vectors() -> String {
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut text = format!("key {}\n", hex(&key));
    let table: Vec<u8> = GearTable::from_key(&key).entries().flat_map(u64::to_le_bytes).collect();
    writeln!(text, "table-blake3 {}", blake3::hash(&table)).unwrap();
    let inputs = [("zeros", 100_000), ("xof", 65), ("xof", 1 << 20), ("xof", 8 << 20)];
    for (name, sizes) in ALL {
        let Sizes { min, average, max } = sizes;
        let cutter = Cutter::new(&key, sizes);
        for (kind, length) in inputs {
            let zeros = vec![0; length];
            let input = if kind == "xof" { noise("cutter 1", length) } else { zeros };
            let ends = ends(&cutter, &input);
            let bytes: Vec<u8> = ends.iter().flat_map(|&e| (e as u64).to_le_bytes()).collect();
            let first: Vec<String> = ends.iter().take(12).map(usize::to_string).collect();
            writeln!(text, "\nsizes {name} {min} {average} {max}\ninput {kind} {length}").unwrap();
            writeln!(text, "count {}\nfirst {}", ends.len(), first.join(" ")).unwrap();
            writeln!(text, "ends-blake3 {}", blake3::hash(&bytes)).unwrap();
        }
    }
    text
}

#[test]
fn cuts_are_the_published_ones() {
    let file = include_str!("../../format-spec/vectors/chunking.txt");
    let published: String = file.lines().filter(|l| !l.starts_with('#')).map(|l| format!("{l}\n")).collect();
    assert!(published.trim() == vectors().trim(), "computed:\n{}", vectors());
}

#[test]
fn cuts_follow_the_definition() {
    for seed in 0..20u8 {
        let mut stream = noise(&format!("definition {seed}"), 30_000);
        stream[9000..12_000].fill(seed);
        let sizes = Sizes { min: 64 + 50 * u32::from(seed % 4), ..SMALL };
        let cutter = Cutter::new(&[seed; 32], sizes);
        assert_eq!(ends(&cutter, &stream), ends_by_definition(&[seed; 32], sizes, &stream));
    }
    let equal = Sizes { min: 256, average: 256, max: 256 };
    assert_eq!(ends(&Cutter::new(&[1; 32], equal), &noise("equal", 600)), [256, 512, 600]);
}

#[test]
fn more_bytes_are_asked_for_only_when_needed() {
    let cutter = Cutter::new(&[3; 32], SMALL);
    let bytes = noise("asked", 1024);
    assert_eq!(cutter.cut(&[], true), None);
    assert_eq!(cutter.cut(&[], false), None);
    assert_eq!(cutter.cut(&bytes[..1023], false), None);
    assert_eq!(cutter.cut(&bytes, false), cutter.cut(&bytes, true));
    assert_eq!(cutter.cut(&bytes[..1], true), Some(1));
    assert_eq!(cutter.cut(&bytes[..64], true), Some(64));
}

#[test]
fn mean_length_is_near_the_average() {
    for (name, sizes) in [ALL[0], ALL[2], ALL[3]] {
        let count = ends(&Cutter::new(&[5; 32], sizes), &noise("mean", 8 << 20)).len();
        let mean = (8 << 20) / count as u32;
        let bounds = sizes.average * 9 / 10..sizes.average * 13 / 10;
        assert!(bounds.contains(&mean), "{name}: {mean}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, rng_seed: proptest::test_runner::RngSeed::Fixed(1), failure_persistence: None, ..Default::default() })]

    #[test]
    fn cuts_do_not_depend_on_how_bytes_arrive(
        key: [u8; 32], seed: u32, length in 0usize..20_000, steps in prop::collection::vec(1usize..3000, 1..9),
    ) {
        let stream = noise(&seed.to_string(), length);
        let cutter = Cutter::new(&key, SMALL);
        let (mut held, mut fed, mut at, mut found) = (vec![], 0, 0, vec![]);
        for step in steps.iter().cycle() {
            let more = (*step).min(stream.len() - fed);
            held.extend_from_slice(&stream[fed..fed + more]);
            fed += more;
            while let Some(cut) = cutter.cut(&held, fed == stream.len()) {
                held.drain(..cut);
                at += cut;
                found.push(at);
            }
            if fed == stream.len() {
                break;
            }
        }
        prop_assert!(held.is_empty());
        prop_assert_eq!(found, ends(&cutter, &stream));
    }

    #[test]
    fn lengths_stay_within_bounds(key: [u8; 32], seed: u32, run in 0usize..9000, byte: u8) {
        let mut stream = noise(&seed.to_string(), 20_000);
        stream[4000..4000 + run].fill(byte);
        let ends = ends(&Cutter::new(&key, SMALL), &stream);
        prop_assert_eq!(ends.last(), Some(&stream.len()));
        let starts = std::iter::once(&0).chain(&ends);
        let lengths: Vec<usize> = ends.iter().zip(starts).map(|(end, start)| end - start).collect();
        prop_assert!(lengths.iter().all(|&length| length <= 1024));
        prop_assert!(lengths.iter().rev().skip(1).all(|&length| length >= 64));
    }

    #[test]
    fn an_inserted_byte_moves_only_near_cuts(key: [u8; 32], seed: u32, at in 0usize..60_000, byte: u8) {
        let stream = noise(&seed.to_string(), 100_000);
        let mut edited = stream.clone();
        edited.insert(at, byte);
        let cutter = Cutter::new(&key, SMALL);
        let (before, after) = (ends(&cutter, &stream), ends(&cutter, &edited));
        // Nothing moves before the edit, and all is the same again within some 40 chunks.
        let far = at + 40 * 256;
        let head = |ends: &[usize]| ends.iter().copied().filter(|&e| e < at).collect::<Vec<_>>();
        let tail = |ends: &[usize], shift: usize| {
            ends.iter().map(|&e| e - shift.min(e)).filter(|&e| e > far).collect::<Vec<_>>()
        };
        prop_assert_eq!(head(&before), head(&after));
        prop_assert_eq!(tail(&before, 0), tail(&after, 1));
    }
}
