//! What a LoRA file changes of one weight: the low-rank sum of Hu et al. (arXiv 2106.09685), its
//! relatives of LyCORIS (LoCon, LoHa, LoKr; arXiv 2309.14859) and DoRA (arXiv 2402.09353).

use std::ops::Range;

use candle_core::{D, DType, Device, Result as TensorResult, Tensor};

/// A change of one weight. Tensors are f32.
#[derive(Debug, Clone)]
pub struct WeightChange {
    pub(super) kind: ChangeKind,
    /// What the difference is multiplied by: the file's own scale and, but for DoRA, the weight
    /// that was chosen for the LoRA.
    pub(super) scale: f64,
    pub(super) magnitude: Option<Magnitude>,
}

/// How the difference is stored.
#[derive(Debug, Clone)]
pub(super) enum ChangeKind {
    /// `up · down`: `[outputs, rank]` and `[rank, inputs · kernel]`.
    LowRank { down: Tensor, up: Tensor },
    /// LoCon with a middle: `down` `[rank, inputs]`, `mid` `[rank, rank, height, width]`, `up`
    /// `[outputs, rank]`.
    Tucker {
        down: Tensor,
        mid: Tensor,
        up: Tensor,
    },
    /// LoHa: the elementwise product of two low-rank products, each `[outputs, rank]` and
    /// `[rank, inputs · kernel]`.
    Hadamard([[Tensor; 2]; 2]),
    /// LoKr: the Kronecker product of a matrix and a weight of any kernel.
    Kronecker(Tensor, Tensor),
    /// The difference itself.
    Whole(Tensor),
}

/// DoRA: the length of the weight's rows (or columns) once it is changed.
#[derive(Debug, Clone)]
pub(super) struct Magnitude {
    /// One number for each output, or for each input.
    pub lengths: Tensor,
    pub of_outputs: bool,
    /// The weight that was chosen for the LoRA: how much of the way from the model's own weight is
    /// gone.
    pub strength: f64,
}

impl WeightChange {
    /// True when nothing of it is seen.
    pub(super) fn is_off(&self) -> bool {
        match &self.magnitude {
            Some(magnitude) => magnitude.strength == 0.0,
            None => self.scale == 0.0,
        }
    }

    /// The difference, in f32 and of this shape.
    pub(super) fn delta(&self, device: &Device, shape: &[usize]) -> TensorResult<Tensor> {
        let on = |tensor: &Tensor| tensor.to_device(device);
        let delta = match &self.kind {
            ChangeKind::LowRank { down, up } => {
                // Scaled while it is small.
                return (on(up)? * self.scale)?.matmul(&on(down)?)?.reshape(shape);
            }
            ChangeKind::Tucker { down, mid, up } => {
                let (outer, inner, height, width) = mid.dims4()?;
                // Rank by rank times positions, so that each side is one product of matrices.
                let mid = on(mid)?.reshape((outer, inner * height * width))?;
                let raised = on(up)?.matmul(&mid)?;
                let outputs = raised.dim(0)?;
                let raised = raised.reshape((outputs, inner, height * width))?;
                let raised = raised.transpose(1, 2)?.contiguous()?;
                let raised = raised.reshape((outputs * height * width, inner))?;
                let delta = raised.matmul(&on(down)?)?;
                let inputs = delta.dim(1)?;
                let delta = delta.reshape((outputs, height * width, inputs))?;
                delta.transpose(1, 2)?.contiguous()?
            }
            ChangeKind::Hadamard([first, second]) => {
                let product = |[a, b]: &[Tensor; 2]| on(a)?.matmul(&on(b)?);
                (product(first)? * product(second)?)?
            }
            ChangeKind::Kronecker(first, second) => {
                let (rows, columns) = first.dims2()?;
                let second = on(second)?;
                let (outputs, inputs) = (second.dim(0)?, second.dim(1)?);
                let second = second.reshape((1, outputs, 1, inputs, ()))?;
                let first = on(first)?.reshape((rows, 1, columns, 1, 1))?;
                first.broadcast_mul(&second)?
            }
            ChangeKind::Whole(difference) => on(difference)?,
        };
        (delta * self.scale)?.reshape(shape)
    }

