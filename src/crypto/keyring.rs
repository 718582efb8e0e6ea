//! The derived keys of one container and everything done with them: naming, hashing, padding,
//! sealing, opening. Implements `format-spec/crypto.md`, Key derivation to Sealed objects.
//!
//! A [`Keyring`] holds every key and cipher ready made, never changes, and can be shared by all
//! threads. It cannot seal in an old epoch, and opens an object only at its own [`Place`].

use crate::crypto::derivation::{Key, derive};
use crate::crypto::object::{NONCE_BYTES, SEAL_OVERHEAD, TAG_BYTES};
use crate::crypto::{ObjectKind, Place, Secrets};
use crate::error::{Error, Result};
use crate::ids::{ChunkId, ContainerId, FamilyId, RootHash, SegmentId};
use aes_gcm_siv::aead::inout::InOutBuf;
use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, KeyInit, Nonce, Tag};
use std::collections::BTreeMap;
use std::fmt;

/// All keys of one container, wiped on drop.
pub struct Keyring {
    container: ContainerId,
    chunk_id: Key,
    cutter: Key,
    root_hash: Key,
    content_hash: Key,
    current: u32,
    epochs: BTreeMap<u32, EpochKeys>,
}

/// The keys of one epoch.
struct EpochKeys {
    data: Aes256GcmSiv,
    manifest: Aes256GcmSiv,
    index: Aes256GcmSiv,
    directory: Aes256GcmSiv,
    root: Aes256GcmSiv,
    nonce: Key,
    segment_id: Key,
    padding: Key,
}

impl EpochKeys {
    fn derive(secret: &[u8; 32], container: &ContainerId, epoch: u32) -> Self {
        let key = |purpose| derive(secret, None, purpose, &[&container.0, &epoch.to_le_bytes()]);
        let cipher = |purpose| Aes256GcmSiv::new((&*key(purpose)).into());
        EpochKeys {
            data: cipher("data"),
            manifest: cipher("manifest"),
            index: cipher("index"),
            directory: cipher("directory"),
            root: cipher("root"),
            nonce: key("nonce"),
            segment_id: key("segment-id"),
            padding: key("padding"),
        }
    }

    fn cipher(&self, kind: ObjectKind) -> &Aes256GcmSiv {
        use ObjectKind as K;
        match kind {
            K::Database | K::Attachment => &self.data,
            K::Manifest | K::List => &self.manifest,
            K::IndexPage | K::IndexFence | K::IndexFilter => &self.index,
            K::Directory | K::Trailer => &self.directory,
            K::Catalog | K::SegmentTable | K::Ledger | K::CommitRoot | K::Superblock => &self.root,
        }
    }

    fn nonce(&self, place: &Place, content: &[u8; 32]) -> Nonce {
        let mut hasher = blake3::Hasher::new_keyed(&self.nonce);
        hasher.update(&[place.kind as u8]);
        hasher.update(&place.segment.0);
        hasher.update(&place.offset.to_le_bytes());
        hasher.update(content);
        let mut nonce = Nonce::default();
        nonce.copy_from_slice(&hasher.finalize().as_bytes()[..NONCE_BYTES]);
        nonce
    }
}

impl Keyring {
    /// Derives every key of `container`, a member of `family`, from its secrets.
    pub fn derive(secrets: &Secrets, container: ContainerId, family: FamilyId) -> Keyring {
        let family_key = |purpose| derive(secrets.family(), None, purpose, &[&family.0]);
        let container_key = |purpose| derive(secrets.family(), None, purpose, &[&container.0]);
        let epochs = secrets
            .by_epoch()
            .map(|(number, secret)| (number, EpochKeys::derive(secret, &container, number)))
            .collect();
        Keyring {
            container,
            chunk_id: family_key("chunk-id"),
            cutter: family_key("cutter"),
            root_hash: container_key("root-hash"),
            content_hash: container_key("content-hash"),
            current: secrets.current_epoch(),
            epochs,
        }
    }

