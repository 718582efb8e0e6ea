//! Damaged forms of the golden container and what a reader must say of each
//! (`format-spec/vectors/verdicts.txt`): the class of the answer, and which paths are lost.

use crate::golden::{PASSWORD, open, password, restored, stored};
use crate::text;
use coffer::container::layout::{
    CHECK_OFFSET, HALF_BYTES, HEADER_BYTES, PROLOGUE_INCOMPATIBLE, PROLOGUE_VERSION,
};
use coffer::error::Error;
use coffer::snapshot::Catalog;
use coffer::storage::SimulatedDisk;
use std::fmt::Write;

const SEGMENT: usize = 1 << 20;

/// A sum of decimal numbers, `half` and `slot:N`.
fn place(expression: &str) -> usize {
    let term = |term: &str| match (term, term.strip_prefix("slot:")) {
        ("half", _) => HALF_BYTES as usize,
        (_, Some(slot)) => HEADER_BYTES as usize + SEGMENT * slot.parse::<usize>().expect("slot"),
        _ => term.parse().expect("number"),
    };
    expression.split('+').map(term).sum()
}

/// Writes into the prologue's four copies and makes their checks fit.
fn edit_prologues(bytes: &mut [u8], at: usize, value: u8) {
    let slot_0 = HEADER_BYTES as usize;
    for base in [0, HALF_BYTES as usize, slot_0, slot_0 + SEGMENT / 2] {
        bytes[base + at] = value;
        let check = *blake3::hash(&bytes[base..base + CHECK_OFFSET]).as_bytes();
        bytes[base + CHECK_OFFSET..base + CHECK_OFFSET + 32].copy_from_slice(&check);
    }
}

/// Applies one change; returns another password if the change is one.
fn apply(bytes: &mut Vec<u8>, change: &str) -> Option<String> {
    let words: Vec<&str> = change.split(' ').collect();
    match words[..] {
        ["none"] => {}
        ["xor", at, length, mask] => {
            let (at, length) = (place(at), place(length));
            let mask = u8::from_str_radix(mask, 16).expect("mask");
            bytes[at..at + length].iter_mut().for_each(|b| *b ^= mask);
        }
        ["cut", length] => bytes.truncate(place(length)),
        ["swap", a, b, length] => {
            let (a, b, length) = (place(a), place(b), place(length));
            let (front, back) = bytes.split_at_mut(b);
            front[a..a + length].swap_with_slice(&mut back[..length]);
        }
        ["version", version] => edit_prologues(bytes, PROLOGUE_VERSION, version.parse().expect("version")),
        ["feature", bits] => edit_prologues(bytes, PROLOGUE_INCOMPATIBLE, bits.parse().expect("bits")),
        ["password", ref words @ ..] => return Some(words.join(" ")),
        _ => panic!("verdicts.txt: unknown change {change:?}"),
    }
    None
}

/// What a reader says: the class, and the lines of what cannot be read.
fn verdict(bytes: Vec<u8>, key: &str) -> String {
    let disk = SimulatedDisk::from_bytes(bytes);
    let said = |error: Error| error.kind().code().to_owned();
    let store = match open(&disk, &password(key)) {
        Ok(store) => store,
        Err(error) => return said(error),
    };
    let catalog = match Catalog::read(&store) {
        Ok(catalog) => catalog,
        Err(error) => return format!("opens, catalog {}", said(error)),
    };
    let container = store.container();
    let mut out = String::from("opens");
    if !container.notes().is_empty() {
        out.push_str(" with note");
    }
    if container.has_fallen_back() {
        out.push_str(", fallen back");
    }
    write!(out, ", generation {}", container.state().root.generation).expect("text");
    for (index, snapshot) in catalog.snapshots.iter().enumerate() {
        for (path, _) in restored(&store, index + 1, snapshot).into_iter().filter(|(_, line)| line.is_none())
        {
            write!(out, "; lost {path}").expect("text");
        }
    }
    out
}

#[test]
fn every_verdict_is_as_stored() {
    let golden = stored();
    let mut made = String::new();
    let file = text("vectors/verdicts.txt");
    let mut count = 0;
    for line in file.lines() {
        let Some((changes, _)) = line.split_once(" => ").filter(|_| !line.starts_with('#')) else {
            writeln!(made, "{line}").expect("text");
            continue;
        };
        let mut bytes = golden.clone();
        let mut key = PASSWORD.to_owned();
        for change in changes.split(" & ") {
            key = apply(&mut bytes, change).unwrap_or(key);
        }
        writeln!(made, "{changes} => {}", verdict(bytes, &key)).expect("text");
        count += 1;
    }
    assert!(count > 20, "only {count} verdicts");
    assert!(made == file, "format-spec/vectors/verdicts.txt should hold:\n{made}");
}
