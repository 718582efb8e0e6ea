//! Whose turn it is at a container, and which daemon works with a folder of state. It promises that two
//! runs are never at one container at once, that whoever waits is told whom for, and that nothing is
//! left behind by a process that died: the locks are the kernel's.

use super::stop::Stop;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::storage::state_file;
use crate::values::rfc3339;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// A turn; it ends when dropped, or with the process.
#[derive(Debug)]
pub struct Turn {
    file: File,
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Whoever waits is not to be told of a run that is over.
        let _ = self.file.set_len(0);
    }
}

fn open(file: &Path) -> Result<File> {
    let failed =
        |cause| Error::io(Kind::Failed, format!("{}: lock file cannot be made", file.display()), cause);
    file.parent().map_or(Ok(()), state_file::create_private).map_err(failed)?;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(file).map_err(failed)
}

/// Takes the lock for `holder`, if nobody has it; otherwise whoever has.
fn attempt(mut file: File, holder: &str) -> Result<std::result::Result<Turn, (File, String)>> {
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            // Only told to others who wait; a disk that is full must not keep the run from its turn.
            let _ =
                file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder.as_bytes()));
            Ok(Ok(Turn { file }))
        }
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {
            let mut text = String::new();
            let _ = file.rewind().and_then(|()| Read::by_ref(&mut file).take(200).read_to_string(&mut text));
            let text = if text.is_empty() { "another".to_owned() } else { text };
            Ok(Err((file, text)))
        }
        Err(cause) => Err(Error::io(Kind::Failed, "a lock cannot be taken", cause.into())),
    }
}

/// The lock file of the container at `path`, by whatever name it is called.
fn lock_file(state: &Path, path: &Path) -> PathBuf {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = blake3::hash(real.as_os_str().as_encoded_bytes()).to_hex();
    state.join("locks").join(format!("{}.lock", &name.as_str()[..16]))
}

/// What a scheme waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// Since when (RFC 3339).
    pub since: String,
    /// The scheme that is at its container.
    pub behind: String,
}

/// The file that a scheme holds while it waits.
fn queue_file(state: &Path, scheme: &str) -> PathBuf {
    state.join("locks").join(format!("{scheme}.queued"))
}

/// What `scheme` waits for now, if it does.
pub fn queued(state: &Path, scheme: &str) -> Option<Queued> {
    let text = held(&queue_file(state, scheme))?;
    let (since, behind) = text.split_once('\n')?;
    Some(Queued { since: since.into(), behind: behind.into() })
}

/// Shows that a scheme waits; it ends when dropped. It is only shown: whatever fails stops nothing.
struct Waiting {
    since: String,
    place: Option<Turn>,
}

impl Waiting {
    fn new(state: &Path, scheme: &str) -> Waiting {
        // Whoever only looks holds the lock for an instant, too.
        let place = (0..3).find_map(|_| {
            let place = attempt(open(&queue_file(state, scheme)).ok()?, "").ok()?.ok();
            place.is_none().then(|| std::thread::sleep(PAUSE / 20));
            place
        });
        Waiting { since: rfc3339(Timestamp { nanoseconds: 0, ..SystemClock.now() }), place }
    }

    fn behind(&mut self, holder: &str) {
        if let Some(Turn { file }) = &mut self.place {
            let text = format!("{}\n{holder}", self.since);
            let _ =
                file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        }
    }
}

/// Waits for the turn of `scheme` at the container at `path`; `told` is told
/// whom it waits for, and so is whoever asks [`queued`].
///
/// Errors: [`Kind::Busy`] after `longest`; [`Kind::Interrupted`] if asked to stop.
pub fn take(
    state: &Path,
    path: &Path,
    scheme: &str,
    longest: Option<Duration>,
    stop: &Stop,
    told: &dyn Fn(&str),
) -> Result<Turn> {
    let began = Instant::now();
    let mut file = open(&lock_file(state, path))?;
    let mut behind = String::new();
    let mut waiting: Option<Waiting> = None;
    loop {
        let holder = match attempt(file, scheme)? {
            Ok(turn) => return Ok(turn),
            Err((back, holder)) => {
                file = back;
                holder
            }
        };
        if longest.is_some_and(|longest| began.elapsed() >= longest) {
            return Err(Error::new(Kind::Busy, format!("{}: scheme `{holder}` runs on it", path.display()))
                .hint("wait for it, or give --lock-wait TIME"));
        }
        if behind != holder {
            told(&holder);
            waiting.get_or_insert_with(|| Waiting::new(state, scheme)).behind(&holder);
            behind = holder;
        }
        if stop.wait(PAUSE) {
            return Err(Error::new(Kind::Interrupted, "stopped while it waited for its turn"));
        }
    }
}

