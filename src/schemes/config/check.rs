//! What holds between the parts of a configuration. It promises that whoever passes it can be run:
//! every name leads somewhere, and nothing is both missing and needed. It looks at the text alone;
//! whether files and servers are there is for `coffer doctor`.

mod channel;
mod place;
mod scheme;

use super::wrong::{Checked, Wrong};
use super::{Config, VERSION, known_names};
use std::collections::BTreeMap;
use std::path::Path;

/// Checks the whole.
pub fn check(config: &Config) -> Checked {
    if *config.version.get_ref() != VERSION {
        let message = format!("configuration of version {}", config.version.get_ref());
        return Err(
            Wrong::new(config.version.span(), message).hint(format!("this program knows version {VERSION}"))
        );
    }
    let names = [
        ("server", config.server.keys().collect::<Vec<_>>()),
        ("container", config.container.keys().collect()),
        ("scheme", config.scheme.keys().collect()),
        ("notify", config.notify.keys().collect()),
    ];
    for (what, names) in names {
        names.into_iter().try_for_each(|name| check_name(what, name))?;
    }
    place::check_practice(config)?;
    config.server.iter().try_for_each(|(name, server)| place::check_server(name, server))?;
    config.container.iter().try_for_each(|(name, one)| place::check_container(config, name, one))?;
    place::check_paths(config)?;
    config.scheme.iter().try_for_each(|(name, one)| scheme::check_scheme(config, name, one))?;
    config.notify.iter().try_for_each(|(name, one)| channel::check_channel(config, name, one))
}

/// Names become tags, file names and words of messages.
fn check_name(what: &str, name: &str) -> Checked {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match name.chars().all(is_good) && !name.is_empty() && name.len() <= 64 && !name.starts_with('-') {
        true => Ok(()),
        false => Err(Wrong::at(&[what, name], format!("{what} `{name}`: is no name"))
            .hint("names have up to 64 letters of a to z, digits, - and _")),
    }
}

/// A path must mean the same wherever the program is started.
fn check_absolute(keys: &[&str], path: Option<&Path>) -> Checked {
    match path {
        Some(path) if !path.is_absolute() => {
            let key = keys.last().copied().unwrap_or_default();
            Err(Wrong::at(keys, format!("{key} `{}` does not begin with /", path.display()))
                .hint("write the whole path: what runs by itself has no folder that it is in"))
        }
        _ => Ok(()),
    }
}

fn check_known<T>(names: &BTreeMap<String, T>, what: &str, name: &toml::Spanned<String>) -> Checked {
    match names.contains_key(name.get_ref()) {
        true => Ok(()),
        false => {
            let wrong = Wrong::new(name.span(), format!("there is no {what} `{}`", name.get_ref()));
            Err(match names.is_empty() {
                true => wrong.hint(format!("write a section [{what}.{}]", name.get_ref())),
                false => wrong.hint(known_names(what, name.get_ref(), names.keys())),
            })
        }
    }
}
