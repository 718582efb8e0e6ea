//! The house rules that a machine can check, over every file of `src/`: floors, promises, sizes,
//! names, and where dangerous things may stand. Each rule is a function from text to findings and
//! is itself tested on planted violations (`planted.rs`), so that none of them is a rule that
//! cannot fail.

mod code;
mod floors;
mod places;
#[cfg(test)]
mod planted;

use floors::Floors;
use std::path::{Path, PathBuf};

/// A source file: its path below `src/`, with `/`, and its text.
pub struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module directly below the crate that this file belongs to; `None` for `lib.rs`, `main.rs`.
    fn module(&self) -> Option<&str> {
        match self.path.split_once('/') {
            Some((module, _)) => Some(module),
            None => self.path.strip_suffix(".rs").filter(|&name| name != "lib" && name != "main"),
        }
    }

    /// How many modules deep the file is: 1 for `a.rs` and `a/mod.rs`, 2 for `a/b.rs`.
    fn depth(&self) -> usize {
        let steps = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") { steps - 1 } else { steps }
    }
}

/// Everything that is wrong with one file.
fn findings(source: &Source, floors: &Floors) -> Vec<String> {
    let code = code::without_text(&source.text);
    let mut found = places::findings(source, &code);
    if let Some(module) = source.module() {
        found.extend(floors.findings(source, module, &code));
    }
    found.into_iter().map(|finding| format!("src/{}: {finding}", source.path)).collect()
}

fn read_folder(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("folder").map(|e| e.expect("folder entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read_folder(&path, root, sources);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let below = path.strip_prefix(root).expect("below the root");
            sources.push(Source {
                path: below.to_str().expect("UTF-8 path").to_owned(),
                text: std::fs::read_to_string(&path).expect("readable source"),
            });
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read_folder(&root, &root, &mut sources);
    assert!(sources.len() > 10, "only {} files were found", sources.len());
    sources
}

#[test]
fn the_source_keeps_the_house_rules() {
    let sources = sources();
    let library = sources.iter().find(|s| s.path == "lib.rs").expect("src/lib.rs");
    let floors = Floors::parse(&library.text).expect("the table of floors in src/lib.rs");
    let mut found: Vec<String> = sources.iter().flat_map(|s| findings(s, &floors)).collect();
    found.extend(floors.unlisted(&library.text, &sources));
    found.extend(floors.cycles(&sources));
    found.extend(places::stale(&sources));
    assert!(found.is_empty(), "{} findings:\n{}", found.len(), found.join("\n"));
}
