//! Numbers of few bytes: seven bits a byte, lowest first, the highest bit set in all but the last
//! (LEB128). One number has one form: no more bytes than it needs.

/// Bytes of `number`.
#[inline]
pub fn length(number: u64) -> usize {
    match number {
        0..0x80 => 1,
        _ => (64 - number.leading_zeros()).div_ceil(7) as usize,
    }
}

/// Appends `number`.
#[inline]
pub fn push(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// The number at the start of `bytes` and its length; `None`: cut off, too large, or too long a form.
#[inline]
pub fn read(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut number = 0u64;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if at == 9 && bits > 1 {
            return None;
        }
        number |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return (byte != 0 || at == 0).then_some((number, at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_has_one_form() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            push(number, &mut bytes);
            assert_eq!(read(&bytes), Some((number, length(number))));
            assert_eq!(bytes.len(), length(number));
            assert_eq!(read(&bytes[..bytes.len() - 1]), None, "{number}");
        }
        assert_eq!(read(&[0x80, 0]), None, "a longer form of 0");
        assert_eq!(read(&[0xff; 11]), None);
    }
}
