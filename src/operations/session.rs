//! Opening and making containers by path: header, keys, locks. It promises that a file that is not
//! wholly made never stands under the name that was asked for.

use crate::chunk_store::{ChunkStore, Contents, Settings};
use crate::clock::Timestamp;
use crate::codec;
use crate::container::commit::CommitOptions;
use crate::container::create::{Creation, create};
use crate::container::geometry::Geometry;
use crate::container::header::{Header, KeyFrame};
use crate::container::layout::Prologue;
use crate::container::{Access, Container};
use crate::crypto::{Credential, Entropy, KeyTable, Keyring, NewSlot, Secrets};
use crate::error::{Error, Kind, Result};
use crate::ids::{ContainerId, FamilyId};
use crate::limits::{MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES};
use crate::retention::Policy;
use crate::storage::{FileStorage, Storage, sync_folder_of};
use rayon::ThreadPool;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Segments in the smallest container that may be capped.
const MIN_SEGMENTS: u32 = 24;
/// One parity sector for this many bytes of segment: 3.1 %.
const BYTES_PER_PARITY_SECTOR: usize = 128 << 10;

/// An open container with what unlocked it.
pub struct Session {
    /// The chunks and all below.
    pub store: ChunkStore,
    /// The secrets, for changing key slots.
    pub secrets: Secrets,
    /// Number of the key slot that opened it.
    pub slot: u32,
    /// Whether a key is needed to open it.
    pub is_encrypted: bool,
}

/// The least that a container of this shape may be capped to, in bytes.
pub fn least_bytes(geometry: &Geometry) -> u64 {
    geometry.file_bytes(MIN_SEGMENTS)
}

/// A pool of `threads` threads; 0: as many as the machine has.
pub fn pool(threads: usize) -> Result<Arc<ThreadPool>> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("coffer-{i}"));
    builder.build().map(Arc::new).map_err(|e| Error::new(Kind::Failed, "threads: not started").because(e))
}

/// Opens the container at `path`.
///
/// With credentials, clear key slots are never tried. Waits up to `lock_wait` for another writer.
pub fn open(path: &Path, credentials: &[Credential], access: Access, lock_wait: Duration) -> Result<Session> {
    let storage: Arc<dyn Storage> = Arc::new(FileStorage::open(path, access == Access::Write)?);
    let name = path.display().to_string();
    let start = Instant::now();
    loop {
        match open_storage(storage.clone(), credentials, access, &name) {
            Err(error) if error.kind() == Kind::Busy && start.elapsed() < lock_wait => {
                std::thread::sleep(Duration::from_millis(100).min(lock_wait));
            }
            other => return other,
        }
    }
}

/// Opens a container in any storage.
pub fn open_storage(
    storage: Arc<dyn Storage>,
    credentials: &[Credential],
    access: Access,
    name: &str,
) -> Result<Session> {
    let header = Header::read(&*storage).map_err(|e| e.at(name))?;
    let table = KeyTable::decode(&header.keys.table).map_err(|e| e.at(name))?;
    let id = header.prologue.container;
    let (secrets, slot) = table.unlock(id, credentials).map_err(|e| e.at(name))?;
    let keyring = Keyring::derive(&secrets, id, header.prologue.family);
    let container = Container::open(storage, header, keyring, name, access)?;
    let store = ChunkStore::open(container).map_err(|e| e.at(name))?;
    Ok(Session { store, secrets, slot, is_encrypted: table.is_encrypted() })
}

/// How much of a segment is parity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parity {
    /// None: nothing heals, damage is only found.
    None,
    /// 3.1 %: 32 bad sectors of a segment of 4 MiB heal.
    #[default]
    Normal,
    /// 6.2 %.
    Double,
}

/// A container to be made.
pub struct Init {
    /// Where.
    pub path: PathBuf,
    /// Size of a segment in bytes; `None`: 4 MiB, or 1 MiB under a cap below 4 GiB.
    pub segment_bytes: Option<u64>,
    /// Share of parity.
    pub parity: Parity,
    /// Longest the file may become in bytes.
    pub max_bytes: Option<u64>,
    /// What to keep when somebody prunes.
    pub retention: Option<Policy>,
    /// The first key slot.
    pub slot: NewSlot,
    /// Time of the first commit.
    pub time: Timestamp,
}

