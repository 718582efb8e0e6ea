//! The daemon: every scheme at its time. It promises to run each in a thread and processes of its own,
//! so that one that hangs or dies keeps no other; that where each stands is kept before and after each
//! run, so that no end of the daemon, clean or not, loses a slot or does one twice; and that a
//! configuration that is wrong changes nothing.

mod driving;
mod running;
mod service;
mod shown;
mod watch;

pub use driving::{Driver, ask_to_reload, driver};
pub use service::Service;
pub use shown::{CLOCK_IS_TOLD, Shown, ShownScheme, shown};

use super::config::Config;
use super::history::History;
use super::notice::Teller;
use super::notices;
use super::scheduler::{Position, Positions, Timing};
use super::standing::standing;
use super::stop::Stop;
use super::turn;
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use running::Under;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use watch::Told;

/// The wall clock is looked at this often at least.
const TICK: Duration = Duration::from_secs(20);
/// How often what is overdue is looked for, in seconds of the clock.
const WATCH: i64 = 3600;
/// A run that takes longer than this, in seconds, no longer keeps it quiet that its scheme is overdue.
const LONG_RUN: i64 = 6 * 3600;
/// How long runs may take to stop: a command, and the commands after it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What wakes the daemon.
#[derive(Debug)]
pub enum Wake {
    /// Stop.
    Stop,
    /// Reread the configuration.
    Reload,
    /// It is a scheme's turn.
    Begun(String),
    /// A scheme's run ended, or never came to its turn.
    Ended(String),
}

/// Who tells people, for a configuration.
pub type MakeTeller = Box<dyn Fn(&Config) -> Box<dyn Teller + Send + Sync>>;

/// What the daemon works with.
pub struct Surroundings {
    /// Reads the configuration.
    pub load: Box<dyn Fn() -> Result<Config>>,
    /// Who tells people, by a configuration.
    pub teller: MakeTeller,
    /// The folder of state.
    pub state: PathBuf,
    /// The service manager's folder of credentials.
    pub credentials: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether snapshots have the clock's time: for tests.
    pub is_clock_told: bool,
    /// How often the clock is looked at, if more often than usual: for tests.
    pub tick: Option<Duration>,
    /// Takes lines for the journal.
    pub journal: Arc<dyn Fn(&str) + Send + Sync>,
    /// The service manager.
    pub service: Service,
}

/// A configuration in force.
struct Setup {
    config: Config,
    timings: BTreeMap<String, Timing>,
    teller: Box<dyn Teller + Send + Sync>,
}

impl Setup {
    fn new(config: Config, teller: &dyn Fn(&Config) -> Box<dyn Teller + Send + Sync>) -> Result<Setup> {
        let timing = |(name, scheme): (&String, _)| Ok((name.clone(), Timing::of(&config, scheme)?));
        let timings = config.scheme.iter().map(timing).collect::<Result<_>>()?;
        let teller = teller(&config);
        Ok(Setup { config, timings, teller })
    }
}

/// Where schemes stand, for the daemon and its runs.
type Standing = Arc<Mutex<BTreeMap<String, Position>>>;

/// A run that was begun and has not ended.
struct Active {
    /// What it does, for people.
    what: String,
    since: Timestamp,
}

struct Daemon {
    around: Surroundings,
    setup: Arc<Setup>,
    positions: Positions,
    standing: Standing,
    active: BTreeMap<String, Active>,
    told: Told,
    memory: notices::watch::Memory,
    watched: Option<Timestamp>,
    stop: Arc<Stop>,
    sender: Sender<Wake>,
    shown: Option<Shown>,
}

/// Runs until it is asked to stop; `sender` is the other end of `wakes`.
///
/// Errors: [`crate::error::Kind::Busy`] if another daemon works with the state; those of the first
/// reading of the configuration.
pub fn run(around: Surroundings, sender: Sender<Wake>, wakes: &Receiver<Wake>) -> Result<()> {
    let _lock = turn::daemon(&around.state)?;
    let setup = Arc::new(Setup::new((around.load)()?, &*around.teller)?);
    let mut daemon = Daemon {
        positions: Positions::at(&around.state),
        told: Told::load(&around.state),
        memory: notices::watch::Memory::load(&around.state),
        around,
        setup,
        standing: Standing::default(),
        active: BTreeMap::new(),
        watched: None,
        stop: Arc::default(),
        sender,
        shown: None,
    };
    daemon.adopt(true)?;
    daemon.around.service.ready(&daemon.status());
    while daemon.turn(wakes) {}
    daemon.finish(wakes);
    Ok(())
}

