//! Edits that keep what people wrote.

use super::*;
use crate::schemes::config::EXAMPLE;
use proptest::prelude::*;

fn draft(text: &str) -> Draft {
    Draft::of(Path::new("/nonexistent/coffer.toml"), Some(text.to_owned())).expect("TOML")
}

fn text(value: &str) -> Setting {
    Setting::Text(value.to_owned())
}

#[test]
fn a_key_is_changed_and_its_remark_stays() {
    let mut draft = draft(EXAMPLE);
    draft
        .put("scheme", Some("nightly"), &[("to", text("pictures")), ("level", Setting::Number(9))], "")
        .expect("put");
    let after = draft.text();
    let changed: Vec<(&str, &str)> = EXAMPLE.lines().zip(after.lines()).filter(|(a, b)| a != b).collect();
    assert_eq!(
        changed,
        [
            ("to = \"night\"", "to = \"pictures\""),
            (
                "level = 6                                # zstd, 1 fast to 22 small",
                "level = 9                                # zstd, 1 fast to 22 small"
            )
        ]
    );
    draft.config().expect("good");
}

#[test]
fn new_sections_stand_with_their_like() {
    let mut draft = draft(EXAMPLE);
    let settings = [
        ("source", text("attachments")),
        ("attachments", Setting::Texts(vec!["x=/srv/x".into()])),
        ("to", text("pictures")),
        ("keep", Setting::Keys(vec![("daily".into(), Setting::Number(3))])),
        ("copy", Setting::List(vec![vec![("rotation".into(), text("week"))]])),
        ("verify-share", Setting::Share(2.5)),
        ("calendar", Setting::Absent),
    ];
    draft.put("scheme", Some("weekly"), &settings, "what the office asked for").expect("put");
    let after = draft.text();
    let section = "\n# what the office asked for\n[scheme.weekly]\nsource = \"attachments\"\nattachments = [\"x=/srv/x\"]\n\
                   to = \"pictures\"\nkeep = { daily = 3 }\ncopy = [{ rotation = \"week\" }]\nverify-share = 2.5\n";
    assert_eq!(after.replace(section, ""), EXAMPLE);
    assert!(after.find("[scheme.weekly]") < after.find("[notify.office]"));
    draft.config().expect("good");
    draft.remove("scheme", "weekly").expect("there");
    assert_eq!(draft.text(), EXAMPLE);
    let error = draft.remove("scheme", "nigthly").expect_err("none");
    assert!(error.remedy().is_some_and(|hint| hint.contains("`nightly`")));
}

#[test]
fn a_file_is_begun_and_every_way_to_write_sections_is_met() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("etc/coffer.toml");
    let mut new = Draft::begin(&path).expect("none yet");
    assert!(new.is_new() && Draft::open(&path).is_err());
    new.put("practice", None, &[("name", text("Bright \"Smiles\""))], "").expect("put");
    let container = [("path", text("/c")), ("encryption", Setting::Flag(false)), ("max-size", text("1G"))];
    new.put("container", Some("c"), &container, "the night").expect("put");
    let config = new.save(Owner::PRIVATE).expect("saved");
    assert_eq!(config.practice.name.as_deref(), Some("Bright \"Smiles\""));
    assert!(new.text().contains("\n\n# the night\n[container.c]\n"), "{}", new.text());
    for written in [
        "version = 1\ncontainer = { c = { path = \"/c\", encryption = false } }\n",
        "version = 1\ncontainer.c.path = \"/c\"\ncontainer.c.encryption = false\n",
        "version = 1\n[container]\nc = { path = \"/c\", encryption = false }\n",
    ] {
        let mut draft = draft(written);
        draft.put("container", Some("c"), &[("max-size", text("2G"))], "").expect("put");
        assert_eq!(draft.config().expect(written).container["c"].max_size.map(|size| size.0), Some(2 << 30));
    }
    assert!(draft("version = 1\n").put("version", Some("x"), &[], "").is_err());
}

