//! Processes of a run: commands of this program, and commands of the practice. It promises that each has
//! a process group of its own, that it sees no setting or secret of this program's environment, that a
//! wish to stop reaches it at once and a limit ends it, and that its end is known exactly.

use super::stop::Stop;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// This very program, also after its file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// How long a process that was asked to stop may take.
pub const GRACE: Duration = Duration::from_secs(30);
/// How often the wish to stop is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// How long output is read on after the process ended, should somebody else hold its pipe.
const REST: Duration = Duration::from_secs(1);
/// The longest line that is kept, in bytes.
const MAX_LINE: u64 = 16 << 20;

/// A line that a process said.
#[derive(Debug)]
pub enum Line {
    /// On its standard output.
    Out(Vec<u8>),
    /// On its standard error.
    Error(Vec<u8>),
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal, which nobody here sent.
    Signal(i32),
    /// It was asked to stop.
    Stopped,
    /// It took too long.
    TimedOut,
}

/// `coffer` with `arguments`, for the state in `state`.
pub fn own(arguments: &[OsString], state: &Path) -> Command {
    let mut command = Command::new(OWN_PROGRAM);
    plain(&mut command);
    command.arg0("coffer").args(arguments).env("COFFER_STATE_DIR", state);
    command.env("COFFER_PARENT", std::process::id().to_string());
    command
}

/// `line` for the shell.
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    plain(&mut command);
    command.args(["-c", line]);
    command
}

/// Takes away what is this process's alone.
fn plain(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_own = text.starts_with("COFFER_") || text.starts_with("WATCHDOG_");
        if is_own || text == "CREDENTIALS_DIRECTORY" || text == "NOTIFY_SOCKET" {
            command.env_remove(&name);
        }
    }
}

/// Runs `command` with `input` on its standard input until its end, which `limit` and `stop` bring about;
/// every line that it says goes to `said`.
pub fn run(
    mut command: Command,
    input: Option<Vec<u8>>,
    limit: Option<Duration>,
    stop: Option<&Stop>,
    said: &mut dyn FnMut(Line),
) -> std::io::Result<Ended> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let (sender, lines) = channel();
    if let Some(out) = child.stdout.take() {
        forward(out, sender.clone(), Line::Out);
    }
    if let Some(error) = child.stderr.take() {
        forward(error, sender, Line::Error);
    }
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // Whoever does not read it does not want it.
        std::thread::spawn(move || _ = stdin.write_all(&input));
    }
    watch(&mut child, &lines, limit, stop, said)
}

fn forward(from: impl Read + Send + 'static, to: Sender<Line>, line: fn(Vec<u8>) -> Line) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let mut bytes = Vec::new();
            match from.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) if to.send(line(bytes)).is_err() => return,
                Ok(_) => {}
            }
        }
    });
}

fn watch(
    child: &mut Child,
    lines: &Receiver<Line>,
    limit: Option<Duration>,
    stop: Option<&Stop>,
    said: &mut dyn FnMut(Line),
) -> std::io::Result<Ended> {
    let began = Instant::now();
    let mut asked: Option<(Ended, Instant)> = None;
    let mut is_killed = false;
    loop {
        let is_open = match lines.recv_timeout(PAUSE) {
            Ok(line) => {
                said(line);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        };
        if let Some(status) = child.try_wait()? {
            drain(lines, said);
            return Ok(ended(status, asked.map(|(why, _)| why)));
        }
        let is_late = limit.is_some_and(|limit| began.elapsed() >= limit);
        match asked {
            None if is_late => asked = Some((Ended::TimedOut, Instant::now())),
            None if stop.is_some_and(Stop::is_asked) => asked = Some((Ended::Stopped, Instant::now())),
            Some((_, since)) if since.elapsed() >= GRACE && !is_killed => {
                is_killed = true;
                signal(child, Signal::KILL);
            }
            _ => {
                // With both pipes closed nothing wakes this loop any more.
                if !is_open {
                    std::thread::sleep(PAUSE);
                }
                continue;
            }
        }
        if !is_killed {
            signal(child, Signal::TERM);
        }
    }
}

/// Reads what was said before the end, without waiting for those whom the process left behind.
fn drain(lines: &Receiver<Line>, said: &mut dyn FnMut(Line)) {
    let end = Instant::now() + REST;
    while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
        said(line);
    }
}

fn ended(status: ExitStatus, asked: Option<Ended>) -> Ended {
    match (asked, status.code(), status.signal()) {
        // Who finished nevertheless did not stop.
        (Some(Ended::Stopped), Some(code), _) if code != 130 => Ended::Code(code),
        (Some(why), ..) => why,
        (None, Some(code), _) => Ended::Code(code),
        (None, None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

/// To the whole group: what a shell started is meant, too.
fn signal(child: &Child, signal: Signal) {
    // It may have ended in this instant.
    let _ = kill_process_group(Pid::from_child(child), signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(
        line: &str,
        limit: Option<Duration>,
        stop: Option<&Stop>,
        input: Option<&str>,
    ) -> (Ended, String) {
        let mut text = String::new();
        let input = input.map(|text| text.as_bytes().to_vec());
        let ended = run(shell(line), input, limit, stop, &mut |line| match line {
            Line::Out(bytes) | Line::Error(bytes) => text += &String::from_utf8_lossy(&bytes),
        });
        (ended.expect("it ran"), text)
    }

    #[test]
    fn the_end_is_known_exactly() {
        assert_eq!(hear("cat; echo b; exit 3", None, None, Some("a\n")), (Ended::Code(3), "a\nb\n".into()));
        assert_eq!(hear("kill -9 $$", None, None, None).0, Ended::Signal(9));
        assert_eq!(hear("cat", None, None, None), (Ended::Code(0), String::new()));
        // What stays behind in the background does not keep the run.
        let began = Instant::now();
        assert_eq!(hear("sleep 20 & echo done", None, None, None), (Ended::Code(0), "done\n".into()));
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn limit_and_stop_end_it_with_all_it_started() {
        let began = Instant::now();
        let limit = Some(Duration::from_millis(100));
        assert_eq!(hear("sleep 25; echo late", limit, None, None), (Ended::TimedOut, String::new()));
        let stop = Stop::default();
        stop.ask();
        assert_eq!(hear("sleep 25; sleep 25", None, Some(&stop), None).0, Ended::Stopped);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
