//! Where a tensor lies in a file, and what makes it the tensor that a network asks for.

use std::collections::BTreeMap;

/// A component's tensors by diffusers' names, and where each of them lies.
pub(super) type TensorMap = BTreeMap<String, Stored>;

/// A tensor in a file, perhaps under another name and in another shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its name in the file.
    pub name: String,
    /// What has to be done with it.
    pub change: Change,
    /// Its shape after that.
    pub shape: Vec<usize>,
}

/// What makes a stored tensor the one that is asked for. No number is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The first, second or last third of its rows: what several layers keep in one tensor.
    Third(usize),
    /// Rows for columns.
    Transposed,
    /// A convolution over single pixels, as the dense layer that it is.
    Dense,
}

impl Stored {
    /// A tensor as it is.
    pub fn plain(name: &str, shape: &[usize]) -> Self {
        Self {
            name: name.to_owned(),
            change: Change::None,
            shape: shape.to_vec(),
        }
    }

    /// A tensor that is stored in this shape, changed; none where the change makes no sense.
    pub fn changed(name: &str, stored: &[usize], change: Change) -> Option<Self> {
        let shape = match (change, stored) {
            (Change::None, shape) => shape.to_vec(),
            (Change::Third(third), [rows, rest @ ..]) if rows % 3 == 0 && third < 3 => {
                [&[rows / 3], rest].concat()
            }
            (Change::Transposed, [rows, columns]) => vec![*columns, *rows],
            (Change::Dense, [rows, columns] | [rows, columns, 1] | [rows, columns, 1, 1]) => {
                vec![*rows, *columns]
            }
            _ => return None,
        };
        Some(Self {
            name: name.to_owned(),
            change,
            shape,
        })
    }
}

/// The bytes of a matrix with so many rows, rows for columns.
pub(super) fn transposed(bytes: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    let numbers = rows * columns;
    if numbers == 0 {
        return Vec::new();
    }
    let size = bytes.len() / numbers;
    let mut turned = Vec::with_capacity(bytes.len());
    for column in 0..columns {
        for row in 0..rows {
            let start = (row * columns + column) * size;
            turned.extend_from_slice(&bytes[start..start + size]);
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_give_their_shapes_or_nothing() {
        let shape = |stored: &[usize], change| {
            Stored::changed("x", stored, change).map(|stored| stored.shape)
        };
        assert_eq!(shape(&[6, 2], Change::Third(2)), Some(vec![2, 2]));
        assert_eq!(shape(&[6], Change::Third(0)), Some(vec![2]));
        assert_eq!(shape(&[7, 2], Change::Third(0)), None);
        assert_eq!(shape(&[], Change::Third(0)), None);
        assert_eq!(shape(&[3, 5], Change::Transposed), Some(vec![5, 3]));
        assert_eq!(shape(&[3], Change::Transposed), None);
        for stored in [&[4, 4, 1, 1][..], &[4, 4, 1], &[4, 4]] {
            assert_eq!(shape(stored, Change::Dense), Some(vec![4, 4]));
        }
        assert_eq!(shape(&[4, 4, 3, 3], Change::Dense), None);
        assert_eq!(shape(&[], Change::None), Some(Vec::new()));
    }

    #[test]
    fn rows_become_columns() {
        // Two rows of three numbers of two bytes.
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
        let turned = transposed(&bytes, 2, 3);
        assert_eq!(turned, [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
        assert_eq!(transposed(&turned, 3, 2), bytes);
        assert_eq!(transposed(&[], 0, 3), [0u8; 0]);
    }
}
