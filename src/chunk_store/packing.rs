//! Payloads: codec, plaintext length, packed bytes (`format-spec/manifest.md`, Payload). It promises
//! that unpacking never allocates more than the bound it is given.

use crate::compress::{Compressor, Decompressor, STORED};
use crate::error::{Error, Result};
use std::sync::{Mutex, PoisonError};

/// Length of a payload's head: codec u8, plaintext length u32.
pub const HEAD_BYTES: usize = 5;

/// Compressors and decompressors that threads borrow, so that each is made once.
#[derive(Default)]
pub struct Packers {
    compressors: Mutex<Vec<(i32, Compressor)>>,
    decompressors: Mutex<Vec<(Decompressor, Vec<u8>)>>,
}

impl Packers {
    /// The payload of `plain` at zstd level `level`.
    pub fn pack(&self, level: i32, plain: &[u8]) -> Result<Vec<u8>> {
        let mut compressor = self.compressor(level)?;
        let mut payload = Vec::with_capacity(HEAD_BYTES + plain.len() / 2);
        payload.push(0);
        payload.extend_from_slice(&(plain.len() as u32).to_le_bytes());
        payload[0] = compressor.pack(plain, &mut payload);
        payload.shrink_to_fit();
        self.compressors.lock().unwrap_or_else(PoisonError::into_inner).push((level, compressor));
        Ok(payload)
    }

    fn compressor(&self, level: i32) -> Result<Compressor> {
        let mut idle = self.compressors.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.iter().rposition(|(l, _)| *l == level) {
            Some(at) => Ok(idle.swap_remove(at).1),
            None => {
                drop(idle);
                Compressor::new(level)
            }
        }
    }

    /// The plaintext of a payload, at most `limit` bytes.
    pub fn unpack(&self, payload: &[u8], limit: usize) -> Result<Vec<u8>> {
        self.look_at(payload, limit, <[u8]>::to_vec)
    }

    /// Shows the plaintext of a payload, at most `limit` bytes, to `look`. Nothing is copied or
    /// allocated where that can be spared.
    pub fn look_at<T>(&self, payload: &[u8], limit: usize, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let (head, packed) = payload
            .split_at_checked(HEAD_BYTES)
            .ok_or_else(|| Error::damaged("payload: shorter than its head"))?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > limit {
            return Err(Error::damaged(format!("payload: {length} bytes are more than {limit}")));
        }
        if head[0] == STORED && packed.len() == length {
            return Ok(look(packed));
        }
        let idle = self.decompressors.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let (mut decompressor, mut plain) = idle.unwrap_or_default();
        plain.clear();
        let result = decompressor.unpack(head[0], packed, length, &mut plain).map(|()| look(&plain));
        self.decompressors.lock().unwrap_or_else(PoisonError::into_inner).push((decompressor, plain));
        result
    }
}
