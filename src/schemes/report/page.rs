//! The report as a page to print.

use super::{Report, SchemeReport};
use crate::schemes::run::RunOutcome;
use crate::values::page::{escaped, list, page, table};
use crate::values::{format_duration, format_size};
use std::time::Duration;

/// Most acts that are printed; the JSON form has all.
const MAX_ACTS: usize = 2000;

/// The page.
pub fn html(report: &Report) -> String {
    let practice = report.practice.as_deref().unwrap_or("this practice");
    let title = format!("Backup readiness of {practice}, {} to {}", report.from, report.to);
    let mut out = format!("<p class=\"verdict\">{}</p>\n", verdict(report.answer));
    out += &format!(
        "<p>Made at {} on {} by coffer {}. Times are in UTC, days in the practice's zone.</p>\n",
        escaped(&report.made),
        escaped(&report.machine),
        report.program
    );
    if !report.reasons.is_empty() {
        let reasons: Vec<&str> = report.reasons.iter().map(|reason| reason.text.as_str()).collect();
        out += &format!("<h2>What needs a look</h2>\n{}", list(&reasons));
    }
    schemes(&mut out, report);
    containers(&mut out, report);
    evidence(&mut out, report);
    acts(&mut out, report);
    head(&mut out, report);
    out += "<h2>Review</h2>\n<table><tr><th>Reviewed by</th><td><div class=\"line\"></div></td></tr>\
            <tr><th>Date and signature</th><td><div class=\"line\"></div></td></tr>\
            <tr><th>Corrective actions</th><td><div class=\"line\"></div><div class=\"line\"></div></td></tr></table>\n\
            <p>This report shows readiness as it was recorded; it is no legal advice. It names no file and \
            no patient. Keep it for six years.</p>\n";
    page(&title, &out)
}

fn verdict(answer: &str) -> &'static str {
    match answer {
        "protected" => "Ready: every scheme has a good, recent backup.",
        "attention" => "Ready, with something that needs a look.",
        _ => "Not ready: something is not backed up.",
    }
}

fn word(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Done => "done",
        RunOutcome::Skipped => "skipped",
        RunOutcome::Running => "still running",
        RunOutcome::CutOff => "cut off",
        RunOutcome::Warnings => "kept, with warnings",
        RunOutcome::Interrupted => "stopped",
        RunOutcome::Failed => "failed",
        RunOutcome::Damage => "damage found",
    }
}

fn schemes(out: &mut String, report: &Report) {
    let heads = ["Scheme", "#Runs", "#Done", "#With warnings", "#Failed", "#Broken off", "#Days without"];
    let rows = report.schemes.iter().map(|(name, scheme)| {
        let numbers = [scheme.runs, scheme.done, scheme.partial, scheme.failed, scheme.broken_off];
        let mut row = vec![name.clone()];
        row.extend(numbers.iter().map(u64::to_string));
        row.push(scheme.gaps.len().to_string());
        row
    });
    *out += &format!("<h2>Backups</h2>\n{}", table(&heads, rows));
    let heads =
        ["Scheme", "#Verifications", "#Found damage", "#Retention applied", "#Copies", "#Copies failed"];
    let rows = report.schemes.iter().map(|(name, scheme)| {
        let numbers =
            [scheme.verifications.0, scheme.verifications.1, scheme.prunes, scheme.copies.0, scheme.copies.1];
        let mut row = vec![name.clone()];
        row.extend(numbers.iter().map(u64::to_string));
        row
    });
    *out += &format!("<h2>Verification, retention and copies</h2>\n{}", table(&heads, rows));
    for (name, scheme) in &report.schemes {
        one(out, name, scheme);
    }
}

fn one(out: &mut String, name: &str, scheme: &SchemeReport) {
    if !scheme.gaps.is_empty() {
        *out += &format!("<h2>{}: days without a good backup</h2>\n<p>", escaped(name));
        *out += &escaped(&scheme.gaps.join(", "));
        *out += "</p>\n";
    }
    if !scheme.troubles.is_empty() {
        let rows = scheme
            .troubles
            .iter()
            .map(|(time, outcome, code)| vec![time.clone(), word(*outcome).into(), code.clone()]);
        *out += &format!("<h2>{}: runs that did not end well</h2>\n", escaped(name));
        *out += &table(&["Began", "Ended", "Why"], rows);
    }
    if !scheme.drills.is_empty() {
        let rows = scheme.drills.iter().map(|(time, outcome, ms)| {
            let took = ms.map(|ms| format_duration(Duration::from_millis(ms)));
            vec![time.clone(), word(*outcome).into(), took.unwrap_or_default()]
        });
        *out += &format!("<h2>{}: trial restores</h2>\n", escaped(name));
        *out += &table(&["Held", "Ended", "#Time to recover"], rows);
    }
}

fn containers(out: &mut String, report: &Report) {
    let rows = report.containers.iter().map(|(name, container)| {
        let state = container.state.words();
        let size = |bytes: Option<u64>| bytes.map(format_size).unwrap_or_default();
        let id = container.id.clone().unwrap_or_default();
        vec![
            name.clone(),
            container.path.display().to_string(),
            id,
            state.into(),
            size(container.file_bytes),
            size(container.free_bytes),
        ]
    });
    let heads = ["Container", "File", "Id", "State", "#Size", "#Free"];
    *out += &format!("<h2>Containers when this was made</h2>\n{}", table(&heads, rows));
}

fn evidence(out: &mut String, report: &Report) {
    *out += "<h2>What the HIPAA security rule asks for (45 CFR)</h2>\n<table><tr><th>Paragraph</th>\
             <th>Evidence</th><th>Missing</th></tr>\n";
    for one in &report.evidence {
        let missing = if one.missing.is_empty() { "nothing".to_owned() } else { list(&one.missing) };
        *out += &format!(
            "<tr><td>{}<br>{}</td><td>{}</td><td>{missing}</td></tr>\n",
            escaped(one.paragraph),
            escaped(one.asks),
            list(&one.there_is)
        );
    }
    *out += "</table>\n";
}

fn acts(out: &mut String, report: &Report) {
    let rows = report.acts.iter().take(MAX_ACTS).map(|act| {
        vec![
            act.number.to_string(),
            act.time.clone(),
            act.who.clone(),
            act.what.clone(),
            act.object.clone().unwrap_or_default(),
            act.outcome.clone(),
        ]
    });
    *out += "<h2>Who did what</h2>\n";
    *out += &table(&["#", "Time", "Who", "What", "To what", "Outcome"], rows);
    if report.acts.len() > MAX_ACTS {
        *out += &format!("<p>{} more are in the JSON form.</p>\n", report.acts.len() - MAX_ACTS);
    }
}

fn head(out: &mut String, report: &Report) {
    *out += "<h2>The audit log</h2>\n";
    if let Some(what) = &report.chain {
        *out += &format!("<p>It does <b>not</b> hold: {}</p>\n", escaped(what));
    }
    match &report.head {
        Some(head) => {
            *out += &format!(
                "<p>Its newest line that holds is number {}. Whoever has this page can check later that \
                 nothing up to it was changed:</p><pre>coffer audit verify --head {}:{}</pre>\n",
                head.number,
                head.number,
                escaped(&head.hash)
            );
        }
        None => *out += "<p>It has no line.</p>\n",
    }
}
