//! What every command works with: its output, the wish to stop, time, threads, and the container
//! that its secret opens. It promises to ask for a secret only where one is needed.

use super::args::{Globals, LogFormat};
use super::events::Outcome;
use super::output::{Log, Output, Settings};
use super::secrets::{self, Ask, Gathered, Machine, Request, Secret};
use super::values::Selector;
use super::{interrupt, secrets::Options};
use crate::chunk_store::ChunkStore;
use crate::clock::{Clock, FixedClock, SystemClock, Timestamp};
use crate::container::Access;
use crate::container::header::Header;
use crate::crypto::{Credential, KeyTable, key_file, recovery};
use crate::error::{Error, Kind, Result};
use crate::operations::client_state::ClientState;
use crate::operations::session::{self, Session};
use crate::progress::Progress;
use crate::snapshot::{Catalog, SnapshotRecord};
use crate::storage::FileStorage;
use rayon::ThreadPool;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The surroundings of one command.
pub struct Context {
    /// What stands before, behind or among every command.
    pub globals: Globals,
    /// Where it tells what it does.
    pub output: Output,
    /// How far it is, and whether it is to stop.
    pub progress: Arc<Progress>,
    watching: AtomicBool,
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
        let watching = AtomicBool::new(false);
        Ok(Context { globals, output, progress: Arc::new(Progress::default()), watching })
    }

    /// Ends the command.
    pub fn finish(self, result: Result<Outcome>) -> ExitCode {
        self.output.finish(result)
    }

    /// From now on, signals ask the command to stop. Not before the last prompt.
    pub fn watch(&self) -> Result<()> {
        match self.watching.swap(true, Ordering::Relaxed) {
            true => Ok(()),
            false => interrupt::watch(Arc::clone(&self.progress)),
        }
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
        let credential = self.own_credential(path)?;
        self.open_with(path, access, credential.as_ref())
    }

    /// The secret for the container at `path` that is given or, on a terminal, asked for.
    pub fn own_credential(&self, path: &Path) -> Result<Option<Credential>> {
        let ask = if is_encrypted(path)? { Ask::Once } else { Ask::Never };
        self.credential(&self.globals.secret.sources(), true, ask, &path.display().to_string())
    }

    /// Opens the container at `path` with `credential`, or as one that needs none.
    pub fn open_with(&self, path: &Path, access: Access, credential: Option<&Credential>) -> Result<Session> {
        self.watch()?;
        let credentials: Vec<Credential> = credential.into_iter().cloned().collect();
        let session = session::open(path, &credentials, access, self.globals.lock_wait)?;
        for note in session.store.container().notes() {
            self.output.warning("container", note);
        }
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
        ClientState::usual(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    /// The snapshot that `selector` names.
    pub fn snapshot(&self, store: &ChunkStore, selector: &Selector) -> Result<SnapshotRecord> {
        let mut catalog = Catalog::read(store)?;
        let at = find(&catalog, selector)?;
        Ok(catalog.snapshots.swap_remove(at))
    }
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
