//! What a run gives away and what it says: to whom secrets are shown, and of whom it says that it failed.

use crate::program::bash;
use crate::world::World;

const PICTURES: &str = r#"
[scheme.pictures]
source = "attachments"
attachments = ["{}/images"]
to = "night"
"#;

#[test]
fn no_command_line_shows_how_a_password_comes() {
    // Whoever gives the password writes down what everybody sees of it and of who asks.
    let command =
        "for id in $PPID $$; do tr '\\\\0' ' ' < /proc/$id/cmdline; echo; done >> {}/seen; cat {}/pw";
    let other = format!(
        "[container.other]\npath = \"{{}}/other.coffer\"\npassword-command = \"{command}\"\nmax-size = \"200M\"\n"
    );
    let world = World::new(&format!(
        "{other}{PICTURES}copy = [{{ to = \"other\" }}]\n[scheme.second]\nsource = \"attachments\"\n\
         attachments = [\"{{}}/images\"]\nto = \"other\"\n"
    ));
    std::fs::write(world.join("pw"), "hunter2").expect("written");
    bash(world.path(), "chmod 600 pw");
    world.done("init other.coffer --password-file pw --segment-size 1M");
    world.done("scheme run pictures");
    world.done("scheme run second");
    let seen = std::fs::read_to_string(world.join("seen")).expect("it was asked");
    assert!(seen.contains("coffer copy") && seen.contains("coffer backup"), "{seen}");
    assert!(!seen.contains("/pw"), "{seen}");
}

#[test]
fn a_command_in_a_session_of_its_own_ends_with_its_time() {
    let hook = r#"before = [{ command = "setsid --wait sleep 97.31", timeout = "1s" }]
after = [{ command = "setsid sleep 4 & echo left" }]
"#;
    let world = World::new(&format!("{PICTURES}{hook}"));
    let began = std::time::Instant::now();
    assert_eq!(world.result("scheme run pictures").0, Some(1));
    assert!(began.elapsed() < std::time::Duration::from_secs(15), "{:?}", began.elapsed());
    let run = world.records("pictures").remove(0);
    assert_eq!(run["steps"][0]["code"], "hook-timeout", "{run}");
    let found = bash(world.path(), "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' || true");
    assert!(!found.contains("97.31"), "{found}");
    let id = run["id"].as_str().expect("an id");
    let events = std::fs::read_to_string(world.join(&format!("state/runs/pictures/{id}.jsonl")));
    let events = events.expect("events");
    assert!(events.contains("still runs and holds its output"), "{events}");
}
