//! Names of databases and tables as arguments.

use crate::entry::EntryPath;
use crate::entry::database::{database_path, table_path};
use crate::error::{Error, Kind, Result};

/// `DB.TABLE`, either between back-quotes if it holds a point.
pub fn table_name(text: &str) -> Result<(String, String)> {
    let parsed = name(text).and_then(|(database, rest)| {
        let (table, rest) = name(rest.strip_prefix('.')?)?;
        (rest.is_empty() && !database.is_empty() && !table.is_empty()).then_some((database, table))
    });
    parsed.ok_or_else(|| {
        Error::new(Kind::Usage, format!("`{text}` is no table"))
            .hint("a table is DATABASE.TABLE; a name with a point goes between back-quotes: `a.b`.table")
    })
}

/// A name at the start of `text`, and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('`') else {
        let end = text.find('.').unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    loop {
        let end = rest.find('`')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('`') {
            Some(more) => {
                name.push('`');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

/// The paths that database and table arguments mean.
pub fn paths(databases: &[String], tables: &[String]) -> Result<Vec<EntryPath>> {
    let mut paths: Vec<EntryPath> = databases.iter().map(|name| database_path(name)).collect();
    for table in tables {
        let (database, table) = table_name(table)?;
        paths.push(table_path(&database, &table));
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_back_quotes_belong_to_names_that_are_quoted() {
        let parsed = |text: &str| table_name(text).map_err(|e| e.kind());
        let is = |database: &str, table: &str| Ok((database.to_owned(), table.to_owned()));
        assert_eq!(parsed("shop.patient"), is("shop", "patient"));
        assert_eq!(parsed("`a.b`.`c``d`"), is("a.b", "c`d"));
        for bad in ["shop", "shop.", ".x", "`a.b", "a.b.c", ""] {
            assert_eq!(parsed(bad), Err(Kind::Usage), "{bad}");
        }
    }
}
