//! The letters and digits of a value, in its column's character set and collation. It promises that what is
//! put back has as many characters (but for those that are spelled out as several), the same kinds of
//! letters in the same places and the same case, and that every byte that is no letter or digit stays.

use super::fold::{DIGITS, Fold, Letter, Role};
use super::permutation::{Permuter, Symbol};

/// What the bytes of a column mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// UTF-8.
    Utf8,
    /// One byte a letter; above 127 all count as letters.
    OneByte,
}

/// Character sets of one byte a letter whose first half is ASCII.
const ONE_BYTE: [&str; 23] = [
    "armscii8", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "dec8", "geostd8",
    "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce",
    "macroman", "tis620",
];

impl Alphabet {
    /// That of a character set; `None`: its bytes are not understood.
    pub fn of(character_set: &str) -> Option<Alphabet> {
        match character_set {
            "utf8" | "utf8mb3" | "utf8mb4" | "ascii" => Some(Alphabet::Utf8),
            other => ONE_BYTE.contains(&other).then_some(Alphabet::OneByte),
        }
    }
}

/// One character, or a byte that is none.
#[derive(Clone, Copy, Debug)]
struct Unit {
    code: u32,
    /// What stands for all characters that are equal to it.
    stands: u32,
    /// Its character's number in the old value.
    at: usize,
    is_stray: bool,
    is_weightless: bool,
    letter: Option<Letter>,
}

/// A value taken apart.
pub struct Letters<'f> {
    alphabet: Alphabet,
    fold: &'f Fold,
    units: Vec<Unit>,
    characters: usize,
}

