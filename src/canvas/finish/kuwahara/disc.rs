//! Where the filter takes its samples, and what each counts.

/// Radii of the rings of samples, as parts of the disc's; the weight of a sample on each.
pub(super) const RINGS: [(f32, f32); 3] = [(0.35, 1.0), (0.7, 0.7), (1.0, 0.4)];
/// Samples on the outer rings. The inner one has every second of them.
pub(super) const ANGLES: usize = 16;
/// Sectors of the disc.
pub(super) const SECTORS: usize = 8;
/// Samples lie in pairs, one on each side of the middle: those of the inner ring, then of the next.
pub(super) const PAIRS: usize = ANGLES / 4 + 2 * (ANGLES / 2);
/// Where the pairs of each ring begin.
pub(super) const FIRST_PAIRS: [usize; 3] = [0, ANGLES / 4, ANGLES / 4 + ANGLES / 2];
/// The weight of a sample in a sector by how many angles lie between it and the sector's middle.
pub(super) const NEARNESS: [f32; 3] = [1.0, 0.7, 0.25];
/// The weight of the middle itself in every sector.
pub(super) const MIDDLE: f32 = 0.5;
/// The variance at which a sector begins to lose against even ones, in squared units of full
/// colour: of noise that nobody sees.
pub(super) const EVEN: f32 = 3.0 * (1.5 / 255.0) * (1.5 / 255.0);
/// What makes the weights of a sector's samples sum to 1.
pub(super) const SHARE: f32 = 1.0
    / (MIDDLE
        + NEARNESS[0] * (RINGS[0].1 + RINGS[1].1 + RINGS[2].1)
        + 2.0 * NEARNESS[1] * (RINGS[1].1 + RINGS[2].1)
        + 2.0 * NEARNESS[2] * (RINGS[0].1 + RINGS[1].1 + RINGS[2].1));

/// Where samples lie: the first of each pair, as parts of the disc's radius.
#[derive(Debug)]
pub(super) struct Disc {
    /// The radius before the disc is stretched, in pixels.
    pub(super) radius: f32,
    /// Along the flow.
    pub(super) along: [f32; PAIRS],
    /// Across it.
    pub(super) across: [f32; PAIRS],
}

impl Disc {
    pub(super) fn new(radius: f32) -> Self {
        let mut disc = Self {
            radius,
            along: [0.0; PAIRS],
            across: [0.0; PAIRS],
        };
        let half = 0..ANGLES / 2;
        let inner = half.clone().step_by(2).map(|angle| (angle, RINGS[0].0));
        let middle = half.clone().map(|angle| (angle, RINGS[1].0));
        let outer = half.map(|angle| (angle, RINGS[2].0));
        for (at, (angle, ring)) in inner.chain(middle).chain(outer).enumerate() {
            let (sin, cos) = (angle as f32 * std::f32::consts::TAU / ANGLES as f32).sin_cos();
            disc.along[at] = ring * cos;
            disc.across[at] = ring * sin;
        }
        disc
    }
}
