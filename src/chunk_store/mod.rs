//! Chunks by id: put, get, index. The only floor that seals and opens payloads.