    /// What this change of a weight of this shape makes of some of its outputs, in this order. None
    /// where that cannot be told: a magnitude of the inputs is the length of all outputs together.
    pub(super) fn of_outputs(
        &self,
        rows: &[Range<usize>],
        shape: &[usize],
    ) -> TensorResult<Option<Self>> {
        let cut = |tensor: &Tensor| {
            let parts = rows
                .iter()
                .map(|rows| tensor.narrow(0, rows.start, rows.len()));
            Tensor::cat(&parts.collect::<TensorResult<Vec<_>>>()?, 0)
        };
        let mut scale = self.scale;
        let kind = match &self.kind {
            ChangeKind::LowRank { down, up } => ChangeKind::LowRank {
                down: down.clone(),
                up: cut(up)?,
            },
            ChangeKind::Tucker { down, mid, up } => ChangeKind::Tucker {
                down: down.clone(),
                mid: mid.clone(),
                up: cut(up)?,
            },
            ChangeKind::Hadamard([[a, b], [c, d]]) => {
                ChangeKind::Hadamard([[cut(a)?, b.clone()], [cut(c)?, d.clone()]])
            }
            // Its blocks of outputs need not end where a layer does.
            ChangeKind::Kronecker(..) | ChangeKind::Whole(_) => {
                scale = 1.0;
                ChangeKind::Whole(cut(&self.delta(&Device::Cpu, shape)?)?)
            }
        };
        let magnitude = match &self.magnitude {
            Some(magnitude) if !magnitude.of_outputs => return Ok(None),
            Some(magnitude) => Some(Magnitude {
                lengths: cut(&magnitude.lengths.flatten_all()?)?,
                ..magnitude.clone()
            }),
            None => None,
        };
        Ok(Some(Self {
            kind,
            scale,
            magnitude,
        }))
    }

    /// `weight` (f32) with this change.
    fn apply(&self, weight: &Tensor) -> TensorResult<Tensor> {
        let sum = (weight + self.delta(weight.device(), weight.dims())?)?;
        let Some(magnitude) = &self.magnitude else {
            return Ok(sum);
        };
        let flat = sum.flatten_from(1)?;
        let outputs = flat.dim(0)?;
        let lengths = magnitude.lengths.to_device(weight.device())?;
        let scaled = if magnitude.of_outputs {
            let norm = flat.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
            flat.broadcast_mul(&(lengths.reshape((outputs, 1))? / norm)?)?
        } else {
            let inputs = sum.dim(1)?;
            let by_input = sum.reshape((outputs, inputs, ()))?;
            let norm = by_input.sqr()?.sum_keepdim(2)?.sum_keepdim(0)?.sqrt()?;
            by_input.broadcast_mul(&(lengths.reshape((1, inputs, 1))? / norm)?)?
        };
        let scaled = scaled.reshape(weight.shape())?;
        weight + ((scaled - weight)? * magnitude.strength)?
    }
}

