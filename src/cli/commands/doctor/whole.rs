//! `coffer doctor` on a configuration: its files, containers, servers, folders and times. It promises to
//! change nothing, and to go on after whatever it finds.

use super::findings::Findings;
use super::{places, servers, timing};
use crate::cli::configured::Configured;
use crate::cli::context::Context;
use crate::cli::events::Outcome;
use crate::error::Result;
use crate::schemes::config::Config;
use crate::schemes::daemon;
use crate::schemes::history::History;
use crate::storage::place;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Examines everything.
pub fn examine(context: &Context) -> Result<Outcome> {
    let configured = Configured::load(context)?;
    let findings = Findings::new(context);
    let config = &configured.config;
    own_files(&findings, &configured);
    if daemon::shown(&configured.state).is_some_and(|shown| shown.is_clock_told) {
        findings.attention("test-clock", daemon::CLOCK_IS_TOLD);
    }
    for remark in config.remarks() {
        findings.attention(remark.code, &remark.message);
    }
    let history = History::at(&configured.state);
    for (name, is_main) in used(config) {
        if let Some(container) = config.container.get(name) {
            places::container(context, &findings, config, (name, container), is_main, &history);
        }
    }
    for (name, scheme) in config.scheme.iter().filter(|(_, scheme)| scheme.enabled) {
        places::attachments(&findings, config, name, scheme);
        servers::scheme(context, &findings, config, name, scheme);
        timing::scheme(context, &findings, config, (name, scheme), &history);
        timing::rotation(context, &findings, name, scheme);
    }
    findings.outcome()
}

/// The containers that enabled schemes use, and whether one saves to it, not only copies.
fn used(config: &Config) -> BTreeMap<&str, bool> {
    let mut used = BTreeMap::new();
    for scheme in config.scheme.values().filter(|scheme| scheme.enabled) {
        used.insert(scheme.to.get_ref().as_str(), true);
        for to in scheme.copy.iter().filter_map(|copying| copying.to.as_ref()) {
            used.entry(to.get_ref().as_str()).or_insert(false);
        }
    }
    used
}

/// The configuration and the folder of state: nobody else reads or changes them.
fn own_files(findings: &Findings, configured: &Configured) {
    let path = &configured.path;
    match path.metadata() {
        Ok(meta) if meta.mode() & 0o022 != 0 => findings.attention(
            "config-open",
            &format!(
                "configuration {}: others may change it, and with it what runs here; chmod 600 it",
                path.display()
            ),
        ),
        Ok(meta) if meta.mode() & 0o004 != 0 => findings.attention(
            "config-open",
            &format!("configuration {}: every user may read it; chmod 600 it, or 640", path.display()),
        ),
        _ => findings.fine("config", &format!("configuration {} is good", path.display())),
    }
    private(findings, &configured.state, "state-open", "folder of state");
    if let Some(group) = &configured.config.practice.group
        && place::group_number(group).is_none()
    {
        findings
            .attention("no-group", &format!("there is no group `{group}` on this machine: groupadd {group}"));
    }
}

/// Warns if others may read or change what is at `path`.
pub fn private(findings: &Findings, path: &Path, code: &str, what: &str) {
    if place::is_open_to_all(path) == Some(true) {
        let mode = if path.is_dir() { "700" } else { "600" };
        findings.attention(
            code,
            &format!("{what} {}: every user may read or change it; chmod {mode} it", path.display()),
        );
    }
}
