//! Where the secret that opens a container comes from. It is never an argument: other users of the
//! machine can read those. What is read is wiped from memory after use, exactly one trailing line
//! end is taken off a password, and an empty secret is refused.
//!
//! The order: what the command line names; then `CREDENTIALS_DIRECTORY` (the service manager's, with
//! the files `coffer-password` and `coffer-key`), `COFFER_PASSWORD_FILE`, `COFFER_PASSWORD_COMMAND`,
//! `COFFER_KEY_FILE` and `COFFER_PASSWORD`; then a prompt. The first that exists decides; one that exists and cannot be read
//! is an error, never a reason to try the next.

use super::interrupt;
use crate::error::{Error, Kind, Result};
use crate::operations::family::Mark;
use crate::schemes::config::ContainerPlace;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The longest secret in bytes.
const MAX_SECRET_BYTES: usize = 1 << 20;

/// What opens a container.
pub enum Secret {
    /// A password, without its line end.
    Password(Zeroizing<Vec<u8>>),
    /// The whole content of a key file.
    KeyFile(Zeroizing<Vec<u8>>),
    /// A recovery code as written, without surrounding space.
    Recovery(Zeroizing<String>),
    /// Nothing was given anywhere.
    None,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Secret::Password(_) => "Password(…)",
            Secret::KeyFile(_) => "KeyFile(…)",
            Secret::Recovery(_) => "Recovery(…)",
            Secret::None => "None",
        })
    }
}

/// What the command line names; at most one of them. A file named `-` is standard input.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--password-file`.
    pub password_file: Option<PathBuf>,
    /// `--password-command`: run by `sh -c`, its output is the password.
    pub password_command: Option<String>,
    /// `--key-file`.
    pub key_file: Option<PathBuf>,
    /// `--recovery-code-file`.
    pub recovery_code_file: Option<PathBuf>,
}

/// Whether people are asked when nothing else gives a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Not at all: the container may need no secret.
    Never,
    /// Once: for a secret that exists.
    Once,
    /// Twice, to be equal: for a new password.
    Twice,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// What the command line names.
    pub options: &'a Options,
    /// Whether the environment counts: not for a second secret, such as the one of `key add`.
    pub environment: bool,
    /// Whether to ask.
    pub ask: Ask,
    /// What the secret is for, as the prompt names it: `night.coffer`.
    pub object: &'a str,
}

/// A secret with where it came from.
#[derive(Debug)]
pub struct Gathered {
    /// The secret.
    pub secret: Secret,
    /// Its source for messages, such as `--password-file /etc/x` or `COFFER_PASSWORD`.
    pub origin: String,
    /// What the user should change about it.
    pub warnings: Vec<String>,
}

impl Options {
    /// What the configuration says opens a container; nothing for one that everybody can read.
    ///
    /// Errors: [`Kind::Usage`] for a credential without a service manager that gives it.
    pub fn of(container: &ContainerPlace) -> Result<Options> {
        let credential = container.credential.as_deref().map(credential_file).transpose()?;
        Ok(Options {
            password_file: container.password_file.clone().or(credential),
            password_command: container.password_command.clone(),
            key_file: container.key_file.clone(),
            recovery_code_file: None,
        })
    }
}

/// The file in which the service manager gives a credential.
pub fn credential_file(name: &str) -> Result<PathBuf> {
    let folder = Machine.variable("CREDENTIALS_DIRECTORY").ok_or_else(|| {
        Error::new(Kind::Usage, format!("credential `{name}`: no service manager gives it here"))
            .hint("run it as the service, or with systemd-run -p LoadCredential=NAME:FILE")
    })?;
    Ok(PathBuf::from(folder).join(name))
}

/// What a secret may come from beside files: the machine, or a test.
pub trait Surroundings {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<OsString>;
    /// Asks for a password without showing it; `None` if there is nobody to ask.
    fn ask(&self, prompt: &str) -> Option<io::Result<Zeroizing<String>>>;
}

/// The real environment and terminal.
pub struct Machine;

impl Surroundings for Machine {
    fn variable(&self, name: &str) -> Option<OsString> {
        crate::schemes::place::environment(name)
    }

    fn ask(&self, prompt: &str) -> Option<io::Result<Zeroizing<String>>> {
        let somebody = io::stdin().is_terminal() || io::stderr().is_terminal();
        somebody.then(|| {
            let _prompt = interrupt::at_prompt();
            rpassword::prompt_password(prompt).map(Zeroizing::new)
        })
    }
}

/// The secret of the first source that has one; [`Secret::None`] if none has.
///
/// Two sources on the command line, an empty secret and a mistyped repetition are
/// [`Kind::Usage`]; a source that cannot be read is [`Kind::Failed`].
pub fn gather(request: &Request<'_>, surroundings: &dyn Surroundings) -> Result<Gathered> {
    if let Some(gathered) = from_options(request.options)? {
        return Ok(gathered);
    }
    if request.environment
        && let Some(gathered) = from_environment(surroundings)?
    {
        return Ok(gathered);
    }
    if request.ask != Ask::Never
        && let Some(gathered) = from_prompt(request, surroundings)?
    {
        return Ok(gathered);
    }
    Ok(Gathered { secret: Secret::None, origin: "nowhere".into(), warnings: Vec::new() })
}

