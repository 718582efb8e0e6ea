//! One value of a test copy: from the old to the new. It promises that NULL and what is empty stay,
//! that a new value is one that the column can hold and the server gives back byte for byte, that values
//! which the column's collation holds different stay different and those that it holds equal stay equal.
//! Only where a value has no room (long addresses, ligatures spelled out in a full column) a digest of
//! as many letters as fit takes its place.

use super::days::{day_of_year, month_and_day};
use super::fit::Room;
use super::fold::Fold;
use super::letters::{Alphabet, Letters};
use super::numbers::number;
use super::permutation::Permuter;
use super::rule::With;
use std::collections::HashMap;
use std::sync::Arc;

/// What stands behind every address: a domain that never exists (RFC 2606).
const NOWHERE: &[u8] = b".invalid";
/// The domain of addresses that have no room for that.
const SHORT_NOWHERE: &[u8] = b"@x.invalid";
/// The least room that a column of addresses must have, in characters.
pub const LEAST_ADDRESS: u64 = 18;
/// The least room where addresses must stay different: no two of twelve letters and digits will meet.
pub const LEAST_OWN_ADDRESS: u64 = 22;
/// What digests are written with.
const DIGEST: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Characters that stand between addresses.
const BETWEEN_ADDRESSES: [char; 9] = [' ', ',', ';', '<', '>', '"', '\t', '\r', '\n'];

/// How the values of one column are replaced.
pub enum Treatment {
    /// Text.
    Text(Texts),
    /// A number, and the greatest that is possible above and below zero.
    Number(u128, u128),
    /// A date with or without a time; whether it ends where TIMESTAMP does.
    Date(bool),
    /// Always this.
    Set(Option<Vec<u8>>),
}

/// How a column's text is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// What it is.
    pub with: With,
    /// What its bytes mean.
    pub alphabet: Alphabet,
    /// How much the column holds.
    pub room: Room,
    /// How much every address column of its domain holds.
    pub shared: Room,
    /// Lengths whose beginnings stay different, in characters, ascending: those of the domain's keys.
    pub cuts: Vec<usize>,
}

/// Replaces the values of one column.
pub struct Replacer<'a> {
    treatment: &'a Treatment,
    permuter: &'a Permuter,
    /// What the column's collation holds equal.
    fold: Arc<Fold>,
    /// The order of the days of years that came up.
    years: HashMap<(u16, u16, u16), Vec<u16>>,
}

impl<'a> Replacer<'a> {
    /// Replaces by `treatment`, in the domain of `permuter`, text by `fold`.
    pub fn new(treatment: &'a Treatment, permuter: &'a Permuter, fold: Arc<Fold>) -> Replacer<'a> {
        Replacer { treatment, permuter, fold, years: HashMap::new() }
    }

    /// Replaces a cell; whether it changed.
    pub fn replace(&mut self, cell: &mut Option<Vec<u8>>) -> bool {
        let Some(old) = cell.as_deref().filter(|old| !old.is_empty()) else { return false };
        let new = match self.treatment {
            Treatment::Text(texts) if texts.with == With::Email => {
                Some(addresses(self.permuter, &self.fold, old, texts))
            }
            Treatment::Text(texts) => Some(text(self.permuter, &self.fold, old, texts)),
            Treatment::Number(above, below) => number(self.permuter, old, *above, *below),
            Treatment::Date(is_timestamp) => self.date(old, *is_timestamp),
            Treatment::Set(None) => {
                *cell = None;
                return true;
            }
            Treatment::Set(Some(value)) => Some(value.clone()),
        };
        match new {
            Some(new) if new != old => {
                *cell = Some(new);
                true
            }
            _ => false,
        }
    }

    /// Another day of the same year; `None`: no day of the calendar (zero and partial dates, and the
    /// years that stand for "none": those before 2 and 9999), or a date that ends its column's range.
    fn date(&mut self, old: &[u8], is_timestamp: bool) -> Option<Vec<u8>> {
        let field = |from: usize, to: usize| -> Option<u16> {
            let digits = old.get(from..to).filter(|d| d.iter().all(u8::is_ascii_digit))?;
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
        let number = day_of_year(year, month, day).filter(|_| (2..9999).contains(&year))?;
        let days = day_of_year(year, 12, 31)?;
        let (first, end) = match (is_timestamp, year) {
            (true, 1970) if number == 0 => return None,
            (true, 1970) => (1, days + 1),
            (true, 2038) if number < 18 => (0, 18),
            (true, 2038) if number == 18 => return None,
            (true, 2038) => (19, days + 1),
            _ => (0, days + 1),
        };
        let permuter = self.permuter;
        let order = self.years.entry((year, first, end)).or_insert_with(|| {
            permuter.shuffled(&[0; 32], u64::from(year) << 16 | u64::from(first), end - first)
        });
        let moved = order.get(usize::from(number - first)).copied()? + first;
        let (month, day) = month_and_day(year, moved);
        let mut new = format!("{year:04}-{month:02}-{day:02}").into_bytes();
        new.extend_from_slice(old.get(10..).unwrap_or_default());
        Some(new)
    }
}