#[test]
fn a_container_that_would_fill_its_disk_is_refused_when_it_is_written() {
    let mut changed = draft(EXAMPLE);
    changed.put("container", Some("pictures"), &[("max-size", Setting::Absent)], "").expect("put");
    let error = changed.config().expect_err("nothing bounds it");
    let line = changed.text().split("[container.pictures]").next().expect("before").lines().count() + 1;
    assert_eq!(
        error.message(),
        format!(
            "/nonexistent/coffer.toml, line {line}, column 1: container `pictures`: nothing says how long backups \
             are kept, nor how large it may become: its disk would fill"
        )
    );
    assert!(error.remedy().is_some_and(|hint| hint.contains("max-size = \"200G\"")));
    // What is so already stops no other change; the container may have limits of its own.
    let mut other = draft(&changed.text());
    other.put("scheme", Some("nightly"), &[("level", Setting::Number(1))], "").expect("put");
    other.config().expect("no worse than before");
}

#[test]
fn two_who_change_it_lose_nothing_and_the_mode_stays() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("coffer.toml");
    std::fs::write(&path, EXAMPLE).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("changed");
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let (mut first, mut second) = (Draft::open(&link).expect("there"), Draft::open(&path).expect("there"));
    first.put("scheme", Some("nightly"), &[("enabled", Setting::Flag(false))], "").expect("put");
    second.put("scheme", Some("nightly"), &[("level", Setting::Number(1))], "").expect("put");
    first.save(Owner::PRIVATE).expect("saved");
    assert_eq!(second.save(Owner::PRIVATE).expect_err("late").kind(), Kind::Busy);
    assert_eq!(std::fs::read_to_string(&path).expect("read"), first.text());
    assert!(link.is_symlink() && Owner::of(&path).expect("there").mode == 0o640);
    let mut wrong = Draft::open(&path).expect("there");
    wrong.put("scheme", Some("nightly"), &[("to", text("nowhere"))], "").expect("put");
    assert_eq!(wrong.save(Owner::PRIVATE).expect_err("wrong").kind(), Kind::Usage);
    assert_eq!(std::fs::read_to_string(&path).expect("read"), first.text());
    assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 2, "nothing is left beside it");
}

/// A random edit of the example: a section and a key of it.
fn edit() -> impl Strategy<Value = (&'static str, &'static str, &'static str, Setting)> {
    let words = "[a-z \"#=\\[\\]\\\\\u{e9}]{0,12}";
    prop_oneof![
        (prop_oneof![Just("nightly"), Just("pictures"), Just("critical")], any::<bool>())
            .prop_map(|(name, flag)| ("scheme", name, "enabled", Setting::Flag(flag))),
        (prop_oneof![Just("nightly"), Just("critical")], 1..=22_i64).prop_map(|(name, level)| (
            "scheme",
            name,
            "level",
            Setting::Number(level)
        )),
        words.prop_map(|word| ("server", "main", "user", Setting::Text(word))),
        proptest::collection::vec(words, 0..3).prop_map(|words| (
            "scheme",
            "nightly",
            "exclude",
            Setting::Texts(words)
        )),
        (1..90_i64).prop_map(|days| {
            let keys = vec![("daily".to_owned(), Setting::Number(days))];
            ("container", "night", "keep", Setting::Keys(keys))
        }),
        Just(("scheme", "nightly", "level", Setting::Absent)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is edited, in whatever order: all other lines, with all remarks, stay as they were.
    #[test]
    fn edits_keep_everything_else(edits in proptest::collection::vec(edit(), 1..8)) {
        let mut draft = draft(EXAMPLE);
        for (kind, name, key, setting) in &edits {
            draft.put(kind, Some(name), &[(key, setting.clone())], "").expect("put");
        }
        let touched = ["enabled =", "level =", "user = ", "exclude = ", "daily = "];
        let others = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !touched.iter().any(|key| line.starts_with(key))).map(str::to_owned).collect()
        };
        let after = draft.text();
        prop_assert_eq!(others(EXAMPLE), others(&after));
        draft.config().expect("still good");
        if !edits.iter().any(|edit| edit.3 == Setting::Absent) {
            let remarks = |text: &str| text.lines().filter_map(|line| line.rsplit_once(" # ")).count();
            prop_assert!(remarks(&after) >= remarks(EXAMPLE));
        }
    }
}