impl Init {
    fn prologue(&self, entropy: &mut dyn Entropy) -> Result<Prologue> {
        let usage = |message: String| Error::new(Kind::Usage, message);
        let small = self.max_bytes.is_some_and(|bytes| bytes < 4 << 30);
        let segment_bytes = self.segment_bytes.unwrap_or(if small { 1 << 20 } else { 4 << 20 });
        let range = MIN_SEGMENT_BYTES as u64..=MAX_SEGMENT_BYTES as u64;
        if !range.contains(&segment_bytes) || !segment_bytes.is_power_of_two() {
            return Err(usage(format!("segment size of {segment_bytes} bytes"))
                .hint("segments are 1M, 2M, 4M, 8M, 16M, 32M or 64M"));
        }
        let segment_bytes = segment_bytes as usize;
        let (mut container, mut family) = (ContainerId::ZERO, FamilyId::ZERO);
        entropy.fill(&mut container.0)?;
        entropy.fill(&mut family.0)?;
        let share = (segment_bytes / BYTES_PER_PARITY_SECTOR) as u16;
        let parity_sectors = match self.parity {
            Parity::None => 0,
            Parity::Normal => share,
            Parity::Double => 2 * share,
        };
        let prologue =
            Prologue { segment_bytes, parity_sectors, container, family, read_compatible: 0, compatible: 0 };
        let least = least_bytes(&Geometry::of(&prologue));
        match self.max_bytes {
            Some(bytes) if bytes < least => Err(usage(format!("maximum size of {bytes} bytes"))
                .hint(format!("with this segment size the least is {least} bytes"))),
            _ => Ok(prologue),
        }
    }
}

/// Makes a container; it appears under its name when it is whole.
pub fn init(plan: &Init, pool: Arc<ThreadPool>, entropy: &mut dyn Entropy) -> Result<Session> {
    make_whole(&plan.path, |storage| init_storage(plan, storage, pool, entropy))
}

/// Makes a file by `make`, under its name only when that has come to its end.
pub fn make_whole<T>(path: &Path, make: impl FnOnce(Arc<dyn Storage>) -> Result<T>) -> Result<T> {
    if path.symlink_metadata().is_ok() {
        return Err(Error::new(Kind::Usage, format!("{}: exists already", path.display()))
            .hint("choose another name; coffer never overwrites a container"));
    }
    let unfinished = unfinished_name(path)?;
    let _ = std::fs::remove_file(&unfinished);
    let made = FileStorage::create(&unfinished).and_then(|file| {
        let made = make(Arc::new(file))?;
        publish(&unfinished, path)?;
        Ok(made)
    });
    if made.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    made
}

/// Makes a container in empty storage.
pub fn init_storage(
    plan: &Init,
    storage: Arc<dyn Storage>,
    pool: Arc<ThreadPool>,
    entropy: &mut dyn Entropy,
) -> Result<Session> {
    init_related(plan, None, storage, pool, entropy)
}

/// The same; with `relative` in its family, so that copies between both move only what is missing.
pub fn init_related(
    plan: &Init,
    relative: Option<&Session>,
    storage: Arc<dyn Storage>,
    pool: Arc<ThreadPool>,
    entropy: &mut dyn Entropy,
) -> Result<Session> {
    let mut prologue = plan.prologue(entropy)?;
    let secrets = match relative {
        None => Secrets::generate(entropy)?,
        Some(relative) => {
            prologue.family = relative.store.container().header().prologue.family;
            relative.secrets.generate_copy(entropy)?
        }
    };
    let table = KeyTable::create(&secrets, prologue.container, &plan.slot, entropy)?;
    let keyring = Keyring::derive(&secrets, prologue.container, prologue.family);
    if let Some(policy) = &plan.retention {
        policy.check()?;
    }
    let settings = Settings { max_bytes: plan.max_bytes, retention: plan.retention.clone() };
    let contents = Contents { settings, ..Contents::default() };
    let creation = Creation {
        keys: KeyFrame::of(table.encode()),
        prologue,
        keyring,
        contents: codec::encode(&contents),
    };
    let options = CommitOptions { max_bytes: plan.max_bytes, time: plan.time, read_back: false };
    let container = create(storage, creation, &plan.path.display().to_string(), pool, options)?;
    let is_encrypted = table.is_encrypted();
    Ok(Session {
        store: ChunkStore::open(container)?,
        secrets,
        slot: table.slots()[0].number(),
        is_encrypted,
    })
}

fn unfinished_name(path: &Path) -> Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::new(Kind::Usage, format!("{}: is not a file name", path.display())))?;
    let mut unfinished = std::ffi::OsString::from(".");
    unfinished.push(name);
    unfinished.push(".unfinished");
    Ok(path.with_file_name(unfinished))
}

fn publish(unfinished: &Path, path: &Path) -> Result<()> {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    let cwd = rustix::fs::CWD;
    let renamed = match rustix::fs::renameat_with(cwd, unfinished, cwd, path, flags) {
        // File systems without that flag: the name was free a moment ago.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => rustix::fs::rename(unfinished, path),
        other => other,
    };
    renamed
        .map_err(|e| Error::io(Kind::Destination, format!("{}: not created", path.display()), e.into()))?;
    sync_folder_of(path)
}

/// The name of this machine, as snapshots record it.
pub fn host_name() -> String {
    String::from_utf8_lossy(rustix::system::uname().nodename().to_bytes()).into_owned()
}
