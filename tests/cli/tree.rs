//! The whole tree of commands: each helps, and each ends a JSON run with exactly one `result` whose
//! exit code is that of the process.

use crate::program::{COFFER, Place, bash, coffer, command, done, result};
use crate::server::Server;
use clap::CommandFactory;
use coffer::cli::args::Arguments;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn leaves(command: &clap::Command, name: &str, found: &mut Vec<String>) {
    let below: Vec<&clap::Command> = command.get_subcommands().collect();
    if below.is_empty() {
        found.push(name.to_owned());
    }
    for sub in below {
        leaves(sub, format!("{name} {}", sub.get_name()).trim(), found);
    }
}

/// How many commands below `command` have commands of their own.
fn groups(command: &clap::Command) -> usize {
    let below = command.get_subcommands().filter(|sub| sub.has_subcommands());
    below.map(|sub| 1 + groups(sub)).sum()
}

/// What each command is run with, to succeed, in the order of the list.
const RUNS: &[(&str, &str)] = &[
    ("init", "c --new-key-file k"),
    ("backup", "c --dump d.sql --attachments folder"),
    ("snapshots", "c"),
    ("ls", "c latest"),
    ("find", "c *.txt"),
    ("diff", "c latest latest"),
    ("stats", "c"),
    ("restore", "c latest --to out"),
    ("verify", "c"),
    ("repair", "c"),
    ("pin", "c latest --reason audit"),
    ("unpin", "c latest"),
    ("prune", "c --keep practice"),
    ("setup", "--example"),
    ("scheme list", "--config p/coffer.toml"),
    ("scheme add", "noon --config p/coffer.toml --source database --database d --to night"),
    ("scheme edit", "noon --config p/coffer.toml --at-times 12:30"),
    ("scheme disable", "noon --config p/coffer.toml"),
    ("scheme enable", "noon --config p/coffer.toml"),
    ("scheme remove", "noon --config p/coffer.toml"),
    ("doctor", "--mysql-socket SOCKET --mysql-user root"),
    ("drill", "c --no-database --report drill.html"),
    (
        "remove-old-data plan",
        "c --mysql-socket SOCKET --mysql-user root --profile old.toml --before 2020-01-01",
    ),
    (
        "remove-old-data apply",
        "c --mysql-socket SOCKET --mysql-user root --profile old.toml --before 2020-01-01 --backup --yes",
    ),
    ("migrate plan", "c --mysql-socket SOCKET --mysql-user root --database p"),
    ("migrate restore", "c --mysql-socket SOCKET --mysql-user root --replace --yes"),
    ("dump-format", "c"),
    ("key list", "c"),
    ("key add", "c --new-recovery-code"),
    ("key change", "c 2 --new-recovery-code"),
    ("key remove", "c 2"),
    ("init", "c2 --key-file k --copy-of c --no-snapshots"),
    ("copy", "c --to c2"),
    ("export", "c latest --to c3"),
    ("rotation add", "tree --member monday=c2"),
    ("rotation list", ""),
    ("rotation due", "tree"),
    ("rotation remove", "tree"),
    ("key rotate", "c"),
    ("set", "c --max-size 100M"),
    ("scheme run", "pictures --config q/coffer.toml"),
    ("service install", "--root r --config q/coffer.toml"),
    ("service remove", "--root r"),
    ("status", "--config p/coffer.toml"),
    ("emergency-sheet", "--config p/coffer.toml --output sheet.html"),
    ("report", "--config p/coffer.toml --output report.html"),
    ("audit verify", "--config p/coffer.toml"),
    ("audit list", "--config p/coffer.toml"),
    ("notify test", "--config p/coffer.toml"),
    ("demo", "--nights 1"),
    ("completions", "bash"),
    ("man", "pages"),
];

#[test]
fn every_command_is_run_here() {
    Arguments::command().debug_assert();
    let mut known = Vec::new();
    leaves(&Arguments::command(), "", &mut known);
    let runs: BTreeMap<_, _> = RUNS.iter().copied().collect();
    // It does not end by itself; tests/schemes runs it.
    known.retain(|name| name != "daemon");
    known.sort();
    assert_eq!(known, runs.keys().copied().collect::<Vec<_>>());
}

fn prepared() -> Place {
    let place = Place::new();
    bash(place.path(), "mkdir folder; echo a > folder/a.txt; echo dump > d.sql");
    configured(&place);
    let config = format!(
        "version = 1\n[practice]\nstate = \"{0}/q/state\"\n[container.own]\npath = \"{0}/q/own\"\n\
         encryption = false\nmax-size = \"1G\"\n[scheme.pictures]\nsource = \"attachments\"\nattachments = [\"{0}/folder\"]\n\
         to = \"own\"\ntimes = [\"22:00\"]\n",
        place.path().display()
    );
    std::fs::create_dir(place.join("q")).expect("a folder");
    std::fs::write(place.join("q/coffer.toml"), config).expect("written");
    done(place.path(), "init q/own --no-encryption");
    place
}