fn from_options(options: &Options) -> Result<Option<Gathered>> {
    let given = [
        ("--password-file", options.password_file.is_some()),
        ("--password-command", options.password_command.is_some()),
        ("--key-file", options.key_file.is_some()),
        ("--recovery-code-file", options.recovery_code_file.is_some()),
    ];
    let given: Vec<&str> = given.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    if given.len() > 1 {
        return Err(Error::new(
            Kind::Usage,
            format!("more than one secret is given: {}", given.join(" and ")),
        ));
    }
    if let Some(path) = &options.password_file {
        return password_file(path, "--password-file").map(Some);
    }
    if let Some(command) = &options.password_command {
        return password_command(command).map(Some);
    }
    if let Some(path) = &options.key_file {
        return key_file(path, "--key-file").map(Some);
    }
    options.recovery_code_file.as_deref().map(recovery_code_file).transpose()
}

fn from_environment(surroundings: &dyn Surroundings) -> Result<Option<Gathered>> {
    if let Some(folder) = surroundings.variable("CREDENTIALS_DIRECTORY").map(PathBuf::from) {
        let password = folder.join("coffer-password");
        if password.exists() {
            return password_file(&password, "credential").map(Some);
        }
        let key = folder.join("coffer-key");
        if key.exists() {
            return key_file(&key, "credential").map(Some);
        }
    }
    if let Some(path) = surroundings.variable("COFFER_PASSWORD_FILE") {
        return password_file(Path::new(&path), "COFFER_PASSWORD_FILE").map(Some);
    }
    if let Some(command) = surroundings.variable("COFFER_PASSWORD_COMMAND") {
        let command = command
            .into_string()
            .map_err(|_| Error::new(Kind::Usage, "COFFER_PASSWORD_COMMAND is not UTF-8"))?;
        return password_command(&command).map(Some);
    }
    if let Some(path) = surroundings.variable("COFFER_KEY_FILE") {
        return key_file(Path::new(&path), "COFFER_KEY_FILE").map(Some);
    }
    let Some(value) = surroundings.variable("COFFER_PASSWORD") else { return Ok(None) };
    let password = Zeroizing::new(value.into_vec());
    let warning = "the password comes from the environment, which other programs of this user can read; \
                   use COFFER_PASSWORD_FILE";
    Ok(Some(Gathered {
        secret: Secret::Password(not_empty(password, "COFFER_PASSWORD")?),
        origin: "COFFER_PASSWORD".into(),
        warnings: vec![warning.into()],
    }))
}

fn from_prompt(request: &Request<'_>, surroundings: &dyn Surroundings) -> Result<Option<Gathered>> {
    let failed = |cause: io::Error| match cause.kind() {
        // Ctrl-C, which is on its way to whoever ends the process.
        io::ErrorKind::Interrupted => Error::new(Kind::Interrupted, "interrupted"),
        _ => Error::io(Kind::Failed, "the password could not be read from the terminal", cause),
    };
    let new = if request.ask == Ask::Twice { "new " } else { "" };
    let first = format!("{new}password for {}: ", request.object);
    let Some(answer) = surroundings.ask(&first) else { return Ok(None) };
    let answer = answer.map_err(failed)?;
    if request.ask == Ask::Twice {
        let repeated = surroundings.ask("the same again: ");
        let repeated = repeated.ok_or_else(|| failed(io::ErrorKind::NotConnected.into()))?.map_err(failed)?;
        if *repeated != *answer {
            return Err(Error::new(Kind::Usage, "the two passwords differ"));
        }
    }
    let password = Zeroizing::new(answer.as_bytes().to_vec());
    Ok(Some(Gathered {
        secret: Secret::Password(not_empty(password, "the terminal")?),
        origin: "the terminal".into(),
        warnings: Vec::new(),
    }))
}

fn password_file(path: &Path, source: &str) -> Result<Gathered> {
    let origin = format!("{source} {}", path.display());
    let (mut password, warnings) = read_file(path, "password file")?;
    take_line_end(&mut password);
    Ok(Gathered { secret: Secret::Password(not_empty(password, &origin)?), origin, warnings })
}

fn key_file(path: &Path, source: &str) -> Result<Gathered> {
    let origin = format!("{source} {}", path.display());
    let (key, warnings) = read_file(path, "key file")?;
    Ok(Gathered { secret: Secret::KeyFile(not_empty(key, &origin)?), origin, warnings })
}

