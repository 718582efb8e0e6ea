//! What runs the schemes at their times: a daemon, timers of the service manager, cron, or nothing. It
//! promises that a time is said to be next only where something is there to keep it.

use super::shown::{Shown, shown};
use crate::clock::Timestamp;
use crate::schemes::config::{Config, Scheme};
use crate::schemes::history::History;
use crate::schemes::run::{Cause, RunRecord};
use crate::schemes::standing::{Answer, Reason, Standing};
use crate::schemes::turn;
use crate::values::parse_time;
use std::path::Path;

/// How long ago a run by a timer or cron may be to say that they run the schemes, in seconds: also those
/// of a month. That they ended is seen by what is overdue.
const RECENT: i64 = 35 * 86_400;
/// Where `coffer service install --timer` writes its units.
const UNITS: &str = "/etc/systemd/system";

/// What runs the schemes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driver {
    /// A daemon that lives, and what it shows of itself.
    Daemon(Shown),
    /// Timers or cron, as far as can be seen.
    Timers,
    /// Nothing.
    Nothing,
}

/// What runs the schemes of `config` with the folder of state `state` at `now`.
pub fn driver(config: &Config, state: &Path, now: Timestamp) -> Driver {
    if let Some(shown) = shown(state) {
        return Driver::Daemon(shown);
    }
    let history = History::at(state);
    let is_timed = |name: &String| {
        let unit = Path::new(UNITS).join(format!("coffer-{name}.timer"));
        unit.exists() || history.runs(name).0.iter().any(|run| is_by_timer(run, now))
    };
    if config.scheme.keys().any(is_timed) { Driver::Timers } else { Driver::Nothing }
}

fn is_by_timer(run: &RunRecord, now: Timestamp) -> bool {
    let began = parse_time(&run.started).ok();
    let is_recent = began.is_some_and(|began| began.seconds.saturating_add(RECENT) >= now.seconds);
    run.cause == Cause::Timer && is_recent
}

/// Has the daemon of `state`, if one lives, reread its configuration: its process, and whether it was
/// told.
pub fn ask_to_reload(state: &Path) -> Option<(u32, bool)> {
    let process = turn::daemon_id(state)?;
    let id = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw);
    let told = id.is_some_and(|id| rustix::process::kill_process(id, rustix::process::Signal::HUP).is_ok());
    Some((process, told))
}

impl Driver {
    /// When `name` is due next by what runs it; `by_times` is when its times say.
    pub fn next(&self, name: &str, by_times: Option<String>) -> Option<String> {
        match self {
            Driver::Nothing => None,
            Driver::Timers => by_times,
            Driver::Daemon(shown) => match shown.schemes.get(name) {
                Some(scheme) => scheme.next.clone(),
                // It shows nothing yet.
                None if shown.schemes.is_empty() => by_times,
                None => None,
            },
        }
    }

    /// Corrects `standing` by what runs the schemes of `config`.
    pub fn correct(&self, standing: &mut Standing, config: &Config) {
        let is_timed = standing.schemes.values().any(|scheme| scheme.next.is_some());
        for (name, scheme) in &mut standing.schemes {
            scheme.next = self.next(name, scheme.next.take());
        }
        let (code, text) = match self {
            Driver::Nothing if is_timed => (
                "no-daemon",
                "nothing runs the schemes: start the daemon (coffer service install), or have timers or \
                 cron run each (coffer scheme run NAME --unattended)"
                    .to_owned(),
            ),
            Driver::Daemon(shown) => match differing(shown, config) {
                Some(name) => (
                    "old-configuration",
                    format!(
                        "the daemon goes by an older configuration: scheme `{name}` differs; have it \
                         reread (systemctl reload coffer, or kill -HUP {})",
                        shown.process
                    ),
                ),
                None => return,
            },
            _ => return,
        };
        standing.add(Reason { answer: Answer::Attention, code, scheme: None, container: None, text });
    }
}

/// What the daemon shows of a scheme to be held against the configuration.
pub(super) fn words(scheme: &Scheme) -> String {
    let off = if scheme.enabled { "" } else { "off, " };
    format!("{off}{} to {}", scheme.when(), scheme.to.get_ref())
}

