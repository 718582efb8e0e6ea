//! What may stand where: promises, sizes, names, and the fences around `bincode`, `unsafe`, `clap`
//! and the format's magics.

use crate::Source;

/// The longest file in lines.
const MAX_LINES: usize = 600;

/// The files that may hold `unsafe` code, each fenced and with a SAFETY comment.
const UNSAFE_FILES: &[&str] = &["cli/allocator.rs", "storage/kernel.rs"];

/// Words that mean anything and words the project says otherwise.
const BANNED_NAMES: &[&str] = &[
    "archive",
    "blob",
    "block",
    "common",
    "gc",
    "helper",
    "helpers",
    "manager",
    "misc",
    "pack",
    "repository",
    "stuff",
    "util",
    "utils",
    "vacuum",
];

/// What must never be committed, whole or in part.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "#[ignore", "dbg!"];

/// Findings of one file; `code` is its text without comments and literals.
pub fn findings(source: &Source, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let path = source.path.as_str();
    if !source.text.starts_with("//! ") {
        found.push("does not open with its promise (`//! …`)".into());
    }
    let lines = source.text.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{lines} lines, more than {MAX_LINES}"));
    }
    for word in banned_words(path) {
        found.push(format!("`{word}` is no name for a module"));
    }
    if path != "codec.rs" {
        found.extend(lines_with(code, "bincode", "only codec.rs names bincode"));
    }
    if !path.starts_with("cli/") {
        found.extend(lines_with(code, "clap", "only cli/ names clap"));
    }
    if !UNSAFE_FILES.contains(&path) {
        found.extend(lines_with(code, "unsafe", "unsafe code outside the allow-list"));
        found.extend(lines_with(code, "allow(unsafe_code)", "unsafe code outside the allow-list"));
    }
    for word in UNFINISHED {
        found.extend(lines_with(code, word, "unfinished or left behind"));
    }
    if path != "container/layout.rs" {
        found.extend(magics(code));
    }
    for (line, name) in declared_modules(code) {
        for word in banned_words(name) {
            found.push(format!("line {line}: `{word}` is no name for a module"));
        }
    }
    found
}

/// Entries of the allow-list that are not needed.
pub fn stale(sources: &[Source]) -> Vec<String> {
    let needed = |path: &str| sources.iter().any(|s| s.path == path && s.text.contains("unsafe"));
    let stale = UNSAFE_FILES.iter().filter(|path| !needed(path));
    stale.map(|path| format!("tests/tidy: src/{path} is allowed unsafe code and has none")).collect()
}

fn banned_words(path: &str) -> Vec<&str> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    path.split(['/', '_']).filter(|word| BANNED_NAMES.contains(word)).collect()
}

/// A finding for each line of `code` that holds `word` as a whole word.
fn lines_with(code: &str, word: &str, why: &str) -> Vec<String> {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let holds = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let after = &line[at + word.len()..];
            let open_end = word.ends_with(part_of_word) && !word.starts_with('#');
            !(line[..at].ends_with(part_of_word) || open_end && after.starts_with(part_of_word))
        })
    };
    let numbered = code.lines().enumerate().filter(|(_, line)| holds(line));
    numbered.map(|(number, _)| format!("line {}: `{word}`: {why}", number + 1)).collect()
}

/// Magic constants: named MAGIC and holding a string of bytes.
fn magics(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("const ") {
        let Some((head, rest)) = code[at..].split_once('=') else { continue };
        let name = head.split(':').next().unwrap_or("");
        let value = rest.split(';').next().unwrap_or("");
        if name.contains("MAGIC") && value.contains("b\"") {
            let line = code[..at].matches('\n').count() + 1;
            found.push(format!("line {line}: a magic outside container/layout.rs"));
        }
    }
    found
}

/// Line and name of each module that `code` declares.
fn declared_modules(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().filter_map(|(number, line)| {
        let line = line.trim();
        let line = line.strip_prefix("pub ").or(line.strip_prefix("pub(crate) ")).unwrap_or(line);
        let name = line.strip_prefix("mod ")?.trim_end_matches([';', '{', ' ', '}']);
        Some((number + 1, name))
    })
}
