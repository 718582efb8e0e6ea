//! Whether a container can be written to, before anything is done. It promises to tell a medium that is
//! not mounted from a container that is gone, and that nothing is ever made in the place of either.

use super::config::ContainerPlace;
use crate::error::{Error, Kind, Result};
use crate::storage::place::is_mounted;
use std::path::Path;

/// Checks the place of the container `name`.
///
/// Errors: [`Kind::NotMounted`] if its mount is none; [`Kind::NotFound`] if the file is not there;
/// [`Kind::Destination`] if that cannot be told.
pub fn check(name: &str, place: &ContainerPlace) -> Result<()> {
    if let Some(mount) = &place.mount
        && !is_mounted(mount)
    {
        return Err(Error::new(
            Kind::NotMounted,
            format!("container `{name}`: nothing is mounted at {}", mount.display()),
        )
        .hint("connect and mount the medium; nothing was written to the folder below it"));
    }
    match std::fs::metadata(&place.path) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err(Error::new(
            Kind::Destination,
            format!("container `{name}`: {} is no file", place.path.display()),
        )),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Err(missing(name, place)),
        Err(cause) => Err(Error::io(
            Kind::Destination,
            format!("container `{name}`: {} cannot be reached", place.path.display()),
            cause,
        )),
    }
}

fn missing(name: &str, place: &ContainerPlace) -> Error {
    let path = place.path.display();
    let is_folder_there = place.path.parent().is_some_and(Path::is_dir);
    let (what, hint) = match (is_folder_there, place.mount.is_some()) {
        (true, true) => (
            "the medium is mounted and holds no such container",
            "it was moved, or another medium is mounted; if it was never made: coffer init",
        ),
        (true, false) => (
            "the folder is there and the container is not",
            "it was moved, or the medium is not mounted; if it was never made: coffer init",
        ),
        (false, _) => ("the folder it lies in does not exist", "was the medium mounted somewhere else?"),
    };
    Error::new(Kind::NotFound, format!("container `{name}`: {path}: {what}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schemes::config::Config;

    fn place(folder: &Path, mount: &str) -> ContainerPlace {
        let path = folder.join("c.coffer");
        let text = format!(
            "version = 1\n[container.c]\npath = {:?}\nencryption = false\n{mount}",
            path.display().to_string()
        );
        Config::parse(&text, "t").expect("good").container("c").expect("there").clone()
    }

    #[test]
    fn a_missing_medium_is_told_from_a_missing_container() {
        let folder = tempfile::tempdir().expect("folder");
        let kind = |place: &ContainerPlace| check("c", place).expect_err("refused").kind();
        let mount = format!("mount = {:?}", folder.path().display().to_string());
        assert_eq!(kind(&place(folder.path(), &mount)), Kind::NotMounted);
        let bare = place(folder.path(), "");
        let error = check("c", &bare).expect_err("missing");
        assert!(
            error.kind() == Kind::NotFound && error.message().contains("the container is not"),
            "{error}"
        );
        assert!(!bare.path.exists(), "nothing is made");
        let error = check("c", &place(&folder.path().join("none"), "")).expect_err("missing");
        assert!(error.message().contains("does not exist"), "{error}");
        std::fs::write(&bare.path, "x").expect("written");
        check("c", &bare).expect("there");
        check("c", &place(folder.path(), "mount = \"/\"")).expect("the root is mounted");
    }
}
