//! Commands of the practice, before and after a run. It promises that each learns what the run is and,
//! after it, how it ended, and that none can keep the run for ever.

use super::child::{self, Ended, Line};
use super::config::Hook;
use super::stop::Stop;
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

/// Runs `hook`; what it says goes to `said`, line by line.
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
    let ended = child::run(command, told.input.clone(), Some(limit), stop, &mut |line| match line {
        Line::Out(bytes) | Line::Error(bytes) => said(&bytes),
    });
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
