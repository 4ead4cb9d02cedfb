//! What the tests of this floor share.

use std::cell::Cell;

use candle_core::{DType, Device, Result, Shape, Tensor};

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(1) };
}

/// Values in [−1, 1), the same ones in the same order in every run of a test (SplitMix64).
pub fn random(shape: impl Into<Shape>) -> Result<Tensor> {
    let shape = shape.into();
    let values: Vec<f32> = (0..shape.elem_count())
        .map(|_| {
            let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            STATE.set(state);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// The values rounded to half precision, in which weights are kept where it holds them exactly.
pub fn in_half(tensor: &Tensor) -> Result<Tensor> {
    tensor.to_dtype(DType::F16)?.to_dtype(DType::F32)
}

/// Asserts that two tensors have the same shape and differ by at most 1e-5 of the greatest value.
#[track_caller]
pub fn assert_close(ours: &Tensor, theirs: &Tensor) {
    assert_eq!(ours.shape(), theirs.shape());
    let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (ours, theirs) = (flat(ours), flat(theirs));
    let scale = theirs
        .iter()
        .fold(1e-6f32, |scale, value| scale.max(value.abs()));
    for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let error = (ours - theirs).abs() / scale;
        assert!(error <= 1e-5, "value {index}: {ours} instead of {theirs}");
    }
}
