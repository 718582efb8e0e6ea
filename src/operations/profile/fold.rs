//! What letters become which others, so that what a collation holds equal stays equal and what it holds
//! different stays different. It promises that the letters of one alphabet have as many classes as the
//! collation tells apart, that each class is written as one of its own letters, and that no letter
//! becomes longer in UTF-8.
//!
//! Letters of one weight are one class. A class with a plain letter belongs to the plain alphabet, those of
//! digits to the digits; all others to the alphabet of their block, length and case. A character that
//! weighs as much as several plain ones (the sharp s, ligatures) is spelled out as these. What weighs
//! nothing stays and separates nothing.

use crate::mysql::load::{Collation, Weighed};
use std::collections::{BTreeMap, HashMap};

/// The alphabet of digits.
pub const DIGITS: u32 = 0;
/// The alphabet of plain letters.
const PLAIN: u32 = 1;

/// A letter: its alphabet, its place in that, and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Number of the alphabet.
    pub alphabet: u32,
    /// Place, below the alphabet's radix.
    pub value: u16,
    /// Whether it is a capital.
    pub is_upper: bool,
}

/// What a character is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// None of a word: it stays; with the character that stands for all that are equal to it.
    Other(u32),
    /// It makes no difference, and stays.
    Weightless,
    /// A letter or digit; with what stands for all that are equal to it.
    Letter(Letter, u32),
    /// Several.
    Spelled(Vec<Letter>),
}

/// The alphabets of one collation.
pub struct Fold {
    roles: Vec<Role>,
    alphabets: Vec<Vec<Written>>,
    /// Whether spaces at the end make no difference.
    pub is_padded: bool,
}

/// How the members of a class are written.
#[derive(Clone, Copy, Debug)]
struct Written {
    lower: u32,
    upper: u32,
}

/// Block, length in bytes and case of an alphabet's letters.
type Home = (u32, usize, u8);

/// The characters of one weight.
struct Class<'c> {
    members: Vec<&'c Weighed>,
}

impl Fold {
    /// No alphabets: for what is no text.
    pub fn none() -> Fold {
        Fold { roles: Vec::new(), alphabets: Vec::new(), is_padded: false }
    }

    /// The alphabets of `collation`; `is_unicode`: its characters' codes are code points.
    pub fn of(collation: &Collation, is_unicode: bool) -> Fold {
        let classes = classes(collation);
        let mut fold = Fold {
            roles: vec![
                Role::Weightless;
                collation.characters.iter().map(|c| c.code as usize + 1).max().unwrap_or(0)
            ],
            alphabets: vec![Vec::new(), Vec::new()],
            is_padded: collation.is_padded,
        };
        let mut homes: HashMap<&[u8], (u32, u16)> = HashMap::new();
        fold.plain(&classes, &mut homes);
        let spelled = spelled(collation, &classes, &homes);
        let mut by_block: BTreeMap<Home, Vec<(&[u8], &Class)>> = BTreeMap::new();
        for (weight, class) in &classes {
            if !homes.contains_key(weight) && !spelled.contains_key(weight) && class.is_letter(is_unicode) {
                by_block.entry(class.home(is_unicode)).or_default().push((weight, class));
            }
        }
        for home in by_block.into_values() {
            let number = fold.alphabets.len() as u32;
            let mut home: Vec<_> = home.into_iter().take(usize::from(u16::MAX)).collect();
            home.sort_by_cached_key(|(_, class)| class.first());
            homes.extend(home.iter().zip(0..).map(|((weight, _), value)| (*weight, (number, value))));
            fold.alphabets.push(home.iter().map(|(_, class)| class.written(is_unicode)).collect());
        }
        fold.assign(&classes, &homes, &spelled);
        fold
    }

