//! Parity of small shards: the code that is used against the formula in the specification.

use crate::compare;
use std::fmt::Write;

/// Shards of noise: number, seed.
fn shards(count: usize, seed: u64) -> Vec<[u8; 64]> {
    let one = |index: usize| {
        let mut shard = [0; 64];
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(&(index as u64).to_le_bytes());
        hasher.finalize_xof().fill(&mut shard);
        shard
    };
    (0..count).map(one).collect()
}

fn encode(data: &[[u8; 64]], parity: usize) -> Vec<Vec<u8>> {
    reed_solomon_simd::encode(data.len(), parity, data).expect("encodes")
}

/// φ: coordinates to the polynomial.
fn polynomial(v: u16) -> u16 {
    const BASIS: [u16; 16] = [
        0x0001, 0xACCA, 0x3C0E, 0x163E, 0xC582, 0xED2E, 0x914C, 0x4012, 0x6C98, 0x10D8, 0x6A72, 0xB900,
        0xFDB8, 0xFB34, 0xFF38, 0x991E,
    ];
    (0..16).filter(|i| v >> i & 1 == 1).fold(0, |sum, i| sum ^ BASIS[i])
}

fn multiply(a: u16, b: u16) -> u16 {
    let (mut a, mut product) = (u32::from(a), 0u32);
    for bit in 0..16 {
        if b >> bit & 1 == 1 {
            product ^= a;
        }
        a <<= 1;
        if a > 0xFFFF {
            a ^= 0x1002D;
        }
    }
    product as u16
}

fn inverse(a: u16) -> u16 {
    // a to the power of 2^16 - 2.
    let (mut result, mut square) = (1, a);
    for _ in 1..16 {
        square = multiply(square, square);
        result = multiply(result, square);
    }
    result
}

fn symbols(shard: &[u8]) -> Vec<u16> {
    (0..32).map(|k| u16::from(shard[k]) | u16::from(shard[32 + k]) << 8).collect()
}

/// The specification's sum, symbol by symbol, as polynomials.
fn by_formula(data: &[[u8; 64]], parity: usize) -> Vec<Vec<u16>> {
    let m = parity.next_power_of_two() as u16;
    let factor = |i: u16, x: u16| {
        (0..m).filter(|&l| l != i).fold(1, |product, l| {
            let up = x ^ polynomial(l);
            multiply(product, multiply(up, inverse(polynomial(i) ^ polynomial(l))))
        })
    };
    let row = |i: u16| {
        let mut sums = vec![0; 32];
        for (j, shard) in data.iter().enumerate() {
            let factor = factor(i, polynomial(m + j as u16));
            for (sum, symbol) in sums.iter_mut().zip(symbols(shard)) {
                *sum ^= multiply(factor, polynomial(symbol));
            }
        }
        sums
    };
    (0..parity as u16).map(row).collect()
}

#[test]
fn the_formula_of_the_specification_is_the_code_that_is_used() {
    for (count, parity) in [(1, 1), (5, 2), (9, 3), (40, 8), (246, 8), (200, 32), (988, 32), (990, 7)] {
        let data = shards(count, (count + parity) as u64);
        let made: Vec<Vec<u16>> = encode(&data, parity)
            .iter()
            .map(|shard| symbols(shard).into_iter().map(polynomial).collect())
            .collect();
        assert_eq!(made, by_formula(&data, parity), "{count} + {parity}");
    }
}

#[test]
fn the_vector_is_as_stored() {
    let mut out = String::from(
        "# Parity (container.md, Parity) over shards of 64 bytes, in hexadecimal. `data.J` is data shard J,\n\
         # `parity.I` parity shard I.\n",
    );
    for (count, parity) in [(5, 2), (9, 3)] {
        let data = shards(count, (count + parity) as u64);
        writeln!(out, "\n# {count} data shards, {parity} parity shards").expect("text");
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        for (j, shard) in data.iter().enumerate() {
            writeln!(out, "data.{j} = {}", hex(shard)).expect("text");
        }
        for (i, shard) in encode(&data, parity).iter().enumerate() {
            writeln!(out, "parity.{i} = {}", hex(shard)).expect("text");
        }
    }
    compare("parity.txt", out.as_bytes());
}