/// `weight` with changes, one after the other. The sum is made in f32, whatever the weight's number
/// format: a change is often smaller than half precision's step.
pub(super) fn changed(weight: &Tensor, changes: &[WeightChange]) -> TensorResult<Tensor> {
    let mut sum = weight.to_dtype(DType::F32)?;
    for change in changes {
        sum = change.apply(&sum)?;
    }
    sum.to_dtype(weight.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: &[usize], start: f32) -> Tensor {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|i| start + (i % 7) as f32 * 0.3).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn same(found: &[f32], wanted: &[f32]) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-4, "{found} for {wanted}");
        }
    }

    fn plain(kind: ChangeKind, scale: f64) -> WeightChange {
        WeightChange {
            kind,
            scale,
            magnitude: None,
        }
    }

    #[test]
    fn a_middle_lies_between_up_and_down() {
        let (down, mid, up) = (
            counted(&[2, 3], 0.1),
            counted(&[2, 2, 3, 3], -0.4),
            counted(&[4, 2], 0.7),
        );
        let [d, m, u] = [&down, &mid, &up].map(values);
        let mut wanted = Vec::new();
        for (o, i, k) in
            (0..4).flat_map(|o| (0..3).flat_map(move |i| (0..9).map(move |k| (o, i, k))))
        {
            let sum: f32 = (0..2)
                .flat_map(|a| (0..2).map(move |b| (a, b)))
                .map(|(a, b)| u[o * 2 + a] * m[(a * 2 + b) * 9 + k] * d[b * 3 + i])
                .sum();
            wanted.push(sum * 0.5);
        }
        let change = plain(ChangeKind::Tucker { down, mid, up }, 0.5);
        let delta = change.delta(&Device::Cpu, &[4, 3, 3, 3]).unwrap();
        same(&values(&delta), &wanted);
    }

    #[test]
    fn a_kronecker_product_holds_the_second_factor_in_each_place_of_the_first() {
        let (first, second) = (counted(&[2, 2], 0.1), counted(&[3, 2, 1, 1], -0.5));
        let [a, b] = [&first, &second].map(values);
        let mut wanted = Vec::new();
        for (row, column) in (0..6).flat_map(|row| (0..4).map(move |column| (row, column))) {
            let (outer, inner) = ((row / 3, column / 2), (row % 3, column % 2));
            wanted.push(a[outer.0 * 2 + outer.1] * b[inner.0 * 2 + inner.1]);
        }
        let change = plain(ChangeKind::Kronecker(first, second), 1.0);
        let delta = change.delta(&Device::Cpu, &[6, 4, 1, 1]).unwrap();
        same(&values(&delta), &wanted);
    }

    #[test]
    fn a_change_of_some_outputs_is_that_part_of_the_whole_change() {
        let kinds = [
            ChangeKind::LowRank {
                down: counted(&[2, 4], 0.1),
                up: counted(&[6, 2], -0.3),
            },
            ChangeKind::Hadamard([
                [counted(&[6, 2], 0.1), counted(&[2, 4], 0.4)],
                [counted(&[6, 2], -0.7), counted(&[2, 4], 0.2)],
            ]),
            ChangeKind::Kronecker(counted(&[2, 2], 0.1), counted(&[3, 2, 1], -0.5)),
            ChangeKind::Whole(counted(&[6, 4], 0.3)),
        ];
        for kind in kinds {
            let change = plain(kind, 0.5);
            let whole = values(&change.delta(&Device::Cpu, &[6, 4]).unwrap());
            let own = change.of_outputs(&[4..6, 0..1], &[6, 4]).unwrap().unwrap();
            let own = values(&own.delta(&Device::Cpu, &[3, 4]).unwrap());
            let wanted = [&whole[16..24], &whole[..4]].concat();
            same(&own, &wanted);
        }
    }

    #[test]
    fn a_magnitude_of_inputs_cannot_be_cut_up() {
        let with = |of_outputs, count| WeightChange {
            magnitude: Some(Magnitude {
                lengths: counted(&[count], 1.0),
                of_outputs,
                strength: 1.0,
            }),
            ..plain(ChangeKind::Whole(counted(&[2, 3], 0.5)), 1.0)
        };
        let second = std::slice::from_ref(&(1..2));
        let own = with(true, 2).of_outputs(second, &[2, 3]).unwrap().unwrap();
        let lengths = own.magnitude.unwrap().lengths;
        same(&values(&lengths), &values(&counted(&[2], 1.0))[1..]);
        assert!(
            with(false, 3)
                .of_outputs(second, &[2, 3])
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_magnitude_is_the_length_of_what_was_changed() {
        let weight = counted(&[2, 3], 0.2);
        for (of_outputs, count) in [(true, 2), (false, 3)] {
            let change = WeightChange {
                magnitude: Some(Magnitude {
                    lengths: counted(&[count], 1.0),
                    of_outputs,
                    strength: 1.0,
                }),
                ..plain(ChangeKind::Whole(counted(&[2, 3], 0.5)), 1.0)
            };
            let changed = changed(&weight, std::slice::from_ref(&change)).unwrap();
            let lengths = changed.sqr().unwrap().sum(usize::from(of_outputs)).unwrap();
            same(
                &values(&lengths.sqrt().unwrap()),
                &values(&counted(&[count], 1.0)),
            );
        }
    }

    #[test]
    fn a_dora_that_is_off_changes_nothing_and_half_of_it_goes_half_of_the_way() {
        let weight = counted(&[2, 3], 0.2);
        let at = |strength| {
            let change = WeightChange {
                magnitude: Some(Magnitude {
                    lengths: counted(&[2], 1.0),
                    of_outputs: true,
                    strength,
                }),
                ..plain(ChangeKind::Whole(counted(&[2, 3], 0.5)), 1.0)
            };
            values(&changed(&weight, &[change]).unwrap())
        };
        let [none, half, all] = [0.0, 0.5, 1.0].map(at);
        same(&none, &values(&weight));
        let middle: Vec<f32> = none.iter().zip(&all).map(|(a, b)| 0.5 * (a + b)).collect();
        same(&half, &middle);
    }
}
