//! What a backup is made of, from its arguments: names of dumps, labels of folders. It promises that
//! every folder has a name, and that the container never becomes part of its own snapshot.

use crate::cli::args::SecretOptions;
use crate::cli::output::Output;
use crate::error::{Error, Kind, Result};
use crate::operations::backup::{Dumper, Source};
use clap::Args;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The arguments that name sources.
#[derive(Debug, Args)]
pub struct SourceOptions {
    /// A dump file, or - for standard input; may be given several times
    #[arg(long, value_name = "FILE")]
    dump: Vec<PathBuf>,
    /// A command whose output is the dump; if it fails there is no snapshot
    #[arg(long, value_name = "CMD")]
    dump_command: Vec<String>,
    /// Name of the dump that comes from a command or from standard input [default: dump.sql]
    #[arg(long, value_name = "NAME")]
    dump_name: Vec<OsString>,
    /// A folder; its label is its name unless one is given; may be given several times
    #[arg(long, value_name = "[LABEL=]DIR")]
    attachments: Vec<OsString>,
}

impl SourceOptions {
    /// The sources that the arguments name.
    pub fn sources(&self) -> Result<Vec<Source>> {
        let mut names = self.dump_name.iter().map(|name| checked(name.as_bytes(), "dump name"));
        let mut sources = Vec::new();
        let mut next = || names.next().unwrap_or_else(|| Ok(b"dump.sql".to_vec()));
        for path in &self.dump {
            sources.push(match path == Path::new("-") {
                true => Source::StandardInput { name: next()? },
                false => Source::DumpFile { name: file_name(path)?, path: path.clone() },
            });
        }
        for command in &self.dump_command {
            sources.push(Source::DumpCommand { name: next()?, command: command.clone() });
        }
        // One file may take the name that is left over; more names than dumps are a mistake.
        if let Some(name) = names.next() {
            let name = name?;
            match &mut sources[..] {
                [Source::DumpFile { name: own, .. }] if names.next().is_none() => *own = name,
                _ => {
                    return Err(Error::new(Kind::Usage, "there are more --dump-name than dumps to be named"));
                }
            }
        }
        for argument in &self.attachments {
            sources.push(folder(argument)?);
        }
        Ok(sources)
    }
}

fn file_name(path: &Path) -> Result<Vec<u8>> {
    match path.file_name() {
        Some(name) => Ok(name.as_bytes().to_vec()),
        None => Err(Error::new(Kind::Usage, format!("dump {}: is no file name", path.display()))),
    }
}

fn checked(name: &[u8], what: &str) -> Result<Vec<u8>> {
    let bad = name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0);
    match bad {
        false => Ok(name.to_vec()),
        true => {
            Err(Error::new(Kind::Usage, format!("{what} `{}` is no name", OsStr::from_bytes(name).display()))
                .hint("a name is not empty, not . or .., and holds no /"))
        }
    }
}

/// The folder that `[LABEL=]DIR` means. What is a folder as a whole is no label and folder.
pub fn folder(argument: &OsStr) -> Result<Source> {
    let bytes = argument.as_bytes();
    let split = bytes.iter().position(|&b| b == b'=').filter(|_| !Path::new(argument).is_dir());
    let labelled =
        split.map(|at| (&bytes[..at], &bytes[at + 1..])).filter(|(label, _)| !label.contains(&b'/'));
    if let Some((label, root)) = labelled {
        let root = PathBuf::from(OsStr::from_bytes(root));
        return Ok(Source::Attachments { label: checked(label, "label")?, root });
    }
    let root = PathBuf::from(argument);
    let unreadable =
        |cause| Error::io(Kind::Source, format!("attachments {}: cannot be read", root.display()), cause);
    let canonical = root.canonicalize().map_err(unreadable)?;
    match canonical.file_name() {
        Some(name) => Ok(Source::Attachments { label: name.as_bytes().to_vec(), root }),
        None => Err(Error::new(Kind::Usage, format!("attachments {}: has no name", root.display()))
            .hint("give it one: --attachments LABEL=DIR")),
    }
}

