//! Running the binary: no setting of whoever runs the tests reaches it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[path = "../campaign/random.rs"]
mod random;

// Not every test binary that has this file draws at random.
#[allow(unused_imports)]
pub use random::{Random, scale};

/// The binary.
pub const COFFER: &str = env!("CARGO_BIN_EXE_coffer");

/// `program` in `folder`, with `coffer` on its path and a plain environment.
pub fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COFFER_") || name == "CREDENTIALS_DIRECTORY" {
            command.env_remove(name);
        }
    }
    let own = Path::new(COFFER).parent().expect("a folder").as_os_str().to_owned();
    let mut path = own;
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    command.env("PATH", path).env("TZ", "UTC").env("LC_ALL", "C.UTF-8").env("COFFER_NO_PROGRESS", "1");
    command.env("COFFER_STATE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/cli-state"));
    command.env("RUST_BACKTRACE", "0").current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs `coffer` with `arguments`, separated by blanks.
pub fn coffer(folder: &Path, arguments: &str) -> Output {
    command(COFFER, folder).args(arguments.split_whitespace()).output().expect("coffer runs")
}

/// As [`coffer`], for what must succeed; its standard output.
pub fn done(folder: &Path, arguments: &str) -> String {
    let output = coffer(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "coffer {arguments}\n{said}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a script of bash that must succeed.
pub fn bash(folder: &Path, script: &str) -> String {
    let output = command("bash", folder).args(["-euc", script]).output().expect("bash runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The `result` of a JSON command.
pub fn result(output: &[u8]) -> serde_json::Value {
    let text = std::str::from_utf8(output).expect("JSON is text");
    let events: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let results = events.iter().filter(|event| event["event"] == "result").count();
    assert_eq!(results, 1, "exactly one result: {text}");
    let last = events.last().expect("an event").clone();
    assert_eq!(last["event"], "result", "the result comes last: {text}");
    last
}

/// A folder for one test.
pub struct Place(tempfile::TempDir);

impl Place {
    /// A new one.
    pub fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
