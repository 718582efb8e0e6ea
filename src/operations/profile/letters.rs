//! The letters and digits of a value, in its column's character set. It promises that what is put back
//! has the same length in bytes, the same kinds of letters in the same places and the same case, and
//! that every byte that is no letter or digit stays.

use super::permutation::{Permuter, Symbol};

/// What the bytes of a column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// UTF-8.
    Utf8,
    /// Latin 1: one byte a letter, those with accents known.
    Latin1,
    /// One byte a letter; above 127 all count as letters.
    OneByte,
}

/// Character sets of one byte a letter whose first half is ASCII.
const ONE_BYTE: [&str; 22] = [
    "armscii8", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8", "geostd8",
    "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin2", "latin5", "latin7", "macce", "macroman",
    "tis620",
];

impl Alphabet {
    /// That of a character set; `None`: its bytes are not understood.
    pub fn of(character_set: &str) -> Option<Alphabet> {
        match character_set {
            "utf8" | "utf8mb3" | "utf8mb4" | "ascii" => Some(Alphabet::Utf8),
            "latin1" => Some(Alphabet::Latin1),
            other => ONE_BYTE.contains(&other).then_some(Alphabet::OneByte),
        }
    }
}

/// The kinds of letters that only become each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Digit,
    Plain,
    /// With accents, as in Latin 1.
    Accented,
    Cyrillic,
    /// Anything else: the 64 codes from this one on, which in UTF-8 differ in the last byte alone.
    Page(u32),
}

/// One character, or a byte that is none.
#[derive(Clone, Copy, Debug)]
struct Unit {
    code: u32,
    is_stray: bool,
    symbol: Option<(Class, Symbol, bool)>,
}

/// A value taken apart.
pub struct Letters {
    alphabet: Alphabet,
    units: Vec<Unit>,
}

impl Letters {
    /// Takes `value` apart.
    pub fn of(value: &[u8], alphabet: Alphabet) -> Letters {
        let mut units = Vec::with_capacity(value.len());
        match alphabet {
            Alphabet::Utf8 => {
                for chunk in value.utf8_chunks() {
                    units.extend(chunk.valid().chars().map(|c| Unit::of(u32::from(c), alphabet)));
                    let stray = |&byte: &u8| Unit { code: byte.into(), is_stray: true, symbol: None };
                    units.extend(chunk.invalid().iter().map(stray));
                }
            }
            _ => units.extend(value.iter().map(|&byte| Unit::of(byte.into(), alphabet))),
        }
        Letters { alphabet, units }
    }

    /// Characters.
    pub fn count(&self) -> usize {
        self.units.len()
    }

    /// Replaces the letters and digits that stand at the numbers `at`, as one value.
    pub fn permute(&mut self, permuter: &Permuter, at: &[usize]) {
        let symbol = |n: &usize| self.units.get(*n).and_then(|unit| unit.symbol).map(|(_, symbol, _)| symbol);
        let mut symbols: Vec<Symbol> = at.iter().filter_map(symbol).collect();
        permuter.permute(&mut symbols);
        let mut new = symbols.into_iter();
        for &number in at {
            let Some(unit) = self.units.get_mut(number) else { continue };
            if let Some((class, old, is_upper)) = unit.symbol {
                let symbol = new.next().unwrap_or(old);
                unit.code = code(class, symbol.value, is_upper);
                unit.symbol = Some((class, symbol, is_upper));
            }
        }
    }

    /// The numbers of digits.
    pub fn digits(&self) -> Vec<usize> {
        self.chosen(|unit| matches!(unit.symbol, Some((Class::Digit, ..))))
    }

    /// The numbers of letters that are no digits.
    pub fn letters(&self) -> Vec<usize> {
        self.chosen(|unit| unit.symbol.is_some_and(|(class, ..)| class != Class::Digit))
    }

    /// The numbers of both.
    pub fn all(&self) -> Vec<usize> {
        self.chosen(|unit| unit.symbol.is_some())
    }

    fn chosen(&self, is_meant: impl Fn(&Unit) -> bool) -> Vec<usize> {
        self.units.iter().enumerate().filter(|(_, unit)| is_meant(unit)).map(|(number, _)| number).collect()
    }

