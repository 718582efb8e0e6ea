//! A private database server: its data, socket and log stand in a folder of its own, only this user
//! reaches it, and it never outlives the program. It promises to end no process but its own, by its
//! number, and to remove its folder, also if this program is killed.

use crate::crypto::{Entropy, SystemEntropy};
use crate::error::{Error, Kind, Result};
use crate::mysql::connection::Connection;
use crate::mysql::facts::Vendor;
use crate::mysql::options::ServerOptions;
use crate::mysql::sources::login_name;
use crate::progress::Progress;
use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to answer after its start.
const PATIENCE: Duration = Duration::from_secs(180);
/// The longest path that a socket may have, by the system.
const MAX_SOCKET_BYTES: usize = 100;
/// Where administrators' programs stand that `PATH` may lack.
const MORE_FOLDERS: [&str; 5] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/usr/local/mysql/bin", "/sbin"];
/// What it is started with: nothing of it must survive a power cut, no event runs, no log is kept.
const SETTINGS: [&str; 13] = [
    "--skip-networking",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=128M",
    "--key-buffer-size=32M",
    "--performance-schema=0",
    "--max-allowed-packet=1G",
    "--event-scheduler=OFF",
    "--local-infile=1",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    // A MySQL that stands alone has no folder for files, and would open a port and a socket more.
    "--secure-file-priv=",
    "--loose-mysqlx=0",
];

