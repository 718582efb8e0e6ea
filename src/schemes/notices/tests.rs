//! Whatever a run says of itself, a notice says no more than it may.

use super::*;
use crate::schemes::run::examples;
use proptest::prelude::*;

fn text_of(notice: &Notice) -> String {
    serde_json::to_string(notice).expect("JSON")
}

fn step(kind: StepKind, outcome: RunOutcome, code: Option<&str>) -> StepRecord {
    let plain = examples::step(kind, "2026-10-01T22:00:00Z", outcome);
    StepRecord { elapsed_ms: 61_000, exit_code: Some(1), code: code.map(str::to_owned), ..plain }
}

fn run(outcome: RunOutcome, steps: Vec<StepRecord>) -> RunRecord {
    let plain = examples::run("2026-10-01T22:00:00Z", outcome, steps);
    RunRecord { id: "20261001T220000Z".into(), finished: Some("2026-10-01T22:01:01Z".into()), ..plain }
}

#[test]
fn each_end_has_its_occasion_and_code() {
    use RunOutcome::{Damage, Done, Failed, Warnings};
    let cases = [
        (Done, vec![step(StepKind::Backup, Done, None)], Occasion::Success, "success"),
        (Warnings, vec![step(StepKind::Backup, Warnings, None)], Occasion::Warning, "partial"),
        (Failed, vec![step(StepKind::Backup, Failed, Some("database"))], Occasion::Failure, "backup-failed"),
        (Failed, vec![step(StepKind::Backup, Failed, Some("not-mounted"))], Occasion::Failure, "not-mounted"),
        (
            Failed,
            vec![step(StepKind::Backup, Done, None), step(StepKind::Copy, Failed, Some("full"))],
            Occasion::Warning,
            "step-failed",
        ),
        (
            Damage,
            vec![step(StepKind::Backup, Done, None), step(StepKind::Verify, Damage, None)],
            Occasion::Failure,
            "damage",
        ),
    ];
    for (outcome, steps, occasion, code) in cases {
        let notices = of_end(Some("Bright Smiles"), None, &run(outcome, steps), None);
        assert_eq!((notices.len(), notices[0].occasion, notices[0].code.as_str()), (1, occasion, code));
        assert!(!notices[0].lines.is_empty(), "{code}");
    }
}

#[test]
fn the_first_good_run_after_a_bad_one_is_a_recovery() {
    let good = run(RunOutcome::Done, vec![step(StepKind::Backup, RunOutcome::Done, None)]);
    let bad = run(RunOutcome::Failed, vec![step(StepKind::Backup, RunOutcome::Failed, Some("full"))]);
    let codes = |now: &RunRecord, before| {
        of_end(None, None, now, before).into_iter().map(|notice| notice.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(&good, Some(&bad)), ["success", "recovered"]);
    assert_eq!(codes(&good, Some(&good)), ["success"]);
    assert_eq!(codes(&good, None), ["success"]);
    assert_eq!(codes(&bad, Some(&bad)), ["backup-failed"]);
}

/// A text that no notice may hold, which stands in every place that a program could fill.
fn told(secret: &str, outcome: RunOutcome) -> String {
    let mut one = step(StepKind::Backup, outcome, Some(secret));
    one.target = Some(secret.into());
    one.message = Some(format!("{secret}: cannot be read"));
    one.warnings.insert(secret.into(), 3.into());
    one.result.insert(secret.into(), 7.into());
    one.result.insert("files".into(), secret.into());
    one.result.insert("snapshot".into(), secret.into());
    let mut all = run(outcome, vec![one]);
    all.scheme = secret.into();
    all.id = "1".into();
    let notices = of_end(None, None, &all, None);
    let mut text: String = notices.iter().map(text_of).collect();
    text += &text_of(&of_start(None, &all));
    text
}

proptest! {
    #[test]
    fn no_word_of_an_error_gets_into_a_notice(
        first in "[A-Z][a-z]{5,12}",
        last in "[A-ZÄÖÜ][a-zäöüß]{5,12}",
        shape in 0..6usize,
        outcome in prop::sample::select(vec![
            RunOutcome::Done, RunOutcome::Warnings, RunOutcome::Failed, RunOutcome::Damage,
            RunOutcome::Interrupted, RunOutcome::CutOff, RunOutcome::Running,
        ]),
    ) {
        let (first, last) = (format!("{first}Qx"), format!("{last}Qx"));
        let secret = match shape {
            0 => format!("/srv/OpenDentImages/{first}/{last} {first}.png"),
            1 => format!("attachments/{last}, {first}"),
            2 => format!("table `{last}`: duplicate entry '{first}'"),
            3 => format!("{first}\r\nSubject: {last}\n\n{first}"),
            4 => format!("<script>{last}</script>{first}\u{1b}[2J"),
            _ => format!("{first} {last}"),
        };
        let text = told(&secret, outcome);
        prop_assert!(!text.contains(&first) && !text.contains(&last), "{secret:?} in {text}");
    }
}

#[test]
fn the_week_counts_what_was_kept_and_what_was_not() {
    let good = run(RunOutcome::Done, vec![step(StepKind::Backup, RunOutcome::Done, None)]);
    let partial = run(RunOutcome::Warnings, vec![step(StepKind::Backup, RunOutcome::Warnings, None)]);
    let bad = run(RunOutcome::Failed, vec![step(StepKind::Backup, RunOutcome::Failed, None)]);
    let runs = [good, partial, bad];
    let notice = of_week(None, "2026-10-04T00:00:00Z", "attention", [("nightly", &runs[..])].into_iter());
    assert_eq!(notice.lines[0], "nightly: 2 backups, 1 of them with something to look at; 1 failed.");
}

#[test]
fn a_command_that_is_to_be_typed_names_its_scheme() {
    let failed = |code| {
        let steps = vec![step(StepKind::Backup, RunOutcome::Failed, Some(code))];
        of_end(None, None, &run(RunOutcome::Failed, steps), None).remove(0)
    };
    for code in ["not-mounted", "source", "busy", "hook-timeout", "unheard-of"] {
        let text = text_of(&failed(code));
        assert!(text.contains("coffer scheme run nightly"), "{code}: {text}");
    }
    assert_eq!(named("Run: coffer scheme run", None), "Run: coffer scheme run NAME");
}
