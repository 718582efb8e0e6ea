//! What a person or a program offers to unlock a container. A [`Credential`] wipes itself and never
//! prints.

use crate::codec::{Decode, Encode};
use crate::crypto::derivation::Key;
use crate::crypto::kdf::{KdfCost, stretch};
use crate::error::Result;
use std::fmt;
use zeroize::Zeroizing;

/// Length of a recovery code's secret in bytes.
pub const RECOVERY_BYTES: usize = 20;

/// How a key slot is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SlotKind {
    /// With a password.
    Password,
    /// With the 32 bytes of a key file.
    KeyFile,
    /// With a recovery code kept on paper.
    Recovery,
    /// With nothing: the container is not encrypted.
    Clear,
}

impl SlotKind {
    /// The number that stands in the file.
    pub(super) fn number(self) -> u32 {
        self as u32
    }
}

impl fmt::Display for SlotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SlotKind::Password => "password",
            SlotKind::KeyFile => "key file",
            SlotKind::Recovery => "recovery code",
            SlotKind::Clear => "no encryption",
        })
    }
}

/// A password, a key file's content or a recovery code.
#[derive(Clone)]
pub enum Credential {
    /// A password, byte for byte as given; callers strip one trailing newline.
    Password(Zeroizing<Vec<u8>>),
    /// The content of a key file.
    KeyFile(Zeroizing<[u8; 32]>),
    /// The secret of a recovery code.
    Recovery(Zeroizing<[u8; RECOVERY_BYTES]>),
}

impl Credential {
    /// The password in a file, a command's output or a typed line: one trailing newline (LF or
    /// CR LF) is taken off, nothing else.
    pub fn password_from_text(text: Zeroizing<Vec<u8>>) -> Self {
        let mut password = text;
        if password.last() == Some(&b'\n') {
            password.pop();
            if password.last() == Some(&b'\r') {
                password.pop();
            }
        }
        Credential::Password(password)
    }

    /// The kind of slot that this opens.
    pub fn kind(&self) -> SlotKind {
        match self {
            Credential::Password(_) => SlotKind::Password,
            Credential::KeyFile(_) => SlotKind::KeyFile,
            Credential::Recovery(_) => SlotKind::Recovery,
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.kind())
    }
}

/// The bytes from which a slot's keys derive; zeros if there is no credential (a clear slot).
pub(super) fn slot_secret(
    credential: Option<&Credential>,
    salt: &[u8; 32],
    cost: &KdfCost,
) -> Result<Zeroizing<Vec<u8>>> {
    let copy = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
    Ok(match credential {
        Some(Credential::Password(password)) => {
            let stretched: Key = stretch(password, salt, cost)?;
            copy(stretched.as_slice())
        }
        Some(Credential::KeyFile(key)) => copy(key.as_slice()),
        Some(Credential::Recovery(code)) => copy(code.as_slice()),
        None => copy(&[0; 32]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_is_taken_off_a_password() {
        for (text, password) in
            [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a\r", " a\r"), ("\n", "")]
        {
            let read = Credential::password_from_text(Zeroizing::new(text.as_bytes().to_vec()));
            let Credential::Password(bytes) = read else { panic!("not a password") };
            assert_eq!(*bytes, password.as_bytes(), "{text:?}");
        }
    }
}