    /// The current epoch: the one that new objects are sealed in.
    pub fn epoch(&self) -> u32 {
        self.current
    }

    /// The container whose keys these are.
    pub fn container(&self) -> ContainerId {
        self.container
    }

    /// The name of a chunk; equal in all containers of the family.
    pub fn chunk_id(&self, kind: ObjectKind, plaintext: &[u8]) -> ChunkId {
        ChunkId(hash_kind(&self.chunk_id, kind, plaintext))
    }

    /// Whether both name chunks alike: containers of one family that share its secret.
    pub fn is_of_family(&self, other: &Keyring) -> bool {
        *self.chunk_id == *other.chunk_id
    }

    /// The key from which the cutter draws its table; equal in all containers of the family.
    pub fn cutter_key(&self) -> [u8; 32] {
        *self.cutter
    }

    /// The name of segment number `sequence` written after the commit `parent`.
    pub fn segment_id(&self, parent: &RootHash, sequence: u32) -> SegmentId {
        let mut hasher = blake3::Hasher::new_keyed(&self.current_keys().segment_id);
        hasher.update(&parent.0).update(&sequence.to_le_bytes());
        let mut id = SegmentId::ZERO;
        id.0.copy_from_slice(&hasher.finalize().as_bytes()[..SegmentId::LEN]);
        id
    }

    /// The hash of a commit root's plaintext; the same in every epoch.
    pub fn root_hash(&self, plaintext: &[u8]) -> RootHash {
        RootHash(*blake3::keyed_hash(&self.root_hash, plaintext).as_bytes())
    }

    /// The hash of a metadata object's plaintext; the same in every epoch.
    pub fn content_hash(&self, kind: ObjectKind, plaintext: &[u8]) -> [u8; 32] {
        hash_kind(&self.content_hash, kind, plaintext)
    }

    /// Fills `out` with the padding of `segment` from byte `start` of its pad stream on. It looks
    /// like sealed bytes to whoever lacks the key.
    pub fn padding(&self, segment: &SegmentId, start: u64, out: &mut [u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.current_keys().padding);
        let mut stream = hasher.update(&segment.0).finalize_xof();
        stream.set_position(start);
        stream.fill(out);
    }

    /// Seals in place: `buffer` is 12 bytes of room, plaintext, 16 bytes of room, and becomes
    /// nonce, ciphertext, tag. `content` is the chunk id or content hash of the plaintext; it
    /// enters the nonce.
    ///
    /// # Panics
    /// If `place` is not of the current epoch, or `buffer` has no room or 4 GiB.
    pub fn seal(&self, place: &Place, content: &[u8; 32], buffer: &mut [u8]) {
        assert_eq!(place.epoch, self.current, "objects are sealed in the current epoch only");
        assert!(buffer.len() >= SEAL_OVERHEAD, "no room for nonce and tag");
        let sealed_len = u32::try_from(buffer.len()).expect("sealed objects are shorter than 4 GiB");
        let keys = self.current_keys();
        let nonce = keys.nonce(place, content);
        let (front, rest) = buffer.split_at_mut(NONCE_BYTES);
        let (text, back) = rest.split_at_mut(rest.len() - TAG_BYTES);
        let tag = keys
            .cipher(place.kind)
            .encrypt_inout_detached(&nonce, &place.associated(&self.container, sealed_len), text.into())
            .expect("within the cipher's limits");
        front.copy_from_slice(&nonce);
        back.copy_from_slice(&tag);
    }

