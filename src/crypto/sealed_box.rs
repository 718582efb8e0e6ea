//! A small secret sealed under a key of its own: random nonce, AES-256-GCM-SIV, no associated
//! data, since the key's derivation already binds the context. Implements
//! `format-spec/crypto.md`, Wrapping.

use crate::crypto::Entropy;
use crate::crypto::derivation::Key;
use crate::crypto::object::{NONCE_BYTES, SEAL_OVERHEAD, TAG_BYTES};
use crate::error::Result;
use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit, Nonce, Tag};
use zeroize::Zeroizing;

/// Nonce, ciphertext and tag of `secret`.
pub(super) fn seal(key: &Key, secret: &[u8], entropy: &mut dyn Entropy) -> Result<Vec<u8>> {
    let mut nonce = Nonce::default();
    entropy.fill(&mut nonce)?;
    let mut out = vec![0; secret.len() + SEAL_OVERHEAD];
    out[..NONCE_BYTES].copy_from_slice(&nonce);
    let (text, back) = out[NONCE_BYTES..].split_at_mut(secret.len());
    text.copy_from_slice(secret);
    let tag = Aes256GcmSiv::new((&**key).into())
        .encrypt_inout_detached(&nonce, &[], text.into())
        .expect("within the cipher's limits");
    back.copy_from_slice(&tag);
    Ok(out)
}

/// The secret in `sealed`, or `None` if it does not authenticate.
pub(super) fn open(key: &Key, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce_bytes, rest) = sealed.split_at_checked(NONCE_BYTES)?;
    let (text, back) = rest.split_at_checked(rest.len().checked_sub(TAG_BYTES)?)?;
    let mut secret = Zeroizing::new(text.to_vec());
    let nonce = Nonce::try_from(nonce_bytes).ok()?;
    let tag = Tag::try_from(back).ok()?;
    Aes256GcmSiv::new((&**key).into())
        .decrypt_inout_detached(&nonce, &[], secret.as_mut_slice().into(), &tag)
        .ok()?;
    Some(secret)
}
