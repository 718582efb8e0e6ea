//! The text of a dump, in one byte a character or UTF-16. It promises to find by the lines of
//! mysqldump and mariadb-dump that one of them was cut off, and holes of zeros that no dump writes.

use super::Finding;
use crate::attachments::problem::ProblemKind;
use std::io::BufRead;

/// Zero bytes in a row that mean a hole: dumps write a zero byte as `\0`.
const HOLE: usize = 512;
/// Bytes of a line that tell what it is.
const LINE: usize = 32;
/// Programs whose messages are no dump.
const TOOLS: [&[u8]; 5] = [b"mysqldump", b"mariadb-dump", b"mysqlpump", b"mydumper", b"mysqlsh"];

/// Judges a text while it passes by.
#[derive(Default)]
pub struct Text {
    seen: bool,
    /// The first byte, while it is the only one.
    first: Option<u8>,
    width: Width,
    lines: Lines,
}

#[derive(Clone, Copy, Default)]
enum Width {
    #[default]
    Unknown,
    Bytes,
    /// UTF-16, and the first byte of a pair that is not whole.
    Pairs {
        big: bool,
        half: Option<u8>,
    },
}

impl Text {
    pub fn is_empty(&self) -> bool {
        !self.seen
    }

    pub fn see(&mut self, bytes: &[u8]) {
        self.seen |= !bytes.is_empty();
        if !matches!(self.width, Width::Unknown) {
            return self.pass(bytes);
        }
        match (self.first.take(), bytes) {
            (None, []) => {}
            (first @ Some(_), []) => self.first = first,
            (None, [byte]) => self.first = Some(*byte),
            (None, [a, b, ..]) => {
                self.width = Width::of([*a, *b]);
                self.pass(bytes);
            }
            (Some(a), [b, ..]) => {
                self.width = Width::of([a, *b]);
                self.pass(&[a]);
                self.pass(bytes);
            }
        }
    }

    fn pass(&mut self, bytes: &[u8]) {
        let Width::Pairs { big, half } = &mut self.width else {
            return self.lines.see(bytes);
        };
        let mut narrow = Vec::with_capacity(bytes.len() / 2 + 1);
        for byte in bytes {
            let Some(before) = half.take() else {
                *half = Some(*byte);
                continue;
            };
            let pair = [before, *byte];
            let unit = if *big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) };
            if unit != 0xfeff {
                narrow.push(u8::try_from(unit).unwrap_or(b'?'));
            }
        }
        self.lines.see(&narrow);
    }

    pub fn end(&mut self) -> Finding {
        if let Some(byte) = self.first.take() {
            self.lines.see(&[byte]);
        }
        match (self.lines.end(), self.width) {
            (Finding::Nothing, Width::Pairs { half: Some(_), .. }) => Finding::Problem(ProblemKind::CutOff),
            (finding, _) => finding,
        }
    }
}

impl Width {
    fn of(begin: [u8; 2]) -> Width {
        match begin {
            [0xff, 0xfe] => Width::Pairs { big: false, half: None },
            [0xfe, 0xff] => Width::Pairs { big: true, half: None },
            _ => Width::Bytes,
        }
    }
}

/// What the lines of a text tell.
#[derive(Default)]
struct Lines {
    head: Vec<u8>,
    size: u64,
    not_blank: bool,
    /// Bytes whose lines are not looked at yet.
    window: Vec<u8>,
    /// Whether the window begins within a line.
    within_line: bool,
    /// Bytes since the last line that ends a dump; `None`: there was none since one began.
    since_end: Option<u64>,
    begun: bool,
    begun_again: bool,
    zeros: usize,
    hole: bool,
}

impl Lines {
    const HEAD: usize = 4096;
    /// Bytes that may follow a dump's last line.
    const AFTER: u64 = 512;

    fn see(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        let room = Self::HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.not_blank = self.not_blank || bytes.iter().any(|b| *b != 0 && !b.is_ascii_whitespace());
        self.look_for_holes(bytes);
        self.window.extend_from_slice(bytes);
        self.look_at_lines(LINE);
    }

