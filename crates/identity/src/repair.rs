//! Repair of a typing error: the one class with a form at distance one. `docs/matching.md` §4.
//!
//! Handed a word's fold; the forms to repair towards are those of the vocabulary.

use std::collections::HashMap;

/// Folds shorter than this are never repaired: too many names are one letter away.
pub(crate) const LENGTH_MIN: usize = 5;

/// Forms to repair towards, by first letter.
pub(crate) struct Repairs(HashMap<u8, Vec<(String, &'static str)>>);

impl Repairs {
    pub(crate) fn towards(forms: &HashMap<String, &'static str>) -> Self {
        let mut by_first: HashMap<u8, Vec<(String, &'static str)>> = HashMap::new();
        for (form, class) in forms.iter().filter(|(form, _)| form.len() >= LENGTH_MIN) {
            by_first
                .entry(form.as_bytes()[0])
                .or_default()
                .push((form.clone(), class));
        }
        Self(by_first)
    }

    /// The one class with a form at distance one of `word` and the same first letter, if it is one.
    pub(crate) fn only_class(
        &self,
        word: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Option<&'static str> {
        let mut found = None;
        for (form, class) in self.0.get(&word.bytes().next()?)? {
            if !one_apart(form.as_bytes(), word.as_bytes()) || !fits(form) {
                continue;
            }
            // Two classes as near as each other: repaired to either, it might be the wrong person.
            match found {
                None => found = Some(*class),
                Some(other) if other == *class => {}
                Some(_) => return None,
            }
        }
        found
    }
}

/// Whether one letter added, left out, changed or swapped with its neighbour makes `a` of `b`.
fn one_apart(a: &[u8], b: &[u8]) -> bool {
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same = a
        .iter()
        .zip(b)
        .take_while(|(left, right)| left == right)
        .count();
    let (rest_a, rest_b) = (&a[same..], &b[same..]);
    match a.len().cmp(&b.len()) {
        std::cmp::Ordering::Greater => rest_a[1..] == *rest_b,
        std::cmp::Ordering::Less => *rest_a == rest_b[1..],
        std::cmp::Ordering::Equal if rest_a.is_empty() => false,
        std::cmp::Ordering::Equal => {
            rest_a[1..] == rest_b[1..]
                || rest_a.len() >= 2
                    && rest_a[0] == rest_b[1]
                    && rest_a[1] == rest_b[0]
                    && rest_a[2..] == rest_b[2..]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_one_counts_a_swap_of_neighbours() {
        assert!(one_apart(b"ivan", b"vian"));
        assert!(one_apart(b"ivan", b"ivn"));
        assert!(one_apart(b"ivan", b"ivank"));
        assert!(!one_apart(b"ivan", b"ivan"));
        assert!(!one_apart(b"ivan", b"navi"));
    }
}
