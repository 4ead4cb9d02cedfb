use candle_core::DType;

use super::*;
use crate::kernels::testing::{assert_close, random};

/// Sizes that are one task, several tasks, and not whole vectors.
const SIZES: [usize; 4] = [1, 37, 4096, 100_003];

#[test]
fn functions_agree_with_candle() -> Result<()> {
    let functions = [
        (relu_values as Loop, Tensor::relu as fn(&Tensor) -> _),
        (silu_values, stock::silu),
        (gelu_values, stock::gelu),
        (gelu_tanh_values, Tensor::gelu),
        (quick_gelu_values, stock::quick_gelu),
    ];
    for (ours, theirs) in functions {
        for size in SIZES {
            let input = (random(size)? * 12.0)?;
            let expected = theirs(&input)?;
            assert_close(&map(&input, ours, theirs)?, &expected);
            for set in InstructionSet::available() {
                let mut output = Output::new(size);
                // SAFETY: the output has one part.
                let out = unsafe { output.parts().part(0, size) };
                ours(set, &Values::of(&input)?, out);
                // SAFETY: the function wrote it all.
                assert_close(&unsafe { output.into_tensor(size)? }, &expected);
            }
        }
    }
    Ok(())
}

#[test]
fn far_from_zero_nothing_overflows() -> Result<()> {
    let input = Tensor::new(
        &[-1e30f32, -200.0, 0.0, 200.0, 1e30],
        &candle_core::Device::Cpu,
    )?;
    for function in [silu, gelu, quick_gelu] {
        let output = function(&input)?.to_vec1::<f32>()?;
        assert!(
            output[0].abs() < 1e-6 && output[1].abs() < 1e-6,
            "{output:?}"
        );
        assert_eq!(output[2..], [0.0, 200.0, 1e30]);
    }
    Ok(())
}

#[test]
fn geglu_multiplies_halves() -> Result<()> {
    for dims in [vec![6], vec![77, 128], vec![2, 300, 90]] {
        let input = random(dims.as_slice())?;
        assert_close(&geglu(&input)?, &stock::geglu(&input)?);
    }
    assert!(geglu(&random((2, 7))?).is_err());
    Ok(())
}

#[test]
fn other_dtypes_go_through_candle() -> Result<()> {
    let input = random((4, 10))?;
    let wide = input.to_dtype(DType::F64)?;
    for function in [relu, silu, gelu, quick_gelu, geglu] {
        let output = function(&wide)?;
        assert_eq!(output.dtype(), DType::F64);
        assert_close(&function(&input)?, &output.to_dtype(DType::F32)?);
    }
    Ok(())
}
