//! What every command works with: its output, the wish to stop, time, threads, and the container
//! that its secret opens. It promises to ask for a secret only where one is needed.

use super::args::{Globals, LogFormat};
use super::events::Outcome;
use super::output::{Log, Output, Settings};
use super::secrets::{self, Ask, Gathered, Machine, Request, Secret};
use super::{interrupt, secrets::Options};
use crate::chunk_store::ChunkStore;
use crate::clock::{Clock, FixedClock, SystemClock, Timestamp};
use crate::container::header::Header;
use crate::container::{Access, Container, Tip};
use crate::crypto::{Credential, KeyTable, key_file, recovery};
use crate::error::{Error, Kind, Result};
use crate::ids::{ContainerId, RootHash};
use crate::operations::client_state::{ClientState, Known};
use crate::operations::session::{self, Session};
use crate::progress::Progress;
use crate::schemes::place;
use crate::snapshot::{Catalog, SnapshotRecord};
use crate::storage::{self, FileStorage};
use crate::values::{Selector, rfc3339};
use rayon::ThreadPool;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use written::{Place, Written};

mod recording;
mod written;

/// The surroundings of one command.
pub struct Context {
    /// What stands before, behind or among every command.
    pub globals: Globals,
    /// Where it tells what it does.
    pub output: Output,
    progress: Arc<Progress>,
    command: String,
    /// When it began (RFC 3339).
    began: String,
    adopts: AtomicBool,
    /// Whether this time it changes nothing.
    looks: AtomicBool,
    /// What it is about, beside containers.
    about: Mutex<Option<String>>,
    seen: Mutex<Vec<Seen>>,
    written: Mutex<Vec<Written>>,
}

/// A container that was opened, for what is told and remembered of it at the end.
struct Seen {
    container: ContainerId,
    /// The last part of its path.
    short: String,
    /// Generation and root hash that were opened.
    opened: (u64, RootHash),
    /// Its parent, which was durable whatever becomes of the machine now; `None` if it is not to be
    /// remembered.
    durable: Option<(u64, RootHash)>,
    is_encrypted: bool,
    /// Whether it takes the place of what is known, though that may be newer.
    adopts: bool,
    tip: Arc<Tip>,
}

