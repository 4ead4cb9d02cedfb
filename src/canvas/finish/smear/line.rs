//! How a line is summed.

/// Steps that a line takes to each side.
pub(super) const STEPS: usize = 7;

/// What a line's places count, and how far they lie apart.
#[derive(Debug)]
pub(super) struct Line {
    /// Of the middle, then of each step to either side. All places together count 1.
    pub(super) weights: [f32; STEPS + 1],
    /// Pixels in a step.
    pub(super) stride: f32,
}

impl Line {
    /// A raised cosine.
    pub(super) fn new(stride: f32) -> Self {
        let mut weights: [f32; STEPS + 1] = std::array::from_fn(|step| {
            0.5 + 0.5 * (std::f32::consts::PI * step as f32 / (STEPS + 1) as f32).cos()
        });
        let sum = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
        for weight in &mut weights {
            *weight /= sum;
        }
        Self { weights, stride }
    }
}
