//! Containers, what opens them, and the folders that are saved.

use super::findings::Findings;
use super::whole::private;
use crate::cli::context::{Context, is_encrypted};
use crate::cli::secrets::{Ask, Options};
use crate::clock::Timestamp;
use crate::container::Access;
use crate::error::{Error, Kind, Result};
use crate::schemes::config::{Config, ContainerPlace, Scheme};
use crate::schemes::history::History;
use crate::schemes::run::StepKind;
use crate::snapshot::Catalog;
use crate::storage::place;
use crate::values::{format_count, format_size, format_time};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How far a snapshot may lie in the future, in seconds.
const CLOCK_SECONDS: i64 = 3600;
/// Fewer backups than this that still have room need a look.
const LEAST_LEFT: u64 = 30;

/// A container: there, on its medium, opening with its secret, private, with room to grow.
pub fn container(
    context: &Context,
    findings: &Findings,
    config: &Config,
    (name, container): (&str, &ContainerPlace),
    is_main: bool,
    history: &History,
) {
    let path = &container.path;
    secret_files(findings, container);
    if let Some(mount) = container.mount.as_ref().filter(|mount| !place::is_mounted(mount)) {
        let message = format!("container `{name}`: nothing is mounted on {}", mount.display());
        return match is_main {
            true => findings.broken(
                "not-mounted",
                Error::new(Kind::Destination, message).hint("connect and mount the medium"),
            ),
            false => findings.attention("not-mounted", &format!("{message}: no copy goes there")),
        };
    }
    match open(context, container) {
        Ok(Found { snapshots, newest, is_bounded }) => {
            if !is_bounded && config.unbounded().contains(name) {
                findings.attention(
                    "unbounded",
                    &format!(
                        "container `{name}`: nothing says how long backups are kept, nor how large it may \
                         become: its disk will fill; write max-size = \"200G\" or a keep section"
                    ),
                );
            }
            findings.fine(
                "container",
                &format!("container `{name}` opens with its secret, {}", format_count(snapshots, "snapshot")),
            );
            let now = context.time(None).seconds;
            if let Some(newest) = newest.filter(|newest| newest.seconds > now.saturating_add(CLOCK_SECONDS)) {
                findings.attention("clock", &format!("container `{name}`: its newest snapshot is of {}, which is to come: is the clock of this machine right?", format_time(newest)));
            }
        }
        Err(error) => findings.broken("container", error.at(format!("container `{name}`"))),
    }
    rights(findings, config, name, path);
    apart(findings, name, container);
    room(findings, config, (name, container), history);
}

/// What an open container tells.
struct Found {
    snapshots: u64,
    newest: Option<Timestamp>,
    /// It has a limit or a policy of its own.
    is_bounded: bool,
}

fn open(context: &Context, container: &ContainerPlace) -> Result<Found> {
    let path = &container.path;
    let encrypted = is_encrypted(path).map_err(|error| match error.kind() {
        Kind::NotFound => error.hint("coffer init makes it; or is the medium connected?"),
        _ => error,
    })?;
    if encrypted == (container.encryption == Some(false)) {
        let found = if encrypted { "is encrypted" } else { "is not encrypted" };
        let message = format!("{}: {found}, and the configuration says otherwise", path.display());
        return Err(
            Error::new(Kind::NotEncrypted, message).hint("somebody may have put another file in its place")
        );
    }
    let credential =
        context.credential(&Options::of(container)?, false, Ask::Never, &path.display().to_string())?;
    let session = context.open_with(path, Access::Read, credential.as_ref())?;
    let catalog = Catalog::read(&session.store)?;
    let settings = &session.store.contents().settings;
    Ok(Found {
        snapshots: catalog.snapshots.len() as u64,
        newest: catalog.snapshots.iter().map(|snapshot| snapshot.time).max(),
        is_bounded: settings.max_bytes.is_some() || settings.retention.is_some(),
    })
}

fn secret_paths(container: &ContainerPlace) -> impl Iterator<Item = &PathBuf> {
    container.key_file.iter().chain(&container.password_file)
}

fn secret_files(findings: &Findings, container: &ContainerPlace) {
    secret_paths(container).for_each(|file| private(findings, file, "secret-open", "secret"));
}

