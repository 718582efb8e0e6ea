//! Making a new container: header zone, key segment, first commit. It promises that a file whose
//! making was interrupted never opens as an empty container: the superblock comes last.

use super::commit::CommitOptions;
use super::header::{Header, KeyFrame};
use super::layout::Prologue;
use super::root::{CommitRoot, SegmentRecord};
use super::superblock::RootPointer;
use super::{Base, Container, State};
use crate::crypto::Keyring;
use crate::error::Result;
use crate::ids::RootHash;
use crate::storage::Storage;
use rayon::ThreadPool;
use std::sync::Arc;

/// What a new container is made of.
pub struct Creation {
    /// Ids and sizes.
    pub prologue: Prologue,
    /// The first key table.
    pub keys: KeyFrame,
    /// The keys themselves.
    pub keyring: Keyring,
    /// The chunk store's first contents.
    pub contents: Vec<u8>,
}

/// Writes a new container into empty `storage` and opens it for writing.
pub fn create(
    storage: Arc<dyn Storage>,
    creation: Creation,
    name: &str,
    pool: Arc<ThreadPool>,
    options: CommitOptions,
) -> Result<Container> {
    let Creation { prologue, keys, keyring, contents } = creation;
    let geometry = super::Geometry::of(&prologue);
    let base = Arc::new(Base::new(storage, geometry, prologue.container, keyring, name));
    super::lock::take_writer(&base)?;
    base.storage.allocate(0, geometry.file_bytes(1)).map_err(|e| base.io("not created", e))?;
    let mut header =
        Header { prologue, geometry, keys: keys.clone(), rotten: Vec::new(), outdated: Vec::new() };
    header.write_new(&*base.storage).map_err(|e| base.io("not created", e))?;
    header.write_keys(&*base.storage, keys)?;
    let mut container = Container {
        base,
        header,
        state: Arc::new(before_first()),
        _pin: None,
        writable: true,
        notes: Vec::new(),
        fallen_back: false,
        tip: Arc::default(),
    };
    let state = container.begin(pool, options)?.finish(contents, std::iter::empty())?;
    // Both superblock slots hold the first commit, so that one can be lost from the start.
    container.install(state);
    container.rewrite_superblocks()?;
    Ok(container)
}

/// The state that the first commit takes for its parent: nothing but slot 0.
fn before_first() -> State {
    let zero = CommitRoot {
        generation: 0,
        parent: RootHash::ZERO,
        time: Default::default(),
        prologue_hash: [0; 32],
        key_table_sequence: 0,
        key_table_hash: [0; 32],
        slot_count: 1,
        segment_table: Default::default(),
        slot_map: Vec::new(),
        closing: [0; 32],
        contents: Vec::new(),
    };
    let pointer = RootPointer { copies: Default::default(), length: 0, hash: RootHash::ZERO };
    State {
        root: zero,
        hash: RootHash::ZERO,
        pointer,
        closing: Vec::new(),
        table: vec![SegmentRecord { live: true, ..SegmentRecord::free(0) }],
    }
}