/// A folder that goes away with the value.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a new folder, for this user only, in `parent` (else where temporary files go).
    pub fn create(parent: Option<&Path>, prefix: &str) -> Result<Folder> {
        let mut random = [0; 8];
        SystemEntropy.fill(&mut random)?;
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        // Other programs that get the path work in folders of their own.
        let parent = parent.canonicalize().map_err(|cause| {
            Error::io(Kind::Destination, format!("{}: cannot be used", parent.display()), cause)
        })?;
        let path = parent.join(format!("{prefix}-{:016x}", u64::from_le_bytes(random)));
        DirBuilder::new().mode(0o700).create(&path).map_err(|cause| {
            Error::io(Kind::Destination, format!("{}: cannot be made", path.display()), cause)
        })?;
        Ok(Folder(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in a folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running server.
pub struct ScratchServer {
    server: Child,
    // Removed after the server has ended, and before the guard goes.
    folder: Folder,
    guard: Guard,
}

/// A server's program and who made it, if the machine has one: of `vendor` if there is one.
fn program(vendor: Option<Vendor>) -> Option<(PathBuf, Vendor)> {
    let there = ["mariadbd", "mysqld"].into_iter().filter_map(find);
    let mut known: Vec<(PathBuf, Vendor)> =
        there.filter_map(|path| vendor_of(&path).map(|vendor| (path, vendor))).collect();
    known.sort_by_key(|(_, own)| vendor.is_some_and(|vendor| vendor != *own));
    known.into_iter().next()
}

/// Who made a server's program; `None`: it does not start.
fn vendor_of(program: &Path) -> Option<Vendor> {
    let output = Command::new(program).args(["--no-defaults", "--version"]).stdin(Stdio::null()).output();
    let said = output.ok().filter(|output| output.status.success())?.stdout;
    let is_mariadb = String::from_utf8_lossy(&said).contains("MariaDB");
    Some(if is_mariadb { Vendor::MariaDb } else { Vendor::MySql })
}

/// A program by name, on the path or where administrators' programs stand.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(MORE_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

impl ScratchServer {
    /// Starts one in a new folder in `parent`, of `vendor` if the machine has one of both;
    /// `case` is its `lower_case_table_names`.
    ///
    /// Errors: [`Kind::Database`] if the machine has no server's program or it does not start.
    pub fn start(
        parent: Option<&Path>,
        case: Option<u8>,
        vendor: Option<Vendor>,
        progress: &Progress,
    ) -> Result<ScratchServer> {
        let (program, vendor) = program(vendor).ok_or_else(|| {
            Error::new(Kind::Database, "this machine has no mariadbd or mysqld")
                .hint("install mariadb-server, or name a server with --to-server and --mysql-…")
        })?;
        let folder = Folder::create(parent, "coffer-scratch")?;
        if folder.path().as_os_str().len() + "/sock".len() > MAX_SOCKET_BYTES {
            let message = format!("{}: too long a path for a socket", folder.path().display());
            return Err(Error::new(Kind::Usage, message).hint("choose a shorter one with --scratch-dir"));
        }
        let case = case.filter(|case| *case <= 1).map(|case| format!("--lower-case-table-names={case}"));
        let mut guard = Guard::start(folder.path())?;
        install(&program, vendor, folder.path(), case.as_deref())?;
        let mut command = Command::new(&program);
        command.args(arguments(folder.path())).args(SETTINGS).args(case).env("TZ", "UTC");
        let server = quiet(&mut command).map_err(|cause| failed(&program, cause))?;
        let told = guard.watch(Some(server.id()));
        let mut scratch = ScratchServer { server, folder, guard };
        told?;
        scratch.wait(progress)?;
        Ok(scratch)
    }

    /// How to reach it.
    pub fn options(&self) -> ServerOptions {
        ServerOptions {
            socket: Some(self.folder.path().join("sock")),
            user: Some("root".into()),
            ..ServerOptions::default()
        }
    }

    /// Its folder, for files that go with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn wait(&mut self, progress: &Progress) -> Result<()> {
        let began = Instant::now();
        loop {
            let refusal = match Connection::open(&self.options()) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            progress.check()?;
            let has_ended = matches!(self.server.try_wait(), Ok(Some(_)));
            if has_ended || began.elapsed() > PATIENCE {
                let message = format!("the scratch server does not start: {}", self.last_words());
                return Err(Error::new(Kind::Database, message).because(refusal));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The last error in its log.
    fn last_words(&self) -> String {
        let log = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let line = log.lines().rev().find(|line| line.contains("[ERROR]")).or(log.lines().last());
        line.unwrap_or("it says nothing").to_owned()
    }
}

impl Drop for ScratchServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        // The number may be another's from now on. The folder goes before the guard does.
        let _ = self.guard.watch(None);
    }
}

fn arguments(folder: &Path) -> Vec<String> {
    let at = |option: &str, name: &str| format!("--{option}={}", folder.join(name).display());
    vec![
        "--no-defaults".into(),
        format!("--user={}", login_name().unwrap_or_else(|| "root".into())),
        at("datadir", "data"),
        at("tmpdir", "tmp"),
        at("socket", "sock"),
        at("pid-file", "pid"),
        at("log-error", "log"),
    ]
}

/// Makes the data folder.
fn install(program: &Path, vendor: Vendor, folder: &Path, case: Option<&str>) -> Result<()> {
    for name in ["data", "tmp"] {
        let path = folder.join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(|cause| {
            Error::io(Kind::Destination, format!("{}: cannot be made", path.display()), cause)
        })?;
    }
    let mut command = match vendor {
        Vendor::MariaDb => {
            let installer =
                ["mariadb-install-db", "mysql_install_db"].into_iter().find_map(find).ok_or_else(|| {
                    Error::new(Kind::Database, "this machine has mariadbd but no mariadb-install-db")
                        .hint("install mariadb-server, or name a server with --to-server and --mysql-…")
                })?;
            let mut command = Command::new(installer);
            let basics = arguments(folder).into_iter().take(3);
            command.args(basics).args([
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ]);
            command
        }
        Vendor::MySql => {
            let mut command = Command::new(program);
            let basics = arguments(folder).into_iter().take(3);
            command.args(basics).args(["--initialize-insecure", "--secure-file-priv="]).args(case);
            command
        }
    };
    let output =
        command.stdin(Stdio::null()).process_group(0).output().map_err(|cause| failed(program, cause))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let is_reason = |line: &&str| line.contains("[ERROR]") && !line.ends_with("Aborting");
            let line =
                said.lines().rev().find(is_reason).or(said.lines().last()).unwrap_or("it says nothing");
            Err(Error::new(
                Kind::Database,
                format!("the scratch server's data folder cannot be made: {line}"),
            ))
        }
    }
}

/// A shell that ends the server and removes its folder once this program is gone: its input ends then.
struct Guard(Child);

impl Guard {
    fn start(folder: &Path) -> Result<Guard> {
        let script = "server=; while read -r line; do server=$line; done; [ -z \"$server\" ] || kill -9 \"$server\"; \
                      for try in 1 2 3 4 5; do sleep 1; rm -rf \"$1\"; done";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "coffer-guard"]).arg(folder).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Guard).map_err(|cause| failed(Path::new("/bin/sh"), cause))
    }

    /// Tells it the server's number, or that there is none.
    fn watch(&mut self, server: Option<u32>) -> Result<()> {
        let number = server.map(|number| number.to_string()).unwrap_or_default();
        let told = self.0.stdin.as_mut().map_or(Ok(()), |input| writeln!(input, "{number}"));
        told.map_err(|cause| failed(Path::new("/bin/sh"), cause))
    }

    fn dismiss(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.dismiss();
    }
}

/// Starts a program that a signal to this one's group does not reach.
fn quiet(command: &mut Command) -> std::io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn()
}

fn failed(program: &Path, cause: std::io::Error) -> Error {
    Error::io(Kind::Database, format!("{}: cannot be started", program.display()), cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_go_away() {
        let folder = Folder::create(None, "coffer-test").expect("made");
        let path = folder.path().to_owned();
        std::fs::write(path.join("file"), b"x").expect("written");
        drop(folder);
        assert!(!path.exists());
        assert_eq!(
            Folder::create(Some(Path::new("/nonexistent")), "x").err().map(|e| e.kind()),
            Some(Kind::Destination)
        );
    }

    #[test]
    fn paths_too_long_for_sockets_are_refused() {
        let folder = Folder::create(None, "coffer-test").expect("made");
        let deep = folder.path().join("d".repeat(90));
        std::fs::create_dir(&deep).expect("made");
        let error =
            ScratchServer::start(Some(&deep), None, None, &Progress::default()).err().map(|e| e.kind());
        // Without a server's program there is nothing to start at all.
        assert!(matches!(error, Some(Kind::Usage | Kind::Database)), "{error:?}");
    }
}
