//! Key files: 32 random bytes as one line of text that names its own damage. Implements
//! `format-spec/crypto.md`, Key files.

use crate::crypto::Entropy;
use crate::error::{Error, Kind, Result};
use zeroize::Zeroizing;

/// The first word of a key file.
const MAGIC: &str = "coffer-key-1";
/// Length of the check value in bytes.
const CHECK_BYTES: usize = 4;
/// Longest key file that is worth reading, in bytes.
pub const MAX_KEY_FILE_BYTES: usize = 256;

/// A new key.
pub fn generate(entropy: &mut dyn Entropy) -> Result<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    entropy.fill(key.as_mut_slice())?;
    Ok(key)
}

/// The text of a key file, with its newline.
pub fn encode(key: &[u8; 32]) -> Zeroizing<String> {
    // Enough capacity at once, so that no piece of the key stays behind in a moved buffer.
    let mut text = Zeroizing::new(String::with_capacity(96));
    text.push_str(MAGIC);
    text.push(' ');
    push_hex(&mut text, key);
    text.push(' ');
    push_hex(&mut text, &check(key));
    text.push('\n');
    text
}

/// The key in the bytes of a key file. [`Kind::WrongKey`] says what is wrong with it, never what
/// it holds.
pub fn decode(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let text = std::str::from_utf8(bytes).map_err(|_| not_one())?;
    let mut words = text.split_ascii_whitespace();
    let (Some(MAGIC), Some(key), Some(check_word), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(not_one());
    };
    let mut out = Zeroizing::new([0; 32]);
    let mut written = [0; CHECK_BYTES];
    if !read_hex(key, out.as_mut_slice()) || !read_hex(check_word, &mut written) {
        return Err(damaged("it is cut off or holds other characters than 0-9 and a-f"));
    }
    if written != check(&out) {
        return Err(damaged("its check value does not match"));
    }
    Ok(out)
}

fn check(key: &[u8; 32]) -> [u8; CHECK_BYTES] {
    let hash = *blake3::hash(key).as_bytes();
    std::array::from_fn(|i| hash[i])
}

fn not_one() -> Error {
    Error::new(Kind::WrongKey, "this is not a key file").hint(format!("a key file begins with {MAGIC}"))
}

fn damaged(why: &str) -> Error {
    Error::new(Kind::WrongKey, format!("the key file is damaged: {why}"))
        .hint("use another copy of it, a password or the recovery code")
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        out.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
    }
}

/// Reads exactly `out.len()` bytes of hexadecimal; false if `text` is anything else.
fn read_hex(text: &str, out: &mut [u8]) -> bool {
    if text.len() != 2 * out.len() {
        return false;
    }
    let digit = |c: u8| char::from(c).to_digit(16);
    text.as_bytes().chunks_exact(2).zip(out).all(|(pair, byte)| match (digit(pair[0]), digit(pair[1])) {
        (Some(high), Some(low)) => {
            *byte = (high * 16 + low) as u8;
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SeededEntropy;

    #[test]
    fn text_round_trips_with_any_line_end_and_case() {
        let key = generate(&mut SeededEntropy::new(3)).unwrap();
        let text = encode(&key);
        assert_eq!(text.len(), 12 + 1 + 64 + 1 + 8 + 1);
        assert_eq!(decode(text.as_bytes()).unwrap(), key);
        assert_eq!(decode(text.trim_end().as_bytes()).unwrap(), key);
        assert_eq!(decode(text.replace('\n', "\r\n").as_bytes()).unwrap(), key);
        let (word, digits) = text.split_once(' ').unwrap();
        assert_eq!(decode(format!("{word} {}", digits.to_uppercase()).as_bytes()).unwrap(), key);
    }

    #[test]
    fn every_changed_digit_and_every_cut_is_named() {
        let text = encode(&generate(&mut SeededEntropy::new(4)).unwrap());
        for at in (13..77).chain(78..86) {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let error = decode(&bytes).unwrap_err();
            assert_eq!(error.kind(), Kind::WrongKey);
            assert!(error.message().contains("damaged"), "{at}: {error}");
        }
        for len in 0..86 {
            assert!(decode(&text.as_bytes()[..len]).is_err(), "{len}");
        }
        assert!(decode(b"hunter2\n").unwrap_err().message().contains("not a key file"));
        assert!(decode(&[0xff; 40]).is_err());
    }
}
