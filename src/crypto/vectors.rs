//! Compares this module with `format-spec/vectors/crypto.txt`, so that no change of a key, name or
//! byte goes unnoticed, and so that another reader can be checked against the same file.

use crate::clock::Timestamp;
use crate::crypto::derivation::derive;
use crate::crypto::{
    Credential, KdfCost, KeyTable, Keyring, NewSlot, ObjectKind, Place, SEAL_OVERHEAD, Secrets,
    SeededEntropy, key_file, recovery,
};
use crate::error::Result;
use crate::ids::{ContainerId, FamilyId, RootHash, SegmentId};
use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use std::fmt::Write;
use zeroize::Zeroizing;

const FILE: &str = include_str!("../../format-spec/vectors/crypto.txt");
const SPECIFICATION: &str = include_str!("../../format-spec/crypto.md");
const CONTAINER: ContainerId = ContainerId(counting(0xc0));
const FAMILY: FamilyId = FamilyId(counting(0xf0));
const SEGMENT: SegmentId = SegmentId(counting(0x50));
const PLAINTEXT: &[u8] = b"INSERT INTO `patient` VALUES (1,'Example');\n";
const PASSWORD: &[u8] = "Zahnfee 3\u{fc}".as_bytes();

/// Bytes that count up from `first`.
const fn counting<const N: usize>(first: u8) -> [u8; N] {
    let mut bytes = [0; N];
    let mut i = 0;
    while i < N {
        bytes[i] = first.wrapping_add(i as u8);
        i += 1;
    }
    bytes
}

/// Family secret 00…, epoch 1 20…, epoch 3 60…, table key a0…
fn secrets() -> Secrets {
    let mut bytes = counting::<32>(0x00).to_vec();
    bytes.extend(2u64.to_le_bytes());
    for (epoch, first) in [(1u32, 0x20), (3, 0x60)] {
        bytes.extend(epoch.to_le_bytes());
        bytes.extend(counting::<32>(first));
    }
    Secrets::decode(&bytes, counting(0xa0)).unwrap()
}

/// The lines as this module makes them.
struct Lines(String);

impl Lines {
    fn note(&mut self, text: &str) {
        writeln!(self.0, "\n# {text}").unwrap();
    }

    fn text(&mut self, name: &str, value: &str) {
        writeln!(self.0, "{name} = {value}").unwrap();
    }

    fn hex(&mut self, name: &str, bytes: &[u8]) {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.text(name, &digits);
    }

    fn verdict<T>(&mut self, name: &str, result: Result<T>) {
        let word = result.map_or_else(|error| error.kind().code(), |_| "ok");
        self.text(&format!("{name}.verdict"), word);
    }
}

#[test]
fn the_file_holds() {
    let mut lines = Lines(String::new());
    inputs(&mut lines);
    keys(&mut lines);
    names(&mut lines);
    objects(&mut lines);
    credentials(&mut lines);
    tables(&mut lines);
    let told = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
    };
    assert!(told(FILE) == told(&lines.0), "format-spec/vectors/crypto.txt should hold:\n{}", lines.0);
}

/// The rows of the table under the heading `section`, as cells without their backquotes.
fn rows(section: &str) -> Vec<Vec<String>> {
    let (_, rest) = SPECIFICATION.split_once(&format!("## {section}\n")).unwrap();
    let lines = rest.lines().take_while(|line| !line.starts_with('#'));
    let row = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().replace('`', "")).collect();
    lines.filter(|line| line.starts_with('|')).skip(2).map(row).collect()
}

#[test]
fn the_specification_names_every_kind_and_its_key() {
    let keyring = Keyring::derive(&secrets(), CONTAINER, FAMILY);
    let kinds = rows("Object kinds");
    assert_eq!(kinds.len(), ObjectKind::ALL.len());
    for (row, kind) in kinds.iter().zip(ObjectKind::ALL) {
        assert_eq!(row[..2], [(kind as u8).to_string(), kind.to_string()]);
        let place = Place { kind, epoch: 3, segment: SEGMENT, offset: 4096 };
        let sealed = seal(&keyring, &place);
        let key = derive(&counting::<32>(0x60), None, &row[2], &[&CONTAINER.0, &3u32.to_le_bytes()]);
        let cipher = Aes256GcmSiv::new((&*key).into());
        let payload = Payload { msg: &sealed[12..], aad: &place.associated(&CONTAINER, 72) };
        let nonce = Nonce::try_from(&sealed[..12]).unwrap();
        assert_eq!(cipher.decrypt(&nonce, payload).unwrap(), PLAINTEXT, "{kind}");
    }
}

