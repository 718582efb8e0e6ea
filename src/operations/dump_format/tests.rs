//! A small container is described whole; a damaged one without a panic, saying what fails.

use super::*;
use crate::container::tests::{keyring, new_container};
use crate::storage::SimulatedDisk;

fn value<'a>(sections: &'a [Section], title: &str, field: &str) -> &'a str {
    let section = sections.iter().find(|s| s.title == title).unwrap_or_else(|| panic!("no section {title}"));
    let field = section.fields.iter().find(|f| f.name == field).unwrap_or_else(|| panic!("no field {field}"));
    &field.value
}

#[test]
fn everything_is_shown_by_its_name() {
    let disk = SimulatedDisk::new();
    drop(new_container(&disk));
    let keyring = keyring();
    let all = describe(&disk, Some(&keyring), &DumpOptions::default()).expect("described");
    assert_eq!(value(&all, "prologue, middle of the key segment", "check"), "holds");
    assert_eq!(value(&all, "superblock 1, second copy", "generation"), "1");
    assert_eq!(value(&all, "slot map", "live slots"), "1");
    assert_eq!(value(&all, "commit root", "generation"), "1");
    assert!(value(&all, "segment table", "slot 1").starts_with("live since generation 1"));
    assert_eq!(value(&all, "contents", "contents"), "none yet");
    let one = describe(&disk, Some(&keyring), &DumpOptions { slot: Some(1), most: 2 }).expect("described");
    assert_eq!(value(&one, "checksum table, first copy", "verdict"), "whole, and so are all sectors");
    assert_eq!(value(&one, "trailer", "generation"), "1");
    assert_eq!(value(&one, "directory", "…"), format!("{} more", one.last().map_or(0, entries) - 2));
    let clear = describe(&disk, None, &DumpOptions::default()).expect("described");
    assert!(clear.iter().all(|s| s.title != "commit root"));
}

fn entries(directory: &Section) -> usize {
    directory.fields[0].value.parse().expect("a count")
}

#[test]
fn damage_is_said_and_never_stops_the_rest() {
    let keyring = keyring();
    let make = || {
        let disk = SimulatedDisk::new();
        drop(new_container(&disk));
        disk
    };
    let length = make().bytes().len() as u64;
    let disk = make();
    disk.corrupt(100, 1, |b| b[0] ^= 1);
    disk.corrupt(262_144 + (1 << 20) + 50_000, 1, |b| b[0] ^= 1);
    let all = describe(&disk, Some(&keyring), &DumpOptions::default()).expect("described");
    assert_eq!(value(&all, "prologue, first header half", "check"), "fails");
    assert_eq!(value(&all, "prologue, second header half", "check"), "holds");
    for seed in 0..60u64 {
        let disk = make();
        for hit in 0..6 {
            let place = blake3::hash(&[seed as u8, hit]);
            let at = number(&place.as_bytes()[..8]) % length.min(262_144 + (2 << 20));
            disk.corrupt(at, 1, |b| b[0] ^= place.as_bytes()[8]);
        }
        for slot in [None, Some(1), Some(0), Some(4_000_000_000)] {
            let options = DumpOptions { slot, most: 4 };
            let sections = describe(&disk, Some(&keyring), &options).expect("copies are left");
            assert!(sections.iter().all(|s| s.fields.len() < 200));
        }
    }
}