    /// Authenticates and decrypts in place what [`Keyring::seal`] made for the same `place`, and
    /// returns the plaintext inside `buffer`. [`crate::error::Kind::Damaged`], naming the place,
    /// if anything differs; `buffer` then holds no plaintext.
    pub fn open<'a>(&self, place: &Place, buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let keys = self.epochs.get(&place.epoch).ok_or_else(|| {
            Error::damaged(format!("{place}: sealed in epoch {}, which is unknown", place.epoch))
        })?;
        let sealed_len = u32::try_from(buffer.len())
            .ok()
            .filter(|_| buffer.len() >= SEAL_OVERHEAD)
            .ok_or_else(|| Error::damaged(format!("{place}: {} bytes cannot be sealed", buffer.len())))?;
        let (front, rest) = buffer.split_at_mut(NONCE_BYTES);
        let (text, back) = rest.split_at_mut(rest.len() - TAG_BYTES);
        let (mut nonce, mut tag) = (Nonce::default(), Tag::default());
        nonce.copy_from_slice(front);
        tag.copy_from_slice(back);
        let associated = place.associated(&self.container, sealed_len);
        keys.cipher(place.kind)
            .decrypt_inout_detached(&nonce, &associated, InOutBuf::from(&mut *text), &tag)
            .map_err(|_| Error::damaged(format!("{place}: does not authenticate")))?;
        Ok(text)
    }

    fn current_keys(&self) -> &EpochKeys {
        &self.epochs[&self.current]
    }
}

