use super::*;
use crate::kernels::testing::random;

/// Every shape of tile, against the definition.
#[test]
fn every_tile_is_the_product() {
    const DEPTH: usize = 37;
    // The steps of the right operand are irregular, as a convolution's are.
    let steps: Vec<u32> = (0..DEPTH)
        .map(|step| (step * 50 + step % 3) as u32)
        .collect();
    let left: Vec<f32> = random(ROWS * DEPTH).unwrap().to_vec1().unwrap();
    let right: Vec<f32> = random(50 * (DEPTH + 4)).unwrap().to_vec1().unwrap();
    for set in InstructionSet::available() {
        let lanes = set.lanes();
        let whole = [0, lanes + 1, 2 * lanes + 1];
        let halves = [[3, 20], [8, 40], [1, 9]];
        for rows in 1..=ROWS {
            for vectors in 1..=MOST_VECTORS {
                for packed in [false, true] {
                    for halved in [false, true] {
                        if halved && lanes < 16 {
                            continue;
                        }
                        let start = |offset: usize| right.as_ptr().wrapping_add(offset);
                        let tile = Tile {
                            rows,
                            vectors,
                            left: if packed {
                                Left::Packed(left.as_ptr())
                            } else {
                                Left::Rows(std::array::from_fn(|row| {
                                    left.as_ptr().wrapping_add(row.min(rows - 1) * DEPTH)
                                }))
                            },
                            right: if halved {
                                Right::Halves(halves.map(|half| half.map(start)))
                            } else {
                                Right::Vectors(whole.map(start))
                            },
                            steps: &steps,
                            right_end: right.as_ptr_range().end,
                            out: std::ptr::null_mut(),
                            out_stride: 50,
                        };
                        let mut out = [f32::NAN; 8 * 50];
                        // SAFETY: the set is available; the operands hold every step.
                        unsafe {
                            product(
                                set,
                                &Tile {
                                    out: out.as_mut_ptr(),
                                    ..tile
                                },
                            );
                        }
                        for row in 0..rows {
                            for lane in 0..vectors * lanes {
                                let place = if halved {
                                    halves[lane / 16][lane % 16 / 8] + lane % 8
                                } else {
                                    whole[lane / lanes] + lane % lanes
                                };
                                let expected: f64 = (0..DEPTH)
                                    .map(|step| {
                                        let left = if packed {
                                            left[step * ROWS + row]
                                        } else {
                                            left[row * DEPTH + step]
                                        };
                                        let right = right[place + steps[step] as usize];
                                        f64::from(left) * f64::from(right)
                                    })
                                    .sum();
                                let error = f64::from(out[row * 50 + lane]) - expected;
                                assert!(error.abs() < 1e-5, "{set:?} {rows}×{vectors}: {error}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn widths_avoid_single_vectors() {
    for total in 1..50 {
        let mut left = total;
        let mut widths = Vec::new();
        while left > 0 {
            widths.push(next_width(left));
            left -= next_width(left);
        }
        assert_eq!(widths.iter().sum::<usize>(), total);
        assert!(total == 1 || !widths.contains(&1), "{total}: {widths:?}");
    }
}

/// In a debug build a tile that would read past its operand does not run.
#[test]
fn a_tile_that_reads_past_its_right_operand_is_found() {
    let values = [0.0f32; 64];
    let tile = |start: usize, last: u32| Tile {
        rows: 1,
        vectors: 1,
        left: Left::Packed(values.as_ptr()),
        right: Right::Vectors([values.as_ptr().wrapping_add(start); MOST_VECTORS]),
        steps: if last == 40 { &[0, 40] } else { &[0, 48] },
        right_end: values.as_ptr_range().end,
        out: std::ptr::null_mut(),
        out_stride: 8,
    };
    assert!(tile(16, 40).right_is_inside(8));
    assert!(!tile(17, 40).right_is_inside(8));
    assert!(tile(0, 48).right_is_inside(16));
    assert!(!tile(1, 48).right_is_inside(16));
}
