//! Adding a line to the audit log, one writer at a time, durable before it is called written.
//!
//! The line is synced first, the head replaced after: a crash between the two leaves a head that is one
//! line behind, which is part of the chain. A head that is ahead of the log means that lines were cut
//! off; what is added then goes on from the head, so that the gap stays to be seen.

use super::entry::{Act, ORIGIN, hash_of, parse};
use super::reading::{Head, stored_head};
use super::{AuditLog, HEADLESS, TORN};
use crate::error::{Error, Kind, Result};
use crate::storage::state_file;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

/// The longest that another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of the end is read to find the last line, in bytes.
const TAIL_BYTES: u64 = 64 << 10;

/// Where the log ends.
struct End {
    /// The last whole line: its number if it is an entry, and its hash.
    last: Option<(Option<u64>, String)>,
    /// Bytes behind the last line end: a torn line.
    torn: Vec<u8>,
    /// Bytes up to there.
    whole_bytes: u64,
}

impl AuditLog {
    /// Adds `act`, durably; returns the new head.
    ///
    /// Errors: [`Kind::Failed`] if it cannot be written; [`Kind::Busy`] if others write for too long.
    pub fn append(&self, act: &Act) -> Result<Head> {
        let failed = |cause: io::Error| {
            Error::io(Kind::Failed, format!("{}: entry not written", self.file().display()), cause)
        };
        state_file::create_private(&self.folder).map_err(failed)?;
        let mut options = File::options();
        let options = options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(self.file()).map_err(failed)?;
        if !lock(&file).map_err(failed)? {
            return Err(Error::new(Kind::Busy, format!("{}: others write to it", self.file().display())));
        }
        // Closing the file gives the lock back.
        self.add(&mut file, act).map_err(failed)
    }

    fn add(&self, file: &mut File, act: &Act) -> io::Result<Head> {
        let end = end_of(file)?;
        let known = stored_head(self);
        let mut last = beginning(&end, known.as_ref().ok().and_then(Option::as_ref));
        let mut text = String::new();
        if !end.torn.is_empty() {
            file.set_len(end.whole_bytes)?;
            let mut healed = Act::new(act.time.clone(), act.who.clone(), TORN, "healed");
            healed.facts.insert("bytes".into(), end.torn.len().into());
            healed.facts.insert("torn".into(), hash_of(&end.torn).into());
            put(&mut last, &healed, &mut text)?;
        }
        // After the first line a crash may have come before the first head.
        if !matches!(known, Ok(Some(_))) && last.number > 1 {
            put(&mut last, &Act::new(act.time.clone(), act.who.clone(), HEADLESS, "noticed"), &mut text)?;
        }
        put(&mut last, act, &mut text)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        let head = serde_json::to_vec(&last).map_err(io::Error::from)?;
        state_file::replace(&self.head_file(), &head)?;
        Ok(last)
    }
}

/// What the next line follows: the last line, unless the head that is known says otherwise.
fn beginning(end: &End, known: Option<&Head>) -> Head {
    let last = match &end.last {
        None => Head { number: 0, hash: ORIGIN.into() },
        Some((number, hash)) => Head { number: number.unwrap_or(0), hash: hash.clone() },
    };
    match known {
        Some(known) if known.number >= last.number => known.clone(),
        _ => last,
    }
}

fn put(last: &mut Head, act: &Act, text: &mut String) -> io::Result<()> {
    let line = act.line(last.number.saturating_add(1), &last.hash).map_err(io::Error::from)?;
    *last = Head { number: last.number.saturating_add(1), hash: hash_of(line.as_bytes()) };
    text.push_str(&line);
    text.push('\n');
    Ok(())
}

fn end_of(file: &mut File) -> io::Result<End> {
    let length = file.seek(SeekFrom::End(0))?;
    let from = length.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    let cut = tail.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let (whole, torn) = tail.split_at(cut);
    let line = whole.strip_suffix(b"\n").map(|whole| whole.rsplit(|&byte| byte == b'\n').next());
    let last = line.flatten().map(|line| (parse(line).ok().map(|entry| entry.number), hash_of(line)));
    Ok(End { last, torn: torn.to_vec(), whole_bytes: from + cut as u64 })
}

/// Waits for the lock of the whole file; `false` if it was in vain.
fn lock(file: &File) -> io::Result<bool> {
    let began = Instant::now();
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            // Where there are no locks, a line is still written as a whole.
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => return Ok(true),
            Err(Errno::WOULDBLOCK | Errno::INTR) if began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(Errno::WOULDBLOCK | Errno::INTR) => return Ok(false),
            Err(cause) => return Err(cause.into()),
        }
    }
}
