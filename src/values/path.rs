//! Paths of entries as people write them: as the bytes they are, or with the `\xNN` and `\u{N}` that
//! output shows for what a terminal must not see.

/// `text` with its escapes taken back; `None` if it has none that are whole.
pub fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut any = false;
    while let Some(&first) = rest.first() {
        match escape(rest) {
            Some((bytes, length)) => {
                out.extend_from_slice(&bytes);
                rest = &rest[length..];
                any = true;
            }
            None => {
                out.push(first);
                rest = &rest[1..];
            }
        }
    }
    any.then_some(out)
}

/// The bytes of the escape that `rest` starts with, and how long it is.
fn escape(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let number = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    if let Some(digits) = rest.strip_prefix(b"\\x") {
        let value = number(digits.get(..2)?)?;
        return Some((vec![u8::try_from(value).ok()?], 4));
    }
    let digits = rest.strip_prefix(b"\\u{")?;
    let end = digits.iter().position(|&b| b == b'}').filter(|end| (1..=6).contains(end))?;
    let character = char::from_u32(number(&digits[..end])?)?;
    Some((character.to_string().into_bytes(), end + 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryPath;

    #[test]
    fn what_is_shown_can_be_written() {
        for name in [
            &b"r\xf6ntgen.jpg"[..],
            b"a\\b",
            b"a\nb\x1b[0m",
            b"\xff\xfe",
            "\u{2028}x".as_bytes(),
            "\u{85}\u{202e}".as_bytes(),
            b"\x85",
        ] {
            let shown = EntryPath(name.to_vec()).to_string();
            let read = unescape(shown.as_bytes()).unwrap_or_else(|| shown.clone().into_bytes());
            assert_eq!(read, name, "{shown}");
        }
        for plain in ["a/b.jpg", "\\", "\\x", "\\x4", "\\xzz", "\\u{}", "\\u{110000}", "\\u{41"] {
            assert_eq!(unescape(plain.as_bytes()), None, "{plain}");
        }
    }
}
