//! Dump sources: a file, a command's output, standard input. It promises that a failed or empty
//! dump is never a snapshot, and that a dump which its own maker left unfinished is named.

use super::batch::{Batcher, Piece};
use super::previous::Previous;
use super::{BackupPlan, Source};
use crate::attachments::problem::{Problem, ProblemKind};
use crate::clock::Timestamp;
use crate::entry::{Content, Entry, EntryKind, EntryPath, Metadata};
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

/// How long a silent stream is waited for at a time.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

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
            let size =
                stream(&mut Patient { input, progress }, &at(name), "standard input", progress, batcher)?;
            end(at(name), metadata_at(plan.time), size, batcher)
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
    let size = stream(&mut open, path, &format!("dump {}", file.display()), progress, batcher)?;
    let after = open.metadata().map_err(failed)?;
    let same = |m: &std::fs::Metadata| (m.len(), m.mtime(), m.mtime_nsec());
    if same(&before) != same(&after) || after.len() != size {
        entry.metadata.inode = 0;
        batcher.say(Piece::Problem(Problem::new(path, ProblemKind::Changed)))?;
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
    let mut child = shell(command).stdout(Stdio::piped()).stdin(Stdio::null()).spawn().map_err(failed)?;
    let output =
        child.stdout.take().ok_or_else(|| Error::new(Kind::Failed, format!("{object}: no output")))?;
    let mut output = Patient { input: output, progress };
    let streamed = stream(&mut output, path, &object, progress, batcher);
    drop(output);
    if streamed.is_err() {
        // Nobody reads any more; a command that keeps writing must not outlive the backup.
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    let size =
        streamed.or_else(|e| if e.kind() == Kind::Source && !status.success() { Ok(0) } else { Err(e) })?;
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

/// Reads a stream to its end and looks at how it begins and ends.
fn stream(
    input: &mut dyn Read,
    path: &EntryPath,
    object: &str,
    progress: &Progress,
    batcher: &mut Batcher,
) -> Result<u64> {
    let mut ends = Ends::default();
    let read = batcher.content(|buffer| {
        progress.check().map_err(|_| std::io::Error::from(std::io::ErrorKind::Other))?;
        let bytes = fill(input, buffer)?;
        progress.advance(0, bytes as u64);
        ends.see(&buffer[..bytes]);
        Ok(bytes)
    })?;
    progress.check()?;
    let size = read.map_err(|e| Error::io(Kind::Source, format!("{object}: cannot be read"), e))?;
    if size == 0 {
        return Err(Error::new(Kind::Source, format!("{object}: is empty, so it is no dump"))
            .hint("nothing was committed; look at what makes the dump"));
    }
    if ends.is_cut_off() {
        batcher.say(Piece::Problem(Problem::new(path, ProblemKind::CutOff)))?;
    }
    progress.advance(1, 0);
    Ok(size)
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

/// The first and last bytes of a stream.
#[derive(Default)]
struct Ends {
    first: Vec<u8>,
    last: Vec<u8>,
}

impl Ends {
    const KEPT: usize = 512;

    fn see(&mut self, bytes: &[u8]) {
        let room = Self::KEPT - self.first.len();
        self.first.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.last.extend_from_slice(&bytes[bytes.len().saturating_sub(Self::KEPT)..]);
        self.last.drain(..self.last.len().saturating_sub(Self::KEPT));
    }

    /// mysqldump and mariadb-dump begin and end with comments; a dump that begins with one and does
    /// not end with the other was cut off.
    fn is_cut_off(&self) -> bool {
        let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|w| w == text);
        let begun = has(&self.first, b"-- MySQL dump") || has(&self.first, b"-- MariaDB dump");
        begun && !has(&self.last, b"-- Dump completed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &[u8]) -> bool {
        let mut ends = Ends::default();
        text.chunks(100).for_each(|piece| ends.see(piece));
        ends.is_cut_off()
    }

    #[test]
    fn a_dump_that_lacks_its_last_line_is_cut_off() {
        let body = [b"-- MariaDB dump 10.19\n".as_slice(), &[b'x'; 5000]].concat();
        assert!(ends(&body));
        assert!(!ends(&[&body[..], b"-- Dump completed on 2026-01-01\n"].concat()));
        assert!(!ends(b"CREATE TABLE t (a INT);"), "not every dump says where it ends");
    }
}