    /// Looks at every line of which at least `enough` bytes are there, and forgets it.
    fn look_at_lines(&mut self, enough: usize) {
        let window = std::mem::take(&mut self.window);
        let mut rest = window.as_slice();
        loop {
            if self.within_line {
                let skipped = rest.skip_until(b'\n').unwrap_or(0);
                self.since_end = self.since_end.map(|since| since + skipped as u64);
                self.within_line = skipped == 0 || window[window.len() - rest.len() - 1] != b'\n';
            }
            if self.within_line || rest.len() < enough || rest.is_empty() {
                break;
            }
            self.line(rest);
            self.within_line = true;
        }
        self.window = rest.to_vec();
    }

    fn line(&mut self, line: &[u8]) {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let version = line.strip_prefix(b"-- MySQL dump ").or_else(|| line.strip_prefix(b"-- MariaDB dump "));
        if version.is_some_and(|version| version.first().is_some_and(u8::is_ascii_digit)) {
            self.begun_again |= self.begun && self.since_end.is_none();
            (self.begun, self.since_end) = (true, None);
        } else if line.starts_with(b"-- Dump completed") {
            self.since_end = Some(0);
        }
    }

    fn look_for_holes(&mut self, bytes: &[u8]) {
        let ahead = bytes.iter().take_while(|byte| **byte == 0).count();
        self.hole |= self.zeros + ahead >= HOLE;
        if ahead == bytes.len() {
            self.zeros = (self.zeros + ahead).min(HOLE);
            return;
        }
        let zero = |byte: &&u8| **byte == 0;
        // A hole covers at least one of these places.
        for place in (ahead..bytes.len()).step_by(HOLE / 2) {
            if bytes[place] == 0 && !self.hole {
                let after = bytes[place..].iter().take(HOLE).take_while(zero).count();
                let before = bytes[..place].iter().rev().take(HOLE).take_while(zero).count();
                self.hole = after + before >= HOLE;
            }
        }
        self.zeros = bytes.iter().rev().take(HOLE).take_while(zero).count();
    }

    fn end(&mut self) -> Finding {
        self.look_at_lines(0);
        if !self.not_blank {
            return Finding::NoDump("holds nothing but blanks");
        }
        if self.is_messages() {
            return Finding::NoDump("holds only messages of the program that was to make it");
        }
        let ended = self.since_end.is_some_and(|since| since <= Self::AFTER);
        if self.begun && !ended {
            return Finding::Problem(ProblemKind::CutOff);
        }
        if self.begun_again {
            return Finding::Problem(ProblemKind::CutOffWithin);
        }
        match self.hole && self.is_text() {
            true => Finding::Problem(ProblemKind::Torn),
            false => Finding::Nothing,
        }
    }

    /// Whether every line is a message of a program that makes dumps, or of a shell without it.
    fn is_messages(&self) -> bool {
        let mut lines = self.head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        self.size <= Self::HEAD as u64 && lines.all(|line| line.is_empty() || is_message(line))
    }

    /// Zeros have their place in other files: only what begins as text, or as a hole, is judged.
    fn is_text(&self) -> bool {
        let begin = &self.head[..self.head.len().min(HOLE)];
        let control = |byte: &u8| *byte < 32 && !byte.is_ascii_whitespace();
        begin.iter().all(|byte| *byte == 0) || !begin.iter().any(control)
    }
}

fn is_message(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let word = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let named = |word: &[u8]| {
        let word = word.strip_suffix(b":").unwrap_or_default();
        let word = word.strip_suffix(b".exe").unwrap_or(word);
        let name = word.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
        TOOLS.contains(&name)
    };
    let missing = line.ends_with(b"not found") || line.ends_with(b"No such file or directory");
    named(word) || missing && line.split(|byte| byte.is_ascii_whitespace()).any(named)
}
