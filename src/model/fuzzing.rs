//! What `tests/fuzz` reaches of how model files are read. Public because a fuzzer drives the library
//! from outside, and hidden because nobody else needs it: names of tensors mean nothing without the
//! file that they stand in.

use super::Target;
use super::lora_names::LoraKey;

/// The part of the model and the module that a tensor of a LoRA file changes; none where the name is
/// no LoRA's or not supported.
pub fn lora_module(key: &str) -> Option<(Target, String)> {
    let key = LoraKey::parse(key).ok()??;
    Some((key.target, key.module))
}
