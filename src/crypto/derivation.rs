//! From secrets to keys: HKDF-SHA-256 with one purpose per key, so that no key serves two ends.
//! Implements `format-spec/crypto.md`, Key derivation.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// A derived key of 32 bytes, wiped on drop.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// What stands in front of every purpose.
const PREFIX: &[u8] = b"coffer/v1/";

/// The key for `purpose` from `secret`, bound to `context` (an id, or an id and an epoch).
pub(super) fn derive(secret: &[u8], salt: Option<&[u8]>, purpose: &str, context: &[&[u8]]) -> Key {
    let mut info = vec![PREFIX, purpose.as_bytes(), &[0]];
    info.extend_from_slice(context);
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(salt, secret)
        .expand_multi_info(&info, key.as_mut_slice())
        .expect("32 bytes are within what HKDF can give");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_contexts_and_secrets_separate_keys() {
        let base = derive(&[1; 32], None, "data", &[&[2; 16]]);
        assert_ne!(base, derive(&[3; 32], None, "data", &[&[2; 16]]));
        assert_ne!(base, derive(&[1; 32], None, "dat", &[&[2; 16]]));
        assert_ne!(base, derive(&[1; 32], None, "data", &[&[4; 16]]));
        assert_ne!(base, derive(&[1; 32], Some(&[5; 32]), "data", &[&[2; 16]]));
        assert_eq!(base, derive(&[1; 32], None, "data", &[&[2; 8], &[2; 8]]));
    }
}
