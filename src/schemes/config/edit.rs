//! Changing the configuration and keeping what people wrote into it. It promises that remarks, order
//! and every section that is not meant stay byte for byte, that nothing is saved which
//! [`Config::parse`] refuses, that the file is replaced as a whole with its mode and owner, and that of
//! two people who change it at once neither loses anything: the second is told.

use super::wrong::Wrong;
use super::{Config, known_names, read};
use crate::error::{Error, Kind, Result};
use crate::storage::state_file::{self, Owner};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// How long another who saves is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a new file begins with.
const BEGINNING: &str = "# The configuration of Coffer; `coffer setup --example` shows every key there is.\n\
                         # Secrets never stand here, only where they are.\nversion = 1\n";

/// A value that is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// `"text"`.
    Text(String),
    /// `["a", "b"]`.
    Texts(Vec<String>),
    /// A whole number.
    Number(i64),
    /// A share of a hundred.
    Share(f64),
    /// `true` or `false`.
    Flag(bool),
    /// Keys of an inner section; those that are not named stay.
    Keys(Vec<(String, Setting)>),
    /// `[{ … }, { … }]`.
    List(Vec<Vec<(String, Setting)>>),
    /// The key is taken out.
    Absent,
}

/// The configuration while it is changed.
#[derive(Clone, Debug)]
pub struct Draft {
    path: PathBuf,
    /// What the file held; `None`: there was none.
    before: Option<String>,
    document: DocumentMut,
}

impl Draft {
    /// The file at `path`, which must be there.
    pub fn open(path: &Path) -> Result<Draft> {
        let text = read(path)?;
        Draft::of(path, Some(text))
    }

    /// The file at `path`, or the beginning of one.
    pub fn begin(path: &Path) -> Result<Draft> {
        match read(path) {
            Ok(text) => Draft::of(path, Some(text)),
            Err(error) if error.kind() == Kind::NotFound => Draft::of(path, None),
            Err(error) => Err(error),
        }
    }

    fn of(path: &Path, before: Option<String>) -> Result<Draft> {
        // A link stays one: what it leads to is replaced.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(_) => std::path::absolute(path)
                .map_err(|cause| Error::io(Kind::Usage, format!("{}: is no path", path.display()), cause))?,
        };
        let document = parsed(before.as_deref().unwrap_or(BEGINNING), &path)?;
        Ok(Draft { path, before, document })
    }

    /// Whether there was a file.
    pub fn is_new(&self) -> bool {
        self.before.is_none()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes `text` in place of everything.
    pub fn replace(&mut self, text: &str) -> Result<()> {
        self.document = parsed(text, &self.path)?;
        Ok(())
    }

    /// Whether a section such as `scheme`, `nightly` is there.
    pub fn has(&self, kind: &str, name: &str) -> bool {
        self.document.get(kind).and_then(|sections| sections.get(name)).is_some()
    }

    /// Writes `settings` into a section, `[KIND]` or `[KIND.NAME]`, which is made if it is not there,
    /// with `remark` above it.
    ///
    /// Errors: [`Kind::Usage`] if something that is no section stands in its place.
    pub fn put(
        &mut self,
        kind: &str,
        name: Option<&str>,
        settings: &[(&str, Setting)],
        remark: &str,
    ) -> Result<()> {
        let no_section = || {
            Error::new(Kind::Usage, format!("{}: `{kind}` is no section", self.path.display()))
                .hint("change it with an editor")
        };
        let is_new = self.document.get(kind).is_none();
        let mut section = self.document.entry(kind).or_insert_with(|| Item::Table(Table::new()));
        if let Some(name) = name {
            if is_new && let Some(sections) = section.as_table_mut() {
                sections.set_implicit(true);
            }
            let sections = section.as_table_like_mut().ok_or_else(no_section)?;
            let is_inline =
                sections.get(name).is_none() && sections.entry(name).or_insert(Item::None).is_none();
            section = sections.entry(name).or_insert(Item::None);
            if is_inline {
                *section = Item::Table(new_table(remark));
            }
        } else if is_new && let Some(table) = section.as_table_mut() {
            *table = new_table(remark);
        }
        let section = section.as_table_like_mut().ok_or_else(no_section)?;
        settings.iter().for_each(|(key, setting)| set(section, key, setting));
        Ok(())
    }

    /// Takes a section out.
    ///
    /// Errors: [`Kind::NotFound`] if there is none of that name.
    pub fn remove(&mut self, kind: &str, name: &str) -> Result<()> {
        let sections = self.document.get_mut(kind).and_then(Item::as_table_like_mut);
        let known: Vec<String> =
            sections.iter().flat_map(|all| all.iter().map(|(name, _)| name.to_owned())).collect();
        match sections.and_then(|all| all.remove(name)) {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::NotFound, format!("{kind} `{name}` is not in the configuration"))
                .hint(known_names(kind, name, known.iter()))),
        }
    }

    /// The text of a section, without its head.
    pub fn section(&self, kind: &str, name: &str) -> Option<String> {
        self.document.get(kind)?.get(name).map(Item::to_string)
    }

    /// The text that would be saved.
    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// Checks it. A container that a scheme writes to by itself must be bounded, by what is kept or by a
    /// size, or its disk fills; one that was not before the change is let pass.
    pub fn config(&self) -> Result<Config> {
        let (text, origin) = (self.text(), self.path.display().to_string());
        let config = Config::parse(&text, &origin)?;
        let before = self.before.as_deref().and_then(|before| Config::parse(before, &origin).ok());
        let known = before.as_ref().map(Config::unbounded).unwrap_or_default();
        if let Some(name) = config.unbounded().difference(&known).next() {
            let message = format!(
                "container `{name}`: nothing says how long backups are kept, nor how large it may become: \
                 its disk would fill"
            );
            return Err(Wrong::at(&["container", name], message)
                .hint(format!(
                    "write [container.{name}.keep] with policy = \"practice\", or max-size = \"200G\""
                ))
                .error(&text, &origin));
        }
        Ok(config)
    }

    /// Checks and saves it. A new file gets `owner`; one that was there keeps its own.
    ///
    /// Errors: [`Kind::Usage`] if it is wrong, [`Kind::Busy`] if somebody else changed the file since it
    /// was read.
    pub fn save(&self, owner: Owner) -> Result<Config> {
        let config = self.config()?;
        let name = self.path.display();
        let failed = |cause: std::io::Error| {
            Error::io(Kind::Failed, format!("configuration {name}: not saved"), cause)
        };
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        if self.is_new() {
            state_file::create_private(folder).map_err(failed)?;
        }
        // Whoever saves holds its folder; there is no lock file that could be left.
        let _held = hold(folder)?;
        let now = match std::fs::read_to_string(&self.path) {
            Ok(text) => Some(text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(failed(cause)),
        };
        if now != self.before {
            return Err(Error::new(
                Kind::Busy,
                format!("configuration {name}: somebody else changed it meanwhile"),
            )
            .hint("nothing was saved; run this again"));
        }
        let owner = Owner::of(&self.path).unwrap_or(owner);
        state_file::replace_for(&self.path, self.text().as_bytes(), owner).map_err(failed)?;
        Ok(config)
    }
}

