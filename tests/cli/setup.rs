//! `coffer setup` at a terminal: `script` opens one, with everything that a terminal does, Ctrl-C too.

use crate::program::{COFFER, Place, coffer, command};
use crate::server::Server;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Whoever starts the tests in the background of a shell has Ctrl-C ignored, which is inherited.
const DEFAULT_SIGNALS: &str = "exec env --default-signal=INT";

/// A program at a terminal.
pub struct Terminal {
    child: Child,
    keys: Option<ChildStdin>,
    screen: Receiver<Vec<u8>>,
    /// Everything that was shown.
    pub shown: String,
    read: usize,
}

impl Terminal {
    /// Runs `coffer` with `arguments` in `folder`.
    pub fn run(folder: &Path, arguments: &str) -> Terminal {
        Terminal::script(folder, &format!("{DEFAULT_SIGNALS} {COFFER} {arguments}"))
    }

    /// Runs `line` of a shell in `folder`.
    pub fn script(folder: &Path, line: &str) -> Terminal {
        let mut child = command("script", folder)
            .args(["-qefc", line, "/dev/null"])
            .env("TERM", "dumb")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script opens a terminal");
        let (sender, screen) = channel();
        let mut output = child.stdout.take().expect("a pipe");
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = child.stdin.take();
        Terminal { child, keys, screen, shown: String::new(), read: 0 }
    }

    /// Waits until `words` are shown, after what was waited for before.
    #[track_caller]
    pub fn expect(&mut self, words: &str) {
        let start = Instant::now();
        loop {
            if let Some(at) = self.shown[self.read..].find(words) {
                self.read += at + words.len();
                return;
            }
            match self.screen.recv_timeout(Duration::from_millis(100)) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => {
                    assert!(start.elapsed() < Duration::from_secs(60), "no `{words}` in\n{}", self.shown)
                }
            }
        }
    }

    /// Types `text`.
    pub fn keys(&mut self, text: &str) {
        let keys = self.keys.as_mut().expect("a terminal");
        keys.write_all(text.as_bytes()).and_then(|()| keys.flush()).expect("typed");
    }

    /// Waits for `question` and types `answer`.
    #[track_caller]
    pub fn answer(&mut self, question: &str, answer: &str) {
        self.expect(question);
        // Whoever reads a password throws away what was typed before it asked.
        std::thread::sleep(Duration::from_millis(150));
        self.keys(&format!("{answer}\n"));
    }

    /// Waits for the end; the exit code.
    pub fn end(mut self) -> (i32, String) {
        let start = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status.code().unwrap_or(-1);
            }
            assert!(start.elapsed() < Duration::from_secs(120), "it does not end:\n{}", self.shown);
            std::thread::sleep(Duration::from_millis(20));
        };
        drop(self.keys.take());
        while let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(500)) {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        (code, std::mem::take(&mut self.shown))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Names of everything in `folder`.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn practice() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.join("images")).expect("folder");
    std::fs::write(place.join("images/a.jpg"), "picture").expect("written");
    place
}

const ARGUMENTS: &str = "--config etc/coffer.toml setup --no-database";

#[test]
fn questions_are_answered_at_a_terminal() {
    let place = practice();
    let mut terminal = Terminal::run(place.path(), ARGUMENTS);
    terminal.answer("name of the practice", "Bright Smiles");
    terminal.answer("folders of images", "nowhere");
    terminal.expect("cannot be read");
    terminal.answer("folders of images", "pictures=images");
    terminal.answer("file of the container", "vault/night.coffer");
    terminal.answer("longest that the container", "12 parsecs");
    terminal.answer("longest that the container", "1G");
    terminal.answer("fiscal year ends", "sep");
    terminal.answer("make a key file", "n");
    terminal.answer("new password for", "open sesame");
    terminal.answer("the same again", "open sesam");
    terminal.expect("the two passwords differ");
    terminal.answer("new password for", "open sesame");
    terminal.answer("the same again", "open sesame");
    terminal.answer("recovery code opens it", "");
    terminal.answer("days of backups", "mon-fri");
    terminal.answer("times of backups", "12:30, 22:00");
    terminal.answer("make all this?", "y");
    terminal.expect("recovery code: ");
    terminal.answer("first backup now?", "n");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("open sesame"), "a password is not shown: {shown}");
    let config = std::fs::read_to_string(place.join("etc/coffer.toml")).expect("made");
    for line in [
        "name = \"Bright Smiles\"",
        "max-size = \"1G\"",
        "keep = { policy = \"practice\", fiscal-year-end = \"sep\" }",
        "times = [\"12:30\", \"22:00\"]",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert!(config.contains("attachments = [\"pictures=/"), "{config}");
    assert!(!config.contains("sesame"));
    let stored = std::fs::read_to_string(place.join("etc/night.password")).expect("stored");
    assert_eq!(stored, "open sesame\n");
    let opened = coffer(place.path(), "stats vault/night.coffer --password-file etc/night.password");
    assert_eq!(opened.status.code(), Some(0), "{}", String::from_utf8_lossy(&opened.stderr));
}

