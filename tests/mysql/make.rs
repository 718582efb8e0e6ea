//! Which server the tests start: the machine's MariaDB, or, where COFFER_TEST_MYSQL names a folder that
//! `tests/mysql-server` filled, its MySQL. It promises that a test of what only one of them has says so
//! aloud where it does nothing: on the error output, past the test program's capture.

#![allow(dead_code)]

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// What every server is started with: little memory, and no waiting for the disk. Later options win.
const SETTINGS: [&str; 14] = [
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--sync-binlog=0",
    "--key-buffer-size=16M",
    "--performance-schema=0",
    "--max-connections=100",
    "--max-allowed-packet=64M",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--server-id=1",
    "--default-storage-engine=InnoDB",
    "--innodb-lock-wait-timeout=20",
];
/// What only MariaDB knows.
const MARIADB_SETTINGS: [&str; 2] = ["--innodb-log-file-size=16M", "--aria-pagecache-buffer-size=16M"];
/// What only MySQL knows. Its log of changes and its GTIDs stay as they are by default: on, since 9.7.
const MYSQL_SETTINGS: [&str; 5] = [
    "--innodb-redo-log-capacity=16M",
    "--mysqlx=0",
    "--secure-file-priv=",
    "--cte-max-recursion-depth=1000000",
    // As it is without a log, which MariaDB's tests mostly run without.
    "--log-bin-trust-function-creators=1",
];
/// Where the tests take numbers from: a MariaDB has such tables by itself, a MySQL gets views.
const NUMBERS: [(u32, u32); 21] = [
    (1, 3),
    (1, 4),
    (1, 30),
    (1, 100),
    (1, 200),
    (1, 400),
    (1, 500),
    (1, 1000),
    (1, 2000),
    (1, 2800),
    (1, 3000),
    (1, 4999),
    (1, 9000),
    (1, 10_000),
    (1, 20_000),
    (1, 30_000),
    (1, 40_000),
    (1, 60_000),
    (1, 150_000),
    (1, 900_000),
    (4000, 90_000),
];

/// Who made the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Make {
    /// MariaDB, installed on the machine.
    MariaDb,
    /// MySQL, in this folder.
    MySql(PathBuf),
}

