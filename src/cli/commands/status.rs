//! `coffer status`: are we protected? It promises exit code 0 only for yes, 3 if something needs a look
//! and 1 for no, and that it needs no secret.

use crate::cli::configured::Configured;
use crate::cli::context::Context;
use crate::cli::events::{Outcome, Status as Ending};
use crate::error::Result;
use crate::schemes::run::RunOutcome;
use crate::schemes::standing::{Answer, ContainerStanding, LastRun, SchemeStanding, standing};
use crate::schemes::{daemon, prometheus};
use crate::values::{format_count, format_duration, format_size, format_stored};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `coffer status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Write the answer to this file for Prometheus' text collector, too
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

impl Status {
    /// Answers.
    pub fn run(self, context: &Context) -> Result<Outcome> {
        let configured = Configured::load(context)?;
        let now = context.time(None);
        let mut found = standing(&configured.config, &configured.state, now);
        daemon::driver(&configured.config, &configured.state, now).correct(&mut found, &configured.config);
        let zone = configured.config.practice.zone();
        for (name, scheme) in &found.schemes {
            let line = scheme_line(name, scheme, &|time| format_stored(time, zone));
            context.output.item(line, json!({ "scheme": name, "standing": scheme }));
        }
        for (name, container) in &found.containers {
            let item = json!({ "container": name, "standing": container });
            context.output.item(container_line(name, container), item);
        }
        let output = &context.output;
        found.reasons.iter().for_each(|reason| output.warning(reason.code, &reason.text));
        if daemon::shown(&configured.state).is_some_and(|shown| shown.is_clock_told) {
            output.warning("test-clock", daemon::CLOCK_IS_TOLD);
        }
        if let Some(path) = self.prometheus.filter(|_| !context.globals.dry_run) {
            prometheus::write(&found, &path)?;
        }
        let reasons = format_count(found.reasons.len() as u64, "reason");
        let (ending, summary) = match found.answer {
            Answer::Protected => (Ending::Done, "protected: yes".to_owned()),
            Answer::Attention if found.is_in_part() => {
                (Ending::Warnings, format!("protected: in part, look at {reasons}"))
            }
            Answer::Attention => (Ending::Warnings, format!("protected: yes, but look at {reasons}")),
            Answer::NotProtected => (Ending::Failed, format!("protected: no, for {reasons}")),
        };
        let reasons = serde_json::to_value(&found.reasons).unwrap_or_default();
        Ok(Outcome::new(ending)
            .with("answer", found.answer.word())
            .with("protected", found.is_protected())
            .with("reasons", reasons)
            .with("schemes", &found.schemes)
            .with("containers", &found.containers)
            .with("notify", &found.notify)
            .summary(summary))
    }
}

/// A scheme in a line, with its times as `local` shows them.
fn scheme_line(name: &str, scheme: &SchemeStanding, local: &dyn Fn(&str) -> String) -> String {
    let mut parts = Vec::new();
    if !scheme.enabled {
        parts.push("not enabled".to_owned());
    }
    parts.push(match &scheme.last_success {
        Some(run) => format!("last complete backup {}", run_words(run, local)),
        None => "no complete backup yet".into(),
    });
    if let Some(run) = &scheme.last_partial {
        let lacks = run.unreadable.map(|count| format!(", lacks {}", format_count(count, "file")));
        parts.push(format!("last partial one {}{}", run_words(run, local), lacks.unwrap_or_default()));
    }
    if let Some(run) = scheme.last_run.as_ref().filter(|run| run.outcome != RunOutcome::Done) {
        let word = serde_json::to_value(run.outcome).unwrap_or_default();
        let how = match &run.cut_off {
            Some(time) => format!("was cut off at {}", local(time)),
            None => word.as_str().unwrap_or_default().to_owned(),
        };
        parts.push(format!("last run {}: {how}", local(&run.started)));
    }
    scheme.last_verify.iter().for_each(|proof| parts.push(format!("verified {}", local(&proof.time))));
    scheme.last_drill.iter().for_each(|proof| parts.push(format!("drill {}", local(&proof.time))));
    scheme.running.iter().for_each(|since| parts.push(format!("running since {}", local(since))));
    let queued = scheme.queued.as_ref();
    parts.extend(queued.map(|q| format!("queued since {}, until `{}` is done", local(&q.since), q.behind)));
    scheme.next.iter().for_each(|next| parts.push(format!("next {}", local(next))));
    format!("{name}: {}", parts.join("; "))
}

fn run_words(run: &LastRun, local: &dyn Fn(&str) -> String) -> String {
    let mut text = local(&run.started);
    let took = run.elapsed_ms.map(|ms| format_duration(Duration::from_millis(ms)));
    took.iter().for_each(|took| text += &format!(" ({took}"));
    run.bytes.iter().for_each(|bytes| text += &format!(", {}", format_size(*bytes)));
    run.added_bytes.iter().for_each(|bytes| text += &format!(", {} added", format_size(*bytes)));
    if took.is_some() { text + ")" } else { text }
}

fn container_line(name: &str, container: &ContainerStanding) -> String {
    let what = container.state.words();
    let mut text = format!("{name}: {what}");
    let most = container.max_bytes.map(|bytes| format!(" of at most {}", format_size(bytes)));
    let size =
        container.file_bytes.map(|bytes| format!(", {}{}", format_size(bytes), most.unwrap_or_default()));
    text += &size.unwrap_or_default();
    container.free_bytes.iter().for_each(|bytes| text += &format!(", {} free", format_size(*bytes)));
    let days = container.forecast.and_then(|forecast| forecast.days);
    days.iter().for_each(|days| text += &format!(", lasts about {days} days"));
    text
}
