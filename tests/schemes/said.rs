//! What a run gives away and what it says: to whom secrets are shown, and of whom it says that it failed.

use crate::program::bash;
use crate::server::Server;
use crate::world::World;
use coffer::mysql::connection::Connection;

const PICTURES: &str = r#"
[scheme.pictures]
source = "attachments"
attachments = ["{}/images"]
to = "night"
"#;

#[test]
fn a_database_that_is_gone_is_the_servers_matter_and_no_mistake_of_who_typed_nothing() {
    let server = Server::start(&[]);
    let mut connection = Connection::open(&server.options()).expect("connected");
    for statement in ["CREATE DATABASE office", "CREATE TABLE office.patient (n INT PRIMARY KEY)"] {
        connection.execute(statement).expect(statement);
    }
    let socket = server.socket().display().to_string();
    let schemes = format!(
        "[server.main]\nsocket = \"{socket}\"\nuser = \"root\"\n[scheme.nightly]\nsource = \"database\"\n\
         databases = [\"office\"]\nto = \"night\"\n[scheme.critical]\nsource = \"tables\"\n\
         databases = [\"office\"]\ntables = [\"office.patient\"]\nto = \"night\"\n"
    );
    let world = World::new(&schemes);
    world.done("scheme run nightly");
    world.done("scheme run critical");
    let refused = |scheme: &str, words: &str| {
        let (code, result) = world.result(&format!("scheme run {scheme}"));
        let message = result["error"]["message"].as_str().expect("a message");
        assert_eq!((code, &result["error"]["code"]), (Some(13), &"database".into()), "{result}");
        assert!(message.contains(words) && message.contains("not on the server any more"), "{message}");
        let step = world.records(scheme).pop().expect("a run")["steps"][0].clone();
        assert_eq!((&step["code"], &step["exit_code"]), (&"no-database".into(), &13.into()), "{step}");
    };
    connection.execute("RENAME TABLE office.patient TO office.person").expect("renamed");
    refused("critical", "office.patient");
    connection.execute("DROP DATABASE office").expect("dropped");
    refused("nightly", "no database `office`");
    refused("critical", "no database `office`");
    // Typed by hand it is a mistake of who typed it.
    let by_hand = format!(
        "backup night.coffer --key-file key --mysql-socket {socket} --mysql-user root --database office"
    );
    let (code, result) = world.result(&by_hand);
    assert_eq!((code, &result["error"]["code"]), (Some(2), &"no-database".into()), "{result}");
}

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

#[test]
fn a_run_by_hand_that_fails_names_what_it_failed_of_and_where_the_rest_is_told() {
    let world = World::new(PICTURES);
    bash(world.path(), "mv images away");
    let output = world.run("scheme run pictures");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let run = world.records("pictures").remove(0);
    let events = world.join(&format!("state/runs/pictures/{}.jsonl", run["id"].as_str().expect("an id")));
    let parts = [
        "error[source]: scheme `pictures`, run ".to_owned(),
        format!("backup of container `night`, {}: ", world.join("night.coffer").display()),
        world.join("images").display().to_string(),
        format!("all that the run said is in {}", events.display()),
    ];
    parts.iter().for_each(|part| assert!(said.contains(part), "{part}\n{said}"));
    assert!(events.exists());
    // The record stays what can be shown to anybody.
    assert!(!run.to_string().contains("images"), "{run}");
    let log = std::fs::read_to_string(world.join("state/audit.log")).expect("a log");
    let line = log.lines().rfind(|line| line.contains("\"scheme run\"")).expect("a line");
    assert!(line.contains("\"object\":\"pictures\"") && line.contains("\"exit_code\":1"), "{line}");
}
