//! What reaches which stream, in which mode.

use super::*;
use crate::clock::{FixedClock, Timestamp};
use std::sync::Mutex;

/// A stream that keeps what is written, or fails.
#[derive(Clone, Default)]
struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    failure: Option<io::ErrorKind>,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.failure {
            Some(kind) => Err(kind.into()),
            None => self.bytes.lock().unwrap().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    /// The events, parsed.
    fn events(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn output(settings: Settings, out: &Kept, err: &Kept) -> Output {
    let clock = Arc::new(FixedClock(Timestamp { seconds: 0, nanoseconds: 0 }));
    Output::on(settings, "backup", clock, (Box::new(out.clone()), Box::new(err.clone())), false)
}

fn everything(settings: Settings, result: Result<Outcome>) -> (Kept, Kept, u8) {
    let (out, err) = (Kept::default(), Kept::default());
    let output = output(settings, &out, &err);
    output.start(Map::new());
    output.item("a row", serde_json::json!({"row": 1}));
    output.note("a note");
    output.detail("a detail");
    output.warning_about("unreadable", "x/y", "x/y could not be read");
    output.problem(&Error::damaged("segment 3 is damaged"));
    drop(output.progress("reading", "file", Arc::new(Progress::default())));
    let code = output.conclude(result);
    (out, err, code)
}

fn settings(quiet: bool, verbose: bool, json: bool) -> Settings {
    Settings { quiet, verbose, json, ..Settings::default() }
}

#[test]
fn text_for_people() {
    let outcome = Outcome::done().summary("snapshot ab12 is kept");
    let (out, err, code) = everything(settings(false, true, false), Ok(outcome));
    assert_eq!(out.text(), "a row\nsnapshot ab12 is kept\n");
    let expected = "a note\na detail\nwarning[unreadable]: x/y could not be read\nerror[damaged]: segment 3 is \
                    damaged\nreading: started\nreading: ended, 0 files, 0 B in ";
    assert!(err.text().starts_with(expected), "{}", err.text());
    assert_eq!(code, 0);
}

#[test]
fn quiet_keeps_rows_warnings_and_errors() {
    let (out, err, code) = everything(settings(true, true, false), Ok(Outcome::done().summary("kept")));
    assert_eq!((out.text().as_str(), code), ("a row\n", 0));
    assert_eq!(
        err.text(),
        "warning[unreadable]: x/y could not be read\nerror[damaged]: segment 3 is damaged\n"
    );
    let damage = Outcome::new(Status::Damage).summary("2 files are damaged");
    let (_, err, code) = everything(settings(true, false, false), Ok(damage));
    assert!(err.text().ends_with("\n2 files are damaged\n"));
    assert_eq!(code, 4);
}

#[test]
fn json_for_programs_and_text_beside_it() {
    let outcome = Outcome::new(Status::Warnings).with("snapshot", "ab12").summary("kept");
    let (out, err, code) = everything(settings(false, false, true), Ok(outcome));
    let events = out.events();
    let names: Vec<&str> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["start", "item", "warning", "error", "progress", "progress", "result"]);
    for event in &events {
        assert_eq!((&event["version"], &event["command"]), (&Value::from(1), &Value::from("backup")));
        assert_eq!(event["time"], "1970-01-01T00:00:00Z");
    }
    assert_eq!(events[1]["item"]["row"], 1);
    assert_eq!((&events[2]["code"], &events[2]["path"]), (&"unreadable".into(), &"x/y".into()));
    assert_eq!(events[3]["error"]["code"], "damaged");
    assert_eq!((&events[4]["state"], &events[5]["state"]), (&"start".into(), &"end".into()));
    assert_eq!((&events[6]["status"], &events[6]["exit_code"]), (&"warnings".into(), &3.into()));
    assert_eq!(events[6]["snapshot"], "ab12");
    assert!(events[6].get("error").is_none());
    assert!(err.text().contains("a note\n") && err.text().ends_with("kept\n") && code == 3);
}

#[test]
fn a_failure_ends_with_its_report() {
    let error = || Error::new(Kind::Busy, "night.coffer is busy").because("process 7 holds it").hint("wait");
    let (_, err, code) = everything(settings(true, false, false), Err(error()));
    assert!(err.text().ends_with("error[busy]: night.coffer is busy: process 7 holds it\nhint: wait\n"));
    assert_eq!(code, 11);
    let (out, err, code) = everything(settings(true, false, true), Err(error()));
    let result = out.events().pop().unwrap();
    assert_eq!((&result["status"], &result["exit_code"]), (&"failed".into(), &11.into()));
    assert_eq!(
        result["error"],
        serde_json::json!({"code": "busy", "message": "night.coffer is busy", "hint": "wait", "causes": ["process 7 holds it"]})
    );
    assert!(err.text().contains("error[busy]") && code == 11);
}

#[test]
fn a_panic_still_gives_one_result() {
    let (out, err) = (Kept::default(), Kept::default());
    let output = output(settings(false, false, true), &out, &err);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        output.note("working");
        panic!("planted");
    }));
    assert!(panicked.is_err());
    let events = out.events();
    assert_eq!((events.len(), &events[0]["status"]), (1, &"failed".into()));
}