impl Context {
    /// The surroundings of the command called `name`. If the log file cannot be opened, the error
    /// comes with the output to tell it.
    pub fn new(globals: Globals, name: &str) -> std::result::Result<Context, (Output, Error)> {
        let settings = Settings {
            quiet: globals.quiet,
            verbose: globals.verbose,
            json: globals.json,
            no_progress: globals.no_progress,
            ..Settings::default()
        };
        let mut output = Output::new(settings, name, Arc::new(SystemClock));
        if let Some(path) = &globals.log_file {
            match Log::open(path, globals.log_format == LogFormat::Json) {
                Ok(log) => output.log_to(log),
                Err(error) => return Err((output, error)),
            }
        }
        let [adopts, looks] = [(); 2].map(|()| AtomicBool::new(false));
        let progress = Arc::new(Progress::default());
        let (command, began) = (name.to_owned(), rfc3339(SystemClock.now()));
        let (seen, about, written) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Context { globals, output, progress, command, began, adopts, looks, about, seen, written })
    }

    /// Ends the command. The result names the container and its last commit, and this machine remembers
    /// them, if the file that was written is still the one that others find.
    pub fn finish(&self, result: Result<Outcome>) -> ExitCode {
        let standing = self.is_still_there();
        let is_there = standing.is_ok();
        let result = result.and_then(|outcome| standing.map(|()| self.identify(outcome)));
        if let Err(error) = if is_there { self.remember() } else { Ok(()) } {
            self.output.note(format_args!("the last commit is not noted: {error}"));
        }
        if let Err(error) = self.record(&result) {
            self.output.detail(format_args!("not in the audit log: {error}"));
        }
        self.output.finish(result)
    }

    fn identify(&self, mut outcome: Outcome) -> Outcome {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = seen.first() else { return outcome };
        let own = seen.iter().filter(|other| other.container == first.container);
        let committed = own.filter_map(|seen| seen.tip.committed()).next_back();
        let (generation, root) = committed.unwrap_or(first.opened);
        let fields = [
            ("container", first.container.to_string().into()),
            ("generation", serde_json::Value::from(generation)),
            ("root", root.to_string().into()),
        ];
        for (name, value) in fields {
            outcome.fields.entry(name).or_insert(value);
        }
        // What was copied to, where that is one container.
        let others = seen.iter().filter(|other| other.container != first.container);
        if let Some(other) = others.clone().next_back().filter(|_| self.command == "copy")
            && others.clone().all(|one| one.container == other.container)
        {
            let committed = others.filter_map(|seen| seen.tip.committed()).next_back();
            let (generation, _) = committed.unwrap_or(other.opened);
            outcome.fields.insert("to_container".into(), other.container.to_string().into());
            outcome.fields.insert("to_generation".into(), generation.into());
        }
        outcome
    }

    fn is_still_there(&self) -> Result<()> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.iter().try_for_each(Written::is_still_there)
    }

    fn remember(&self) -> Result<()> {
        let Some(state) = self.state() else { return Ok(()) };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().try_for_each(|seen| {
            let Some((generation, root)) = seen.tip.committed().or(seen.durable) else { return Ok(()) };
            let known = Known { generation, root, is_encrypted: seen.is_encrypted };
            state.remember(&seen.container, &known, seen.adopts)
        })
    }

    /// This time the command only looks, though it usually changes something.
    pub fn only_looks(&self) {
        self.looks.store(true, Ordering::Relaxed);
    }

    /// What the command is about where it opens no container: the name of a scheme.
    pub fn is_about(&self, name: &str) {
        *self.about.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }

    /// From now on an older state or a fork of a container that is opened for writing is taken for the
    /// right one.
    pub fn adopt(&self) {
        self.adopts.store(true, Ordering::Relaxed);
    }

    /// Takes note of a container that is open, and holds it against what is known of it: an older state
    /// or a fork is refused for writing, and told when reading.
    pub fn recognise(&self, session: &Session, access: Access) -> Result<()> {
        let container = session.store.container();
        let (id, name) = (container.base().container, container.base().name());
        let is_seen =
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|seen| seen.container == id);
        if is_seen && access == Access::Read {
            // A copy of the file beside the file itself: it may well be older.
            return Ok(());
        }
        let known = match self.state().map(|state| state.known(&id)) {
            Some(Ok(known)) => known,
            Some(Err(error)) => {
                self.output.warning("state", &error);
                None
            }
            None => None,
        };
        let ancestry = container.ancestry();
        // A container that is only read beside the one that is adopted is not meant.
        let adopts = self.adopts.load(Ordering::Relaxed) && access == Access::Write;
        // What fell back says so itself, and refuses to be written.
        let known_generation = known.as_ref().map(|known| known.generation);
        let is_older = known_generation > Some(container.state().root.generation);
        let known_generation = known_generation.filter(|_| is_older);
        let verdict = match known.filter(|_| !adopts && !container.has_fallen_back()) {
            Some(known) => known.check(name, &ancestry),
            None => Ok(()),
        };
        let is_trusted = verdict.is_ok() && !container.has_fallen_back();
        let root = &container.state().root;
        let own = match adopts {
            true => (root.generation, container.state().hash),
            false => (root.generation - 1, root.parent),
        };
        let seen = Seen {
            container: id,
            short: recording::short_name(container.base().name()),
            opened: (root.generation, container.state().hash),
            durable: Some(own).filter(|_| is_trusted && !self.globals.dry_run),
            is_encrypted: session.is_encrypted,
            adopts,
            tip: container.tip(),
        };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
        match (verdict, access) {
            (Err(error), Access::Write) => Err(error),
            // A backup beside this reader may have gone on, and said so, since it was opened.
            (Err(_), Access::Read) if known_generation.is_some_and(|g| newest(container) >= Some(g)) => {
                Ok(())
            }
            (Err(error), Access::Read) => {
                self.output.warning("rollback", &error);
                Ok(())
            }
            (Ok(()), _) => Ok(()),
        }
    }

    /// Whoever saw a container encrypted does not take one of that name that is not.
    fn check_encryption(&self, header: &Header, table: &KeyTable, name: &str) -> Result<()> {
        let known = self.state().and_then(|state| state.known(&header.prologue.container).ok().flatten());
        match known.is_some_and(|known| known.is_encrypted) && !table.is_encrypted() {
            true => Err(Error::new(
                Kind::NotEncrypted,
                format!("{name}: the container was encrypted when it was last seen here, and is not now"),
            )
            .hint("somebody may have put another file in its place; restore the file from a copy")),
            false => Ok(()),
        }
    }

    /// How far it is, and whether it is to stop: from now on the command listens to that, and the first
    /// signal no longer ends the process but asks it to stop.
    pub fn progress(&self) -> &Arc<Progress> {
        interrupt::asks(&self.progress);
        &self.progress
    }

    /// A pool with as many threads as were asked for.
    pub fn pool(&self) -> Result<Arc<ThreadPool>> {
        session::pool(self.globals.threads)
    }

    /// The time that was asked for, else the machine's.
    pub fn time(&self, at: Option<Timestamp>) -> Timestamp {
        at.map_or_else(|| SystemClock.now(), |time| FixedClock(time).now())
    }

    /// Opens the container at `path` with the secret that is given or, on a terminal, asked for.
    pub fn open(&self, path: &Path, access: Access) -> Result<Session> {
        let credentials = self.secret_of(path, &self.globals.secret.sources(), true)?;
        self.unlock(path, &credentials, access)
    }

    /// The secret for the container at `path` that is given or, on a terminal, asked for.
    pub fn own_credential(&self, path: &Path) -> Result<Option<Credential>> {
        Ok(self.secret_of(path, &self.globals.secret.sources(), true)?.pop())
    }

    /// Opens the container at `path` with `credential`, or as one that needs none.
    pub fn open_with(&self, path: &Path, access: Access, credential: Option<&Credential>) -> Result<Session> {
        let credentials: Vec<Credential> = credential.into_iter().cloned().collect();
        self.unlock(path, &credentials, access)
    }

    /// What is to open the container at `path`: nothing if it needs nothing and nothing is given.
    pub fn secret_of(&self, path: &Path, options: &Options, environment: bool) -> Result<Vec<Credential>> {
        let name = path.display().to_string();
        let storage = FileStorage::open(path, false)?;
        let header = Header::read(&storage).map_err(|e| e.at(&name))?;
        let table = KeyTable::decode(&header.keys.table).map_err(|e| e.at(&name))?;
        self.check_encryption(&header, &table, &name)?;
        let ask = if table.is_encrypted() { Ask::Once } else { Ask::Never };
        Ok(self.credential(options, environment, ask, &name)?.into_iter().collect())
    }

    /// Opens the container at `path` with `credentials`.
    pub fn unlock(&self, path: &Path, credentials: &[Credential], access: Access) -> Result<Session> {
        let place = Place::of(path);
        let session = {
            // Whoever waits for the lock, or for the key, has not begun anything in this file.
            let _waiting = self.progress.waiting();
            session::open(path, credentials, access, self.globals.lock_wait)?
        };
        if access == Access::Write {
            // What changes a container comes to its end: nobody is told that it did not happen.
            self.progress();
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            written.push(place.written(session.store.container().tip()));
        }
        if access == Access::Write && storage::place::is_open_to_all(path) == Some(true) {
            let message = format!("{}: every user may read or change it; chmod 640 it", path.display());
            self.output.warning("container-open", message);
        }
        for note in session.store.container().notes() {
            self.output.warning("container", note);
        }
        self.recognise(&session, access)?;
        Ok(session)
    }

    /// What opens, or is to open, a container; `None` if nothing was given.
    pub fn credential(
        &self,
        options: &Options,
        environment: bool,
        ask: Ask,
        object: &str,
    ) -> Result<Option<Credential>> {
        let gathered = secrets::gather(&Request { options, environment, ask, object }, &Machine)?;
        gathered.warnings.iter().for_each(|warning| self.output.warning("secret", warning));
        credential(gathered)
    }

    /// What this machine remembers of containers, if it has a place for that.
    pub fn state(&self) -> Option<ClientState> {
        self.state_folder().map(ClientState::at)
    }

    /// The folder of everything that this machine remembers, if it has a place for that.
    pub fn state_folder(&self) -> Option<PathBuf> {
        place::state_folder(self.globals.config.as_deref(), place::environment)
    }

    /// The snapshot that `selector` names.
    pub fn snapshot(&self, store: &ChunkStore, selector: &Selector) -> Result<SnapshotRecord> {
        let mut catalog = Catalog::read(store)?;
        let at = find(&catalog, selector)?;
        Ok(catalog.snapshots.swap_remove(at))
    }
}

