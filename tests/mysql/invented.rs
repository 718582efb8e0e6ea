//! Invented databases: random walks through what a server takes, there and back by both ways, compared
//! exactly, and again after another night. The seed is fixed, and named by what fails; COFFER_SEED
//! chooses another.

mod columns;
mod walk;
mod words;

use crate::compare::differences;
use crate::random::{scale, seed};
use crate::server::Server;
use crate::trial::exits;
use std::collections::BTreeMap;
use std::path::Path;
use walk::Walk;

const OPTIONS: [&str; 3] = ["--local-infile=1", "--event-scheduler=OFF", "--default-time-zone=+05:30"];

/// What a walk did, for whoever looks for a cause.
struct Story {
    seed: u64,
    database: String,
    done: Vec<String>,
}

/// Loads the files as people do.
fn load(folder: &Path, server: &Server) {
    for entry in std::fs::read_dir(folder.join("database")).expect("folder") {
        let path = entry.expect("entry").path();
        let sql = std::fs::read(&path).expect("file");
        server.try_client("", &sql).unwrap_or_else(|said| panic!("{}: {said}", path.display()));
    }
}

/// Fails with all differences; what was done stands in a file then.
#[track_caller]
fn assert_equal(stories: &[Story], first: &Server, other: &Server, way: &str) {
    let mut said = String::new();
    for Story { seed, database, done } in stories {
        let found = differences((&mut first.connect(), database), (&mut other.connect(), database));
        if !found.is_empty() {
            let path = format!("{}/invented-{seed}.sql", env!("CARGO_TARGET_TMPDIR"));
            std::fs::write(&path, done.join(";\n")).expect("story");
            said += &format!("COFFER_SEED={seed}, {path}:\n{}\n", found.join("\n"));
        }
    }
    assert!(said.is_empty(), "{way}:\n{said}");
}

#[test]
fn invented_databases_come_back() {
    let [first, second, third] = [(); 3].map(|()| Server::start(&OPTIONS));
    let mut taken: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
    let mut stories = Vec::new();
    let (mut conns, seeds): (Vec<_>, Vec<_>) =
        (0..scale(8, 200)).map(|n| (first.connect(), seed() + n)).unzip();
    let mut walks = Vec::new();
    for (conn, seed) in conns.iter_mut().zip(&seeds) {
        let mut walk = Walk::begin(conn, &format!("invented `{seed}`"), *seed);
        walk.years();
        walks.push(walk);
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path();
    exits(path, &first, "init c --no-encryption", 0);
    for night in ["first", "second"] {
        for (walk, seed) in walks.iter().zip(&seeds) {
            stories.push(Story {
                seed: *seed,
                database: format!("invented `{seed}`"),
                done: walk.done.clone(),
            });
        }
        exits(path, &first, "backup c --all-databases", 0);
        exits(path, &second, "restore c latest --to-server --replace --yes", 0);
        assert_equal(&stories, &first, &second, &format!("{night} night, over a connection"));
        exits(path, &first, &format!("restore c latest --to {night}"), 0);
        for story in &stories {
            third.sql(&format!(
                "DROP DATABASE IF EXISTS {}",
                coffer::mysql::identifier::quote(&story.database)
            ));
        }
        load(&path.join(night), &third);
        assert_equal(&stories, &first, &third, &format!("{night} night, by files"));
        stories.clear();
        walks.iter_mut().for_each(Walk::night);
    }
    for walk in &walks {
        for (kind, counts) in &walk.taken {
            let sum = taken.entry(kind).or_default();
            (0..2).for_each(|n| sum[n] += counts[n]);
        }
    }
    // A walk on which the server refuses most steps would show nothing.
    eprintln!("{taken:?}");
    assert!(taken.len() == 13 && taken.values().all(|[yes, no]| yes * 3 > *no), "{taken:?}");
}