/// Standard input can give a dump or a secret, once.
pub fn check_standard_input(sources: &[Source], secret: &SecretOptions) -> Result<()> {
    let dumps = sources.iter().filter(|source| matches!(source, Source::StandardInput { .. })).count();
    let secrets = [&secret.password_file, &secret.key_file, &secret.recovery_code_file];
    let secrets = secrets.into_iter().filter(|path| path.as_deref() == Some(Path::new("-"))).count();
    match dumps + secrets {
        0 | 1 => Ok(()),
        _ => Err(Error::new(Kind::Usage, "standard input is named more than once")),
    }
}

/// Patterns that keep the container at `path` out of the folders it lies in.
pub fn container_itself(path: &Path, sources: &[Source], output: &Output) -> Result<Vec<String>> {
    let Ok(container) = path.canonicalize() else { return Ok(Vec::new()) };
    let mut inside = BTreeSet::new();
    let mut others = Vec::new();
    for source in sources {
        let Source::Attachments { root, .. } = source else { continue };
        let Ok(root) = root.canonicalize() else { continue };
        match container.strip_prefix(&root) {
            Ok(relative) => _ = inside.insert(relative.to_owned()),
            Err(_) => others.push(root),
        }
    }
    for relative in &inside {
        // Patterns count for every folder; none may lose a file that only has the same path.
        if let Some(other) = others.iter().find(|root| root.join(relative).symlink_metadata().is_ok()) {
            let message = format!(
                "{}: lies in a folder that is backed up, and {} has the same path in another",
                path.display(),
                other.join(relative).display()
            );
            return Err(Error::new(Kind::Usage, message).hint("move the container out of the folder"));
        }
        output.note(format_args!("{}: the container itself is left out", relative.display()));
    }
    Ok(inside.iter().map(|relative| literal(relative)).collect())
}

/// A pattern that matches exactly `path`; a byte that is no text is matched by any.
fn literal(path: &Path) -> String {
    let mut pattern = String::from("/");
    for piece in path.as_os_str().as_bytes().utf8_chunks() {
        for c in piece.valid().chars() {
            if r"\*?[]{},!".contains(c) {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        piece.invalid().iter().for_each(|_| pattern.push('?'));
    }
    pattern
}

fn databases(dumper: &dyn Dumper) -> String {
    let names: Vec<String> =
        dumper.records().iter().map(|record| String::from_utf8_lossy(&record.name).into_owned()).collect();
    format!("live databases: {}", names.join(", "))
}

/// What a dry run can tell of sources: their names; fails if one is not there.
pub fn check(sources: &[Source]) -> Result<Vec<String>> {
    let there = |path: &PathBuf| {
        std::fs::metadata(path)
            .map(|_| path.display().to_string())
            .map_err(|cause| Error::io(Kind::Source, format!("{}: cannot be read", path.display()), cause))
    };
    let mut labels = BTreeSet::new();
    sources
        .iter()
        .map(|source| {
            let (side, name) = match source {
                Source::Attachments { label, .. } => ("attachments", label),
                Source::DumpFile { name, .. }
                | Source::DumpCommand { name, .. }
                | Source::StandardInput { name } => ("database", name),
                // What the server would say is for `coffer doctor`.
                Source::Databases(dumper) => return Ok(databases(&**dumper)),
            };
            let shown = OsString::from_vec(name.clone()).display().to_string();
            if !labels.insert((side, name)) {
                return Err(Error::new(Kind::Usage, format!("two sources are called `{shown}`")));
            }
            let origin = match source {
                Source::DumpFile { path, .. } => there(path)?,
                Source::Attachments { root, .. } => there(root)?,
                Source::DumpCommand { command, .. } => format!("the output of `{command}`"),
                Source::StandardInput { .. } | Source::Databases(_) => "standard input".into(),
            };
            Ok(format!("{origin} as {side}/{shown}"))
        })
        .collect()
}
