//! Processes of a run: commands of this program, and commands of the practice. It promises that each has
//! a process group of its own, that it sees no setting or secret of this program's environment, that a
//! wish to stop reaches it at once and a limit ends it with all that it started, and that its end is
//! known exactly.

use super::stop::Stop;
use crate::operations::family::{Family, Mark};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// This very program, also after its file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// How long a command of the practice that was asked to stop may take.
const GRACE: Duration = Duration::from_secs(30);
/// How long this program may: it loses nothing, whenever it is killed.
const OWN_GRACE: Duration = Duration::from_secs(10);
/// How long one may take whose time is over.
const LATE_GRACE: Duration = Duration::from_secs(2);
/// How long the death of one that was killed is waited for: one that hangs in the system never dies.
const DEATH: Duration = Duration::from_secs(5);
/// How often the wish to stop is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// How long output is read on after the process ended, should somebody else hold its pipe.
const REST: Duration = Duration::from_secs(1);
/// How long a process that ended by itself may have filled its pipe for.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// The longest line of this program that is kept whole, in bytes.
const OWN_LINE: u64 = 16 << 20;
/// The same of a command of the practice: what is longer comes in parts.
const MAX_LINE: u64 = 16 << 10;
/// How many lines wait to be read. Whoever says more waits.
const LINES: usize = 64;

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

/// Options whose value may itself hold a secret, with the variables that say the same: every user may
/// read a command line, only its own user the environment of a process.
const UNSEEN: [(&str, &str); 3] = [
    ("--password-command=", "COFFER_PASSWORD_COMMAND"),
    ("--mysql-password-command=", "COFFER_MYSQL_PASSWORD_COMMAND"),
    ("--to-password-command=", "COFFER_TO_PASSWORD_COMMAND"),
];

/// `coffer` with `arguments`, for the state in `state`. What commands give passwords stands in its
/// environment and not in its command line.
pub fn own(arguments: &[OsString], state: &Path) -> Command {
    let mut command = Command::new(OWN_PROGRAM);
    plain(&mut command);
    command.arg0("coffer").env("COFFER_STATE_DIR", state);
    for argument in arguments {
        let unseen = |(option, variable): &(&str, &'static str)| {
            let value = argument.as_bytes().strip_prefix(option.as_bytes())?;
            Some((*variable, OsStr::from_bytes(value)))
        };
        match UNSEEN.iter().find_map(unseen) {
            Some((variable, value)) => command.env(variable, value),
            None => command.arg(argument),
        };
    }
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
/// every line that it says goes to `said`. At its limit, or when it is to stop, it is asked by SIGTERM; 2 s
/// after the limit, or after the wish (this program 10 s, others 30 s), it is killed with all that it started.
pub fn run(
    mut command: Command,
    input: Option<Vec<u8>>,
    limit: Option<Duration>,
    stop: Option<&Stop>,
    said: &mut dyn FnMut(Line),
) -> std::io::Result<Ended> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let grace = grace(&command);
    let longest = if is_own(&command) { OWN_LINE } else { MAX_LINE };
    let mark = Mark::put(&mut command)?;
    let mut child = command.spawn()?;
    let family = mark.of(&child);
    let (sender, lines) = sync_channel(LINES);
    if let Some(out) = child.stdout.take() {
        forward(out, longest, sender.clone(), Line::Out);
    }
    if let Some(error) = child.stderr.take() {
        forward(error, longest, sender, Line::Error);
    }
    if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
        // Whoever does not read it does not want it.
        std::thread::spawn(move || _ = stdin.write_all(&input));
    }
    Watch { child, family, lines, asked: None, grace }.watch(limit, stop, said)
}

fn is_own(command: &Command) -> bool {
    command.get_program() == OWN_PROGRAM
}

fn grace(command: &Command) -> Duration {
    if is_own(command) { OWN_GRACE } else { GRACE }
}

fn forward(from: impl Read + Send + 'static, longest: u64, to: SyncSender<Line>, line: fn(Vec<u8>) -> Line) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        loop {
            let mut bytes = Vec::new();
            match from.by_ref().take(longest).read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) if to.send(line(bytes)).is_err() => return,
                Ok(_) => {}
            }
        }
    });
}

/// A process that is watched.
struct Watch {
    child: Child,
    family: Family,
    lines: Receiver<Line>,
    /// Why it was asked to stop, and when.
    asked: Option<(Ended, Instant)>,
    /// How long it may take once it is to stop.
    grace: Duration,
}

impl Watch {
    fn watch(
        mut self,
        limit: Option<Duration>,
        stop: Option<&Stop>,
        said: &mut dyn FnMut(Line),
    ) -> std::io::Result<Ended> {
        let began = Instant::now();
        loop {
            match self.lines.recv_timeout(PAUSE) {
                Ok(line) => said(line),
                Err(RecvTimeoutError::Timeout) => {}
                // With both pipes closed nothing wakes this loop any more.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(PAUSE),
            }
            if let Some(status) = self.child.try_wait()? {
                self.leave(said);
                return Ok(ended(status, self.asked.map(|(why, _)| why)));
            }
            let is_late = limit.is_some_and(|limit| began.elapsed() >= limit);
            match self.asked {
                None if is_late => self.ask(Ended::TimedOut),
                None if stop.is_some_and(Stop::is_asked) => self.ask(Ended::Stopped),
                Some((why, since)) if since.elapsed() >= self.grace_of(why) => {
                    self.family.end(DEATH);
                    self.leave(said);
                    // Whoever cannot be killed is left behind: nothing may keep the run for ever.
                    self.child.try_wait()?;
                    return Ok(why);
                }
                _ => {}
            }
        }
    }

