//! A private server for tests and benchmarks: its data, socket and log stand in a temporary folder,
//! nothing but the test reaches it, and it never outlives the test program. It is the machine's
//! MariaDB, or the MySQL that `make.rs` tells of. It promises to end no process but its own, and to
//! fail, never skip, where the server's programs are missing.
//!
//! Usable from elsewhere by `#[path = "…/tests/mysql/server.rs"] mod server;`.

#![allow(dead_code)]

use coffer::mysql::connection::{Cells, Connection};
use coffer::mysql::options::ServerOptions;
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[path = "make.rs"]
mod make;

#[allow(unused_imports)]
pub use make::{Make, mariadbs_own, mysqls_own, program, user};

/// How long a server may take to answer after its start.
const PATIENCE: Duration = Duration::from_secs(60);
/// A running server; ends when dropped.
pub struct Server {
    make: Make,
    folder: TempDir,
    arguments: Vec<String>,
    port: Option<u16>,
    running: Option<Running>,
}

/// The server's process, and a shell that ends it should the test program die.
struct Running {
    server: Child,
    guard: Child,
}

impl Server {
    /// Starts a server that only its socket reaches; `options` are options of the server's program.
    pub fn start(options: &[&str]) -> Server {
        Server::launch(Make::asked(), options, None)
    }

    /// Starts one of this make, whichever was asked for.
    pub fn start_of(make: Make, options: &[&str]) -> Server {
        Server::launch(make, options, None)
    }

    /// Starts a server that a port of this machine reaches, too.
    pub fn start_tcp(options: &[&str]) -> Server {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        Server::launch(Make::asked(), options, Some(port))
    }

    fn launch(make: Make, options: &[&str], port: Option<u16>) -> Server {
        let folder = tempfile::Builder::new().prefix("coffer-mysql-").tempdir().expect("temporary folder");
        copy(&make.template(options), &folder.path().join("data"));
        std::fs::create_dir(folder.path().join("tmp")).expect("folder for temporary tables");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let mut arguments = vec![
            "--no-defaults".to_owned(),
            format!("--user={}", user()),
            format!("--datadir={}", at("data")),
            format!("--tmpdir={}", at("tmp")),
            format!("--socket={}", at("sock")),
            format!("--pid-file={}", at("pid")),
            format!("--log-error={}", at("log")),
        ];
        arguments.push(match port {
            Some(port) => format!("--port={port}"),
            None => "--skip-networking".to_owned(),
        });
        arguments.extend(port.map(|_| "--bind-address=127.0.0.1".to_owned()));
        let settings = make.settings();
        arguments.extend(settings.iter().chain(options).map(|option| (*option).to_owned()));
        let mut server = Server { make, folder, arguments, port, running: None };
        server.go();
        server
    }

    /// Starts the process and waits until it answers.
    fn go(&mut self) {
        let mut child = Command::new(self.make.server())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let guard = Command::new("sh")
            .args(["-c", &format!("read -r line; kill -9 {}", child.id())])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let began = Instant::now();
        while Connection::open(&self.options()).is_err() {
            let ended = child.try_wait().expect("state of the server");
            assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", self.log());
            assert!(began.elapsed() < PATIENCE, "the server does not answer:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.running = Some(Running { server: child, guard });
    }

    /// How to reach it as its root, by socket.
    pub fn options(&self) -> ServerOptions {
        self.options_as("root", "")
    }

    /// How to reach it as somebody, by socket.
    pub fn options_as(&self, user: &str, password: &str) -> ServerOptions {
        ServerOptions {
            socket: Some(self.socket()),
            user: Some(user.to_owned()),
            password: (!password.is_empty()).then(|| password.to_owned().into()),
            ..ServerOptions::default()
        }
    }

    /// How to reach it by its port; only after [`Server::start_tcp`].
    pub fn tcp_options(&self) -> ServerOptions {
        let port = Some(self.port.expect("a server with a port"));
        ServerOptions { socket: None, host: Some("127.0.0.1".into()), port, ..self.options() }
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its error log.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A new connection as root.
    pub fn connect(&self) -> Connection {
        Connection::open(&self.options()).expect("a connection")
    }

    /// Runs one statement as root on a connection of its own; its rows.
    #[track_caller]
    pub fn sql(&self, sql: &str) -> Vec<Cells> {
        self.connect().rows(sql).unwrap_or_else(|error| panic!("{}", told(&error)))
    }

    /// The first cell of the first row of one statement's answer.
    #[track_caller]
    pub fn value(&self, sql: &str) -> Option<String> {
        self.sql(sql).first().and_then(|cells| cells.text(0))
    }

    /// Runs a script with the vendor's client (so with DELIMITER and all), in `database` unless that
    /// is empty; its output, tab-separated and without headings.
    #[track_caller]
    pub fn client(&self, database: &str, sql: &str) -> String {
        self.try_client(database, sql.as_bytes()).unwrap_or_else(|said| panic!("client: {said}"))
    }

    /// The same for any bytes; what the client says when it fails.
    pub fn try_client(&self, database: &str, sql: &[u8]) -> Result<String, String> {
        let mut child = Command::new(self.make.client())
            .args([
                "--no-defaults",
                "--user=root",
                "--default-character-set=utf8mb4",
                "--max-allowed-packet=1G",
            ])
            .args(["--batch", "--raw", "--skip-column-names", "--binary-mode"])
            .arg(format!("--socket={}", self.socket().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client starts");
        let mut input = child.stdin.take().expect("its input");
        // The client of MySQL 9.7 forgets what --database says.
        let enter = if database.is_empty() { String::new() } else { format!("USE `{database}`; ") };
        let sql = [enter.as_bytes(), sql].concat();
        let writer = std::thread::spawn(move || input.write_all(&sql));
        let output = child.wait_with_output().expect("the client ends");
        // A client that stops at an error closes its input early.
        let _ = writer.join().expect("writer");
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Shuts it down in order and starts it again.
    pub fn restart(&mut self) {
        self.signal(Signal::TERM);
        self.wait();
        self.go();
    }

    /// Kills it as a power cut would; [`Server::revive`] starts it again.
    pub fn kill9(&mut self) {
        self.end();
    }

    /// Starts it again after [`Server::kill9`].
    pub fn revive(&mut self) {
        assert!(self.running.is_none(), "it is still running");
        self.go();
    }

    /// Stops it without a word (SIGSTOP): it keeps its connections and answers nothing.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn cont(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let running = self.running.as_ref().expect("a running server");
        kill_process(Pid::from_child(&running.server), signal).expect("signal");
    }

    /// Waits for the end of a server that was told to end.
    fn wait(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.dismiss_guard();
            running.server.wait().expect("end of the server");
        }
    }

    fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.dismiss_guard();
            let _ = running.server.kill();
            let _ = running.server.wait();
        }
    }
}

impl Running {
    /// First the guard goes, so that it never ends a process that took over the number.
    fn dismiss_guard(&mut self) {
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// An error with its causes.
pub fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", told(source)),
        None => error.to_string(),
    }
}

/// Copies a folder of files and folders.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("new folder");
    for entry in std::fs::read_dir(from).expect("folder") {
        let entry = entry.expect("entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("type").is_dir() {
            true => copy(&entry.path(), &target),
            false => std::fs::copy(entry.path(), target).map(drop).expect("copy"),
        }
    }
}
