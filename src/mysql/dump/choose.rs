//! Which tables are wanted. It promises that a pattern means the same whatever names hold: `*` is any
//! characters, everything else itself.

/// Patterns of tables as `database.table`.
pub struct Choice<'a> {
    include: &'a [String],
    exclude: &'a [String],
}

impl<'a> Choice<'a> {
    /// All that `include` names (everything if it is empty) and `exclude` does not.
    pub fn new(include: &'a [String], exclude: &'a [String]) -> Choice<'a> {
        Choice { include, exclude }
    }

    /// The first pattern of those to include that none of `names` (`database.table`) meets.
    pub fn unmet(&self, names: &[String]) -> Option<&'a String> {
        let is_met = |pattern: &&String| names.iter().any(|n| matches(pattern.as_bytes(), n.as_bytes()));
        self.include.iter().find(|pattern| !is_met(pattern))
    }

    /// Whether a table is wanted.
    pub fn wants(&self, database: &str, table: &str) -> bool {
        let name = format!("{database}.{table}");
        let hits = |patterns: &[String]| patterns.iter().any(|p| matches(p.as_bytes(), name.as_bytes()));
        (self.include.is_empty() || hits(self.include)) && !hits(self.exclude)
    }
}

/// Whether `name` is `pattern` with any characters in place of each `*`; time is at most the product
/// of their lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == name.get(n) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            (p, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let hits = |pattern: &str, name: &str| matches(pattern.as_bytes(), name.as_bytes());
        assert!(
            hits("shop.*", "shop.a") && hits("*.log", "shop.log") && hits("*", "a.b") && hits("a.b", "a.b")
        );
        assert!(hits("s*p.t*_x*", "shop.tab_y_xz") && hits("**a**", "a"));
        assert!(
            !hits("shop.log", "shop.log2") && !hits("*.log", "shop.logs") && !hits("", "a") && !hits("a", "")
        );
        assert!(!hits(&"*a".repeat(50), &"b".repeat(2000)));
    }

    #[test]
    fn exclusion_goes_before_inclusion() {
        let (include, exclude) = (["shop.*".to_owned()], ["*.log".to_owned()]);
        let choice = Choice::new(&include, &exclude);
        assert!(choice.wants("shop", "a") && !choice.wants("shop", "log") && !choice.wants("other", "a"));
        assert!(Choice::new(&[], &[]).wants("a", "b"));
        let names = ["shop.a".to_owned()];
        assert_eq!(choice.unmet(&names), None);
        assert_eq!(Choice::new(&exclude, &[]).unmet(&names), Some(&exclude[0]));
    }
}
