//! What people are told of a run, in words. It promises to name no file and no patient.

use crate::clock::Timestamp;
use crate::schemes::config::{Config, Occasion};
use crate::schemes::notice::Notice;
use crate::schemes::notices::{of_end, of_start, words};
use crate::schemes::run::{RunOutcome, RunRecord};
use crate::schemes::scheduler::Next;
use crate::values::{format_time, rfc3339};
use serde_json::Map;

/// A notice about `scheme` without lines.
pub fn blank(
    config: &Config,
    scheme: Option<&str>,
    occasion: Occasion,
    code: &str,
    now: Timestamp,
) -> Notice {
    Notice {
        occasion,
        code: code.into(),
        practice: config.practice.name.clone(),
        scheme: scheme.map(str::to_owned),
        time: rfc3339(now),
        title: String::new(),
        lines: Vec::new(),
        facts: Map::new(),
    }
}

/// That a run begins.
pub fn start(config: &Config, run: &RunRecord, now: Timestamp) -> Notice {
    Notice { time: rfc3339(now), ..of_start(config.practice.name.as_deref(), run) }
}

/// That a run of `scheme` could not begin, of the stable word `code`.
pub fn never_ran(config: &Config, scheme: &str, code: &str, now: Timestamp) -> Notice {
    let words = words::words(code);
    let mut notice = blank(config, Some(scheme), Occasion::Failure, words::known(code), now);
    notice.title = format!("{scheme}: backup could not begin: {}", words.happened);
    notice.lines = vec![words.means.into(), words.remedy.into()];
    notice
}

/// What is to be told of a run that ended; `before` is the run before it.
pub fn ended(
    config: &Config,
    run: &RunRecord,
    before: Option<&RunRecord>,
    next: Next,
    now: Timestamp,
) -> Vec<Notice> {
    if matches!(run.outcome, RunOutcome::Interrupted | RunOutcome::Running) {
        return Vec::new();
    }
    let mut notices = of_end(config.practice.name.as_deref(), run, before);
    notices.iter_mut().for_each(|notice| notice.time = rfc3339(now));
    if let Some(notice) = notices.first_mut() {
        match next {
            Next::Again(at) => notice.lines.push(format!("It is tried again at {}.", format_time(at))),
            Next::GivenUp => notice.lines.push("It is not tried again before its next time.".into()),
            Next::Settled => {}
        }
    }
    notices
}
