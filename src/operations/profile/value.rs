//! One value of a test copy: from the old to the new. It promises that NULL and what is empty stay,
//! that a new value is one that the column can hold and the server gives back byte for byte, and that
//! different values stay different.

use super::fit::Room;
use super::letters::{Alphabet, Letters};
use super::permutation::{Permuter, Symbol};
use super::rule::With;
use std::collections::HashMap;

/// What stands behind every address: a domain that never exists (RFC 2606).
const NOWHERE: &[u8] = b".invalid";
/// The domain of addresses that have no room for that.
const SHORT_NOWHERE: &[u8] = b"@x.invalid";
/// The least room that a column of addresses must have, in characters.
pub const LEAST_ADDRESS: u64 = 18;
/// Characters that stand between addresses.
const BETWEEN_ADDRESSES: [char; 9] = [' ', ',', ';', '<', '>', '"', '\t', '\r', '\n'];

/// How the values of one column are replaced.
pub enum Treatment {
    /// Text.
    Text(With, Alphabet, Room),
    /// A number, and the greatest that is possible above and below zero.
    Number(u128, u128),
    /// A date with or without a time; whether it ends where TIMESTAMP does.
    Date(bool),
    /// Always this.
    Set(Option<Vec<u8>>),
}

/// Replaces the values of one column.
pub struct Replacer<'a> {
    treatment: &'a Treatment,
    permuter: &'a Permuter,
    /// The order of the days of years that came up.
    years: HashMap<(u16, u16, u16), Vec<u16>>,
}

