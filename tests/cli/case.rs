//! Cases as files. Each runs in an empty folder of its own:
//!
//! ```text
//! # a remark
//! $ a line for bash; standard error goes where standard output goes
//! what it prints; [..] stands for anything in a line
//! ...                                  (any number of lines)
//! ? 12                                 (its exit code, if not 0)
//! ```

use crate::program::{Place, command};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Step {
    line: usize,
    script: String,
    expected: Vec<String>,
    code: i32,
}

fn parse(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if let Some(script) = line.strip_prefix("$ ") {
            let script = script.to_owned();
            steps.push(Step { line: at + 1, script, expected: Vec::new(), code: 0 });
        } else if let Some(step) = steps.last_mut().filter(|_| !line.starts_with('#') && !line.is_empty()) {
            match line.strip_prefix("? ") {
                Some(code) => step.code = code.parse().expect("a code"),
                None => step.expected.push(line.to_owned()),
            }
        }
    }
    assert!(!steps.is_empty(), "a case without steps proves nothing");
    steps
}

/// Whether `line` is what `pattern` says.
fn line_fits(pattern: &str, line: &str) -> bool {
    let mut pieces = pattern.split("[..]");
    let Some(mut rest) = line.strip_prefix(pieces.next().unwrap_or("")) else { return false };
    let mut last = None;
    for piece in pieces {
        last = Some(piece);
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.is_empty() || last.is_some_and(|piece| line.ends_with(piece))
}

fn fits(expected: &[String], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "..." => (0..=lines.len()).any(|skip| fits(rest, &lines[skip..])),
        Some((first, rest)) => {
            lines.split_first().is_some_and(|(line, others)| line_fits(first, line) && fits(rest, others))
        }
    }
}

fn run(case: &Path) -> Result<(), String> {
    let place = Place::new();
    for step in parse(&std::fs::read_to_string(case).expect("a case")) {
        let output = command("bash", place.path())
            .args(["-c", &format!("exec 2>&1\n{}", step.script)])
            .stdin(Stdio::null())
            .output()
            .expect("bash runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = said.lines().collect();
        let code = output.status.code().unwrap_or(-1);
        if code != step.code || !fits(&step.expected, &lines) {
            return Err(format!(
                "{}:{}: $ {}\nexpected ({}):\n  {}\nfound ({code}):\n  {}",
                case.display(),
                step.line,
                step.script,
                step.code,
                step.expected.join("\n  "),
                lines.join("\n  ")
            ));
        }
    }
    Ok(())
}

#[test]
fn every_case_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/cases");
    let entries = std::fs::read_dir(folder).expect("cases").map(|entry| entry.expect("a case").path());
    let mut cases: Vec<PathBuf> = entries.collect();
    cases.sort();
    assert!(cases.iter().all(|case| case.extension().is_some_and(|ending| ending == "case")), "{cases:?}");
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = run(case) {
                        failures.lock().expect("no panic").push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} of {} cases\n\n{}", failures.len(), cases.len(), failures.join("\n\n"));
}

#[test]
fn a_case_can_fail() {
    assert!(line_fits("a[..]c[..]", "abcde") && line_fits("[..]", "") && line_fits("x", "x"));
    assert!(!line_fits("a[..]c", "abcd") && !line_fits("ab", "abc") && !line_fits("b[..]", "abc"));
    assert!(line_fits("[..]c", "acbc"), "the last piece may come twice");
    let expected = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect::<Vec<_>>();
    assert!(fits(&expected(&["a", "...", "c"]), &["a", "b", "b", "c"]));
    assert!(!fits(&expected(&["a", "c"]), &["a", "b", "c"]) && !fits(&expected(&["a"]), &["a", "b"]));
    assert!(!fits(&[], &["unexpected"]));
}
