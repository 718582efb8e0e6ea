//! Content-defined cutting of byte streams into chunks.
