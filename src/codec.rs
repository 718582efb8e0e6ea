//! Bounded reading and writing of structures. It promises that decoding never panics, never
//! allocates more than the stated limit, rejects trailing bytes, and that one value has exactly
//! one encoding. The bytes are defined in `format-spec/README.md` (Structures): fields in order,
//! fixed-width little-endian integers, `u64` lengths before sequences, `u32` before a variant.
//!
//! This is the only module that names `bincode`.

use crate::error::{Error, Result};
pub use bincode::{Decode, Encode};

/// The largest structure that is decoded in one piece: 64 MiB.
pub const LIMIT_BYTES: usize = 64 << 20;

fn config() -> bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Fixint,
    bincode::config::Limit<LIMIT_BYTES>,
> {
    bincode::config::standard().with_fixed_int_encoding().with_limit::<LIMIT_BYTES>()
}

/// The bytes of `value`.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    // Writing to memory fails for no structure of ours: none holds a lock, a cell or an OS string.
    bincode::encode_to_vec(value, config()).expect("structures encode to memory")
}

/// Appends the bytes of `value` to `out`.
pub fn encode_into<T: Encode>(value: &T, out: &mut Vec<u8>) {
    bincode::encode_into_std_write(value, out, config()).expect("structures encode to memory");
}

/// The value whose encoding is exactly `bytes`; `what` names the structure in the error.
pub fn decode<T: Decode<()>>(bytes: &[u8], what: &str) -> Result<T> {
    let (value, used) = decode_prefix(bytes, what)?;
    if used != bytes.len() {
        return Err(Error::damaged(format!("{what}: {} bytes too many", bytes.len() - used)));
    }
    Ok(value)
}

/// The value at the start of `bytes` and the number of bytes it took.
pub fn decode_prefix<T: Decode<()>>(bytes: &[u8], what: &str) -> Result<(T, usize)> {
    bincode::decode_from_slice(bytes, config())
        .map_err(|cause| Error::damaged(format!("{what}: malformed")).because(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Encode, Decode)]
    struct Sample {
        a: u16,
        b: Vec<u8>,
        c: Option<u32>,
    }

    #[test]
    fn bytes_are_as_specified() {
        let sample = Sample { a: 0x0102, b: vec![7, 8], c: Some(9) };
        let bytes = encode(&sample);
        assert_eq!(bytes, [2, 1, 2, 0, 0, 0, 0, 0, 0, 0, 7, 8, 1, 9, 0, 0, 0]);
        assert_eq!(decode::<Sample>(&bytes, "sample").unwrap(), sample);
    }

    #[test]
    fn trailing_truncated_and_enormous_are_errors() {
        let mut bytes = encode(&Sample { a: 1, b: vec![], c: None });
        bytes.push(0);
        assert!(decode::<Sample>(&bytes, "sample").is_err());
        assert!(decode::<Sample>(&bytes[..5], "sample").is_err());
        let mut huge = vec![0, 0];
        huge.extend(u64::MAX.to_le_bytes());
        assert!(decode::<Sample>(&huge, "sample").is_err());
    }
}
