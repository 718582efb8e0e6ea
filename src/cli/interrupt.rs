//! SIGINT and SIGTERM, from the first moment of the program. The first signal asks an operation that
//! listens to stop at its next safe point; before one listens, and while it waits for others, the signal
//! ends the process: with its `result` and exit code 130, without what it started and what it made in
//! vain, and with the terminal as it was. The second ends the process at once with exit code 130. A
//! container survives all of this: nothing is published before its commit.

mod leaving;

pub use leaving::{Input, Prompt, at_input, at_prompt, finished, unfinished};

use crate::progress::Progress;
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::unregister;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;
/// How often an operation that was asked to stop is looked at.
const PAUSE: Duration = Duration::from_millis(50);
/// How long it may wait for others after that.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the first signal does.
enum Stage {
    /// There is no command yet: it is found asked when it begins.
    Starting,
    /// It ends the process.
    Ends,
    /// It asks the operation to stop.
    Asks(Arc<Progress>),
    /// Nothing: the command is at its end, or sees to signals itself.
    Nothing,
    /// The process is ending by a signal.
    Ending,
}

struct State {
    stage: Stage,
    /// Says how the command ended.
    conclude: Option<Box<dyn FnOnce() + Send>>,
    handlers: Vec<SigId>,
    thread: Option<Handle>,
}

static STATE: Mutex<State> =
    Mutex::new(State { stage: Stage::Starting, conclude: None, handlers: Vec::new(), thread: None });
/// Whether there was a signal: true before anybody else can know.
static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state, for a thread of the command. It gets no further while the process is ending.
fn own_state() -> MutexGuard<'static, State> {
    let state = state();
    match state.stage {
        Stage::Ending => {
            drop(state);
            stay()
        }
        _ => state,
    }
}

fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

/// From now on, a write beyond the limit on the size of files fails like one to a full disk, instead of
/// ending the program without a word.
pub fn survive_size_limits() {
    // Nobody looks at the flag. Should it not work, the system's own way of ending remains.
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// If a run of a scheme started this command, it ends with that: its death is a SIGTERM. To be called
/// once signals are watched.
pub fn follow_parent() {
    let Some(parent) = std::env::var("COFFER_PARENT").ok().and_then(|id| id.parse::<i32>().ok()) else {
        return;
    };
    let is_child = || rustix::process::getppid().map(|id| id.as_raw_nonzero().get()) == Some(parent);
    // A command that such a command runs inherits the variable, and is not meant.
    if is_child() {
        // Without this the command goes on to its end, which harms nothing: the next one waits for it.
        let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM));
        if !is_child() {
            std::process::exit(i32::from(INTERRUPTED));
        }
    }
}

/// Watches signals until the process ends. To be called first of all, once.
///
/// A SIGINT that was ignored when the program began is watched all the same. A shell ignores it for what
/// a script starts in the background; but whoever watches over such a command (a script that passes its
/// own signals on, a service manager, a test) sends it to end the command, and nothing is lost by a
/// command that ends: it commits whole or not at all. SIGHUP stays as it was, so `nohup` works.
pub fn begin() {
    // Should it not work, the system's own way of ending remains.
    if let Err(_cause) = register() {
        state().handlers.drain(..).for_each(|handler| _ = unregister(handler));
    }
}

fn register() -> std::io::Result<()> {
    // Handlers run in the order of their registration: the flag is still down when the first signal
    // looks at it, and up when the second does. That one exits from within the handler, so that
    // it works whatever the threads are doing.
    let mut own = state();
    for signal in [SIGINT, SIGTERM] {
        let code = i32::from(INTERRUPTED);
        own.handlers.push(flag::register_conditional_shutdown(signal, code, Arc::clone(&ASKED))?);
        own.handlers.push(flag::register(signal, Arc::clone(&ASKED))?);
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    own.thread = Some(signals.handle());
    let listen = move || signals.forever().for_each(|_| asked());
    std::thread::Builder::new().name("signals".into()).spawn(listen).map(drop)
}

/// Whether there was a signal.
pub fn is_asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// What the thread does at a signal.
fn asked() {
    let mut waits_since = None;
    loop {
        let found = state();
        match &found.stage {
            Stage::Starting | Stage::Nothing | Stage::Ending => return,
            Stage::Ends => leave(found),
            Stage::Asks(progress) => {
                progress.interrupt();
                match progress.is_waiting() || leaving::is_at_input() {
                    false => waits_since = None,
                    true if waits_since.get_or_insert_with(Instant::now).elapsed() >= PATIENCE => {
                        leave(found)
                    }
                    true => {}
                }
            }
        }
        drop(found);
        std::thread::sleep(PAUSE);
    }
}

/// The command begins: the first signal, also one that came before, ends the process, and `conclude`
/// says so.
pub fn ends(conclude: impl FnOnce() + Send + 'static) {
    let mut state = own_state();
    state.conclude = Some(Box::new(conclude));
    state.stage = Stage::Ends;
    if is_asked() {
        leave(state);
    }
}

/// From now on, an operation listens to `progress`.
pub fn asks(progress: &Arc<Progress>) {
    let mut state = own_state();
    match state.stage {
        Stage::Ends if is_asked() => leave(state),
        Stage::Starting | Stage::Ends => state.stage = Stage::Asks(Arc::clone(progress)),
        _ => {}
    }
}

/// The command is at its end, and a signal no longer changes that. One that failed just when a signal
/// came failed by that: whoever it waited for got it, too. It does not return then.
pub fn concludes(has_failed: bool) {
    let mut state = own_state();
    if has_failed && matches!(state.stage, Stage::Ends) && is_asked() {
        leave(state);
    }
    state.stage = Stage::Nothing;
}

/// From now on the command sees to signals itself; it does already.
pub fn hand_over() {
    let mut state = own_state();
    state.stage = Stage::Nothing;
    state.handlers.drain(..).for_each(|handler| _ = unregister(handler));
    state.thread.take().iter().for_each(Handle::close);
}

/// Ends the process.
fn leave(mut state: MutexGuard<'_, State>) -> ! {
    state.stage = Stage::Ending;
    let conclude = state.conclude.take();
    drop(state);
    leaving::leave(conclude)
}

#[cfg(test)]
mod tests;