/// What whoever holds the lock of `file` wrote there, if somebody does.
fn held(file: &Path) -> Option<String> {
    let file = File::open(file).ok()?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut text = String::new();
            file.take(200).read_to_string(&mut text).ok()?;
            Some(text)
        }
        _ => None,
    }
}

/// Which scheme is at the container at `path` now, if one is.
pub fn holder(state: &Path, path: &Path) -> Option<String> {
    held(&lock_file(state, path))
}

/// Holds `file` until it is closed, which the end of the process does, too. Where there are no locks
/// nobody can take a turn either.
pub fn hold(file: &File) {
    let _ = flock(file, FlockOperation::NonBlockingLockExclusive);
}

/// Whether nobody holds the file at `path`, for certain: also if there is none.
pub fn is_free(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => flock(&file, FlockOperation::NonBlockingLockShared).is_ok(),
        Err(cause) => cause.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Makes this process the daemon of the folder `state`.
///
/// Errors: [`Kind::Busy`] if there is one.
pub fn daemon(state: &Path) -> Result<Turn> {
    let id = std::process::id().to_string();
    let mut other = String::new();
    // Whoever only looks holds the lock for an instant, too.
    for _ in 0..5 {
        match attempt(open(&state.join("daemon.lock"))?, &id)? {
            Ok(turn) => return Ok(turn),
            Err((_, holder)) => other = holder,
        }
        std::thread::sleep(PAUSE / 5);
    }
    Err(Error::new(Kind::Busy, format!("{}: a daemon works with this state already", state.display()))
        .hint(format!("it is process {other}; one daemon runs all schemes")))
}

/// The process id of the daemon of `state`, if one runs.
pub fn daemon_id(state: &Path) -> Option<u32> {
    held(&state.join("daemon.lock"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_at_a_container() {
        let state = tempfile::tempdir().expect("folder");
        let (stop, path) = (Stop::default(), state.path().join("c.coffer"));
        let none = |_: &str| panic!("nobody to wait for");
        let first = take(state.path(), &path, "nightly", None, &stop, &none).expect("free");
        assert_eq!(holder(state.path(), &path).as_deref(), Some("nightly"));
        let told = std::cell::RefCell::new(Vec::new());
        let heard = |holder: &str| {
            told.borrow_mut().push(holder.to_owned());
        };
        let longest = Some(Duration::from_millis(150));
        let error = take(state.path(), &path, "noon", longest, &stop, &heard).expect_err("busy");
        assert_eq!((error.kind(), &told.borrow()[..]), (Kind::Busy, &["nightly".to_owned()][..]));
        let other = take(state.path(), &state.path().join("d"), "noon", None, &stop, &none).expect("free");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| take(state.path(), &path, "noon", None, &stop, &|_| ()));
            let began = Instant::now();
            let seen = loop {
                match queued(state.path(), "noon") {
                    Some(seen) if !seen.behind.is_empty() => break seen,
                    _ => assert!(began.elapsed() < Duration::from_secs(20), "never seen to wait"),
                }
            };
            assert_eq!((seen.behind.as_str(), queued(state.path(), "nightly")), ("nightly", None));
            drop((first, other));
            drop(waiting.join().expect("no panic").expect("its turn"));
        });
        assert_eq!(queued(state.path(), "noon"), None);
        assert_eq!(holder(state.path(), &path), None);
        drop(take(state.path(), &path, "noon", None, &stop, &none).expect("free again"));
        let daemon_lock = daemon(state.path()).expect("the only one");
        assert_eq!(daemon(state.path()).expect_err("a second").kind(), Kind::Busy);
        assert_eq!(daemon_id(state.path()), Some(std::process::id()));
        drop(daemon_lock);
        assert_eq!(daemon_id(state.path()), None);
    }
}
