//! Numbers as text, without memory of their own. It promises one text for each number, and the same
//! number again from that text.

use crate::error::{Error, Kind, Result};
use crate::rows::push_digits;
use std::io::Write;

/// Doubles below this are exact integers, whose digits are their shortest text.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Appends `number` in decimal digits.
#[inline]
pub fn unsigned(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number` in decimal digits, with `-` if it is below zero.
#[inline]
pub fn signed(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends `number` in at least `width` digits, of at most 20.
#[inline]
pub fn padded(number: u64, width: usize, out: &mut Vec<u8>) {
    push_digits(number, width, out);
}

/// Appends the shortest decimal text that gives `number` again: plain between 0.00001 and 10^16,
/// with an exponent (`1.5e-7`) beyond; `-0` is not `0`.
///
/// Errors: [`Kind::Database`] for infinity and what is no number, which no column can hold.
pub fn float(number: f64, out: &mut Vec<u8>) -> Result<()> {
    let size = number.abs();
    if !number.is_finite() {
        return Err(Error::new(Kind::Database, "the server sends a float that is no number"));
    }
    if size < EXACT && size.fract() == 0.0 {
        if number.is_sign_negative() {
            out.push(b'-');
        }
        unsigned(size as u64, out);
        return Ok(());
    }
    if let Some(hundredths) = as_hundredths(size) {
        if number < 0.0 {
            out.push(b'-');
        }
        unsigned(hundredths / 100, out);
        out.push(b'.');
        padded(hundredths % 100, 2, out);
        if hundredths % 10 == 0 {
            out.pop();
        }
        return Ok(());
    }
    let written = match (1e-5..1e16).contains(&size) {
        true => write!(out, "{number}"),
        false => write!(out, "{number:e}"),
    };
    written.map_err(|cause| Error::io(Kind::Failed, "a number as text", cause))
}

/// How many hundredths `size` is the double of: what most floats of a practice are, fees. No two decimal
/// numbers of 15 digits or fewer have the same double, so that no text is shorter.
fn as_hundredths(size: f64) -> Option<u64> {
    let hundredths = (size * 100.0).round();
    ((1.0..1e15).contains(&hundredths) && hundredths / 100.0 == size).then_some(hundredths as u64)
}
