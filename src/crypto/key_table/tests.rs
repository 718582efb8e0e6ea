//! Tests of the key table: every way in, every way that must stay shut, and every flipped bit.

use super::*;
use crate::clock::Timestamp;
use crate::crypto::{KdfCost, RECOVERY_BYTES, SeededEntropy};
use zeroize::Zeroizing;

const HOME: ContainerId = ContainerId([1; 16]);

fn password(text: &str) -> Credential {
    Credential::Password(Zeroizing::new(text.as_bytes().to_vec()))
}

fn key_file(byte: u8) -> Credential {
    Credential::KeyFile(Zeroizing::new([byte; 32]))
}

fn recovery(byte: u8) -> Credential {
    Credential::Recovery(Zeroizing::new([byte; RECOVERY_BYTES]))
}

fn slot(credential: Option<Credential>) -> NewSlot {
    let created = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };
    NewSlot { credential, label: "front desk".into(), cost: KdfCost::TEST, created }
}

fn table(credential: Option<Credential>) -> (KeyTable, Secrets, SeededEntropy) {
    let mut entropy = SeededEntropy::new(11);
    let secrets = Secrets::generate(&mut entropy).unwrap();
    let table = KeyTable::create(&secrets, HOME, &slot(credential), &mut entropy).unwrap();
    (table, secrets, entropy)
}

fn full_table() -> (KeyTable, Secrets, SeededEntropy) {
    let (mut table, secrets, mut entropy) = table(Some(password("tooth")));
    table.add(&secrets, HOME, &slot(Some(key_file(5))), &mut entropy).unwrap();
    table.add(&secrets, HOME, &slot(Some(recovery(6))), &mut entropy).unwrap();
    (table, secrets, entropy)
}

fn failure<T>(result: Result<T>) -> Kind {
    result.map(|_| ()).unwrap_err().kind()
}

#[test]
fn each_credential_opens_its_slot_after_a_round_trip() {
    let (table, secrets, _) = full_table();
    let read = KeyTable::decode(&table.encode()).unwrap();
    assert_eq!(read, table);
    for (credential, number) in [(password("tooth"), 1), (key_file(5), 2), (recovery(6), 3)] {
        let (opened, by) = read.unlock(HOME, &[recovery(99), credential]).unwrap();
        assert!(opened == secrets);
        assert_eq!(by, number);
    }
    assert_eq!(read.sequence(), 3);
}

#[test]
fn other_secrets_kinds_and_containers_are_wrong_keys() {
    let (table, ..) = full_table();
    let same_bytes = Credential::Password(Zeroizing::new(vec![5; 32]));
    for wrong in [password("Tooth"), password(""), key_file(6), recovery(5), same_bytes] {
        assert_eq!(failure(table.unlock(HOME, &[wrong])), Kind::WrongKey);
    }
    assert_eq!(failure(table.unlock(ContainerId([2; 16]), &[key_file(5)])), Kind::WrongKey);
    let error = table.unlock(HOME, &[]).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.remedy().unwrap().contains("password"));
}

#[test]
fn clear_slots_are_used_only_without_credentials() {
    let (mut table, secrets, mut entropy) = table(None);
    assert!(!table.is_encrypted());
    assert!(table.unlock(HOME, &[]).unwrap().0 == secrets);
    assert_eq!(failure(table.unlock(HOME, &[password("tooth")])), Kind::NotEncrypted);
    assert_eq!(failure(table.add(&secrets, HOME, &slot(None), &mut entropy)), Kind::Usage);
    table.add(&secrets, HOME, &slot(Some(password("tooth"))), &mut entropy).unwrap();
    assert_eq!(failure(table.unlock(HOME, &[password("wrong")])), Kind::WrongKey);
    assert_eq!(table.unlock(HOME, &[password("tooth")]).unwrap().1, 2);
    table.remove(1, &secrets, HOME).unwrap();
    assert!(table.is_encrypted());
    assert_eq!(failure(table.unlock(HOME, &[])), Kind::WrongKey);
}