fn text(permuter: &Permuter, fold: &Fold, old: &[u8], texts: &Texts) -> Vec<u8> {
    let mut letters = Letters::of(old, texts.alphabet, fold);
    let groups = match texts.with {
        With::Phone => vec![letters.digits(), letters.letters()],
        With::Digits => vec![letters.digits()],
        With::Name => letters.words(|character| character != '\''),
        _ => vec![letters.all()],
    };
    permute(&mut letters, permuter, &groups, texts);
    let (before, after) = letters.counts();
    let new = letters.bytes(&[], b"");
    match after <= before || texts.room.holds(after, new.len()) {
        true => new,
        false => digest(permuter, fold, old, texts.alphabet, texts.room.least()),
    }
}

fn permute(letters: &mut Letters, permuter: &Permuter, groups: &[Vec<usize>], texts: &Texts) {
    for group in groups {
        letters.cut(group, &texts.cuts).iter().for_each(|piece| letters.permute(permuter, piece));
    }
}

/// Every address in the text leads nowhere; what is none is replaced as text.
fn addresses(permuter: &Permuter, fold: &Fold, old: &[u8], texts: &Texts) -> Vec<u8> {
    let mut letters = Letters::of(old, texts.alphabet, fold);
    let words = letters.words(|character| BETWEEN_ADDRESSES.contains(&character));
    let is_address: Vec<bool> = words.iter().map(|word| letters.has('@', word)).collect();
    permute(&mut letters, permuter, &words, texts);
    let ends = words.iter().zip(is_address).filter(|(_, is_address)| *is_address);
    let ends: Vec<usize> = ends.filter_map(|(word, _)| word.last().copied()).collect();
    let (before, after) = letters.counts();
    let new = letters.bytes(&ends, NOWHERE);
    // What can stand in the shortest column of the domain becomes the same in all of them.
    let room = if texts.shared.holds(before, old.len()) { texts.shared } else { texts.room };
    match (ends.is_empty(), room.holds(after + ends.len() * NOWHERE.len(), new.len())) {
        (_, true) => new,
        (true, false) if after <= before => new,
        (true, false) => digest(permuter, fold, old, texts.alphabet, room.least()),
        (false, false) => {
            let most = room.least().saturating_sub(SHORT_NOWHERE.len() as u64);
            [digest(permuter, fold, old, texts.alphabet, most), SHORT_NOWHERE.to_vec()].concat()
        }
    }
}

