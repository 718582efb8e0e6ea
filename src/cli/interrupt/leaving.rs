//! How a signal ends the process: the terminal shows again what is typed, what was made in vain goes
//! away, the command says that it was interrupted, and what it started ends.

use super::INTERRUPTED;
use crate::operations::family::Family;
use rustix::process::Signal;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long saying it may take: nobody may be reading.
const SAYING: Duration = Duration::from_secs(3);
/// How long what was started may take to end by itself, and then to die.
const ENDING: Duration = Duration::from_secs(1);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Files that go away unless what they are for comes about.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
/// The terminal at which a password is asked for, as it was before.
static PROMPT: Mutex<Option<(File, Termios)>> = Mutex::new(None);

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the file at `path` by `make`; a signal that ends the process takes it away again.
pub fn unfinished<T, E>(path: &Path, make: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let mut unfinished = held(&UNFINISHED);
    let made = make()?;
    // The folder may become another before the end.
    unfinished.push(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    Ok(made)
}

/// The file at `path` stays, or went away already.
pub fn finished(path: &Path) {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    held(&UNFINISHED).retain(|other| *other != path);
}

/// How many threads wait for what somebody gives.
static INPUTS: AtomicUsize = AtomicUsize::new(0);

/// Somebody is to give something on standard input or at the terminal; dropped when it is there.
pub struct Input(());

/// From now on, something is waited for on standard input or at the terminal.
pub fn at_input() -> Input {
    INPUTS.fetch_add(1, Ordering::Relaxed);
    Input(())
}

/// Whether somebody is to give something.
pub(super) fn is_at_input() -> bool {
    INPUTS.load(Ordering::Relaxed) > 0
}

impl Drop for Input {
    fn drop(&mut self) {
        INPUTS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A password that is being asked for; dropped when it is there.
pub struct Prompt(Input);

/// A password is about to be asked for at the terminal, which then does not show what is typed.
pub fn at_prompt() -> Prompt {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let as_it_was = terminal.ok().and_then(|terminal| Some((tcgetattr(&terminal).ok()?, terminal)));
    *held(&PROMPT) = as_it_was.map(|(attributes, terminal)| (terminal, attributes));
    Prompt(at_input())
}

impl Drop for Prompt {
    fn drop(&mut self) {
        *held(&PROMPT) = None;
    }
}

/// Ends the process; `conclude` says so.
pub(super) fn leave(conclude: Option<Box<dyn FnOnce() + Send>>) -> ! {
    if let Some((mut terminal, attributes)) = held(&PROMPT).take() {
        let _ = tcsetattr(&terminal, OptionalActions::Now, &attributes);
        let _ = terminal.write_all(b"\n");
    }
    // Held to the end: nobody makes another.
    let unfinished = held(&UNFINISHED);
    unfinished.iter().for_each(|path| _ = std::fs::remove_file(path));
    let (sender, said) = channel();
    let say = move || {
        conclude.into_iter().for_each(|conclude| conclude());
        let _ = sender.send(());
    };
    if std::thread::Builder::new().name("end".into()).spawn(say).is_ok() {
        let _ = said.recv_timeout(SAYING);
    }
    end(Family::own());
    std::process::exit(i32::from(INTERRUPTED))
}

/// Ends processes that were started: by asking, then by force.
fn end(mut family: Family) {
    if family.is_gone() {
        return;
    }
    family.signal(Signal::TERM);
    let end = Instant::now() + ENDING;
    while !family.is_gone() && Instant::now() < end {
        std::thread::sleep(LOOK);
    }
    family.end(ENDING);
}