impl Make {
    /// The one that COFFER_TEST_MYSQL asks for.
    pub fn asked() -> Make {
        match std::env::var_os("COFFER_TEST_MYSQL") {
            None => Make::MariaDb,
            Some(folder) => Make::MySql(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)),
        }
    }

    /// Whether it is a MySQL.
    pub fn is_mysql(&self) -> bool {
        matches!(self, Make::MySql(_))
    }

    /// The server's program.
    pub fn server(&self) -> PathBuf {
        match self {
            Make::MariaDb => program("mariadbd"),
            Make::MySql(folder) => own(folder, "mysqld"),
        }
    }

    /// The client's program.
    pub fn client(&self) -> PathBuf {
        match self {
            Make::MariaDb => program("mariadb"),
            Make::MySql(folder) => own(folder, "mysql"),
        }
    }

    /// Where programs find the server's.
    pub fn path(&self) -> OsString {
        let path = std::env::var_os("PATH").unwrap_or_default();
        match self {
            Make::MariaDb => path,
            Make::MySql(folder) => [folder.join("bin").as_os_str(), &path].join(":".as_ref()),
        }
    }

    /// What every server is started with.
    pub fn settings(&self) -> Vec<&'static str> {
        let more: &[&str] = if self.is_mysql() { &MYSQL_SETTINGS } else { &MARIADB_SETTINGS };
        SETTINGS.iter().chain(more).copied().collect()
    }

    /// A data folder as it is when new, made once for each version (and each way of names, which a
    /// MySQL decides then).
    pub fn template(&self, options: &[&str]) -> PathBuf {
        // Of the tests of one program, one makes it.
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let case = options.iter().rev().find(|option| option.starts_with("--lower-case-table-names="));
        let case = case.copied().filter(|_| self.is_mysql());
        let said = Command::new(self.server()).args(["--no-defaults", "--version"]).output();
        let said = String::from_utf8_lossy(&said.expect("the server's program").stdout).into_owned();
        let mut words = said.split_whitespace().skip_while(|word| *word != "Ver").skip(1);
        let version = words.next().unwrap_or("unknown").to_owned();
        let vendor = if self.is_mysql() { "mysql" } else { "mariadb" };
        let way = case.and_then(|case| case.split('=').nth(1)).map(|way| format!("-names{way}"));
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path =
            root.join(format!("{vendor}-{version}{}-{}-{}", way.unwrap_or_default(), NUMBERS.len(), user()));
        if !path.is_dir() {
            self.install(root, &path, case);
        }
        path
    }

    /// Makes the template beside its place and moves it there, so that test programs may race for it.
    fn install(&self, root: &Path, path: &Path, case: Option<&str>) {
        std::fs::create_dir_all(root).expect("folder of templates");
        let folder = tempfile::Builder::new().prefix("template-").tempdir_in(root).expect("folder");
        let data = folder.path().join("data");
        let mut command = match self {
            Make::MariaDb => {
                let mut command = Command::new(program("mariadb-install-db"));
                command
                    .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
                    .args(["--innodb-log-file-size=16M", "--skip-name-resolve"]);
                command
            }
            Make::MySql(_) => {
                let numbers = folder.path().join("numbers.sql");
                // A MariaDB's root may come by a port, too.
                let root =
                    "CREATE USER root@'127.0.0.1'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n";
                let script = root.replace("; ", ";\n") + &NUMBERS.map(view_of_numbers).concat();
                std::fs::write(&numbers, script).expect("file");
                let mut command = Command::new(self.server());
                command
                    .args(["--no-defaults", "--initialize-insecure", "--skip-log-bin"])
                    .args(["--innodb-redo-log-capacity=16M", "--secure-file-priv="])
                    .arg(format!("--init-file={}", numbers.display()))
                    .args(case);
                command
            }
        };
        let output = command
            .arg("--innodb-flush-method=nosync")
            .arg(format!("--user={}", user()))
            .arg(format!("--datadir={}", data.display()))
            .stdin(Stdio::null())
            .output()
            .expect("what makes a data folder");
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        assert!(output.status.success(), "a data folder: {}", said.concat());
        // Each server makes a number of its own.
        let _ = std::fs::remove_file(data.join("auto.cnf"));
        if let Err(error) = std::fs::rename(&data, path) {
            assert!(path.is_dir(), "{}: {error}", path.display());
        }
    }
}

/// The statement, on one line, that makes what a MariaDB has by itself.
fn view_of_numbers((first, last): (u32, u32)) -> String {
    format!(
        "CREATE DEFINER=root@localhost VIEW mysql.seq_{first}_to_{last} AS WITH RECURSIVE numbers AS \
         (SELECT {first} AS seq UNION ALL SELECT seq + 1 FROM numbers WHERE seq < {last}) SELECT seq FROM numbers;\n"
    )
}

/// Whether to leave a test out because it is of `what`, which MySQL does not have; says so aloud.
#[must_use]
pub fn mariadbs_own(what: &str) -> bool {
    left_out(Make::asked().is_mysql(), "MariaDB", what)
}

/// Whether to leave a test out because it is of `what`, which MariaDB does not have; says so aloud.
#[must_use]
pub fn mysqls_own(what: &str) -> bool {
    left_out(!Make::asked().is_mysql(), "MySQL", what)
}

fn left_out(is_left_out: bool, vendor: &str, what: &str) -> bool {
    if is_left_out {
        let thread = std::thread::current();
        // Not captured as what `println!` says is.
        let line = format!("{vendor}'s own, not run: {}: {what}\n", thread.name().unwrap_or("a test"));
        std::io::stderr().write_all(line.as_bytes()).expect("error output");
    }
    is_left_out
}

fn own(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join("bin").join(name);
    assert!(path.is_file(), "{} is missing: run tests/mysql-server {}", path.display(), folder.display());
    path
}

/// A program of the machine, also where `PATH` lacks the folders of the administrator.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing: install mariadb-server and mariadb-client"))
}

/// The name of the user who runs the tests.
pub fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}
