//! The word that somebody meant who wrote another. It promises to name one only if it is near: a wrong
//! guess misleads more than none.

/// The one of `known` that is nearest to `word`, if it is near.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = plain(word);
    let most = (written.len() / 3).max(1);
    let near = known.into_iter().map(|other| (distance(&written, &plain(other)), other));
    near.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// Letters without regard to case; `_` and blanks are `-`.
fn plain(word: &str) -> Vec<char> {
    let letters = word.chars().take(80).flat_map(char::to_lowercase);
    letters.map(|c| if c == '_' || c == ' ' { '-' } else { c }).collect()
}

/// How many letters must be added, taken away, replaced or exchanged with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = row[j] + usize::from(x != y);
            let mut least = replaced.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        let known = ["source", "server", "password-file", "to", "times"];
        for (word, meant) in [
            ("sorce", Some("source")),
            ("Server", Some("server")),
            ("password_file", Some("password-file")),
            ("tiems", Some("times")),
            ("ot", Some("to")),
            ("time", Some("times")),
            ("container", None),
            ("", None),
            ("xy", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest("x", []), None);
    }
}