#[test]
fn a_reader_who_leaves_stops_nothing() {
    for (failure, code) in [(io::ErrorKind::BrokenPipe, 0), (io::ErrorKind::StorageFull, 3)] {
        let (out, err) = (Kept { failure: Some(failure), ..Kept::default() }, Kept::default());
        let output = output(Settings::default(), &out, &err);
        output.item("a row", ());
        output.item("another", ());
        assert_eq!(output.conclude(Ok(Outcome::done())), code, "{failure:?}");
        assert_eq!(err.text().contains("warning[output]"), code == 3);
    }
}

#[test]
fn progress_is_told_at_intervals_and_never_when_not_wanted() {
    let (out, err) = (Kept::default(), Kept::default());
    let short = Settings { interval: Duration::from_millis(5), ..Settings::default() };
    let progress = Arc::new(Progress::default());
    progress.expect(4, 4096);
    progress.advance(1, 1024);
    let output = output(short, &out, &err);
    let meter = output.progress("reading", "file", Arc::clone(&progress));
    while err.text().lines().count() < 3 {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(meter);
    let text = err.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "reading: started");
    assert!(lines[2].starts_with("reading: 1 of 4 files, 1.0 KiB of 4.0 KiB, "), "{}", lines[2]);
    assert!(lines[lines.len() - 1].starts_with("reading: ended, 1 file, 1.0 KiB in "));
    drop(output.progress("verifying", "segment", progress));
    assert_eq!(err.text().lines().count(), lines.len() + 2);
    output.conclude(Ok(Outcome::done()));

    let (out, err) = (Kept::default(), Kept::default());
    let silent = self::output(Settings { no_progress: true, ..Settings::default() }, &out, &err);
    drop(silent.progress("reading", "file", Arc::new(Progress::default())));
    silent.conclude(Ok(Outcome::done()));
    assert_eq!((out.text().as_str(), err.text().as_str()), ("", ""));
}

#[test]
fn no_control_character_reaches_a_terminal() {
    assert_eq!(channel::printable("a\x1b[2Jb\r\u{9b}\tc\nd\u{e9}"), "a\\x1b[2Jb\\x0d\\x9b\tc\nd\u{e9}");
    let (out, err) = (Kept::default(), Kept::default());
    let output = output(Settings::default(), &out, &err);
    output.item("\x1b[31m", ());
    output.warning("x", "\x07");
    output.conclude(Ok(Outcome::done()));
    assert_eq!((out.text().as_str(), err.text().as_str()), ("\\x1b[31m\n", "warning[x]: \\x07\n"));
}

#[test]
fn nothing_is_told_after_the_result() {
    for json in [true, false] {
        let (out, err) = (Kept::default(), Kept::default());
        let output = output(settings(false, false, json), &out, &err);
        output.item("a row", 1);
        assert_eq!(output.conclude(Err(Error::new(Kind::Interrupted, "interrupted"))), 130);
        let told = (out.text(), err.text());
        output.item("a row", 2);
        output.note("a note");
        output.problem(&Error::new(Kind::Failed, "too late"));
        drop(output.progress("reading", "file", Arc::new(Progress::default())));
        output.conclude(Ok(Outcome::done()));
        drop(output);
        assert_eq!((out.text(), err.text()), told);
        assert!(told.1.contains("interrupted"), "{}", told.1);
    }
}
