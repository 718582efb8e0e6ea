//! Numbers of a test copy. It promises as many digits, a number that the column can hold, and that different
//! ones stay different.

use super::permutation::{Permuter, Symbol};

/// A number with as many digits, that the column can hold; zero stays, and so does what is none.
pub fn number(permuter: &Permuter, old: &[u8], above: u128, below: u128) -> Option<Vec<u8>> {
    let (sign, digits) = if old.first() == Some(&b'-') { old.split_at(1) } else { old.split_at(0) };
    let most = if sign.is_empty() { above } else { below };
    let is_number = |digits: &[u8]| digits.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    if !is_number(digits) || !digits.iter().any(|b| (b'1'..=b'9').contains(b)) {
        return None;
    }
    let mut new = digits.to_vec();
    // Walking on until the number is possible keeps it a permutation of those that are.
    loop {
        permute_digits(permuter, &mut new);
        let whole = new.split(|b| *b == b'.').next().and_then(|d| std::str::from_utf8(d).ok());
        let fits = whole.is_none_or(|whole| whole.parse::<u128>().map_or(most == u128::MAX, |n| n <= most));
        if fits && new.iter().any(|b| (b'1'..=b'9').contains(b)) {
            return Some([sign, &new].concat());
        }
        if new == digits {
            return None;
        }
    }
}

/// The first digit of several, and a digit alone, is not zero unless it was; before a point it stays
/// zero.
fn permute_digits(permuter: &Permuter, digits: &mut [u8]) {
    let symbol = |(at, byte): (usize, &u8)| match (at, byte) {
        (_, b'.') => None,
        (0, b'0') => Some(Symbol { value: 0, radix: 1 }),
        (0, digit) => Some(Symbol { value: u16::from(digit - b'1'), radix: 9 }),
        (_, digit) => Some(Symbol { value: u16::from(digit - b'0'), radix: 10 }),
    };
    let mut symbols: Vec<Symbol> = digits.iter().enumerate().filter_map(symbol).collect();
    permuter.permute(&mut symbols);
    for (digit, symbol) in digits.iter_mut().filter(|b| **b != b'.').zip(symbols) {
        let least = if symbol.radix == 9 { b'1' } else { b'0' };
        *digit = least + symbol.value as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(most: (u128, u128), old: &str) -> Option<String> {
        let new = number(&Permuter::new(&[3; 32], "test"), old.as_bytes(), most.0, most.1);
        Some(new.map_or_else(|| old.to_owned(), |new| String::from_utf8(new).expect("digits")))
    }

    #[test]
    fn a_small_integer_is_permuted_within_its_range() {
        let treatment = (127, 128);
        for numbers in [1..=9, 10..=99, 100..=127] {
            let new: std::collections::BTreeSet<u32> = numbers
                .clone()
                .map(|n| replaced(treatment, &n.to_string()).unwrap().parse().unwrap())
                .collect();
            assert_eq!(new, numbers.collect());
        }
        let below: std::collections::BTreeSet<i32> = (100..=128)
            .map(|n: i32| replaced(treatment, &(-n).to_string()).unwrap().parse().unwrap())
            .collect();
        assert_eq!(below, (-128..=-100).collect());
        for kept in ["0", "0.00", "-0.0"] {
            assert_eq!(replaced(treatment, kept).as_deref(), Some(kept));
        }
        let price = replaced((u128::MAX, u128::MAX), "-0.05").expect("number");
        assert!(price.starts_with("-0.") && price != "-0.00", "{price}");
    }
}
