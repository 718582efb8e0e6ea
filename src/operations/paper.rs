//! Reports as pages to print ([`crate::values::page`]), and the same for programs beside them. It
//! promises that every word that is not ours is escaped, and that no report is ever overwritten.

use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use crate::values::page::{self, escaped};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A page that is being written.
pub struct Page {
    title: String,
    out: String,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number, or what stands in a column of numbers.
    Number(String),
}

impl Page {
    /// A page with its title and, below it in a frame, how things ended.
    pub fn new(title: &str, verdict: &str) -> Page {
        let out = format!("<p class=\"verdict\">{}</p>\n", escaped(verdict));
        Page { title: title.into(), out }
    }

    /// A table of names and values.
    pub fn facts(&mut self, rows: &[(&str, String)]) {
        self.out += "<table>";
        for (name, value) in rows {
            self.out += &format!("<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(value));
        }
        self.out += "</table>\n";
    }

    /// A heading.
    pub fn heading(&mut self, title: &str) {
        self.out += &format!("<h2>{}</h2>\n", escaped(title));
    }

    /// A paragraph.
    pub fn words(&mut self, text: &str) {
        self.out += &format!("<p>{}</p>\n", escaped(text));
    }

    /// A list under a heading; nothing at all without lines.
    pub fn list(&mut self, title: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.heading(title);
        self.out += &page::list(lines);
    }

    /// A table with headings.
    pub fn table(&mut self, headings: &[&str], rows: &[Vec<Cell>]) {
        self.out += "<table><tr>";
        headings.iter().for_each(|heading| self.out += &format!("<th>{}</th>", escaped(heading)));
        self.out += "</tr>";
        for row in rows {
            self.out += "<tr>";
            for cell in row {
                self.out += &match cell {
                    Cell::Text(text) => format!("<td>{}</td>", escaped(text)),
                    Cell::Number(text) => format!("<td class=\"n\">{}</td>", escaped(text)),
                };
            }
            self.out += "</tr>";
        }
        self.out += "</table>\n";
    }

    /// Room for a reviewer's name, signature and what was done about it.
    pub fn review(&mut self, reviewer: &str, corrective_actions: &str) {
        self.out += "<h2>Review</h2>\n<table><tr><th>Reviewed by</th><td>";
        self.out += &escaped(reviewer);
        self.out += "<div class=\"line\"></div></td></tr><tr><th>Date and signature</th><td><div class=\"line\"></div></td></tr>\
            <tr><th>Corrective actions</th><td>";
        self.out += &escaped(corrective_actions);
        self.out += "<div class=\"line\"></div><div class=\"line\"></div><div class=\"line\"></div></td></tr></table>\n";
    }

    /// The whole page.
    pub fn finish(mut self, foot: &str) -> String {
        self.words(foot);
        page::page(&self.title, &self.out)
    }
}

/// Where a report stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The page to print.
    pub page: PathBuf,
    /// The same for programs.
    pub json: PathBuf,
}

/// A report for programs, with its `form`.
pub fn value(report: &impl serde::Serialize, form: u32) -> serde_json::Value {
    let mut value = serde_json::to_value(report).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("form".into(), form.into());
    }
    value
}

/// Writes a page and the same for programs: under the name `usual` if `place` is a folder, else as
/// `place` (a page) and beside it. Nothing is overwritten.
///
/// Errors: [`Kind::Destination`]; [`Kind::Usage`] if both would have one name.
pub fn write(place: &Path, usual: &str, html: &str, value: &serde_json::Value) -> Result<Written> {
    let page = match place.is_dir() {
        true => place.join(format!("{usual}.html")),
        false => place.to_owned(),
    };
    let json = page.with_extension("json");
    if page == json {
        return Err(Error::new(Kind::Usage, format!("{}: is the report for programs", page.display()))
            .hint("name the page, such as report.html; the other stands beside it"));
    }
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    write_new(&page, html.as_bytes())?;
    write_new(&json, text.as_bytes())?;
    Ok(Written { page, json })
}

/// Looks whether a report can be written to `place`.
///
/// Errors: [`Kind::Usage`] if it is neither a folder nor the name of a page, [`Kind::Destination`] if
/// something stands there.
pub fn check_place(place: &Path) -> Result<()> {
    if place.is_dir() {
        return Ok(());
    }
    if place.extension().is_none() {
        return Err(Error::new(Kind::Usage, format!("{}: no such folder", place.display()))
            .hint("--report takes a folder that is there, or the name of a page such as report.html"));
    }
    match [place.to_owned(), place.with_extension("json")].iter().find(|path| path.exists()) {
        Some(path) => Err(taken(path)),
        None => Ok(()),
    }
}

/// Writes a file that must not be there yet, for its owner and group.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|cause| unwritten(path, cause))
}

/// The error for a page that could not be written.
pub fn unwritten(path: &Path, cause: std::io::Error) -> Error {
    match cause.kind() {
        std::io::ErrorKind::AlreadyExists => taken(path),
        _ => Error::io(Kind::Destination, format!("{}: cannot be written", path.display()), cause),
    }
}

fn taken(path: &Path) -> Error {
    Error::new(Kind::Destination, format!("{}: stands there already", path.display()))
        .hint("what is printed and kept is never overwritten: name another file, or move that one away")
}

/// A time for reports: RFC 3339 in UTC, to the second.
pub fn date(time: Timestamp) -> String {
    match jiff::Timestamp::from_second(time.seconds) {
        Ok(time) => time.to_string(),
        Err(_) => format!("@{}", time.seconds),
    }
}

/// Milliseconds as seconds with one decimal.
pub fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_page_escapes_foreign_words() {
        let evil = "<script>alert('x')</script>\u{1b}\"&";
        let mut page = Page::new(evil, evil);
        page.facts(&[(evil, evil.into())]);
        page.words(evil);
        page.list(evil, &[evil.into()]);
        page.list("empty", &[]);
        page.table(&[evil], &[vec![Cell::Text(evil.into()), Cell::Number(evil.into())]]);
        page.review(evil, evil);
        let text = page.finish(evil);
        assert!(!text.contains("<script") && !text.contains('\u{1b}') && !text.contains("alert('"), "{text}");
        assert!(text.matches("&lt;script&gt;").count() >= 11 && !text.contains("empty"), "{text}");
    }

    #[test]
    fn a_report_needs_a_place_that_is_free() {
        let folder = tempfile::tempdir().expect("folder");
        let page = folder.path().join("r.html");
        assert!(check_place(folder.path()).is_ok() && check_place(&page).is_ok());
        write(&page, "x", "<p>", &serde_json::json!({})).expect("written");
        for error in [check_place(&page), write_new(&page, b"")].map(|taken| taken.expect_err("taken")) {
            assert_eq!(error.kind(), Kind::Destination);
            assert!(error.message().ends_with("stands there already") && error.remedy().is_some());
        }
        assert_eq!(check_place(&folder.path().join("none")).expect_err("no folder").kind(), Kind::Usage);
    }
}
