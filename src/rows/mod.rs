//! Rows of tables as chunks (`format-spec/rows.md`). It promises that equal rows in equal order give
//! equal chunks, that an edit moves no boundary but its own, and that whatever bytes a chunk holds,
//! reading it ends in rows or in an error.
