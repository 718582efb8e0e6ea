//! Patterns for what a backup leaves out. They promise to match bytes, so that names which are not
//! UTF-8 take part, and that a pattern which makes no sense is refused before anything is read.
//!
//! - Without `/`, a pattern matches the name of anything at any depth: `*.tmp`.
//! - With `/`, it matches the path relative to the source's root: `cache/*.jpg`, `/cache`,
//!   `**/thumbs/old`. A `*` does not cross a `/`, a `**` does.
//! - With a trailing `/`, it matches folders only: `cache/`.
//!
//! An excluded folder is not entered. `?`, `[…]` and `{a,b}` work as in a shell; `\` takes the next
//! character as it is.

use crate::error::{Error, Kind, Result};
use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

/// A compiled set of patterns.
#[derive(Clone, Debug)]
pub struct Excludes {
    names: Patterns,
    paths: Patterns,
}

#[derive(Clone, Debug)]
struct Patterns {
    anything: GlobSet,
    folders: GlobSet,
}

impl Patterns {
    fn matches(&self, bytes: &[u8], is_folder: bool) -> bool {
        if self.anything.is_empty() && (!is_folder || self.folders.is_empty()) {
            return false;
        }
        let candidate = Candidate::from_bytes(bytes);
        self.anything.is_match_candidate(&candidate)
            || (is_folder && self.folders.is_match_candidate(&candidate))
    }
}

impl Excludes {
    /// Compiles `patterns`; fails with [`Kind::Usage`] naming the first that is invalid.
    pub fn new(patterns: &[String]) -> Result<Excludes> {
        // Names and paths, each for anything and for folders only.
        let mut builders: [GlobSetBuilder; 4] = std::array::from_fn(|_| GlobSetBuilder::new());
        for pattern in patterns {
            let body = pattern.strip_suffix('/').unwrap_or(pattern);
            let is_path = body.contains('/');
            let body = body.strip_prefix("./").or(body.strip_prefix('/')).unwrap_or(body);
            if body.is_empty() {
                return Err(invalid(pattern).because("it names nothing"));
            }
            let glob = GlobBuilder::new(body).literal_separator(true).backslash_escape(true).build();
            let glob = glob.map_err(|e| invalid(pattern).because(e.kind().to_string()))?;
            builders[usize::from(is_path) * 2 + usize::from(pattern.ends_with('/'))].add(glob);
        }
        let mut sets = Vec::with_capacity(builders.len());
        for builder in &builders {
            let set = builder.build();
            sets.push(set.map_err(|e| Error::new(Kind::Usage, "exclude patterns too large").because(e))?);
        }
        let mut sets = sets.into_iter();
        let mut next = || sets.next().unwrap_or_else(GlobSet::empty);
        Ok(Excludes {
            names: Patterns { anything: next(), folders: next() },
            paths: Patterns { anything: next(), folders: next() },
        })
    }

    /// Excludes nothing.
    pub fn none() -> Excludes {
        let patterns = || Patterns { anything: GlobSet::empty(), folders: GlobSet::empty() };
        Excludes { names: patterns(), paths: patterns() }
    }

    /// Whether the thing at `path` (relative to the root, no leading `/`) is left out.
    pub fn matches(&self, path: &[u8], is_folder: bool) -> bool {
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
        self.names.matches(name, is_folder) || self.paths.matches(path, is_folder)
    }
}

fn invalid(pattern: &str) -> Error {
    Error::new(Kind::Usage, format!("exclude pattern `{pattern}` is invalid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(patterns: &[&str]) -> Excludes {
        Excludes::new(&patterns.iter().map(|p| p.to_string()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_name_matches_at_any_depth() {
        let set = excludes(&["*.tmp", "Thumbs.db"]);
        assert!(set.matches(b"a.tmp", false) && set.matches(b"x/y/a.tmp", true));
        assert!(set.matches(b"x/Thumbs.db", false));
        assert!(!set.matches(b"a.tmp/b", false) && !set.matches(b"a.tmpx", false));
    }

    #[test]
    fn a_path_is_anchored_and_a_star_stays_in_its_folder() {
        let set = excludes(&["/cache", "a/*.jpg", "**/old/x"]);
        assert!(set.matches(b"cache", true) && !set.matches(b"x/cache", true));
        assert!(set.matches(b"a/1.jpg", false));
        assert!(!set.matches(b"a/b/1.jpg", false) && !set.matches(b"b/a/1.jpg", false));
        assert!(set.matches(b"old/x", false) && set.matches(b"p/q/old/x", false));
    }

    #[test]
    fn a_trailing_slash_means_folders_only() {
        let set = excludes(&["cache/", "/top/"]);
        assert!(set.matches(b"x/cache", true) && !set.matches(b"x/cache", false));
        assert!(set.matches(b"top", true) && !set.matches(b"top", false) && !set.matches(b"x/top", true));
    }

    #[test]
    fn names_are_bytes() {
        let set = excludes(&["*.bak"]);
        assert!(set.matches(b"\xff\xfe\n.bak", false) && set.matches(b"\xff/\xfe.bak", false));
        assert!(!set.matches(b"\xff", false));
    }

    #[test]
    fn an_invalid_pattern_is_named() {
        for bad in ["[a", "{a", "", "/", "a\\"] {
            let error = Excludes::new(&["ok".into(), bad.into()]).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert_eq!(error.message(), format!("exclude pattern `{bad}` is invalid"));
        }
    }
}
