//! The configuration that a command works with, and the folder in which this machine keeps the state of
//! its schemes. It promises that all commands find the same ones.

use super::context::Context;
use crate::error::{Error, Kind, Result};
use crate::schemes::config::Config;
use crate::schemes::place;
use crate::storage::place as place_of;
use std::path::PathBuf;

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Its file, absolute.
    pub path: PathBuf,
    /// What it says.
    pub config: Config,
    /// The folder of state: that of the configuration, else the usual one.
    pub state: PathBuf,
}

impl Configured {
    /// Reads the configuration that `--config` or `COFFER_CONFIG` names, or the usual one.
    ///
    /// Errors: as [`Config::load`]; [`Kind::Usage`] if there is no usual place.
    pub fn load(context: &Context) -> Result<Configured> {
        let path = path(context)?;
        let config = Config::load(&path)?;
        if place_of::is_open_to_all(&path) == Some(true) {
            let message =
                format!("configuration {}: every user may read or change it; chmod 600 it", path.display());
            context.output.warning("config-open", message);
        }
        let state = state(&config)?;
        Ok(Configured { path, config, state })
    }
}

/// Where the configuration is, or would be.
pub fn path(context: &Context) -> Result<PathBuf> {
    let found = context.globals.config.clone().or_else(place::config_file).ok_or_else(|| {
        Error::new(Kind::Usage, "there is no usual place for a configuration").hint("give --config FILE")
    })?;
    std::path::absolute(&found)
        .map_err(|cause| Error::io(Kind::Usage, format!("{}: is no path", found.display()), cause))
}

/// The folder of state under `config`.
pub fn state(config: &Config) -> Result<PathBuf> {
    let folder = place::state_of(config, place::environment).ok_or_else(|| {
        Error::new(Kind::Failed, "there is no place for the state of schemes")
            .hint("write state under [practice], or set COFFER_STATE_DIR or HOME")
    })?;
    std::path::absolute(&folder)
        .map_err(|cause| Error::io(Kind::Failed, format!("{}: is no path", folder.display()), cause))
}
