//! The folder of a demonstration, and trees of files held against each other. It promises that a
//! folder which nobody wants to keep goes away, and no other does.

use crate::crypto::{Entropy, SystemEntropy};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder that was made for the demonstration.
pub struct Folder {
    path: PathBuf,
    kept: bool,
}

impl Folder {
    /// Makes the folder `keep`, or one that goes away with the returned value.
    pub fn create(keep: Option<&Path>) -> Result<Folder> {
        let path = match keep {
            Some(path) => path.to_owned(),
            None => {
                let mut random = [0; 8];
                SystemEntropy.fill(&mut random)?;
                std::env::temp_dir().join(format!("coffer-demo-{:016x}", u64::from_le_bytes(random)))
            }
        };
        // It must be new: what stands in it is removed at the end.
        DirBuilder::new().mode(0o700).create(&path).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::new(Kind::Usage, format!("{}: exists already", path.display()))
                    .hint("name a folder that does not exist yet")
            }
            _ => failed(&path, cause),
        })?;
        Ok(Folder { path, kept: keep.is_some() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.kept {
            // Left-overs in the folder for temporary files are the system's to clear.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A failure with a file of the demonstration.
pub fn failed(path: &Path, cause: io::Error) -> Error {
    Error::io(Kind::Failed, format!("{}: not usable", path.display()), cause)
}

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|cause| failed(path, cause))
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let names = fs::read_dir(folder).and_then(|list| list.map(|entry| Ok(entry?.file_name())).collect());
    names.map_err(|cause| failed(folder, cause))
}

/// Bytes of the files at or below `path`.
pub fn tree_bytes(path: &Path) -> Result<u64> {
    let metadata = path.symlink_metadata().map_err(|cause| failed(path, cause))?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    names(path)?.iter().try_fold(0, |sum, name| Ok(sum + tree_bytes(&path.join(name))?))
}

/// The first path at or below `copy` that is not as in `original`, by names, kinds and bytes.
pub fn differing(original: &Path, copy: &Path) -> Result<Option<PathBuf>> {
    let (Ok(a), Ok(b)) = (original.symlink_metadata(), copy.symlink_metadata()) else {
        return Ok(Some(copy.to_owned()));
    };
    let same = match a.file_type() {
        kind if kind != b.file_type() => false,
        kind if kind.is_symlink() => fs::read_link(original).ok() == fs::read_link(copy).ok(),
        kind if kind.is_file() => read(original)? == read(copy)?,
        _ => {
            let wanted = names(original)?;
            for name in &wanted {
                if let Some(path) = differing(&original.join(name), &copy.join(name))? {
                    return Ok(Some(path));
                }
            }
            wanted == names(copy)?
        }
    };
    Ok((!same).then(|| copy.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_difference_is_found() {
        let root = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.join("a")).unwrap();
            fs::write(path.join("a/x"), "1").unwrap();
            std::os::unix::fs::symlink("x", path.join("a/l")).unwrap();
            path
        };
        let (one, two) = (make("one"), make("two"));
        assert_eq!(differing(&one, &two).unwrap(), None);
        assert_eq!(tree_bytes(&one).unwrap(), 2);
        fs::write(two.join("a/x"), "2").unwrap();
        assert_eq!(differing(&one, &two).unwrap(), Some(two.join("a/x")));
        fs::write(two.join("a/x"), "1").unwrap();
        fs::write(two.join("a/y"), "").unwrap();
        assert_eq!(differing(&one, &two).unwrap(), Some(two.join("a")));
        assert_eq!(differing(&two, &one).unwrap(), Some(one.join("a/y")));
        fs::remove_file(two.join("a/l")).unwrap();
        assert_eq!(differing(&one, &two).unwrap(), Some(two.join("a/l")));
    }

    #[test]
    fn a_folder_that_was_there_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Folder::create(Some(root.path())).err().map(|e| e.kind()), Some(Kind::Usage));
        let path = Folder::create(None).unwrap().path().to_owned();
        assert!(!path.exists());
    }
}