#[test]
fn the_specification_lists_every_purpose_once() {
    let listed: Vec<String> = rows("Key derivation").into_iter().map(|row| row[0].clone()).collect();
    let code: String =
        [include_str!("keyring.rs"), include_str!("key_slot.rs"), include_str!("key_table.rs")]
            .map(|file| file.split("#[cfg(test)]").next().unwrap())
            .concat();
    for purpose in &listed {
        assert_eq!(code.matches(&format!("\"{purpose}\"")).count(), 1, "{purpose}");
    }
    let mut distinct = listed.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), listed.len());
}

fn inputs(lines: &mut Lines) {
    lines.note("Inputs");
    lines.hex("container", &CONTAINER.0);
    lines.hex("family", &FAMILY.0);
    lines.hex("secrets", &secrets().encode());
    lines.hex("table-key", secrets().table_key());
    lines.hex("segment", &SEGMENT.0);
    lines.hex("plaintext", PLAINTEXT);
}

fn keys(lines: &mut Lines) {
    let secrets = secrets();
    lines.note("Key derivation");
    for purpose in ["chunk-id", "cutter"] {
        lines.hex(&format!("key.{purpose}"), &*derive(secrets.family(), None, purpose, &[&FAMILY.0]));
    }
    for purpose in ["root-hash", "content-hash"] {
        lines.hex(&format!("key.{purpose}"), &*derive(secrets.family(), None, purpose, &[&CONTAINER.0]));
    }
    let purposes = ["data", "manifest", "index", "directory", "root", "nonce", "segment-id", "padding"];
    for (epoch, secret) in secrets.by_epoch() {
        for purpose in purposes {
            let key = derive(secret, None, purpose, &[&CONTAINER.0, &epoch.to_le_bytes()]);
            lines.hex(&format!("key.{purpose}.{epoch}"), &*key);
        }
    }
    lines.hex("key.key-table", &*derive(&secrets.encode(), None, "key-table", &[&CONTAINER.0]));
    lines.hex("key.table-secrets", &*derive(secrets.table_key(), None, "table-secrets", &[&CONTAINER.0]));
}

fn names(lines: &mut Lines) {
    let keyring = Keyring::derive(&secrets(), CONTAINER, FAMILY);
    lines.note(
        "Names and hashes of the plaintext, in epoch 3; segment-id has the parent 01 × 32 and the sequence 7,\n\
         # padding.N is that of `segment` from its byte N on",
    );
    lines.hex("chunk-id.1", &keyring.chunk_id(ObjectKind::Database, PLAINTEXT).0);
    lines.hex("chunk-id.2", &keyring.chunk_id(ObjectKind::Attachment, PLAINTEXT).0);
    lines.hex("content-hash.8", &keyring.content_hash(ObjectKind::Catalog, PLAINTEXT));
    lines.hex("root-hash", &keyring.root_hash(PLAINTEXT).0);
    lines.hex("segment-id", &keyring.segment_id(&RootHash([1; 32]), 7).0);
    let mut pad = [0; 48];
    keyring.padding(&SEGMENT, 0, &mut pad);
    lines.hex("padding.0", &pad);
    keyring.padding(&SEGMENT, 1000, &mut pad);
    lines.hex("padding.1000", &pad);
}

fn objects(lines: &mut Lines) {
    let keyring = Keyring::derive(&secrets(), CONTAINER, FAMILY);
    lines.note("Sealed objects: every kind, epoch 3, at byte 4096 of `segment`; content is 02 × 32");
    for kind in ObjectKind::ALL {
        let place = Place { kind, epoch: 3, segment: SEGMENT, offset: 4096 };
        let sealed = seal(&keyring, &place);
        lines.hex(&format!("sealed.{}.associated", kind as u8), &place.associated(&CONTAINER, 72));
        lines.hex(&format!("sealed.{}", kind as u8), &sealed);
        lines.verdict(&format!("sealed.{}", kind as u8), keyring.open(&place, &mut sealed.clone()));
    }
    lines.note("What must not open at the place of sealed.1");
    let place = Place { kind: ObjectKind::Database, epoch: 3, segment: SEGMENT, offset: 4096 };
    let whole = seal(&keyring, &place);
    for (name, at) in [("nonce", 0), ("text", 12), ("tag", whole.len() - 1)] {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x80;
        lines.hex(&format!("sealed.flipped-{name}"), &flipped);
        lines.verdict(&format!("sealed.flipped-{name}"), keyring.open(&place, &mut flipped));
    }
    let mut short = whole[..27].to_vec();
    lines.hex("sealed.short", &short);
    lines.verdict("sealed.short", keyring.open(&place, &mut short));
    let mut moved = seal(&keyring, &Place { offset: 8192, ..place });
    lines.hex("sealed.moved", &moved);
    lines.verdict("sealed.moved", keyring.open(&place, &mut moved));
}