#[test]
fn ctrl_c_at_any_question_leaves_nothing() {
    const QUESTIONS: [(&str, &str); 9] = [
        ("name of the practice", ""),
        ("folders of images", "images"),
        ("file of the container", "vault/night.coffer"),
        ("longest that the container", ""),
        ("fiscal year ends", ""),
        ("make a key file", ""),
        ("the key file", ""),
        ("recovery code opens it", "sheet.txt"),
        ("days of backups", ""),
    ];
    for broken_off in [0, 2, 6, 8, 9] {
        let place = practice();
        let mut terminal = Terminal::run(place.path(), ARGUMENTS);
        for (question, answer) in &QUESTIONS[..broken_off.min(9)] {
            terminal.answer(question, answer);
        }
        match QUESTIONS.get(broken_off) {
            Some((question, _)) => terminal.expect(question),
            None => {
                terminal.answer("times of backups", "");
                terminal.expect("make all this?");
            }
        }
        std::thread::sleep(Duration::from_millis(100));
        terminal.keys("\u{3}");
        let (code, shown) = terminal.end();
        assert_eq!(code, 130, "{shown}");
        assert_eq!(names(place.path()), ["images"], "at question {broken_off}: {shown}");
    }
}

#[test]
fn what_cannot_be_finished_is_taken_back() {
    let place = practice();
    std::fs::create_dir(place.join("etc")).expect("folder");
    // The recovery sheet's folder is a file: the container is made by then.
    std::fs::write(place.join("blocked"), "").expect("written");
    let made = coffer(
        place.path(),
        &format!(
            "{ARGUMENTS} --yes --attachments images --file vault/n.coffer --recovery-sheet blocked/sheet"
        ),
    );
    assert_eq!(made.status.code(), Some(1), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(names(place.path()), ["blocked", "etc", "images"]);
    assert_eq!(names(&place.join("etc")), [""; 0]);
}

#[test]
fn the_group_may_read_and_nobody_else() {
    use std::os::unix::fs::MetadataExt;
    let place = practice();
    let root = rustix::process::geteuid().is_root();
    let group = if root { 4711 } else { rustix::process::getegid().as_raw() };
    let arguments = format!(
        "{ARGUMENTS} --yes --attachments images --file vault/n.coffer --new-key-file etc/n.key --group {group}"
    );
    let made = coffer(place.path(), &arguments);
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let rights = |name: &str| {
        let meta = std::fs::metadata(place.join(name)).expect(name);
        (meta.mode() & 0o777, meta.gid())
    };
    let own = rustix::process::getegid().as_raw();
    assert_eq!(rights("vault"), (0o750, group));
    assert_eq!(rights("vault/n.coffer"), (0o640, group));
    assert_eq!(rights("etc/coffer.toml"), (0o640, group));
    assert_eq!(rights("etc/n.key"), (0o600, own));
    for arguments in [
        "backup vault/n.coffer --attachments images",
        "backup vault/n.coffer --attachments images --read-all",
        "prune vault/n.coffer --keep-last 1",
        "repair vault/n.coffer",
        "key rotate vault/n.coffer --drop-others",
        "set vault/n.coffer --max-size 100M",
    ] {
        let done = coffer(place.path(), &format!("{arguments} --key-file etc/n.key"));
        assert_eq!(done.status.code(), Some(0), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(rights("vault/n.coffer"), (0o640, group), "{arguments}");
    }
}

/// A server with tables that look like Open Dental, and a database that is none.
fn dental() -> Server {
    let server = Server::start(&[]);
    server.client(
        "",
        "CREATE DATABASE opendental; CREATE DATABASE other; USE opendental;
         CREATE TABLE patient (PatNum INT PRIMARY KEY, LName VARCHAR(50)) ENGINE=MyISAM;
         INSERT INTO patient VALUES (1, 'Adams');
         CREATE TABLE securitylog (SecurityLogNum INT PRIMARY KEY) ENGINE=InnoDB;
         CREATE TABLE document (DocNum INT PRIMARY KEY, FileName VARCHAR(50)) ENGINE=InnoDB;
         CREATE TABLE procedurelog (ProcNum INT PRIMARY KEY) ENGINE=InnoDB;
         CREATE TABLE preference (PrefName VARCHAR(50), ValueString TEXT) ENGINE=InnoDB;",
    );
    server
}

#[test]
fn a_practice_with_a_database_is_set_up_and_its_user_has_what_a_backup_needs() {
    let (place, server) = (practice(), dental());
    let images = place.join("images").canonicalize().expect("a path");
    server
        .client("opendental", &format!("INSERT INTO preference VALUES ('DocPath', '{}')", images.display()));
    let socket = server.socket().display().to_string();
    let arguments = format!("--config etc/coffer.toml setup --mysql-socket {socket} --mysql-user root");
    let mut terminal = Terminal::run(place.path(), &arguments);
    terminal.answer("name of the practice", "");
    terminal.answer("databases to save", "opendentla");
    terminal.expect("has no database `opendentla`");
    terminal.answer("databases to save", "opendental");
    terminal.answer("looks like open-dental", "");
    terminal.answer("or none [coffer]", "");
    terminal.answer("folders of images", "");
    terminal.answer("file of the container", "vault/night.coffer");
    terminal.answer("longest that the container", "");
    terminal.answer("fiscal year ends", "");
    terminal.answer("make a key file", "");
    terminal.answer("the key file", "");
    terminal.answer("recovery code opens it", "sheet.txt");
    terminal.answer("days of backups", "");
    terminal.answer("times of backups", "");
    terminal.expect("CREATE USER `coffer`@`localhost` IDENTIFIED BY '…';");
    terminal.expect("GRANT ");
    terminal.answer("make all this?", "");
    terminal.answer("first backup now?", "n");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    let config = std::fs::read_to_string(place.join("etc/coffer.toml")).expect("made");
    for line in
        ["databases = [\"opendental\"]", "profile = \"open-dental\"", "user = \"coffer\"", "source = \"all\""]
    {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert!(config.contains(&format!("attachments = [\"{}\"]", images.display())), "{config}");
    // No server answers to the doctor but the one of the configuration.
    let doctor = coffer(place.path(), "--config etc/coffer.toml doctor --json");
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert_eq!(doctor.status.code(), Some(3), "{said}");
    assert!(
        said.contains("\"check\":\"server\",\"message\":\"scheme `nightly`") && said.contains("never-run"),
        "{said}"
    );
    assert!(said.contains("profile Open Dental means what is not there: patient.HmPhone"), "{said}");
    let backup = format!(
        "backup vault/night.coffer --key-file etc/night.key --database opendental --attachments images \
         --mysql-socket {socket} --mysql-user coffer --mysql-password-file etc/coffer.dbpw"
    );
    let done = coffer(place.path(), &backup);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let grants = server.client("", "SHOW GRANTS FOR coffer@localhost");
    assert!(!grants.contains("ALL PRIVILEGES") && !grants.contains("INSERT"), "{grants}");
    server.client("", "REVOKE RELOAD ON *.* FROM coffer@localhost");
    let doctor = coffer(place.path(), "--config etc/coffer.toml doctor");
    assert_eq!(doctor.status.code(), Some(13), "{}", String::from_utf8_lossy(&doctor.stdout));
}

#[test]
fn a_database_user_goes_again_with_everything_else() {
    let (place, server) = (practice(), dental());
    std::fs::write(place.join("blocked"), "").expect("written");
    let socket = server.socket().display().to_string();
    let answers = format!(
        "database = [\"opendental\"]\nno-attachments = true\nfile = \"vault/n.coffer\"\nnew-key-file = \"keys/n.key\"\n\
         new-database-user = \"coffer\"\nrecovery-sheet = \"blocked/sheet\"\n[server]\nsocket = \"{socket}\"\nuser = \"root\"\n"
    );
    std::fs::write(place.join("answers.toml"), answers).expect("written");
    let made = coffer(place.path(), "--config etc/coffer.toml setup --answers answers.toml");
    assert_eq!(made.status.code(), Some(1), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(names(place.path()), ["answers.toml", "blocked", "images"]);
    assert_eq!(server.value("SELECT COUNT(*) FROM mysql.user WHERE User = 'coffer'").as_deref(), Some("0"));
}
