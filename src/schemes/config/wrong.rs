//! What is wrong in a configuration, and where. It promises that every error shows line and column, of
//! the value where there is one, else of the section that lacks it, and that no error repeats a secret.

use super::nearest::nearest;
use crate::error::{Error, Kind, Result};
use std::ops::Range;

/// What is wrong.
pub struct Wrong {
    place: Place,
    message: String,
    hint: Option<String>,
}

/// The outcome of a check.
pub type Checked = std::result::Result<(), Wrong>;

enum Place {
    /// Bytes of the text.
    Span(Range<usize>),
    /// The keys that lead there; the nearest that is written counts.
    Keys(Vec<String>),
}

impl Wrong {
    /// Something about the value at `span`.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Wrong {
        Wrong { place: Place::Span(span), message: message.into(), hint: None }
    }

    /// Something about what these keys lead to: `["container", "night", "path"]`.
    pub fn at(keys: &[&str], message: impl Into<String>) -> Wrong {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Wrong { place: Place::Keys(keys), message: message.into(), hint: None }
    }

    /// Adds what would do.
    pub fn hint(mut self, hint: impl Into<String>) -> Wrong {
        self.hint = Some(hint.into());
        self
    }

    /// With the remedy of `error`.
    pub fn hint_of(self, error: &Error) -> Wrong {
        match error.remedy() {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// The error for the file `origin` with this `text`.
    pub fn error(self, text: &str, origin: &str) -> Error {
        let start = match self.place {
            Place::Span(span) => Some(span.start),
            Place::Keys(keys) => written_at(text, &keys),
        };
        let place = start.map(|start| place(text.as_bytes(), start)).unwrap_or_default();
        let error = Error::new(Kind::Usage, format!("{origin}{place}: {}", self.message));
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Where in `text` the last of `keys` that is written stands.
fn written_at(text: &str, keys: &[String]) -> Option<usize> {
    let document = toml_edit::Document::parse(text).ok()?;
    let (mut item, mut found) = (document.as_item(), None);
    for name in keys {
        let next = match name.parse::<usize>() {
            Ok(number) if item.get(name).is_none() => item.get(number).map(|next| (None, next)),
            _ => item.as_table_like().and_then(|table| table.get_key_value(name)).map(|(k, i)| (Some(k), i)),
        };
        let Some((key, next)) = next else { break };
        let span = next.span().or_else(|| key.and_then(toml_edit::Key::span));
        found = span.map(|span| span.start).or(found);
        item = next;
    }
    found
}

/// `, line 3, column 7`.
fn place(text: &[u8], at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let last = before.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(last).chars().count() + 1;
    format!(", line {line}, column {column}")
}

/// The text of the file `origin`.
///
/// Errors: [`Kind::Usage`], with line and column, for what is no text.
pub fn text(bytes: Vec<u8>, origin: &str) -> Result<String> {
    String::from_utf8(bytes).map_err(|cause| {
        let place = place(cause.as_bytes(), cause.utf8_error().valid_up_to());
        Error::new(Kind::Usage, format!("{origin}{place}: this is not UTF-8"))
            .hint("save the file as UTF-8; letters beyond ASCII are often of another encoding")
    })
}

/// The error for what TOML, or the shape of the configuration, does not allow.
pub fn misshapen(text: &str, origin: &str, cause: &toml::de::Error) -> Error {
    let place = cause.span().map(|span| place(text.as_bytes(), span.start)).unwrap_or_default();
    let (message, hint) = words(cause.message().trim_end());
    let error = Error::new(Kind::Usage, format!("{origin}{place}: {message}"));
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The parser's words in ours.
fn words(message: &str) -> (String, Option<String>) {
    let unexpected = |what: &str| {
        let (word, rest) = message.strip_prefix(what)?.strip_prefix(" `")?.split_once('`')?;
        let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        Some((word.to_owned(), known))
    };
    if let Some((key, known)) = unexpected("unknown field") {
        if is_secret(&key) {
            let message = format!("a secret never stands here: `{key}`");
            return (message, Some(secret_hint(&known)));
        }
        return (format!("unknown key `{key}`"), meant(&key, &known, "keys here"));
    }
    if let Some((word, known)) = unexpected("unknown variant") {
        return (format!("unknown word `{word}`"), meant(&word, &known, "words here"));
    }
    if let Some((key, _)) = unexpected("missing field") {
        let hint = format!("write {key} = … in this section");
        return (format!("`{key}` is missing"), Some(hint));
    }
    if let Some(told) = of_another_shape(message) {
        return told;
    }
    // What a value's own rule says comes with its hint after a semicolon.
    match message.split_once("; ") {
        Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
        None => (message.to_owned(), None),
    }
}

/// What a value of another shape is and should be. It is not repeated: it may be a secret.
fn of_another_shape(message: &str) -> Option<(String, Option<String>)> {
    let number = |what: &str| {
        let is_whole = |head| what.strip_prefix(head).is_some_and(|bits: &str| bits.parse::<u8>().is_ok());
        is_whole('u') || is_whole('i') || what == "usize"
    };
    let wanted = |what: &str| match what {
        "a sequence" => Some(("a list", "write it between brackets: [\"…\"]")),
        "a string" | "path string" => Some(("text", "write it between quotes: \"…\"")),
        "a boolean" => Some(("true or false", "write true or false, without quotes")),
        "f64" | "f32" => Some(("a number", "write a number, without quotes")),
        what if number(what) => Some(("a whole number", "write a whole number, without quotes")),
        what if what.starts_with("struct ") || what.starts_with("a map") => {
            Some(("a section", "write { key = … }, or a section of its own: [NAME]"))
        }
        _ => None,
    };
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        let (found, expected) = rest.rsplit_once(", expected ")?;
        let found = match found.split([' ', '`']).next()? {
            "string" => "text",
            "integer" | "floating" => "a number",
            "boolean" => "true or false",
            "sequence" => "a list",
            "map" | "newtype" => "a section",
            _ => "something else",
        };
        return match wanted(expected) {
            Some((what, hint)) => Some((format!("{found} where {what} is wanted"), Some(hint.into()))),
            None => Some((format!("{found} cannot stand here"), None)),
        };
    }
    let (found, expected) = message.strip_prefix("invalid value: ")?.rsplit_once(", expected ")?;
    number(expected).then(|| {
        let value = found.split('`').nth(1).unwrap_or("this");
        (format!("{value} is no number that can stand here"), Some("write a whole number from 0 on".into()))
    })
}

/// What was probably meant, or everything there is.
pub fn meant(word: &str, known: &[&str], what: &str) -> Option<String> {
    match (nearest(word, known.iter().copied()), known.is_empty()) {
        (Some(near), _) => Some(format!("did you mean `{near}`?")),
        (None, true) => None,
        (None, false) => Some(format!("{what}: {}", known.join(", "))),
    }
}

/// Whether a key is one under which people write secrets.
fn is_secret(key: &str) -> bool {
    const WORDS: [&str; 9] =
        ["password", "passwd", "passphrase", "pass", "pwd", "secret", "token", "key", "recovery-code"];
    let key = key.to_lowercase().replace('_', "-");
    WORDS.iter().any(|word| key == *word || key.strip_suffix(word).is_some_and(|head| head.ends_with('-')))
}

fn secret_hint(known: &[&str]) -> String {
    let names = ["password-file", "password-command", "key-file", "token-file", "url-file", "credential"];
    let names: Vec<&str> = names.into_iter().filter(|name| known.contains(name)).collect();
    match names.is_empty() {
        true => "take it out of the file and change it: whoever read the file knows it".into(),
        false => format!(
            "write it into a file of its own that only its owner can read, and name that: {}",
            names.join(", ")
        ),
    }
}