fn seal(keyring: &Keyring, place: &Place) -> Vec<u8> {
    let mut buffer = vec![0; PLAINTEXT.len() + SEAL_OVERHEAD];
    buffer[12..12 + PLAINTEXT.len()].copy_from_slice(PLAINTEXT);
    keyring.seal(place, &[2; 32], &mut buffer);
    buffer
}

fn credentials(lines: &mut Lines) {
    lines.note("Credentials, and their texts; recovery codes are read with O for 0, I and L for 1");
    lines.hex("password", PASSWORD);
    lines.hex("key-file", &counting::<32>(0x11));
    lines.text("key-file.text", key_file::encode(&counting(0x11)).trim_end());
    let damaged = key_file::encode(&counting(0x11)).replacen("11", "10", 1);
    lines.text("key-file.damaged.text", damaged.trim_end());
    lines.verdict("key-file.damaged", key_file::decode(damaged.as_bytes()));
    lines.hex("recovery", &counting::<20>(0x33));
    let code = recovery::encode(&counting(0x33));
    lines.text("recovery.text", &code);
    let typed = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
    lines.text("recovery.typed.text", &typed);
    lines.verdict("recovery.typed", recovery::decode(&typed));
    let mistyped = code.replacen('6', "5", 1);
    lines.text("recovery.mistyped.text", &mistyped);
    lines.verdict("recovery.mistyped", recovery::decode(&mistyped));
}

fn tables(lines: &mut Lines) {
    lines.note(
        "Key tables: with one clear slot; with a password, a key file and a recovery code as slots 1 to 3",
    );
    let mut entropy = SeededEntropy::new(1);
    let clear = KeyTable::create(&secrets(), CONTAINER, &slot(None, "open"), &mut entropy).unwrap();
    lines.hex("table.clear", &clear.encode());
    lines.verdict("table.clear.without", clear.unlock(CONTAINER, &[]));
    lines.verdict("table.clear.password", clear.unlock(CONTAINER, &[password(PASSWORD)]));
    let key = Credential::KeyFile(Zeroizing::new(counting(0x11)));
    let code = Credential::Recovery(Zeroizing::new(counting(0x33)));
    let mut table =
        KeyTable::create(&secrets(), CONTAINER, &slot(Some(password(PASSWORD)), "B\u{fc}ro"), &mut entropy)
            .unwrap();
    table.add(&secrets(), CONTAINER, &slot(Some(key.clone()), "nightly"), &mut entropy).unwrap();
    table.add(&secrets(), CONTAINER, &slot(Some(code.clone()), ""), &mut entropy).unwrap();
    let bytes = table.encode();
    lines.hex("table.full", &bytes);
    lines.verdict("table.full.without", table.unlock(CONTAINER, &[]));
    lines.verdict("table.full.wrong-password", table.unlock(CONTAINER, &[password(b"Zahnfee")]));
    for (name, credential) in
        [("password", password(PASSWORD)), ("key-file", key.clone()), ("recovery", code)]
    {
        lines.verdict(&format!("table.full.{name}"), table.unlock(CONTAINER, &[credential]));
    }
    lines.note("The full table with one bit changed at a byte; checksum left (rot) or made to fit (forged)");
    let end = bytes.len();
    let slot_2 = 4 + 8 + 4 + 8 + 189 + 5;
    let places = [
        ("sequence", 4),
        ("label-2", slot_2 + 16),
        ("salt-2", slot_2 + 16 + 7 + 12 + 12),
        ("commitment-2", slot_2 + 16 + 7 + 12 + 12 + 32),
        ("wrapped-2", slot_2 + 16 + 7 + 12 + 12 + 64),
        ("secrets", end - 16 - 32 - 1),
        ("mac", end - 16 - 1),
    ];
    for (name, at) in places {
        for (how, mends) in [("rot", false), ("forged", true)] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            if mends {
                let checksum = blake3::hash(&changed[..end - 16]);
                changed[end - 16..].copy_from_slice(&checksum.as_bytes()[..16]);
            }
            let unlocked = KeyTable::decode(&changed)
                .and_then(|read| read.unlock(CONTAINER, std::slice::from_ref(&key)));
            lines.text(&format!("table.{how}-{name}.at"), &at.to_string());
            lines.verdict(&format!("table.{how}-{name}.key-file"), unlocked);
        }
    }
}

fn password(bytes: &[u8]) -> Credential {
    Credential::Password(Zeroizing::new(bytes.to_vec()))
}

fn slot(credential: Option<Credential>, label: &str) -> NewSlot {
    let created = Timestamp { seconds: 1_700_000_000, nanoseconds: 5 };
    NewSlot { credential, label: label.into(), cost: KdfCost::TEST, created }
}