    /// Digits and plain letters, in their order.
    fn plain<'c>(
        &mut self,
        classes: &BTreeMap<&'c [u8], Class<'c>>,
        homes: &mut HashMap<&'c [u8], (u32, u16)>,
    ) {
        let by_code: HashMap<u32, &'c [u8]> = classes
            .iter()
            .flat_map(|(weight, class)| class.members.iter().map(|m| (m.code, *weight)))
            .filter(|(code, _)| *code < 0x80)
            .collect();
        let weight = |code: u8| by_code.get(&u32::from(code)).copied();
        let tells_case = (b'a'..=b'z').all(|c| weight(c) != weight(c.to_ascii_uppercase()));
        for (alphabet, codes) in [(DIGITS, b'0'..=b'9'), (PLAIN, b'a'..=b'z')] {
            for code in codes {
                let Some(written) = self.alphabets.get_mut(alphabet as usize) else { continue };
                let both = Written { lower: code.into(), upper: code.to_ascii_uppercase().into() };
                let forms: &[u8] = &[code, code.to_ascii_uppercase()];
                let is_one = tells_case || weight(code) == weight(code.to_ascii_uppercase());
                let mut pushed = None;
                for form in forms {
                    let Some(weight) = weight(*form).filter(|w| !homes.contains_key(w)) else { continue };
                    let value = match (pushed, is_one) {
                        (Some(value), true) => value,
                        _ => {
                            let own = Written { lower: (*form).into(), upper: (*form).into() };
                            written.push(if is_one { both } else { own });
                            (written.len() - 1) as u16
                        }
                    };
                    pushed = Some(value);
                    homes.insert(weight, (alphabet, value));
                }
            }
        }
    }

    fn assign(
        &mut self,
        classes: &BTreeMap<&[u8], Class>,
        homes: &HashMap<&[u8], (u32, u16)>,
        spelled: &HashMap<&[u8], Vec<(u32, u16)>>,
    ) {
        for (weight, class) in classes {
            // Where case makes a difference, a class has one: that of its plain letter.
            let own = |c: char| class.members.iter().any(|m| m.code == u32::from(c));
            let plain_case = match (('a'..='z').any(own), ('A'..='Z').any(own)) {
                (true, false) => Some(false),
                (false, true) => Some(true),
                _ => None,
            };
            let (first, is_pair) = (class.first(), own_pair(class));
            for member in &class.members {
                let is_upper = plain_case.unwrap_or_else(|| {
                    member.character.is_some_and(|c| !c.is_lowercase() && c.is_uppercase())
                });
                let letter = |(alphabet, value): (u32, u16)| Letter { alphabet, value, is_upper };
                let role = match (homes.get(weight), spelled.get(weight)) {
                    _ if weight.is_empty() => Role::Weightless,
                    (_, Some(parts)) => Role::Spelled(parts.iter().copied().map(letter).collect()),
                    (Some(home), None) => {
                        let written = self.written(letter(*home), false);
                        Role::Letter(letter(*home), if is_pair { written } else { first })
                    }
                    (None, None) => Role::Other(first),
                };
                if let Some(place) = self.roles.get_mut(member.code as usize) {
                    *place = role;
                }
            }
        }
    }

    /// What the character of that code is.
    pub fn role(&self, code: u32) -> Option<&Role> {
        self.roles.get(code as usize)
    }

    /// How many letters the alphabet has.
    pub fn radix(&self, alphabet: u32) -> u16 {
        self.alphabets
            .get(alphabet as usize)
            .map_or(1, |all| all.len().clamp(1, usize::from(u16::MAX)) as u16)
    }

    /// The code of a letter, as a capital if `keeps_case` and it is one.
    pub fn written(&self, letter: Letter, keeps_case: bool) -> u32 {
        let written =
            self.alphabets.get(letter.alphabet as usize).and_then(|all| all.get(usize::from(letter.value)));
        written.map_or(0xfffd, |w| if letter.is_upper && keeps_case { w.upper } else { w.lower })
    }
}

/// Whether a class has a plain letter in both cases: its small one stands for it everywhere.
fn own_pair(class: &Class) -> bool {
    let has = |code: u8| class.members.iter().any(|m| m.code == u32::from(code));
    (b'a'..=b'z').any(|c| has(c) && has(c.to_ascii_uppercase()))
}

