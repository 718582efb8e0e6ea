//! The report of a drill as a page to print ([`crate::operations::paper`]).

use super::report::{AttachmentTrial, DrillReport, Verdict};
use crate::operations::paper::{Cell, Page, seconds};

/// The page.
pub fn html(report: &DrillReport) -> String {
    let title = format!("Restore drill of {}", report.held.get(..10).unwrap_or(&report.held));
    let mut page = Page::new(&title, verdict(report.verdict()));
    facts(&mut page, report);
    page.list("Differences", &report.differences);
    page.list("Not proven", &report.not_proven);
    databases(&mut page, report);
    dumps(&mut page, report);
    attachments(&mut page, report.attachments.as_ref());
    phases(&mut page, report);
    page.list("Notes", &report.notes);
    page.review(&report.reviewer, &report.corrective_actions);
    page.finish(
        "This report shows the readiness of one backup on one day. It holds names of databases and tables, \
         and nothing of what is in them. Keep it for six years.",
    )
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

fn facts(page: &mut Page, report: &DrillReport) {
    let server = if report.server.is_empty() { "none" } else { &report.server };
    let complete =
        if report.is_complete_backup { "" } else { " (incomplete: some sources could not be read)" };
    page.facts(&[
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
    ]);
}

fn number(value: impl ToString) -> Cell {
    Cell::Number(value.to_string())
}

fn databases(page: &mut Page, report: &DrillReport) {
    if report.databases.is_empty() {
        return;
    }
    page.heading("Databases");
    page.words("Loaded, then every row read back and compared by count and checksum.");
    let rows: Vec<Vec<Cell>> = report
        .databases
        .iter()
        .map(|trial| {
            let result = if trial.differences.is_empty() { "equal" } else { "differs" };
            vec![
                Cell::Text(trial.database.clone()),
                number(trial.tables),
                number(trial.rows),
                number(trial.objects),
                number(seconds(trial.ms)),
                Cell::Text(result.into()),
            ]
        })
        .collect();
    page.table(&["Database", "Tables", "Rows", "Objects", "Time", "Result"], &rows);
    let notes =
        report.databases.iter().flat_map(|d| d.notes.iter().map(move |n| format!("{}: {n}", d.database)));
    page.list("Notes on databases", &notes.collect::<Vec<_>>());
}

fn dumps(page: &mut Page, report: &DrillReport) {
    if report.dumps.is_empty() {
        return;
    }
    page.heading("Dump files");
    let rows: Vec<Vec<Cell>> = report
        .dumps
        .iter()
        .map(|trial| {
            let result = match (trial.failure.is_empty(), trial.not_loaded.is_empty()) {
                (false, _) => "failed",
                (true, false) => "compared, not loaded",
                (true, true) => "compared and loaded",
            };
            vec![
                Cell::Text(trial.dump.clone()),
                number(trial.bytes),
                number(trial.tables),
                number(seconds(trial.ms)),
                Cell::Text(result.into()),
            ]
        })
        .collect();
    page.table(&["File", "Bytes", "Tables", "Time", "Result"], &rows);
}

fn attachments(page: &mut Page, trial: Option<&AttachmentTrial>) {
    let Some(trial) = trial else { return };
    page.heading("Attachments");
    page.words(&format!(
        "{} of {} files ({} of {} bytes) restored and compared byte by byte in {}; {} differ.",
        trial.tried,
        trial.files,
        trial.bytes,
        trial.all_bytes,
        seconds(trial.ms),
        trial.failed_count
    ));
}

fn phases(page: &mut Page, report: &DrillReport) {
    page.heading("Steps");
    let rows: Vec<Vec<Cell>> = report
        .phases
        .iter()
        .map(|phase| vec![Cell::Text(phase.name.clone()), number(seconds(phase.ms)), number(phase.bytes)])
        .collect();
    page.table(&["Step", "Time", "Bytes"], &rows);
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
