//! Several days of a practice with a live database: every night a good snapshot, what was slept through
//! once, and no restart makes a second.

use crate::program::bash;
use crate::server::Server;
use crate::world::{World, steps};
use coffer::mysql::connection::Connection;

#[test]
fn every_night_is_saved_whatever_the_clock_and_the_daemon_do() {
    let server = Server::start(&[]);
    let mut connection = Connection::open(&server.options()).expect("connected");
    for statement in [
        "CREATE DATABASE office",
        "CREATE TABLE office.patient (PatNum INT PRIMARY KEY, LName VARCHAR(40)) ENGINE=InnoDB",
        "INSERT INTO office.patient VALUES (1, 'Nobody'), (2, 'Somebody')",
    ] {
        connection.execute(statement).expect(statement);
    }
    let schemes = format!(
        r#"
keep = {{ last = 3 }}
[server.main]
socket = "{}"
user = "root"
[container.offsite]
path = "{{}}/offsite.coffer"
encryption = false
max-size = "200M"
[scheme.nightly]
source = "all"
databases = ["office"]
attachments = ["{{}}/images"]
to = "night"
times = ["22:00"]
verify-share = 50
copy = [{{ to = "offsite" }}]
before = [{{ command = "echo $COFFER_SCHEME $COFFER_CAUSE >> {{}}/before" }}]
after = [{{ command = "cat > {{}}/last.json; echo $COFFER_OUTCOME $COFFER_EXIT_CODE $COFFER_SNAPSHOT >> {{}}/after" }}]
"#,
        server.socket().display()
    );
    let world = World::new(&schemes);
    world.done("init offsite.coffer --no-encryption --segment-size 1M");
    let daemon = world.daemon();
    let mut run = |day: u32, time: &str, count: usize| {
        connection
            .execute(&format!("INSERT INTO office.patient VALUES ({}, 'New')", 100 + day))
            .expect("a row");
        bash(world.path(), &format!("head -c 300000 /dev/urandom > images/{day}.jpg"));
        world.set_clock(time);
        world.finished("nightly", count)
    };
    let first = run(20, "2026-11-20T22:00:10Z", 1);
    assert_eq!(first["cause"], "schedule");
    let all = ["before done", "backup done", "verify done", "prune done", "copy done", "after done"];
    let events = world.join(&format!("state/runs/nightly/{}.jsonl", first["id"].as_str().expect("an id")));
    let events = std::fs::read_to_string(events).unwrap_or_default();
    assert_eq!(
        (steps(&first), &first["outcome"]),
        (all.map(String::from).to_vec(), &"done".into()),
        "{events}"
    );
    assert_eq!(run(21, "2026-11-21T22:00:30Z", 2)["outcome"], "done");
    // The machine sleeps over two nights, and wakes in the morning.
    let late = run(24, "2026-11-24T07:00:00Z", 3);
    assert_eq!((&late["cause"], &late["slot"]), (&"catch-up".into(), &"2026-11-23T22:00:00Z".into()));
    daemon.stop();
    // A restart, the clock set back for a while, and on again.
    let daemon = world.daemon();
    for time in ["2026-11-23T21:59:00Z", "2026-11-23T22:00:00Z", "2026-11-24T08:00:00Z"] {
        world.set_clock(time);
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    assert_eq!(world.records("nightly").len(), 3, "{}", world.log());
    assert_eq!(run(25, "2026-11-24T22:00:00Z", 4)["outcome"], "done");
    daemon.stop();
    assert_eq!(world.snapshots(), 3, "by the policy of the configuration");
    world.done("verify night.coffer --key-file key");
    world.done("restore night.coffer latest --key-file key --to out --compare");
    bash(world.path(), "diff -r images out/attachments/images; grep -q 125 out/database/office.sql");
    assert_eq!(world.done("snapshots offsite.coffer")["snapshots"], 4);
    let told = std::fs::read_to_string(world.join("after")).expect("written");
    let id = world.done("snapshots night.coffer --key-file key");
    assert!(told.lines().count() == 4 && told.lines().all(|line| line.starts_with("done 0 ")), "{told} {id}");
    let before = std::fs::read_to_string(world.join("before")).expect("written");
    assert_eq!(before, "nightly schedule\nnightly schedule\nnightly catch-up\nnightly schedule\n");
    let last: serde_json::Value =
        serde_json::from_slice(&std::fs::read(world.join("last.json")).expect("there")).expect("JSON");
    assert_eq!(last["steps"][1]["result"]["snapshot"].as_str().map(str::len), Some(32), "{last}");
}