impl<'f> Letters<'f> {
    /// Takes `value` apart.
    pub fn of(value: &[u8], alphabet: Alphabet, fold: &'f Fold) -> Letters<'f> {
        let mut letters = Letters { alphabet, fold, units: Vec::with_capacity(value.len()), characters: 0 };
        match alphabet {
            Alphabet::Utf8 => {
                for chunk in value.utf8_chunks() {
                    chunk.valid().chars().for_each(|c| letters.push(u32::from(c), false));
                    chunk.invalid().iter().for_each(|&byte| letters.push(byte.into(), true));
                }
            }
            Alphabet::OneByte => value.iter().for_each(|&byte| letters.push(byte.into(), false)),
        }
        letters
    }

    fn push(&mut self, code: u32, is_stray: bool) {
        let at = self.characters;
        self.characters += 1;
        let unit = Unit { code, stands: code, at, is_stray, is_weightless: false, letter: None };
        match self.fold.role(code).filter(|_| !is_stray) {
            Some(Role::Letter(letter, stands)) => {
                self.units.push(Unit { stands: *stands, letter: Some(*letter), ..unit });
            }
            Some(Role::Spelled(parts)) => self.units.extend(parts.iter().map(|letter| {
                let stands = self.fold.written(*letter, false);
                Unit { code: self.fold.written(*letter, true), stands, letter: Some(*letter), ..unit }
            })),
            Some(Role::Other(stands)) => self.units.push(Unit { stands: *stands, ..unit }),
            Some(Role::Weightless) => self.units.push(Unit { is_weightless: true, ..unit }),
            None => self.units.push(unit),
        }
    }

    /// Characters of the old value, and of the new.
    pub fn counts(&self) -> (usize, usize) {
        (self.characters, self.units.len())
    }

    /// Replaces the letters and digits that stand at the numbers `at`, as one value.
    pub fn permute(&mut self, permuter: &Permuter, at: &[usize]) {
        let fold = self.fold;
        let symbol = |letter: Letter| Symbol { value: letter.value, radix: fold.radix(letter.alphabet) };
        let of = |n: &usize| self.units.get(*n).and_then(|unit| unit.letter);
        let mut symbols: Vec<Symbol> = at.iter().filter_map(of).map(symbol).collect();
        permuter.permute(&mut symbols);
        let mut new = symbols.into_iter();
        for &number in at {
            let Some(unit) = self.units.get_mut(number) else { continue };
            if let Some(old) = unit.letter {
                let letter = Letter { value: new.next().map_or(old.value, |s| s.value), ..old };
                unit.code = fold.written(letter, true);
                unit.stands = fold.written(letter, false);
                unit.letter = Some(letter);
            }
        }
    }

    /// The numbers of digits.
    pub fn digits(&self) -> Vec<usize> {
        self.chosen(|letter| letter.alphabet == DIGITS)
    }

    /// The numbers of letters that are no digits.
    pub fn letters(&self) -> Vec<usize> {
        self.chosen(|letter| letter.alphabet != DIGITS)
    }

    /// The numbers of both.
    pub fn all(&self) -> Vec<usize> {
        self.chosen(|_| true)
    }

    fn chosen(&self, is_meant: impl Fn(Letter) -> bool) -> Vec<usize> {
        let numbered = self.units.iter().enumerate();
        numbered.filter(|(_, unit)| unit.letter.is_some_and(&is_meant)).map(|(number, _)| number).collect()
    }

    /// The numbers of the words' letters and digits: what stands between characters for which
    /// `is_between` is true.
    pub fn words(&self, is_between: impl Fn(char) -> bool) -> Vec<Vec<usize>> {
        let mut words = vec![Vec::new()];
        for (number, unit) in self.units.iter().enumerate().filter(|(_, unit)| !unit.is_weightless) {
            let is_end = unit.letter.is_none()
                && !unit.is_stray
                && char::from_u32(unit.stands).is_some_and(&is_between);
            match words.last_mut() {
                Some(word) if !is_end => word.push(number),
                _ => words.push(Vec::new()),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    /// `at` in pieces: those below each of `cuts` (ascending, in characters of the old value) apart from
    /// those that follow.
    pub fn cut(&self, at: &[usize], cuts: &[usize]) -> Vec<Vec<usize>> {
        let piece =
            |n: &usize| self.units.get(*n).map(|unit| cuts.iter().filter(|cut| **cut <= unit.at).count());
        at.chunk_by(|a, b| piece(a) == piece(b)).map(<[usize]>::to_vec).collect()
    }

    /// Whether the character stands at one of the numbers `at`.
    pub fn has(&self, character: char, at: &[usize]) -> bool {
        let is_it =
            |n: &usize| self.units.get(*n).is_some_and(|u| !u.is_stray && u.stands == u32::from(character));
        at.iter().any(is_it)
    }

    /// What is the same for all values that are equal, and for no others.
    pub fn standing(&self) -> Vec<u8> {
        let counted = |unit: &&Unit| !unit.is_weightless;
        let is_pad = |unit: &Unit| unit.stands == u32::from(' ') && !unit.is_stray && self.fold.is_padded;
        let mut units: Vec<&Unit> = self.units.iter().filter(counted).collect();
        while units.last().is_some_and(|unit| is_pad(unit)) {
            units.pop();
        }
        units.iter().flat_map(|u| (u.stands << 1 | u32::from(u.is_stray)).to_le_bytes()).collect()
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

#[cfg(test)]
mod tests {
    use super::super::fold::tests::{exact, one_byte};
    use super::*;

    #[test]
    fn what_is_put_together_again_is_the_same() {
        let one_byte = one_byte();
        for bytes in ["Jos\u{e9} \u{410}\u{44f} \u{4e2d}\u{6587} #1".as_bytes(), b"a\xff\xc3(\xe2\x82b", b""]
        {
            assert_eq!(Letters::of(bytes, Alphabet::Utf8, exact()).bytes(&[], b""), bytes);
            assert_eq!(Letters::of(bytes, Alphabet::OneByte, &one_byte).bytes(&[], b""), bytes);
        }
    }

    #[test]
    fn kinds_of_letters_and_lengths_stay() {
        let old = "Jos\u{e9} \u{c9} \u{410}\u{44f} \u{4e2d}\u{6587} \u{3b1} #1".as_bytes();
        let mut letters = Letters::of(old, Alphabet::Utf8, exact());
        letters.permute(&Permuter::new(&[1; 32], "d"), &letters.all());
        let new = letters.bytes(&[], b"");
        let text = std::str::from_utf8(&new).expect("UTF-8");
        assert!(new.len() == old.len() && new != old && text.contains(" #"), "{text}");
        assert!(text.starts_with(|c: char| c.is_ascii_uppercase()), "{text}");
    }

    #[test]
    fn utf8_in_a_column_of_one_byte_a_letter_does_not_show_through() {
        let fold = one_byte();
        let old = "\u{418}\u{432}\u{430}\u{43d}".as_bytes();
        let mut letters = Letters::of(old, Alphabet::OneByte, &fold);
        letters.permute(&Permuter::new(&[1; 32], "d"), &letters.all());
        let new = letters.bytes(&[], b"");
        let kept = old.iter().zip(&new).skip(1).step_by(2).filter(|(a, b)| a == b).count();
        assert!(kept <= 1 && new.len() == old.len(), "{new:x?}");
    }

    #[test]
    fn words_stand_between_what_separates_them() {
        let letters = Letters::of(b"  O'Neil, Ann-B ", Alphabet::Utf8, exact());
        let words = letters.words(|c| c != '\'');
        assert_eq!(words, [vec![2, 3, 4, 5, 6, 7], vec![10, 11, 12], vec![14]]);
        assert_eq!(letters.cut(&words[0], &[3, 5]), [vec![2], vec![3, 4], vec![5, 6, 7]]);
    }
}