#[test]
fn zeros_are_no_key_to_a_clear_slot() {
    let (table, ..) = table(None);
    assert_eq!(failure(table.unlock(HOME, &[key_file(0)])), Kind::NotEncrypted);
}

#[test]
fn slots_are_changed_and_removed_but_never_the_last() {
    let (mut table, secrets, mut entropy) = full_table();
    table.change(1, &secrets, HOME, &slot(Some(password("crown"))), &mut entropy).unwrap();
    assert_eq!(failure(table.unlock(HOME, &[password("tooth")])), Kind::WrongKey);
    assert_eq!(table.unlock(HOME, &[password("crown")]).unwrap().1, 1);
    table.remove(3, &secrets, HOME).unwrap();
    assert_eq!(table.add(&secrets, HOME, &slot(Some(recovery(7))), &mut entropy).unwrap(), 4);
    table.remove(4, &secrets, HOME).unwrap();
    table.remove(1, &secrets, HOME).unwrap();
    assert_eq!(failure(table.remove(2, &secrets, HOME)), Kind::Usage);
    assert_eq!(failure(table.remove(1, &secrets, HOME)), Kind::NotFound);
    assert_eq!(table.unlock(HOME, &[key_file(5)]).unwrap().1, 2);
    assert_eq!(table.sequence(), 8);
}

#[test]
fn unfit_slots_are_usage_errors() {
    let (mut table, secrets, mut entropy) = full_table();
    let mut long = slot(Some(key_file(9)));
    long.label = "x".repeat(65);
    let mut control = slot(Some(key_file(9)));
    control.label = "a\u{1b}[2J".into();
    let mut costly = slot(Some(password("a")));
    costly.cost.memory_kib = u32::MAX;
    for unfit in [long, control, costly, slot(Some(password("")))] {
        assert_eq!(failure(table.add(&secrets, HOME, &unfit, &mut entropy)), Kind::Usage);
    }
    assert_eq!(table.sequence(), 3, "nothing was changed");
    while table.slots().len() < MAX_KEY_SLOTS {
        table.add(&secrets, HOME, &slot(Some(key_file(9))), &mut entropy).unwrap();
    }
    assert_eq!(failure(table.add(&secrets, HOME, &slot(Some(key_file(9))), &mut entropy)), Kind::Usage);
}

#[test]
fn the_largest_table_fits() {
    let (mut table, mut secrets, mut entropy) = table(Some(key_file(9)));
    while secrets.epochs().count() < crate::limits::MAX_EPOCHS {
        table.rotate(&mut secrets, HOME, &[key_file(9)], &mut entropy).unwrap();
    }
    let mut largest = slot(Some(key_file(9)));
    largest.label = "x".repeat(64);
    while table.slots().len() < MAX_KEY_SLOTS {
        table.add(&secrets, HOME, &largest, &mut entropy).unwrap();
    }
    let bytes = table.encode();
    assert!(bytes.len() <= MAX_KEY_TABLE_BYTES, "{}", bytes.len());
    assert!(KeyTable::decode(&bytes).unwrap().unlock(HOME, &[key_file(9)]).unwrap().0 == secrets);
}

#[test]
fn rotation_shuts_out_what_was_removed() {
    let (mut table, mut secrets, mut entropy) = full_table();
    let before = (table.clone(), secrets.clone());
    let error = table.rotate(&mut secrets, HOME, &[password("tooth")], &mut entropy).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.message().contains("slots 2, 3"), "{error}");
    assert!((table.clone(), secrets.clone()) == before, "nothing was changed");

    table.remove(3, &secrets, HOME).unwrap();
    let epoch = table.rotate(&mut secrets, HOME, &[password("tooth"), key_file(5)], &mut entropy).unwrap();
    assert_eq!((epoch, secrets.current_epoch()), (2, 2));
    assert_eq!(failure(table.unlock(HOME, &[recovery(6)])), Kind::WrongKey);
    for credential in [password("tooth"), key_file(5)] {
        assert!(table.unlock(HOME, &[credential]).unwrap().0 == secrets);
    }
    // Who kept the old table key from an older copy cannot open the new secrets with it.
    let old_key = before.1.table_key();
    assert!(open_secrets(old_key, &table.body.sealed_secrets, &HOME).is_err());
}

