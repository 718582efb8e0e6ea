//! Telling by a command of the practice's own. It promises that the command, and whatever it started,
//! is gone when its time is over, and that it never sees what opens a container.

use super::{Failure, json};
use crate::operations::family::{Family, Mark};
use crate::schemes::config::Channel;
use crate::schemes::notice::Notice;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often the command is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long the death of what was killed is waited for.
const DEATH: Duration = Duration::from_secs(1);

/// Runs the command with `notice` on its standard input and in its environment.
pub(super) fn run(channel: &Channel, notice: &Notice, limit: Duration) -> Result<(), Failure> {
    let end = Instant::now() + limit;
    let script = channel.command.as_deref().unwrap_or_default();
    let occasion = serde_json::to_value(notice.occasion).unwrap_or_default();
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    ["COFFER_PASSWORD", "COFFER_MYSQL_PASSWORD", "CREDENTIALS_DIRECTORY"].iter().for_each(|name| {
        command.env_remove(name);
    });
    command.env("COFFER_OCCASION", occasion.as_str().unwrap_or_default());
    command.env("COFFER_CODE", &notice.code).env("COFFER_TITLE", &notice.title);
    command.env("COFFER_SCHEME", notice.scheme.as_deref().unwrap_or_default());
    let failed =
        |cause: std::io::Error| Failure::passing(format!("the command did not start: {}", cause.kind()));
    let mark = Mark::put(&mut command).map_err(failed)?;
    let mut child = command.spawn().map_err(failed)?;
    let family = mark.of(&child);
    let (input, text) = (child.stdin.take(), json(notice));
    // A command that reads nothing must not hold this one.
    let _ = std::thread::Builder::new().name("notice".into()).spawn(move || {
        input.map(|mut input| input.write_all(text.as_bytes()));
    });
    wait(&mut child, family, end)
}

fn wait(child: &mut Child, mut family: Family, end: Instant) -> Result<(), Failure> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                return Err(Failure::lasting(match status.code() {
                    Some(code) => format!("the command ended with exit code {code}"),
                    None => "the command was killed".into(),
                }));
            }
            Ok(None) if Instant::now() < end => std::thread::sleep(LOOK),
            _ => {
                family.end(DEATH);
                let _ = child.try_wait();
                return Err(Failure::lasting("the command did not end within its time limit"));
            }
        }
    }
}
