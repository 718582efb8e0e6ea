//! Snippets of a report.
