//! Checks of the practice, its servers and its containers.

use super::check_absolute;
use crate::schemes::config::wrong::{Checked, Wrong};
use crate::schemes::config::{Config, ContainerPlace, Server};
use std::collections::BTreeMap;
use std::path::Path;

pub fn check_practice(config: &Config) -> Checked {
    let practice = &config.practice;
    if let Some(zone) = &practice.time_zone {
        jiff::tz::TimeZone::get(zone.get_ref()).map_err(|_| {
            Wrong::new(zone.span(), format!("there is no time zone `{}`", zone.get_ref()))
                .hint("write a name such as Europe/Berlin or America/Denver")
        })?;
    }
    if practice.group.as_deref().is_some_and(|group| group.trim().is_empty()) {
        return Err(Wrong::at(&["practice", "group"], "the group has no name")
            .hint("write the name of a group of this machine, or its number"));
    }
    check_absolute(&["practice", "state"], practice.state.as_deref())?;
    check_absolute(&["status", "prometheus"], config.status.prometheus.as_deref())
}

pub fn check_server(name: &str, server: &Server) -> Checked {
    let wrong =
        |key: &str, message: &str| Wrong::at(&["server", name, key], format!("server `{name}`: {message}"));
    if server.socket.is_some() && (server.host.is_some() || server.port.is_some()) {
        return Err(wrong("socket", "a socket and a host or port exclude each other"));
    }
    if server.port == Some(0) {
        return Err(wrong("port", "0 is no port").hint("it is 3306 unless it is given"));
    }
    let secrets = [
        ("password-file", server.password_file.is_some()),
        ("password-command", server.password_command.is_some()),
        ("credential", server.credential.is_some()),
    ];
    if let Some((key, _)) = secrets.into_iter().filter(|(_, given)| *given).nth(1) {
        return Err(wrong(key, "more than one thing is said to give the password"));
    }
    if let Some(mode) = &server.tls
        && !["auto", "off", "unverified", "verified"].contains(&mode.as_str())
    {
        return Err(wrong("tls", &format!("`{mode}` is no way to encrypt"))
            .hint("one of auto, off, unverified, verified"));
    }
    for (key, path) in [
        ("socket", &server.socket),
        ("password-file", &server.password_file),
        ("defaults-file", &server.defaults_file),
        ("ca", &server.ca),
    ] {
        check_absolute(&["server", name, key], path.as_deref())?;
    }
    Ok(())
}

pub fn check_container(config: &Config, name: &str, container: &ContainerPlace) -> Checked {
    let wrong = |key: &str, message: String| {
        Wrong::at(&["container", name, key], format!("container `{name}`: {message}"))
    };
    for (key, path) in [
        ("path", Some(&container.path)),
        ("mount", container.mount.as_ref()),
        ("password-file", container.password_file.as_ref()),
        ("key-file", container.key_file.as_ref()),
    ] {
        check_absolute(&["container", name, key], path.map(|path| path.as_path()))?;
    }
    if let Some(mount) = &container.mount
        && !container.path.starts_with(mount)
    {
        return Err(wrong("path", format!("its path is not below its mount `{}`", mount.display())));
    }
    let secrets = [
        ("password-file", container.password_file.is_some()),
        ("password-command", container.password_command.is_some()),
        ("key-file", container.key_file.is_some()),
        ("credential", container.credential.is_some()),
        ("encryption", container.encryption == Some(false)),
    ];
    let given: Vec<&str> = secrets.iter().filter(|(_, given)| *given).map(|(key, _)| *key).collect();
    match given[..] {
        [_] => {}
        [] => {
            return Err(wrong("", "nothing says what opens it".into()).hint(
                "give password-file, password-command, key-file or credential; or encryption = false",
            ));
        }
        [.., last] => return Err(wrong(last, "more than one thing is said to open it".into())),
    }
    let zone = config.practice.zone();
    match &container.keep {
        Some(keep) => keep
            .policy(zone)
            .map(|_| ())
            .map_err(|error| wrong("keep", error.message().into()).hint_of(&error)),
        None => Ok(()),
    }
}

/// One file is one container.
pub fn check_paths(config: &Config) -> Checked {
    let mut seen: BTreeMap<&Path, &str> = BTreeMap::new();
    for (name, container) in &config.container {
        if let Some(other) = seen.insert(&container.path, name) {
            return Err(Wrong::at(
                &["container", name, "path"],
                format!("container `{name}`: has the path of container `{other}`"),
            ));
        }
    }
    Ok(())
}