/// As many letters and digits as fit, at most 32, that depend on what the collation takes the value for.
fn digest(permuter: &Permuter, fold: &Fold, old: &[u8], alphabet: Alphabet, most: u64) -> Vec<u8> {
    let digest = permuter.digest(&Letters::of(old, alphabet, fold).standing());
    let letter = |byte: u8| DIGEST.get(usize::from(byte) % DIGEST.len()).copied().unwrap_or(b'x');
    digest.into_iter().map(letter).take(usize::try_from(most).unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fold::tests::{blind, blind_fold};
    use super::*;
    use proptest::prelude::*;
    use std::sync::OnceLock;

    fn permuter() -> Permuter {
        Permuter::new(&[3; 32], "test")
    }

    fn fold() -> Arc<Fold> {
        static FOLD: OnceLock<Arc<Fold>> = OnceLock::new();
        Arc::clone(FOLD.get_or_init(|| Arc::new(Fold::of(&crate::mysql::load::exact(), true))))
    }

    fn replaced(treatment: &Treatment, old: &str) -> Option<String> {
        let mut cell = Some(old.as_bytes().to_vec());
        Replacer::new(treatment, &permuter(), fold()).replace(&mut cell);
        cell.map(|new| String::from_utf8(new).expect("UTF-8"))
    }

    fn shape(text: &str) -> String {
        let kind = |c: char| match c {
            '0'..='9' => '0',
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            other => other,
        };
        text.chars().map(kind).collect()
    }

    fn in_room(with: With, characters: u64) -> Texts {
        let room = Room::Characters(characters);
        Texts { with, alphabet: Alphabet::Utf8, room, shared: room, cuts: Vec::new() }
    }

    fn in_text(with: With) -> Treatment {
        Treatment::Text(in_room(with, 100))
    }

    /// The new value under a collation that is blind for accents and case.
    fn blindly(texts: &Texts, old: &str) -> String {
        let new = match texts.with {
            With::Email => addresses(&permuter(), blind_fold(), old.as_bytes(), texts),
            _ => text(&permuter(), blind_fold(), old.as_bytes(), texts),
        };
        String::from_utf8(new).expect("UTF-8")
    }

    fn weight(text: &str) -> Vec<u8> {
        text.chars().flat_map(blind).collect()
    }

    #[test]
    fn null_and_empty_stay() {
        for treatment in [in_text(With::Email), Treatment::Set(Some(b"x".to_vec())), Treatment::Set(None)] {
            let permuter = permuter();
            let mut replacer = Replacer::new(&treatment, &permuter, fold());
            for old in [None, Some(Vec::new())] {
                let mut cell = old.clone();
                assert!(!replacer.replace(&mut cell) && cell == old);
            }
        }
    }

    #[test]
    fn a_phone_number_is_the_same_however_it_is_written() {
        let digits = |text: &str| -> String {
            let new = replaced(&in_text(With::Phone), text).expect("text");
            assert_eq!(shape(&new), shape(text));
            new.chars().filter(char::is_ascii_digit).collect()
        };
        assert_eq!(digits("(555) 123-4567"), digits("555.123.4567 x Mom"));
        assert_ne!(digits("5551234567"), "5551234567");
    }

    #[test]
    fn a_name_is_the_same_among_others() {
        let name = |text| replaced(&in_text(With::Name), text).expect("text");
        assert_eq!(name("O'Neil, Ann-B"), format!("{}, {}-{}", name("O'Neil"), name("Ann"), name("B")));
        assert_eq!(name("SMITH"), name("smith").to_uppercase());
        assert_ne!(name("Smith"), "Smith");
    }

    #[test]
    fn addresses_lead_nowhere() {
        let long = "joe.smith@mail.example.com";
        let new = replaced(&in_text(With::Email), long).expect("text");
        assert!(new.ends_with(".invalid") && shape(&new) == shape(&format!("{long}.invalid")), "{new}");
        let two = replaced(&in_text(With::Email), "Joe <a@b.co>; c@d.org").expect("text");
        assert_eq!(two.matches(".invalid").count(), 2, "{two}");
        assert!(two.ends_with(".invalid") && two.contains(".invalid>; "), "{two}");
        let none = replaced(&in_text(With::Email), "declined").expect("text");
        assert!(none.len() == 8 && none != "declined");
        let tight = Treatment::Text(in_room(With::Email, 28));
        let short = |text: &str| replaced(&tight, text).expect("text");
        assert!(short(long).len() == 28 && short(long).ends_with("@x.invalid"), "{}", short(long));
        assert_ne!(short(long), short("joe.smith@mail.example.org"));
        let blind = |text: &str| blindly(&in_room(With::Email, 28), text);
        assert_eq!(blind(long), blind(&long.to_uppercase()));
        // A longer column of the same domain takes the short form, too, where the value fits in both.
        let wide = Texts { shared: Room::Characters(28), ..in_room(With::Email, 100) };
        assert_eq!(replaced(&Treatment::Text(wide), long), Some(short(long)));
    }

    #[test]
    fn beginnings_that_a_key_holds_different_stay_different() {
        let texts = Texts { cuts: vec![2], ..in_room(With::Text, 100) };
        let new = |old: &str| replaced(&Treatment::Text(texts.clone()), old).expect("text");
        let mut seen = std::collections::HashSet::new();
        for (a, b) in ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| (a, b))) {
            assert!(seen.insert(new(&format!("{a}{b}{b}{a}nson"))[..2].to_owned()));
        }
        assert_eq!(new("abxyz")[..2], new("abcde")[..2]);
        assert_ne!(new("abxyz"), new("abcde"));
    }

    #[test]
    fn what_is_spelled_out_has_room_or_gives_way() {
        let tight = in_room(With::Text, 3);
        let (a, b) = (blindly(&tight, "\u{df}ss"), blindly(&tight, "ss\u{df}"));
        assert!(a == b && a.len() == 3 && a != blindly(&tight, "\u{df}st"), "{a} {b}");
        assert_eq!(
            blindly(&in_room(With::Text, 9), "Stra\u{df}e"),
            blindly(&in_room(With::Text, 9), "Strasse")
        );
    }

    #[test]
    fn days_stay_in_their_year_and_no_two_meet() {
        let date = |old: &str| replaced(&Treatment::Date(false), old).expect("date");
        let mut seen = std::collections::HashSet::new();
        let mut moved = 0;
        for number in 0..366 {
            let (month, day) = month_and_day(1984, number);
            let old = format!("1984-{month:02}-{day:02} 10:11:12.5");
            let new = date(&old);
            assert!(new.starts_with("1984-") && new.ends_with(" 10:11:12.5"), "{new}");
            let field = |at: usize| new[at..at + 2].parse().expect("number");
            assert!(day_of_year(1984, field(5), field(8)).is_some(), "{new}");
            moved += usize::from(new != old);
            assert!(seen.insert(new));
        }
        assert!(moved > 350);
        for kept in [
            "0000-00-00",
            "0001-01-01",
            "2026-00-00",
            "2026-02-31",
            "9999-12-31 00:00:00",
            "nonsense",
            "-838:59:59",
        ] {
            assert_eq!(date(kept), kept);
        }
    }

    #[test]
    fn a_timestamp_stays_in_its_range() {
        let date = |old: &str| replaced(&Treatment::Date(true), old).expect("date");
        assert_eq!(date("1970-01-01 00:00:01"), "1970-01-01 00:00:01");
        assert_eq!(date("2038-01-19 03:14:07"), "2038-01-19 03:14:07");
        for day in 1..=18 {
            let new = date(&format!("2038-01-{day:02} 23:59:59"));
            assert!(*new < *"2038-01-19", "{new}");
        }
        for (month, day) in [(1, 2), (12, 31), (6, 6)] {
            assert!(date(&format!("1970-{month:02}-{day:02} 00:00:00")).as_str() >= "1970-01-02");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(5), cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn different_texts_stay_different_also_without_case(
            a in "[a-cA-C0-2 .@'-]{0,5}", b in "[a-cA-C0-2 .@'-]{0,5}", with in 0usize..5
        ) {
            let with = [With::Phone, With::Email, With::Name, With::Text, With::Digits][with];
            let (x, y) = (replaced(&in_text(with), &a).unwrap(), replaced(&in_text(with), &b).unwrap());
            prop_assert_eq!(a.to_lowercase() == b.to_lowercase(), x.to_lowercase() == y.to_lowercase());
            prop_assert_eq!(a == b, x == y);
            if with != With::Email {
                prop_assert_eq!(shape(&a), shape(&x));
            }
        }

        #[test]
        fn what_a_collation_holds_equal_stays_equal_and_nothing_else(
            a in "[aeéèÉsßSvwW1@\u{301} '.]{0,6}", b in "[aeéèÉsßSvwW1@\u{301} '.]{0,6}",
            with in 0usize..5, room in 22u64..40, cut in 0usize..4
        ) {
            let with = [With::Phone, With::Email, With::Name, With::Text, With::Digits][with];
            let cuts = if cut > 0 && !(a.clone() + &b).contains(['ß', '\u{301}']) { vec![cut] } else { Vec::new() };
            let texts = Texts { cuts, ..in_room(with, room) };
            let (x, y) = (blindly(&texts, &a), blindly(&texts, &b));
            prop_assert_eq!(weight(&a) == weight(&b), weight(&x) == weight(&y), "{:?} {:?}: {:?} {:?}", a, b, x, y);
        }

        #[test]
        fn two_letters_are_permuted_in_their_two_places(a in "[A-Z]{2}", b in "[A-Z]{2}") {
            let new = |text: &str| blindly(&in_room(With::Text, 2), text);
            prop_assert_eq!(weight(&a) == weight(&b), weight(&new(&a)) == weight(&new(&b)));
            prop_assert_eq!(new(&a).chars().count(), 2);
        }

        #[test]
        fn different_numbers_stay_different(a in 1u32..=2_147_483_647, b in 1u32..=2_147_483_647) {
            let new = |n: u32| -> u32 {
                replaced(&Treatment::Number(2_147_483_647, 2_147_483_648), &n.to_string()).unwrap().parse().unwrap()
            };
            prop_assert!(new(a) <= 2_147_483_647 && new(a).to_string().len() == a.to_string().len());
            prop_assert_eq!(a == b, new(a) == new(b));
        }
    }
}
