//! Dump sources: a file, a command's output, standard input. It promises that a failed or empty
//! dump is never a snapshot, and that a dump which its own maker left unfinished is named.

use super::batch::{Batcher, Piece};
use super::judge::{Finding, Judge};
use super::previous::Previous;
use super::{BackupPlan, Source};
use crate::attachments::problem::{Problem, ProblemKind};
use crate::clock::Timestamp;
use crate::entry::{Content, Entry, EntryKind, EntryPath, Metadata};
use crate::error::{Error, Kind, Result};
use crate::operations::family::Mark;
use crate::progress::Progress;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a silent stream is waited for at a time.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// How long the death of a dump command that is ended is waited for.
const DEATH: Duration = Duration::from_secs(5);

/// Reads one dump source into `batcher`; a file that `previous` has unchanged is not read.
pub fn read(
    source: &Source,
    plan: &BackupPlan,
    previous: &mut Previous,
    progress: &Progress,
    batcher: &mut Batcher,
) -> Result<()> {
    let at = |name: &[u8]| EntryPath(b"database".to_vec()).join(name);
    match source {
        Source::DumpFile { name, path } => read_file(&at(name), path, previous, progress, batcher),
        Source::DumpCommand { name, command } => {
            read_command(&at(name), command, metadata_at(plan.time), progress, batcher)
        }
        Source::StandardInput { name } => {
            let input = std::io::stdin().lock();
            let read =
                stream(&mut Patient { input, progress }, &at(name), "standard input", progress, batcher)?;
            end(at(name), metadata_at(plan.time), read.size, batcher)
        }
        Source::Attachments { .. } | Source::Databases(_) => Ok(()),
    }
}

/// The metadata of a dump that has none of its own.
fn metadata_at(time: Timestamp) -> Metadata {
    Metadata {
        mode: 0o600,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        modified: time,
        ..Metadata::default()
    }
}

fn end(path: EntryPath, metadata: Metadata, size: u64, batcher: &mut Batcher) -> Result<()> {
    let kind = EntryKind::Dump(Content { size, ..Content::default() });
    batcher.say(Piece::End(Box::new(Entry { path, kind, metadata })))
}

fn read_file(
    path: &EntryPath,
    file: &Path,
    previous: &mut Previous,
    progress: &Progress,
    batcher: &mut Batcher,
) -> Result<()> {
    let failed = |e| Error::io(Kind::Source, format!("dump {}: cannot be read", file.display()), e);
    // Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever.
    let mut open = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(file).map_err(failed)?;
    let before = open.metadata().map_err(failed)?;
    if !before.is_file() {
        return Err(Error::new(Kind::Source, format!("dump {}: is not a file", file.display()))
            .hint("--dump-command CMD takes a command's output, --dump - standard input"));
    }
    let mut entry = file_entry(path, &before);
    if let Some(content) = previous.content_of(&entry) {
        progress.advance(1, content.size);
        entry.kind = EntryKind::Dump(content);
        return batcher.say(Piece::Whole(Box::new(entry)));
    }
    let Streamed { size, sound } =
        stream(&mut open, path, &format!("dump {}", file.display()), progress, batcher)?;
    let after = open.metadata().map_err(failed)?;
    let same = |m: &std::fs::Metadata| (m.len(), m.mtime(), m.mtime_nsec());
    if same(&before) != same(&after) || after.len() != size {
        entry.metadata.inode = 0;
        batcher.say(Piece::Problem(Problem::new(path, ProblemKind::Changed)))?;
    }
    if !sound {
        // Not to be recognised as unchanged: the next backup would take it for a good one.
        entry.metadata.inode = 0;
    }
    end(path.clone(), entry.metadata, size, batcher)
}

