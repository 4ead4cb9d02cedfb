//! The names and shapes of a file's tensors: all that a checkpoint is told by.

use std::collections::BTreeMap;

/// Shapes by name.
#[derive(Debug, Clone, Default)]
pub(in crate::model) struct Shapes(BTreeMap<String, Vec<usize>>);

impl FromIterator<(String, Vec<usize>)> for Shapes {
    fn from_iter<I: IntoIterator<Item = (String, Vec<usize>)>>(shapes: I) -> Self {
        Self(shapes.into_iter().collect())
    }
}

impl Shapes {
    /// A tensor's shape; none when there is no such tensor.
    pub fn get(&self, name: &str) -> Option<&[usize]> {
        self.0.get(name).map(Vec::as_slice)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether the name of any tensor begins so.
    pub fn any_under(&self, prefix: &str) -> bool {
        let mut from = self.0.range(prefix.to_owned()..);
        from.next()
            .is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// Whether the name of any tensor has this in it.
    pub fn any_with(&self, part: &str) -> bool {
        self.0.keys().any(|name| name.contains(part))
    }

    /// The tensors whose names begin so, without that beginning.
    pub fn under(&self, prefix: &str) -> Self {
        let inside = self.0.range(prefix.to_owned()..);
        inside
            .map_while(|(name, shape)| Some((name.strip_prefix(prefix)?.to_owned(), shape.clone())))
            .collect()
    }

    /// One side of a tensor.
    ///
    /// # Errors
    /// That there is no such tensor, or it has too few sides.
    pub fn side(&self, name: &str, axis: usize) -> Result<usize, String> {
        let shape = self
            .get(name)
            .ok_or_else(|| format!("has no tensor `{name}`"))?;
        let side = shape.get(axis).copied();
        side.ok_or_else(|| format!("has a tensor `{name}` of shape {shape:?}"))
    }

    /// How many of the names that `name` gives for 0, 1, 2, … are there, up to the first that is
    /// not.
    pub fn count(&self, name: impl Fn(usize) -> String) -> usize {
        (0..).take_while(|number| self.has(&name(*number))).count()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.0
            .iter()
            .map(|(name, shape)| (name.as_str(), shape.as_slice()))
    }
}

/// So many groups normalise channels: 32 in every model of these families, or as many as narrower
/// networks' widths share.
pub(super) fn norm_groups(widths: impl IntoIterator<Item = usize>) -> usize {
    widths.into_iter().fold(32, common_divisor)
}

fn common_divisor(one: usize, other: usize) -> usize {
    if other == 0 {
        return one;
    }
    common_divisor(other, one % other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(names: &[(&str, &[usize])]) -> Shapes {
        let named = names.iter();
        named
            .map(|(name, shape)| ((*name).to_owned(), shape.to_vec()))
            .collect()
    }

    #[test]
    fn what_is_under_a_prefix() {
        let all = shapes(&[("a.b", &[1]), ("a.c", &[2, 3]), ("ab", &[4]), ("b", &[5])]);
        let inside: Vec<_> = all
            .under("a.")
            .iter()
            .map(|(name, _)| name.to_owned())
            .collect();
        assert_eq!(inside, ["b", "c"]);
        assert!(all.any_under("a.") && !all.any_under("c"));
        assert_eq!(all.side("a.c", 1), Ok(3));
        assert!(all.side("a.c", 2).unwrap_err().contains("a.c"));
        assert!(all.side("x", 0).unwrap_err().contains('x'));
    }

    #[test]
    fn groups_divide_every_width() {
        assert_eq!(norm_groups([320, 640, 1280]), 32);
        assert_eq!(norm_groups([8, 12]), 4);
        assert_eq!(norm_groups([7]), 1);
        assert_eq!(norm_groups([0]), 32);
    }
}