/// A scheme that the daemon has otherwise than the configuration, or only one of them has.
fn differing<'a>(shown: &'a Shown, config: &'a Config) -> Option<&'a str> {
    let is_other = |name: &String, scheme: &Scheme| match shown.schemes.get(name) {
        Some(there) => there.words.as_ref().is_some_and(|shown| *shown != words(scheme)),
        // What it cannot have, or what it does not show yet.
        None => !shown.schemes.is_empty(),
    };
    let new = config.scheme.iter().find(|(name, scheme)| is_other(name, scheme)).map(|(name, _)| name);
    new.or_else(|| shown.schemes.keys().find(|name| !config.scheme.contains_key(*name))).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemes::daemon::ShownScheme;
    use crate::schemes::run::{RunOutcome, examples};
    use crate::schemes::standing::standing;

    fn config(times: &str) -> Config {
        let text = format!(
            "version = 1\n[practice]\ntime-zone = \"UTC\"\n[server.main]\n[container.night]\n\
             path = \"/none/night.coffer\"\nencryption = false\n[scheme.nightly]\n\
             source = \"database\"\ndatabases = [\"d\"]\nto = \"night\"\n{times}\n"
        );
        Config::parse(&text, "t").expect("good")
    }

    fn codes(driver: &Driver, config: &Config, state: &Path, now: Timestamp) -> Vec<&'static str> {
        let mut found = standing(config, state, now);
        driver.correct(&mut found, config);
        let own = ["no-daemon", "old-configuration"];
        found.reasons.iter().map(|reason| reason.code).filter(|code| own.contains(code)).collect()
    }

    #[test]
    fn a_time_is_next_only_where_something_keeps_it() {
        let state = tempfile::tempdir().expect("folder");
        let now = parse_time("2026-11-23T12:00:00Z").expect("a time");
        let timed = config("times = [\"22:00\"]");
        let nothing = driver(&timed, state.path(), now);
        assert_eq!(nothing, Driver::Nothing);
        assert_eq!(codes(&nothing, &timed, state.path(), now), ["no-daemon"]);
        assert!(codes(&nothing, &config(""), state.path(), now).is_empty(), "by hand is meant");
        assert_eq!(nothing.next("nightly", Some("t".into())), None);
        // Cron: a run that says that nobody looked on.
        let mut run = examples::run("2026-11-22T22:00:00Z", RunOutcome::Done, Vec::new());
        History::at(state.path()).save(&run).expect("saved");
        assert_eq!(driver(&timed, state.path(), now), Driver::Nothing);
        run.cause = Cause::Timer;
        History::at(state.path()).save(&run).expect("saved");
        assert_eq!(driver(&timed, state.path(), now), Driver::Timers);
        assert!(codes(&Driver::Timers, &timed, state.path(), now).is_empty());
        let later = now.plus_seconds(RECENT);
        assert_eq!(driver(&timed, state.path(), later), Driver::Nothing);
    }

    #[test]
    fn a_daemon_with_another_configuration_is_noticed() {
        let state = tempfile::tempdir().expect("folder");
        let now = parse_time("2026-11-23T12:00:00Z").expect("a time");
        let (old, new) = (config("times = [\"22:00\"]"), config("times = [\"21:00\"]"));
        let scheme = ShownScheme {
            state: "waiting".into(),
            next: Some("2026-11-23T22:00:00Z".into()),
            words: old.scheme.get("nightly").map(words),
        };
        let shown = Shown::new([("nightly".to_owned(), scheme.clone())].into(), false);
        let daemon = Driver::Daemon(shown);
        assert!(codes(&daemon, &old, state.path(), now).is_empty());
        assert_eq!(codes(&daemon, &new, state.path(), now), ["old-configuration"]);
        assert_eq!(daemon.next("nightly", None).as_deref(), Some("2026-11-23T22:00:00Z"));
        let other = Shown::new([("other".to_owned(), scheme)].into(), false);
        assert_eq!(codes(&Driver::Daemon(other), &old, state.path(), now), ["old-configuration"]);
        let starting = Driver::Daemon(Shown::new([].into(), false));
        assert!(codes(&starting, &old, state.path(), now).is_empty());
    }
}
