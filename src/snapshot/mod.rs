//! Snapshots: manifests, catalog, reading and writing them.
