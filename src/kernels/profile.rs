//! How long each operation takes, and how much it has to do.
//!
//! A network runs its operations one after another on one thread, so the profile is that thread's:
//! other threads pay and see nothing.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use candle_core::Tensor;

/// All runs of one operation on operands of one shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its name.
    pub name: &'static str,
    /// What it ran on, for people.
    pub shape: String,
    /// How often it ran.
    pub runs: u64,
    /// Time of all runs.
    pub spent: Duration,
    /// Floating-point operations of all runs, by the operation's definition: two for each product
    /// that is summed. Zero for operations that only go over values.
    pub flops: u64,
    /// Values of all operands and results, each counted once a run.
    pub values: u64,
}

thread_local! {
    static PROFILE: RefCell<Option<Profile>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Profile {
    operations: Vec<Operation>,
    /// An operation that is made of others counts as itself.
    is_inside: bool,
}

/// Calls `work`, and tells which of this floor's operations it ran on this thread, in the order in
/// which they first ran.
pub fn profiled<R>(work: impl FnOnce() -> R) -> (R, Vec<Operation>) {
    PROFILE.set(Some(Profile::default()));
    let result = work();
    let operations = PROFILE.take().map(|profile| profile.operations);
    (result, operations.unwrap_or_default())
}

/// What a run of an operation is.
pub(super) struct Work {
    /// For people.
    pub shape: String,
    /// By its definition.
    pub flops: usize,
    /// Of operands and results.
    pub values: usize,
}

/// A run that is being measured, until it is dropped.
pub(super) struct Span {
    name: &'static str,
    work: Work,
    started: Instant,
}

/// Measures from here on, where somebody asks; `work` is only called then.
pub(super) fn span(name: &'static str, work: impl FnOnce() -> Work) -> Option<Span> {
    let is_asked = PROFILE.with_borrow_mut(|profile| match profile {
        Some(profile) if !profile.is_inside => {
            profile.is_inside = true;
            true
        }
        _ => false,
    });
    is_asked.then(|| Span {
        name,
        work: work(),
        started: Instant::now(),
    })
}

/// [`span`] of an operation that goes over a tensor once, to one as large.
pub(super) fn pass(name: &'static str, input: &Tensor) -> Option<Span> {
    span(name, || Work {
        shape: format!("{:?}", input.dims()),
        flops: 0,
        values: 2 * input.elem_count(),
    })
}

impl Drop for Span {
    fn drop(&mut self) {
        let spent = self.started.elapsed();
        PROFILE.with_borrow_mut(|profile| {
            if let Some(profile) = profile {
                profile.is_inside = false;
                profile.add(self.name, &self.work, spent);
            }
        });
    }
}

impl Profile {
    fn add(&mut self, name: &'static str, work: &Work, spent: Duration) {
        let known = self
            .operations
            .iter()
            .position(|known| known.name == name && known.shape == work.shape);
        let index = known.unwrap_or(self.operations.len());
        if known.is_none() {
            self.operations.push(Operation {
                name,
                shape: work.shape.clone(),
                runs: 0,
                spent: Duration::ZERO,
                flops: 0,
                values: 0,
            });
        }
        let operation = &mut self.operations[index];
        operation.runs += 1;
        operation.spent += spent;
        operation.flops += work.flops as u64;
        operation.values += work.values as u64;
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Result;

    use super::*;
    use crate::kernels::testing::random;
    use crate::kernels::{Conv2d, Linear, silu};

    #[test]
    fn runs_of_one_shape_are_one_line_and_parts_do_not_count_twice() -> Result<()> {
        let conv = Conv2d::new(random((4, 3, 3, 3))?, None, 1, 1)?;
        let linear = Linear::new(random((6, 5))?, None)?;
        let image = random((2, 3, 8, 9))?;
        let row = random((7, 5))?;
        let (result, operations) = profiled(|| -> Result<()> {
            for _ in 0..3 {
                conv.forward(&image)?;
            }
            linear.forward(&row)?;
            conv.forward_upsampled(&image, Default::default())?;
            silu(&row)?;
            Ok(())
        });
        result?;
        let told: Vec<_> = operations
            .iter()
            .map(|operation| (operation.name, operation.runs, operation.flops))
            .collect();
        let product = 2 * 3 * 4 * 9;
        assert_eq!(
            told,
            [
                ("convolution", 3, 3 * product * 2 * 72),
                ("dense layer", 1, 2 * 7 * 5 * 6),
                ("convolution", 1, product * 2 * 72 * 4),
                ("activation", 1, 0),
            ]
        );
        assert_eq!(operations[3].values, 2 * 35);
        let (_, operations) = profiled(|| ());
        assert!(operations.is_empty());
        silu(&row)?;
        Ok(())
    }
}
