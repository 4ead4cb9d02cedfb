//! Functions of one value, written so that loops over them become vector code, and the macro that
//! compiles such loops once for each instruction set.

/// How a product and a sum are done.
pub(super) trait Arithmetic {
    /// `a · b + c`.
    fn mul_add(a: f32, b: f32, c: f32) -> f32;
}

/// In one instruction with one rounding.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(super) struct Fused;

/// In two: where the processor has no such instruction, the fused one is a slow library call.
pub(super) struct Separate;

impl Arithmetic for Fused {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}

impl Arithmetic for Separate {
    #[inline(always)]
    fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// Evaluates a polynomial, highest power first.
#[inline(always)]
fn polynomial<A: Arithmetic>(x: f32, coefficients: &[f32]) -> f32 {
    coefficients
        .iter()
        .fold(0.0, |sum, &coefficient| A::mul_add(sum, x, coefficient))
}

/// `eˣ`, within 2 units in the last place where the result is a normal number; smaller results are
/// about 1e-38 and larger ones about 2e38.
///
/// The range is reduced to |r| ≤ ln 2 / 2 and the polynomial is that of Cephes' `expf`.
#[inline(always)]
pub(super) fn exp<A: Arithmetic>(x: f32) -> f32 {
    // Adding 1.5 · 2²³ leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x < -87.3 { -87.3 } else { x };
    let x = if x > 88.3 { 88.3 } else { x };
    let rounded = A::mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let power = rounded - ROUND;
    let r = A::mul_add(power, -0.693_359_4, x);
    let r = A::mul_add(power, 2.121_944_4e-4, r);
    let curve = polynomial::<A>(
        r,
        &[
            1.987_569_1e-4,
            1.398_2e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
        ],
    );
    let mantissa = A::mul_add(curve, r * r, r) + 1.0;
    let scale = f32::from_bits((rounded.to_bits() << 23).wrapping_add(0x3f80_0000));
    mantissa * scale
}

/// `x · sigmoid(x)`.
#[inline(always)]
pub(super) fn silu<A: Arithmetic>(x: f32) -> f32 {
    x / (1.0 + exp::<A>(-x))
}

/// `x · sigmoid(1.702 x)`.
#[inline(always)]
pub(super) fn quick_gelu<A: Arithmetic>(x: f32) -> f32 {
    x / (1.0 + exp::<A>(-1.702 * x))
}

/// The error function, absolute error below 3e-7: the rational approximation of Eigen and XLA
/// on [−4, 4].
#[inline(always)]
pub(super) fn erf<A: Arithmetic>(x: f32) -> f32 {
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let square = x * x;
    let above = polynomial::<A>(
        square,
        &[
            -2.726_142_3e-10,
            2.770_681_4e-8,
            -2.101_024e-6,
            -5.692_506_3e-5,
            -7.349_906e-4,
            -2.954_6e-3,
            -1.609_603_3e-2,
        ],
    );
    let below = polynomial::<A>(
        square,
        &[
            -1.456_607_1e-5,
            -2.133_740_5e-4,
            -1.682_827_e-3,
            -7.373_329e-3,
            -1.426_473_9e-2,
        ],
    );
    x * above / below
}

/// `x · Φ(x)`.
#[inline(always)]
pub(super) fn gelu<A: Arithmetic>(x: f32) -> f32 {
    0.5 * x * (1.0 + erf::<A>(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// `x · Φ(x)` by the tanh approximation: `½(1 + tanh u) = sigmoid(2u)`.
#[inline(always)]
pub(super) fn gelu_tanh<A: Arithmetic>(x: f32) -> f32 {
    const TWICE_ROOT: f32 = 1.595_769;
    let u = TWICE_ROOT * A::mul_add(0.044_715 * x * x, x, x);
    x / (1.0 + exp::<A>(-u))
}

/// Defines `fn name(set, …)` that runs a generic function, whose first type parameter is an
/// [`Arithmetic`], compiled for the instruction set that it is given.
macro_rules! for_each_set {
    ($(#[$doc:meta])* $vis:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $generic:ident;) => {
        $(#[$doc])*
        $vis fn $name(set: $crate::kernels::instructions::InstructionSet, $($argument: $type),*) $(-> $result)? {
            use $crate::kernels::math;
            use $crate::kernels::instructions::InstructionSet;
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                $generic::<math::Fused>($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                $generic::<math::Fused>($($argument),*)
            }
            match set {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: an instruction set is only ever one that the processor has.
                InstructionSet::Avx512 => unsafe { avx512($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                InstructionSet::Avx2 => unsafe { avx2($($argument),*) },
                InstructionSet::Portable => $generic::<math::Separate>($($argument),*),
            }
        }
    };
}
pub(super) use for_each_set;

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(range: std::ops::Range<f32>, ours: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
        let steps = 200_000;
        (0..steps)
            .map(|step| range.start + (range.end - range.start) * step as f32 / steps as f32)
            .map(|x| {
                let exact = exact(x.into());
                (f64::from(ours(x)) - exact).abs() / exact.abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_is_exact_to_two_ulp() {
        assert!(worst(-87.0..88.0, exp::<Fused>, f64::exp) < 2e-7);
        assert!(worst(-87.0..88.0, exp::<Separate>, f64::exp) < 2e-7);
    }

    #[test]
    fn exp_saturates_and_keeps_nan() {
        assert!(exp::<Fused>(f32::NEG_INFINITY) < 2e-38);
        assert!(exp::<Fused>(f32::INFINITY).is_finite());
        assert!(exp::<Fused>(f32::NAN).is_nan());
    }

    /// erf by its Maclaurin series in f64, which converges fast enough on [−4, 4].
    fn erf_series(x: f64) -> f64 {
        let mut term = x;
        let mut sum = x;
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn erf_agrees_with_its_series() {
        for step in -4000..=4000 {
            let x = step as f32 / 1000.0;
            let error = f64::from(erf::<Fused>(x)) - erf_series(x.into());
            assert!(error.abs() < 3e-7, "erf({x}) is off by {error}");
        }
        assert_eq!(erf::<Fused>(9.0), erf::<Fused>(4.0));
    }
}