/// A configuration, with a run of its scheme that went well, so that all is well there.
fn configured(place: &Place) {
    let config = format!(
        "version = 1\n[practice]\nstate = \"{0}/p/state\"\n[server.main]\n[container.night]\npath = \"{0}/c\"\n\
         key-file = \"{0}/k\"\n[scheme.nightly]\nsource = \"database\"\ndatabases = [\"d\"]\nto = \"night\"\noverdue-after = \"36500d\"\n\
         [notify.own]\nkind = \"command\"\ncommand = \"cat > {0}/p/told\"\n",
        place.path().display()
    );
    let step = serde_json::json!({
        "step": "backup", "target": "night", "started": "2026-10-01T22:00:00Z", "elapsed_ms": 1,
        "outcome": "done", "exit_code": 0, "code": null, "message": null, "warnings": {}, "result": {},
    });
    let run = serde_json::json!({
        "version": 1, "id": "20261001T220000Z", "scheme": "nightly", "cause": "manual", "slot": null,
        "attempt": 1, "who": "root@office", "started": "2026-10-01T22:00:00Z",
        "finished": "2026-10-01T22:00:01Z", "outcome": "done", "steps": [step],
    });
    let runs = place.join("p/state/runs/nightly");
    std::fs::create_dir_all(&runs).expect("made");
    std::fs::write(runs.join("20261001T220000Z.json"), run.to_string()).expect("written");
    std::fs::write(place.join("p/coffer.toml"), config).expect("written");
}

#[test]
fn every_command_ends_with_one_result() {
    let place = prepared();
    let server = Server::start(&[]);
    let socket = server.socket().display().to_string();
    server.client("", "CREATE DATABASE p; CREATE TABLE p.log (n INT PRIMARY KEY, at DATETIME); INSERT INTO p.log VALUES (1,'2019-01-01');");
    std::fs::write(place.join("old.toml"), "name='p'\n[[old-data]]\ntable='log'\ndate='at'\n")
        .expect("profile");
    for (name, arguments) in RUNS {
        let arguments = arguments.replace("SOCKET", &socket);
        let key = if ["init", "demo", "completions", "man"].contains(name) { "" } else { "--key-file k" };
        // Before or behind the command: the place of a global makes no difference.
        for line in
            [format!("--json {key} {name} --dry-run {arguments}"), format!("{name} {arguments} {key} --json")]
        {
            let mut coffer = command(COFFER, place.path());
            coffer.args(line.split_whitespace()).env("COFFER_STATE_DIR", place.join("p/state"));
            let output = coffer.output().expect("coffer runs");
            let found = result(&output.stdout);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(found["status"], "done", "coffer {line}: {found}\n{said}");
            assert_eq!(output.status.code().map(i64::from), found["exit_code"].as_i64(), "coffer {line}");
            assert_eq!(found["command"], *name);
            assert_eq!(found["version"], 1);
        }
    }
}

#[test]
fn failures_end_with_one_result_too() {
    let place = prepared();
    for (line, code) in [
        ("backup --json", 2),
        ("backup c --json --bogus", 2),
        ("--json", 2),
        ("--json nonsense", 2),
        ("snapshots missing --json", 10),
        ("verify d.sql --json", 15),
        ("key list d.sql --json", 15),
        ("--json restore c latest --to out", 10),
    ] {
        let output = coffer(place.path(), line);
        let found = result(&output.stdout);
        assert_eq!(
            (output.status.code(), found["exit_code"].as_i64()),
            (Some(code), Some(code.into())),
            "{line}"
        );
        assert!(found["error"]["message"].is_string(), "{line}: {found}");
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = prepared();
    let list = || bash(place.path(), "find . -type f -exec sha256sum {} + | sort; find . | sort");
    let before = list();
    done(place.path(), "init c --new-key-file k --dry-run");
    done(place.path(), "man pages --dry-run");
    assert_eq!(list(), before);
    done(place.path(), "init c --new-key-file k --recovery-code");
    done(place.path(), "init c2 --key-file k --copy-of c");
    done(place.path(), "backup c --key-file k --dump d.sql");
    let before = list();
    for line in [
        "backup c --dump d.sql --attachments folder",
        "restore c latest --to out",
        "key add c --new-key-file k2",
        "key change c 2 --new-key-file k2",
        "key remove c 2",
        "key rotate c --drop-others",
        "set c --max-size 100M --keep practice",
        "repair c",
        "pin c latest",
        "prune c --keep-last 1",
        "copy c --to c2",
        "export c latest --to c3",
        "init c3 --copy-of c",
        "rotation add tree-dry --member monday=c2",
    ] {
        done(place.path(), &format!("{line} --key-file k --dry-run"));
        assert_eq!(list(), before, "coffer {line} --dry-run");
    }
}

#[test]
fn help_manual_and_completions_are_made() {
    let place = Place::new();
    let mut known = Vec::new();
    leaves(&Arguments::command(), "", &mut known);
    for name in known.iter().map(String::as_str).chain([
        "",
        "key",
        "rotation",
        "audit",
        "migrate",
        "notify",
        "remove-old-data",
    ]) {
        let help = done(place.path(), &format!("{name} --help"));
        assert!(help.contains("Usage: coffer") && help.contains("--json"), "{name}: {help}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(done(place.path(), &format!("completions {shell}")).contains("coffer"));
    }
    done(place.path(), "man pages");
    let pages = std::fs::read_dir(place.join("pages")).expect("pages").count();
    assert_eq!(
        pages,
        known.len() + 1 + groups(&Arguments::command()),
        "one for each command, for each group of commands, and for `coffer`"
    );
    assert!(done(place.path(), "--version").starts_with("coffer "));
}

#[test]
fn a_reader_who_leaves_stops_nothing() {
    let place = prepared();
    bash(place.path(), "for i in $(seq 3000); do echo $i > folder/file-with-a-long-name-$i; done");
    done(place.path(), "init c --no-encryption");
    done(place.path(), "backup c --attachments folder");
    for arguments in ["ls c latest --json", "ls c latest"] {
        let mut child = command(COFFER, place.path())
            .args(arguments.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("coffer runs");
        let mut line = String::new();
        BufReader::with_capacity(64, child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