impl<'a> Replacer<'a> {
    /// Replaces by `treatment`, in the domain of `permuter`.
    pub fn new(treatment: &'a Treatment, permuter: &'a Permuter) -> Replacer<'a> {
        Replacer { treatment, permuter, years: HashMap::new() }
    }

    /// Replaces a cell; whether it changed.
    pub fn replace(&mut self, cell: &mut Option<Vec<u8>>) -> bool {
        let Some(old) = cell.as_deref().filter(|old| !old.is_empty()) else { return false };
        let new = match self.treatment {
            Treatment::Text(With::Email, alphabet, room) => {
                Some(addresses(self.permuter, old, *alphabet, *room))
            }
            Treatment::Text(with, alphabet, _) => Some(text(self.permuter, *with, old, *alphabet)),
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

fn text(permuter: &Permuter, with: With, old: &[u8], alphabet: Alphabet) -> Vec<u8> {
    let mut letters = Letters::of(old, alphabet);
    let groups = match with {
        With::Phone => vec![letters.digits(), letters.letters()],
        With::Digits => vec![letters.digits()],
        With::Name => letters.words(|character| character != '\''),
        _ => vec![letters.all()],
    };
    groups.iter().for_each(|group| letters.permute(permuter, group));
    letters.bytes(&[], b"")
}

/// Every address in the text leads nowhere; what is none is replaced as text.
fn addresses(permuter: &Permuter, old: &[u8], alphabet: Alphabet, room: Room) -> Vec<u8> {
    let mut letters = Letters::of(old, alphabet);
    let words = letters.words(|character| BETWEEN_ADDRESSES.contains(&character));
    words.iter().for_each(|word| letters.permute(permuter, word));
    let ends: Vec<usize> =
        words.iter().filter(|word| letters.has('@', word)).filter_map(|word| word.last().copied()).collect();
    let new = letters.bytes(&ends, NOWHERE);
    let characters = letters.count() + ends.len() * NOWHERE.len();
    match ends.is_empty() || room.holds(characters, new.len()) {
        true => new,
        false => short_address(permuter, old, alphabet, room),
    }
}

/// An address for a column that is too short for the long form: as many letters of a digest as fit.
fn short_address(permuter: &Permuter, old: &[u8], alphabet: Alphabet, room: Room) -> Vec<u8> {
    // What differs in case alone may be equal to the server: it must not come out different.
    let folded = text(permuter, With::Text, old, alphabet).to_ascii_lowercase();
    let letters = permuter.digest(&folded).map(|byte| b'a' + byte % 26);
    let count = usize::try_from(room.least()).unwrap_or(usize::MAX).saturating_sub(SHORT_NOWHERE.len());
    letters.iter().copied().take(count).chain(SHORT_NOWHERE.iter().copied()).collect()
}

/// A number with as many digits, that the column can hold; zero stays, and so does what is none.
fn number(permuter: &Permuter, old: &[u8], above: u128, below: u128) -> Option<Vec<u8>> {
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

fn lengths(year: u16) -> [u16; 12] {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// The number of a day in its year, from 0; `None`: there is no such day.
fn day_of_year(year: u16, month: u16, day: u16) -> Option<u16> {
    let lengths = lengths(year);
    let before = usize::from(month).checked_sub(1)?;
    let length = *lengths.get(before)?;
    (1..=length).contains(&day).then(|| lengths.iter().take(before).sum::<u16>() + day - 1)
}

fn month_and_day(year: u16, mut number: u16) -> (u16, u16) {
    let mut month = 1;
    for length in lengths(year) {
        if number < length {
            break;
        }
        number -= length;
        month += 1;
    }
    (month, number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn permuter() -> Permuter {
        Permuter::new(&[3; 32], "test")
    }

    fn replaced(treatment: &Treatment, old: &str) -> Option<String> {
        let mut cell = Some(old.as_bytes().to_vec());
        Replacer::new(treatment, &permuter()).replace(&mut cell);
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

    fn in_text(with: With) -> Treatment {
        Treatment::Text(with, Alphabet::Utf8, Room::Characters(100))
    }

    #[test]
    fn null_and_empty_stay() {
        for treatment in [in_text(With::Email), Treatment::Set(Some(b"x".to_vec())), Treatment::Set(None)] {
            let permuter = permuter();
            let mut replacer = Replacer::new(&treatment, &permuter);
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
        let tight = Treatment::Text(With::Email, Alphabet::Utf8, Room::Characters(28));
        let short = |text: &str| replaced(&tight, text).expect("text");
        assert!(short(long).len() == 28 && short(long).ends_with("@x.invalid"), "{}", short(long));
        assert_eq!(short(long), short(&long.to_uppercase()));
        assert_ne!(short(long), short("joe.smith@mail.example.org"));
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

    #[test]
    fn a_small_integer_is_permuted_within_its_range() {
        let treatment = Treatment::Number(127, 128);
        for numbers in [1..=9, 10..=99, 100..=127] {
            let new: std::collections::BTreeSet<u32> = numbers
                .clone()
                .map(|n| replaced(&treatment, &n.to_string()).unwrap().parse().unwrap())
                .collect();
            assert_eq!(new, numbers.collect());
        }
        let below: std::collections::BTreeSet<i32> = (100..=128)
            .map(|n: i32| replaced(&treatment, &(-n).to_string()).unwrap().parse().unwrap())
            .collect();
        assert_eq!(below, (-128..=-100).collect());
        for kept in ["0", "0.00", "-0.0"] {
            assert_eq!(replaced(&treatment, kept).as_deref(), Some(kept));
        }
        let price = replaced(&Treatment::Number(u128::MAX, u128::MAX), "-0.05").expect("number");
        assert!(price.starts_with("-0.") && price != "-0.00", "{price}");
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
        fn different_numbers_stay_different(a in 1u32..=2_147_483_647, b in 1u32..=2_147_483_647) {
            let new = |n: u32| -> u32 {
                replaced(&Treatment::Number(2_147_483_647, 2_147_483_648), &n.to_string()).unwrap().parse().unwrap()
            };
            prop_assert!(new(a) <= 2_147_483_647 && new(a).to_string().len() == a.to_string().len());
            prop_assert_eq!(a == b, new(a) == new(b));
        }
    }
}
