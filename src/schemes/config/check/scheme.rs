//! Checks of a scheme: what it saves, where to, when, and that what it writes to cannot fill its disk.

use super::check_known;
use crate::operations::profile::Profile;
use crate::schedule::Slots;
use crate::schemes::config::nearest::nearest;
use crate::schemes::config::wrong::{Checked, Wrong};
use crate::schemes::config::{Config, Scheme, Source};
use std::collections::BTreeSet;
use std::path::Path;

pub fn check_scheme(config: &Config, name: &str, scheme: &Scheme) -> Checked {
    check_source(config, name, scheme)?;
    check_attachments(name, scheme)?;
    check_profile(scheme)?;
    check_times(name, scheme)?;
    check_known(&config.container, "container", &scheme.to)?;
    check_copies(config, name, scheme)?;
    check_numbers(name, scheme)?;
    let zone = config.practice.zone();
    if let Some(keep) = &scheme.keep {
        let wrong =
            |message: &str| Wrong::at(&["scheme", name, "keep"], format!("scheme `{name}`: {message}"));
        keep.policy(zone).map_err(|error| wrong(error.message()).hint_of(&error))?;
    }
    Ok(())
}

fn check_source(config: &Config, name: &str, scheme: &Scheme) -> Checked {
    let wrong = |message: &str| Wrong::new(scheme.source.span(), format!("scheme `{name}`: {message}"));
    match &scheme.server {
        Some(server) => check_known(&config.server, "server", server)?,
        None if scheme.has_databases() && config.server.is_empty() => {
            return Err(wrong("it saves a database, and there is no server")
                .hint("write a section [server.main] with socket, or host and user"));
        }
        None if scheme.has_databases() && config.server.len() > 1 => {
            return Err(wrong("it saves a database, and no server is named").hint("write server = \"NAME\""));
        }
        None => {}
    }
    match scheme.source.get_ref() {
        Source::Tables if scheme.tables.is_empty() => {
            Err(wrong("it saves chosen tables, and none is chosen").hint("write tables = [\"DB.TABLE\"]"))
        }
        Source::Tables if scheme.databases.is_empty() => {
            Err(wrong("it saves tables, and no database is named").hint("write databases = [\"DB\"]"))
        }
        Source::All | Source::Attachments if scheme.attachments.is_empty() => {
            Err(wrong("it saves attachments, and no folder is named")
                .hint("write attachments = [\"/path\"] or [\"LABEL=/path\"]"))
        }
        Source::Database | Source::Tables if !scheme.attachments.is_empty() => {
            Err(wrong("it saves the database only, and attachments are named").hint("write source = \"all\""))
        }
        Source::Attachments if !scheme.databases.is_empty() || !scheme.tables.is_empty() || scheme.users => {
            Err(wrong("it saves attachments only, and databases are named").hint("write source = \"all\""))
        }
        Source::All | Source::Database if !scheme.tables.is_empty() => {
            Err(wrong("it saves whole databases, and tables are chosen").hint("write source = \"tables\""))
        }
        _ => check_twice(name, "databases", &scheme.databases),
    }
}

/// No database twice, none without a name.
fn check_twice(scheme: &str, key: &str, names: &[String]) -> Checked {
    let mut seen = BTreeSet::new();
    for (at, name) in names.iter().enumerate() {
        let at = at.to_string();
        let wrong =
            |what: String| Wrong::at(&["scheme", scheme, key, &at], format!("scheme `{scheme}`: {what}"));
        if name.trim().is_empty() {
            return Err(wrong(format!("a name in {key} is empty")));
        }
        if !seen.insert(name) {
            return Err(wrong(format!("`{name}` is named twice")));
        }
    }
    Ok(())
}

/// Each is `DIR` or `LABEL=DIR`, and no two have one label.
fn check_attachments(name: &str, scheme: &Scheme) -> Checked {
    let mut labels = BTreeSet::new();
    for folder in &scheme.attachments {
        let text = folder.get_ref().as_str();
        let wrong = |message: String| Wrong::new(folder.span(), format!("scheme `{name}`: {message}"));
        let (label, path) = match text.split_once('=') {
            Some((label, path)) if !label.contains('/') => (label, path),
            _ => (Path::new(text).file_name().and_then(|last| last.to_str()).unwrap_or_default(), text),
        };
        if !path.starts_with('/') {
            return Err(wrong(format!("`{text}` is no folder")).hint("write /path or LABEL=/path"));
        }
        if label.is_empty() || label == "." || label == ".." {
            return Err(wrong(format!("`{text}` has no name")).hint("give it one: LABEL=/path"));
        }
        if !labels.insert(label) {
            return Err(
                wrong(format!("two folders are called `{label}`")).hint("give one a name: LABEL=/path")
            );
        }
    }
    Ok(())
}