fn classes(collation: &Collation) -> BTreeMap<&[u8], Class<'_>> {
    let mut classes: BTreeMap<&[u8], Class> = BTreeMap::new();
    for character in &collation.characters {
        let class = classes.entry(&character.weight).or_insert_with(|| Class { members: Vec::new() });
        class.members.push(character);
    }
    classes
}

/// The weights that are those of two or more plain letters or digits, with these.
fn spelled<'c>(
    collation: &'c Collation,
    classes: &BTreeMap<&'c [u8], Class<'c>>,
    homes: &HashMap<&'c [u8], (u32, u16)>,
) -> HashMap<&'c [u8], Vec<(u32, u16)>> {
    let single: HashMap<u8, &[u8]> = collation
        .characters
        .iter()
        .filter_map(|c| Some((u8::try_from(c.code).ok().filter(u8::is_ascii_alphanumeric)?, &c.weight[..])))
        .collect();
    let home = |code: u8| single.get(&code).and_then(|weight| homes.get(weight)).copied();
    let mut found = HashMap::new();
    let length = single.get(&b'a').map_or(1, |weight| weight.len().max(1));
    for (weight, _) in classes.iter().filter(|(w, _)| w.len() > length && w.len().is_multiple_of(length)) {
        let parts: Option<Vec<_>> = weight.chunks(length).map(|part| homes.get(part).copied()).collect();
        found.extend(parts.map(|parts| (*weight, parts)));
    }
    for ([first, second], weight) in &collation.pairs {
        let known =
            classes.get_key_value(&weight[..]).filter(|(w, _)| !w.is_empty() && !homes.contains_key(*w));
        if let (Some((weight, _)), Some(first), Some(second)) = (known, home(*first), home(*second)) {
            found.insert(*weight, vec![first, second]);
        }
    }
    found
}

impl Class<'_> {
    /// The first code: that of the fewest bytes.
    fn first(&self) -> u32 {
        self.members.iter().map(|m| m.code).min().unwrap_or(0)
    }

    fn is_letter(&self, is_unicode: bool) -> bool {
        let is_one = |m: &&Weighed| match is_unicode {
            true => m.character.is_some_and(char::is_alphanumeric),
            // Bytes of another character set than the column's often stand in such columns.
            false => m.code >= 0x80,
        };
        self.members.iter().any(is_one) && self.members.iter().any(|m| !m.weight.is_empty())
    }

    /// Block, length and case.
    fn home(&self, is_unicode: bool) -> Home {
        let first = self.first();
        let is = |test: fn(char) -> bool| self.members.iter().any(|m| m.character.is_some_and(test));
        let case = match (is(char::is_lowercase), is(char::is_uppercase)) {
            (true, true) => 2,
            (false, true) => 1,
            _ => 0,
        };
        match is_unicode {
            true => (block(first), length(first), case),
            false => (first & !63, 1, case),
        }
    }

    fn written(&self, is_unicode: bool) -> Written {
        let first = self.first();
        let fits = |m: &&&Weighed| !is_unicode || length(m.code) == length(first);
        let of = |test: fn(char) -> bool| {
            self.members.iter().filter(fits).filter(|m| m.character.is_some_and(test)).map(|m| m.code).min()
        };
        Written {
            lower: of(char::is_lowercase).unwrap_or(first),
            upper: of(char::is_uppercase).unwrap_or(first),
        }
    }
}

/// Bytes of a code point in UTF-8.
fn length(code: u32) -> usize {
    char::from_u32(code).map_or(1, char::len_utf8)
}

