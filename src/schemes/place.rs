//! Where this machine keeps what it knows of schemes: the configuration, and the folder of history,
//! audit log and the outcome of notices. It promises one rule for everybody.

use super::config::{Config, usual_path};
use crate::operations::client_state::ClientState;
use std::ffi::OsString;
use std::path::PathBuf;

/// The process's environment; what is empty is not set.
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The configuration's usual place for whoever runs this.
pub fn config_file() -> Option<PathBuf> {
    usual_path(environment, rustix::process::geteuid().is_root())
}

/// The folder of state that `config` names, else the usual one; `None` without a home.
pub fn state_of(config: &Config, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let usual = || ClientState::usual(variable).map(|state| state.folder().to_owned());
    config.practice.state.clone().or_else(usual)
}

/// The folder of state: that of the usual configuration if there is a good one, else the usual folder.
pub fn state_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    match config_file().filter(|path| path.exists()).and_then(|path| Config::load(&path).ok()) {
        Some(config) => state_of(&config, variable),
        None => ClientState::usual(variable).map(|state| state.folder().to_owned()),
    }
}