#[test]
fn the_secrets_of_old_epochs_are_forgotten_by_number_too() {
    let (mut table, mut secrets, mut entropy) = full_table();
    let all = [password("tooth"), key_file(5), recovery(6)];
    assert_eq!(table.unopened(HOME, &all[..1]).unwrap(), [2, 3]);
    assert!(table.unopened(HOME, &all).unwrap().is_empty());
    table.rotate(&mut secrets, HOME, &all, &mut entropy).unwrap();
    let between = (table.clone(), secrets.clone());
    table.forget_old_epochs(&mut secrets, HOME, &mut entropy).unwrap();
    assert_eq!(secrets.epochs().collect::<Vec<_>>(), [2]);
    assert!(table.sequence() > between.0.sequence());
    let table = KeyTable::decode(&table.encode()).unwrap();
    for credential in all.clone() {
        assert!(table.unlock(HOME, &[credential]).unwrap().0 == secrets);
    }
    assert_eq!(failure(table.authenticate(&between.1, &HOME)), Kind::Damaged, "the secrets were changed");
    let mut next = table.clone();
    assert_eq!(next.rotate(&mut secrets, HOME, &all, &mut entropy).unwrap(), 3, "no number is used twice");
}

#[test]
fn stale_secrets_change_nothing() {
    let (mut table, mut secrets, mut entropy) = table(Some(key_file(5)));
    let stale = secrets.clone();
    table.rotate(&mut secrets, HOME, &[key_file(5)], &mut entropy).unwrap();
    assert_eq!(failure(table.add(&stale, HOME, &slot(Some(key_file(7))), &mut entropy)), Kind::Damaged);
    assert_eq!(failure(table.remove(1, &stale, HOME)), Kind::Damaged);
}

/// The table with bytes changed and the checksum made to fit, as an attacker would.
fn forged(bytes: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let covered = bytes.len() - CHECKSUM_BYTES;
    change(&mut bytes[..covered]);
    let checksum = blake3::hash(&bytes[..covered]);
    bytes[covered..].copy_from_slice(&checksum.as_bytes()[..CHECKSUM_BYTES]);
    bytes
}

