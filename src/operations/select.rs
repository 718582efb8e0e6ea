//! Choosing entries of a snapshot: all, one side, or paths. Pure.

use crate::entry::EntryPath;
use crate::error::{Error, Kind, Result};

/// A side of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Databases and dumps.
    Database,
    /// Attachment folders.
    Attachments,
}

impl Side {
    fn component(self) -> &'static [u8] {
        match self {
            Side::Database => b"database",
            Side::Attachments => b"attachments",
        }
    }
}

/// Which entries are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// One side only.
    pub only: Option<Side>,
    /// These paths and what lies below them; none: everything.
    pub paths: Vec<EntryPath>,
}

/// How an entry stands to a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It is meant.
    Yes,
    /// It is a folder on the way to something that is meant.
    OnTheWay,
    /// It is not meant.
    No,
}

impl Selection {
    /// A selection of paths as people write them: with or without a slash at either end.
    pub fn new(only: Option<Side>, paths: &[Vec<u8>]) -> Result<Selection> {
        let parse = |bytes: &Vec<u8>| {
            let start = bytes.iter().position(|&b| b != b'/').unwrap_or(bytes.len());
            let end = bytes.iter().rposition(|&b| b != b'/').map_or(start, |at| at + 1);
            let path = EntryPath(bytes[start..end].to_vec());
            match path.is_valid() {
                true => Ok(path),
                false => Err(Error::new(Kind::Usage, format!("`{path}` is no path in a snapshot"))
                    .hint("paths are as coffer ls prints them: attachments/LABEL/…")),
            }
        };
        Ok(Selection { only, paths: paths.iter().map(parse).collect::<Result<_>>()? })
    }

    /// How `path` stands to the selection.
    pub fn of(&self, path: &EntryPath) -> Chosen {
        if self.only.is_some_and(|side| path.components().next() != Some(side.component())) {
            return Chosen::No;
        }
        let below = |p: &EntryPath| path.starts_with(&p.0);
        match self.paths.is_empty() || self.paths.iter().any(below) {
            true => Chosen::Yes,
            false if self.paths.iter().any(|p| p.starts_with(&path.0)) => Chosen::OnTheWay,
            false => Chosen::No,
        }
    }

    /// The paths that none of `seen` lies at or below: for telling the user what matched nothing.
    pub fn unmatched<'a>(&'a self, seen: &[bool]) -> Vec<&'a EntryPath> {
        self.paths.iter().zip(seen).filter(|(_, seen)| !**seen).map(|(path, _)| path).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_paths_and_the_way_to_them() {
        let path = |s: &str| EntryPath(s.into());
        let all = Selection::default();
        assert_eq!(all.of(&path("database/a.sql")), Chosen::Yes);
        let one = Selection::new(None, &[b"/attachments/x/a/".to_vec()]).expect("valid");
        assert_eq!(one.of(&path("attachments/x")), Chosen::OnTheWay);
        assert_eq!(one.of(&path("attachments/x/a/b")), Chosen::Yes);
        assert_eq!(one.of(&path("attachments/x/ab")), Chosen::No);
        let side = Selection { only: Some(Side::Database), paths: vec![] };
        assert_eq!(side.of(&path("attachments/x")), Chosen::No);
        assert!(Selection::new(None, &[b"a/../b".to_vec()]).is_err());
    }
}
