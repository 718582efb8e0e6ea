//! The configuration: one TOML file with the practice, its database servers, containers, schemes and
//! the ways to tell people (`example.toml` explains every key). It promises that a key it does not
//! know, a value that makes no sense and a name that leads nowhere are errors that show line and column
//! and what is allowed, and that it holds no secret, only where secrets are.

mod check;
mod nearest;
mod notify;
mod places;
mod remark;
mod scheme;
mod week;
mod words;
mod wrong;

pub mod edit;

pub use notify::{Channel, ChannelKind, Encryption, Occasion};
pub use places::{ContainerPlace, Keep, Practice, Server, StatusFiles};
pub use remark::Remark;
pub use scheme::{Copying, Hook, Scheme, Source};
pub use words::{Clock, Days, Month, Percent, Size, Span};
pub use wrong::{misshapen, text};

use crate::error::{Error, Kind, Result};
use nearest::nearest;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The version of the configuration that this program writes and reads.
pub const VERSION: u32 = 1;
/// A configuration with every key, explained.
pub const EXAMPLE: &str = include_str!("example.toml");
/// Longest configuration file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// [`VERSION`].
    pub version: toml::Spanned<u32>,
    /// Who it is about.
    #[serde(default)]
    pub practice: Practice,
    /// Database servers, by name.
    #[serde(default)]
    pub server: BTreeMap<String, Server>,
    /// Containers, by name.
    #[serde(default)]
    pub container: BTreeMap<String, ContainerPlace>,
    /// Schemes, by name.
    #[serde(default)]
    pub scheme: BTreeMap<String, Scheme>,
    /// Ways to tell people, by name.
    #[serde(default)]
    pub notify: BTreeMap<String, Channel>,
    /// Files that other programs watch.
    #[serde(default)]
    pub status: StatusFiles,
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// Errors: [`Kind::NotFound`] if there is none; [`Kind::Usage`], with line and column, if it is wrong.
    pub fn load(path: &Path) -> Result<Config> {
        let text = read(path)?;
        Config::parse(&text, &path.display().to_string())
    }

    /// Parses and checks `text`; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Config> {
        let config: Config = toml::from_str(text).map_err(|cause| wrong::misshapen(text, origin, &cause))?;
        check::check(&config).map_err(|wrong| wrong.error(text, origin))?;
        Ok(config)
    }

    /// The container of that name.
    pub fn container(&self, name: &str) -> Result<&ContainerPlace> {
        self.container.get(name).ok_or_else(|| unknown("container", name, self.container.keys()))
    }

    /// The scheme of that name.
    pub fn scheme(&self, name: &str) -> Result<&Scheme> {
        self.scheme.get(name).ok_or_else(|| unknown("scheme", name, self.scheme.keys()))
    }

    /// The name of the server that the databases of `scheme` are on, if it saves any.
    pub fn server_of<'a>(&'a self, scheme: &'a Scheme) -> Option<&'a str> {
        let named = scheme.server.as_ref().map(|server| server.get_ref().as_str());
        let only = || self.server.keys().next().map(String::as_str);
        scheme.has_databases().then(|| named.or_else(only)).flatten()
    }

    /// The containers that schemes write to and that nothing here bounds: neither what is kept nor a size.
    pub fn unbounded(&self) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for scheme in self.scheme.values() {
            let copies = scheme.copy.iter().filter_map(|copying| copying.to.as_ref().map(|to| (to, false)));
            for (to, is_own) in std::iter::once((&scheme.to, true)).chain(copies) {
                let Some(container) = self.container.get(to.get_ref()) else { continue };
                let is_kept = container.keep.is_some() || is_own && scheme.keep.is_some();
                if !is_kept && container.max_size.is_none() {
                    found.insert(to.get_ref().as_str());
                }
            }
        }
        found
    }

    /// What is no error and yet should be known, such as schemes that get in each other's way.
    pub fn remarks(&self) -> Vec<Remark> {
        remark::remarks(self)
    }
}

/// The text of the configuration at `path`.
///
/// Errors: [`Kind::NotFound`] if there is none; [`Kind::Usage`] for what is too long, or no text.
pub fn read(path: &Path) -> Result<String> {
    let name = format!("configuration {}", path.display());
    let failed = |cause: std::io::Error| match cause.kind() {
        std::io::ErrorKind::NotFound => Error::new(Kind::NotFound, format!("{name}: there is none"))
            .hint("coffer setup makes one; or name it with --config FILE"),
        _ => Error::io(Kind::Failed, format!("{name}: cannot be read"), cause),
    };
    let meta = std::fs::metadata(path).map_err(failed)?;
    if meta.len() > MAX_BYTES {
        return Err(Error::new(Kind::Usage, format!("{name}: is longer than {MAX_BYTES} bytes")));
    }
    text(std::fs::read(path).map_err(failed)?, &path.display().to_string())
}

/// Where the configuration is if it is not named: `COFFER_CONFIG`, else that of root or of the user.
pub fn usual_path(variable: impl Fn(&str) -> Option<std::ffi::OsString>, is_root: bool) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = set("COFFER_CONFIG") {
        return Some(named);
    }
    if is_root {
        return Some("/etc/coffer/coffer.toml".into());
    }
    let base = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(base.join("coffer/coffer.toml"))
}

/// What to do about a name that is none of `known`.
fn known_names<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let all = known.join(", ");
    match (nearest(name, known.iter().copied()), known.is_empty()) {
        (_, true) => format!("the configuration has no {what}"),
        (Some(near), _) if known.len() > 1 => format!("did you mean `{near}`? there are: {all}"),
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, _) => format!("there are: {all}"),
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Error {
    Error::new(Kind::NotFound, format!("{what} `{name}` is not in the configuration"))
        .hint(known_names(what, name, known))
}

#[cfg(test)]
mod tests;