    /// Asks the group to end. One that was told to stop has its own way with what it started; one whose
    /// time is over has none.
    fn ask(&mut self, why: Ended) {
        self.asked = Some((why, Instant::now()));
        match why {
            Ended::TimedOut => self.family.signal(Signal::TERM),
            // It may have ended in this instant.
            _ => _ = kill_process_group(Pid::from_child(&self.child), Signal::TERM),
        }
    }

    fn grace_of(&self, why: Ended) -> Duration {
        match why {
            Ended::TimedOut => LATE_GRACE,
            _ => self.grace,
        }
    }

    /// Ends what is left of one that was asked, then reads what was said before, without waiting for
    /// those whom the process left behind.
    fn leave(&mut self, said: &mut dyn FnMut(Line)) {
        if self.asked.is_some() {
            self.family.signal(Signal::TERM);
            let end = Instant::now() + LATE_GRACE;
            while !self.family.is_gone() && Instant::now() < end {
                std::thread::sleep(PAUSE);
            }
            let left = self.family.end(DEATH);
            if !left.is_empty() {
                said(Line::Error(format!("still running, and cannot be ended: {}", left.join(", ")).into()));
            }
        }
        let began = Instant::now();
        let end = began + REST;
        // Whoever is left may talk for ever.
        let longest = if self.asked.is_some() { REST } else { LONGEST_REST };
        while began.elapsed() < longest {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => said(line),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        let left = "something that the command started still runs and holds its output";
        said(Line::Error(left.into()));
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
    fn a_command_line_shows_no_password_command() {
        let options = UNSEEN.map(|(option, _)| OsString::from(format!("{option}echo hunter2")));
        let more = ["backup", "/c", "--mysql-user=coffer", "--tag=--password-command=no"].map(OsString::from);
        let command = own(&[&more[..], &options[..]].concat(), Path::new("/state"));
        assert_eq!(command.get_args().collect::<Vec<_>>(), more.each_ref());
        for (_, variable) in UNSEEN {
            let value = command.get_envs().find(|(name, _)| *name == variable).and_then(|(_, value)| value);
            assert_eq!(value, Some(OsStr::new("echo hunter2")), "{variable}");
        }
    }

    #[test]
    fn the_end_is_known_exactly() {
        assert_eq!(hear("cat; echo b; exit 3", None, None, Some("a\n")), (Ended::Code(3), "a\nb\n".into()));
        assert_eq!(hear("kill -9 $$", None, None, None).0, Ended::Signal(9));
        assert_eq!(hear("cat", None, None, None), (Ended::Code(0), String::new()));
        // What stays behind in the background does not keep the run, and is told.
        let began = Instant::now();
        let (ended, said) = hear("sleep 20 & echo done", None, None, None);
        assert!(ended == Ended::Code(0) && said.starts_with("done\nsomething"), "{said}");
        let (ended, said) = hear("setsid sleep 20 >/dev/null 2>&1 & echo done", None, None, None);
        assert_eq!((ended, said.as_str()), (Ended::Code(0), "done\n"));
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

    #[test]
    fn whoever_talks_without_end_is_stopped_at_the_limit_and_read_no_further() {
        let began = Instant::now();
        let mut heard = 0;
        let limit = Some(Duration::from_millis(300));
        let line = "setsid yes & trap '' TERM; head -c 100000 /dev/zero; yes";
        let ended = run(shell(line), None, limit, None, &mut |line| {
            let (Line::Out(bytes) | Line::Error(bytes)) = line;
            assert!(bytes.len() <= MAX_LINE as usize);
            heard += 1;
        });
        assert_eq!(ended.expect("it ran"), Ended::TimedOut);
        assert!(heard > 0 && began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    #[test]
    fn this_program_gets_ten_seconds_and_a_command_of_the_practice_more() {
        assert_eq!(grace(&own(&[], Path::new("/state"))), Duration::from_secs(10));
        assert_eq!(grace(&shell("true")), Duration::from_secs(30));
    }

    /// Whether a process still has `word` among its arguments.
    fn runs(word: &str) -> bool {
        let ids = std::fs::read_dir("/proc").expect("there").filter_map(|entry| Some(entry.ok()?.path()));
        ids.filter_map(|id| std::fs::read(id.join("cmdline")).ok())
            .any(|line| line.split(|byte| *byte == 0).any(|found| found == word.as_bytes()))
    }

    #[test]
    fn who_left_the_group_or_lost_its_parent_or_does_not_listen_ends_too() {
        let limit = Some(Duration::from_millis(300));
        let began = Instant::now();
        // Of a session of its own; the same without a parent; and one that is deaf.
        let lines = [
            ("setsid --wait sleep 98.71", "98.71"),
            ("setsid sh -c '(sleep 98.72; :) & exit' & sleep 98.70", "98.72"),
            ("setsid --wait sh -c 'trap \"\" TERM; while :; do sleep 98.73; done'", "98.73"),
        ];
        for (line, word) in lines {
            assert_eq!(hear(line, limit, None, None), (Ended::TimedOut, String::new()), "{line}");
            assert!(!runs(word), "{line}");
        }
        let stop = Stop::default();
        stop.ask();
        let line = "trap 'setsid sleep 98.74 & exit' TERM; setsid sleep 98.75 & sleep 98.76";
        hear(line, None, Some(&stop), None);
        assert!(!runs("98.74") && !runs("98.75"));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
