//! The report of a drill as a page to print. It promises that nothing of it comes from elsewhere (no
//! script, no picture, no font) and that every word that is not ours is escaped.

use super::report::{AttachmentTrial, DrillReport, Verdict};
use crate::values::page::{escaped, list, page};

/// The page.
pub fn html(report: &DrillReport) -> String {
    let title = format!("Restore drill of {}", report.held.get(..10).unwrap_or(&report.held));
    let mut out = format!("<p class=\"verdict\">{}</p>\n", verdict(report.verdict()));
    facts(&mut out, report);
    findings(&mut out, "Differences", &report.differences);
    findings(&mut out, "Not proven", &report.not_proven);
    databases(&mut out, report);
    attachments(&mut out, report.attachments.as_ref());
    phases(&mut out, report);
    findings(&mut out, "Notes", &report.notes);
    out += "<h2>Review</h2>\n<table><tr><th>Reviewed by</th><td>";
    out += &escaped(&report.reviewer);
    out += "<div class=\"line\"></div></td></tr><tr><th>Date and signature</th><td><div class=\"line\"></div></td></tr>\
            <tr><th>Corrective actions</th><td>";
    out += &escaped(&report.corrective_actions);
    out +=
        "<div class=\"line\"></div><div class=\"line\"></div><div class=\"line\"></div></td></tr></table>\n";
    out += "<p>This report shows the readiness of one backup on one day. It holds names of databases and tables, \
            and nothing of what is in them. Keep it for six years.</p>\n";
    page(&title, &out)
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "Proven: everything that was tried came back as it was backed up.",
        Verdict::InPart => {
            "Proven in part: what was tried came back as it was backed up; something could not be tried."
        }
        Verdict::Differs => "Not ready: something did not come back as it was backed up.",
    }
}

fn facts(out: &mut String, report: &DrillReport) {
    let server = if report.server.is_empty() { "none" } else { &report.server };
    let complete =
        if report.is_complete_backup { "" } else { " (incomplete: some sources could not be read)" };
    let rows = [
        ("Container", report.container.clone()),
        ("Snapshot", format!("{} of {}{complete}", report.snapshot, report.snapshot_time)),
        ("Drill held", format!("{} on {}, coffer {}", report.held, report.machine, report.program)),
        ("Server", server.to_owned()),
        (
            "Time to recover",
            format!(
                "{} (all attachments at the rate of those that were tried)",
                seconds(report.recovery_ms())
            ),
        ),
    ];
    *out += "<table>";
    for (name, value) in rows {
        *out += &format!("<tr><th>{name}</th><td>{}</td></tr>", escaped(&value));
    }
    *out += "</table>\n";
}

fn findings(out: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    *out += &format!("<h2>{title}</h2>\n{}", list(lines));
}

fn databases(out: &mut String, report: &DrillReport) {
    if !report.databases.is_empty() {
        *out += "<h2>Databases</h2>\n<p>Loaded, then every row read back and compared by count and checksum.</p>\n\
                 <table><tr><th>Database</th><th>Tables</th><th>Rows</th><th>Objects</th><th>Time</th><th>Result</th></tr>";
        for trial in &report.databases {
            let result = if trial.differences.is_empty() { "equal" } else { "differs" };
            *out += &format!(
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{}</td><td>{result}</td></tr>",
                escaped(&trial.database),
                trial.tables,
                trial.rows,
                trial.objects,
                seconds(trial.ms)
            );
        }
        *out += "</table>\n";
        let notes: Vec<String> = report
            .databases
            .iter()
            .flat_map(|d| d.notes.iter().map(move |note| format!("{}: {note}", d.database)))
            .collect();
        findings(out, "Notes on databases", &notes);
    }
    if !report.dumps.is_empty() {
        *out += "<h2>Dump files</h2>\n<table><tr><th>File</th><th>Bytes</th><th>Tables</th><th>Time</th><th>Result</th></tr>";
        for trial in &report.dumps {
            let result = match (trial.failure.is_empty(), trial.not_loaded.is_empty()) {
                (false, _) => "failed",
                (true, false) => "compared, not loaded",
                (true, true) => "compared and loaded",
            };
            *out += &format!(
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{result}</td></tr>",
                escaped(&trial.dump),
                trial.bytes,
                trial.tables,
                seconds(trial.ms)
            );
        }
        *out += "</table>\n";
    }
}

fn attachments(out: &mut String, trial: Option<&AttachmentTrial>) {
    let Some(trial) = trial else { return };
    *out += &format!(
        "<h2>Attachments</h2>\n<p>{} of {} files ({} of {} bytes) restored and compared byte by byte in {}; {} differ.</p>\n",
        trial.tried,
        trial.files,
        trial.bytes,
        trial.all_bytes,
        seconds(trial.ms),
        trial.failed_count
    );
}

fn phases(out: &mut String, report: &DrillReport) {
    *out += "<h2>Steps</h2>\n<table><tr><th>Step</th><th>Time</th><th>Bytes</th></tr>";
    for phase in &report.phases {
        *out += &format!(
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&phase.name),
            seconds(phase.ms),
            phase.bytes
        );
    }
    *out += "</table>\n";
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::drill::report::DatabaseTrial;

    #[test]
    fn every_foreign_word_is_escaped_and_nothing_is_fetched() {
        let evil = "<script>alert('x')</script>\u{1b}\"&";
        let report = DrillReport {
            container: evil.into(),
            machine: evil.into(),
            server: evil.into(),
            reviewer: evil.into(),
            differences: vec![evil.into()],
            not_proven: vec![evil.into()],
            notes: vec![evil.into()],
            databases: vec![DatabaseTrial {
                database: evil.into(),
                notes: vec![evil.into()],
                ..DatabaseTrial::default()
            }],
            ..DrillReport::default()
        };
        let page = html(&report);
        assert!(!page.contains("<script") && !page.contains('\u{1b}') && !page.contains("alert('"), "{page}");
        assert!(!page.contains("http") && !page.contains("src=") && !page.to_lowercase().contains("certif"));
        assert!(
            page.contains("Not ready") && page.contains("Corrective actions") && page.contains("Reviewed by")
        );
    }
}
