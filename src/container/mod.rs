//! The single file: moves opaque sealed bytes and commits them crash-safely.