/// Only its owner, and the practice's group, may read a container.
fn rights(findings: &Findings, config: &Config, name: &str, path: &Path) {
    let Ok(meta) = path.metadata() else { return };
    if meta.mode() & 0o006 != 0 {
        findings.attention(
            "container-open",
            &format!("container `{name}`: every user may read or change {}; chmod 640 it", path.display()),
        );
    }
    let Some(group) = config.practice.group.as_deref() else { return };
    let Some(number) = place::group_number(group) else { return };
    if meta.gid() != number || meta.mode() & 0o040 == 0 {
        findings.attention(
            "container-group",
            &format!(
                "container `{name}`: group `{group}` may not read it; chgrp {group} {0} && chmod 640 {0}",
                path.display()
            ),
        );
    }
}

/// A key beside the data protects nothing when the disk is stolen.
fn apart(findings: &Findings, name: &str, container: &ContainerPlace) {
    for file in secret_paths(container) {
        if place::same_device(file, &container.path) == Some(true) {
            findings.attention("key-beside", &format!("container `{name}` and what opens it, {}, are on one disk: whoever takes the disk has both", file.display()));
        }
    }
}

/// Whether it can grow as it did.
fn room(findings: &Findings, config: &Config, (name, container): (&str, &ContainerPlace), history: &History) {
    let Some(free) = place::free_bytes(&container.path) else { return };
    let length = container.path.metadata().map_or(0, |meta| meta.len());
    let limit = container.max_size.map(|size| size.0.saturating_sub(length));
    let free = free.min(limit.unwrap_or(free));
    let added: Vec<u64> = config
        .scheme
        .iter()
        .filter(|(_, scheme)| scheme.to.get_ref() == name)
        .flat_map(|(scheme, _)| growth(history, scheme))
        .collect();
    let sum: u64 = added.iter().fold(0, |sum, bytes| sum.saturating_add(*bytes));
    let each = sum / (added.len() as u64).max(1);
    let Some(left) = free.checked_div(each) else {
        if free < length / 10 || free < 1 << 28 {
            findings.attention("space", &format!("container `{name}`: only {} are free", format_size(free)));
        }
        return;
    };
    // With a policy old backups give their room to new ones; what is left must still hold a few.
    match left < LEAST_LEFT {
        true => findings.attention(
            "space",
            &format!(
                "container `{name}`: {} are free, enough for about {}",
                format_size(free),
                format_count(left, "backup")
            ),
        ),
        false => findings.fine(
            "space",
            &format!(
                "container `{name}` has room for more than {LEAST_LEFT} backups: {} are free",
                format_size(free)
            ),
        ),
    }
}

/// What the last runs added, without the first, which adds everything.
fn growth(history: &History, scheme: &str) -> Vec<u64> {
    let (runs, _) = history.runs(scheme);
    let steps = runs.iter().flat_map(|run| run.steps_of(StepKind::Backup)).skip(1);
    let mut added: Vec<u64> = steps.filter_map(|step| step.result.get("added_bytes")?.as_u64()).collect();
    added.split_off(added.len().saturating_sub(14))
}

/// The folders that a scheme saves: there, readable, and not on the disk of the container.
pub fn attachments(findings: &Findings, config: &Config, name: &str, scheme: &Scheme) {
    let container = config.container.get(scheme.to.get_ref());
    for folder in &scheme.attachments {
        let text = folder.get_ref().as_str();
        let path = match text.split_once('=') {
            Some((label, path)) if !label.contains('/') => Path::new(path),
            _ => Path::new(text),
        };
        if let Err(cause) = std::fs::read_dir(path) {
            let message = format!("scheme `{name}`: attachments {}: cannot be read", path.display());
            findings.broken("attachments", Error::io(Kind::Source, message, cause));
            continue;
        }
        let is_beside = container.and_then(|container| place::same_device(path, &container.path));
        match is_beside {
            Some(true) => findings.attention(
                "same-disk",
                &format!(
                    "scheme `{name}`: {} and the container `{}` are on one disk: they would be lost together",
                    path.display(),
                    scheme.to.get_ref()
                ),
            ),
            _ => findings.fine("attachments", &format!("scheme `{name}`: {} can be read", path.display())),
        }
    }
}
