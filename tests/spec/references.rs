//! Every section of the specification that the source names exists, and so does every file that
//! the specification's texts name.

use crate::{specification, text};
use std::collections::BTreeSet;
use std::path::Path;

/// Headings of a text of the specification.
fn headings(name: &str) -> BTreeSet<String> {
    let text = text(name);
    text.lines().filter_map(|l| l.strip_prefix('#')).map(|l| l.trim_matches(['#', ' ']).to_owned()).collect()
}

fn sources(folder: &Path, out: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(std::fs::read_to_string(&path).expect("source"));
        }
    }
}

/// Text of a source file with comment marks and line ends taken out of comments.
fn joined(source: &str) -> String {
    let lines =
        source.lines().map(|l| l.trim_start().trim_start_matches("//!").trim_start_matches("///").trim());
    lines.collect::<Vec<_>>().join(" ")
}

/// File and section of each reference such as `format-spec/crypto.md`, Key slots.
fn references(source: &str) -> Vec<(String, String)> {
    let source = joined(source);
    let mut found = Vec::new();
    for (at, _) in source.match_indices("`format-spec/") {
        let rest = &source[at + "`format-spec/".len()..];
        let Some((file, rest)) = rest.split_once('`') else { continue };
        let rest = rest.strip_prefix(',').or(rest.strip_prefix(" (")).unwrap_or("").trim_start();
        if file.ends_with(".md") && rest.starts_with(char::is_uppercase) {
            let end = rest.find([')', '.', ';', ':', ',']).unwrap_or(rest.len());
            found.extend(
                rest[..end]
                    .split(" and ")
                    .flat_map(|r| r.split(" to "))
                    .map(|section| (file.to_owned(), section.to_owned())),
            );
        }
    }
    found
}

#[test]
fn sections_that_the_source_names_exist() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let found: BTreeSet<(String, String)> = all.iter().flat_map(|s| references(s)).collect();
    assert!(found.len() > 30, "only {} references were found", found.len());
    let whole = |file: &str, section: &str| {
        headings(file).iter().any(|h| h == section || h.split(" and ").any(|part| part == section))
    };
    let missing: Vec<_> = found.iter().filter(|(file, section)| !whole(file, section)).collect();
    assert!(missing.is_empty(), "no such sections: {missing:?}");
}

#[test]
fn files_that_the_specification_names_exist() {
    for name in ["README.md", "container.md", "manifest.md", "crypto.md", "chunking.md", "compression.md"] {
        for (number, word) in text(name).split('`').enumerate() {
            let is_file = number % 2 == 1 && (word.ends_with(".md") || word.starts_with("vectors/"));
            let path = if word.starts_with("src/") || word.starts_with("tests/") {
                Path::new(env!("CARGO_MANIFEST_DIR")).join(word)
            } else {
                specification().join(word)
            };
            assert!(!is_file || path.exists(), "{name} names {word}");
        }
    }
}
