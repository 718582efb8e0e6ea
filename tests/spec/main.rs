//! The specification against the program: its tables against the constants, its vectors against
//! the behaviour, and the golden container, which must restore for ever.
//!
//! `COFFER_WRITE_VECTORS=1` writes the files that do not exist yet; it never replaces one.

mod golden;
mod parity;
mod references;
mod tables;
mod verdicts;

use std::path::{Path, PathBuf};

/// The folder of the specification.
fn specification() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec")
}

/// A text of the specification.
fn text(name: &str) -> String {
    std::fs::read_to_string(specification().join(name)).expect(name)
}

/// Compares `made` with a file of `vectors/`; writes it if it is missing and that was asked for.
fn compare(name: &str, made: &[u8]) {
    let path = specification().join("vectors").join(name);
    if !path.exists() && std::env::var_os("COFFER_WRITE_VECTORS").is_some() {
        std::fs::write(&path, made).expect("vector written");
    }
    let stored = std::fs::read(&path).expect(name);
    assert!(stored == made, "format-spec/vectors/{name} should hold:\n{}", String::from_utf8_lossy(made));
}

/// Every file of `vectors/` and the test that reads it.
const VECTORS: &[&str] = &[
    "chunking.txt",
    "compression.txt",
    "crypto.txt",
    "golden-v1.coffer.zst",
    "golden-v1.txt",
    "parity.txt",
    "verdicts.txt",
];

#[test]
fn the_list_of_vectors_equals_the_folder() {
    let entries = std::fs::read_dir(specification().join("vectors")).expect("vectors");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    assert_eq!(names, VECTORS);
}
