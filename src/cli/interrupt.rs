//! SIGINT and SIGTERM. The first asks the running operation to stop at its next safe point; the
//! second ends the process at once with exit code 130. A container survives both: nothing is
//! published before its commit.

use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The exit code of an interrupted command.
pub const INTERRUPTED: u8 = 130;

/// From now on, a write beyond the limit on the size of files fails like one to a full disk, instead of
/// ending the program without a word.
pub fn survive_size_limits() {
    // Nobody looks at the flag. Should it not work, the system's own way of ending remains.
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// If a run of a scheme started this command, it ends with that: its death is a SIGTERM. To be called
/// first of all.
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

/// Connects the signals to `progress` until the process ends. To be called once, after any
/// password was asked for: at a prompt, Ctrl-C should simply end the program.
pub fn watch(progress: Arc<Progress>) -> Result<()> {
    let failed = |cause| Error::io(Kind::Failed, "signal handlers could not be installed", cause);
    // Handlers run in the order of their registration: the flag is still down when the first signal
    // looks at it, and up when the second does. That one exits from within the handler, so that
    // it works whatever the threads are doing.
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, i32::from(INTERRUPTED), Arc::clone(&asked))
            .map_err(failed)?;
        flag::register(signal, Arc::clone(&asked)).map_err(failed)?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let forward = move || {
        for _ in signals.forever() {
            progress.interrupt();
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(forward).map_err(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    /// Not a test of its own: the process that the tests below send signals to.
    #[test]
    fn watched_process() {
        let Ok(behaviour) = std::env::var("COFFER_TEST_INTERRUPT") else { return };
        let progress = Arc::new(Progress::default());
        watch(Arc::clone(&progress)).unwrap();
        let folder = std::path::PathBuf::from(std::env::var_os("COFFER_TEST_FOLDER").unwrap());
        std::fs::write(folder.join("ready"), "").unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if progress.check().is_err() {
                std::fs::write(folder.join("stopping"), "").unwrap();
                if behaviour == "obey" {
                    std::process::exit(7);
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn start(behaviour: &str, folder: &std::path::Path) -> Child {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cli::interrupt::tests::watched_process"])
            .env("COFFER_TEST_INTERRUPT", behaviour)
            .env("COFFER_TEST_FOLDER", folder)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_for(&folder.join("ready"));
        child
    }

    fn wait_for(file: &std::path::Path) {
        let began = Instant::now();
        while !file.exists() {
            assert!(began.elapsed() < Duration::from_secs(20), "{file:?} never came");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn send(child: &Child, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    #[test]
    fn the_first_signal_asks_the_operation_to_stop() {
        for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
            let folder = tempfile::tempdir().unwrap();
            let mut child = start("obey", folder.path());
            send(&child, signal);
            assert_eq!(child.wait().unwrap().code(), Some(7));
        }
    }

    #[test]
    fn the_second_signal_ends_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = start("refuse", folder.path());
        send(&child, rustix::process::Signal::INT);
        wait_for(&folder.path().join("stopping"));
        assert!(child.try_wait().unwrap().is_none());
        send(&child, rustix::process::Signal::TERM);
        let status = child.wait().unwrap();
        assert_eq!((status.code(), status.signal()), (Some(130), None));
    }
}