    /// The numbers of the words' letters and digits: what stands between characters for which
    /// `is_between` is true.
    pub fn words(&self, is_between: impl Fn(char) -> bool) -> Vec<Vec<usize>> {
        let mut words = vec![Vec::new()];
        for (number, unit) in self.units.iter().enumerate() {
            let is_end =
                unit.symbol.is_none() && !unit.is_stray && char::from_u32(unit.code).is_some_and(&is_between);
            match words.last_mut() {
                Some(word) if !is_end => word.push(number),
                _ => words.push(Vec::new()),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// Whether the character stands at one of the numbers `at`.
    pub fn has(&self, character: char, at: &[usize]) -> bool {
        let is_it =
            |n: &usize| self.units.get(*n).is_some_and(|u| !u.is_stray && u.code == u32::from(character));
        at.iter().any(is_it)
    }

    /// The bytes of all characters, with `ending` behind those whose numbers are in `ends`.
    pub fn bytes(&self, ends: &[usize], ending: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.units.len() + ends.len() * ending.len());
        for (number, unit) in self.units.iter().enumerate() {
            match (self.alphabet, char::from_u32(unit.code)) {
                (Alphabet::Utf8, Some(c)) if !unit.is_stray => {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => out.push(unit.code as u8),
            }
            if ends.contains(&number) {
                out.extend_from_slice(ending);
            }
        }
        out
    }
}

impl Unit {
    fn of(code: u32, alphabet: Alphabet) -> Unit {
        let is_other = |code| char::from_u32(code).is_some_and(char::is_alphanumeric);
        let symbol =
            |class, value, radix, is_upper| Some((class, Symbol { value: value as u16, radix }, is_upper));
        let symbol = match (code, alphabet) {
            (0x30..=0x39, _) => symbol(Class::Digit, code - 0x30, 10, false),
            (0x61..=0x7a, _) => symbol(Class::Plain, code - 0x61, 26, false),
            (0x41..=0x5a, _) => symbol(Class::Plain, code - 0x41, 26, true),
            (0..0x80, _) => None,
            (_, Alphabet::OneByte) => symbol(Class::Page(code & !63), code & 63, 64, false),
            (0xe0..=0xf6, _) => symbol(Class::Accented, code - 0xe0, 30, false),
            (0xf8..=0xfe, _) => symbol(Class::Accented, code - 0xe1, 30, false),
            (0xc0..=0xd6, _) => symbol(Class::Accented, code - 0xc0, 30, true),
            (0xd8..=0xde, _) => symbol(Class::Accented, code - 0xc1, 30, true),
            (0x430..=0x44f, Alphabet::Utf8) => symbol(Class::Cyrillic, code - 0x430, 32, false),
            (0x410..=0x42f, Alphabet::Utf8) => symbol(Class::Cyrillic, code - 0x410, 32, true),
            (0x100.., Alphabet::Utf8) if is_other(code) => {
                symbol(Class::Page(code & !63), code & 63, 64, false)
            }
            _ => None,
        };
        Unit { code, is_stray: false, symbol }
    }
}

/// The code of a letter.
fn code(class: Class, value: u16, is_upper: bool) -> u32 {
    let value = u32::from(value);
    let (lower, distance) = match class {
        Class::Digit => (0x30 + value, 0),
        Class::Plain => (0x61 + value, 0x20),
        Class::Accented if value > 22 => (0xe1 + value, 0x20),
        Class::Accented => (0xe0 + value, 0x20),
        Class::Cyrillic => (0x430 + value, 0x20),
        Class::Page(first) => (first + value, 0),
    };
    if is_upper { lower - distance } else { lower }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_a_place_of_its_own() {
        for alphabet in [Alphabet::Utf8, Alphabet::Latin1, Alphabet::OneByte] {
            let last = if alphabet == Alphabet::Utf8 { 0x2ffff } else { 0xff };
            for at in (0..=last).filter(|&c| alphabet != Alphabet::Utf8 || char::from_u32(c).is_some()) {
                if let Some((class, symbol, is_upper)) = Unit::of(at, alphabet).symbol {
                    assert!(symbol.value < symbol.radix);
                    assert_eq!(code(class, symbol.value, is_upper), at);
                }
            }
        }
    }

    #[test]
    fn what_is_put_together_again_is_the_same() {
        for bytes in ["Jos\u{e9} \u{410}\u{44f} \u{4e2d}\u{6587} #1".as_bytes(), b"a\xff\xc3(\xe2\x82b", b""]
        {
            for alphabet in [Alphabet::Utf8, Alphabet::Latin1, Alphabet::OneByte] {
                assert_eq!(Letters::of(bytes, alphabet).bytes(&[], b""), bytes);
            }
        }
    }

    #[test]
    fn kinds_of_letters_and_lengths_stay() {
        let old = "Jos\u{e9} \u{c9} \u{410}\u{44f} \u{4e2d}\u{6587} \u{3b1} #1".as_bytes();
        let mut letters = Letters::of(old, Alphabet::Utf8);
        letters.permute(&Permuter::new(&[1; 32], "d"), &letters.all());
        let new = letters.bytes(&[], b"");
        let text = std::str::from_utf8(&new).expect("UTF-8");
        assert!(new.len() == old.len() && new != old && text.contains(" #"), "{text}");
        assert!(text.starts_with(|c: char| c.is_ascii_uppercase()), "{text}");
    }

    #[test]
    fn words_stand_between_what_separates_them() {
        let letters = Letters::of(b"  O'Neil, Ann-B ", Alphabet::Utf8);
        let words = letters.words(|c| c != '\'');
        assert_eq!(words, [vec![2, 3, 4, 5, 6, 7], vec![10, 11, 12], vec![14]]);
    }
}
