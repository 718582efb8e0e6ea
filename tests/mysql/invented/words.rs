//! Names, literals and numbers as people would not choose them. It promises names that no other name of
//! the same test equals, however a server folds them.

use crate::random::Random;
use coffer::mysql::identifier::literal;

/// What names are made of; letters more often than the rest.
const OF_NAMES: [char; 34] = [
    'a', 'b', 'e', 'k', 'n', 'o', 'r', 's', 't', 'A', 'Z', '0', '9', '_', ' ', '`', '\'', '"', '\\', '/',
    '.', ';', '-', '%', '$', '@', '#', '(', ',', '\t', '\n', 'é', 'ß', '日',
];
/// What texts are made of.
const OF_TEXTS: [char; 28] = [
    'a', 'b', 'Z', '9', ' ', '\'', '"', '`', '\\', '\n', '\r', '\t', '\0', '\u{1a}', '%', '_', ';', '-', '#',
    '/', '*', 'é', 'Å', 'ß', '€', '日', '本', '😀',
];

/// A name that ends with `number`, which makes it the only one of its kind.
pub fn name(random: &mut Random, number: u64) -> String {
    if random.one_in(2) {
        return format!("{}{number}", random.pick(&["id", "Pat", "note_", "select", "DocNum", "a b"]));
    }
    let length = if random.one_in(8) { 52 } else { random.below(9) };
    let junk: String = (0..length).map(|_| *random.pick(&OF_NAMES)).collect();
    // Of a line that ends with a backslash, the client of MySQL takes that away.
    format!("{}{number}", junk.trim_start().replace("\\\n", "\n"))
}

/// A text of up to `most` characters.
pub fn text(random: &mut Random, most: u64) -> String {
    let length = random.below(most + 1);
    (0..length).map(|_| *random.pick(&OF_TEXTS)).collect()
}

/// A text as SQL.
pub fn quoted(random: &mut Random, most: u64) -> String {
    literal(&text(random, most))
}

/// Bytes as SQL.
pub fn digits(random: &mut Random, most: u64) -> String {
    let length = random.below(most + 1);
    let digits: String = (0..length).map(|_| format!("{:02x}", random.below(256))).collect();
    format!("x'{digits}'")
}
