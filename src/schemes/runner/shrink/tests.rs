//! What counts as a loss in one of several sources, and what a person accepted.

use super::*;
use crate::schemes::run::examples;

fn step(bytes: u64) -> StepRecord {
    let result = [("bytes".to_owned(), bytes.into())].into_iter().collect();
    StepRecord { result, ..examples::step(StepKind::Backup, "", RunOutcome::Done) }
}

fn run(id: &str, cause: Cause, steps: Vec<StepRecord>) -> RunRecord {
    RunRecord { cause, ..examples::run(id, RunOutcome::Running, steps) }
}

fn has_shrunk(step: &StepRecord, now: &RunRecord, runs: &[RunRecord]) -> bool {
    !shrunk(step, now, runs, &|_| true).is_empty()
}

fn marked(mut step: StepRecord, found: Vec<Shrunk>) -> StepRecord {
    mark(&mut step, found);
    step
}

#[test]
fn what_suddenly_holds_little_is_told_until_somebody_says_that_it_is_meant() {
    let (daily, by_hand) = (Cause::Schedule, Cause::Manual);
    let mut runs = vec![run("1", daily, vec![step(1000)])];
    assert!(!has_shrunk(&step(0), &run("0", daily, vec![]), &[]), "the first");
    assert!(!has_shrunk(&step(250), &run("2", daily, vec![]), &runs));
    assert!(has_shrunk(&step(249), &run("2", by_hand, vec![]), &runs), "also by hand, the first time");
    let found = shrunk(&step(0), &run("2", daily, vec![]), &runs, &|_| true);
    let told = marked(step(0), found);
    assert_eq!((told.outcome, is_marked(&told)), (RunOutcome::Warnings, true));
    runs.push(run("2", daily, vec![told]));
    assert!(has_shrunk(&step(0), &run("3", daily, vec![]), &runs), "every night");
    assert!(!has_shrunk(&step(900), &run("3", daily, vec![]), &runs), "all is back");
    assert!(!has_shrunk(&step(0), &run("3", by_hand, vec![]), &runs), "it is meant");
    assert!(has_shrunk(&step(0), &run("3", Cause::Timer, vec![]), &runs), "a timer accepts nothing");
    assert!(has_shrunk(&step(0), &run("3", Cause::Retry, vec![]), &runs));
    runs.push(run("3", by_hand, vec![step(0)]));
    assert!(!has_shrunk(&step(0), &run("4", daily, vec![]), &runs));
}

/// A backup beside 1 TB of other things: a practice of these tables, and two folders of these files.
fn sources(rows: &[(&str, u64)], images: u64, letters: u64) -> StepRecord {
    let table_rows = rows.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect();
    let sum = rows.iter().map(|(_, rows)| rows).sum();
    let practice = DatabaseFigures { tables: rows.len() as u64, rows: sum, bytes: sum * 100, table_rows };
    let root = |files| RootFigures { files, bytes: files * 1000 };
    let roots = [("images".to_owned(), root(images)), ("letters".to_owned(), root(letters))];
    let databases = [("practice".to_owned(), practice)].into_iter().collect();
    StepRecord { sources: Figures { databases, roots: roots.into_iter().collect() }, ..step(1 << 40) }
}

fn told(before: &StepRecord, now: &StepRecord) -> Vec<String> {
    let mut before = before.clone();
    trim(&mut before);
    let runs = [run("1", Cause::Schedule, vec![before])];
    let found = shrunk(now, &run("2", Cause::Schedule, vec![]), &runs, &|_| true);
    found.into_iter().map(|one| one.source).collect()
}

#[test]
fn each_source_is_compared_with_itself() {
    let all = [("patient", 800), ("log", 90_000), ("small", 150)];
    let before = sources(&all, 5000, 1);
    assert_eq!(told(&before, &before), Vec::<String>::new());
    assert_eq!(told(&before, &sources(&[], 5000, 1)), ["database practice"]);
    let emptied = [("patient", 0), ("log", 90_000), ("small", 0)];
    assert_eq!(told(&before, &sources(&emptied, 5000, 1)), ["table practice.patient"]);
    assert_eq!(told(&before, &sources(&all[1..], 5000, 1)), ["table practice.patient"], "dropped");
    let fewer = [("patient", 800), ("log", 20_000), ("small", 150)];
    assert_eq!(told(&before, &sources(&fewer, 5000, 1)), ["database practice"]);
    assert_eq!(told(&before, &sources(&all, 0, 1)), ["folder images"], "its medium is gone");
    assert_eq!(told(&before, &sources(&all, 1249, 1)), ["folder images"]);
    assert_eq!(told(&before, &sources(&all, 1250, 0)), ["folder letters"], "one file is all there was");
    // A folder that the scheme names no more, and small things that come and go.
    let mut without = before.clone();
    without.sources.roots.remove("images");
    assert!(told(&before, &without).is_empty());
    assert!(told(&sources(&[("a", 199), ("b", 9)], 19, 1), &sources(&[("a", 0)], 1, 1)).is_empty());
    // A record from before there were figures.
    assert!(told(&step(1 << 40), &sources(&[], 0, 0)).is_empty());
}

#[test]
fn a_database_that_nobody_names_any_more_may_be_missing() {
    let (before, mut now) = (sources(&[("patient", 800)], 1, 1), sources(&[], 1, 1));
    now.sources.databases.clear();
    let runs = [run("1", Cause::Schedule, vec![before])];
    let by = run("2", Cause::Schedule, vec![]);
    assert_eq!(shrunk(&now, &by, &runs, &|name| name == "practice").len(), 1);
    assert!(shrunk(&now, &by, &runs, &|_| false).is_empty());
}

#[test]
fn a_table_that_is_emptied_now_and_then_is_no_news_and_by_hand_only_what_was_told_is_meant() {
    let (full, empty) = (sources(&[("session", 900)], 1, 1), sources(&[("session", 0)], 1, 1));
    let mut was_empty = empty.clone();
    trim(&mut was_empty);
    let runs = [("1", &full), ("2", &was_empty), ("3", &full)]
        .map(|(id, step)| run(id, Cause::Schedule, vec![step.clone()]));
    let now = run("4", Cause::Schedule, vec![]);
    assert!(shrunk(&empty, &now, &runs, &|_| true).iter().all(|one| !one.source.starts_with("table")));
    let lost = sources(&[("session", 900)], 0, 1);
    let first = shrunk(&lost, &now, &runs[2..], &|_| true);
    let runs = [runs[2].clone(), run("4", Cause::Schedule, vec![marked(lost.clone(), first)])];
    let by_hand = run("5", Cause::Manual, vec![]);
    assert!(shrunk(&lost, &by_hand, &runs, &|_| true).is_empty());
    let more = shrunk(&sources(&[("session", 900)], 0, 0), &by_hand, &runs, &|_| true);
    assert_eq!(sentence(&more), "folder letters: no files any more");
}

#[test]
fn a_record_keeps_the_figures_and_an_older_one_has_none() {
    let mut step = sources(&[("patient", 800), ("small", 3)], 5, 0);
    trim(&mut step);
    let text = serde_json::to_string(&step).expect("text");
    assert!(text.contains("patient") && !text.contains("small"), "{text}");
    assert_eq!(serde_json::from_str::<StepRecord>(&text).expect("read"), step);
    let older = serde_json::to_string(&super::tests::step(7)).expect("text");
    assert!(!older.contains("sources"));
    assert!(serde_json::from_str::<StepRecord>(&older).expect("read").sources.is_empty());
}