#[test]
fn rot_is_damage_and_never_a_wrong_password() {
    let bytes = full_table().0.encode();
    for bit in 0..bytes.len() * 8 {
        let mut rotten = bytes.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(failure(KeyTable::decode(&rotten)), Kind::Damaged, "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert_eq!(failure(KeyTable::decode(&bytes[..len])), Kind::Damaged, "{len} bytes");
    }
}

#[test]
fn no_forged_bit_yields_secrets() {
    let (table, ..) = full_table();
    let bytes = table.encode();
    let credentials = [password("tooth"), key_file(5), recovery(6)];
    for bit in 0..(bytes.len() - CHECKSUM_BYTES) * 8 {
        let forged = forged(&bytes, |b| b[bit / 8] ^= 1 << (bit % 8));
        let Ok(read) = KeyTable::decode(&forged) else { continue };
        // A flip may make stretching dear; that is bounded elsewhere, and slow here.
        if read.slots().iter().filter_map(KeySlot::cost).any(|cost| cost.memory_kib > 1 << 14) {
            continue;
        }
        for offer in &credentials {
            let kind = failure(read.unlock(HOME, std::slice::from_ref(offer)));
            assert!(matches!(kind, Kind::Damaged | Kind::WrongKey), "bit {bit}: {kind:?}");
        }
    }
}

#[test]
fn exchanged_fields_are_noticed() {
    let (table, ..) = full_table();
    let credentials = [password("tooth"), key_file(5), recovery(6)];
    let unlock_all = |table: &KeyTable| credentials.clone().map(|c| failure(table.unlock(HOME, &[c])));

    let mut relabelled = table.clone();
    relabelled.body.slots.swap(0, 1);
    assert_eq!(failure(KeyTable::decode(&relabelled.encode())), Kind::Damaged, "slots out of order");
    assert_eq!(unlock_all(&relabelled), [Kind::Damaged; 3]);

    let mut older = table.clone();
    older.body.sequence -= 1;
    assert_eq!(unlock_all(&older), [Kind::Damaged; 3]);

    let mut fewer = table.clone();
    fewer.body.slots.pop();
    assert_eq!(unlock_all(&fewer), [Kind::Damaged, Kind::Damaged, Kind::WrongKey]);

    let mut entropy = SeededEntropy::new(12);
    let others = Secrets::generate(&mut entropy).unwrap();
    let mut foreign = table.clone();
    foreign.body.sealed_secrets = seal_secrets(&others, &HOME, &mut entropy).unwrap();
    assert_eq!(unlock_all(&foreign), [Kind::Damaged; 3]);
}

#[test]
fn a_commitment_that_fits_another_key_does_not_open() {
    let (table, ..) = table(Some(key_file(5)));
    let bytes = table.encode();
    // The only slot ends with its commitment and wrapped key; then come the secrets with length.
    let sealed = table.body.sealed_secrets.len();
    let wrapped_end = bytes.len() - CHECKSUM_BYTES - 32 - sealed - 8;
    let commitment = forged(&bytes, |b| b[wrapped_end - 61] ^= 1);
    let wrapped = forged(&bytes, |b| b[wrapped_end - 1] ^= 1);
    let unlock = |bytes: &[u8]| KeyTable::decode(bytes).unwrap().unlock(HOME, &[key_file(5)]);
    assert_eq!(failure(unlock(&commitment)), Kind::WrongKey);
    let error = unlock(&wrapped).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(error.message().contains("key slot 1"), "{error}");
}

#[test]
fn hostile_tables_are_refused_before_they_cost() {
    let (table, ..) = full_table();
    let refuse = |change: fn(&mut Body), kind| {
        let mut hostile = table.clone();
        change(&mut hostile.body);
        assert_eq!(failure(KeyTable::decode(&hostile.encode())), kind);
    };
    refuse(|body| body.version = 2, Kind::FutureVersion);
    refuse(|body| body.slots.clear(), Kind::Damaged);
    refuse(|body| body.next_number = 3, Kind::Damaged);
    refuse(|body| body.slots = vec![body.slots[0].clone(); 33], Kind::Damaged);
    refuse(|body| body.sealed_secrets = vec![0; MAX_KEY_TABLE_BYTES], Kind::Damaged);
}

#[test]
fn costs_out_of_place_or_out_of_bounds_are_damage() {
    let (table, ..) = full_table();
    let bytes = table.encode();
    let slot_bytes = 16 + "front desk".len() + 12 + 12 + 32 + 32 + 60;
    for (slot, cost) in [(0, u32::MAX), (0, 0), (0, 7), (1, 8), (2, 1)] {
        let at = 24 + slot * slot_bytes + 16 + "front desk".len() + 12;
        let forged = forged(&bytes, |b| b[at..at + 4].copy_from_slice(&cost.to_le_bytes()));
        let error = KeyTable::decode(&forged).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        assert!(error.message().contains(&format!("key slot {}: ", slot + 1)), "{error}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let (table, secrets, _) = full_table();
    let shown = format!("{table:?} {secrets:?} {:?} {:?}", password("tooth"), slot(Some(key_file(5))));
    assert!(!shown.contains("tooth") && !shown.contains("5,"), "{shown}");
}
