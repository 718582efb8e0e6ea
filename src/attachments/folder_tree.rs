//! The folders whose metadata wait for the end of a restore, because writing into a folder changes
//! its time and a read-only one would lock us out. It promises memory for each folder's own name
//! only, not its path, so that very deep trees cost no more than wide ones.

use crate::entry::{EntryPath, Metadata};

/// Folders in the order in which they were added, which must be parents first.
#[derive(Debug, Default)]
pub struct FolderTree {
    nodes: Vec<Node>,
    /// The nodes on the way to the folder that was added last.
    trail: Vec<usize>,
}

#[derive(Debug)]
struct Node {
    parent: Option<usize>,
    name: Box<[u8]>,
    metadata: Option<Metadata>,
}

impl FolderTree {
    /// Remembers the metadata for the folder at `path`.
    pub fn add(&mut self, path: &EntryPath, metadata: Metadata) {
        let mut depth = 0;
        for name in path.components() {
            let known = self.trail.get(depth).is_some_and(|&at| *self.nodes[at].name == *name);
            if !known {
                self.trail.truncate(depth);
                let parent = self.trail.last().copied();
                self.trail.push(self.nodes.len());
                self.nodes.push(Node { parent, name: name.into(), metadata: None });
            }
            depth += 1;
        }
        self.trail.truncate(depth);
        if let Some(&last) = self.trail.last() {
            self.nodes[last].metadata = Some(metadata);
        }
    }

    /// Calls `visit` for each folder, children before their parents.
    pub fn visit_upwards<E>(
        &self,
        mut visit: impl FnMut(EntryPath, &Metadata) -> Result<(), E>,
    ) -> Result<(), E> {
        for (at, node) in self.nodes.iter().enumerate().rev() {
            if let Some(metadata) = &node.metadata {
                visit(self.path(at), metadata)?;
            }
        }
        Ok(())
    }

    fn path(&self, mut at: usize) -> EntryPath {
        let mut names = vec![&*self.nodes[at].name];
        while let Some(parent) = self.nodes[at].parent {
            names.push(&*self.nodes[parent].name);
            at = parent;
        }
        names.reverse();
        EntryPath(names.join(&b'/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_come_before_their_parents_with_their_own_metadata() {
        let mut tree = FolderTree::default();
        for (mode, path) in ["a/b", "a/b/c", "a/d", "e", "a/b"].iter().enumerate() {
            tree.add(
                &EntryPath(path.as_bytes().into()),
                Metadata { mode: mode as u32, ..Metadata::default() },
            );
        }
        let mut seen = Vec::new();
        let visit = |path: EntryPath, metadata: &Metadata| {
            seen.push((path.to_string(), metadata.mode));
            Ok::<(), ()>(())
        };
        tree.visit_upwards(visit).unwrap();
        let expected = [("a/b", 4), ("e", 3), ("a/d", 2), ("a/b/c", 1), ("a/b", 0)];
        assert_eq!(seen, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }
}
