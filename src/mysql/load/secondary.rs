//! Tables with a second engine beside their own (`SECONDARY_ENGINE`). A MySQL changes nothing of a table
//! that has one, not even its name: this module promises a statement without it, and what gives it back.

use super::definition::{is_plain, parts};

/// The statement without its second engine, and what stands behind `ALTER TABLE …` to give it back.
/// `None`: it has none.
pub fn set_apart(create: &str) -> Option<(String, String)> {
    const WORD: &str = " SECONDARY_ENGINE=";
    let (_, _, tail) = parts(create).filter(|_| create.contains(WORD))?;
    let head = create.get(..create.len() - tail.len())?;
    let at = tail.match_indices(WORD).map(|(at, _)| at).find(|at| is_plain(tail, *at))?;
    let rest = tail.get(at + WORD.len()..)?;
    let length = match rest.chars().next().filter(|mark| "`\"'".contains(*mark)) {
        Some(mark) => rest.get(1..)?.find(mark)? + 2,
        None => rest.find([' ', '\n']).unwrap_or(rest.len()),
    };
    let (engine, behind) = (rest.get(..length)?, rest.get(length..)?);
    Some((format!("{head}{}{behind}", tail.get(..at)?), format!("SECONDARY_ENGINE={engine}")))
}

#[cfg(test)]
mod tests {
    use super::set_apart;

    #[test]
    fn second_engines_are_set_apart() {
        let create = |with: &str| {
            format!(
                "CREATE TABLE `t` (\n  `a` int COMMENT ' SECONDARY_ENGINE=x'\n) ENGINE=InnoDB COMMENT=' SECONDARY_ENGINE=y'{with}"
            )
        };
        for (behind, engine) in
            [("", "mock"), (" COMMENT='x'", "RAPID"), ("\n/*!50100 PARTITION BY x */", "`a b`")]
        {
            let with = create(&format!(" SECONDARY_ENGINE={engine}{behind}"));
            assert_eq!(set_apart(&with), Some((create(behind), format!("SECONDARY_ENGINE={engine}"))));
        }
        assert_eq!(set_apart(&create("")), None);
    }
}
