//! The one error type of the library. It promises that every failure names the object it happened
//! to, carries its cause once (through [`std::error::Error::source`]) and belongs to a [`Kind`]
//! with a stable code that documentation, scripts and notifications share.

use std::fmt;

/// The class of a failure. The command line maps each to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An argument or setting makes no sense (exit 2).
    Usage,
    /// No container, snapshot or path of that name (exit 10).
    NotFound,
    /// Another process holds the container (exit 11).
    Busy,
    /// No key slot opens with the secret that was given (exit 12).
    WrongKey,
    /// The container's encryption is not what the caller demands (exit 12).
    NotEncrypted,
    /// Not a Coffer container at all (exit 15).
    NotAContainer,
    /// A container of a version or with features this program does not know (exit 15).
    FutureVersion,
    /// Bytes of the container are wrong: rot, tearing or tampering (exit 4).
    Damaged,
    /// The source (file, folder, command) could not be read (exit 1).
    Source,
    /// The server has no database, or no table, of a name that was given (exit 2; 13 in a run of a
    /// scheme, which nobody typed).
    NoDatabase,
    /// The database server is unreachable, refuses, or is not the one that was meant (exit 13).
    Database,
    /// No space is left where bytes must be written (exit 14).
    Full,
    /// The folder that a container lies below is not mounted (exit 14).
    NotMounted,
    /// The container's medium refused an operation (exit 14).
    Destination,
    /// The writer met a failed write and refuses to go on (exit 14).
    Poisoned,
    /// The state of the container is older than, or forked from, the last one known (exit 1).
    Rollback,
    /// Interrupted by a signal (exit 130).
    Interrupted,
    /// Anything else that stopped the operation (exit 1).
    Failed,
}

impl Kind {
    /// The stable word for this kind, as printed between brackets after `error`.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Usage => "usage",
            Kind::NotFound => "not-found",
            Kind::Busy => "busy",
            Kind::WrongKey => "wrong-key",
            Kind::NotEncrypted => "not-encrypted",
            Kind::NotAContainer => "not-a-container",
            Kind::FutureVersion => "future-version",
            Kind::Damaged => "damaged",
            Kind::Source => "source",
            Kind::NoDatabase => "no-database",
            Kind::Database => "database",
            Kind::Full => "full",
            Kind::NotMounted => "not-mounted",
            Kind::Destination => "destination",
            Kind::Poisoned => "poisoned",
            Kind::Rollback => "rollback",
            Kind::Interrupted => "interrupted",
            Kind::Failed => "failed",
        }
    }
}

/// A failure: its kind, what happened to which object, what to do about it, and its cause.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure of `kind`; `message` names the object, in lower case and without a final period.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), hint: None, source: None }
    }

    /// A failure of the operating system while doing `what` to an object of the container.
    ///
    /// A full disk, quota or file-size limit becomes [`Kind::Full`], the rest `kind`.
    pub fn io(kind: Kind, what: impl Into<String>, cause: std::io::Error) -> Self {
        use std::io::ErrorKind as E;
        let kind = match cause.kind() {
            E::StorageFull | E::QuotaExceeded | E::FileTooLarge => Kind::Full,
            _ => kind,
        };
        // A limit of the container's own is never met this way.
        let hint = (cause.kind() == E::FileTooLarge).then(|| {
            "the file system (FAT32: 4 GiB) or a limit of the process (ulimit -f) allows no longer file: use \
             another file system, or keep the container below it with --max-size"
                .into()
        });
        Error { kind, message: what.into(), hint, source: Some(Box::new(cause)) }
    }

    /// Short for a [`Kind::Damaged`] failure.
    pub fn damaged(message: impl Into<String>) -> Self {
        Error::new(Kind::Damaged, message)
    }

    /// Adds the remedy, shown on a line of its own.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Puts the object's name before the message, for callers who know more about the place.
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The class of this failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What happened, to which object.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, if something is known.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|s| s.as_ref() as _)
    }
}
