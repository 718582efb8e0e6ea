//! Names and strings inside statements. It promises that no name that a server allows can end a
//! statement early.

/// `name` between back-quotes.
pub fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// `database` and `table`, quoted, with a dot.
pub fn qualified(database: &str, table: &str) -> String {
    format!("{}.{}", quote(database), quote(table))
}

/// `text` as a string literal that means the same under every `sql_mode`: quotes are doubled, and a
/// text with a backslash goes as hexadecimal digits.
pub fn literal(text: &str) -> String {
    match text.contains(['\\', '\0']) {
        false => format!("'{}'", text.replace('\'', "''")),
        true => {
            let digits: String = text.bytes().map(|b| format!("{b:02x}")).collect();
            format!("CONVERT(0x{digits} USING utf8mb4)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_a_statement() {
        assert_eq!(qualified("a`b", "c */ d"), "`a``b`.`c */ d`");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'"), "CONVERT(0x615c27 USING utf8mb4)");
    }
}
