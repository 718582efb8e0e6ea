//! Telling people: every way of the configuration that a notice concerns, side by side.
//!
//! It promises that telling ends within its time limit whatever the other side does, that one dead way
//! holds no other, that what failed for a moment is tried again at most twice, and that no failure here
//! fails a backup: it comes back as a line without secrets, and stays in `STATE/notify.json` until the
//! way works again.

mod command;
mod email;
mod kept;
mod web;

pub use kept::{Kept, kept};

use super::config::{Channel, ChannelKind, Config, Occasion};
use super::notice::{Notice, Teller};
use super::run::RunRecord;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How long telling may take unless the configuration says otherwise.
const USUAL_LIMIT: Duration = Duration::from_secs(30);
/// What is waited before each further attempt.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// What a way gets to notice its own limit, before it is left to itself.
const GRACE: Duration = Duration::from_secs(2);
/// Longest secret in a file, in bytes.
const MAX_SECRET: u64 = 64 << 10;

/// The ways to tell people.
#[derive(Clone, Debug)]
pub struct Channels {
    channels: BTreeMap<String, Channel>,
    /// The folder of state.
    state: PathBuf,
}

/// What came of telling by one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its name.
    pub channel: String,
    /// Why it failed; `None`: it was told.
    pub failure: Option<String>,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    /// What happened, without secrets.
    message: String,
    /// Whether another attempt may do better.
    is_passing: bool,
}

impl Failure {
    fn lasting(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), is_passing: false }
    }

    fn passing(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), is_passing: true }
    }
}

impl Channels {
    /// The ways that `config` names; what came of them is kept in the folder of state `state`.
    pub fn of(config: &Config, state: &Path) -> Channels {
        Channels { channels: config.notify.clone(), state: state.into() }
    }

    /// Tells `notice` by the way called `name`, or by all, whatever they are meant for.
    pub fn tell_by(&self, notice: &Notice, name: Option<&str>) -> Vec<Told> {
        self.tell_where(notice, |channel, _| name.is_none_or(|name| name == channel))
    }

    fn tell_where(&self, notice: &Notice, chosen: impl Fn(&str, &Channel) -> bool) -> Vec<Told> {
        let mut waiting = Vec::new();
        for (name, channel) in self.channels.iter().filter(|(name, channel)| chosen(name, channel)) {
            let limit = channel.timeout.map_or(USUAL_LIMIT, |span| span.0);
            let (sender, receiver) = mpsc::channel();
            let (own, notice) = (channel.clone(), notice.clone());
            // Nobody waits for a thread whose other side never ends: it ends with its own limits.
            let thread = std::thread::Builder::new().name(format!("notify {name}"));
            let started = thread.spawn(move || sender.send(attempts(&own, &notice, limit)));
            waiting.push((name, Instant::now() + limit + GRACE, receiver, started.is_ok()));
        }
        let told: Vec<Told> = waiting
            .into_iter()
            .map(|(name, end, receiver, is_started)| {
                let answer = receiver.recv_timeout(end.saturating_duration_since(Instant::now()));
                let failure = match answer {
                    Ok(outcome) => outcome.err().map(|failure| failure.message),
                    Err(RecvTimeoutError::Timeout) => Some("did not end within its time limit".into()),
                    Err(_) if is_started => Some("stopped through a mistake of the program's own".into()),
                    Err(_) => Some("no thread could be started".into()),
                };
                Told { channel: name.clone(), failure }
            })
            .collect();
        // What cannot be kept is told again next time.
        let _ = kept::keep(&self.state, &notice.time, &told);
        told
    }
}

impl Teller for Channels {
    fn tell(&self, notice: &Notice, _run: Option<&RunRecord>) -> Vec<String> {
        let told = self.tell_where(notice, |_, channel| concerns(channel, notice));
        let line = |told: Told| Some(format!("{}: not told: {}", told.channel, told.failure?));
        told.into_iter().filter_map(line).collect()
    }
}

/// Whether `channel` is to be told `notice`.
fn concerns(channel: &Channel, notice: &Notice) -> bool {
    let own = match (channel.schemes.as_deref(), &notice.scheme) {
        (Some(schemes), Some(scheme)) => schemes.iter().any(|named| named.get_ref() == scheme),
        _ => true,
    };
    own && match (*channel.kind.get_ref(), &channel.on) {
        // A sign of life is needed whenever there is one.
        (ChannelKind::Ping, _) => web::sign(notice.occasion).is_some(),
        (_, Some(on)) => on.contains(&notice.occasion),
        (_, None) => !matches!(notice.occasion, Occasion::Start | Occasion::Success | Occasion::Digest),
    }
}

/// Tells, and tries again what failed for a moment, until `limit` is over.
fn attempts(channel: &Channel, notice: &Notice, limit: Duration) -> Result<(), Failure> {
    let end = Instant::now() + limit;
    let mut pending: Vec<String> = channel.to.iter().map(|to| to.get_ref().clone()).collect();
    let mut pauses = PAUSES.iter();
    loop {
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(50));
        let outcome = match channel.kind.get_ref() {
            ChannelKind::Email => email::send(channel, notice, &mut pending, left),
            ChannelKind::Command => command::run(channel, notice, left),
            _ => web::send(channel, notice, left),
        };
        match (outcome, pauses.next()) {
            (Err(failure), Some(pause)) if failure.is_passing && Instant::now() + *pause < end => {
                std::thread::sleep(*pause);
            }
            (outcome, _) => return outcome,
        }
    }
}

/// The notice for people.
fn plain(notice: &Notice) -> String {
    let mut text = notice.lines.join("\n");
    let facts = [("Practice", &notice.practice), ("Scheme", &notice.scheme)];
    text.push('\n');
    for (name, value) in facts {
        value.iter().for_each(|value| text += &format!("\n{name}: {value}"));
    }
    text + &format!("\nTime: {}\nCode: {}\n", notice.time, notice.code)
}

/// The notice for programs.
fn json(notice: &Notice) -> String {
    let mut value = serde_json::to_value(notice).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("version".into(), 1.into());
    }
    value.to_string()
}

/// The secret in a file, without its line end.
fn secret(path: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    use std::io::Read;
    let failed = |why: &str| Failure::lasting(format!("{what} {}: {why}", path.display()));
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(|cause| failed(&cause.kind().to_string()))?;
    file.take(MAX_SECRET).read_to_string(&mut text).map_err(|_| failed("cannot be read as text"))?;
    match text.trim() {
        "" => Err(failed("is empty")),
        trimmed => Ok(Zeroizing::new(trimmed.to_owned())),
    }
}
