//! `[notify.NAME]`: a way to tell people, and of what.

use super::words::Span;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

/// A way to tell people. Which keys it takes is a matter of its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Channel {
    /// What it is.
    pub kind: Spanned<ChannelKind>,
    /// What it tells of; not given: failure, warning, recovery, overdue and space.
    pub on: Option<Vec<Occasion>>,
    /// The schemes it tells of; not given: all.
    pub schemes: Option<Vec<Spanned<String>>>,
    /// The longest that telling may take.
    pub timeout: Option<Span>,
    /// `webhook`, `ntfy`, `ping`: the address.
    pub url: Option<String>,
    /// The same, where the address itself is a secret: the file that holds it.
    pub url_file: Option<PathBuf>,
    /// `webhook`, `ntfy`: the file with the token that authorises.
    pub token_file: Option<PathBuf>,
    /// `command`: the command, for `/bin/sh`; the notice is its standard input.
    pub command: Option<String>,
    /// `email`: the server that takes it.
    pub host: Option<String>,
    /// `email`: its port; not given: that of the encryption.
    pub port: Option<u16>,
    /// `email`: how the connection is encrypted; not given: `starttls`.
    pub encryption: Option<Encryption>,
    /// `email`, `webhook`, `ntfy`, `ping`: the authority that signed the server's certificate (PEM),
    /// beside those that everybody trusts.
    pub ca: Option<PathBuf>,
    /// `email`: who logs in.
    pub user: Option<String>,
    /// `email`: the file with the password.
    pub password_file: Option<PathBuf>,
    /// `email`: the sender.
    pub from: Option<Spanned<String>>,
    /// `email`: the recipients.
    #[serde(default)]
    pub to: Vec<Spanned<String>>,
}

/// The ways there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// E-mail by SMTP.
    Email,
    /// JSON, posted to an address.
    Webhook,
    /// A server of ntfy.
    Ntfy,
    /// A service that expects a sign of life: `URL/start`, `URL`, `URL/fail`.
    Ping,
    /// A command of one's own.
    Command,
}

/// How the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encryption {
    /// It must become encrypted before anything is said: port 587.
    Starttls,
    /// It is encrypted from the start: port 465.
    Tls,
    /// Not at all, for a server on this machine: port 25.
    None,
}

/// What there may be to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// A run begins.
    Start,
    /// A run went well.
    Success,
    /// A run was kept with something missing, or something needs a look.
    Warning,
    /// A run failed, or damage was found.
    Failure,
    /// The first good run after one that failed.
    Recovery,
    /// A backup, verification or drill that should have been was not.
    Overdue,
    /// The space will not last.
    Space,
    /// The week in short.
    Digest,
}
