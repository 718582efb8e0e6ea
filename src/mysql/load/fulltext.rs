//! Tables whose rows number their documents themselves, in a column `FTS_DOC_ID`. InnoDB takes no number
//! that is 65535 or more above the last one, though such numbers come to be where rows are deleted, or
//! written one by one: this module promises a statement without the full-text keys, which do not mind
//! when they are made of the rows that are there.

use super::definition::parts;

/// The statement without its full-text keys, and what stands behind `ALTER TABLE … ADD` for each: one at a
/// time, since InnoDB makes only one without writing all rows anew. `None`: it numbers no documents.
pub fn set_apart(create: &str) -> Option<(String, Vec<String>)> {
    let (head, items, tail) = parts(create).filter(|_| create.contains("`FTS_DOC_ID`"))?;
    let is_key = |item: &&str| item.trim_start().starts_with("FULLTEXT KEY ");
    let (keys, kept): (Vec<&str>, Vec<&str>) = items.into_iter().partition(|item| is_key(item));
    if keys.is_empty() || !kept.iter().any(|item| item.trim_start().starts_with("`FTS_DOC_ID` ")) {
        return None;
    }
    let keys = keys.iter().map(|key| key.trim().to_owned()).collect();
    Some((format!("{head}{}{tail}", kept.join(",")), keys))
}

#[cfg(test)]
mod tests {
    use super::set_apart;

    #[test]
    fn keys_of_documents_that_rows_number_are_set_apart() {
        let plain = "CREATE TABLE `t` (\n  `a` text,\n  `FTS_DOC_ID` bigint unsigned NOT NULL,\n  KEY `k` (`a`(9))\n) ENGINE=InnoDB";
        let keys =
            ",\n  FULLTEXT KEY `a` (`a`),\n  FULLTEXT KEY `b` (`a`) /*!50100 WITH PARSER `ngram` */ \n)";
        let expected = ["FULLTEXT KEY `a` (`a`)", "FULLTEXT KEY `b` (`a`) /*!50100 WITH PARSER `ngram` */"];
        let (create, found) = set_apart(&plain.replace("\n)", keys)).expect("keys");
        assert_eq!(
            (create.replace(" \n)", "\n)").as_str(), found),
            (plain, expected.map(String::from).to_vec())
        );
        assert_eq!(set_apart(plain), None);
        assert_eq!(set_apart(&plain.replace("\n)", keys).replace("FTS_DOC_ID", "fts_doc_id")), None);
    }
}
