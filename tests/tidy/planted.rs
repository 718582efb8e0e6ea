//! Planted violations: each rule must find its own, and must leave the innocent alone.

use crate::code::without_text;
use crate::floors::Floors;
use crate::{Source, findings};

const LIBRARY: &str = "//! A library.\n//!\n//! | floor | modules |\n//! |---|---|\n\
    //! | 2 | `top` |\n//! | 1 | `left`, `right` |\n//! | 0 | `codec`, `ground` |\n\n\
    pub mod codec;\npub mod ground;\nmod left;\npub mod right;\npub mod top;\n";

/// The findings of a file with the promise and `body`.
fn found(path: &str, body: &str) -> Vec<String> {
    let source = Source { path: path.into(), text: format!("//! A promise.\n{body}\n") };
    findings(&source, &Floors::parse(LIBRARY).unwrap())
}

fn assert_finds(path: &str, body: &str, words: &str) {
    let found = found(path, body);
    assert!(found.iter().any(|f| f.contains(words)), "{path}: {body}: {found:?}");
}

fn assert_clean(path: &str, body: &str) {
    assert_eq!(found(path, body), Vec::<String>::new(), "{path}: {body}");
}

#[test]
fn upward_and_sideways_imports() {
    for body in [
        "use crate::top::Thing;",
        "use crate::{ground::Thing, top};",
        "use crate::{\n    ground::{A, B},\n    right::C,\n};",
        "fn f() { crate::right::go() }",
        "pub(in crate::right) fn f() {}",
        "use super::right::Thing;",
        "mod tests { use super::super::top::Thing; }",
        "#[cfg(test)]\nmod tests { use crate::top::Thing; }",
    ] {
        assert_finds("left.rs", body, "only lower floors");
    }
    assert_finds("left/deep.rs", "use super::super::right::Thing;", "only lower floors");
    assert_finds("left/mod.rs", "use super::right::Thing;", "only lower floors");
    assert_finds("left.rs", "\n\nuse crate::top;", "line 4:");
    assert_finds("left.rs", "use crate::unheard::Of;", "not in the table");
    assert_finds("nowhere.rs", "", "missing from the table");
}

#[test]
fn downward_and_own_imports_are_clean() {
    assert_clean(
        "left.rs",
        "use crate::ground::Thing;\nuse crate::left::deep;\n/// [`crate::top`]\nfn f() {}",
    );
    assert_clean("left.rs", "mod tests { use super::*; }");
    assert_clean("left/deep.rs", "use super::Thing;\nmod tests { use super::super::other; }");
    assert_clean("top.rs", "use crate::{codec, ground::{A, B}, left};");
    assert_clean("left.rs", "const TEXT: &str = \"crate::top::x\"; // crate::top\n/* use crate::top; */");
    assert_clean("left.rs", "use my_crate::top;");
}

#[test]
fn globs_of_the_crate() {
    assert_finds("top.rs", "use crate::*;", "glob");
    assert_finds("top.rs", "use crate::{ground, *};", "glob");
    assert_clean("top.rs", "use crate::ground::*;");
}

#[test]
fn promises_and_sizes() {
    let source = Source { path: "left.rs".into(), text: "use std::fmt;\n".into() };
    let found = findings(&source, &Floors::parse(LIBRARY).unwrap());
    assert!(found[0].contains("promise"), "{found:?}");
    assert_finds("left.rs", &"\n".repeat(599), "601 lines, more than 600");
    assert_clean("left.rs", &"\n".repeat(598));
}

#[test]
fn fences() {
    assert_finds("left.rs", "use bincode::Encode;", "only codec.rs");
    assert_clean("codec.rs", "pub use bincode::Encode;");
    assert_finds("left.rs", "#[derive(clap::Parser)]\nstruct A;", "only cli/");
    assert_clean("left.rs", "fn clapper() {}");
    assert_finds("left.rs", "fn f() { unsafe { g() } }", "allow-list");
    assert_finds("left.rs", "#![allow(unsafe_code)]", "allow-list");
    assert_finds("left.rs", "pub const MAGIC: [u8; 4] = *b\"COFR\";", "container/layout.rs");
    assert_finds("left.rs", "const PAGE_MAGIC: &[u8] = b\"PAGE\";", "container/layout.rs");
    assert_finds("left.rs", "const OTHER_MAGIC: [u8; 4] =\n    *b\"PAGE\";", "line 2: a magic");
    assert_clean("left.rs", "const MAGIC: [u8; 2] = [0x28, 0xb5]; // of another format");
    assert_clean("left.rs", "fn f() -> bool { bytes == MAGIC } // unsafe, bincode");
}

#[test]
fn names() {
    assert_finds("left/util.rs", "", "`util` is no name");
    assert_finds("left/block_cache.rs", "", "`block` is no name");
    assert_finds("left.rs", "mod helpers;", "`helpers` is no name");
    assert_clean("left/unpack.rs", "mod blocked { }");
}

#[test]
fn unfinished_work() {
    for body in ["fn f() { todo!() }", "fn f() { unimplemented!(\"x\") }", "#[ignore]\nfn f() {}"] {
        assert_finds("left.rs", body, "unfinished");
    }
    assert_finds("left.rs", "#[ignore = \"slow\"]\nfn f() {}", "unfinished");
    assert_clean("left.rs", "// todo!() is not allowed\nfn f() { ignore() }");
}

#[test]
fn the_table_and_the_modules_agree() {
    let floors = Floors::parse(LIBRARY).unwrap();
    let source = |path: &str| Source { path: path.into(), text: String::new() };
    let all = ["codec.rs", "ground.rs", "left/mod.rs", "right.rs", "top/a.rs"].map(source);
    assert_eq!(floors.unlisted(LIBRARY, &all), Vec::<String>::new());
    let found = floors.unlisted(&format!("{LIBRARY}pub mod attic;\n"), &all[1..]);
    assert!(found[0].contains("attic is missing") && found[1].contains("names codec"), "{found:?}");
    assert!(Floors::parse("//! no table").is_err());
    assert!(Floors::parse("//! | 0 | `a` |\n//! | 1 | `a` |").is_err());
}

#[test]
fn the_ground_floor_has_no_cycles() {
    let floors = Floors::parse(LIBRARY).unwrap();
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let codec = source("codec.rs", "use crate::ground::A;\nuse crate::codec::B;");
    assert!(floors.findings(&codec, "codec", &codec.text).is_empty());
    let straight = [codec, source("ground.rs", "// crate::codec")];
    assert_eq!(floors.cycles(&straight), Vec::<String>::new());
    let [codec, _] = straight;
    let found = floors.cycles(&[codec, source("ground.rs", "use crate::codec;")]);
    assert!(found[0].contains("codec, ground"), "{found:?}");
}

#[test]
fn literals_and_comments_are_not_code() {
    let code = without_text(
        "a\"x\\\"y\"b'\\''c'\\u{1F600}'<'a>r#\"q\"q\"#d/* /* e */ f */g//h\ni\"\n\"j'\"'k\nfor\n",
    );
    assert_eq!(code, "a\"\"b\"\"c\"\"<'a>\"\"d g \ni\"\"\nj\"\"k\nfor\n");
    assert_eq!(without_text("b\"x\" br\"\\\" var\"y\""), "b\"\" \"\" var\"\"");
}