fn parsed(text: &str, path: &Path) -> Result<DocumentMut> {
    text.parse().map_err(|_| match Config::parse(text, &path.display().to_string()) {
        Err(error) => error,
        Ok(_) => Error::new(Kind::Usage, format!("{}: cannot be changed", path.display())),
    })
}

fn new_table(remark: &str) -> Table {
    let mut table = Table::new();
    let lines: String = remark.lines().map(|line| format!("# {line}\n")).collect();
    table.decor_mut().set_prefix(format!("\n{lines}"));
    table
}

/// Holds `folder` against others who save.
fn hold(folder: &Path) -> Result<File> {
    let name = folder.display();
    let failed = |cause| Error::io(Kind::Failed, format!("folder {name}: cannot be opened"), cause);
    let file = File::open(folder).map_err(failed)?;
    let start = Instant::now();
    loop {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::new(
                    Kind::Busy,
                    format!("folder {name}: somebody else is changing the configuration"),
                ));
            }
            // No locks there: the comparison remains.
            Err(_) => return Ok(file),
        }
    }
}

/// Writes one key; what stands behind its value stays.
fn set(section: &mut dyn TableLike, key: &str, setting: &Setting) {
    let present = section.get_mut(key);
    match (setting, present) {
        (Setting::Absent, _) => _ = section.remove(key),
        (Setting::Keys(keys), Some(item)) if item.is_table_like() => {
            if let Some(inner) = item.as_table_like_mut() {
                keys.iter().for_each(|(key, setting)| set(inner, key, setting));
            }
        }
        (_, Some(Item::Value(old))) => {
            let decor = old.decor().clone();
            *old = value(setting);
            *old.decor_mut() = decor;
        }
        (_, Some(item)) => *item = Item::Value(value(setting)),
        (_, None) => _ = section.insert(key, Item::Value(value(setting))),
    }
}

fn value(setting: &Setting) -> Value {
    match setting {
        Setting::Text(text) => text.as_str().into(),
        Setting::Texts(texts) => Value::Array(texts.iter().map(String::as_str).collect()),
        Setting::Number(number) => (*number).into(),
        Setting::Share(share) if share.fract() == 0.0 && share.abs() < 1e9 => (*share as i64).into(),
        Setting::Share(share) => (*share).into(),
        Setting::Flag(flag) => (*flag).into(),
        Setting::Keys(keys) => Value::InlineTable(inline(keys)),
        Setting::List(rows) => Value::Array(rows.iter().map(|keys| inline(keys)).collect::<Array>()),
        Setting::Absent => Value::Array(Array::new()),
    }
}

fn inline(keys: &[(String, Setting)]) -> InlineTable {
    let given = keys.iter().filter(|(_, setting)| *setting != Setting::Absent);
    given.map(|(key, setting)| (key.as_str(), value(setting))).collect()
}

#[cfg(test)]
mod tests;