/// The generation that the file has come to by now.
fn newest(container: &Container) -> Option<u64> {
    container.live_segments().ok().map(|live| live.generation)
}

/// Whether the container at `path` needs a secret.
pub fn is_encrypted(path: &Path) -> Result<bool> {
    let name = path.display().to_string();
    let header = Header::read(&FileStorage::open(path, false)?).map_err(|e| e.at(&name))?;
    Ok(KeyTable::decode(&header.keys.table).map_err(|e| e.at(&name))?.is_encrypted())
}

/// The position of the snapshot that `selector` names.
pub fn find(catalog: &Catalog, selector: &Selector) -> Result<usize> {
    let known: Vec<_> = catalog.snapshots.iter().map(|s| (s.id, s.time)).collect();
    selector.find(&known)
}

/// The selector that an argument is.
pub fn selector(argument: &std::ffi::OsStr) -> Result<Selector> {
    match argument.to_str() {
        Some(text) => text.parse(),
        None => Err(Error::new(Kind::Usage, format!("`{}` is no name of a snapshot", argument.display()))),
    }
}

fn credential(gathered: Gathered) -> Result<Option<Credential>> {
    let origin = gathered.origin;
    Ok(match gathered.secret {
        Secret::Password(password) => Some(Credential::Password(password)),
        Secret::KeyFile(bytes) => {
            Some(Credential::KeyFile(key_file::decode(&bytes).map_err(|e| e.at(origin))?))
        }
        Secret::Recovery(text) => {
            Some(Credential::Recovery(recovery::decode(&text).map_err(|e| e.at(origin))?))
        }
        Secret::None => None,
    })
}
