//! A practice in a temporary folder: a configuration, a container, a clock and a daemon. Whatever the
//! test starts ends with it.

use crate::program::{COFFER, bash, command, result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The practice.
pub struct World {
    folder: TempDir,
}

/// A running daemon; killed when dropped.
pub struct Daemon(pub Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it runs");
    }

    /// Asks it to stop and waits; it must end well, within seconds.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        let status = self.0.wait().expect("it ends");
        assert_eq!(status.code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    }

    /// Its own children, as far as they run.
    pub fn children(&self) -> Vec<Pid> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id()));
        let files = tasks.into_iter().flatten().filter_map(|task| Some(task.ok()?.path().join("children")));
        let text: String = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
        text.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)).collect()
    }
}

impl World {
    /// A practice with the container `night`, the folder `images` and `schemes`; `{}` in them is its
    /// folder.
    pub fn new(schemes: &str) -> World {
        let world = World { folder: tempfile::tempdir().expect("a folder") };
        bash(world.path(), "mkdir images state; echo one > images/one.jpg");
        world.done("init night.coffer --new-key-file key --segment-size 1M");
        world.configure(schemes);
        world.set_clock("2026-11-20T12:00:00Z");
        world
    }

    /// Writes the configuration.
    pub fn configure(&self, schemes: &str) {
        // Every container must have a limit or a policy.
        let is_limited =
            schemes.trim_start().starts_with("max-size") || schemes.trim_start().starts_with("keep");
        let limit = if is_limited { "" } else { "max-size = \"200M\"\n" };
        let text = format!(
            "version = 1\n[practice]\nname = \"Test\"\ntime-zone = \"UTC\"\nstate = \"{{}}/state\"\n\
             [container.night]\npath = \"{{}}/night.coffer\"\nkey-file = \"{{}}/key\"\n{limit}{schemes}"
        );
        let text = text.replace("{}", self.path().to_str().expect("a path"));
        std::fs::write(self.join("coffer.toml"), text).expect("written");
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Sets the clock of the daemon.
    pub fn set_clock(&self, time: &str) {
        std::fs::write(self.join("clock.new"), time).expect("written");
        std::fs::rename(self.join("clock.new"), self.join("clock")).expect("renamed");
    }

    /// `coffer` with its state and configuration.
    pub fn coffer(&self, arguments: &str) -> Command {
        let mut coffer = command(COFFER, self.path());
        coffer.args(arguments.split_whitespace()).env("COFFER_STATE_DIR", self.join("state"));
        coffer.env("COFFER_CONFIG", self.join("coffer.toml"));
        coffer
    }

    /// Runs it.
    pub fn run(&self, arguments: &str) -> Output {
        self.coffer(arguments).output().expect("coffer runs")
    }

    /// Runs it with `--json`; exit code and result.
    pub fn result(&self, arguments: &str) -> (Option<i32>, Value) {
        let output = self.run(&format!("{arguments} --json"));
        (output.status.code(), result(&output.stdout))
    }

    /// Runs it; it must succeed.
    pub fn done(&self, arguments: &str) -> Value {
        let (code, result) = self.result(arguments);
        assert_eq!(code, Some(0), "coffer {arguments}: {result}");
        result
    }

    /// Starts the daemon.
    pub fn daemon(&self) -> Daemon {
        self.daemon_with(|_| {})
    }

    /// Starts the daemon after `prepare`.
    pub fn daemon_with(&self, prepare: impl FnOnce(&mut Command)) -> Daemon {
        let log = std::fs::File::options().append(true).create(true).open(self.join("log")).expect("a log");
        let mut daemon = self.coffer("daemon");
        daemon.env("COFFER_TEST_CLOCK", self.join("clock")).stdout(Stdio::null()).stderr(log);
        prepare(&mut daemon);
        let daemon = Daemon(daemon.spawn().expect("the daemon starts"));
        let id = i64::from(daemon.0.id());
        self.wait("the daemon is ready", || {
            let text = std::fs::read(self.join("state/daemon.json")).unwrap_or_default();
            let shown: Value = serde_json::from_slice(&text).unwrap_or_default();
            (shown["process"].as_i64() == Some(id)).then_some(())
        });
        daemon
    }

    /// What the daemons said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.join("log")).unwrap_or_default()
    }

    /// Waits until `found` finds something.
    pub fn wait<T>(&self, what: &str, found: impl Fn() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "{what}: never came; the daemon said:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The records of `scheme`, oldest first.
    pub fn records(&self, scheme: &str) -> Vec<Value> {
        let Ok(entries) = std::fs::read_dir(self.join(&format!("state/runs/{scheme}"))) else {
            return Vec::new();
        };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let paths = paths.filter(|path| path.extension().is_some_and(|e| e == "json"));
        let mut all: Vec<Value> =
            paths.filter_map(|path| serde_json::from_slice(&std::fs::read(path).ok()?).ok()).collect();
        all.sort_by_key(|run| {
            (run["started"].to_string(), run["id"].to_string().len(), run["id"].to_string())
        });
        all
    }

    /// Waits for the `count`th record of `scheme` to be finished, and for the daemon to be at rest.
    pub fn finished(&self, scheme: &str, count: usize) -> Value {
        self.wait(&format!("run {count} of {scheme}"), || {
            let all = self.records(scheme);
            let last = all.get(count - 1).filter(|run| run["finished"].is_string())?.clone();
            let text = std::fs::read(self.join(&format!("state/schedule/{scheme}.json"))).ok()?;
            let stored: Value = serde_json::from_slice(&text).ok()?;
            let is_running = stored["position"]["open"]["is_running"].as_bool();
            (is_running != Some(true)).then_some(last)
        })
    }

    /// How many snapshots the container holds.
    pub fn snapshots(&self) -> u64 {
        self.done("snapshots night.coffer --key-file key")["snapshots"].as_u64().expect("a count")
    }
}

/// The outcomes of the steps of a run: `backup done`.
pub fn steps(run: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let steps = run["steps"].as_array().expect("steps").iter();
    steps.map(|step| format!("{} {}", word(&step["step"]), word(&step["outcome"]))).collect()
}
