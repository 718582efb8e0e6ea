//! Compression of single chunks: a deterministic choice of codec, proven before it is used.
