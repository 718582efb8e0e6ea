//! Names inside statements, without parsing SQL. It promises to miss no place where a statement names
//! a database before a dot; it may see one in a comment or string.

/// Whether `statement` names `database` explicitly (`database.`, quoted or not): then it cannot be
/// made under another name without meaning something else.
pub fn names_database(statement: &[u8], database: &str) -> bool {
    mentions(statement, database).any(|end| {
        let rest = statement[end..].trim_ascii_start();
        rest.first() == Some(&b'.')
    })
}

/// Where `name` stands as a whole word or between quotes, in any case: the ends of those places.
pub fn mentions<'a>(statement: &'a [u8], name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let quoted = name.replace('`', "``").into_bytes();
    let length = quoted.len();
    let is_word = |byte: Option<&u8>| {
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | 0x80..))
    };
    let starts = 0..(statement.len() + 1).saturating_sub(length.max(1));
    starts.filter_map(move |start| {
        let end = start + length;
        if !statement[start..end].eq_ignore_ascii_case(&quoted) {
            return None;
        }
        let (before, after) = (start.checked_sub(1).and_then(|at| statement.get(at)), statement.get(end));
        match (before, after) {
            (Some(b'`'), Some(b'`')) | (Some(b'"'), Some(b'"')) => Some(end + 1),
            _ if !is_word(before) && !is_word(after) => Some(end),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_seen_before_a_dot() {
        let seen = |text: &str| names_database(text.as_bytes(), "shop");
        assert!(seen("select * from shop.t") && seen("select * from `shop`.`t`") && seen("SHOP . t"));
        assert!(seen("\"shop\".t") && seen("shop.f()"));
        assert!(!seen("select shop from t") && !seen("workshop.t") && !seen("shop2.t") && !seen("sho"));
        assert!(
            names_database(b"from `a``b`.t", "a`b") && names_database("caf\u{e9}.t".as_bytes(), "caf\u{e9}")
        );
        assert!(!names_database(b"", "shop") && !names_database(b"x", ""));
    }
}