/// The first code of a code's block: letters become letters of their block.
fn block(code: u32) -> u32 {
    const LARGE: [(u32, u32); 11] = [
        (0x80, 0x100),
        (0x100, 0x250),
        (0x370, 0x400),
        (0x400, 0x530),
        (0x600, 0x780),
        (0x3040, 0x3100),
        (0x3400, 0xa000),
        (0xac00, 0xd7b0),
        (0xf900, 0xfb00),
        (0x20000, 0x2a700),
        (0x2a700, 0x34000),
    ];
    let large = LARGE.iter().find(|(from, to)| (*from..*to).contains(&code));
    large.map_or(code & !127, |(from, _)| *from)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::mysql::load::exact as exact_collation;
    use std::sync::OnceLock;

    /// That of a collation that holds nothing equal.
    pub fn exact() -> &'static Fold {
        static EXACT: OnceLock<Fold> = OnceLock::new();
        EXACT.get_or_init(|| Fold::of(&exact_collation(), true))
    }

    /// That of a collation that holds neither accents nor case for different.
    pub fn blind_fold() -> &'static Fold {
        static BLIND: OnceLock<Fold> = OnceLock::new();
        BLIND.get_or_init(|| Fold::of(&collation(blind), true))
    }

    /// That of bytes.
    pub fn one_byte() -> Fold {
        let weighed = |code: u32| Weighed { code, character: char::from_u32(code), weight: vec![code as u8] };
        Fold::of(&Collation { characters: (0..256).map(weighed).collect(), ..Collation::default() }, false)
    }

    /// A collation by a weight for each character.
    pub fn collation(weight: impl Fn(char) -> Vec<u8>) -> Collation {
        let mut all = exact_collation();
        for one in &mut all.characters {
            one.weight = one.character.map_or(Vec::new(), &weight);
        }
        all
    }

    /// Accents and case make no difference, the sharp s is two, a combining accent is nothing.
    pub fn blind(c: char) -> Vec<u8> {
        let plain = match c {
            '\u{300}'..='\u{36f}' => return Vec::new(),
            'ß' => return [two('s'), two('s')].concat(),
            'à'..='å' | 'À'..='Å' => 'a',
            'è'..='ë' | 'È'..='Ë' => 'e',
            'w' | 'W' => 'v',
            c => c.to_lowercase().next().unwrap_or(c),
        };
        two(plain)
    }

    fn two(c: char) -> Vec<u8> {
        u32::from(c).to_be_bytes()[1..].to_vec()
    }

    #[test]
    fn every_letter_is_written_as_one_of_its_class() {
        for collation in [exact_collation(), collation(blind)] {
            let fold = Fold::of(&collation, true);
            let weights: HashMap<u32, &[u8]> =
                collation.characters.iter().map(|c| (c.code, &c.weight[..])).collect();
            for one in &collation.characters {
                let is_word = one.character.is_some_and(char::is_alphanumeric);
                match fold.role(one.code) {
                    Some(Role::Letter(letter, _)) => {
                        assert!(letter.value < fold.radix(letter.alphabet));
                        let new = fold.written(*letter, true);
                        assert_eq!(weights[&new], &one.weight[..], "{:x} {new:x}", one.code);
                        assert!(length(new) <= length(one.code));
                    }
                    Some(Role::Spelled(_)) => assert_eq!(one.character, Some('ß')),
                    other => assert!(!is_word || one.weight.is_empty(), "{:x}: {other:?}", one.code),
                }
            }
        }
    }

    #[test]
    fn plain_letters_have_their_places_under_every_collation() {
        let place = |fold: &Fold, c: char| match fold.role(c.into()) {
            Some(Role::Letter(letter, _)) => (letter.alphabet, letter.value, letter.is_upper),
            other => panic!("{c}: {other:?}"),
        };
        let (exact, blind) = (exact(), blind_fold());
        assert_eq!((exact.radix(PLAIN), exact.radix(DIGITS)), (26, 10));
        assert_eq!((blind.radix(PLAIN), blind.radix(DIGITS)), (25, 10));
        assert_eq!((place(exact, 'z'), place(exact, 'Z')), ((1, 25, false), (1, 25, true)));
        assert_eq!((place(blind, 'É'), place(blind, 'e')), ((1, 4, true), (1, 4, false)));
        assert_eq!(place(blind, 'w'), place(blind, 'v'));
        assert_ne!(place(exact, 'é').0, 1);
        assert!(matches!(blind.role(0xdf), Some(Role::Spelled(parts)) if parts.len() == 2));
        assert!(exact.radix(place(exact, '\u{738b}').0) > 20_000, "a whole script, not a page");
    }
}
