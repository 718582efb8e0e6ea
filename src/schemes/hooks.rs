//! Commands of the practice, before and after a run. It promises that each learns what the run is and,
//! after it, how it ended, that none can keep the run for ever, and that of what one says no more is kept
//! than a person would read: its beginning and its end.

use super::child::{self, Ended, Line};
use super::config::Hook;
use super::stop::Stop;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::time::Duration;

/// What is told to a hook.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Variables of its environment.
    pub variables: Vec<(&'static str, OsString)>,
    /// Its standard input.
    pub input: Option<Vec<u8>>,
}

/// How many lines of the beginning of what a hook says are kept, and how many of its end.
const FIRST_LINES: usize = 200;
const LAST_LINES: usize = 50;
/// How many bytes of either at most.
const MAX_BYTES: usize = 32 << 10;

/// What is kept of what a hook says.
#[derive(Default)]
struct Kept {
    lines: usize,
    bytes: usize,
    last: VecDeque<Vec<u8>>,
    last_bytes: usize,
    left_out: u64,
}

impl Kept {
    fn line(&mut self, line: Vec<u8>, said: &mut dyn FnMut(&[u8])) {
        if self.last.is_empty() && self.lines < FIRST_LINES && self.bytes + line.len() <= MAX_BYTES {
            self.lines += 1;
            self.bytes += line.len();
            return said(&line);
        }
        self.last_bytes += line.len();
        self.last.push_back(line);
        while self.last.len() > LAST_LINES || self.last_bytes > MAX_BYTES {
            let Some(oldest) = self.last.pop_front() else { return };
            self.last_bytes -= oldest.len();
            self.left_out += 1;
        }
    }

    fn end(self, said: &mut dyn FnMut(&[u8])) {
        if self.left_out > 0 {
            said(format!("… {} lines left out", self.left_out).as_bytes());
        }
        self.last.iter().for_each(|line| said(line));
    }
}

/// Runs `hook`; what it says goes to `said`, line by line: the first 200 lines, and, once it ended, the
/// last 50, 32 KiB of each at most.
///
/// The exit code, or what else went wrong with its stable word.
pub fn run(
    hook: &Hook,
    told: &Told,
    longest: Option<Duration>,
    stop: Option<&Stop>,
    said: &mut dyn FnMut(&[u8]),
) -> Result<i32, (&'static str, String)> {
    let mut command = child::shell(&hook.command);
    command.envs(told.variables.iter().map(|(name, value)| (name, value)));
    let limit = longest.map_or(hook.timeout.0, |longest| hook.timeout.0.min(longest));
    let mut kept = Kept::default();
    let ended = child::run(command, told.input.clone(), Some(limit), stop, &mut |line| match line {
        Line::Out(bytes) | Line::Error(bytes) => kept.line(bytes, said),
    });
    kept.end(said);
    match ended {
        Ok(Ended::Code(code)) => Ok(code),
        Ok(Ended::Signal(signal)) => {
            Err(("hook-killed", format!("the command was ended by signal {signal}")))
        }
        Ok(Ended::Stopped) => Err(("interrupted", "the command was stopped".into())),
        Ok(Ended::TimedOut) => {
            Err(("hook-timeout", format!("the command took longer than {} s", limit.as_secs())))
        }
        Err(cause) => Err(("hook-failed", format!("the command could not be started: {cause}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
        let (mut kept, mut heard) = (Kept::default(), Vec::new());
        let mut said = |line: &[u8]| heard.push(String::from_utf8_lossy(line).into_owned());
        lines.for_each(|line| kept.line(line, &mut said));
        kept.end(&mut said);
        heard
    }

    #[test]
    fn of_what_a_hook_says_its_beginning_and_its_end_are_kept() {
        let number = |number: u32| number.to_string().into_bytes();
        assert_eq!(kept((0..250).map(number)), (0..250).map(|number| number.to_string()).collect::<Vec<_>>());
        let heard = kept((0..100_000).map(number));
        assert_eq!((heard.len(), heard[199].as_str(), heard[250].as_str()), (251, "199", "99999"));
        assert_eq!(heard[200], "… 99750 lines left out");
        let heard = kept((0..1000).map(|_| vec![b'x'; 16 << 10]));
        assert!(heard.iter().map(String::len).sum::<usize>() < 70_000, "{}", heard.len());
    }
}
