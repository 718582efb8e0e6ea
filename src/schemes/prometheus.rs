//! The file that Prometheus' text collector reads. It promises to be whole or absent, readable by the
//! collector, and to hold a sample only for what is known: what never was has no time.

use super::run::RunOutcome;
use super::standing::{Answer, FileState, SchemeStanding, Standing};
use crate::error::{Error, Kind, Result};
use crate::storage::state_file;
use crate::values::parse_time;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes how all stands to `path`.
///
/// Errors: [`Kind::Failed`] if it cannot be written.
pub fn write(standing: &Standing, path: &Path) -> Result<()> {
    let failed = |cause| Error::io(Kind::Failed, format!("{}: not written", path.display()), cause);
    state_file::replace(path, text(standing).as_bytes()).map_err(failed)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).map_err(failed)
}

type Sample = (String, Option<f64>);

/// The text of the file.
pub fn text(standing: &Standing) -> String {
    let mut out = String::new();
    let answer = match standing.answer {
        Answer::Protected => 0.0,
        Answer::Attention => 1.0,
        Answer::NotProtected => 2.0,
    };
    let help = "0 protected, 1 attention, 2 not protected.";
    metric(&mut out, "coffer_standing", help, vec![(String::new(), Some(answer))]);
    schemes(&mut out, standing);
    containers(&mut out, standing);
    let failing = standing.notify.iter().map(|(name, kept)| {
        (labels(&[("channel", name)]), Some(if kept.failing_since.is_some() { 1.0 } else { 0.0 }))
    });
    metric(&mut out, "coffer_notify_failing", "Whether a way to tell people fails.", failing.collect());
    out
}

fn schemes(out: &mut String, standing: &Standing) {
    let of = |value: &dyn Fn(&SchemeStanding) -> Option<f64>| -> Vec<Sample> {
        let one = |(name, scheme): (&String, &SchemeStanding)| (labels(&[("scheme", name)]), value(scheme));
        standing.schemes.iter().map(one).collect()
    };
    let flag = |is: bool| Some(if is { 1.0 } else { 0.0 });
    let success = |scheme: &SchemeStanding| scheme.last_success.clone();
    let metrics: [(&str, &str, Vec<Sample>); 12] = [
        (
            "coffer_last_success_timestamp_seconds",
            "When the newest complete backup ended.",
            of(&|s| success(s).and_then(|run| seconds(run.finished.as_deref().unwrap_or(&run.started)))),
        ),
        (
            "coffer_last_duration_seconds",
            "How long the newest complete backup took.",
            of(&|s| success(s)?.elapsed_ms.map(|ms| ms as f64 / 1000.0)),
        ),
        (
            "coffer_last_restorable_bytes",
            "Bytes that the newest complete backup restores to.",
            of(&|s| success(s)?.bytes.map(|bytes| bytes as f64)),
        ),
        (
            "coffer_last_added_bytes",
            "Bytes that the newest complete backup added.",
            of(&|s| success(s)?.added_bytes.map(|bytes| bytes as f64)),
        ),
        (
            "coffer_last_outcome",
            "How the newest run ended: 0 done, 1 warnings, 2 interrupted or cut off, 3 failed, 4 damage.",
            of(&|s| Some(outcome(s.last_run.as_ref()?.outcome))),
        ),
        (
            "coffer_last_verify_timestamp_seconds",
            "When everything was last verified.",
            of(&|s| seconds(&s.last_verify.as_ref()?.time)),
        ),
        (
            "coffer_last_drill_timestamp_seconds",
            "When a trial restore was last held.",
            of(&|s| seconds(&s.last_drill.as_ref()?.time)),
        ),
        ("coffer_next_run_timestamp_seconds", "When it is due.", of(&|s| seconds(s.next.as_ref()?))),
        ("coffer_overdue", "Whether a good backup is overdue.", of(&|s| flag(s.overdue.is_some()))),
        (
            "coffer_partial",
            "Whether the newest backup lacks something.",
            of(&|s| flag(s.last_partial.is_some())),
        ),
        ("coffer_enabled", "Whether the scheme runs by itself.", of(&|s| flag(s.enabled))),
        ("coffer_running", "Whether a run has begun and not ended.", of(&|s| flag(s.running.is_some()))),
    ];
    metrics.into_iter().for_each(|(name, help, samples)| metric(out, name, help, samples));
}

fn containers(out: &mut String, standing: &Standing) {
    let samples = |value: &dyn Fn(&super::standing::ContainerStanding) -> Option<f64>| -> Vec<Sample> {
        standing.containers.iter().map(|(name, c)| (labels(&[("container", name)]), value(c))).collect()
    };
    let number = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    let there = samples(&|container| Some(if container.state == FileState::There { 1.0 } else { 0.0 }));
    metric(out, "coffer_container_there", "Whether the file is there as the last run made it.", there);
    let bytes = samples(&|container| number(container.file_bytes));
    metric(out, "coffer_container_bytes", "Length of the file.", bytes);
    let cap = samples(&|container| number(container.max_bytes));
    metric(out, "coffer_container_max_bytes", "The longest that it may become.", cap);
    let free = samples(&|container| number(container.free_bytes));
    metric(out, "coffer_free_bytes", "Bytes left on its file system.", free);
    let days = samples(&|container| number(container.forecast?.days));
    metric(out, "coffer_space_days", "Days until the space is used up.", days);
}

fn metric(out: &mut String, name: &str, help: &str, samples: Vec<Sample>) {
    if samples.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    *out += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
    for (labels, value) in samples {
        value.iter().for_each(|value| *out += &format!("{name}{labels} {value}\n"));
    }
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> =
        pairs.iter().map(|(name, text)| format!("{name}=\"{}\"", escaped(text))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn seconds(time: &str) -> Option<f64> {
    parse_time(time).ok().map(|time| time.seconds as f64)
}

fn outcome(outcome: RunOutcome) -> f64 {
    match outcome {
        RunOutcome::Done | RunOutcome::Skipped | RunOutcome::Running => 0.0,
        RunOutcome::Warnings => 1.0,
        RunOutcome::Interrupted | RunOutcome::CutOff => 2.0,
        RunOutcome::Failed => 3.0,
        RunOutcome::Damage => 4.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_leave_their_quotes() {
        assert_eq!(labels(&[("a", "b\"c\\d\ne")]), "{a=\"b\\\"c\\\\d\\ne\"}");
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let mut out = String::new();
        metric(&mut out, "x", "y", vec![("{a=\"1\"}".into(), None)]);
        assert_eq!(out, "");
        metric(&mut out, "x", "y", vec![(String::new(), None), ("{a=\"1\"}".into(), Some(1_790_000_000.0))]);
        assert_eq!(out, "# HELP x y\n# TYPE x gauge\nx{a=\"1\"} 1790000000\n");
    }
}