fn file_entry(path: &EntryPath, file: &std::fs::Metadata) -> Entry {
    let time = |seconds, nanoseconds: i64| Timestamp { seconds, nanoseconds: nanoseconds as u32 };
    let metadata = Metadata {
        mode: file.mode() & 0o7777,
        uid: file.uid(),
        gid: file.gid(),
        modified: time(file.mtime(), file.mtime_nsec()),
        changed: time(file.ctime(), file.ctime_nsec()),
        inode: file.ino(),
        attributes: Vec::new(),
    };
    let kind = EntryKind::Dump(Content { size: file.len(), ..Content::default() });
    Entry { path: path.clone(), kind, metadata }
}

fn read_command(
    path: &EntryPath,
    command: &str,
    metadata: Metadata,
    progress: &Progress,
    batcher: &mut Batcher,
) -> Result<()> {
    let object = format!("dump command `{command}`");
    let failed = |e| Error::io(Kind::Source, format!("{object}: not run"), e);
    let mut shell = shell(command);
    let mark = Mark::put(&mut shell).map_err(failed)?;
    let mut child = shell.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().map_err(failed)?;
    let mut family = mark.of(&child);
    let output =
        child.stdout.take().ok_or_else(|| Error::new(Kind::Failed, format!("{object}: no output")))?;
    let mut output = Patient { input: output, progress };
    let streamed = stream(&mut output, path, &object, progress, batcher);
    drop(output);
    if streamed.is_err() {
        // Nobody reads any more; neither the command nor what it started may outlive the backup.
        family.end(DEATH);
    }
    let status = child.wait().map_err(failed)?;
    let size = match streamed {
        Ok(read) => read.size,
        Err(error) if error.kind() == Kind::Source && !status.success() => 0,
        Err(error) => return Err(error),
    };
    match status.success() {
        true => end(path.clone(), metadata, size, batcher),
        false => {
            Err(Error::new(Kind::Source, format!("{object}: failed with {status}, so nothing was committed"))
                .hint("its own messages stand above"))
        }
    }
}

/// A shell for `command`. A pipeline fails if any part fails, where the shell knows how.
fn shell(command: &str) -> Command {
    let bash = Path::new("/bin/bash");
    let mut shell = Command::new(if bash.exists() { bash } else { Path::new("/bin/sh") });
    if bash.exists() {
        shell.args(["-o", "pipefail"]);
    }
    shell.arg("-c").arg(command).env_remove("COFFER_PASSWORD");
    shell
}

/// What was read of a stream.
struct Streamed {
    size: u64,
    /// Whether nothing was found wrong with it.
    sound: bool,
}

/// Reads a stream to its end and looks at how it begins and ends.
fn stream(
    input: &mut dyn Read,
    path: &EntryPath,
    object: &str,
    progress: &Progress,
    batcher: &mut Batcher,
) -> Result<Streamed> {
    let mut judge = Judge::default();
    let read = batcher.content(|buffer| {
        progress.check().map_err(|_| std::io::Error::from(std::io::ErrorKind::Other))?;
        let bytes = fill(input, buffer)?;
        progress.advance(0, bytes as u64);
        judge.see(&buffer[..bytes]);
        Ok(bytes)
    })?;
    progress.check()?;
    let size = read.map_err(|e| Error::io(Kind::Source, format!("{object}: cannot be read"), e))?;
    let sound = match judge.end() {
        Finding::Nothing => true,
        Finding::Problem(what) => {
            batcher.say(Piece::Problem(Problem::new(path, what)))?;
            false
        }
        Finding::NoDump(why) => {
            return Err(Error::new(Kind::Source, format!("{object}: {why}, so it is no dump"))
                .hint("nothing was committed; look at what makes the dump"));
        }
    };
    progress.advance(1, 0);
    Ok(Streamed { size, sound })
}

/// A stream that may have nothing to say for long: the wish to stop is heard all the same.
struct Patient<'a, R> {
    input: R,
    progress: &'a Progress,
}

impl<R: Read + AsFd> Read for Patient<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            self.progress.check().map_err(std::io::Error::other)?;
            let mut waiting = [PollFd::new(&self.input, PollFlags::IN)];
            match poll(&mut waiting, Some(&PATIENCE)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.input.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Reads until the buffer is full or the input ends, so that pipes give large pieces.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