/// Built in, or a file; whether the file is there is for the run and `coffer doctor`.
fn check_profile(scheme: &Scheme) -> Checked {
    let Some(profile) = &scheme.profile else { return Ok(()) };
    let text = profile.get_ref().as_str();
    if text.starts_with('/') || Profile::names().any(|name| name == text) {
        return Ok(());
    }
    let wrong = Wrong::new(profile.span(), format!("there is no profile `{text}`"));
    let all = Profile::names().collect::<Vec<_>>().join(", ");
    Err(match nearest(text, Profile::names()) {
        Some(near) => wrong.hint(format!("did you mean `{near}`?")),
        None => wrong.hint(format!("built in are {all}; anything else is the whole path of a TOML file")),
    })
}

fn check_times(name: &str, scheme: &Scheme) -> Checked {
    let wrong =
        |key: &str, message: &str| Wrong::at(&["scheme", name, key], format!("scheme `{name}`: {message}"));
    if let Some(calendar) = &scheme.calendar {
        if scheme.days.is_some() || !scheme.times.is_empty() {
            let message = format!("scheme `{name}`: calendar, and days or times, exclude each other");
            return Err(Wrong::new(calendar.span(), message).hint("keep one of them"));
        }
        return match Slots::cron(calendar.get_ref(), Some("UTC")) {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(Wrong::new(calendar.span(), format!("scheme `{name}`: {error}")).hint_of(&error))
            }
        };
    }
    if scheme.days.is_some() && scheme.times.is_empty() {
        return Err(wrong("days", "it has days and no times").hint("write times = [\"22:00\"]"));
    }
    let mut times: Vec<_> = scheme.times.clone();
    times.sort();
    match times.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err(wrong("times", "a time stands there twice")),
        false => Ok(()),
    }
}

fn check_copies(config: &Config, name: &str, scheme: &Scheme) -> Checked {
    let mut seen = BTreeSet::new();
    for (at, copying) in scheme.copy.iter().enumerate() {
        let number = at.to_string();
        let one = match (&copying.to, &copying.rotation) {
            (Some(to), None) if to.get_ref() == scheme.to.get_ref() => {
                let message = format!("scheme `{name}` copies `{to}` to itself", to = to.get_ref());
                return Err(Wrong::new(to.span(), message));
            }
            (Some(to), None) => {
                check_known(&config.container, "container", to)?;
                to
            }
            (None, Some(set)) if !set.get_ref().trim().is_empty() => set,
            _ => {
                let message = format!("scheme `{name}`: a copy goes to one place");
                return Err(Wrong::at(&["scheme", name, "copy", &number], message)
                    .hint("write { to = \"CONTAINER\" } or { rotation = \"SET\" }"));
            }
        };
        if !seen.insert((copying.to.is_some(), one.get_ref())) {
            let message = format!("scheme `{name}` copies to `{}` twice", one.get_ref());
            return Err(Wrong::new(one.span(), message));
        }
    }
    Ok(())
}

fn check_numbers(name: &str, scheme: &Scheme) -> Checked {
    if let Some(level) = &scheme.level
        && !(1..=22).contains(level.get_ref())
    {
        return Err(Wrong::new(level.span(), format!("level {} is none of zstd's", level.get_ref()))
            .hint("write 1, fast, to 22, small"));
    }
    let wrong =
        |key: &str, message: &str| Wrong::at(&["scheme", name, key], format!("scheme `{name}`: {message}"));
    let intervals = [
        ("verify-every", scheme.verify_every),
        ("drill-every", scheme.drill_every),
        ("overdue-after", scheme.overdue_after),
    ];
    if let Some((key, _)) = intervals.iter().find(|(_, span)| span.is_some_and(|span| span.0.is_zero())) {
        return Err(wrong(key, "a time of nothing").hint("leave the key out to do without; or write 30d"));
    }
    let hooks = [("before", &scheme.before), ("after", &scheme.after)];
    let hooks = hooks.into_iter().flat_map(|(key, hooks)| hooks.iter().map(move |hook| (key, hook)));
    for (key, hook) in hooks.chain(scheme.restart_server.iter().map(|hook| ("restart-server", hook))) {
        if hook.command.trim().is_empty() {
            return Err(wrong(key, "a command is empty"));
        }
        if hook.timeout.0.is_zero() {
            return Err(wrong(key, "a command has no time").hint("write timeout = \"10min\""));
        }
    }
    Ok(())
}
