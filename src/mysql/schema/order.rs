//! The order in which views are made. It promises that a view comes after those it names, where they
//! do not name each other in a ring.

/// Numbers of `count` things so that each comes after those it needs (`needs(a, b)`: a needs b); by
/// number where nothing else decides, and in a ring.
pub fn after_needs(count: usize, needs: impl Fn(usize, usize) -> bool) -> Vec<usize> {
    let mut order = Vec::with_capacity(count);
    let mut is_placed = vec![false; count];
    while order.len() < count {
        let is_free =
            |a: &usize| !is_placed[*a] && (0..count).all(|b| is_placed[b] || b == *a || !needs(*a, b));
        let next = (0..count).find(is_free).or_else(|| (0..count).find(|a| !is_placed[*a]));
        let Some(next) = next else { break };
        is_placed[next] = true;
        order.push(next);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_come_first_and_rings_end() {
        let needs = [(0, 2), (2, 1), (3, 4), (4, 3)];
        assert_eq!(after_needs(5, |a, b| needs.contains(&(a, b))), [1, 2, 0, 3, 4]);
        assert!(after_needs(0, |_, _| true).is_empty());
    }
}