/// An error with its causes, in one line.
fn causes(error: &crate::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

impl Daemon {
    fn say(&self, line: &str) {
        (self.around.journal)(line);
    }

    /// Takes the schemes of the configuration in force as they stand.
    fn adopt(&mut self, is_start: bool) -> Result<()> {
        let now = self.around.clock.now();
        let history = History::at(&self.around.state);
        let mut all = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|name, _| self.setup.config.scheme.contains_key(name) || self.active.contains_key(name));
        for (name, timing) in &self.setup.timings {
            if self.active.contains_key(name) {
                continue;
            }
            let (mut position, warning) = self.positions.load(name, now)?;
            warning.iter().for_each(|warning| (self.around.journal)(&format!("{name}: {warning}")));
            if is_start {
                running::reconcile(&mut position, timing, &history.runs(name).0, now);
                position.resume(now);
            }
            position.follow(&timing.words, now);
            self.positions.save(name, &position)?;
            all.insert(name.clone(), position);
        }
        Ok(())
    }

    /// One round; whether to go on.
    fn turn(&mut self, wakes: &Receiver<Wake>) -> bool {
        let now = self.around.clock.now();
        self.begin_due(now);
        self.watch(now);
        self.show(now);
        self.around.service.alive(&self.status());
        match wakes.recv_timeout(self.pause(now)) {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
            Ok(Wake::Reload) => self.reload(),
            Ok(Wake::Begun(name)) => {
                self.active.entry(name).and_modify(|active| active.what = "running".into());
            }
            Ok(Wake::Ended(name)) => _ = self.active.remove(&name),
            Err(RecvTimeoutError::Timeout) => {}
        }
        true
    }

    fn pause(&self, now: Timestamp) -> Duration {
        let all = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let next =
            self.setup.timings.iter().filter_map(|(name, timing)| all.get(name)?.next(timing, now)).min();
        let until = next.map_or(TICK, |next| {
            Duration::from_secs(u64::try_from(next.seconds - now.seconds).unwrap_or_default().max(1))
        });
        let usual = self.around.tick.unwrap_or(TICK).min(until);
        self.around.service.beat().map_or(usual, |beat| usual.min(beat))
    }

    /// Begins what is due.
    fn begin_due(&mut self, now: Timestamp) {
        let setup = Arc::clone(&self.setup);
        for (name, timing) in &setup.timings {
            let is_enabled = setup.config.scheme(name).is_ok_and(|scheme| scheme.enabled);
            if self.active.contains_key(name) {
                continue;
            }
            let due = {
                let mut all = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(position) = all.get_mut(name) else { continue };
                let before = position.clone();
                let warning = match is_enabled {
                    true => position.tick(timing, now),
                    false => {
                        position.pass_disabled(timing, now);
                        None
                    }
                };
                warning.iter().for_each(|warning| (self.around.journal)(&format!("{name}: {warning}")));
                if *position != before
                    && let Err(error) = self.positions.save(name, position)
                {
                    // It is done twice should the daemon start again: better than not once.
                    (self.around.journal)(&format!("{name}: {}", causes(&error)));
                }
                position.due(now)
            };
            if let Some(due) = due {
                self.begin(name, due, now);
            }
        }
    }

    fn begin(&mut self, name: &str, due: super::scheduler::Due, now: Timestamp) {
        let run = Under {
            name: name.to_owned(),
            due,
            setup: Arc::clone(&self.setup),
            standing: Arc::clone(&self.standing),
            positions: self.positions.clone(),
            state: self.around.state.clone(),
            credentials: self.around.credentials.clone(),
            clock: Arc::clone(&self.around.clock),
            at: self.around.is_clock_told.then_some(now),
            stop: Arc::clone(&self.stop),
            journal: Arc::clone(&self.around.journal),
            wake: self.sender.clone(),
        };
        let sender = self.sender.clone();
        let path = self.setup.config.scheme(name).ok().and_then(|scheme| {
            self.setup.config.container(scheme.to.get_ref()).ok().map(|place| place.path.clone())
        });
        let holder = path.and_then(|path| turn::holder(&self.around.state, &path));
        let state = holder.map_or_else(|| "running".to_owned(), |holder| format!("queued behind {holder}"));
        self.active.insert(name.to_owned(), Active { what: state, since: now });
        let ended = name.to_owned();
        let work = move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.run()));
            if result.is_err() {
                (run.journal)(&format!("{}: the run stopped through a mistake of the program", run.name));
            }
            let _ = sender.send(Wake::Ended(ended));
        };
        if let Err(cause) = std::thread::Builder::new().name(format!("run {name}")).spawn(work) {
            self.active.remove(name);
            self.say(&format!("{name}: a thread cannot be started: {cause}"));
        }
    }

    fn reload(&mut self) {
        self.around.service.reloading();
        let loaded = (self.around.load)().and_then(|config| Setup::new(config, &*self.around.teller));
        match loaded {
            Ok(setup) => {
                self.setup = Arc::new(setup);
                match self.adopt(false) {
                    Ok(()) => self.say("the configuration was reread"),
                    Err(error) => self.say(&format!("the configuration was reread: {error}")),
                }
            }
            Err(error) => {
                let hint = error.remedy().map(|hint| format!("; {hint}")).unwrap_or_default();
                self.say(&format!("the configuration is refused, and the old one goes on: {error}{hint}"));
            }
        }
        self.around.service.ready(&self.status());
    }

    /// A line for people.
    fn status(&self) -> String {
        match self.active.is_empty() {
            true => format!("{} schemes, none runs", self.setup.timings.len()),
            false => {
                let all: Vec<String> =
                    self.active.iter().map(|(name, active)| format!("{name} {}", active.what)).collect();
                all.join(", ")
            }
        }
    }

    /// Looks for what only time brings about, and for Monday.
    fn watch(&mut self, now: Timestamp) {
        let since = self.watched.map_or(WATCH, |then| (now.seconds - then.seconds).abs());
        if since < WATCH {
            return;
        }
        self.watched = Some(now);
        let (setup, state) = (Arc::clone(&self.setup), &self.around.state);
        let found = standing(&setup.config, state, now);
        running::publish(&setup.config, &found, &|line| self.say(line));
        // A run that was begun of late tells at its end how it went.
        let young = |name: &String| {
            self.active
                .get(name)
                .is_some_and(|active| now.seconds.saturating_sub(active.since.seconds) < LONG_RUN)
        };
        let (mut due, kept) = self.memory.due(&found, &|reason| reason.scheme.as_ref().is_some_and(young));
        if let Err(cause) = kept {
            self.say(&format!("what was told is not kept: {cause}"));
        }
        if let Some(monday) = watch::digest_day(&setup.config, now)
            && self.told.is_new(&self.around.state, "digest", &monday)
        {
            due.push(watch::digest(&setup.config, &self.around.state, found.answer.word(), now));
        }
        if !due.is_empty() {
            running::tell(setup, Arc::clone(&self.around.journal), due, None);
        }
    }

    /// Keeps what `coffer status` shows of the daemon.
    fn show(&mut self, now: Timestamp) {
        let all = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let schemes = self.setup.timings.iter().filter_map(|(name, timing)| {
            let scheme = self.setup.config.scheme(name).ok()?;
            let next = all.get(name)?.next(timing, now).filter(|_| scheme.enabled);
            let state = self.active.get(name).map_or_else(|| "waiting".into(), |active| active.what.clone());
            Some((
                name.clone(),
                ShownScheme {
                    state,
                    next: next.map(crate::values::rfc3339),
                    words: Some(driving::words(scheme)),
                },
            ))
        });
        let now = Shown::new(schemes.collect(), self.around.is_clock_told);
        drop(all);
        if self.shown.as_ref() != Some(&now) {
            now.keep(&self.around.state);
            self.shown = Some(now);
        }
    }

    /// Has all runs stop, and waits for them.
    fn finish(mut self, wakes: &Receiver<Wake>) {
        self.around.service.stopping();
        self.stop.ask();
        let end = Instant::now() + PATIENCE;
        while !self.active.is_empty() {
            match wakes.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Wake::Ended(name)) => _ = self.active.remove(&name),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self.active.keys().for_each(|name| self.say(&format!("{name}: did not stop in time")));
        Shown::forget(&self.around.state);
    }
}
