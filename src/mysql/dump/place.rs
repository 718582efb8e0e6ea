//! Tables that stand in their files in the order of their key. It promises that such a table is read as
//! it stands, which costs the server a third of what its index costs (an index reads each row of MyISAM
//! with calls of its own), and that one which stands otherwise is found out before a row is lost or
//! taken twice.

use super::status::Status;
use super::table::Table;
use mysql::{Row, Value};

/// Tables of more bytes are read by their key: each chunk of one read as it stands passes by all rows
/// before it.
const MOST_BYTES: u64 = 128 << 20;

/// Whether a table may well stand in the order of its key: new rows of one without gaps go behind the
/// others.
pub fn may_stand_in_order(table: &Table, status: &Status) -> bool {
    let bytes = table.record.server_bytes;
    table.can_grow() && table.long.is_empty() && bytes <= MOST_BYTES && status.is_kept_in_place()
}

/// The key of the last row, which each further one must exceed.
#[derive(Clone, Copy, Debug)]
pub struct Rising {
    column: usize,
    last: Option<i128>,
}

impl Rising {
    /// For a key of one whole number, in column number `column`.
    pub fn new(column: usize) -> Rising {
        Rising { column, last: None }
    }

    /// Whether `row` stands behind all rows so far.
    pub fn takes(&mut self, row: &Row) -> bool {
        self.takes_key(row.as_ref(self.column))
    }

    fn takes_key(&mut self, key: Option<&Value>) -> bool {
        let key = match key {
            Some(Value::Int(number)) => i128::from(*number),
            Some(Value::UInt(number)) => i128::from(*number),
            _ => return false,
        };
        self.last.replace(key).is_none_or(|last| last < key)
    }
}

/// A row stood before one with a lower key.
#[derive(Debug)]
pub struct Unordered;

impl std::fmt::Display for Unordered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the table does not stand in the order of its key")
    }
}

impl std::error::Error for Unordered {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_must_rise() {
        let mut rising = Rising::new(0);
        let mut takes = |key| rising.takes_key(Some(&key));
        assert!(takes(Value::Int(-3)) && takes(Value::Int(0)) && takes(Value::UInt(u64::MAX)));
        assert!(!takes(Value::UInt(u64::MAX)), "the same twice");
        assert!(!takes(Value::Int(7)), "less");
        assert!(!takes(Value::NULL) && !takes(Value::Bytes(b"9".to_vec())));
    }
}
