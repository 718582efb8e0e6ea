//! Recovery codes: 160 random bits in eight groups that can be printed, read aloud and typed; each
//! group carries its own check character, so that a mistyped one is named. Implements
//! `format-spec/crypto.md`, Recovery codes.

use crate::crypto::{Entropy, RECOVERY_BYTES};
use crate::error::{Error, Kind, Result};
use zeroize::Zeroizing;

/// Thirty-two characters without I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Groups of a code.
const GROUPS: usize = 8;
/// Characters of a group that carry the secret; one more checks them.
const GROUP_DATA: usize = 4;

/// A new recovery secret.
pub fn generate(entropy: &mut dyn Entropy) -> Result<Zeroizing<[u8; RECOVERY_BYTES]>> {
    let mut code = Zeroizing::new([0; RECOVERY_BYTES]);
    entropy.fill(code.as_mut_slice())?;
    Ok(code)
}

/// The code for people: eight groups of five characters with hyphens between.
pub fn encode(code: &[u8; RECOVERY_BYTES]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(GROUPS * (GROUP_DATA + 2)));
    for (group, symbols) in symbols_of(code).chunks_exact(GROUP_DATA).enumerate() {
        if group > 0 {
            text.push('-');
        }
        for symbol in symbols.iter().copied().chain([check(group, symbols)]) {
            text.push(char::from(ALPHABET[usize::from(symbol)]));
        }
    }
    text
}

/// The secret of a typed code. Case, spaces and hyphens do not matter; O is read as 0, I and L as
/// 1. [`Kind::WrongKey`] names the first group that is wrong.
pub fn decode(text: &str) -> Result<Zeroizing<[u8; RECOVERY_BYTES]>> {
    let mut symbols = Zeroizing::new(Vec::with_capacity(text.len()));
    for character in
        text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}'))
    {
        match symbol_of(character) {
            Some(symbol) => symbols.push(symbol),
            None => return Err(mistyped(symbols.len() / (GROUP_DATA + 1), "a character that no code has")),
        }
    }
    for (group, typed) in symbols.chunks(GROUP_DATA + 1).take(GROUPS).enumerate() {
        match typed.split_at_checked(GROUP_DATA) {
            Some((data, [last])) if *last == check(group, data) => {}
            Some((_, [_])) => return Err(mistyped(group, "its last character does not match the others")),
            _ => return Err(mistyped(group, "characters are missing")),
        }
    }
    if symbols.len() != GROUPS * (GROUP_DATA + 1) {
        return Err(Error::new(
            Kind::WrongKey,
            format!(
                "the recovery code has {} characters instead of {}",
                symbols.len(),
                GROUPS * (GROUP_DATA + 1)
            ),
        ));
    }
    Ok(bytes_of(&symbols))
}

fn mistyped(group: usize, why: &str) -> Error {
    Error::new(Kind::WrongKey, format!("group {} of the recovery code is mistyped: {why}", group + 1))
        .hint("the code has eight groups of five characters; the letters I, L, O and U do not occur")
}

/// The secret as 32 numbers of 5 bits, most significant first.
fn symbols_of(code: &[u8; RECOVERY_BYTES]) -> Zeroizing<Vec<u8>> {
    let bit = |at: usize| (code[at / 8] >> (7 - at % 8)) & 1;
    let symbol = |at: usize| (0..5).fold(0, |value, i| value << 1 | bit(5 * at + i));
    Zeroizing::new((0..GROUPS * GROUP_DATA).map(symbol).collect())
}

/// The secret in checked symbols, the check characters left out.
fn bytes_of(symbols: &[u8]) -> Zeroizing<[u8; RECOVERY_BYTES]> {
    let mut code = Zeroizing::new([0; RECOVERY_BYTES]);
    let data = symbols.chunks_exact(GROUP_DATA + 1).flat_map(|group| &group[..GROUP_DATA]);
    for (at, symbol) in data.enumerate() {
        for i in (0..5).filter(|i| symbol >> (4 - i) & 1 == 1) {
            let place = 5 * at + i;
            code[place / 8] |= 0x80 >> (place % 8);
        }
    }
    code
}

fn symbol_of(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().position(|c| char::from(*c) == character).map(|at| at as u8)
}

/// The check symbol of a group: Horner's rule in GF(32), then the group's number. It catches every
/// single wrong character, every two exchanged within a group, and exchanged groups.
fn check(group: usize, data: &[u8]) -> u8 {
    data.iter().fold(0, |sum, symbol| double(sum ^ symbol)) ^ group as u8
}

/// Times x in GF(2)[x] / (x^5 + x^2 + 1).
fn double(symbol: u8) -> u8 {
    let shifted = symbol << 1;
    if shifted & 0x20 == 0 { shifted } else { shifted ^ 0x25 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SeededEntropy;

    #[test]
    fn codes_round_trip_however_they_are_typed() {
        for seed in 0..50 {
            let code = generate(&mut SeededEntropy::new(seed)).unwrap();
            let text = encode(&code);
            assert_eq!(text.len(), 8 * 5 + 7);
            assert_eq!(decode(&text).unwrap(), code);
            assert_eq!(decode(&text.to_lowercase().replace('-', " ")).unwrap(), code);
            assert_eq!(decode(&text.replace('0', "o").replace('1', "l").replace('-', "")).unwrap(), code);
            assert_eq!(decode(&format!(" {}\r\n", text.replace('1', "I"))).unwrap(), code);
        }
    }

    #[test]
    fn one_wrong_character_names_its_group() {
        let text = encode(&generate(&mut SeededEntropy::new(5)).unwrap());
        for (at, original) in text.char_indices().filter(|(_, c)| *c != '-') {
            for wrong in ALPHABET.iter().map(|c| char::from(*c)).filter(|c| *c != original) {
                let mut typed = text.to_string();
                typed.replace_range(at..=at, &wrong.to_string());
                let error = decode(&typed).unwrap_err();
                assert!(error.message().contains(&format!("group {} ", at / 6 + 1)), "{at} {error}");
            }
        }
    }

    #[test]
    fn exchanged_neighbours_and_groups_are_caught() {
        let text = encode(&generate(&mut SeededEntropy::new(6)).unwrap());
        for at in (0..text.len() - 1).filter(|at| at % 6 < 4) {
            let mut typed = text.as_bytes().to_vec();
            typed.swap(at, at + 1);
            let typed = String::from_utf8(typed).unwrap();
            assert_eq!(decode(&typed).is_ok(), typed == **text, "{at}");
        }
        let mut groups: Vec<&str> = text.split('-').collect();
        groups.swap(2, 5);
        assert!(decode(&groups.join("-")).unwrap_err().message().contains("group 3 "));
    }

    #[test]
    fn short_long_and_strange_codes_are_refused() {
        let text = encode(&generate(&mut SeededEntropy::new(7)).unwrap());
        for typed in ["", "U", "é", &text[..text.len() - 1], &text[..41], &format!("{}0", *text)] {
            assert_eq!(decode(typed).unwrap_err().kind(), Kind::WrongKey, "{typed}");
        }
    }
}
