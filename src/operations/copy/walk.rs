//! What a snapshot consists of, piece by piece, for whoever takes it elsewhere. It promises to hold
//! one entry and one list chunk a level at a time, and to leave out what the snapshot before, which
//! is there already, has at the same path.

use super::renaming::Twin;
use crate::chunk_store::ChunkStore;
use crate::crypto::ObjectKind;
use crate::entry::{ChunkList, ChunkRef, Content, Entry, EntryPath};
use crate::error::Result;
use crate::operations::restore::chunk_kind;
use crate::snapshot::{ChunkRefs, ManifestReader, SnapshotRecord};
use std::collections::VecDeque;

/// A piece of a snapshot.
pub enum Piece {
    /// A chunk: of the content that is open, or a list chunk or manifest chunk where those go along.
    Chunk(ObjectKind, ChunkRef),
    /// The content that is open has no more chunks.
    EndContent,
    /// A content that the snapshot before has, too: its chunks where it goes.
    Known(ChunkList),
    /// The entry whose contents came just now; it names no chunks any more.
    Entry(Box<Entry>),
}

impl Piece {
    /// About how much memory it stands for until it is dealt with, in bytes.
    pub fn weight(&self) -> u64 {
        match self {
            Piece::Chunk(_, chunk) => u64::from(chunk.length),
            Piece::EndContent => 0,
            Piece::Known(list) => list.chunks.len() as u64 * 64,
            Piece::Entry(entry) => {
                let attributes = entry.metadata.attributes.iter().map(|a| a.name.len() + a.value.len());
                (entry.path.0.len() + attributes.sum::<usize>() + 512) as u64
            }
        }
    }
}

/// The entries of a snapshot, sought in path order.
pub struct Seeker<'a> {
    reader: Option<ManifestReader<'a>>,
    current: Option<Entry>,
}

impl<'a> Seeker<'a> {
    /// The entries of `record`; with none, nothing is found.
    pub fn new(store: &'a ChunkStore, record: Option<&SnapshotRecord>) -> Seeker<'a> {
        let reader = record.and_then(|record| ManifestReader::new(store, &record.manifest).ok());
        let mut seeker = Seeker { reader, current: None };
        seeker.advance();
        seeker
    }

    fn advance(&mut self) {
        // What cannot be read is not found: that costs time and nothing else.
        self.current = self.reader.as_mut().and_then(Iterator::next).and_then(Result::ok);
    }

    /// Content number `number` of what is of the same path and kind as `entry`.
    pub fn content(&mut self, entry: &Entry, number: usize) -> Option<&Content> {
        while self.current.as_ref().is_some_and(|current| current.path < entry.path) {
            self.advance();
        }
        let same = |current: &&Entry| current.path == entry.path && current.kind.word() == entry.kind.word();
        self.current.as_ref().filter(same)?.kind.contents().nth(number)
    }
}

/// What to do about one content.
enum Want {
    Known(ChunkList),
    Copy(Content),
}

/// A walk through one snapshot.
pub struct Walk<'a> {
    store: &'a ChunkStore,
    entries: ManifestReader<'a>,
    before: Seeker<'a>,
    entry: Option<Box<Entry>>,
    wanted: VecDeque<Want>,
    open: Option<(ObjectKind, ChunkRefs<'a>)>,
    ready: VecDeque<Piece>,
    /// The manifest as it lies, if it goes along.
    manifest: Option<ChunkList>,
    /// Whether list chunks and manifest chunks go along: where names are the same there.
    as_it_lies: bool,
}

impl<'a> Walk<'a> {
    /// A walk through `record`; `before` is a snapshot that is there already. With `as_it_lies` its
    /// list chunks and manifest chunks go along.
    pub fn new(
        store: &'a ChunkStore,
        record: &SnapshotRecord,
        before: Option<&SnapshotRecord>,
        as_it_lies: bool,
    ) -> Result<Walk<'a>> {
        Ok(Walk {
            store,
            entries: ManifestReader::new(store, &record.manifest)?,
            before: Seeker::new(store, before),
            entry: None,
            wanted: VecDeque::new(),
            open: None,
            ready: VecDeque::new(),
            manifest: as_it_lies.then(|| record.manifest.clone()),
            as_it_lies,
        })
    }

    /// The path of the entry whose contents are being walked through.
    pub fn path(&self) -> Option<&EntryPath> {
        self.entry.as_ref().map(|entry| &entry.path)
    }

    /// The next piece. Every error is one of the store that is walked through.
    pub fn next(&mut self, mut twin: Option<&mut Twin>) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if self.open.is_some() {
                self.read_refs()?;
            } else if let Some(want) = self.wanted.pop_front() {
                self.begin_content(want)?;
            } else if let Some(mut entry) = self.entry.take() {
                // Their chunks went ahead; many entries wait together.
                entry.kind.contents_mut().for_each(|content| content.chunks = ChunkList::default());
                return Ok(Some(Piece::Entry(entry)));
            } else if let Some(entry) = self.entries.next() {
                self.begin(entry?, &mut twin);
            } else if let Some(manifest) = self.manifest.take() {
                let refs = ChunkRefs::new(self.store, &manifest)?.remember_lists();
                self.open = Some((ObjectKind::Manifest, refs));
            } else {
                return Ok(None);
            }
        }
    }

    fn begin(&mut self, entry: Entry, twin: &mut Option<&mut Twin>) {
        for (number, content) in entry.kind.contents().enumerate() {
            let before = self.before.content(&entry, number);
            let known = match (before, &mut *twin) {
                (Some(before), Some(twin)) => twin.content(&entry, number, content, before).map(Want::Known),
                // Where names are the same there is nothing to say about what is there already.
                (Some(before), None) if before.chunks == content.chunks && self.as_it_lies => continue,
                _ => None,
            };
            self.wanted.push_back(known.unwrap_or_else(|| Want::Copy(content.clone())));
        }
        self.entry = Some(Box::new(entry));
    }

    fn begin_content(&mut self, want: Want) -> Result<()> {
        let Some(entry) = &self.entry else { return Ok(()) };
        match want {
            Want::Known(list) => self.ready.push_back(Piece::Known(list)),
            Want::Copy(content) => {
                // The reader of the manifest saw to it that the holes fit.
                let bytes = content.data_bytes().unwrap_or_default();
                let refs = ChunkRefs::of_length(self.store, &content.chunks, bytes)?;
                let refs = if self.as_it_lies { refs.remember_lists() } else { refs };
                self.open = Some((chunk_kind(entry), refs));
            }
        }
        Ok(())
    }

    fn read_refs(&mut self) -> Result<()> {
        let Some((kind, refs)) = &mut self.open else { return Ok(()) };
        let next = refs.next().transpose()?;
        let lists = refs.take_lists().into_iter().map(|list| Piece::Chunk(ObjectKind::List, list));
        self.ready.extend(lists);
        match next {
            Some(chunk) => self.ready.push_back(Piece::Chunk(*kind, chunk)),
            None => {
                self.open = None;
                self.ready.push_back(Piece::EndContent);
            }
        }
        Ok(())
    }
}
