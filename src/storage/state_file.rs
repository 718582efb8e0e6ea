//! Small files that a machine keeps for itself: state, records, reports. It promises that such a file is
//! whole or absent whatever happens while it is written, and that nobody else may read it.

use std::fs::File;
use std::io::{Result, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Makes `folder`, and those above it, for the user alone. One that is there stays as it is.
pub fn create_private(folder: &Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Puts `bytes` in the place of `file`, durably: written beside it, then renamed.
pub fn replace(file: &Path, bytes: &[u8]) -> Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write(&beside, bytes).and_then(|()| std::fs::rename(&beside, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = File::options();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_private() {
        let folder = tempfile::tempdir().expect("folder");
        let inner = folder.path().join("a/b");
        create_private(&inner).expect("made");
        create_private(&inner).expect("there");
        let file = inner.join("state.json");
        for text in ["first, longer", "second"] {
            replace(&file, text.as_bytes()).expect("replaced");
            assert_eq!(std::fs::read_to_string(&file).expect("read"), text);
        }
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&inner).expect("read").count(), 1);
        assert!(replace(&inner, b"a folder").is_err());
        assert_eq!(std::fs::read_dir(folder.path().join("a")).expect("read").count(), 1, "nothing is left");
    }
}
