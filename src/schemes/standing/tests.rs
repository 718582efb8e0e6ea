//! Cases of an answer.
