//! Every fuzz target on seeded mutations, so that continuous integration runs them without
//! cargo-fuzz.

use crate::targets::TARGETS;
use crate::world::*;

/// Inputs that reach far: patches aimed at the beginning, any bytes, and path lines.
fn input(random: &mut Random, name: &str) -> Vec<u8> {
    if name == "paths" {
        let words: [&[u8]; 9] = [
            b"attachments",
            b"..",
            b".",
            b"a",
            b"outside",
            b"",
            b"kept",
            b"b>../../outside",
            b"a>/etc/passwd",
        ];
        let mut out = Vec::new();
        for _ in 0..1 + random.below(8) {
            out.push(b'0' + random.below(6) as u8);
            for part in 0..1 + random.below(4) {
                out.extend_from_slice(if part == 0 { b"" } else { b"/" });
                out.extend_from_slice(words[random.below(9) as usize]);
            }
            out.push(b'\n');
        }
        return out;
    }
    let reach = [64u64, 1024, 1 << 32][random.below(3) as usize];
    let mut out = vec![random.next() as u8];
    for _ in 0..1 + random.below(4) {
        out.extend((random.below(reach) as u32).to_le_bytes());
        out.push(random.next() as u8);
        let value = [random.next(), 1, u64::MAX, random.below(70_000)][random.below(4) as usize];
        out.extend(value.to_le_bytes());
    }
    out
}

#[test]
fn every_target_survives_mutations() {
    let only = std::env::var("COFFER_TARGET").ok();
    for (name, target) in TARGETS {
        if only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        let began = std::time::Instant::now();
        let heavy = ["operations", "container", "header_zone"].contains(&name);
        let mut random = Random(seed());
        for run in 0..scale(if heavy { 25 } else { 100 }, 20_000) {
            let data = input(&mut random, name);
            let started = std::time::Instant::now();
            let result = std::panic::catch_unwind(|| target(&data));
            assert!(result.is_ok(), "{name}, run {run}, seed {}: {data:?}", seed());
            assert!(started.elapsed().as_secs() < 10, "{name}, run {run}: {:?}", started.elapsed());
        }
        println!("{name}: {:?}", began.elapsed());
    }
}