/// Keyed BLAKE3 over the kind's number and `plaintext`.
fn hash_kind(key: &Key, kind: ObjectKind, plaintext: &[u8]) -> [u8; 32] {
    *blake3::Hasher::new_keyed(key).update(&[kind as u8]).update(plaintext).finalize().as_bytes()
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring(container {}, epoch {})", self.container, self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SeededEntropy;
    use crate::error::Kind;

    const PLACE: Place =
        Place { kind: ObjectKind::Database, epoch: 1, segment: SegmentId([3; 16]), offset: 4096 };

    fn secrets() -> Secrets {
        Secrets::generate(&mut SeededEntropy::new(1)).unwrap()
    }

    fn keyring() -> Keyring {
        Keyring::derive(&secrets(), ContainerId([1; 16]), FamilyId([2; 16]))
    }

    fn sealed(keyring: &Keyring, place: &Place, plaintext: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; plaintext.len() + SEAL_OVERHEAD];
        buffer[12..12 + plaintext.len()].copy_from_slice(plaintext);
        let content = keyring.content_hash(place.kind, plaintext);
        keyring.seal(place, &content, &mut buffer);
        buffer
    }

    #[test]
    fn objects_open_where_they_were_sealed() {
        let keyring = keyring();
        for len in [0, 1, 15, 16, 17, 5000] {
            let plaintext = vec![0xa5; len];
            let mut buffer = sealed(&keyring, &PLACE, &plaintext);
            assert_eq!(buffer, sealed(&keyring, &PLACE, &plaintext), "sealing is deterministic");
            assert_eq!(keyring.open(&PLACE, &mut buffer).unwrap(), plaintext);
        }
    }

    #[test]
    fn objects_open_nowhere_else() {
        let keyring = keyring();
        let plaintext = *b"patient record: not for other places";
        let elsewhere = ObjectKind::ALL
            .iter()
            .filter(|kind| **kind != PLACE.kind)
            .map(|kind| Place { kind: *kind, ..PLACE })
            .chain([
                Place { epoch: 2, ..PLACE },
                Place { segment: SegmentId([4; 16]), ..PLACE },
                Place { offset: 4097, ..PLACE },
            ]);
        for place in elsewhere {
            let mut buffer = sealed(&keyring, &PLACE, &plaintext);
            let error = keyring.open(&place, &mut buffer).unwrap_err();
            assert_eq!(error.kind(), Kind::Damaged);
            assert!(error.message().contains(&place.to_string()), "{error}");
            assert!(!buffer.windows(8).any(|part| part == &plaintext[..8]), "plaintext escaped");
        }
        for (container, family, opens) in [(9, 2, false), (1, 9, true)] {
            let other = Keyring::derive(&secrets(), ContainerId([container; 16]), FamilyId([family; 16]));
            assert_eq!(other.open(&PLACE, &mut sealed(&keyring, &PLACE, &plaintext)).is_ok(), opens);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_length_is_noticed() {
        let keyring = keyring();
        let whole = sealed(&keyring, &PLACE, &[7; 21]);
        for bit in 0..whole.len() * 8 {
            let mut buffer = whole.clone();
            buffer[bit / 8] ^= 1 << (bit % 8);
            assert!(keyring.open(&PLACE, &mut buffer).is_err(), "bit {bit}");
        }
        for len in 0..whole.len() {
            assert!(keyring.open(&PLACE, &mut whole[..len].to_vec()).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn old_epochs_open_and_new_objects_take_the_new_one() {
        let mut secrets = secrets();
        let old = keyring();
        secrets.start_epoch(&mut SeededEntropy::new(2)).unwrap();
        let new = Keyring::derive(&secrets, ContainerId([1; 16]), FamilyId([2; 16]));
        assert_eq!((old.epoch(), new.epoch()), (1, 2));
        assert_eq!(new.open(&PLACE, &mut sealed(&old, &PLACE, b"old")).unwrap(), b"old");
        let place = Place { epoch: 2, ..PLACE };
        assert!(old.open(&place, &mut sealed(&new, &place, b"new")).is_err());
        assert_eq!(old.content_hash(PLACE.kind, b"x"), new.content_hash(PLACE.kind, b"x"));
        assert_eq!(old.root_hash(b"x"), new.root_hash(b"x"));
        assert_eq!(old.chunk_id(PLACE.kind, b"x"), new.chunk_id(PLACE.kind, b"x"));
        assert_ne!(old.segment_id(&RootHash::ZERO, 0), new.segment_id(&RootHash::ZERO, 0));
    }

    #[test]
    fn names_depend_on_all_they_should() {
        let here = keyring();
        let copy = Keyring::derive(&secrets(), ContainerId([9; 16]), FamilyId([2; 16]));
        let (database, attachment) = (ObjectKind::Database, ObjectKind::Attachment);
        assert_eq!(here.chunk_id(database, b"x"), copy.chunk_id(database, b"x"), "shared by the family");
        assert_eq!(here.cutter_key(), copy.cutter_key());
        assert_ne!(here.chunk_id(database, b"x"), here.chunk_id(attachment, b"x"));
        assert_ne!(here.content_hash(database, b"x"), here.content_hash(attachment, b"x"));
        assert_ne!(here.content_hash(database, b"x"), copy.content_hash(database, b"x"));
        assert_ne!(here.root_hash(b"x"), copy.root_hash(b"x"));
        assert_ne!(here.root_hash(b"x").0, here.content_hash(database, b"x"));
        let first = here.segment_id(&RootHash::ZERO, 0);
        assert_ne!(first, here.segment_id(&RootHash::ZERO, 1));
        assert_ne!(first, here.segment_id(&RootHash([1; 32]), 0));
        assert_ne!(first, copy.segment_id(&RootHash::ZERO, 0));
    }

    #[test]
    fn padding_is_one_stream_per_segment() {
        let keyring = keyring();
        let (mut whole, mut part) = ([0; 300], [0; 100]);
        keyring.padding(&SegmentId([1; 16]), 0, &mut whole);
        keyring.padding(&SegmentId([1; 16]), 150, &mut part);
        assert_eq!(whole[150..250], part);
        keyring.padding(&SegmentId([2; 16]), 150, &mut part);
        assert_ne!(whole[150..250], part);
    }

    #[test]
    fn keyrings_are_shared_and_silent() {
        fn shared<T: Send + Sync>(_: &T) {}
        let keyring = keyring();
        shared(&keyring);
        let shown = format!("{keyring:?}");
        assert_eq!(shown, "Keyring(container 01010101010101010101010101010101, epoch 1)");
    }
}
