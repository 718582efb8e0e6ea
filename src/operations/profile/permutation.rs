//! Secret permutations of short values: encryption that keeps the format. It promises that different
//! values stay different and equal ones equal, under one key for as long as the key lives, and that
//! nobody without the key finds the value by trying all of them.
//!
//! A value is a row of symbols, each below a radix of its own. An unbalanced Feistel network runs over
//! its halves: in every round the symbols of one half move on, each modulo its radix, by what a keyed
//! hash of the other half says. Single symbols take a shuffled table.

use zeroize::Zeroizing;

/// Rounds of the network.
const ROUNDS: u8 = 10;
/// A symbol of a larger alphabet takes no shuffled table.
const LARGE_RADIX: u16 = 128;

/// The permutations of one domain.
pub struct Permuter {
    key: Zeroizing<[u8; 32]>,
}

/// One symbol of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The symbol, below its radix.
    pub value: u16,
    /// How many there are; at least 1.
    pub radix: u16,
}

impl Permuter {
    /// The permutations of `domain` under `key`.
    pub fn new(key: &[u8; 32], domain: &str) -> Permuter {
        Permuter { key: Zeroizing::new(*blake3::keyed_hash(key, domain.as_bytes()).as_bytes()) }
    }

    /// Replaces the symbols by those of another value with the same radices.
    pub fn permute(&self, symbols: &mut [Symbol]) {
        let mut format = blake3::Hasher::new();
        for symbol in symbols.iter() {
            format.update(&symbol.radix.to_le_bytes());
        }
        let format = *format.finalize().as_bytes();
        if let [one] = symbols {
            one.value = self.single(&format, *one);
            return;
        }
        self.rounds(&format, symbols);
    }

    /// One symbol alone. Of a large alphabet it is taken as two, and walks on until they are one again.
    fn single(&self, format: &[u8; 32], one: Symbol) -> u16 {
        if one.radix <= LARGE_RADIX {
            return self.shuffled(format, 0, one.radix).get(usize::from(one.value)).copied().unwrap_or(0);
        }
        let side = u32::from(one.radix).isqrt() + 1;
        let mut value = u32::from(one.value);
        loop {
            let symbol = |value: u32| Symbol { value: value as u16, radix: side as u16 };
            let mut two = [symbol(value / side), symbol(value % side)];
            self.rounds(format, &mut two);
            value = u32::from(two[0].value) * side + u32::from(two[1].value);
            if value < u32::from(one.radix) {
                return value as u16;
            }
        }
    }

    fn rounds(&self, format: &[u8; 32], symbols: &mut [Symbol]) {
        let half = symbols.len() / 2;
        let (left, right) = symbols.split_at_mut(half);
        for round in 0..ROUNDS {
            match round % 2 {
                0 => self.round(round, format, left, right),
                _ => self.round(round, format, right, left),
            }
        }
    }

    fn round(&self, round: u8, format: &[u8; 32], from: &[Symbol], to: &mut [Symbol]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&[round]).update(format);
        for symbol in from {
            hasher.update(&symbol.value.to_le_bytes());
        }
        let mut stream = hasher.finalize_xof();
        let mut draw = [0; 8];
        for symbol in to {
            stream.fill(&mut draw);
            let radix = u64::from(symbol.radix.max(1));
            symbol.value = ((u64::from(symbol.value) + u64::from_le_bytes(draw) % radix) % radix) as u16;
        }
    }

    /// The numbers below `count` in an order that the key, `format` and `number` give.
    pub fn shuffled(&self, format: &[u8; 32], number: u64, count: u16) -> Vec<u16> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        let mut stream =
            hasher.update(b"shuffle").update(format).update(&number.to_le_bytes()).finalize_xof();
        let mut all: Vec<u16> = (0..count).collect();
        let mut draw = [0; 8];
        for at in (1..all.len()).rev() {
            stream.fill(&mut draw);
            all.swap(at, (u64::from_le_bytes(draw) % (at as u64 + 1)) as usize);
        }
        all
    }

    /// Thirty-two bytes that depend on `value` alone.
    pub fn digest(&self, value: &[u8]) -> [u8; 32] {
        *blake3::Hasher::new_keyed(&self.key).update(b"digest").update(value).finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// All values with these radices.
    fn all(radices: &[u16]) -> Vec<Vec<Symbol>> {
        let mut values = vec![Vec::new()];
        for &radix in radices {
            let longer = |v: &Vec<Symbol>| {
                let v = v.clone();
                (0..radix).map(move |value| [v.clone(), vec![Symbol { value, radix }]].concat())
            };
            values = values.iter().flat_map(longer).collect();
        }
        values
    }

    #[test]
    fn every_format_is_permuted() {
        let permuter = Permuter::new(&[7; 32], "d");
        for radices in [
            &[1][..],
            &[10],
            &[26],
            &[129],
            &[20_992],
            &[10, 10],
            &[9, 10, 10],
            &[26, 10, 3],
            &[2, 2, 2, 2, 2],
            &[1, 1],
        ] {
            let values = all(radices);
            let mut seen = HashSet::new();
            let mut moved = 0;
            for value in &values {
                let mut new = value.clone();
                permuter.permute(&mut new);
                assert!(new.iter().zip(radices).all(|(s, r)| s.value < *r && s.radix == *r));
                moved += usize::from(new != *value);
                assert!(
                    seen.insert(new.iter().map(|s| s.value).collect::<Vec<_>>()),
                    "{radices:?}: {value:?}"
                );
            }
            assert!(values.len() < 10 || moved * 10 > values.len() * 7, "{radices:?}: {moved} moved");
        }
    }

    #[test]
    fn keys_and_domains_give_other_permutations() {
        let value: Vec<Symbol> = (0..9).map(|value| Symbol { value, radix: 10 }).collect();
        let by = |key: u8, domain: &str| {
            let mut new = value.clone();
            Permuter::new(&[key; 32], domain).permute(&mut new);
            new
        };
        assert_eq!(by(1, "a"), by(1, "a"));
        assert_ne!(by(1, "a"), by(2, "a"));
        assert_ne!(by(1, "a"), by(1, "b"));
    }
}
