//! Between candle's tensors and plain slices.

use std::mem::MaybeUninit;
use std::ops::{Deref, Range};

use candle_core::{DType, Device, Error, Result, Shape, Storage, StorageRef, Tensor};

/// Whether a tensor is of the kind that this floor's own kernels take.
pub(super) fn is_cpu_f32(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}

/// The values of a contiguous `f32` tensor on the CPU, borrowed.
pub(super) struct Values<'a> {
    storage: StorageRef<'a>,
    range: Range<usize>,
}

impl<'a> Values<'a> {
    /// Borrows the values of `tensor`, which [`Tensor::contiguous`] has been called on.
    pub fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("a kernel needs a contiguous tensor: call contiguous() before it")
        };
        let values = Self {
            storage,
            range: start..end,
        };
        values.get()?;
        Ok(values)
    }

    fn get(&self) -> Result<&[f32]> {
        match &*self.storage {
            Storage::Cpu(storage) => storage
                .as_slice::<f32>()?
                .get(self.range.clone())
                .ok_or_else(|| Error::Msg("a tensor's layout lies outside its storage".into())),
            _ => {
                candle_core::bail!("a kernel needs a tensor on the CPU: call to_device() before it")
            }
        }
    }
}

impl Deref for Values<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.get().unwrap_or_default()
    }
}

/// Room for a result that several threads write, each its own part.
pub(super) struct Output {
    values: Vec<f32>,
    length: usize,
}

/// Where threads write an [`Output`].
#[derive(Clone, Copy)]
pub(super) struct Parts {
    start: *mut f32,
    length: usize,
}

// SAFETY: `Parts::part` hands out memory only under the promise that no two parts overlap.
unsafe impl Send for Parts {}
// SAFETY: as above.
unsafe impl Sync for Parts {}

impl Output {
    /// Room for `length` values, none of them written yet.
    pub fn new(length: usize) -> Self {
        Self {
            values: Vec::with_capacity(length),
            length,
        }
    }

    /// The room as something that threads can share.
    pub fn parts(&mut self) -> Parts {
        Parts {
            start: self.values.as_mut_ptr(),
            length: self.length,
        }
    }

    /// The result as a tensor.
    ///
    /// # Safety
    ///
    /// Every value has been written.
    pub unsafe fn into_tensor(mut self, shape: impl Into<Shape>) -> Result<Tensor> {
        // SAFETY: the capacity is at least `length`, and the caller has written that many.
        unsafe { self.values.set_len(self.length) };
        Tensor::from_vec(self.values, shape.into(), &Device::Cpu)
    }
}

impl Parts {
    /// Memory that threads share until the borrow of `values` ends, which the caller sees to.
    pub fn of(values: &mut [f32]) -> Self {
        Self {
            start: values.as_mut_ptr(),
            length: values.len(),
        }
    }

    /// Only `length` values from `start`, which must lie inside the output.
    pub fn narrow(self, start: usize, length: usize) -> Self {
        assert!(start + length <= self.length, "a part outside its output");
        Self {
            start: self.start.wrapping_add(start),
            length,
        }
    }

    /// `length` values from `start`, which must lie inside the output.
    ///
    /// # Safety
    ///
    /// The [`Output`] is alive and no other part in use overlaps this one.
    pub unsafe fn part<'a>(self, start: usize, length: usize) -> &'a mut [MaybeUninit<f32>] {
        assert!(start + length <= self.length, "a part outside its output");
        // SAFETY: inside the allocation by the assertion, unaliased by the caller's promise;
        // `MaybeUninit` needs no initial value.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start).cast(), length) }
    }
}
