//! Where this machine keeps what it knows of schemes: the configuration, and the folder of history,
//! audit log and the outcome of notices. It promises one rule for everybody.

use super::config::{Config, usual_path};
use crate::operations::client_state::ClientState;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The process's environment; what is empty is not set. A `HOME` that is not set, as in a service of the
/// system, is the one that the list of users names.
pub fn environment(name: &str) -> Option<OsString> {
    let set = std::env::var_os(name).filter(|value| !value.is_empty());
    let listed = || std::env::home_dir().map(OsString::from).filter(|home| !home.is_empty());
    set.or_else(|| if name == "HOME" { listed() } else { None })
}

/// The configuration's usual place for whoever runs this.
pub fn config_file() -> Option<PathBuf> {
    usual_path(environment, rustix::process::geteuid().is_root())
}

/// The folder of state: that of `COFFER_STATE_DIR`, else the one that `config` names, else the usual
/// one; `None` without a home.
pub fn state_of(config: &Config, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let usual = || ClientState::usual(&variable).map(|state| state.folder().to_owned());
    match &config.practice.state {
        Some(named) if variable("COFFER_STATE_DIR").is_none() => Some(named.clone()),
        _ => usual(),
    }
}

/// The folder of state: that of the configuration at `named` or its usual place if there is a good one,
/// else the usual folder.
pub fn state_folder(named: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let file = named.map(Path::to_owned).or_else(config_file).filter(|path| path.exists());
    match file.and_then(|path| Config::load(&path).ok()) {
        Some(config) => state_of(&config, variable),
        None => ClientState::usual(variable).map(|state| state.folder().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const WITHOUT_HOME: &str = "COFFER_TEST_WITHOUT_HOME";

    /// Runs once more in a process of its own that has no `HOME`.
    #[test]
    fn a_process_without_a_home_has_that_of_its_user() {
        if std::env::var_os(WITHOUT_HOME).is_some() {
            let users = std::fs::read_to_string("/etc/passwd").expect("users");
            let own = rustix::process::geteuid().as_raw().to_string();
            let listed = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
            let home = listed.filter(|user| user.get(2) == Some(&own.as_str())).find_map(|user| {
                user.get(5).filter(|home| !home.is_empty()).map(|home| OsString::from(*home))
            });
            assert_eq!(environment("HOME"), home);
            return assert_eq!(environment("COFFER_NO_SUCH_VARIABLE"), None);
        }
        let mut again = Command::new(std::env::current_exe().expect("this program"));
        again.args(["--exact", "schemes::place::tests::a_process_without_a_home_has_that_of_its_user"]);
        let output = again.env_remove("HOME").env(WITHOUT_HOME, "1").output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
    }

    #[test]
    fn a_variable_wins_over_the_configuration_and_that_over_the_usual_folder() {
        let folder = tempfile::tempdir().expect("folder");
        let (file, wrong) = (folder.path().join("coffer.toml"), folder.path().join("wrong.toml"));
        std::fs::write(&file, "version = 1\n[practice]\nstate = \"/s\"\n").expect("written");
        std::fs::write(&wrong, "version = 1\n[practise]\n").expect("written");
        let home = |name: &str| (name == "HOME").then(|| "/h".into());
        let both = |name: &str| match name {
            "COFFER_STATE_DIR" => Some("/c".into()),
            other => home(other),
        };
        assert_eq!(state_folder(Some(&file), both), Some("/c".into()));
        assert_eq!(state_folder(Some(&file), home), Some("/s".into()));
        assert_eq!(state_folder(Some(&wrong), home), Some("/h/.local/state/coffer".into()));
        assert_eq!(
            state_folder(Some(&folder.path().join("none")), home),
            Some("/h/.local/state/coffer".into())
        );
    }
}