fn recovery_code_file(path: &Path) -> Result<Gathered> {
    let origin = format!("--recovery-code-file {}", path.display());
    let (code, warnings) = read_file(path, "recovery code file")?;
    let text = std::str::from_utf8(&code).map_err(|_| {
        Error::new(Kind::Usage, format!("recovery code file {} is not text", path.display()))
            .hint("a recovery code is a line of letters and digits; a key file goes with --key-file")
    })?;
    let text = Zeroizing::new(text.trim().to_owned());
    if text.is_empty() {
        return Err(empty(&origin));
    }
    Ok(Gathered { secret: Secret::Recovery(text), origin, warnings })
}

/// How long a command that gives a password may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// How long its output is waited for at a time.
const COMMAND_LOOK: Duration = Duration::from_millis(50);
/// How long the death of one that took longer is waited for.
const COMMAND_DEATH: Duration = Duration::from_secs(5);

fn password_command(command: &str) -> Result<Gathered> {
    password_command_within(command, COMMAND_LIMIT)
}

fn password_command_within(command: &str, limit: Duration) -> Result<Gathered> {
    // The command's text is not repeated in messages: it may itself hold a secret.
    let failed = |cause| Error::io(Kind::Failed, "the password command could not be run", cause);
    // Nor does a command line show it, which every user may read: the shell finds it in its environment.
    let mut shell = Command::new("/bin/sh");
    let shell = shell
        .args(["-c", "command=$COFFER_COMMAND; unset COFFER_COMMAND; eval \"$command\""])
        .env("COFFER_COMMAND", command)
        .env_remove("COFFER_PASSWORD")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mark = Mark::put(shell).map_err(failed)?;
    let mut child = shell.spawn().map_err(failed)?;
    let mut family = mark.of(&child);
    let output = child.stdout.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
    let (sender, answer) = sync_channel(1);
    std::thread::spawn(move || sender.send(read_bounded(output, "the password command's output")));
    let end = Instant::now() + limit;
    let mut read = None;
    let status = loop {
        read = read.or_else(|| answer.recv_timeout(COMMAND_LOOK).ok());
        match child.try_wait().map_err(failed)? {
            Some(status) if read.is_some() => break status,
            _ if interrupt::is_asked() => {
                family.end(COMMAND_DEATH);
                return Err(Error::new(Kind::Interrupted, "interrupted"));
            }
            _ if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
            _ => {
                family.end(COMMAND_DEATH);
                let _ = child.try_wait();
                let message = format!("the password command gave no password within {} s", limit.as_secs());
                return Err(Error::new(Kind::Failed, message)
                    .hint("it was ended; run it by hand to see what it waits for"));
            }
        }
    };
    if !status.success() {
        return Err(Error::new(Kind::Failed, format!("the password command failed: {status}")));
    }
    let mut password = read.ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))??;
    take_line_end(&mut password);
    let origin = "--password-command".to_owned();
    Ok(Gathered { secret: Secret::Password(not_empty(password, &origin)?), origin, warnings: Vec::new() })
}

/// The content of a secret's file, and a warning if everybody can read it.
fn read_file(path: &Path, what: &str) -> Result<(Zeroizing<Vec<u8>>, Vec<String>)> {
    if path == Path::new("-") {
        let _input = interrupt::at_input();
        return Ok((read_bounded(io::stdin().lock(), "standard input")?, Vec::new()));
    }
    let name = format!("{what} {}", path.display());
    let failed = |cause| Error::io(Kind::Failed, format!("{name} could not be read"), cause);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let open_to_all = metadata.is_file() && metadata.permissions().mode() & 0o006 != 0;
    let warning = format!("{name} can be read or changed by every user; chmod 600 it");
    let warnings = if open_to_all { vec![warning] } else { Vec::new() };
    Ok((read_bounded(file, &name)?, warnings))
}

fn read_bounded(source: impl Read, name: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut source = source.take(MAX_SECRET_BYTES as u64 + 1);
    // Made large enough at once: a vector that grows leaves copies of the secret behind.
    let mut bytes = Zeroizing::new(vec![0; MAX_SECRET_BYTES + 1]);
    let mut used = 0;
    loop {
        match source.read(&mut bytes[used..]) {
            Ok(0) => break,
            Ok(count) => used += count,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(Error::io(Kind::Failed, format!("{name} could not be read"), cause)),
        }
    }
    if used > MAX_SECRET_BYTES {
        return Err(Error::new(Kind::Usage, format!("{name} is longer than a secret can be (1 MiB)")));
    }
    Ok(Zeroizing::new(bytes[..used].to_vec()))
}

fn take_line_end(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}

fn not_empty(bytes: Zeroizing<Vec<u8>>, origin: &str) -> Result<Zeroizing<Vec<u8>>> {
    if bytes.is_empty() { Err(empty(origin)) } else { Ok(bytes) }
}

fn empty(origin: &str) -> Error {
    Error::new(Kind::Usage, format!("the secret from {origin} is empty"))
}

#[cfg(test)]
mod tests;
