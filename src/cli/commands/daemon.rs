//! `coffer daemon`: every scheme at its time. It promises a clean stop on SIGTERM and SIGINT, and that
//! SIGHUP rereads the configuration without ever ending it.

use crate::cli::configured::{self, Configured};
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::cli::interrupt;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::schemes::audit::{Act, who};
use crate::schemes::config::Config;
use crate::schemes::daemon::{self, Service, Surroundings, Wake};
use crate::schemes::notify::Channels;
use crate::values::{format_count, parse_time};
use clap::Args;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Arguments of `coffer daemon`.
#[derive(Debug, Args)]
#[command(
    after_help = "SIGHUP rereads the configuration; one that is wrong is refused, and the old one goes on."
)]
pub struct Daemon {}

/// For tests only: the time that a file says, RFC 3339, read again at each look.
struct FileClock {
    file: PathBuf,
    last: Mutex<Timestamp>,
}

impl Clock for FileClock {
    fn now(&self) -> Timestamp {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = std::fs::read_to_string(&self.file).ok().and_then(|text| parse_time(&text).ok());
        *last = found.unwrap_or(*last);
        *last
    }
}

impl Daemon {
    /// Runs it.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let configured = Configured::load(context)?;
        let count = format_count(configured.config.scheme.len() as u64, "scheme");
        if context.globals.dry_run {
            return Ok(Outcome::done()
                .with("schemes", configured.config.scheme.len())
                .summary(format!("{count} would be run at their times")));
        }
        let (sender, wakes) = channel();
        listen(sender.clone())?;
        interrupt::hand_over();
        let around = surroundings(context, &configured);
        context.output.note(format_args!("{count}, state in {}", configured.state.display()));
        // Its end is written down as that of every command.
        let begun = Act::new(String::new(), who(), "daemon start", "done");
        if let Err(error) = context.write_down(begun) {
            context.output.note(format_args!("the audit log is not written: {error}"));
        }
        daemon::run(around, sender, &wakes)?;
        Ok(Outcome::done().summary("the daemon was stopped"))
    }
}

/// Names a file that holds the daemon's time (RFC 3339). It is for tests only, in which years pass in
/// seconds: a daemon that was started with it runs nothing at the machine's time, so its journal says
/// so, and `coffer status` and `coffer doctor` warn of it.
const TEST_CLOCK: &str = "COFFER_TEST_CLOCK";

fn surroundings(context: &Context, configured: &Configured) -> Surroundings {
    let test_clock = std::env::var_os(TEST_CLOCK).map(PathBuf::from);
    let is_test = test_clock.is_some();
    if let Some(file) = &test_clock {
        let file = file.display();
        context
            .output
            .warning("test-clock", format_args!("{TEST_CLOCK}: the time is that of a test, {file}"));
    }
    let clock: Arc<dyn Clock> = match test_clock {
        Some(file) => Arc::new(FileClock { file, last: Mutex::new(SystemClock.now()) }),
        None => Arc::new(SystemClock),
    };
    let (path, state) = (configured.path.clone(), configured.state.clone());
    let load = move || {
        let config = Config::load(&path)?;
        // The state is locked where it is: another folder is for another start.
        match configured::state(&config)? == state {
            true => Ok(config),
            false => Err(Error::new(Kind::Usage, "the folder of state cannot change while the daemon runs")
                .hint("restart the daemon")),
        }
    };
    let state = configured.state.clone();
    Surroundings {
        load: Box::new(load),
        teller: Box::new(move |config| Box::new(Channels::of(config, &state))),
        state: configured.state.clone(),
        credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        clock,
        is_clock_told: is_test,
        tick: is_test.then_some(Duration::from_millis(50)),
        journal: context.output.journal(),
        service: Service::find(|name| std::env::var_os(name)),
    }
}

fn listen(sender: Sender<Wake>) -> Result<()> {
    let failed = |cause| Error::io(Kind::Failed, "signal handlers could not be installed", cause);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    let forward = move || {
        for signal in signals.forever() {
            let wake = if signal == SIGHUP { Wake::Reload } else { Wake::Stop };
            if sender.send(wake).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(forward).map(|_| ()).map_err(failed)
}
