//! The operations that networks are made of, fast on the CPU.
//!
//! Every operation takes and returns candle tensors. `f32` tensors on the CPU go through this
//! floor's own kernels; every other device and dtype goes through candle's operations, which
//! [`stock`] composes. None of them tracks gradients on the CPU.
//!
//! # Threads
//!
//! Work is split over the rayon pool of the calling thread. A network is a few hundred short
//! operations, so whoever runs one should already be on a worker of that pool: wrap the whole
//! forward pass in [`candle_core::Device::with_context`] and candle's own parallel sections
//! share the same workers. [`Wakeful`] keeps them awake from one operation to the next. candle's elementwise operations also own a second pool, whose workers
//! spin between operations; `CANDLE_NUM_THREADS=1` in the environment keeps that pool empty and
//! leaves the cores to the server (these kernels do not read that variable).

mod activation;
mod attention;
mod buffer;
mod compact;
mod conv;
mod elementwise;
mod instructions;
mod interrupt;
mod lanes;
mod linear;
mod math;
mod norm;
mod profile;
mod reshape;
pub mod roofs;
mod rotary;
mod rows;
pub mod stock;
mod storage;
#[cfg(test)]
mod testing;
mod threads;
mod tile;
mod wakeful;

pub use activation::{geglu, gelu, gelu_tanh, quick_gelu, relu, silu};
pub use attention::attention;
pub use conv::{Conv2d, ConvChain, Fused, Link, Padding};
pub use elementwise::{add, add_gated, add_per_channel, scale};
pub use instructions::{InstructionSet, InstructionSetError};
pub use interrupt::{Interrupted, interruptible};
pub use linear::Linear;
pub use norm::{GroupNorm, LayerNorm, RmsNorm, modulated_layer_norm};
pub use profile::{Operation, profiled};
pub use reshape::{image_from_tokens, tokens_from_image, upsample_nearest_2x};
pub use rotary::rotary;
pub use wakeful::Wakeful;
